"""Logging of a whole process, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SECRET = "sk-4f9c2e71a8b3d605"
_PROGRAM = """
import logging, sys, threading, warnings
from pathlib import Path
from short_drama.logs.configure import LogOptions, configure

configure(LogOptions(component="test", level={level!r}, form={form!r}, folder=Path({folder!r}),
                     secrets=[{secret!r}, "token/of/a/session+1234"]))
{rest}
"""


def run(folder: Path, rest: str, *, form: str = "auto", level: str = "info") -> str:
    """What it said on stderr; the same must be in its file, as JSON."""
    program = _PROGRAM.format(
        form=form, level=level, folder=str(folder / "logs"), secret=SECRET, rest=rest
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == ""
    assert SECRET not in ended.stderr
    return ended.stderr


def lines(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def in_file(folder: Path) -> list[dict[str, Any]]:
    return lines((folder / "logs" / "test.jsonl").read_text())


def test_our_lines_by_level_and_those_of_libraries_from_warning_on(tmp_path: Path) -> None:
    rest = """
for name in ("short_drama.x", "uvicorn.error", "botocore", "asyncio"):
    for level in (logging.DEBUG, logging.INFO, logging.WARNING):
        logging.getLogger(name).log(level, "said", extra={"task_id": "t"})
warnings.warn("old", DeprecationWarning, stacklevel=1)
"""
    told = lines(run(tmp_path, rest))
    assert [(one["logger"], one["level"]) for one in told] == [
        ("short_drama.x", "info"),
        ("short_drama.x", "warning"),
        ("uvicorn.error", "warning"),
        ("botocore", "warning"),
        ("asyncio", "warning"),
        ("py.warnings", "warning"),
    ]
    assert told[0]["task_id"] == "t"
    assert in_file(tmp_path) == told


def test_what_pillow_says_of_strangers_pictures_is_no_line(tmp_path: Path) -> None:
    rest = """
for module in ("PIL.TiffImagePlugin", "tests.ours"):
    warnings.warn_explicit("a tag", UserWarning, "there.py", 1, module=module)
"""
    assert len(lines(run(tmp_path, rest))) == 1


def test_what_is_wrong_with_strangers_forms_is_no_line_for_each(tmp_path: Path) -> None:
    rest = """
from python_multipart.multipart import MultipartParser
for _ in range(3):
    try:
        MultipartParser(b"b").write(b"no form")
    except Exception:
        pass
logging.getLogger("PIL.Image").warning("strange")
"""
    assert run(tmp_path, rest) == ""


def test_an_error_that_nobody_catches_is_a_line_without_its_secret(tmp_path: Path) -> None:
    rest = f"""
def breaks():
    raise RuntimeError({SECRET!r} + " and token/of/a/session+1234")
thread = threading.Thread(target=breaks)
thread.start()
thread.join()
breaks()
"""
    in_thread, at_the_end = lines(run(tmp_path, rest))
    assert in_thread["event"] == at_the_end["event"] == "stopped by an unexpected error"
    assert "RuntimeError: *** and ***" in at_the_end["exception"]


def test_text_for_people_and_json_for_the_file(tmp_path: Path) -> None:
    said = run(
        tmp_path, "logging.getLogger('short_drama.x').info('hello %s', 'there')", form="text"
    )
    assert said.rstrip().endswith("test              hello there")
    assert in_file(tmp_path)[0]["event"] == "hello there"


def test_a_line_that_cannot_be_made_is_told_without_its_words(tmp_path: Path) -> None:
    rest = f"logging.getLogger('short_drama.x').info('%d', {SECRET!r})"
    [told] = lines(run(tmp_path, rest))
    assert (told["event"], told["reason"]) == ("a line could not be written", "TypeError")


def test_whoever_cannot_write_a_file_says_so_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")
    told = lines(run(tmp_path, "logging.getLogger('short_drama.x').info('hello')"))
    assert [one["event"] for one in told] == [
        "hello",
        f"the log file {tmp_path}/logs/test.jsonl is away",
    ]


def test_a_process_ends_though_nobody_reads_what_it_says(tmp_path: Path) -> None:
    rest = """
for number in range(20_000):
    logging.getLogger("short_drama.x").info("a line that nobody reads")
print("done")
"""
    program = _PROGRAM.format(
        form="json", level="info", folder=str(tmp_path / "logs"), secret=SECRET, rest=rest
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
        assert process.wait(60) == 0
    assert len(in_file(tmp_path)) > 10_000
