"""The template's roles may do what the table of rights says."""

from collections.abc import Mapping
from typing import Any

import pytest

from short_drama.backends.aws.rights import ROLES, Names, policy
from tests.aws_calls import ACCOUNT
from tests.deploy.template import Stack
from tests.emulators.account import REGION

MINE = Names(REGION, ACCOUNT, "mine-", "my-assets")


def roles() -> Mapping[str, Any]:
    """Properties of those with a policy of their own, by its name."""
    stack = Stack({"Prefix": MINE.prefix, "BucketName": MINE.bucket})
    return {
        given["PolicyName"]: role
        for role in stack.of_type("AWS::IAM::Role").values()
        for given in role.get("Policies", ())
    }


def test_every_role_of_the_table_is_there() -> None:
    assert set(roles()) == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_the_table_says(role: str) -> None:
    [given] = roles()[role]["Policies"]
    for statement in given["PolicyDocument"]["Statement"]:
        for part in ("Action", "Resource"):
            one_or_many = statement[part]
            statement[part] = one_or_many if isinstance(one_or_many, list) else [one_or_many]
    assert given["PolicyDocument"] == policy(role, MINE)


@pytest.mark.parametrize("role", ["operator", "provisioner"])
def test_people_take_on_theirs_as_the_account_says(role: str) -> None:
    [trust] = roles()[role]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
