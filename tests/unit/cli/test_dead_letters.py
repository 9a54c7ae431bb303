"""What the command says of dead letters and queues, and which letters are meant."""

from typing import Any

import click
import pytest

from short_drama.cli import dead_letters, queues
from short_drama.domain.errors import DeadLetter
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.orchestrator.dead_letter_office import Handled, Outcome
from short_drama.orchestrator.dead_letters import Letter
from short_drama.ports import Delivery
from tests.samples import NOW, a_task

DEAD = a_task().expire(Failure.of(DeadLetter("x")), now=NOW)


def letter(names: str | None = "t1", task: Task | None = DEAD, body: str = "the body") -> Letter:
    return Letter(delivery=Delivery(body, "receipt", 3), names=names, task=task)


@pytest.mark.parametrize(
    ("task_ids", "everything", "chosen"),
    [(["t1", "t2"], False, [True, False, False]), ([], True, [True, True, True])],
)
def test_letters_are_chosen_by_task_or_all_at_once(
    task_ids: list[str], chosen: list[bool], *, everything: bool
) -> None:
    choice = dead_letters.choice(task_ids, everything=everything)
    assert [choice(letter(names)) for names in ("t1", "t9", None)] == chosen


@pytest.mark.parametrize(("task_ids", "everything"), [([], False), (["t1"], True)])
def test_which_letters_are_meant_must_be_said_once(
    task_ids: list[str], *, everything: bool
) -> None:
    with pytest.raises(click.UsageError):
        dead_letters.choice(task_ids, everything=everything)


@pytest.mark.parametrize(
    ("outcome", "reason", "words"),
    [
        ("redriven", "", "pending again"),
        ("ended", "", "the task is failed; its letter is deleted"),
        ("deleted", "", "the letter is deleted"),
        ("left", "it names no task", "left: it names no task"),
    ],
)
def test_what_became_of_a_letter_in_words(outcome: Outcome, reason: str, words: str) -> None:
    assert dead_letters.in_words(Handled(letter(), outcome, reason)) == words


@pytest.mark.parametrize(
    ("one", "changes"),
    [
        (letter(), {}),
        (
            letter("t9", None),
            {"task_id": "t9", "kind": None, "status": None, "code": None, "created_at": None,
             "body": "the body"},
        ),
    ],
)  # fmt: skip
def test_the_summary_has_a_body_where_there_is_no_record(
    one: Letter, changes: dict[str, Any]
) -> None:
    full = {
        "lane": "gpu", "task_id": "t1", "kind": "camera-angle", "status": "failed",
        "code": "dead_letter", "receives": 3, "created_at": NOW, "body": None,
    }  # fmt: skip
    assert dead_letters.summary(Lane.GPU, one) == full | changes


def test_a_foreign_body_is_shown_short_and_not_read_as_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = "[bold]\x1b[2J" + "x" * 1000
    dead_letters.print_table([(Lane.GPU, letter(None, None, body))])
    said = capsys.readouterr().out
    assert r"[bold]\x1b[2Jxxx" in said
    assert "x" * 100 not in said


def test_a_lane_that_waits_for_nothing_has_no_age(capsys: pytest.CaptureFixture[str]) -> None:
    queues.print_table(
        [
            queues.LaneState(Lane.GPU, "gpu_tasks_queue", 12, 1, 7500.0, 3),
            queues.LaneState(Lane.CPU, "cpu_tasks_queue", 0, 0, None, 0),
        ]
    )
    _, gpu, cpu = capsys.readouterr().out.splitlines()
    assert gpu.split() == ["gpu", "gpu_tasks_queue", "12", "1", "2", "h", "3"]
    assert cpu.split() == ["cpu", "cpu_tasks_queue", "0", "0", "-", "0"]
