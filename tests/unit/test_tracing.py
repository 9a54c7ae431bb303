"""What is handed from process to process, and to the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import get_contextvars

from short_drama import tracing
from short_drama.domain.message import TaskMessage
from short_drama.domain.record import record_of, task_of
from tests.samples import a_task

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"01-{TRACE}-00f067aa0ba902b7-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{GIVEN}\n",
        f"{GIVEN}-more",
    ],
)
def test_a_header_that_makes_no_sense_is_none(header: str | None) -> None:
    assert tracing.accepted(header) is None
    assert tracing.trace_id(header) is None


@given(st.text())
def test_whatever_a_header_says_is_survived(header: str) -> None:
    assert tracing.accepted(header) in (None, header)


def test_without_a_collector_a_trace_is_handed_on_and_named_in_the_log() -> None:
    with tracing.span("submit", GIVEN, kind="face-mask") as traced:
        traced.tell(task_id="t1")
        with tracing.part("preparing"):
            assert tracing.current() == GIVEN
            assert get_contextvars()["trace_id"] == TRACE
    assert tracing.current() is None
    assert "trace_id" not in get_contextvars()


def test_what_is_no_part_of_a_trace_begins_none() -> None:
    with tracing.span("attempt", None):
        assert tracing.current() is None
    tracing.passed("queue", GIVEN, 5.0, 4.0)


def test_record_and_message_carry_it() -> None:
    task = a_task(traceparent=GIVEN)
    assert task_of(record_of(task)).traceparent == GIVEN
    assert GIVEN in TaskMessage.of(task).to_body()
    assert "traceparent" not in TaskMessage.of(a_task()).to_body()
