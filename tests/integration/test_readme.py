"""The README as a newcomer reads it: all of it can be pasted, and the Chinese one says the same."""

import asyncio
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from short_drama.domain.kinds import Lane
from short_drama.settings import Settings
from tests.integration.test_cli import Shell, settings_of
from tests.noop_engine import noop_engines
from tests.patience import SOON
from tests.stack import running_stack
from tests.unit.test_docs_names import ROOT

README, CHINESE = (ROOT / name for name in ("README.md", "README.zh-CN.md"))
ELSEWHERE = {"make", "uvx", "pipx"}
"""Programs that install, or run until they are stopped: only what they are told is looked at."""
WELL = {"short-drama doctor": "|| [ $? -eq 4 ]"}
"""It may find something on the machine of the tests."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def lines(page: Path) -> list[str]:
    return [
        line for language, text in blocks(page) if language == "sh" for line in text.splitlines()
    ]


def script() -> str:
    """Everything, in order, as if pasted into one terminal."""
    parts = ["set -eu -o pipefail"]
    for language, text in blocks(README):
        if language == "python":
            parts.append(f"python - <<'END'\n{text}END")
        else:
            told = [line for line in text.splitlines() if line.split()[0] not in ELSEWHERE]
            parts += [f"{line} {WELL.get(line, '')}" for line in told]
    return "\n".join(parts)


@pytest.mark.models
async def test_all_of_it_can_be_pasted(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    async with running_stack(tmp_path / "data", dict.fromkeys(Lane, noop_engines)) as stack:
        shell = Shell(settings_of(stack, tmp_path), tmp_path)
        shell.environment["SHORT_DRAMA_CACHE_DIR"] = str(Settings().cache_dir)
        pasted = script().replace("http://127.0.0.1:8080", stack.gpu)
        pasted = pasted.replace("Client()", f"Client(gpu_url={stack.gpu!r}, cpu_url={stack.cpu!r})")
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", pasted, env=shell.environment, cwd=tmp_path, stdout=-1, stderr=-1
        )
        async with asyncio.timeout(SOON):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        tasks = (await shell.run("tasks", "ls", "--json")).lines
    assert b"actor.png" in out
    assert {task["status"] for task in tasks} == {"completed"}
    assert [task["kind"] for task in tasks] == [
        "camera-angle", "face-mask", "full-face-swap", "camera-angle",
    ]  # fmt: skip
    assert (tmp_path / "moved.png").stat().st_size > 0
    assert (tmp_path / "mask.png").stat().st_size > 0


def test_nothing_in_it_is_not_to_be_pasted() -> None:
    assert len(lines(README)) > 8
    for line in lines(README):
        assert "#" not in line  # is no comment to zsh
        assert not line.startswith("$")
        assert "…" not in line


def test_what_installs_names_what_there_is() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = [shlex.split(line) for line in lines(README) if line.split()[0] in ELSEWHERE]
    assert {words[0] for words in told} == ELSEWHERE
    for words in told:
        if words[0] == "make":
            assert words[1] in targets
        else:
            (wanted,) = re.findall(r"\.\[(.*)\]", " ".join(words))
            assert set(wanted.split(",")) <= set(extras)


def test_the_chinese_one_says_the_same() -> None:
    assert blocks(CHINESE) == blocks(README)
    for part in (r"^(#+) ", r"^(\*) ", r"^\|", r"^!\["):
        counts = [
            len(re.findall(part, page.read_text(), re.MULTILINE)) for page in (README, CHINESE)
        ]
        assert counts[0] == counts[1] > 0, part
    kept = [set(re.findall(r"\]\(([^)]+)\)", page.read_text())) for page in (README, CHINESE)]
    assert kept[0] ^ kept[1] == {"README.md", "README.zh-CN.md"}


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs" / "images" / "contact-sheet.jpg").stat().st_size < 250_000


def test_every_page_stands_in_the_list_of_pages() -> None:
    docs = ROOT / "docs"
    listed = re.findall(
        r"^\| \[([\w/-]+(?:\.md)?/?)\]\(\1\)", (docs / "README.md").read_text(), re.MULTILINE
    )
    pages = [page.name for page in docs.glob("*.md") if page.name != "README.md"]
    assert sorted(listed) == sorted([*pages, "decisions/"])
