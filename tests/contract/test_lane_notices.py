"""The promises of `ports.LaneNotices`."""

import asyncio
from dataclasses import replace

from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import Condition, KindNotice, LaneNotice
from short_drama.ports import LaneNotices, TaskFilter, TaskStore
from tests.samples import NOW

ABLE = LaneNotice(
    speaker="host:1:ab/1",
    until=NOW + 120,
    service=Condition(since=NOW - 0.25),
    kinds={
        "camera-angle": KindNotice(
            condition=Condition(
                since=NOW - 5, code="engine_not_ready", reason="no 镜头转换", fix="Put it there."
            ),
            engine="comfyui",
        ),
        "double-exposure": KindNotice(condition=Condition(since=NOW), expected_seconds=12.5),
    },
)
UNABLE = LaneNotice(
    speaker="host:2",
    until=NOW + 60.5,
    service=Condition(since=NOW, code="unavailable", reason="it does not answer"),
)


async def said(
    notices: LaneNotices, lane: Lane = Lane.GPU, *, since: float = NOW
) -> list[LaneNotice]:
    return sorted(await notices.said(lane, since=since), key=lambda one: one.speaker)


async def test_nobody_says_anything_at_first(notices: LaneNotices) -> None:
    assert await said(notices) == []


async def test_each_speaker_is_heard_on_each_lane(notices: LaneNotices) -> None:
    await notices.say(Lane.GPU, ABLE)
    await notices.say(Lane.GPU, UNABLE)
    await notices.say(Lane.CPU, UNABLE)
    assert await said(notices) == [ABLE, UNABLE]
    assert await said(notices, Lane.CPU) == [UNABLE]


async def test_the_last_word_of_a_speaker_is_what_it_says(notices: LaneNotices) -> None:
    await notices.say(Lane.GPU, UNABLE)
    mended = replace(ABLE, speaker=UNABLE.speaker, until=NOW + 200)
    await notices.say(Lane.GPU, mended)
    assert await said(notices) == [mended]


async def test_what_is_said_holds_until_its_time_and_is_remembered(notices: LaneNotices) -> None:
    await notices.say(Lane.GPU, UNABLE)
    assert await said(notices, since=UNABLE.until - 0.25) == [UNABLE]
    assert await said(notices, since=UNABLE.until) == []
    await notices.say(Lane.GPU, replace(ABLE, until=UNABLE.until + 900))
    assert len(await said(notices)) == 2


async def test_a_word_can_be_taken_back(notices: LaneNotices) -> None:
    await notices.say(Lane.GPU, ABLE)
    await notices.say(Lane.GPU, ABLE.taken_back(NOW))
    assert await said(notices) == []
    assert await said(notices, since=NOW - 1) == [ABLE.taken_back(NOW)]


async def test_many_speakers_at_once_are_all_heard(notices: LaneNotices) -> None:
    words = [replace(ABLE, speaker=f"host:{number}") for number in range(6)]
    await asyncio.gather(*(notices.say(Lane.GPU, word) for word in words))
    assert len(await said(notices)) == 6


async def test_notices_are_no_tasks(notices: LaneNotices, store: TaskStore) -> None:
    await notices.say(Lane.GPU, UNABLE)
    assert (await store.list(TaskFilter(), cursor=None, limit=10)).tasks == []
    assert await store.due(NOW + 1e6, limit=10) == []
    assert await store.oldest_pending(Lane.GPU) is None
