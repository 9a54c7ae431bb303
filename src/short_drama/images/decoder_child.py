"""The process in which strangers' pictures are decoded; a program, which `decoders` starts.

It reads pictures from its standard input and writes what became of each to its standard output,
one after the other, both as frames: eight bytes of length, big-endian, then as many bytes. An
answer has two, a JSON object and the file. It ends when its input does: with its parent, however
that ends.

The kernel keeps it within its limits; whoever exceeds one dies, and is answered for by its parent.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import warnings
from pathlib import Path
from typing import IO, Any, Final

from short_drama.domain.errors import ImageRejected
from short_drama.images.codec import Intake, normalise

MEMORY: Final = 1024 * 2**20
"""Bytes of address space beside what the process has before its first picture. The worst pictures
that the limits of `structure` let through take 620 MiB."""
CPU_SECONDS: Final = 15
"""For one picture. The worst of 40 megapixels that is no attack takes 6."""
GROWN_KIB: Final = 256 * 2**10
"""The peak of resident memory from which the process had better be another."""
OUT_OF_MEMORY: Final = 3
"""How it ends when a picture needs more."""


def read_frame(stream: IO[bytes]) -> bytes:
    """Raises EOFError."""
    head = stream.read(8)
    data = stream.read(int.from_bytes(head)) if len(head) == 8 else b""
    if len(head) < 8 or len(data) < int.from_bytes(head):
        raise EOFError
    return data


def write_frame(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8))
    stream.write(data)
    stream.flush()


def _head_of(intake: Intake) -> dict[str, Any]:
    """All but its bytes."""
    return {
        "content_type": intake.content_type,
        "extension": intake.extension,
        "size": list(intake.size),
        "sha256": intake.sha256,
        "xmp": intake.label.xmp().decode() if intake.label else "",
    }


def _answer(data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        intake = normalise(data)
    except ImageRejected as error:
        return {"detail": error.detail, "fix": error.fix}, b""
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    return _head_of(intake), intake.data


def be_modest() -> None:
    """The service's own work goes first; where memory runs out, this process goes first."""
    os.nice(5)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_kib() -> int:
    """Of resident memory; what `getrusage` says begins with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def allow_one_more() -> None:
    """CPU seconds for one picture from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def main() -> None:
    for ending in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group: not to a picture
        signal.signal(ending, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    be_modest()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            data = read_frame(sys.stdin.buffer)
            allow_one_more()
            head, file = _answer(data)
            head["grown"] = _peak_kib() > GROWN_KIB
            write_frame(sys.stdout.buffer, json.dumps(head).encode())
            write_frame(sys.stdout.buffer, file)


if __name__ == "__main__":
    main()
