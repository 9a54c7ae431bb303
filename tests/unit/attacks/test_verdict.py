"""What `make attacks` calls a failure."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.attacks.hostile import told
from tests.attacks.verdict import Outcome
from tests.process_figures import MIB

HELD = Outcome(
    name="none",
    seconds=1.0,
    statuses={"431": 1},
    requests=10,
    quiet=0.1,
    slowest=1.9,
    growth=149 * MIB,
    left=0,
    lines=99,
)


@pytest.mark.parametrize(
    "change",
    [
        {"slowest": 2.1},
        {"growth": 151 * MIB},
        {"left": 60 * MIB},
        {"lines": 100},
        {"refused": ["GET /health: 503"]},
        {"wrong": ["HTTP/1.1 500"]},
    ],
    ids=str,
)
def test_each_bound_is_a_complaint(change: dict[str, Any]) -> None:
    assert len(replace(HELD, **change).complaints()) == 1
    assert replace(HELD, **change).row().startswith("FAILED")


def test_what_is_within_all_bounds_holds() -> None:
    assert HELD.complaints() == []
    assert HELD.row().startswith("held")


def test_a_machine_that_is_busy_anyway_may_take_longer() -> None:
    assert replace(HELD, quiet=0.3, slowest=5.9).complaints() == []
    assert replace(HELD, quiet=0.3, slowest=6.1).complaints() != []


def test_5xx_is_wrong_but_where_it_says_when_to_ask_again() -> None:
    later = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\n\r\n"
    bare = b"HTTP/1.1 503 Service Unavailable\r\n\r\nretry-after: 2"
    bug = b"HTTP/1.1 500 Internal Server Error\r\nretry-after: 2\r\n\r\n"
    found = json.loads(told([later, bare, bug, b"HTTP/1.1 431 X\r\n\r\n", b"", None]))
    assert found["statuses"] == {"503": 2, "500": 1, "431": 1, "closed": 1, "open": 1}
    assert len(found["wrong"]) == 2
