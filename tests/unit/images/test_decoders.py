"""Pictures in child processes: a bad one costs its child, and its sender an answer."""

import asyncio
import io
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from short_drama.domain.errors import ImageRejected, InternalError, Unavailable
from short_drama.images import decoders
from short_drama.images.codec import encode, normalise
from short_drama.images.decoders import SMALL, Decoders, is_small
from short_drama.images.labels import Label, SourceType


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[Decoders]:
    opened = Decoders()
    yield opened
    await opened.close()


def saved(width: int, height: int, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, kind, **options)
    return out.getvalue()


LABELLED = encode(
    np.zeros((32, 48, 3), np.uint8),
    "image/png",
    label=Label(source=SourceType.TRAINED, aigc=None, engine="none"),
)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """All that are started, first to last."""
    begun: list[subprocess.Popen[bytes]] = []
    start = decoders.started

    def noted() -> subprocess.Popen[bytes]:
        begun.append(start())
        return begun[-1]

    monkeypatch.setattr(decoders, "started", noted)
    return begun


def instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """A child that does something else than decode."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    monkeypatch.setattr(decoders, "started", start)


async def test_a_child_answers_as_a_thread_does(
    pool: Decoders, programs: list[subprocess.Popen[bytes]]
) -> None:
    kinds = [saved(64, 48), saved(64, 48, "JPEG"), saved(64, 48, "WEBP"), LABELLED]
    for data in kinds:
        assert await pool.normalise(data) == normalise(data)
    with pytest.raises(ImageRejected, match="damaged"):
        await pool.normalise(saved(64, 48)[:50])
    assert len(programs) == 1


async def test_a_picture_that_takes_too_much_memory_costs_a_child(
    pool: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(
        monkeypatch,
        """
        from short_drama.images import decoder_child
        decoder_child.MEMORY = 2**24
        decoder_child.main()
        """,
    )
    with pytest.raises(ImageRejected, match="takes too much memory or time"):
        await pool.normalise(saved(4000, 4000))
    assert (await pool.normalise(saved(64, 48))).size == (64, 48)


async def test_a_picture_that_takes_too_long_costs_a_child(
    pool: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(
        monkeypatch,
        """
        from short_drama.images import decoder_child

        def for_ever(data):
            while True:
                pass

        decoder_child.normalise, decoder_child.CPU_SECONDS = for_ever, 0
        decoder_child.main()
        """,
    )
    with pytest.raises(ImageRejected, match="takes too much memory or time"):
        await pool.normalise(b"")


async def test_a_child_that_only_waits_is_ended_too(
    pool: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "WALL_SECONDS", 0.1)
    instead(monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(Unavailable, match="too busy"):
        await pool.normalise(b"")


async def test_a_bug_in_the_child_is_ours(pool: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "raise SystemExit(1)")
    with pytest.raises(InternalError):
        await pool.normalise(b"")


async def test_stopping_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import sys; sys.stdin.read()")
    pool = Decoders()
    waiting = asyncio.create_task(pool.normalise(b""))
    await asyncio.sleep(0.05)
    await pool.close()
    with pytest.raises(Unavailable):
        await waiting


async def test_who_goes_away_takes_the_child_along(
    pool: Decoders, programs: list[subprocess.Popen[bytes]]
) -> None:
    waiting = asyncio.create_task(pool.normalise(saved(8000, 5000)))
    while not programs:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert programs[0].wait(10) == -signal.SIGKILL


async def test_a_child_ends_when_its_parent_is_gone(
    pool: Decoders, programs: list[subprocess.Popen[bytes]]
) -> None:
    await pool.normalise(saved(64, 48))
    programs[0].send_signal(signal.SIGTERM)  # not for it
    assert programs[0].stdin is not None
    programs[0].stdin.close()  # as the kernel does with those of a process that was killed
    assert programs[0].wait(10) == 0


async def test_a_child_that_has_grown_or_has_nothing_to_do_is_ended(
    pool: Decoders, programs: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "IDLE_SECONDS", 0.01)
    await pool.normalise(saved(8000, 5000))
    await pool.normalise(saved(64, 48))
    assert len(programs) == 2
    for program in programs:
        async with asyncio.timeout(10):
            while program.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_no_secret_reaches_a_child(
    pool: Decoders, programs: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORT_DRAMA_SECRET", "s" * 32)
    await pool.normalise(saved(64, 48))
    with open(f"/proc/{programs[0].pid}/environ", "rb") as environment:  # noqa: ASYNC230, PTH123
        assert b"SHORT_DRAMA" not in environment.read()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_thread_gets_what_is_small_by_its_header(kind: str) -> None:
    side = int(SMALL**0.5)
    assert is_small(saved(side, side, kind))
    assert not is_small(saved(side + 16, side, kind))


def test_a_size_that_is_told_twice_is_not_believed() -> None:
    small, large = saved(64, 48), saved(4000, 3000)
    assert not is_small(small[:33] + large[8:])
