"""Nobody who logs waits: what cannot be written is counted, and later told."""

import json
import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from short_drama.logs.outlets import FileSink, Outlet, StreamSink
from tests.patience import SOON


class Gate:
    """A sink that lets nothing through while it is shut."""

    name = "the gate"

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Event()
        self.lines: list[str] = []
        self.error: Exception | None = None

    def write(self, lines: list[str]) -> None:
        self.entered.set()
        self.open.wait(SOON)
        if self.error is not None:
            raise self.error
        self.lines += lines


def test_lines_keep_their_order_and_wait_for_the_end() -> None:
    gate = Gate()
    gate.open.set()
    outlet = Outlet(gate)
    for number in range(1000):
        outlet.put(str(number))
    outlet.close()
    assert gate.lines == [str(number) for number in range(1000)]


def test_a_pipe_that_nobody_reads_stops_nobody() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(StreamSink(str, file=writer))
    for number in range(20_000):  # a pipe holds 64 KB, the outlet 10,000 lines
        outlet.put(f"line {number} {'x' * 50}")
    os.close(reader)  # so that the thread ends with the test
    outlet.close()
    os.close(writer)


def test_what_was_lost_is_told_once_lines_come_through(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    outlet = Outlet(gate)
    outlet.put("first")
    assert gate.entered.wait(SOON)
    for number in range(10_500):
        outlet.put(str(number))
    gate.open.set()
    outlet.close()
    [record] = [one for one in caplog.records if one.getMessage() == "lines were lost"]
    assert vars(record)["lines"] == 500
    assert len(gate.lines) == 10_001


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("closed")])
def test_a_full_disk_is_told_once(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    gate.open.set()
    outlet = Outlet(gate)
    gate.error = error
    for number in range(5):
        gate.entered.clear()
        outlet.put(str(number))
        assert gate.entered.wait(SOON)
    gate.error = None
    outlet.put("at last")
    outlet.close()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["the gate is away", "the gate is back", "lines were lost"]
    assert gate.lines[-1] == "at last"


# --- Files --------------------------------------------------------------------------------


def test_files_are_turned_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "up.jsonl"
    sink = FileSink(path, size=1000, old=2)
    for number in range(100):
        sink.write([json.dumps({"number": number, "text": "x" * 50})])
    files = sorted(path.parent.glob("up.jsonl*"))
    assert [one.name for one in files] == ["up.jsonl", "up.jsonl.1", "up.jsonl.2"]
    assert all(0 < one.stat().st_size <= 1000 for one in files)
    assert json.loads(path.read_text().splitlines()[-1])["number"] == 99
    assert path.stat().st_mode & 0o077 == 0


def write_many(path: Path, name: str) -> None:
    sink = FileSink(path, size=20_000, old=50)
    for number in range(300):
        sink.write([json.dumps({"name": name, "number": number, "text": "x" * 100})])


def test_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "adapter.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(path, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    lines = [line for one in tmp_path.glob("*.jsonl*") for line in one.read_text().splitlines()]
    found = sorted((json.loads(line)["name"], json.loads(line)["number"]) for line in lines)
    assert found == [(name, number) for name in "ab" for number in range(300)]


def test_there_is_no_file_before_there_is_a_data_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileSink(tmp_path / "data" / "logs" / "up.jsonl").write(["x"])
    assert not (tmp_path / "data").exists()
