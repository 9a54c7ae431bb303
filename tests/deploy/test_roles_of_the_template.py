"""The template's roles: what the table of rights says, and who may take them on."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from short_drama.backends.aws.rights import ROLES, Names, policy
from short_drama.wiring.components import PROCESSES
from tests.aws_calls import ACCOUNT
from tests.deploy.template import Stack
from tests.emulators.account import REGION

MINE = Names(REGION, ACCOUNT, "mine-", "my-assets")
STACK = Stack({"Prefix": MINE.prefix, "BucketName": MINE.bucket})


def _roles() -> Mapping[str, Any]:
    """Properties of those with a policy of the table, by its name."""
    return {
        given["PolicyName"]: {"Name": name, **role}
        for name, role in STACK.of_type("AWS::IAM::Role").items()
        for given in role.get("Policies", ())
    }


def _listed(one_or_many: Any) -> list[Any]:
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


def test_every_role_of_the_table_is_there() -> None:
    assert set(_roles()) == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_the_table_says(role: str) -> None:
    [given] = _roles()[role]["Policies"]
    document = STACK.resolved(given["PolicyDocument"])
    for statement in document["Statement"]:
        for part in ("Action", "Resource"):
            statement[part] = _listed(statement[part])
    assert document == policy(role, MINE)


def _instances() -> Iterator[tuple[str, set[str]]]:
    """Of each instance's role the ARN, and the ARNs of the roles that it may take on."""
    for given in STACK.of_type("AWS::IAM::Policy").values():
        [instance] = STACK.resolved(given["Roles"])
        taken = {
            resource
            for statement in STACK.resolved(given["PolicyDocument"])["Statement"]
            if "sts:AssumeRole" in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
        }
        yield f"arn:aws:iam::{ACCOUNT}:role/{instance}", taken


def test_an_instance_may_take_on_the_roles_that_trust_it_and_no_others() -> None:
    trusted = {
        (statement["Principal"]["AWS"], f"arn:aws:iam::{ACCOUNT}:role/{_roles()[role]['Name']}")
        for role in {process.role for process in PROCESSES.values()}
        for statement in STACK.resolved(_roles()[role]["AssumeRolePolicyDocument"])["Statement"]
    }
    assert {(instance, role) for instance, taken in _instances() for role in taken} == trusted


@pytest.mark.parametrize("role", ["operator", "provisioner"])
def test_people_take_on_theirs_as_the_account_says(role: str) -> None:
    [trust] = STACK.resolved(_roles()[role]["AssumeRolePolicyDocument"])["Statement"]
    assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
