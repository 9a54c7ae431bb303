"""What a test can make the simulator do wrong, at any moment and while it runs."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulators.qwen_vl.answers import FAULTS, SHAPES
from tests.simulators.qwen_vl.refusals import REFUSALS
from tests.simulators.seedream.wire import LOST, STOPPED

Switch = bool | int
"""True: always, until set to False; a number: only the next so many times."""

ENDINGS: Final = {
    **STOPPED,
    **LOST,
    "reset-before": "the connection is reset before anything is done; not charged",
    "error-200": "200 with an error; not charged",
    "native-error-200": "200 with a code, as the native API tells of errors; not charged",
    "no-choices": "200 with neither choices nor an error; charged",
    "no-usage": "200 without usage; charged",
    "length": "finish_reason length: the text breaks off at two thirds; charged",
    "empty": "no text; charged",
    "parts": "the text in parts; charged",
}
"""Of a call; refusals with a code are in REFUSALS, malformed texts in SHAPES and FAULTS."""
ALL: Final = {**REFUSALS, **ENDINGS, **SHAPES, **FAULTS}
REQUEST_ID_IN: Final = ("both", "body", "header")


@dataclass(slots=True)
class Failures:
    """All off. Switches are of ALL; the first that is on is used."""

    switches: dict[str, Switch] = field(default_factory=dict)
    retry_after: float | str | None = None
    """Seconds, or a date as it is written, sent with each 429 and 503."""
    drop_reused: bool = False
    """A connection that has carried a request is reset when it carries another."""
    request_id_in: str = "both"
    """Of a refusal: body, header or both; what is not used for it is empty or missing."""

    def turn_on(self, name: str, switch: Switch = 1) -> None:
        """Raises ValueError on a name that is none."""
        if name not in ALL:
            raise ValueError(f"no such failure: {name}")
        self.switches[name] = switch

    def update(self, changes: Mapping[str, Any]) -> None:
        """Switches by name, and the other fields. Raises ValueError on a name that is none."""
        for name, value in changes.items():
            if name in ("retry_after", "drop_reused"):
                setattr(self, name, value)
            elif name == "request_id_in" and value in REQUEST_ID_IN:
                self.request_id_in = value
            else:
                self.turn_on(name, value)

    def take(self, kinds: Container[str] = ALL) -> str | None:
        """The first of these that is on; one that counts has then been used once."""
        for name, left in self.switches.items():
            if left and name in kinds:
                if left is not True:
                    self.switches[name] = left - 1
                return name
        return None

    def as_json(self) -> dict[str, Any]:
        names = ("retry_after", "drop_reused", "request_id_in")
        return {**self.switches, **{name: getattr(self, name) for name in names}}
