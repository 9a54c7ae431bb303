"""Jobs that take time and nothing else, and what can go wrong with them."""

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

DAY = 24 * 3600.0
ENDED = frozenset({"succeeded", "canceled", "failed", "expired"})


@dataclass(slots=True)
class HostedFailures:
    """All off. A count is used up by so many requests or jobs."""

    status: int = 0
    """Answered to every request."""
    refuse_submits: int = 0
    refusal: tuple[int, str] = (429, "queue_full")
    retry_after: int = 1
    """Of refusals, in seconds."""
    lost_answers: int = 0
    """Submits start their job, then the connection is cut."""
    claimed_keys: int = 0
    """Submits are answered 500 without a job, and their key stays used."""
    fail_jobs: int = 0
    error: dict[str, Any] = field(default_factory=dict)
    """Of failed jobs."""
    expire_jobs: int = 0
    """Jobs are lost as soon as they run."""
    stale_assets: int = 0
    """Submits are answered missing_asset."""
    black: int = 0
    """Results are black."""

    def take(self, name: str) -> bool:
        left: int = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
        return left > 0


@dataclass(slots=True, eq=False)
class HostedJob:
    workflow: dict[str, Any]
    seconds: float
    ending: str
    error: dict[str, Any] | None
    black: bool
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: float = field(default_factory=time.time)
    cancelled: float | None = None

    @property
    def status(self) -> str:
        """Half its time it waits in the queue."""
        passed = time.time() - self.began
        if self.cancelled is not None:
            return "canceled" if time.time() - self.cancelled > 0.1 else "canceling"
        if passed < self.seconds / 2:
            return "queued"
        return "running" if passed < self.seconds else self.ending

    def cancel(self) -> None:
        if self.status not in ENDED and self.cancelled is None:
            self.cancelled = time.time()

    def view(self) -> dict[str, Any]:
        status = self.status
        ended = status in ENDED
        running = status == "running"
        return {
            "id": self.id,
            "status": status,
            "created_at": _time(self.began),
            "started_at": None if status == "queued" else _time(self.began + self.seconds / 2),
            "completed_at": _time(self.began + self.seconds) if ended else None,
            "expires_at": _time(self.began + DAY),
            "queue_position": 1 if status == "queued" else None,
            "progress": self._progress() if running else None,
            "outputs": [self._output()] if status == "succeeded" else [],
            "error": self.error if status == "failed" else None,
            "metrics": {
                "queue_ms": round(self.seconds * 500),
                "execution_ms": round(self.seconds * 500) if ended else None,
            },
            "urls": {name: f"/elsewhere/{name}" for name in ("self", "events", "cancel")},
        }

    def _progress(self) -> dict[str, Any]:
        sampler = {"current_node": "sampler", "current_node_class": "KSampler"}
        return {"value": 0.5, "nodes_done": 6, "nodes_total": 12, "step": 4, "steps": 8, **sampler}

    def _output(self) -> dict[str, Any]:
        [node] = [name for name, node in self.workflow.items() if node["class_type"] == "SaveImage"]
        return {
            "node_id": node,
            "name": "result_00001_.png",
            "type": "image",
            "content_type": "image/png",
            "size_bytes": 100,
            "id": f"output-{self.id}",
            "hash": None,
            "url": f"https://elsewhere.invalid/{self.id}",
            "url_expires_at": _time(self.began + DAY),
        }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
