"""What doctor says of keys."""

from collections.abc import Sequence
from typing import Any

import pytest

from short_drama.doctor.finding import Verdict
from short_drama.doctor.keys import faults_of, unlocked
from short_drama.domain.api_keys import ApiKey
from short_drama.domain.principal import Scope
from short_drama.settings import Settings

NOW, DAY = 1_800_000_000.0, 86_400.0
PLAIN = {Scope.TASKS_READ}


def key(owner: str = "lin", **changes: Any) -> ApiKey:
    own = {"scopes": frozenset(Scope), "created_at": NOW - DAY, "digest": "d"}
    return ApiKey(**{"key_id": "a1b2c3d4", "owner": owner, **own, **changes})


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([key()], []),
        ([], [(Verdict.WRONG, "there is no valid key")]),
        ([key(revoked_at=NOW)], [(Verdict.WRONG, "there is no valid key")]),
        ([key(scopes=PLAIN)], [(Verdict.WARNING, "no valid key has the scope admin")]),
        ([key(created_at=NOW - 91 * DAY)], [(Verdict.WARNING, "not used for 90 days: a1b2c3d4")]),
        ([key(created_at=NOW - 91 * DAY, last_used_at=NOW - DAY)], []),
        ([key(expires_at=NOW + 3 * DAY)], [(Verdict.WARNING, "expires within 14 days")]),
        ([key(expires_at=NOW + 30 * DAY)], []),
        ([key(), key(revoked_at=NOW, expires_at=NOW, created_at=NOW - 99 * DAY)], []),
    ],
)
def test_keys_that_nobody_needs_or_soon_has_no_more(
    keys: Sequence[ApiKey], told: Sequence[tuple[Verdict, str]]
) -> None:
    found = list(faults_of(keys, now=NOW))
    assert [each.verdict for each in found] == [verdict for verdict, _ in told]
    for each, (_, words) in zip(found, told, strict=True):
        assert each.found.startswith(words)
        assert each.do


@pytest.mark.parametrize(
    ("given", "is_open"),
    [
        ({}, False),
        ({"public_hosts": "studio.example"}, True),
        ({"trusted_proxies": "127.0.0.1"}, True),
    ],
)
def test_a_proxy_in_front_of_an_open_door(given: dict[str, str], is_open: bool) -> None:
    assert bool(list(unlocked(Settings(**given)))) is is_open  # type: ignore[arg-type]
