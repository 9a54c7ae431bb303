"""A prompt that is followed, and what the socket tells of it."""

import asyncio
from dataclasses import dataclass, field

from short_drama.comfyui_api.gpu_engine import OnChange
from short_drama.comfyui_api.server.events import Ended, Event, Previewed, Progressed


@dataclass(slots=True, eq=False)
class Run:
    prompt_id: str
    task: str
    on_change: OnChange
    started: bool = False
    heard: bool = False
    """Whether the socket has told anything of it."""
    taken_on: bool = False
    """From a service before us, whose socket is told of it."""
    node: str | None = None
    fraction: float | None = None
    """Of the steps of `node`."""
    preview: Previewed | None = None
    absent: int = 0
    drops: int = 0
    """How often the socket had been closed before it."""
    is_suspect: bool = False
    """Whether nothing was seen to run when the socket closed, so that it may have been this one."""
    was_alone: bool = False
    """Whether there was nothing else then that could have run."""
    told_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: Event) -> None:
        self.heard = True
        match event:
            case Ended():
                self.told_ended.set()
            case Progressed(_, node, fraction):
                self.started, self.node, self.fraction = True, node, fraction
            case Previewed():
                self.preview = event
            case _:
                self.started = True
        self.on_change(self)

    def begin(self) -> None:
        if not self.started:
            self.started = True
            self.on_change(self)
