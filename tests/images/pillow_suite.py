"""Pillow's own test pictures, broken ones among them, sent to a running service.

    python -m tests.images.pillow_suite

They are fetched with Pillow's source archive by `pip download`, and not kept. The service runs in a
process of its own. For each file: the answer's status, the CPU seconds and the growth of resident
memory of the service itself; its decoding children have limits of their own. Ends with 1 if an
answer was 5xx, a file took more than 2 CPU seconds, or more than 150 MiB.
"""

import asyncio
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import PIL

from tests.process_figures import MIB, ProcessFigures
from tests.samples import png

MOST_CPU_SECONDS, MOST_GROWTH = 2.0, 150 * MIB
_START_SECONDS, _ANSWER_SECONDS, _DOWNLOAD_SECONDS = 60, 120, 300
_SERVE: Final = """
import asyncio, sys
from pathlib import Path
from tests.noop_engine import NOOP
from tests.stack import running_stack

async def main():
    async with running_stack(Path(sys.argv[1]), NOOP) as stack:
        print(stack.gpu, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Cost:
    name: str
    status: int
    cpu_seconds: float
    growth: int
    """Of the peak of resident memory, in bytes."""

    @property
    def is_too_much(self) -> bool:
        return (
            self.status >= 500 or self.cpu_seconds > MOST_CPU_SECONDS or self.growth > MOST_GROWTH
        )

    def __str__(self) -> str:
        return (
            f"{self.status}  {self.cpu_seconds:5.2f} CPU s  {self.growth / MIB:+6.1f} MiB  "
            f"{self.name}"
        )


def pictures(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files of Tests/images, by name."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
    command += ["--dest", str(folder), f"pillow=={PIL.__version__}"]
    subprocess.run(command, check=True, capture_output=True, timeout=_DOWNLOAD_SECONDS)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and "/Tests/images/" in member.name:
                yield member.name.partition("/Tests/images/")[2], file.read()


async def cost(
    http: aiohttp.ClientSession, url: str, service: ProcessFigures, name: str, data: bytes
) -> Cost:
    service.forget_peak()
    cpu_seconds, resident = service.cpu_seconds(), service.resident()
    headers = {"Content-Type": "image/png"}
    async with http.post(f"{url}/api/v1/assets", data=data, headers=headers) as answer:
        await answer.read()
    return Cost(name, answer.status, service.cpu_seconds() - cpu_seconds, service.peak() - resident)


async def measure(process: "subprocess.Popen[str]", folder: Path) -> list[Cost]:
    """Of all files, sent to the service that `process` is."""
    assert process.stdout is not None
    told = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), _START_SECONDS)
    url, service = told.strip(), ProcessFigures(process.pid)
    timeout = aiohttp.ClientTimeout(_ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        await cost(http, url, service, "the first", png())
        return [await cost(http, url, service, *file) for file in pictures(folder)]


def measured(folder: Path) -> list[Cost]:
    command = [sys.executable, "-c", _SERVE, str(folder / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            return asyncio.run(measure(process, folder))
        finally:
            process.terminate()


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        costs = measured(Path(folder))
    for title, key in (("CPU", lambda one: one.cpu_seconds), ("memory", lambda one: one.growth)):
        print(f"The five that took most {title}:")
        for one in sorted(costs, key=key, reverse=True)[:5]:
            print(f"  {one}")
    by_status = ", ".join(
        f"{status}: {count}" for status, count in sorted(Counter(c.status for c in costs).items())
    )
    print(f"{len(costs)} files in {time.monotonic() - started:.0f} s; answers: {by_status}")
    too_much = [one for one in costs if one.is_too_much]
    for one in too_much:
        print(f"TOO MUCH  {one}")
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
