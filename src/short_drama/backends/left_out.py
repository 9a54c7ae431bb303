"""Lists go on without what cannot be read, and say so: in the log, and in the metrics."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from short_drama import metrics
from short_drama.complaints import About, Complaints
from short_drama.domain.errors import InternalError, NewerFormat, ShortDramaError
from short_drama.domain.formats import Format

Found = TypeVar("Found")
Read = TypeVar("Read")

DAMAGE: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What comes of reading as a record of ours what is none."""


class LeftOut:
    """Of one process. A log line for each kind of trouble, which is repeated now and then."""

    def __init__(self, complaints: Complaints | None = None) -> None:
        self._complaints = complaints or Complaints()

    def readable(
        self, kind: Format, found: Iterable[Found], read: Callable[[Found], Read]
    ) -> Iterator[Read]:
        """What was read of those that can be read, in their order."""
        for one in found:
            try:
                told = read(one)
            except NewerFormat as error:
                self._say(kind, "newer", error)
            except DAMAGE as error:
                self._say(
                    kind,
                    "damaged",
                    InternalError(f"{kind.noun} cannot be read: {type(error).__name__}"),
                )
            else:
                yield told

    def _say(self, kind: Format, why: str, error: ShortDramaError) -> None:
        metrics.LEFT_OUT.labels(kind.noun, why).inc()
        about = About(part="records", cause=why, scope=("record", kind.noun), lasting=False)
        self._complaints.refused(error, about)


LEFT_OUT: Final = LeftOut()
