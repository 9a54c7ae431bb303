"""The promises of `ports.KeyStore`."""

import asyncio
from dataclasses import replace

import pytest

from short_drama.domain.api_keys import ApiKey, make
from short_drama.domain.principal import Scope
from short_drama.ports import KeyExists, KeyStore, TaskFilter, TaskStore
from tests.samples import NOW


def a_key(owner: str = "lin", *, created_at: float = NOW) -> ApiKey:
    key, _ = make(
        owner=owner,
        scopes=[Scope.TASKS_READ, Scope.FACE_SWAP],
        now=created_at,
        label="导演 laptop",
        expires_at=NOW + 86_400.5,
        daily_limit=2_500_000,
    )
    return key


async def test_a_key_is_found_as_it_was_added(keys: KeyStore) -> None:
    key = a_key()
    await keys.add(key)
    assert await keys.get(key.key_id) == key
    assert await keys.get("aaaaaaaa") is None


async def test_an_id_belongs_to_one_key(keys: KeyStore) -> None:
    key = a_key()
    await keys.add(key)
    with pytest.raises(KeyExists):
        await keys.add(replace(key, owner="zhou"))
    assert await keys.get(key.key_id) == key


async def test_all_are_listed_the_oldest_first(keys: KeyStore) -> None:
    assert await keys.list() == []
    made = [a_key(created_at=NOW + number) for number in (2, 0, 1)]
    await asyncio.gather(*(keys.add(key) for key in made))
    assert [key.created_at - NOW for key in await keys.list()] == [0, 1, 2]


async def test_a_revoked_key_stays_revoked_since_then(keys: KeyStore) -> None:
    key = a_key()
    await keys.add(key)
    revoked = replace(key, revoked_at=NOW + 1)
    assert await keys.revoke(key.key_id, at=NOW + 1) == revoked
    assert await keys.revoke(key.key_id, at=NOW + 2) == revoked
    assert await keys.get(key.key_id) == revoked
    assert await keys.list() == [revoked]


async def test_nobody_revokes_what_there_is_not(keys: KeyStore) -> None:
    assert await keys.revoke("aaaaaaaa", at=NOW) is None
    assert await keys.list() == []


async def test_its_last_use_is_listed_and_changes_nothing_else(keys: KeyStore) -> None:
    key = a_key()
    await keys.add(key)
    await keys.used(key.key_id, at=NOW + 60)
    await keys.used("aaaaaaaa", at=NOW)
    assert await keys.list() == [replace(key, last_used_at=NOW + 60)]
    await keys.revoke(key.key_id, at=NOW + 61)
    assert await keys.list() == [replace(key, last_used_at=NOW + 60, revoked_at=NOW + 61)]


async def test_keys_are_no_tasks(keys: KeyStore, store: TaskStore) -> None:
    await keys.add(a_key())
    page = await store.list(TaskFilter(), cursor=None, limit=10)
    assert page.tasks == []
