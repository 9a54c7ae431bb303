"""`short-drama logs`: what is shown, where it is looked for, and how it is followed."""

import json
import time
from pathlib import Path
from typing import Any

import click
import pytest

from short_drama.cli import logs as command
from short_drama.cli.exits import EXIT_FAILED, Problem
from short_drama.cli.logs_command import Moment


@pytest.fixture(autouse=True)
def no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)


def write(data: Path, second: int, event: str, **facts: Any) -> None:
    line = {"timestamp": f"2026-11-27T10:00:{second:02}.000Z", "level": "info", "event": event}
    path = data / "logs" / "up.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(
            json.dumps(line | {"component": "here", "task_id": "t", "kind": "k"} | facts) + "\n"
        )


def show(data: Path, wanted: str = "t", *, follow: bool = False, as_json: bool = False) -> None:
    command.logs(wanted, since=0.0, follow=follow, data_dir=data, as_json=as_json)


def test_a_story_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, 1, "task submitted", owner="local", request_id="r", trace_id="0a")
    write(tmp_path, 2, "task claimed", attempt=1, job_id="j", worker="w")
    write(tmp_path, 3, "lease lost", attempt=1, job_id="j", level="warning")
    write(tmp_path, 3, "task submitted", task_id="another")
    show(tmp_path, "j")
    assert capsys.readouterr().out.splitlines() == [
        "task t, k",
        "    +0.000  10:00:01.000  here              task submitted",
        "task t, k, attempt 1, job j",
        "    +1.000  10:00:02.000  here              task claimed  worker=w",
        "    +2.000  10:00:03.000  here              WARNING lease lost",
    ]


def test_a_story_is_followed_to_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 1, "task submitted")
    steps = iter([(2, "task claimed"), (3, "task completed")])
    monkeypatch.setattr("time.sleep", lambda _: write(tmp_path, *next(steps)))
    show(tmp_path, follow=True, as_json=True)
    told = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert told == ["task submitted", "task claimed", "task completed"]


@pytest.mark.parametrize(
    ("backend", "words"), [("embedded", "--data-dir"), ("aws", "Each instance has a journal")]
)
def test_where_it_was_looked_for(
    backend: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORT_DRAMA_BACKEND", backend)
    monkeypatch.setenv("SHORT_DRAMA_LOG_FOLDER", str(tmp_path / "logs"))
    with pytest.raises(Problem) as refused:
        show(tmp_path)
    assert refused.value.exit_code == EXIT_FAILED
    assert f"{tmp_path}/logs" in refused.value.message
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("given", "ago"), [("90s", 90), ("30min", 1800), ("2 h", 7200), ("1.5d", 129_600)]
)
def test_so_long_ago(given: str, ago: float) -> None:
    assert Moment().convert(given, None, None) == pytest.approx(time.time() - ago, abs=5)


def test_a_date() -> None:
    assert Moment().convert("2026-11-27T18:00", None, None) == 1_795_802_400
    assert Moment().convert("2026-11-27T18:00+01:00", None, None) == 1_795_798_800
    with pytest.raises(click.BadParameter, match="30min"):
        Moment().convert("yesterday", None, None)
