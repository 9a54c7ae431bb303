"""The commands of the pages that look and change nothing, run as they stand there."""

import asyncio
import itertools
import re
import shlex
from pathlib import Path

import pytest

from tests.integration.test_cli import Shell, settings_of
from tests.integration.test_sdk import SOME_ENGINES
from tests.samples import png
from tests.stack import running_stack
from tests.unit.test_docs_names import PAGES, commands_in

LOOKING = {
    "costs", "dlq ls", "doctor", "kinds", "logs", "models ls", "queues", "spend", "spend reconcile",
    "storage", "tasks ls", "tasks show", "workflows ls",
}  # fmt: skip
WELL = {"doctor": {0, 4}, "logs": {0, 1}}
"""Exit codes, other than 0 alone: doctor may find something on the machine of the tests, and a
stack in the tests' own process writes no log."""
ELSEWHERE = {"--installed", "--bill", "--component", "--follow", "--url"}
"""Options that need another machine, a file, a person, or more time."""
OF_A_TASK = {"logs", "tasks show"}
ANY_TASK = re.compile(r"TASK|JOB|[0-9a-f]{8}-[0-9a-f-]{27}")


def looking() -> list[str]:
    found = set()
    for words in (words for page in PAGES for words in commands_in(page)):
        named = list(itertools.takewhile(str.isalpha, words))
        task = any(ANY_TASK.fullmatch(word) for word in words)
        name = " ".join(word for word in named if not ANY_TASK.fullmatch(word))
        options = {word.partition("=")[0] for word in words}
        if name in LOOKING and task == (name in OF_A_TASK) and not options & ELSEWHERE:
            found.add(shlex.join(words))
    return sorted(found)


def test_there_are_some() -> None:
    assert len(looking()) > 10
    assert {words.split()[0] for words in looking()} >= {"costs", "doctor", "queues", "tasks"}


@pytest.mark.models
async def test_they_run(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running_stack(data, SOME_ENGINES) as stack:
        shell = Shell(settings_of(stack, tmp_path), tmp_path)
        shell.environment["SHORT_DRAMA_DATA_DIR"] = str(data)
        task = await _a_task(shell)
        slots = asyncio.Semaphore(3)

        async def run(line: str) -> str | None:
            words = [task if ANY_TASK.fullmatch(word) else word for word in shlex.split(line)]
            async with slots:
                ended = await shell.run(*words)
            if ended.code in WELL.get(words[0], {0}):
                return None
            return f"{line}: {ended.code}, {ended.err}"

        faults = await asyncio.gather(*(run(line) for line in looking()))
    assert not [fault for fault in faults if fault]


async def _a_task(shell: Shell) -> str:
    (shell.folder / "still.png").write_bytes(png())
    ended = await shell.run("submit", "face-mask", "--image", "still.png", "--wait", "--json")
    assert ended.code == 0, ended.err
    return str(ended.lines[0]["task_id"])
