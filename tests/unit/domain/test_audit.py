"""Lines of the audit, and what shows when somebody has changed them."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.audit import (
    AuditEntry,
    AuditLine,
    Verdict,
    head_of,
    shown,
    verified,
)


def a_line(number: int) -> AuditLine:
    return AuditLine(at=1e9 + number, action="key.revoke", origin="cli:lin@studio", target="k1")


def chain(length: int) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for number in range(1, length + 1):
        before = entries[-1].digest if entries else ""
        entries.append(AuditEntry.of(a_line(number), number=number, before=before, until=None))
    return entries


async def verdict_of(entries: Sequence[AuditEntry], known: str = "") -> Verdict:
    async def every() -> AsyncIterator[AuditEntry]:
        for entry in entries:
            yield entry

    return await verified(every(), known=known)


async def test_a_whole_chain_is_sound_also_without_its_oldest_end() -> None:
    for entries in (chain(5), chain(5)[2:], []):
        assert (await verdict_of(entries)).faults == []


CHANGES: dict[str, Callable[[list[AuditEntry]], list[AuditEntry]]] = {
    "a word": lambda found: [
        replace(one, text=one.text.replace("lin", "zhou")) if one.number == 3 else one
        for one in found
    ],
    "its end": lambda found: [replace(one, until=1) if one.number == 3 else one for one in found],
    "one is out": lambda found: found[:2] + found[3:],
    "two have changed places": lambda found: [found[0], found[2], found[1], *found[3:]],
    "one is written anew": lambda found: [
        AuditEntry.of(a_line(9), number=3, before=one.before, until=None)
        if one.number == 3
        else one
        for one in found
    ],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_every_change_shows(
    change: Callable[[list[AuditEntry]], list[AuditEntry]],
) -> None:
    assert (await verdict_of(change(chain(5)))).faults


async def test_whoever_noted_a_head_finds_the_end_cut_off_and_all_written_anew() -> None:
    entries = chain(5)
    known = (await verdict_of(entries)).head
    assert (await verdict_of(entries, known)).faults == []
    assert (await verdict_of([*entries, *chain(6)[5:]], known)).faults == []
    assert (await verdict_of(entries[:4])).faults == []
    assert (await verdict_of(entries[:4], known)).faults
    other = [AuditEntry.of(a_line(7), number=1, before="", until=None)]
    for number in range(2, 6):
        entry = AuditEntry.of(a_line(7), number=number, before=other[-1].digest, until=None)
        other.append(entry)
    assert (await verdict_of(other)).faults == []
    assert (await verdict_of(other, known)).faults


@pytest.mark.parametrize("head", ["5", "5:", "x:" + "0" * 64, "5:" + "g" * 64])
def test_what_is_no_head_is_refused(head: str) -> None:
    with pytest.raises(ValueError, match="a number"):
        head_of(head)


def test_an_entry_says_by_itself_that_it_was_changed() -> None:
    entry = AuditEntry.of(a_line(1), until=12)
    assert entry.is_sound
    assert not replace(entry, text=entry.text.replace("revoke", "create")).is_sound


def test_a_member_of_a_later_release_is_no_matter() -> None:
    assert AuditLine.from_json({**a_line(1).to_json(), "weather": "fine"}) == a_line(1)


def test_of_a_key_only_the_id_is_shown_and_of_a_sentence_nothing() -> None:
    assert shown(f"sd_a1b2c3d4_{'x' * 40}") == "sd_a1b2c3d4"
    assert shown("uploads/lin/3f.png") == "uploads/lin/3f.png"
    assert shown("make her smile") == shown("让她笑") == shown("a\nb") == shown("x" * 201) == ""


@given(st.text(), st.text(max_size=20))
def test_nothing_secret_comes_through(text: str, more: str) -> None:
    secret = "0123456789abcdef" * 3
    assert secret not in shown(f"{text}sd_a1b2c3d4_{secret}{more}")
