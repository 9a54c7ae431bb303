"""Which calls came, and what was charged: what tests and benchmarks measure."""

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.simulators.seedream.refusals import REFUSALS, Refused


@dataclass(slots=True)
class Call:
    """Times are those of the machine's wall clock.

    Args:
        admitted: it was within the account's limits.
        ending: "answered", the code of a refusal, or the name of a failure.
        charged: pictures.
    """

    request_id: str
    started: float
    ended: float | None = None
    model: str = ""
    size: str = ""
    admitted: bool = False
    pictures_in: int = 0
    ending: str = ""
    charged: int = 0


@dataclass(slots=True)
class Calls:
    """All of them, and the account's limits.

    Args:
        in_flight: calls at a time; None for any number.
        per_minute: pictures begun in any `minute` seconds; None for any number.
        file: gets a line of JSON for each call when it has ended.
    """

    in_flight: int | None = None
    per_minute: int | None = None
    minute: float = 60.0
    file: Path | None = None
    made: list[Call] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    """Those to be refused count too: a caller that keeps to a limit never has more open."""
    _admitted: int = 0
    _begun: deque[float] = field(default_factory=deque)

    @contextmanager
    def one(self, request_id: str) -> Iterator[Call]:
        call = Call(request_id, time.time())
        self.made.append(call)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            yield call
        finally:
            self.running -= 1
            self._admitted -= call.admitted
            call.ended = time.time()
            self._write(call)

    def admit(self, call: Call) -> None:
        """Raises Refused over a limit; a call refused uses none of the minute's pictures."""
        if self.in_flight is not None and self._admitted >= self.in_flight:
            raise Refused(REFUSALS["InflightBatchsizeExceeded"])
        now = time.monotonic()
        while self._begun and self._begun[0] <= now - self.minute:
            self._begun.popleft()
        if self.per_minute is not None and len(self._begun) >= self.per_minute:
            raise Refused(REFUSALS["ModelAccountIpmRateLimitExceeded"])
        self._begun.append(now)
        self._admitted += 1
        call.admitted = True

    def _write(self, call: Call) -> None:
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(json.dumps(asdict(call)) + "\n")
