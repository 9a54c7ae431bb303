"""How long the client waits between attempts, and what its errors say."""

import pytest

from short_drama.sdk.errors import ApiError, ClientError, ServiceUnreachable
from short_drama.sdk.models import Problem
from short_drama.sdk.transport import pause, unexpected


def test_pauses_double_up_to_a_limit() -> None:
    longest = [pause(attempt, 0.0, share=lambda: 1.0) for attempt in range(1, 8)]
    assert longest == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_pauses_are_jittered_by_half() -> None:
    assert pause(3, 0.0, share=lambda: 0.0) == pytest.approx(0.4)


def test_a_retry_after_is_honoured() -> None:
    assert pause(1, 7.0, share=lambda: 1.0) == 7.0
    assert pause(6, 1.0, share=lambda: 1.0) == 5.0


def test_an_api_error_carries_the_problem() -> None:
    problem = Problem(
        type="/problems/x", title="X", status=422, detail="steps: too many", instance="/api",
        code="invalid_request", retryable=False, fix="Send fewer.",
    )  # fmt: skip
    error = ApiError(problem)
    assert isinstance(error, ClientError)
    assert (str(error), error.fix, error.code) == (
        "steps: too many", "Send fewer.", "invalid_request",
    )  # fmt: skip


def test_an_unreachable_service_is_named_with_the_fix() -> None:
    error = ServiceUnreachable("http://127.0.0.1:9", "the connection was refused")
    assert "http://127.0.0.1:9" in str(error)
    assert "short-drama up" in str(error.fix)


def test_another_program_at_the_address_is_suspected() -> None:
    error = unexpected("http://127.0.0.1:8080", "/api/v1/tasks", 404)
    assert error.code == "unexpected_answer"
    assert "something else" in str(error.fix)
