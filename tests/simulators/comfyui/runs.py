"""Which prompts were run, and when: what tests and benchmarks measure."""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.simulators.comfyui.graph import kind_of, model_files
from tests.simulators.comfyui.prompts import Prompt


@dataclass(slots=True)
class Run:
    """Times are those of the monotonic clock.

    Args:
        kind: camera-angle, qwen-image-edit or model-free.
        asked: when POST /prompt came.
        ending: success, error or interrupted; killed when the server was; None while it runs.
        loaded: whether its models were loaded for it.
    """

    prompt_id: str
    kind: str
    models: tuple[str, ...]
    asked: float
    started: float
    ended: float | None = None
    ending: str | None = None
    loaded: bool = False


@dataclass(slots=True)
class RunLog:
    """All runs, over restarts. With a file, it has a line of JSON for each start and each end."""

    file: Path | None = None
    runs: list[Run] = field(default_factory=list)

    def start(self, prompt: Prompt) -> Run:
        run = Run(
            prompt.prompt_id,
            kind_of(prompt.graph),
            tuple(sorted(model_files(prompt.graph))),
            prompt.asked,
            time.monotonic(),
        )
        self.runs.append(run)
        self._write("started", run)
        return run

    def end(self, run: Run, ending: str) -> None:
        run.ended, run.ending = time.monotonic(), ending
        self._write("ended", run)

    def kill(self) -> None:
        """The run that has not ended, if there is one, never will."""
        for run in self.runs:
            if run.ended is None:
                self.end(run, "killed")

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(run) for run in self.runs]

    def _write(self, event: str, run: Run) -> None:
        if self.file is not None:
            line = {"event": event, "pid": os.getpid(), **asdict(run)}
            with self.file.open("a") as file:
                file.write(json.dumps(line) + "\n")
