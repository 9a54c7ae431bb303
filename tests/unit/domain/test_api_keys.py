"""API keys: their form, and what is kept of them."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.api_keys import ApiKey, Given, digest_of, make, renewed
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.principal import Scope
from tests.samples import NOW

READ = [Scope.TASKS_READ]


def test_a_key_has_its_form_and_only_its_hash_is_kept() -> None:
    key, shown = make(owner="lin", scopes=READ, now=NOW)
    assert re.fullmatch(r"sd_[a-z0-9]{8}_[A-Za-z0-9]{32,}", str(shown))
    assert shown == Given.of(str(shown))
    assert shown.key_id == key.key_id
    assert key.digest == digest_of(shown.secret)
    assert shown.secret not in f"{key!r}{key.to_json()}{shown!r}"


def test_no_two_keys_are_alike() -> None:
    shown = [make(owner="lin", scopes=READ, now=NOW)[1] for _ in range(200)]
    assert len({one.key_id for one in shown}) == len({one.secret for one in shown}) == 200


@given(st.text())
def test_what_is_no_key_is_none(text: str) -> None:
    found = Given.of(text)
    assert found is None or str(found) == text


@pytest.mark.parametrize("text", ["", "sd_", "sd_abcdefgh_", "sd_abcdefgh_" + "x" * 31, "Bearer x"])
def test_what_is_too_short_is_none(text: str) -> None:
    assert Given.of(text) is None
    assert Given.of("sd_abcdefgh_" + "x" * 32 + "\n") is None


def test_it_opens_until_it_is_revoked_or_has_expired() -> None:
    key, shown = make(owner="lin", scopes=READ, now=NOW, expires_at=NOW + 10)
    assert key.opens(shown, now=NOW + 9)
    assert not key.opens(shown, now=NOW + 10)
    assert not replace(key, revoked_at=NOW).opens(shown, now=NOW)
    other = make(owner="lin", scopes=READ, now=NOW)[1]
    assert not key.opens(Given(shown.key_id, other.secret), now=NOW)


def test_a_renewed_key_is_another_one_for_the_same() -> None:
    key, shown = make(owner="lin", scopes=READ, now=NOW, label="agent", daily_limit=5)
    next_key, next_shown = renewed(replace(key, revoked_at=NOW, last_used_at=NOW), now=NOW + 1)
    assert next_key.opens(next_shown, now=NOW + 1)
    assert not next_key.opens(shown, now=NOW + 1)
    kept = replace(next_key, key_id=key.key_id, digest=key.digest, created_at=NOW)
    assert kept == key


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"owner": "Lin"}, "owner"),
        ({"owner": "a" * 41}, "owner"),
        ({"owner": ""}, "owner"),
        ({"owner": "lin\n"}, "owner"),
        ({"scopes": []}, "scopes"),
        ({"label": "x" * 201}, "label"),
        ({"label": "a\nb"}, "label"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make(**{"owner": "lin", "scopes": READ, "now": NOW, **wrong})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_scopes_of_a_later_release_mean_nothing() -> None:
    key, _ = make(owner="lin", scopes=READ, now=NOW)
    told = {**key.to_json(), "scopes": ["tasks:read", "time:travel"], "colour": "red"}
    assert ApiKey.from_json(told) == key
