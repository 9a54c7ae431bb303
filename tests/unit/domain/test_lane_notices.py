"""How a lane is, by what its adapters say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.errors import (
    EngineNotReady,
    EngineStarting,
    EngineUnavailable,
    KindNotAvailable,
    ProviderPaused,
)
from short_drama.domain.lane_notices import (
    Condition,
    KindNotice,
    LaneNotice,
    LaneState,
    best_of_kind,
    condition_of_lane,
    why_in_vain,
)
from tests.samples import NOW

KIND, OTHER = "face-swap", "face-mask"
READY = Condition(since=NOW - 50)
PAUSED = Condition(since=NOW - 9, code=ProviderPaused.code, reason="wrong key", fix="Set it.")
NO_MODEL = Condition(since=NOW - 8, code=EngineNotReady.code, reason="no model")
STARTING = Condition(since=NOW - 7, code=EngineStarting.code, reason="it starts")
ILL = Condition(since=NOW - 6, code=EngineUnavailable.code, reason="it is ill")
SILENT = Condition(since=NOW - 5, code="unavailable", reason="it does not answer")


def notice(speaker: str, *, until: float = 10.0, **kinds: Condition) -> LaneNotice:
    """Of conditions by kind, whose names are written with _ here."""
    said = {name.replace("_", "-"): KindNotice(condition=one) for name, one in kinds.items()}
    return LaneNotice(speaker=speaker, until=NOW + until, service=READY, kinds=said)


def silent(speaker: str) -> LaneNotice:
    return LaneNotice(speaker=speaker, until=NOW + 10, service=SILENT)


def found(*notices: LaneNotice, kind: str = KIND) -> Condition | None:
    best = best_of_kind(kind, notices, now=NOW)
    return None if best is None else best.condition


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        (READY, LaneState.READY),
        (STARTING, LaneState.STARTING),
        (PAUSED, LaneState.PAUSED),
        (NO_MODEL, LaneState.PAUSED),
        (Condition(code=KindNotAvailable.code), LaneState.PAUSED),
        (ILL, LaneState.UNAVAILABLE),
        (SILENT, LaneState.UNAVAILABLE),
        (Condition(code="of a later version"), LaneState.UNAVAILABLE),
    ],
)
def test_what_keeps_tasks_says_how_the_lane_is(condition: Condition, state: LaneState) -> None:
    assert condition.state is state


def test_the_best_that_somebody_can_do_counts() -> None:
    assert found(notice("a", face_swap=PAUSED), notice("b", face_swap=READY)) == READY
    assert found(notice("a", face_swap=PAUSED), notice("b", face_swap=ILL)) == PAUSED
    assert found(notice("a", face_swap=PAUSED), silent("b")) == PAUSED
    assert found(silent("a"), silent("b")) == SILENT


def test_a_kind_is_judged_by_itself_and_the_lane_by_the_best_of_its_kinds() -> None:
    said = [notice("a", face_swap=PAUSED, face_mask=READY)]
    assert found(*said) == PAUSED
    assert found(*said, kind=OTHER) == READY
    assert condition_of_lane(said, now=NOW) == READY
    assert condition_of_lane([silent("a")], now=NOW) == SILENT
    assert condition_of_lane([notice("a")], now=NOW).state is LaneState.READY


def test_of_a_kind_that_a_service_does_not_tell_of_nothing_is_known() -> None:
    assert found(notice("a", face_mask=READY)) is None


def test_a_lane_without_a_worker_is_away_since_the_last_one_was_heard() -> None:
    killed = notice("a", until=-3.0, face_swap=READY)
    away = found(killed, notice("b", until=-90.0, face_swap=READY))
    assert away is not None
    assert (away.state, away.since) == (LaneState.UNAVAILABLE, NOW - 3)
    assert away.reason == "no worker answers"
    assert condition_of_lane([killed], now=NOW) == away


def test_a_worker_that_was_stopped_alarms_nobody() -> None:
    stopped = found(notice("a", face_swap=READY).taken_back(NOW - 4))
    assert stopped is not None
    assert (stopped.state, stopped.since) == (LaneState.UNAVAILABLE, NOW - 4)
    assert stopped.reason == "no worker runs now, the last one was stopped"
    never = found()
    assert never is not None
    assert (never.since, never.reason) == (None, "no worker runs now")
    for one in (stopped, never):
        assert one.fix is not None
        assert "Nothing is lost" in one.fix


@pytest.mark.parametrize(
    ("said", "in_vain"),
    [
        ([], False),
        ([READY], False),
        ([NO_MODEL], True),
        ([NO_MODEL, NO_MODEL], True),
        ([NO_MODEL, READY], False),
        ([NO_MODEL, STARTING], False),
        ([NO_MODEL, ILL], False),
        ([NO_MODEL, PAUSED], False),
        ([PAUSED], False),
    ],
)
def test_tasks_are_in_vain_when_all_wait_for_a_person(said: list[Condition], in_vain: bool) -> None:
    notices = [notice(str(number), face_swap=one) for number, one in enumerate(said)]
    assert (why_in_vain(KIND, notices, now=NOW) is not None) is in_vain


CONDITIONS = st.sampled_from([READY, PAUSED, NO_MODEL, STARTING, ILL])
NOTICES = st.builds(
    lambda speaker, until, swap, mask: notice(speaker, until=until, face_swap=swap, face_mask=mask),
    st.text(max_size=2),
    st.floats(-50, 50),
    CONDITIONS,
    CONDITIONS,
)


@given(st.lists(NOTICES | st.builds(silent, st.just("s")), max_size=5))
def test_who_speaks_first_does_not_matter_and_nothing_is_lost_on_the_way(
    notices: list[LaneNotice],
) -> None:
    lane = condition_of_lane(notices, now=NOW)
    assert condition_of_lane(notices[::-1], now=NOW).state is lane.state
    kinds = [one for one in (found(*notices), found(*notices, kind=OTHER)) if one is not None]
    assert kinds
    assert lane.state in [one.state for one in kinds]
    assert [LaneNotice.from_json(one.speaker, one.to_json()) for one in notices] == notices
