"""`short-drama keys`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.markup import escape
from rich.table import Table

from short_drama.cli import display
from short_drama.cli.audited import audited
from short_drama.cli.backend import opened
from short_drama.cli.exits import EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.domain.api_keys import ApiKey, Given, make, renewed
from short_drama.domain.principal import Scope
from short_drama.ports import KeyStore

Answer = TypeVar("Answer")

_MICROS: Final = 1_000_000
_DAY_SECONDS: Final = 86_400.0


def create(
    *,
    owner: str,
    scopes: Sequence[str],
    label: str,
    daily_usd: str | None,
    days: int | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    now = time.time()
    key, given = make(
        owner=owner,
        scopes=map(Scope, scopes),
        now=now,
        label=label,
        expires_at=None if days is None else now + days * _DAY_SECONDS,
        daily_limit=None if daily_usd is None else _micros(daily_usd),
    )
    about = f"{key.owner}: {', '.join(sorted(key.scopes))}"
    _change("key.create", data_dir, lambda keys: keys.add(key), of=key.key_id, about=about)
    _show_new(key, given, as_json=as_json)


def ls(*, data_dir: Path | None, as_json: bool) -> None:
    found = _with_store(data_dir, lambda keys: keys.list())
    if as_json:
        for key in found:
            display.print_json(_members(key))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("id", "owner", "scopes", "label", "made", "last used", "a day", "state"):
        table.add_column(heading)
    for key in found:
        table.add_row(*map(escape, _cells(key)))
    display.console().print(table)


def revoke(*, key_id: str, data_dir: Path | None, as_json: bool) -> None:
    async def end(keys: KeyStore) -> ApiKey:
        if (ended := await keys.revoke(_id(key_id), at=time.time())) is None:
            raise _no_key(key_id)
        return ended

    key = _change("key.revoke", data_dir, end, of=_id(key_id))
    if as_json:
        display.print_json(_members(key))
    else:
        say(f"{key.key_id} opens nothing any more; running services follow within seconds.")


def rotate(*, key_id: str, data_dir: Path | None, as_json: bool) -> None:
    now = time.time()
    old = _with_store(data_dir, lambda keys: keys.get(_id(key_id)))
    if old is None or not old.is_valid(now):
        raise _no_key(key_id)
    key, given = renewed(old, now=now)

    async def put_in_place(keys: KeyStore) -> None:
        await keys.add(key)
        await keys.revoke(old.key_id, at=now)

    _change("key.rotate", data_dir, put_in_place, of=old.key_id, about=f"now {key.key_id}")
    _show_new(key, given, as_json=as_json)


def _with_store(data_dir: Path | None, work: Callable[[KeyStore], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        async with opened(data_dir) as (_, backend):
            return await work(backend.keys)

    return asyncio.run(run())


def _change(
    action: str,
    data_dir: Path | None,
    work: Callable[[KeyStore], Awaitable[Answer]],
    *,
    of: str,
    about: str = "",
) -> Answer:
    """As `_with_store`, and in the audit. `of`: the key's id."""

    async def run() -> Answer:
        async with opened(data_dir) as (_, backend), audited(backend.audit, action, of, about):
            return await work(backend.keys)

    return asyncio.run(run())


def _id(text: str) -> str:
    """Whoever pastes the whole key means its id."""
    given = Given.of(text)
    return text if given is None else given.key_id


def _no_key(key_id: str) -> Problem:
    return Problem(
        f"no key that opens anything has the id {_id(key_id)[:20]!r}",
        fix="See which there are: short-drama keys ls.",
        code=EXIT_USAGE,
    )


def _micros(usd: str) -> int:
    try:
        micros = Decimal(usd) * _MICROS
        if 0 <= micros < 10**12 and micros == int(micros):
            return int(micros)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise Problem(
        f"{usd[:40]!r} is no amount", fix="Give US dollars, such as 2.50.", code=EXIT_USAGE
    )


# --- What is shown ------------------------------------------------------------------------


def _show_new(key: ApiKey, given: Given, *, as_json: bool) -> None:
    if as_json:
        display.print_json({"key": str(given), **_members(key)})
        return
    say(str(given))
    say("It is shown only now. Keep it where nobody else reads it.", err=True)


def _members(key: ApiKey) -> dict[str, Any]:
    members = {**key.to_json(), "state": _state(key)}
    del members["digest"]
    if (limit := members.pop("daily_limit", None)) is not None:
        members["daily_usd"] = limit / _MICROS
    return members


def _cells(key: ApiKey) -> list[str]:
    limit = "-" if key.daily_limit is None else f"{key.daily_limit / _MICROS:.2f} USD"
    used = "never" if key.last_used_at is None else _day(key.last_used_at)
    scopes = "every" if key.scopes == frozenset(Scope) else " ".join(sorted(key.scopes))
    made = _day(key.created_at)
    return [key.key_id, key.owner, scopes, key.label, made, used, limit, _state(key)]


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.is_valid(time.time()) else "expired"


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"
