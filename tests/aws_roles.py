"""Roles in an emulated account: made, assumed, and acted in."""

import contextlib
import functools
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from aiobotocore.session import AioSession, get_session

from short_drama.backends.aws.rights import Names, policy
from tests.aws_calls import ACCOUNT, Watch
from tests.emulators import account
from tests.rights import Policy

Environment = Mapping[str, str | None]
"""Variables; None: not there."""
_ANYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


def arn_of(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{role}"


def client(service: Any, ministack: str) -> Any:
    """The account's root."""
    return _session().create_client(
        service,
        region_name=account.REGION,
        endpoint_url=ministack,
        aws_access_key_id=account.ACCESS_KEY_ID,
        aws_secret_access_key=account.SECRET_ACCESS_KEY,
    )


async def make_role(ministack: str, name: str, policy: Policy) -> None:
    """One that whoever is in the account may assume."""
    async with client("iam", ministack) as iam:
        await iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_ANYBODY))
        await iam.put_role_policy(
            RoleName=name, PolicyName="rights", PolicyDocument=json.dumps(policy)
        )


async def assumed(ministack: str, role: str) -> Mapping[str, Any]:
    """Credentials, as STS tells them."""
    async with client("sts", ministack) as sts:
        answer = await sts.assume_role(RoleArn=arn_of(role), RoleSessionName="test")
    credentials: Mapping[str, Any] = answer["Credentials"]
    return credentials


def environment_of(credentials: Mapping[str, Any]) -> Environment:
    """What every AWS tool reads."""
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


@contextlib.contextmanager
def acting(keys: Environment) -> Iterator[None]:
    """Clients opened meanwhile, in whatever thread, are whose these variables say."""
    before = {name: os.environ.get(name) for name in keys}
    _change(keys)
    try:
        yield
    finally:
        _change(before)


def _change(variables: Environment) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@functools.cache
def _session() -> AioSession:
    """One for all, for it reads the services' models anew."""
    return get_session()


class Cast:
    """The roles of one installation, each made when it is first acted in, and watched.

    Args:
        stage: of which queues, table and bucket have their names, see `aws_stage`.
    """

    def __init__(self, stage: str, ministack: str, watch: Watch) -> None:
        self._stage, self._ministack, self._watch = stage, ministack, watch
        self._keys: dict[str, Environment] = {}

    def policy(self, role: str) -> Policy:
        names = Names(account.REGION, ACCOUNT, f"{self._stage}-", f"bucket-{self._stage}")
        return policy(role, names)

    @contextlib.asynccontextmanager
    async def acting(self, role: str) -> AsyncIterator[None]:
        if role not in self._keys:
            name = f"{self._stage}-{role}"
            await make_role(self._ministack, name, self.policy(role))
            self._keys[role] = environment_of(await assumed(self._ministack, name))
        with acting(self._keys[role]), self._watch.over(role):
            yield
