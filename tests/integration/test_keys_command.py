"""`short-drama keys` on every backend, as the installed command."""

from short_drama.domain.api_keys import Given
from short_drama.domain.principal import Scope
from tests.integration.operator_stage import Stage, stage

__all__ = ["stage"]


async def test_a_key_is_made_listed_renewed_and_ended(stage: Stage) -> None:
    made = await stage.shell.run(
        *("keys", "create", "--owner", "lin", "--scope", "tasks:read", "--label", "agent [1]"),
        *("--daily-usd", "2.50", "--json"),
    )
    assert made.code == 0, made.err
    [told] = made.lines
    given = Given.of(told["key"])
    assert given is not None
    key = await stage.backend.keys.get(given.key_id)
    assert key is not None
    assert (key.owner, key.daily_limit) == ("lin", 2_500_000)
    assert key.scopes == {Scope.TASKS_READ}
    assert key.opens(given, now=key.created_at)

    listed = await stage.shell.run("keys", "ls")
    assert "agent [1]" in listed.out
    assert given.secret not in listed.out
    assert key.digest not in listed.out

    renewed = await stage.shell.run("keys", "rotate", given.key_id, "--json")
    [new] = renewed.lines
    assert (new["owner"], new["daily_usd"], new["state"]) == ("lin", 2.5, "valid")
    ended = await stage.shell.run("keys", "revoke", new["key"], "--json")
    assert [line["state"] for line in ended.lines] == ["revoked"]
    states = await stage.shell.run("keys", "ls", "--json")
    assert [line["state"] for line in states.lines] == ["revoked", "revoked"]


async def test_what_makes_no_sense_is_refused(stage: Stage) -> None:
    for words in (
        ["create", "--owner", "Lin"],
        ["create", "--owner", "lin", "--daily-usd", "much"],
        ["create", "--owner", "lin", "--scope", "everything"],
        ["revoke", "aaaaaaaa"],
        ["rotate", "aaaaaaaa"],
    ):
        ended = await stage.shell.run("keys", *words)
        assert ended.code == 2, words
