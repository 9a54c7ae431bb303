"""The promises of `ports.CharacterStore`."""

import asyncio
from dataclasses import replace

import pytest

from short_drama.domain.characters import Character
from short_drama.ports import CharacterStore, StaleCharacter, TaskFilter, TaskStore
from tests.samples import a_character

FIRST, SECOND, THIRD = (f"{digit}f5a0000-0000-4000-8000-000000000000" for digit in "0a3")


async def test_a_character_is_found_as_it_was_written(characters: CharacterStore) -> None:
    lin = a_character()
    stored = await characters.write(lin)
    assert stored == replace(lin, version=1)
    assert await characters.get("local", "lin") == stored
    assert await characters.get("local", "zhou") is None
    assert await characters.get("other", "lin") is None


async def test_a_name_is_one_character_of_each_owner(characters: CharacterStore) -> None:
    await characters.write(a_character())
    with pytest.raises(StaleCharacter):
        await characters.write(a_character(title="another"))
    await characters.write(a_character(owner="other", name="zhou"))
    await characters.write(a_character(name="an"))
    assert [one.name for one in await characters.list("local")] == ["an", "lin"]
    assert [one.name for one in await characters.list("other")] == ["zhou"]
    assert await characters.list("nobody") == []


async def test_of_several_writes_at_once_one_succeeds(characters: CharacterStore) -> None:
    stored = await characters.write(a_character())
    writes = (characters.write(replace(stored, title=str(number))) for number in range(4))
    ended = await asyncio.gather(*writes, return_exceptions=True)
    (written,) = [one for one in ended if isinstance(one, Character)]
    assert all(isinstance(one, StaleCharacter) for one in ended if one is not written)
    assert await characters.get("local", "lin") == written
    assert written.version == 2


async def test_what_is_gone_cannot_be_written_over(characters: CharacterStore) -> None:
    stored = await characters.write(a_character())
    with pytest.raises(StaleCharacter):
        await characters.delete(replace(stored, version=7))
    await characters.note_use("local", "lin", FIRST)
    await characters.delete(stored)
    assert await characters.get("local", "lin") is None
    assert (await characters.list("local"), await characters.uses("local", "lin")) == ([], [])
    for change in (characters.delete, characters.write):
        with pytest.raises(StaleCharacter):
            await change(stored)
    assert (await characters.write(a_character())).version == 1


async def test_its_uses_are_told_once_each(characters: CharacterStore) -> None:
    await characters.write(a_character())
    for task_id in (SECOND, FIRST, SECOND, THIRD):
        await characters.note_use("local", "lin", task_id)
    assert await characters.uses("local", "lin") == sorted([FIRST, SECOND, THIRD])
    assert await characters.uses("local", "zhou") == []
    assert await characters.uses("other", "lin") == []


async def test_characters_are_no_tasks(characters: CharacterStore, store: TaskStore) -> None:
    await characters.write(a_character())
    await characters.note_use("local", "lin", FIRST)
    assert (await store.list(TaskFilter(), cursor=None, limit=10)).tasks == []
