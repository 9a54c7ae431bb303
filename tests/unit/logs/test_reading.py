"""The story of a task, out of files and a journal."""

import json
import stat
from pathlib import Path
from typing import Any

from short_drama.logs.reading import Journal, LogFiles, Story, task_of


def line(second: int, event: str = "x", **facts: Any) -> str:
    timestamp = f"2026-11-27T10:00:{second:02}.000Z"
    return json.dumps({"timestamp": timestamp, "event": event, **facts})


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{one}\n" for one in lines)


def seconds(records: Any) -> list[int]:
    return [int(record["timestamp"][17:19]) for record in records]


def test_all_components_in_the_order_of_time(tmp_path: Path) -> None:
    write(tmp_path / "adapter.jsonl", line(2, task_id="t"), line(4, task_id="t"))
    write(tmp_path / "api.jsonl", line(3, task_id="t", job_id="j"), line(5, task_id="other"))
    write(tmp_path / "up.jsonl.1", line(1, task_id="t"), "no json, but t", '["t"]')
    assert seconds(Story("t").new([LogFiles(tmp_path)])) == [1, 2, 3, 4]


def test_what_comes_is_read_once_and_also_when_the_file_is_turned(tmp_path: Path) -> None:
    files, story = LogFiles(tmp_path), Story("t")
    path = tmp_path / "up.jsonl"
    write(path, line(1, task_id="t"))
    with path.open("a") as file:
        file.write(line(2, task_id="t")[:20])  # it is being written
    assert seconds(story.new([files])) == [1]
    with path.open("a") as file:
        file.write(line(2, task_id="t")[20:] + "\n")
    path.rename(tmp_path / "up.jsonl.1")
    write(path, line(3, task_id="t"))
    assert seconds(story.new([files])) == [2, 3]
    assert story.new([files]) == []


def test_a_job_tells_whose_it_is(tmp_path: Path) -> None:
    write(tmp_path / "api.jsonl", line(1, task_id="t", job_id="j"))
    assert task_of(Story("j").new([LogFiles(tmp_path)]), "j") == "t"
    assert task_of([], "j") == "j"


def test_nothing_older_than_was_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "api.jsonl", line(1, task_id="t"), line(9, task_id="t"))
    story = Story("t", since="2026-11-27T10:00:05")
    assert seconds(story.new([LogFiles(tmp_path)])) == [9]


def fake_journalctl(folder: Path, *messages: object) -> str:
    """A program that answers as journalctl does, and writes down what it was asked."""
    entries = [
        json.dumps({"__CURSOR": f"c{number}", "MESSAGE": message})
        for number, message in enumerate(messages)
    ]
    (folder / "entries").write_text("".join(f"{entry}\n" for entry in entries))
    program = folder / "journalctl"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {folder}/asked\n'
        f'case "$*" in *after-cursor*) ;; *) cat {folder}/entries ;; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def test_the_journal_is_read_from_where_it_was_left(tmp_path: Path) -> None:
    program = fake_journalctl(
        tmp_path,
        line(1, task_id="t"),
        "Ready. Ctrl-C drains and stops.",
        [1, 2],
        line(2, task_id="t"),
    )
    journal, story = (
        Journal(program, ["paid-api", "sqs-adapter", "paid-api"], since=7.0),
        Story("t"),
    )
    assert seconds(story.new([journal])) == [1, 2]
    assert story.new([journal]) == []
    first, second = (tmp_path / "asked").read_text().splitlines()
    assert "--unit paid-api.service --unit sqs-adapter.service --since @7" in first
    assert "--after-cursor c3" in second


def test_what_stands_in_the_journal_and_in_a_file_is_told_once(tmp_path: Path) -> None:
    write(tmp_path / "up.jsonl", line(1, task_id="t"))
    program = fake_journalctl(tmp_path, line(1, task_id="t"))
    assert len(Story("t").new([LogFiles(tmp_path), Journal(program, ["a"], since=0)])) == 1
