"""Where a program of a peer works: told by the environment, as a deployment would."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

FOLDER, COMFYUI, BROKER, NOOP = "PEER_FOLDER", "PEER_COMFYUI", "PEER_BROKER", "PEER_NOOP"
AT_ONCE = 2
"""Tasks that a worker has at a time, so that the next prompt waits in ComfyUI: as ours does it."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    Args:
        folder: holds assets/, results/ and workflow.json.
        broker: a URL of Redis, or of Postgres.
        noop: whether tasks skip the engine.
    """

    folder: Path
    comfyui: str
    broker: str
    noop: bool

    @classmethod
    def here(cls) -> Self:
        told = os.environ
        return cls(Path(told[FOLDER]), told[COMFYUI], told[BROKER], NOOP in told)

    def asset(self, reference: str) -> Path:
        """Of `asset:NAME`; a name that is no plain file name leads nowhere."""
        return self.folder / "assets" / Path(reference.removeprefix("asset:")).name

    def result(self, task_id: str) -> Path:
        return self.folder / "results" / f"{task_id}.png"

    def workflow(self) -> dict[str, Any]:
        """As `graphs.write_workflow` has left it."""
        found: dict[str, Any] = json.loads((self.folder / "workflow.json").read_text())
        return found
