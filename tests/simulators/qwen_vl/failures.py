"""What a test can make the simulator do wrong, at any moment and while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulators.qwen_vl.answers import FAULTS, SHAPES
from tests.simulators.qwen_vl.refusals import REFUSALS

Switch = bool | int
"""True: always, until set to False; a number: only the next so many times."""

ENDINGS: Final = {
    "html-502": "a gateway's page, not charged",
    "html-504": "a gateway's page; charged",
    "hang": "no answer once the body is read; charged",
    "reset": "the connection is reset; charged",
    "reset-before": "the connection is reset before anything is done; not charged",
    "truncated": "half an answer; charged",
    "not-json": "a page with status 200; charged",
    "error-200": "200 with an error; not charged",
    "native-error-200": "200 with a code, as the native API tells of errors; not charged",
    "no-choices": "200 with neither choices nor an error; charged",
    "no-usage": "200 without usage; charged",
    "length": "finish_reason length: the text breaks off at two thirds; charged",
    "empty": "no text; charged",
}
"""Of a call; refusals with a code are in REFUSALS, malformed texts in SHAPES and FAULTS."""
ALL: Final = {**REFUSALS, **ENDINGS, **SHAPES, **FAULTS}
REQUEST_ID_IN: Final = ("both", "body", "header")


@dataclass(slots=True)
class Failures:
    """All off. Switches are of ALL; the first that is on is used."""

    switches: dict[str, Switch] = field(default_factory=dict)
    retry_after: float | None = None
    """Seconds, sent with each 429 and 503."""
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
            if name == "retry_after":
                self.retry_after = value
            elif name == "request_id_in" and value in REQUEST_ID_IN:
                self.request_id_in = value
            else:
                self.turn_on(name, value)

    def take(self) -> str | None:
        """The first that is on; one that counts has then been used once."""
        for name, left in self.switches.items():
            if left:
                if left is not True:
                    self.switches[name] = left - 1
                return name
        return None

    def as_json(self) -> dict[str, Any]:
        own = {"retry_after": self.retry_after, "request_id_in": self.request_id_in}
        return {**self.switches, **own}
