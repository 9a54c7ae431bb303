"""`short-drama demo` with the real engines: five kinds done, every check passed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from short_drama.domain.kinds import KINDS
from short_drama.images import labels
from tests.patience import SOON

pytestmark = pytest.mark.models

COMMAND = str(Path(sys.executable).with_name("short-drama"))


def demo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "demo", "--output", str(folder), *words],
        check=False, capture_output=True, text=True, timeout=SOON,
    )  # fmt: skip


def test_the_demo_does_all_kinds_and_finds_no_fault(tmp_path: Path) -> None:
    ended = demo(tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("passed") == len(KINDS)
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["kind"] for task in tasks] == list(KINDS)
    assert {task["status"] for task in tasks} == {"completed"}
    assert {task["engine"] for task in tasks} == {"local-preview", "local-faces"}
    mask, swap = tasks[2], tasks[3]
    made = mask["provenance"]["result_key"]
    assert swap["request"]["masked_image_url"] == f"asset:{made}"
    sheet = tmp_path / "contact-sheet.png"
    with Image.open(sheet) as picture:
        assert picture.width > picture.height > 1000
    assert labels.read(sheet.read_bytes()) is not None


def test_one_address_is_not_enough(tmp_path: Path) -> None:
    ended = demo(tmp_path, "--url", "http://127.0.0.1:1")
    assert ended.returncode == 2
    assert "--cpu-url" in ended.stderr
