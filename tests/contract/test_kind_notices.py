"""The promises of `ports.KindNotices`."""

import asyncio
from dataclasses import replace

from short_drama.domain.kinds import Lane
from short_drama.ports import KindNotice, KindNotices, TaskFilter, TaskStore
from tests.samples import NOW

KIND, OTHER = "camera-angle", "double-exposure"
ABLE = KindNotice(speaker="host:1:ab/1", until=NOW + 120)
UNABLE = KindNotice(
    speaker="host:2", until=NOW + 60.5, reason="the server has no 镜头转换", fix="Put it there."
)


async def said(notices: KindNotices, kind: str = KIND, *, now: float = NOW) -> list[KindNotice]:
    return sorted(await notices.said(kind, now=now), key=lambda one: one.speaker)


async def test_nobody_says_anything_at_first(notices: KindNotices) -> None:
    assert await said(notices) == []


async def test_each_speaker_is_heard_on_each_kind(notices: KindNotices) -> None:
    await notices.say(KIND, ABLE)
    await notices.say(KIND, UNABLE)
    await notices.say(OTHER, UNABLE)
    assert await said(notices) == [ABLE, UNABLE]
    assert await said(notices, OTHER) == [UNABLE]


async def test_the_last_word_of_a_speaker_is_what_it_says(notices: KindNotices) -> None:
    await notices.say(KIND, UNABLE)
    mended = KindNotice(speaker=UNABLE.speaker, until=NOW + 200)
    await notices.say(KIND, mended)
    assert await said(notices) == [mended]


async def test_what_is_said_holds_until_its_time(notices: KindNotices) -> None:
    await notices.say(KIND, UNABLE)
    assert await said(notices, now=UNABLE.until - 0.25) == [UNABLE]
    assert await said(notices, now=UNABLE.until) == []


async def test_a_word_can_be_taken_back(notices: KindNotices) -> None:
    await notices.say(KIND, UNABLE)
    await notices.say(KIND, replace(UNABLE, until=NOW))
    assert await said(notices) == []


async def test_many_speakers_at_once_are_all_heard(notices: KindNotices) -> None:
    words = [replace(ABLE, speaker=f"host:{number}") for number in range(6)]
    await asyncio.gather(*(notices.say(KIND, word) for word in words))
    assert len(await said(notices)) == 6


async def test_notices_are_no_tasks(notices: KindNotices, store: TaskStore) -> None:
    await notices.say(KIND, UNABLE)
    assert (await store.list(TaskFilter(), cursor=None, limit=10)).tasks == []
    assert await store.due(NOW + 1e6, limit=10) == []
    assert await store.oldest_pending(Lane.GPU) is None
