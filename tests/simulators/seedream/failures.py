"""What a test can make the simulator do wrong, at any moment and while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulators.seedream.refusals import REFUSALS
from tests.simulators.seedream.wire import LOST, STOPPED

Switch = bool | int
"""True: always, until set to False; a number: only the next so many times."""

ENDINGS: Final = {
    **STOPPED,
    **LOST,
    "reset-before": "the connection is reset before anything is done; not charged",
    "data-error": "200 with data[].error; not charged",
    "top-level-error": "200 with error; not charged",
    "empty-data": "200 with no data and no error; not charged",
    "says-nothing": "200 with an empty object; charged",
    "no-url": "200 with the picture itself where a URL was asked for; charged",
    "wrong-size": "a picture of half the sides, though it says otherwise",
    "wrong-aspect": "a picture a quarter taller, and says so",
}
"""Of a call; what is refused with a code is in REFUSALS."""
DOWNLOADS: Final = {
    "expired": "403, as a day later",
    "gone": "404",
    "download-503": "503",
    "download-reset": "the connection is reset",
    "download-truncated": "half the picture",
    "download-page": "200 with a page",
    "download-redirect": "302 to an address inside",
    "download-damaged": "nothing behind its first bytes",
    "download-endless": "more bytes than a picture has",
    "download-hang": "no answer",
}
"""Of a result's URL."""


@dataclass(slots=True)
class Failures:
    """All off. Switches are of REFUSALS, ENDINGS and DOWNLOADS; the first that is on is used."""

    switches: dict[str, Switch] = field(default_factory=dict)
    retry_after: float | str | None = None
    """Seconds, or a date as it is written, sent with each 429 and 503."""
    drop_reused: bool = False
    """A connection that has carried a request is reset when it carries another."""

    def turn_on(self, name: str, switch: Switch = 1) -> None:
        """Raises ValueError on a name that is none."""
        if name not in {**REFUSALS, **ENDINGS, **DOWNLOADS}:
            raise ValueError(f"no such failure: {name}")
        self.switches[name] = switch

    def update(self, changes: Mapping[str, Any]) -> None:
        """Switches by name, and the other fields. Raises ValueError on a name that is none."""
        for name, value in changes.items():
            if name in ("retry_after", "drop_reused"):
                setattr(self, name, value)
            else:
                self.turn_on(name, value)

    def take(self, kinds: Mapping[str, object]) -> str | None:
        """The first of these that is on; one that counts has then been used once."""
        for name, left in self.switches.items():
            if left and name in kinds:
                if left is not True:
                    self.switches[name] = left - 1
                return name
        return None

    def as_json(self) -> dict[str, Any]:
        own = {"retry_after": self.retry_after, "drop_reused": self.drop_reused}
        return {**self.switches, **own}
