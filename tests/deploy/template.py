"""deploy/cloudformation/short-drama.yaml as CloudFormation reads it, as far as tests need that."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from tests.aws_calls import ACCOUNT
from tests.emulators.account import REGION
from tests.emulators.server import ROOT

FOLDER = ROOT / "deploy" / "cloudformation"
FILE = FOLDER / "short-drama.yaml"
NAME = "studio"
"""The stack's."""
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::NoValue": None,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{NAME}/1",
    "AWS::StackName": NAME,
}
_PLACE = f"{REGION}:{ACCOUNT}"
_ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{_PLACE}:table/{{}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{_PLACE}:{{}}",
}
_NAMES = {
    "AWS::AutoScaling::AutoScalingGroup": "AutoScalingGroupName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
}
"""The property that gives a resource its name; the others' names are AWS's choice."""


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
    """What the template makes with these parameters; the others have their defaults. What only AWS
    knows, such as a subnet's id, is its name in the template."""

    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def resources(self) -> dict[str, Any]:
        """Those whose condition holds, by their names in the template."""
        return {
            name: self.resolved(resource)
            for name, resource in template()["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }

    def of_type(self, kind: str) -> Mapping[str, Any]:
        """The properties of all resources of a type, by their names in the template."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def resolved(self, value: Any) -> Any:
        """With names and ARNs put in."""
        match value:
            case list():
                return [self.resolved(part) for part in value]
            case dict() if len(value) == 1 and (function := _FUNCTIONS.get(next(iter(value)))):
                return function(self, *value.values())
            case dict():
                parts = {key: self.resolved(part) for key, part in value.items()}
                return {key: part for key, part in parts.items() if part is not None}
        return value

    def referred(self, name: str) -> Any:
        if name in template()["Parameters"]:
            return str(self.parameters.get(name, template()["Parameters"][name].get("Default")))
        return _PSEUDO[name] if name in _PSEUDO else self._name_of(name)

    def attribute(self, path: str) -> str:
        resource, _, what = path.partition(".")
        kind = template()["Resources"][resource]["Type"]
        if what == "Arn" and kind in _ARNS:
            return _ARNS[kind].format(self._name_of(resource))
        return self._name_of(resource) if what == _NAMES.get(kind) else path

    def substituted(self, given: Any) -> str:
        text, variables = given if isinstance(given, list) else (given, {})

        def put_in(found: re.Match[str]) -> str:
            name = found[1]
            if name in variables:
                return str(self.resolved(variables[name]))
            return str(self.attribute(name) if "." in name else self.referred(name))

        return re.sub(r"\$\{([\w:.]+)\}", put_in, text)

    def chosen(self, branches: Any) -> Any:
        condition, then, otherwise = branches
        return self.resolved(then if self._holds(condition) else otherwise)

    def looked_up(self, keys: Any) -> Any:
        name, first, second = keys
        return template()["Mappings"][name][first][second]

    def _name_of(self, resource: str) -> str:
        declared = template()["Resources"][resource]
        given = _NAMES.get(declared["Type"])
        return str(self.resolved(declared["Properties"][given])) if given else resource

    def _holds(self, condition: Any) -> bool:
        match condition:
            case str() | {"Condition": str()}:
                name = condition if isinstance(condition, str) else condition["Condition"]
                return self._holds(template()["Conditions"][name])
            case {"Fn::Not": [one]}:
                return not self._holds(one)
            case {"Fn::And": several}:
                return all(map(self._holds, several))
            case {"Fn::Equals": [left, right]}:
                return bool(self.resolved(left) == self.resolved(right))
        raise AssertionError(f"what {condition} is, is not written here")


_FUNCTIONS: Mapping[str, Callable[[Stack, Any], Any]] = {
    "Fn::Base64": Stack.resolved,
    "Fn::FindInMap": Stack.looked_up,
    "Fn::GetAtt": Stack.attribute,
    "Fn::If": Stack.chosen,
    "Fn::Sub": Stack.substituted,
    "Ref": Stack.referred,
}


def exported(user_data: str) -> dict[str, str]:
    """The variables that a launch template sets."""
    lines = [line for line in user_data.splitlines() if line.startswith("export ")]
    pairs = re.findall(r'([A-Z_]+)=(?:"([^"]*)"|(\S*))', "\n".join(lines))
    return {name: quoted or bare for name, quoted, bare in pairs}
