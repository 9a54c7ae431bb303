"""The accounts of a task's time: what each of its seconds was spent on."""

from collections.abc import Mapping
from typing import Final

from short_drama.domain.attempts import PREPARING, WAITING

QUEUED: Final = "queued"
"""From the submit to the first claim."""
IN_LANE: Final = "in_lane"
"""Inside the API service, behind other jobs, or for the engine."""
ENGINE: Final = "engine"
PUBLISHING: Final = "publishing"
"""A job's stage as well."""
RETRY: Final = "retry"
"""What is waited for between attempts when nothing else is named."""
_WAITING: Final = "waiting:"
_BY_STAGE: Final = {WAITING: IN_LANE, PREPARING: PREPARING, PUBLISHING: PUBLISHING}
_NO_WORK: Final = frozenset({None, "completed", "failed", "cancelled"})
OF_JOBS: Final = (PREPARING, IN_LANE, ENGINE, PUBLISHING)

StageTimes = Mapping[str, float]
"""Seconds by account."""


def account_of_stage(stage: str | None) -> str | None:
    """A job's stages are its engine's own, but for those that every kind has."""
    return None if stage in _NO_WORK else _BY_STAGE.get(stage or "", ENGINE)


def account_of_reason(code: str) -> str:
    """Between two attempts, for what this is the code of."""
    return _WAITING + code


def reasons(times: StageTimes) -> dict[str, float]:
    """Seconds between attempts, by code."""
    return {
        account.removeprefix(_WAITING): seconds
        for account, seconds in times.items()
        if account.startswith(_WAITING)
    }


def added(times: StageTimes, more: StageTimes) -> StageTimes:
    accounts = dict.fromkeys((*times, *more))
    return {account: times.get(account, 0.0) + more.get(account, 0.0) for account in accounts}


def rounded(times: StageTimes) -> dict[str, float]:
    """As they are written."""
    return {account: round(seconds, 4) for account, seconds in times.items()}
