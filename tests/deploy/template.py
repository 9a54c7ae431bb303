"""deploy/cloudformation/short-drama.yaml as CloudFormation reads it, as far as tests need that."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from tests.aws_calls import ACCOUNT
from tests.emulators.account import REGION
from tests.emulators.server import ROOT

FILE = ROOT / "deploy" / "cloudformation" / "short-drama.yaml"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "short-drama",
}


class _Loader(yaml.SafeLoader):
    """Reads `!Sub x` as `{"Fn::Sub": x}`, and so on."""


def _function(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def template() -> Mapping[str, Any]:
    """With functions in their long form."""
    read: Mapping[str, Any] = yaml.load(FILE.read_text(), _Loader)  # noqa: S506 - a safe loader
    return read


@dataclass(frozen=True, slots=True)
class Stack:
    """What the template makes with these parameters; the others have their defaults."""

    parameters: Mapping[str, str] = field(default_factory=dict)

    def of_type(self, kind: str) -> Mapping[str, Any]:
        """The properties of all resources of a type, by their names in the template."""
        return {
            name: resource.get("Properties", {})
            for name, resource in template()["Resources"].items()
            if resource["Type"] == kind
        }

    def resolved(self, value: Any) -> Any:
        """With names and ARNs put in. Of functions, those that policies use."""
        match value:
            case {"Ref": str(name)}:
                return self._referred(name)
            case {"Fn::GetAtt": str(attribute)}:
                return self._arn(attribute)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([\w:.]+)\}", lambda found: self._named(found[1]), text)
            case dict():
                return {key: self.resolved(part) for key, part in value.items()}
            case list():
                return [self.resolved(part) for part in value]
        return value

    def _named(self, name: str) -> str:
        return self._arn(name) if "." in name else self._referred(name)

    def _referred(self, name: str) -> str:
        if name in template()["Parameters"]:
            return str(self.parameters.get(name, template()["Parameters"][name].get("Default")))
        return _PSEUDO.get(name) or self._name_of(name)

    def _name_of(self, resource: str) -> str:
        properties = template()["Resources"][resource]["Properties"]
        own = (
            properties[key] for key in ("QueueName", "TableName", "BucketName") if key in properties
        )
        return str(self.resolved(next(own, resource)))

    def _arn(self, attribute: str) -> str:
        resource, _, what = attribute.partition(".")
        assert what == "Arn", f"what {attribute} is, is not written here"
        place = f"{REGION}:{ACCOUNT}"
        name = self._name_of(resource)
        return {
            "AWS::SQS::Queue": f"arn:aws:sqs:{place}:{name}",
            "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{place}:table/{name}",
            "AWS::S3::Bucket": f"arn:aws:s3:::{name}",
            "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        }[template()["Resources"][resource]["Type"]]
