"""The queue of prompts, the one that runs, and the history of those that ended."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.comfyui.graph import Graph
from tests.simulators.comfyui.pictures import Rendered

LONGEST_HISTORY = 10_000


@dataclass(slots=True)
class Prompt:
    """The lowest number runs first.

    Args:
        asked: when POST /prompt came, by the monotonic clock.
        rendered: the pictures, made while the prompt waits and runs.
    """

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: list[str]
    asked: float
    rendered: "asyncio.Future[Rendered]"
    order: int = 0

    @property
    def client_id(self) -> str | None:
        return self.extra_data.get("client_id")

    def __lt__(self, other: "Prompt") -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[float, str, int]:
        return self.number, self.prompt_id, self.order

    def as_json(self) -> list[Any]:
        return [self.number, self.prompt_id, self.graph, self.extra_data, self.outputs]


@dataclass(slots=True)
class Prompts:
    """`on_change` is called whenever the number of prompts that wait or run may have changed."""

    on_change: Callable[[], None] = lambda: None
    running: Prompt | None = None
    pending: list[Prompt] = field(default_factory=list)
    """A heap."""
    history: dict[str, Any] = field(default_factory=dict)
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _put: int = 0

    @property
    def remaining(self) -> int:
        return len(self.pending) + (self.running is not None)

    def queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self.remaining}}

    def as_json(self) -> dict[str, Any]:
        running = [self.running.as_json()] if self.running else []
        return {
            "queue_running": running,
            "queue_pending": [prompt.as_json() for prompt in self.pending],
        }

    def put(self, prompt: Prompt) -> None:
        """Raises TypeError, as ComfyUI does, when one with this number and id waits already; the
        new one is queued nevertheless."""
        twin = any(
            (other.number, other.prompt_id) == (prompt.number, prompt.prompt_id)
            for other in self.pending
        )
        self._put += 1
        prompt.order = self._put
        heapq.heappush(self.pending, prompt)
        self._some.set()
        if twin:
            raise TypeError("'<' not supported between instances of 'dict' and 'dict'")
        self.on_change()

    async def wait(self) -> None:
        """Until a prompt waits."""
        while not self.pending:
            self._some.clear()
            await self._some.wait()

    def take(self) -> Prompt | None:
        """Make the first prompt the running one."""
        if not self.pending:
            return None
        self.running = heapq.heappop(self.pending)
        self.on_change()
        return self.running

    def done(self, entry: dict[str, Any]) -> None:
        """The running prompt leaves the queue and enters history at one moment."""
        if self.running is None:
            return
        if len(self.history) > LONGEST_HISTORY:
            self.history.pop(next(iter(self.history)))
        self.history[self.running.prompt_id] = {"prompt": self.running.as_json(), **entry}
        self.running = None
        self.on_change()

    def delete(self, prompt_id: str) -> bool:
        """Drop a waiting prompt; one that runs, or is not known, is left as it is."""
        for prompt in self.pending:
            if prompt.prompt_id == prompt_id:
                prompt.rendered.cancel()
                self.pending.remove(prompt)
                heapq.heapify(self.pending)
                self.on_change()
                return True
        return False

    def clear(self) -> None:
        for prompt in self.pending:
            prompt.rendered.cancel()
        self.pending.clear()
        self.on_change()
