"""What becomes of a delivery: a table, and the properties of the backoff."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.errors import (
    AttemptsExhausted,
    ChargeUnknown,
    DeadlineExceeded,
    EngineBroken,
    EngineFailed,
    EngineInterrupted,
    EngineOutOfMemory,
    EngineStarting,
    EngineUnavailable,
    KindNotAvailable,
    LeaseLost,
    ProviderFailed,
    ProviderPaused,
    RetryableError,
    ShortDramaError,
    TaskConflict,
    TaskNotFound,
    Throttled,
    Unavailable,
    UrlRefused,
)
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.sqs_adapter.decide import (
    Abandon,
    Complete,
    Done,
    Expire,
    GiveUp,
    Park,
    Retry,
    RetryPolicy,
    Verdict,
    after_attempt,
    read_cost,
    read_failure,
    read_outcome,
    refused_claim,
)
from tests.samples import NOW, a_task

POLICY = RetryPolicy(base=1.0, cap=60.0)
ENGINE = Failure.of(EngineFailed("broken"))
FLAKY = Failure(code="engine_failed", message="try again", retryable=True)
SLOW = Failure.of(Throttled("slow down", after=7.0))


def held(attempts_left: int = 3) -> Task:
    return a_task(attempts_left=attempts_left + 1).claim("alice", now=NOW, lease=60.0)


def decide(result: Outcome | Failure, task: Task, *, accepted: bool = True) -> Verdict:
    return after_attempt(result, task, accepted=accepted, policy=POLICY, rng=Random(1))


# --- A refused claim ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "verdict"),
    [
        (TaskConflict("ended"), Done()),
        (LeaseLost("held"), Abandon(42.0)),
        (
            AttemptsExhausted("no more"),
            Expire(Failure(code="attempts_exhausted", message="no more")),
        ),
        (DeadlineExceeded("late"), Expire(Failure(code="deadline_exceeded", message="late"))),
    ],
)
def test_why_a_claim_is_refused_decides_what_becomes_of_the_message(
    refusal: ShortDramaError, verdict: Verdict
) -> None:
    assert refused_claim(refusal, held(), now=NOW + 20) == verdict


@pytest.mark.parametrize(
    ("task", "seconds", "delay"),
    [
        (held(), 0, 62.0),
        (held(), 60, 2.0),
        # The lease is over by our clock, and this is the last attempt: its worker may be well.
        (held(0), 61, 90.0),
        (held(0), 149, 2.0),
        # Somebody was quicker than we.
        (held(0), 150, 1.0),
        (a_task(), 0, 1.0),
    ],
)
def test_a_task_that_others_hold_is_looked_at_when_that_may_have_changed(
    task: Task, seconds: float, delay: float
) -> None:
    assert refused_claim(LeaseLost("held"), task, now=NOW + seconds) == Abandon(delay)


def test_any_other_refusal_is_not_ours_to_decide() -> None:
    with pytest.raises(TaskNotFound):
        refused_claim(TaskNotFound("gone"), held(), now=NOW)


# --- After an attempt ---------------------------------------------------------------------


@pytest.mark.parametrize("attempts_left", [0, 3])
@pytest.mark.parametrize(
    "failure", [ENGINE, Failure.of(UrlRefused("no")), Failure(code="job_cancelled", message="")]
)
def test_a_permanent_failure_is_final_whatever_is_left(
    failure: Failure, attempts_left: int
) -> None:
    assert decide(failure, held(attempts_left)) == GiveUp(failure)


def test_a_result_completes_the_task_even_on_its_last_attempt() -> None:
    assert decide(Outcome(result_key="k"), held(0)) == Complete(Outcome(result_key="k"))


def test_a_retryable_failure_is_retried_while_attempts_are_left() -> None:
    assert isinstance(decide(FLAKY, held(1)), Retry)
    assert decide(FLAKY, held(0)) == GiveUp(FLAKY)


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize(
    "error",
    [Unavailable, Throttled, EngineStarting, EngineUnavailable, KindNotAvailable, ProviderPaused],
)
def test_what_says_nothing_about_the_task_is_waited_for_however_often(
    error: type[RetryableError], accepted: bool
) -> None:
    failure = Failure.of(error("not now", after=90.0))
    assert decide(failure, held(0), accepted=accepted) == Park(90.0, failure)


@pytest.mark.parametrize(
    "error", [EngineInterrupted, EngineBroken, EngineOutOfMemory, ProviderFailed, ChargeUnknown]
)
def test_what_may_be_the_tasks_fault_counts(error: type[RetryableError]) -> None:
    failure = Failure.of(error("it was lost"))
    assert isinstance(decide(failure, held(1)), Retry)
    assert decide(failure, held(0)) == GiveUp(failure)


def test_what_was_never_accepted_does_not_count_whatever_is_said_of_it() -> None:
    assert isinstance(decide(FLAKY, held(0), accepted=False), Park)


def test_a_refusal_that_says_when_is_not_tried_sooner() -> None:
    verdict = decide(SLOW, held())
    assert isinstance(verdict, Park)
    assert verdict.delay >= 7.0


# --- Backoff ------------------------------------------------------------------------------

policies = st.builds(RetryPolicy, base=st.floats(0.01, 10), cap=st.floats(0.01, 900))
seeds = st.integers(0, 2**32)


@given(policies, st.integers(0, 10_000), seeds)
def test_a_delay_is_never_negative_and_never_above_the_cap(
    policy: RetryPolicy, tries: int, seed: int
) -> None:
    assert 0 <= policy.delay(tries, after=None, rng=Random(seed)) <= policy.cap


@given(policies, st.integers(0, 30), st.floats(0, 1e9, allow_nan=False), seeds)
def test_a_delay_is_no_shorter_than_asked_for_within_the_hour(
    policy: RetryPolicy, tries: int, after: float, seed: int
) -> None:
    delay = policy.delay(tries, after=after, rng=Random(seed))
    assert min(after, 3600.0) <= delay <= max(policy.cap, 3600.0)


@given(policies, st.integers(0, 30), seeds)
def test_a_first_try_waits_no_longer_than_its_share(
    policy: RetryPolicy, tries: int, seed: int
) -> None:
    assert policy.delay(tries, after=None, rng=Random(seed)) <= policy.base * 2**tries


def test_delays_are_spread_over_the_whole_range() -> None:
    rng = Random(7)
    delays = sorted(POLICY.delay(3, after=None, rng=rng) for _ in range(2000))
    assert delays[0] < 0.1
    assert delays[-1] > 7.9
    assert 3.7 < sum(delays) / len(delays) < 4.3


# --- Views of jobs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "outcome"),
    [
        ({"result_url": "http://x/y.png"}, Outcome(result_url="http://x/y.png")),
        ({"result_s3_uri": "http://x/y.png"}, Outcome(result_url="http://x/y.png")),
        (
            {"result_url": "u", "result_key": "k", "engine": "e", "engine_seconds": 2,
             "details": {"seed": 1},
             "result": {"width": 8, "height": 6, "bytes": 99}},
            Outcome(result_url="u", result_key="k", engine="e", engine_seconds=2.0,
                    details={"seed": 1},
                    result={"width": 8, "height": 6, "bytes": 99}),
        ),
        (
            {"result_url": 5, "result_key": "", "engine": None, "engine_seconds": "2",
             "details": [1], "result": "large"},
            Outcome(),
        ),
        ({}, Outcome()),
    ],
)  # fmt: skip
def test_a_completed_jobs_view_is_read_whatever_service_it_is_from(
    view: dict[str, Any], outcome: Outcome
) -> None:
    assert read_outcome(view) == outcome


@pytest.mark.parametrize(
    ("view", "cost"),
    [({"cost": {"usd": 0.1}}, {"usd": 0.1}), ({"cost": "free"}, None), ({}, None)],
)
def test_what_a_job_has_cost_is_read_where_its_service_says_it(
    view: dict[str, Any], cost: dict[str, Any] | None
) -> None:
    assert read_cost(view) == cost


@pytest.mark.parametrize(
    ("view", "failure"),
    [
        (
            {"error": {"code": "no_face_found", "message": "none", "field": "image_url"}},
            Failure(code="no_face_found", message="none", field="image_url"),
        ),
        ({"error": "it broke"}, Failure(code="engine_failed", message="it broke")),
        ({"error": None}, Failure(code="engine_failed", message="the job failed without a reason")),
        ({}, Failure(code="engine_failed", message="the job failed without a reason")),
    ],
)
def test_a_failed_jobs_view_is_read_whatever_service_it_is_from(
    view: dict[str, Any], failure: Failure
) -> None:
    assert read_failure(view) == failure
