"""What separate processes tell of their tasks, and of each other."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from short_drama import model_files
from short_drama.sdk.sync import Client
from short_drama.settings import load
from tests.e2e.processes import COMMAND, ENVIRONMENT, Ports, Process
from tests.patience import SOON

pytestmark = pytest.mark.models

WHOLE_LIFE = [
    "task submitted", "task claimed", "job accepted", "job prepared", "engine began",
    "engine ended", "result published", "task completed",
]  # fmt: skip


@dataclass
class Site:
    """One data directory, and a process for each component that a test starts."""

    folder: Path
    environment: dict[str, str]
    running: dict[str, Process] = field(default_factory=dict)

    def start(self, *components: str) -> None:
        for name in components:
            process = Process([COMMAND, "serve", name], "(Ready)", self.environment)
            process.start()
            self.running[name] = process

    def kill(self, name: str) -> None:
        self.running.pop(name).end(signal.SIGKILL)

    def lines(self, component: str) -> list[dict[str, Any]]:
        path = self.folder / "logs" / f"{component}.jsonl"
        told = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in told]

    def neighbours(self, component: str) -> list[str]:
        events = [str(line["event"]) for line in self.lines(component)]
        return [event for event in events if event.endswith((" is away", " is back"))]

    @property
    def client(self) -> Client:
        ports = (self.environment[f"SHORT_DRAMA_{name}ORCHESTRATOR_PORT"] for name in ("", "CPU_"))
        gpu, cpu = (f"http://127.0.0.1:{port}" for port in ports)
        return Client(gpu_url=gpu, cpu_url=cpu)

    def told(self, task_id: str) -> list[dict[str, Any]]:
        out = self.run("logs", task_id, "--json")
        return [json.loads(line) for line in out.splitlines()]

    def run(self, *words: str) -> str:
        return subprocess.run(
            [COMMAND, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=SOON,
        ).stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    model_files.install(load().models_dir, "models")
    ports = Ports().settings
    quick = {"SHORT_DRAMA_SWEEP_SECONDS": "0.1", "SHORT_DRAMA_DEAD_LETTER_SECONDS": "0.1"}
    made = Site(tmp_path, ENVIRONMENT | ports | quick | {"SHORT_DRAMA_DATA_DIR": str(tmp_path)})
    try:
        yield made
    finally:
        for process in made.running.values():
            process.end(signal.SIGTERM)


def eventually(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.1)


def events(lines: Sequence[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


def still() -> Path:
    folder = load().samples_dir
    model_files.install(folder, "samples")
    return model_files.path(folder, "astronaut.png")


def test_tasks_of_both_lanes_are_told_from_submit_to_end(site: Site) -> None:
    site.start("orchestrator", "cpu-orchestrator", "comfyui-api", "paid-api", "gpu-adapter")
    site.start("cpu-adapter")
    with site.client as client:
        edit = {"image_url": client.upload(still()).image_url}
        good = client.submit("qwen-image-edit", edit | {"prompt": "black and white"})
        mask = client.submit("face-mask", edit)
        bad = client.submit("qwen-image-edit", edit | {"prompt": "let it fly"})
        ends = [client.wait(task.task_id).status for task in (good, mask, bad)]
    assert ends == ["completed", "completed", "failed"]
    for task, lane in ((good, "gpu"), (mask, "cpu")):
        lines = site.told(task.task_id)
        assert sorted(events(lines)) == sorted(WHOLE_LIFE)
        assert [line["timestamp"] for line in lines] == sorted(line["timestamp"] for line in lines)
        assert events(lines)[0] == "task submitted"
        assert events(lines)[-1] == "task completed"
        assert {line["task_id"] for line in lines} == {task.task_id}
        assert {line["lane"] for line in lines} == {lane}
        assert {line["attempt"] for line in lines[1:]} == {1}
        assert len({line["job_id"] for line in lines[1:]}) == 1
        assert all(line["seconds"] > 0 for line in lines if line["event"] == "task completed")
    failed = site.told(bad.task_id)
    assert failed[-1]["event"] == "task failed"
    assert failed[-1]["code"] == "prompt_unsupported"
    assert "fly" not in json.dumps(failed)
    by_job = site.run("logs", failed[-1]["job_id"])
    assert "task submitted" in by_job
    assert "task failed" in by_job


def test_who_idles_is_silent_and_a_dead_service_is_two_lines(site: Site) -> None:
    site.start("comfyui-api", "gpu-adapter")
    eventually(lambda: bool(site.lines("gpu-adapter") and site.lines("comfyui-api")))
    before = len(site.lines("gpu-adapter")), len(site.lines("comfyui-api"))
    time.sleep(5)  # dozens of passes, looks and polls
    assert (len(site.lines("gpu-adapter")), len(site.lines("comfyui-api"))) == before
    site.kill("comfyui-api")
    eventually(lambda: site.neighbours("gpu-adapter") == ["the API service is away"])
    time.sleep(3)
    site.start("comfyui-api")
    eventually(lambda: len(site.neighbours("gpu-adapter")) == 2)
    assert site.neighbours("gpu-adapter") == ["the API service is away", "the API service is back"]
    away = next(line for line in site.lines("gpu-adapter") if line["event"].endswith("is away"))
    assert away["url"].endswith(site.environment["SHORT_DRAMA_COMFYUI_API_PORT"])
    assert away["lane"] == "gpu"


def test_what_is_said_of_a_task_that_nobody_knows(site: Site) -> None:
    refused = subprocess.run(
        [COMMAND, "logs", "nobody-s"],
        env=site.environment | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=SOON,
    )
    assert refused.returncode == 1
    assert f"{site.folder}/logs" in refused.stderr
