"""The installed command, in processes of its own, against the whole product."""

import asyncio
import contextlib
import io
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import warm
from tests.deaf import deaf_address
from tests.integration.test_sdk import SOME_ENGINES
from tests.patience import SOON
from tests.stack import RunningStack, running_stack

COMMAND = str(Path(sys.executable).with_name("short-drama"))


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Each line of stdout, as the JSON it must be."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Shell:
    """A shell of a user whose settings lead to the stack."""

    environment: dict[str, str]
    folder: Path

    async def start(self, *words: str, **streams: Any) -> asyncio.subprocess.Process:
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), -1)
        return await asyncio.create_subprocess_exec(
            COMMAND, *words, env=self.environment, cwd=self.folder, **{**pipes, **streams}
        )

    async def run(self, *words: str) -> Ended:
        code, out, err = await warm.run(words, environment=self.environment, folder=self.folder)
        assert "Traceback" not in err.decode()
        return Ended(code, out.decode(), err.decode())


def settings_of(stack: RunningStack, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "SHORT_DRAMA_ORCHESTRATOR_PORT": stack.gpu.rpartition(":")[2],
        "SHORT_DRAMA_CPU_ORCHESTRATOR_PORT": stack.cpu.rpartition(":")[2],
    }


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[RunningStack]:
    data_dir = tmp_path / "data"
    quick = {"drain_seconds": 0.1, "poll_seconds": 0.1}
    async with running_stack(data_dir, SOME_ENGINES, **quick) as stack:
        yield stack


@pytest.fixture
def shell(stack: RunningStack, tmp_path: Path) -> Shell:
    Image.new("RGB", (384, 288), "navy").save(tmp_path / "still.png")
    Image.new("RGB", (384, 288), "red").save(tmp_path / "actor.png")
    return Shell(settings_of(stack, tmp_path), tmp_path)


# --- Submit -------------------------------------------------------------------------------


async def test_the_installed_command_submits(shell: Shell) -> None:
    """All that follows runs the same in processes that were forked, which is quicker."""
    process = await shell.start("submit", "face-mask", "--image", "still.png", "--json")
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["status"] == "pending"


async def test_submit_prints_the_id(shell: Shell) -> None:
    ended = await shell.run("submit", "face-mask", "--image", "still.png", "--set", "face_index=0")
    assert (ended.code, ended.err) == (0, "")
    shown = await shell.run("tasks", "show", ended.out.strip(), "--json")
    assert shown.lines[0]["kind"] == "face-mask"


async def test_submit_wait_output_and_json(shell: Shell) -> None:
    ended = await shell.run(
        "submit", "full-face-swap", "--image", "still.png", "--face", "actor.png",
        "--label", "episode=3", "--output", "new.jpg", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    [task] = ended.lines
    assert (task["status"], task["labels"]) == ("completed", {"episode": "3"})
    assert task["request"]["source_image_url"] != task["request"]["target_face_url"]
    assert (shell.folder / "new.jpg").stat().st_size > 0


async def test_submit_wait_for_people(shell: Shell) -> None:
    ended = await shell.run(
        "submit", "face-mask", "--image", "still.png", "--output", "mask.png", "--wait"
    )
    first, url, saved = ended.out.splitlines()
    assert first.startswith("face-mask ")
    assert " completed in " in first
    assert url.startswith("http://127.0.0.1:")
    assert saved == "Saved mask.png"


async def test_a_failed_task_ends_with_1_and_the_fix(shell: Shell) -> None:
    words = ("submit", "qwen-image-edit", "--image", "still.png", "--set", "prompt=12", "--wait")
    ended = await shell.run(*words)
    assert ended.code == 1
    assert ended.err.splitlines() == ["Error: it broke", "Mend it."]
    as_json = await shell.run(*words, "--json")
    assert (as_json.code, as_json.lines[0]["status"]) == (1, "failed")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "horizontal=9"), "horizontal: it should be less than or equal to 4"),
        (("--set", "tilt=1"), "tilt: there is no such field"),
        (("--set", "horizontal"), "there is no = in it"),
        (("--image", "still.png"), "there are more images"),
        (("--set", "zoom=1", "--output", "no/folder.png"), "there is no folder no"),
        (("--set", "zoom=1", "--cpu-url", "http://127.0.0.1:1"), "whose address was not given"),
    ],
)
async def test_a_wrong_request_ends_with_2_in_two_lines(
    shell: Shell, words: tuple[str, ...], said: str
) -> None:
    ended = await shell.run("submit", "camera-angle", "--image", "still.png", *words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 2


async def test_every_fault_of_a_request_has_a_line(shell: Shell) -> None:
    ended = await shell.run("submit", "qwen-image-edit", "--image", "still.png", "--set", "promt=x")
    assert ended.code == 2
    first, second, fix = ended.err.splitlines()
    assert {first.removeprefix("Error: "), second} == {
        "prompt: this field is required",
        "promt: there is no such field",
    }
    assert fix


async def test_a_kind_that_was_mistyped_is_guessed(shell: Shell) -> None:
    ended = await shell.run("submit", "camera-angel", "--image", "still.png")
    assert ended.code == 2
    assert "did you mean camera-angle?" in ended.err


async def test_the_same_key_makes_one_task(shell: Shell) -> None:
    words = ("submit", "face-mask", "--image", "still.png", "--idempotency-key", "shot-7", "--json")
    ids = {(await shell.run(*words)).lines[0]["task_id"] for _ in range(2)}
    assert len(ids) == 1


# --- Tasks --------------------------------------------------------------------------------


async def test_tasks_are_listed_and_filtered(shell: Shell) -> None:
    for episode in ("1", "2"):
        await shell.run(
            "submit", "face-mask", "--image", "still.png", "--label", f"episode={episode}", "--wait"
        )
    newest_first = [task["labels"]["episode"] for task in (await tasks(shell, "ls")).lines]
    assert newest_first == ["2", "1"]
    assert len((await tasks(shell, "ls", "--label", "episode=1")).lines) == 1
    assert len((await tasks(shell, "ls", "--limit", "1")).lines) == 1
    assert (await tasks(shell, "ls", "--status", "failed")).lines == []
    assert (await tasks(shell, "ls", "--kind", "face-swap")).lines == []
    several = ("--status", "failed", "--status", "completed", "--kind", "face-mask")
    assert len((await tasks(shell, "ls", *several, "--created-after", "1h")).lines) == 2
    assert (await tasks(shell, "ls", "--created-before", "2020-01-01")).lines == []
    assert (await tasks(shell, "ls", "--label", "episode=1", "--label", "shot=7")).lines == []
    table = (await shell.run("tasks", "ls")).out
    assert "episode=2" in table
    assert table.count("completed") == 2


async def tasks(shell: Shell, *words: str) -> Ended:
    ended = await shell.run("tasks", *words, "--json")
    assert ended.code == 0, ended.err
    return ended


async def test_cancel_wait_and_retry(shell: Shell) -> None:
    words = ("submit", "camera-angle", "--image", "still.png", "--set", "zoom=1")
    task_id = (await shell.run(*words)).out.strip()
    waiting = asyncio.create_task(shell.run("tasks", "wait", task_id))
    assert (await shell.run("tasks", "cancel", task_id)).code == 0
    ended = await waiting
    assert ended.code == 1
    assert "the task was cancelled" in ended.err
    assert (await shell.run("tasks", "cancel", task_id)).code == 2
    again = (await shell.run("tasks", "retry", task_id)).out.strip()
    assert again not in ("", task_id)
    assert (await shell.run("tasks", "cancel", again)).code == 0


async def test_a_take_is_picked_and_deleted(shell: Shell) -> None:
    words = ["--label", "project=p", "--label", "shot=7", "--wait", "--json"]
    made = (await shell.run("submit", "face-mask", "--image", "still.png", *words)).lines[0]
    picked = await shell.run("pick", made["task_id"], "--note", "the eyes")
    assert (picked.code, picked.out) == (0, f"P_SH007: {made['task_id']}\n")
    (row,) = (await shell.run("shots", "ls", "--project", "p", "--json")).lines
    assert (row["pick"]["note"], row["counts"]["completed"]) == ("the eyes", 1)
    assert "P_SH007" in (await shell.run("shots", "ls", "--project", "p")).out
    other = ["--image", "actor.png", "--label", "project=p", "--label", "shot=7"]
    assert "P_SH007: uploads/local/" in (await shell.run("pick", *other)).out
    assert "nothing picked" in (await shell.run("unpick", made["task_id"])).out
    assert (await shell.run("pick", *other, "--label", "take=2")).code == 2
    assert (await shell.run("pick")).code == 2
    assert (await tasks(shell, "rm", made["task_id"])).lines[0]["deleted_at"]
    assert (await shell.run("tasks", "ls", "--count")).out == "0\n"
    assert (await tasks(shell, "restore", made["task_id"])).code == 0
    assert len((await tasks(shell, "ls", "--sort", "shot", "--text", "SHOT:7")).lines) == 1
    on_it = await shell.run("submit", "face-mask", "--image", f"task:{made['task_id']}", "--json")
    found = (await tasks(shell, "ls", "--derived-from", made["task_id"])).lines
    assert [task["task_id"] for task in found] == [on_it.lines[0]["task_id"]]


async def test_an_unknown_task_ends_with_2(shell: Shell) -> None:
    ended = await shell.run("tasks", "show", "nope")
    assert ended.code == 2
    assert "there is no task 'nope'" in ended.err


async def test_an_interrupt_ends_with_130_and_the_task_goes_on(shell: Shell) -> None:
    words = ("submit", "camera-angle", "--image", "still.png", "--set", "zoom=1", "--wait")
    process = await shell.start(*words)
    while not (found := (await tasks(shell, "ls", "--status", "processing")).lines):
        pass
    await asyncio.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert f"short-drama tasks wait {found[0]['task_id']}" in err.decode()
    assert err.decode().splitlines()[-1] == "Interrupted."
    assert (await shell.run("tasks", "cancel", found[0]["task_id"])).code == 0


# --- A person at a terminal ---------------------------------------------------------------


async def at_a_terminal(shell: Shell, *words: str, answer: str = "") -> Ended:
    ours, theirs = pty.openpty()
    process = await shell.start(*words, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answer.encode() + b"\x04")  # then end of input: nothing waits for more

    def read_all() -> bytes:
        read = io.BytesIO()
        with contextlib.suppress(OSError):  # how Linux says that the other side has closed
            while block := os.read(ours, 65536):
                read.write(block)
        return read.getvalue()

    said = await asyncio.to_thread(read_all)
    os.close(ours)
    return Ended(await process.wait(), said.decode(), "")


async def test_a_person_is_asked_for_consent_once(shell: Shell) -> None:
    swap = ("submit", "full-face-swap", "--image", "still.png", "--face", "actor.png", "--wait")
    refused = await at_a_terminal(shell, *swap, answer="n\n")
    assert refused.code == 2
    assert "consent of everyone" in refused.out
    assert (await tasks(shell, "ls")).lines == []
    agreed = await at_a_terminal(shell, *swap, answer="y\n")
    assert agreed.code == 0
    assert "consent of everyone" in agreed.out
    again = await at_a_terminal(shell, *swap)
    assert again.code == 0
    assert "consent" not in again.out


async def test_a_person_sees_progress(shell: Shell) -> None:
    ended = await at_a_terminal(shell, "submit", "face-mask", "--image", "still.png", "--wait")
    assert ended.code == 0
    assert "\x1b[2K" in ended.out  # a line that is drawn again
    assert "completed in" in ended.out


# --- The service --------------------------------------------------------------------------


async def test_an_unreachable_service_ends_with_3_and_the_fix(shell: Shell) -> None:
    with deaf_address() as gone:
        ended = await shell.run("tasks", "ls", "--url", gone)
    assert ended.code == 3
    assert gone in ended.err
    assert "short-drama up" in ended.err
    assert len(ended.err.splitlines()) == 2


async def test_an_unknown_setting_ends_with_2(shell: Shell) -> None:
    shell.environment["SHORT_DRAMA_PORTT"] = "1"
    ended = await shell.run("tasks", "ls")
    assert ended.code == 2
    assert "SHORT_DRAMA_PORTT" in ended.err


async def test_a_workflow_that_is_wrong_ends_every_command_with_2(shell: Shell) -> None:
    folder = shell.folder / "workflows"
    folder.mkdir()
    (folder / "mine.toml").write_text("steps = 4")
    (folder / "mine-api.json").write_text("{}")
    own = Shell({**shell.environment, "SHORT_DRAMA_WORKFLOWS_DIR": str(folder)}, shell.folder)
    for words in (("submit", "mine", "--image", "still.png"), ("workflows", "ls")):
        ended = await own.run(*words)
        assert ended.code == 2
        assert ended.err.startswith("Error: mine-api.json is not a graph")


async def test_components_served_apart_do_a_task(tmp_path: Path) -> None:
    """The GPU orchestrator, on a free port, takes a task in although nothing else runs."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    shell = Shell({**environment, "SHORT_DRAMA_ORCHESTRATOR_PORT": "0"}, tmp_path)
    Image.new("RGB", (384, 288), "navy").save(tmp_path / "still.png")
    process = await shell.start("serve", "orchestrator")
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[-1]
    ended = await shell.run(
        "submit", "camera-angle", "--image", "still.png", "--set", "zoom=1", "--url", url, "--json"
    )
    assert (ended.code, ended.lines[0]["status"]) == (0, "pending")
    process.terminate()
    _, err = await process.communicate()
    assert process.returncode == 0
    told = [json.loads(line) for line in err.splitlines()]
    assert {"ready", "task submitted"} <= {line["event"] for line in told}
    assert {line["level"] for line in told} == {"info"}


async def test_an_interrupted_submit_says_where_to_look(shell: Shell) -> None:
    async def answers_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()  # until the client has gone
        writer.close()

    asked = asyncio.Event()
    server = await asyncio.start_server(answers_nothing, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        process = await shell.start("submit", "face-mask", "--image", "asset:x", "--cpu-url", url)
        async with asyncio.timeout(SOON):
            await asked.wait()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert "See: short-drama tasks ls" in err.decode()


async def test_neither_pipes_nor_no_color_have_colours(shell: Shell) -> None:
    await shell.run("submit", "face-mask", "--image", "still.png", "--wait")
    assert "\x1b" not in (await shell.run("tasks", "ls")).out
    shell.environment["NO_COLOR"] = "1"
    shell.environment["TERM"] = "xterm-256color"
    assert "\x1b[32m" not in (await at_a_terminal(shell, "tasks", "ls")).out
    del shell.environment["NO_COLOR"]
    assert "\x1b[32m" in (await at_a_terminal(shell, "tasks", "ls")).out


async def test_help_is_there_for_every_command(shell: Shell) -> None:
    for words in ((), ("submit",), ("tasks",), ("tasks", "ls"), ("models",), ("demo",), ("up",)):
        assert (await shell.run(*words, "--help")).code == 0
