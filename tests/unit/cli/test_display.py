"""What the command says of tasks."""

import json
import time
from typing import Any

import pytest

from short_drama.cli import display
from short_drama.cli.exits import Problem
from short_drama.domain.letters import has_unseen
from short_drama.sdk.models import TaskView


def a_task(**changes: Any) -> TaskView:
    members = {
        "task_id": "t-1",
        "status": "pending",
        "kind": "face-mask",
        "job_type": "/api/v1/face-mask/jobs",
        "created_at": 0.0,
        "updated_at": 0.0,
        "version": 1,
        "request": {"image_url": "asset:uploads/1.png"},
        "urls": {"self": "s", "events": "e", "cancel": "c"},
    }
    return TaskView.model_validate({**members, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "face-mask: waiting"),
        (
            {"queue_position": 3, "eta_seconds": 12.4},
            "face-mask: waiting, 3rd, about 12 s",
        ),
        (
            {"status": "processing", "stage": "queued", "queue_position": 21, "eta_seconds": 150.0},
            "face-mask: waiting, 21st, about 2 min",
        ),
        ({"status": "processing", "queue_position": 12}, "face-mask: waiting, 12th"),
        ({"status": "processing", "stage": "queued"}, "face-mask: waiting"),
        ({"status": "processing"}, "face-mask: processing"),
        ({"status": "processing", "stage": "running"}, "face-mask: running"),
        ({"status": "failed"}, "face-mask: failed"),
        (
            {"queue_position": 3, "waiting_for": {"code": "x", "message": "the bill is overdue"}},
            "face-mask: waiting: the bill is overdue",
        ),
    ],
)
def test_a_task_in_words(changes: dict[str, Any], words: str) -> None:
    assert display.in_words(a_task(**changes)) == words


AN_HOUR_PAST_NOON = time.mktime((2026, 3, 1, 13, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("lane", "words"),
    [
        (
            {"state": "unavailable", "since": AN_HOUR_PAST_NOON, "reason": "no worker answers"},
            "the CPU lane has been away since 2026-03-01 13:00 (no worker answers)",
        ),
        (
            {"state": "unavailable", "reason": "no worker runs now"},
            "the CPU lane is away (no worker runs now)",
        ),
        (
            {"state": "paused", "since": AN_HOUR_PAST_NOON, "reason": "Qwen refuses the key"},
            "this kind has been paused since 2026-03-01 13:00 (Qwen refuses the key)",
        ),
        ({"state": "starting"}, "the CPU lane is starting"),
    ],
)
def test_a_lane_that_does_not_go_on_is_told_in_place_of_a_time(
    lane: dict[str, Any], words: str
) -> None:
    task = a_task(queue_position=1, lane={"name": "cpu", **lane})
    assert display.in_words(task) == f"face-mask: waiting: {words}"


def test_of_today_the_time_is_enough() -> None:
    now = time.time()
    words = display.state_in_words("unavailable", now)
    assert words == f"away since {time.strftime('%H:%M', time.localtime(now))}"
    assert display.state_in_words("ready", now) == "ready"
    assert display.state_in_words(None, None) == "not known"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (7200, "2 h"), (5 * 86400, "5 d")],
)
def test_ages_have_one_unit(seconds: float, words: str) -> None:
    assert display.age(seconds) == words


def test_the_end_tells_what_the_engine_wants_known(capsys: pytest.CaptureFixture[str]) -> None:
    account = {"note": "Framing preview.", "warnings": ["turned 30 degrees apart"]}
    display.print_end(
        a_task(
            status="completed",
            engine="local-preview",
            result_url="http://host/assets/1.png",
            timings={"total_seconds": 0.5},
            provenance=account,
        )
    )
    said = capsys.readouterr()
    assert said.out == (
        "face-mask t-1 completed in 0.50 s by local-preview\nhttp://host/assets/1.png\n"
    )
    assert said.err == "Note: Framing preview.\nNote: turned 30 degrees apart\n"


def test_labels_and_errors_are_not_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": "x", "message": "no [bold]face[/bold] here"}
    display.print_table([a_task(status="failed", error=error, labels={"shot": "[red]"})])
    said = capsys.readouterr().out
    assert "no [bold]face[/bold] here" in said
    assert "shot=[red]" in said


@pytest.mark.parametrize("width", [40, 80])
def test_in_a_narrow_terminal_an_id_can_still_be_copied(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "_WIDTH", width)
    task_id = "d90d3f12-6778-4427-a4c6-15305fea296f"
    display.print_table(
        [
            a_task(
                task_id=task_id, status="completed", labels={"shot": "[red]"}, engine="local-faces"
            )
        ]
    )
    said = capsys.readouterr().out
    assert said.splitlines()[0].rstrip() == task_id
    assert max(map(len, said.splitlines())) <= width
    told = " ".join(said.split())
    assert "kind: face-mask, status: completed" in told
    assert "labels: shot=[red], engine or error: local-faces" in told


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ({"usd": 0.030253, "maybe_usd": 0.0, "calls": []}, "0.030253"),
        ({"usd": 0.0, "maybe_usd": 0.03, "calls": []}, "0 + 0.03?"),
        ({"usd": 0.000001, "calls": []}, "0.000001"),
    ],
)
def test_the_cost_of_a_task(
    cost: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    display.print_table([a_task(status="failed", cost=cost)])
    assert f" {said} " in capsys.readouterr().out
    display.print_details(a_task(status="failed", cost=cost))
    assert f"{said} USD" in capsys.readouterr().out


def test_the_details_of_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    display.print_details(a_task(status="completed", engine="local-faces", labels={"shot": "2"}))
    said = capsys.readouterr().out
    assert "asset:uploads/1.png" in said
    assert "shot=2" in said
    assert "error" not in said
    assert " x " not in said  # a record from before sizes were told


def test_the_details_of_a_task_that_waits_say_why_and_what_helps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason = {"code": "provider_paused", "message": "the bill is overdue", "fix": "Pay it."}
    display.print_details(a_task(waiting_for={**reason, "until": 1_800_000_000.0}))
    said = capsys.readouterr().out
    assert "waiting: the bill is overdue" in said
    assert "Pay it." in said
    assert "next try" in said
    display.print_table([a_task(waiting_for=reason)])
    assert "the bill is overdue" in capsys.readouterr().out


def test_the_details_tell_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    task = a_task(
        status="completed",
        inputs={"image_url": {"width": 1920, "height": 1080}},
        result={"width": 1280, "height": 720, "bytes": 99},
        result_url="http://host/assets/1.png",
    )
    display.print_details(task)
    said = capsys.readouterr().out
    assert "asset:uploads/1.png (1920 x 1080)" in said
    assert "http://host/assets/1.png (1280 x 720)" in said


HOSTILE = "\x1b]0;pwned\x07\x1b[31m[red]\u202eevil\x9b2J\x7f\0"


def test_nothing_that_a_task_says_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": "x", "message": HOSTILE, "retryable": False, "fix": HOSTILE}
    task = a_task(
        status="failed",
        error=error,
        labels={HOSTILE: HOSTILE},
        request={"prompt": HOSTILE, HOSTILE: HOSTILE},
        result_url=HOSTILE,
        engine=HOSTILE,
        trace_id=HOSTILE,
        provenance={"note": HOSTILE, "warnings": [HOSTILE]},
    )
    display.print_table([task])
    display.print_details(task)
    display.print_end(task)
    display.print_json(task)
    display.print_json({HOSTILE: HOSTILE})
    Problem(HOSTILE, fix=HOSTILE, code=1).show()
    told = capsys.readouterr()
    for printed in (told.out, told.err):
        assert "pwned" in printed
        assert not has_unseen(printed.replace("\n", ""))
    assert json.loads(told.out.splitlines()[-1]) == {HOSTILE: HOSTILE}
