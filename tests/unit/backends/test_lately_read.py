"""For how long a file that was read is believed to be as it was."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from short_drama.backends.embedded.lately_read import SECONDS, LatelyRead

KEY = "uploads/ann/a.png"


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(b"whole")
    return path


@pytest.fixture
def clock(file: Path) -> Clock:
    """Ten seconds after the file was written."""
    return Clock(file.stat().st_ctime + 10)


def test_a_file_that_was_read_is_believed_for_a_while(file: Path, clock: Clock) -> None:
    lately = LatelyRead[str](clock)
    assert lately.told(KEY, file.stat()) is None
    lately.note(KEY, file.stat(), "whole")
    assert lately.told(KEY, file.stat()) == "whole"
    assert lately.told("uploads/ann/b.png", file.stat()) is None
    clock.now += SECONDS
    assert lately.told(KEY, file.stat()) is None


def test_a_clock_that_is_put_back_makes_nothing_believed_for_longer(
    file: Path, clock: Clock
) -> None:
    lately = LatelyRead[str](clock)
    lately.note(KEY, file.stat(), "whole")
    clock.now -= 1
    assert lately.told(KEY, file.stat()) is None


def rewritten_with_its_old_date(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"spoil")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_in_its_place(path: Path) -> None:
    other = path.with_name("b.png")
    other.write_bytes(b"whole")
    other.replace(path)


@pytest.mark.parametrize("change", [rewritten_with_its_old_date, put_in_its_place])
def test_a_file_that_has_changed_is_not_believed(
    file: Path, clock: Clock, change: Callable[[Path], None]
) -> None:
    lately = LatelyRead[str](clock)
    lately.note(KEY, file.stat(), "whole")
    time.sleep(0.02)  # until the file system's clock has ticked
    change(file)
    assert lately.told(KEY, file.stat()) is None


def test_a_file_that_was_just_written_may_be_written_again_unnoticed(file: Path) -> None:
    lately = LatelyRead[str](Clock(file.stat().st_ctime + 0.5))
    lately.note(KEY, file.stat(), "whole")
    assert lately.told(KEY, file.stat()) is None


def test_what_is_found_damaged_is_forgotten(file: Path, clock: Clock) -> None:
    lately = LatelyRead[str](clock)
    lately.note(KEY, file.stat(), "whole")
    lately.forget(KEY)
    lately.forget("uploads/ann/b.png")
    assert lately.told(KEY, file.stat()) is None


def test_those_that_were_read_first_are_forgotten(file: Path, clock: Clock) -> None:
    lately = LatelyRead[str](clock)
    for number in range(2000):
        lately.note(f"uploads/ann/{number}.png", file.stat(), "whole")
    assert lately.told("uploads/ann/0.png", file.stat()) is None
    assert lately.told("uploads/ann/1999.png", file.stat()) == "whole"
