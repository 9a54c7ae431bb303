"""Whose tasks are accepted, by what adapters say."""

from collections.abc import Sequence

import pytest

from short_drama.domain.errors import KindNotAvailable, Unavailable
from short_drama.orchestrator.availability import Availability, refusal
from short_drama.ports import KindNotice
from tests.protocol.memory import MemoryNotices
from tests.samples import NOW

KIND = "camera-angle"
ABLE = KindNotice(speaker="a", until=NOW + 120)
UNABLE = KindNotice(speaker="b", until=NOW + 60, reason="no model", fix="Put it there.")


@pytest.mark.parametrize(
    ("notices", "refuses"),
    [([], False), ([ABLE], False), ([UNABLE], True), ([ABLE, UNABLE], False)],
)
def test_a_kind_is_refused_when_all_say_that_a_person_has_to_act(
    notices: Sequence[KindNotice], refuses: bool
) -> None:
    assert (refusal(notices) is not None) is refuses


async def test_the_reason_and_what_helps_are_told() -> None:
    notices, now = MemoryNotices(), NOW
    availability = Availability(notices, clock=lambda: now)
    await availability.require(KIND)
    assert await availability.view([KIND]) == {KIND: {"ready": None}}
    await notices.say(KIND, UNABLE)
    now += 3
    with pytest.raises(KindNotAvailable, match="no model") as refused:
        await availability.require(KIND)
    assert (refused.value.fix, refused.value.after) == ("Put it there.", 60.0)
    view = await availability.view([KIND])
    assert view[KIND]["reason"] == "no model"
    now = UNABLE.until
    await availability.require(KIND)


async def test_a_store_that_does_not_answer_refuses_nobody() -> None:
    class Silent(MemoryNotices):
        async def said(self, kind: str, *, now: float) -> Sequence[KindNotice]:
            raise Unavailable("no answer")

    await Availability(Silent(), clock=lambda: NOW).require(KIND)
