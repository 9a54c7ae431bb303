"""What is said of a refusal, how often, and when anybody is unready for it."""

import logging

import pytest

from short_drama.complaints import About, Complaints
from short_drama.domain.errors import Unavailable

DENIED = Unavailable("AWS s3 refuses PutObject", fix="Attach the policy.")
PUTS = About(part="assets", cause="right missing", scope=("s3", "b", "PutObject", "images"))
SILENCE = About(part="queues", cause="unreachable", scope=("sqs",), lasting=False)
KEY = About(part="tasks", cause="key unknown")
PUT, GET = ("s3", "b", "PutObject", "images"), ("s3", "b", "GetObject", "images")


class Desk:
    def __init__(self) -> None:
        self.now = 1000.0
        self.complaints = Complaints(clock=lambda: self.now)

    def refused(self, about: About = PUTS, *, after: float = 0.0) -> None:
        self.now += after
        self.complaints.refused(DENIED, about)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


def test_a_refusal_is_said_once_with_its_cure(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        desk.refused(after=1.0)
    (line,) = caplog.records
    assert line.levelname == "ERROR"
    assert line.getMessage() == "AWS s3 refuses PutObject. Attach the policy."


def test_one_that_lasts_is_said_ever_more_rarely(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(6 * 3600):
        desk.refused(after=1.0)
    assert 36 <= len(caplog.records) <= 45
    assert "still, after 21" in caplog.records[-1].getMessage()


def test_its_end_is_said_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(9):
        desk.refused(after=1.0)
    for _ in range(9):
        desk.complaints.answered(*PUT)
    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]
    assert caplog.records[-1].getMessage().startswith("over after 8 s and 9 tries: AWS s3")


def test_what_comes_and_goes_does_not_fill_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3600):
        desk.refused(SILENCE, after=1.0)
        desk.complaints.answered("sqs", "q", "ReceiveMessage", "")
    assert len(caplog.records) <= 2 * 62


def test_only_an_answer_about_the_same_ends_it(desk: Desk) -> None:
    desk.refused()
    desk.complaints.answered(*GET)
    assert desk.complaints.trouble("assets") is not None
    desk.complaints.answered(*PUT)
    assert desk.complaints.trouble("assets") is None


def test_any_answer_ends_what_is_the_accounts(desk: Desk) -> None:
    desk.refused(KEY)
    desk.complaints.answered(*GET)
    assert desk.complaints.trouble("tasks") is None


def test_others_are_not_unready_for_it(desk: Desk) -> None:
    desk.refused()
    assert desk.complaints.trouble("tasks", "queues", "dead letters") is None
    trouble = desk.complaints.trouble("assets", "tasks")
    assert trouble is not None
    assert (trouble.detail, trouble.fix) == (DENIED.detail, DENIED.fix)


def test_nobody_is_unready_for_a_moment_of_silence(desk: Desk) -> None:
    desk.refused(SILENCE)
    desk.refused(SILENCE, after=2.0)
    assert desk.complaints.trouble("queues") is None
    desk.refused(SILENCE, after=4.0)
    assert desk.complaints.trouble("queues") is not None


def test_what_is_not_refused_again_is_tried_again(desk: Desk) -> None:
    """Nothing else may ask, as long as everybody is unready."""
    desk.refused()
    desk.now += 59.0
    assert desk.complaints.trouble("assets") is not None
    desk.now += 2.0
    assert desk.complaints.trouble("assets") is None
