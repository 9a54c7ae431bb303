"""Strangers' pictures, decoded where they can do no harm.

A small picture is decoded in a thread: what it can cost is bounded by its size, and a thread costs
nothing to begin. Any other goes to a child process whose memory and time the kernel limits, so that
a picture which takes too much costs a child, and its sender an answer. Children are started when
they are needed, do one picture after the other, and are ended when they have grown, are old, or
have had nothing to do for a while.

They are started as programs, not forked: a process with threads is forked at its peril. They get
none of our environment, which holds secrets, and no descriptor but their two pipes.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, Final, cast

from short_drama import metrics
from short_drama.domain.errors import ImageRejected, InternalError, ShortDramaError, Unavailable
from short_drama.domain.sizes import Size
from short_drama.images.codec import Intake
from short_drama.images.decoder_child import OUT_OF_MEMORY, read_frame, write_frame
from short_drama.images.labels import from_xmp
from short_drama.images.structure import claimed_pixels

SMALL: Final = 2**21
"""Pixels that a thread decodes: those of a frame of HD video."""
_SMALL_BYTES: Final = 4 * 2**20
WALL_SECONDS: Final = 60.0
"""For one picture. The CPU seconds that it may take are the kernel's to count: when they do not
pass, it is the machine that is busy, and no fault of the picture."""
_PICTURES: Final = 100
"""That a child does in its life."""
IDLE_SECONDS: Final = 30.0
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")


def is_small(data: bytes) -> bool:
    """Whether a thread may decode the picture. Raises ImageRejected for bytes of another kind."""
    if len(data) > _SMALL_BYTES:
        return False
    claimed = claimed_pixels(data)
    return claimed is not None and claimed <= SMALL


class Decoders:
    """Does not limit how many pictures are decoded at a time: its callers do."""

    def __init__(self) -> None:
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()

    async def normalise(self, data: bytes) -> Intake:
        """`codec.normalise` in a child. Raises ImageRejected also for what takes too much, and
        Unavailable when the machine has no time for it."""
        child = self._idle.pop() if self._idle else _Child()
        child.rests_until(None)
        self._busy.add(child)
        work = asyncio.create_task(asyncio.to_thread(child.normalise, data))
        watchdog = asyncio.get_running_loop().call_later(WALL_SECONDS, child.kill, _no_time())
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            child.kill(Unavailable("nobody waits for the picture any more"))
            await asyncio.wait([work])
            work.exception()  # looked at
            raise
        finally:
            watchdog.cancel()
            self._busy.discard(child)
            self._keep_or_end(child)

    async def close(self) -> None:
        for child in self._busy:
            child.kill(Unavailable("the service is being stopped", fix="Ask again."))
        for child in self._idle:
            child.rests_until(None)
            await asyncio.to_thread(child.end)
        self._idle.clear()

    def _keep_or_end(self, child: "_Child") -> None:
        if child.is_usable:
            self._idle.append(child)
            loop = asyncio.get_running_loop()
            child.rests_until(loop.call_later(IDLE_SECONDS, self._retire, child))
        else:
            asyncio.get_running_loop().run_in_executor(None, child.end)

    def _retire(self, child: "_Child") -> None:
        self._idle.remove(child)
        asyncio.get_running_loop().run_in_executor(None, child.end)


class _Child:
    """One process, or none yet."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._doom: ShortDramaError | None = None
        self._pictures, self._grown = 0, False
        self._rest: asyncio.TimerHandle | None = None

    @property
    def is_usable(self) -> bool:
        """For another picture."""
        if self._process is None or self._doom is not None or self._grown:
            return False
        return self._pictures < _PICTURES and self._process.poll() is None

    def rests_until(self, end: asyncio.TimerHandle | None) -> None:
        if self._rest is not None:
            self._rest.cancel()
        self._rest = end

    def normalise(self, data: bytes) -> Intake:
        """Blocks. Raises ImageRejected, InternalError, or what it was killed with."""
        if self._process is None:
            self._process = started()
            metrics.DECODERS_STARTED.inc()
        if self._doom is not None:  # while it was being started
            raise self._doom
        self._pictures += 1
        to, of = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        try:
            write_frame(to, data)
            head, file = json.loads(read_frame(of)), read_frame(of)
        except (OSError, EOFError):
            raise self._doom or _reason(self._process.wait()) from None
        self._grown = head["grown"]
        return _intake(head, file)

    def kill(self, doom: ShortDramaError) -> None:
        """`doom`: what whoever waits for its answer is told."""
        self._doom = self._doom or doom
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """Blocks for a moment. It has nothing to do."""
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                cast("IO[bytes]", pipe).close()
        self._process.wait()


def started() -> "subprocess.Popen[bytes]":
    """Isolated but for where its modules are; -P keeps the current folder off that path."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "short_drama.images.decoder_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )


def environment() -> dict[str, str]:
    """A child's: none of ours but what it needs to start."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed_on, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _intake(head: Mapping[str, Any], file: bytes) -> Intake:
    if "detail" in head:
        raise ImageRejected(head["detail"], fix=head["fix"])
    return Intake(
        data=file,
        content_type=head["content_type"],
        extension=head["extension"],
        size=Size(*head["size"]),
        sha256=head["sha256"],
        label=from_xmp(head["xmp"].encode()),
    )


def _reason(code: int) -> ShortDramaError:
    """Why a child is gone that was at work: a signal is the kernel's, or a decoder's bug."""
    metrics.DECODERS_DIED.inc()
    if code < 0 or code == OUT_OF_MEMORY:
        return _too_much()
    return InternalError(f"the decoder ended with status {code}")


def _too_much() -> ImageRejected:
    return ImageRejected(
        "the image takes too much memory or time to decode",
        fix="Open it in an image program and save it again, or make it smaller.",
    )


def _no_time() -> Unavailable:
    return Unavailable(
        "this machine is too busy to decode the image now", fix="Ask again later.", after=10.0
    )
