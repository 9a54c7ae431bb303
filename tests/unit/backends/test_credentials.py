"""Whether credentials hold, of every sort that a session may find."""

from datetime import UTC, datetime, timedelta

import pytest
from aiobotocore.credentials import AioCredentials, AioRefreshableCredentials
from botocore.exceptions import PartialCredentialsError

from short_drama.backends.aws.credentials import look_at_credentials
from tests.figures import figure


class Session:
    """Finds these."""

    def __init__(self, found: object) -> None:
        self._found = found

    async def get_credentials(self) -> object:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


async def renewed() -> dict[str, str]:
    raise AssertionError("nobody asked for it")


def ending_in(seconds: float) -> AioRefreshableCredentials:
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return AioRefreshableCredentials("id", "secret", "token", end, renewed, "a role")


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (AioCredentials("id", "secret"), 1),
        (None, 0),
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), 0),
    ],
    ids=["key", "none", "half"],
)
async def test_credentials_hold_when_they_are_whole(found: object, holds: float) -> None:
    await look_at_credentials(Session(found))  # type: ignore[arg-type]
    assert figure("aws_credentials_hold") == holds


@pytest.mark.parametrize(("seconds", "holds"), [(3600, 1), (600, 1), (100, 0), (-100, 0)])
async def test_a_roles_credentials_hold_until_they_are_not_renewed(
    seconds: float, holds: float
) -> None:
    await look_at_credentials(Session(ending_in(seconds)))  # type: ignore[arg-type]
    assert figure("aws_credentials_hold") == holds
