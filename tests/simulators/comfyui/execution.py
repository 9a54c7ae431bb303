"""One run of one prompt: its messages, its time and its outputs."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.comfyui import pictures
from tests.simulators.comfyui.dialects import Dialect
from tests.simulators.comfyui.failures import OUT_OF_MEMORY, Crash, Failures
from tests.simulators.comfyui.folders import Folders
from tests.simulators.comfyui.graph import cache_keys, execution_order, model_files, texts
from tests.simulators.comfyui.node_class import Saves
from tests.simulators.comfyui.node_classes import TABLE
from tests.simulators.comfyui.prompts import Prompt
from tests.simulators.comfyui.sockets import Preview, Sockets

PREVIEW_METHODS = ("none", "auto", "latent2rgb", "taesd")
HELD_SECONDS = 0.005
"""How often a run that is stuck looks whether it still is."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A run takes `step_seconds` for each step and, if its model files are not loaded,
    `swap_seconds` more; nothing else of it takes time.

    Args:
        cache_lru: keep all models and all nodes, not only those of the last prompt.
        previews: send a picture after each step of prompts that do not say whether to.
    """

    step_seconds: float
    swap_seconds: float
    cache_lru: bool
    previews: bool


@dataclass(slots=True)
class Machine:
    """What outlasts a run, until the server is restarted."""

    dialect: Dialect
    pace: Pace
    folders: Folders
    failures: Failures
    sockets: Sockets
    cache: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    """What each executed node showed, by its key."""
    loaded: set[frozenset[str]] = field(default_factory=set)
    """Model files, by the prompt that needed them."""
    interrupted: bool = False
    broken: bool = False
    """Whether the device has not survived a run."""

    def load(self, files: frozenset[str]) -> float:
        """How many seconds it takes."""
        if files in self.loaded:
            return 0.0
        if not self.pace.cache_lru:
            self.loaded.clear()
        self.loaded.add(files)
        return self.pace.swap_seconds if files else 0.0


class _Interrupted(Exception):
    pass


class _Crashed(Exception):
    """At the node that is reached, or at another that turned out to be to blame."""

    def __init__(self, crash: Crash, node: str | None = None) -> None:
        super().__init__(crash.message)
        self.crash, self.node = crash, node


class Execution:
    """Await `run` once; `entry` is then what history holds, and `loaded` whether it found other
    models than its own.

    Args:
        started: by the monotonic clock; the steps are timed from it.
    """

    def __init__(self, prompt: Prompt, machine: Machine, started: float) -> None:
        self._prompt, self._machine, self._due = prompt, machine, started
        self._failures, self._sockets = machine.failures, machine.sockets
        self._stuck = self._failures.stuck is not True and self._failures.take("stuck")
        self._messages: list[list[Any]] = []
        self._states: dict[str, dict[str, Any]] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self._executed: list[str] = []
        self._keys: dict[str, str] = {}
        self._crash: tuple[str, Crash] | None = None
        self._ending = "error"
        self.loaded = False

    @property
    def entry(self) -> dict[str, Any]:
        succeeded = self._ending == "success"
        return {
            "outputs": self._outputs,
            "status": {
                "status_str": "success" if succeeded else "error",
                "completed": succeeded,
                "messages": self._messages,
            },
            "meta": {
                node: {
                    "node_id": node,
                    "display_node": node,
                    "parent_node": None,
                    "real_node_id": node,
                }
                for node in self._outputs
            },
        }

    async def run(self) -> str:
        """Returns how it ended: success, error or interrupted."""
        self._tell("execution_start", {})
        order, cached = self._plan()
        self._tell("execution_cached", {"nodes": cached})
        for node in order:
            try:
                await self._reach(node, again=node in cached)
            except _Interrupted:
                return self._end_interrupted(node)
            except _Crashed as crashed:
                return self._end_crashed(crashed.node or node, crashed.crash)
            await asyncio.sleep(0)
        self._tell("execution_success", {})
        self._ending = "success"
        return self._ending

    def _plan(self) -> tuple[list[str], list[str]]:
        """The nodes to execute, and those that are cached."""
        graph, outputs = self._prompt.graph, self._prompt.outputs
        folders = self._machine.folders
        self._keys = cache_keys(
            graph, outputs, lambda image: folders.digest(folders.annotated(image))
        )
        if self._failures.take("cached_no_outputs"):
            return [], [node for node in graph if node in self._keys]
        cached = [node for node in graph if self._keys.get(node) in self._machine.cache]
        if not self._machine.pace.cache_lru:
            kept = {self._keys[node]: self._machine.cache[self._keys[node]] for node in cached}
            self._machine.cache = kept
        order = execution_order(graph, outputs, cached)
        self._choose_crash([node for node in order if node not in cached])
        return order, cached

    def _choose_crash(self, nodes: list[str]) -> None:
        failures, crash = self._failures, None
        if nodes and (self._says(failures.out_of_memory_words) or failures.take("out_of_memory")):
            crash = OUT_OF_MEMORY
        elif nodes and (self._is_lost() or failures.take("execution_error")):
            crash = failures.crash
        if crash is not None:
            of_type = [node for node in nodes if self._class(node) == crash.node_type]
            self._crash = (of_type or nodes)[0], crash

    def _is_lost(self) -> bool:
        """By what is written in it, or in one before it that the device did not survive."""
        lost = self._machine.broken or self._says(self._failures.crash_words)
        self._machine.broken = lost and self._failures.crash_lasts
        return lost

    def _says(self, words: str) -> bool:
        return bool(words) and any(words in text for text in texts(self._prompt.graph))

    def _class(self, node: str) -> str:
        class_type: str = self._prompt.graph[node]["class_type"]
        return class_type

    async def _reach(self, node: str, *, again: bool) -> None:
        if again:
            if self._prompt.client_id is not None or self._machine.dialect.keeps_cached:
                self._show(node, self._machine.cache[self._keys[node]] or {})
            self._progress(node, "finished", 1, 1)
        else:
            await self._execute(node)

    async def _execute(self, node: str) -> None:
        self._progress(node, "running", 0.0, 1.0)
        self._sockets.node = node
        self._tell_client("executing", {"node": node, "display_node": node})
        await self._hold()
        if self._machine.interrupted:
            raise _Interrupted
        if self._crash is not None and self._crash[0] == node:
            raise _Crashed(self._crash[1])
        shown = await self._compute(node)
        self._machine.cache[self._keys[node]] = shown
        self._executed.append(node)
        state = self._states[node]
        reached = 1.0 if state["value"] == 0.0 else state["value"]
        self._progress(node, "finished", reached, state["max"])

    async def _compute(self, node: str) -> dict[str, Any] | None:
        """What the node shows, if it is an output."""
        inputs = self._prompt.graph[node]["inputs"]
        match self._class(node):
            case "LoadImage":
                self._load_image(inputs["image"])
            case "KSampler":
                await self._sample(node, inputs["steps"])
        if saves := TABLE[self._class(node)].saves:
            return await self._save(node, saves)
        return None

    def _load_image(self, name: str) -> None:
        try:
            pictures.identify(self._machine.folders.annotated(name))
        except OSError as error:
            raise _crashed(error) from error

    async def _sample(self, node: str, steps: int) -> None:
        files = model_files(self._prompt.graph)
        self.loaded = files not in self._machine.loaded
        self._due += self._machine.load(files)
        for step in range(1, steps + 1):
            self._due += self._machine.pace.step_seconds
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))
            await self._hold()
            if self._machine.interrupted:
                raise _Interrupted
            self._progress(node, "running", step, steps)
            told = {"value": step, "max": steps, "prompt_id": self._prompt.prompt_id, "node": node}
            self._sockets.send("progress", told, self._prompt.client_id)
            if self._is_previewed:
                await self._preview(node)

    @property
    def _is_previewed(self) -> bool:
        asked = self._prompt.extra_data.get("preview_method")
        if self._machine.dialect.prompt_previews and asked in PREVIEW_METHODS:
            return bool(asked != "none")
        return self._machine.pace.previews

    async def _preview(self, node: str) -> None:
        metadata = {"node_id": node, "prompt_id": self._prompt.prompt_id, **_names(node)}
        preview = Preview((await self._rendered()).preview, metadata)
        self._sockets.send_preview(preview, self._prompt.client_id)

    async def _save(self, node: str, saves: Saves) -> dict[str, Any]:
        file = (await self._rendered()).files[node]
        folders = self._machine.folders
        if self._failures.take("black_image"):
            file = await asyncio.to_thread(pictures.blacken, file, self._prompt.graph, folders)
        prefix = saves.prefix or self._prompt.graph[node]["inputs"]["filename_prefix"]
        shown = {"images": [folders.save(file, saves.folder, prefix, saves.suffix).as_json()]}
        self._show(node, shown)
        return shown

    async def _rendered(self) -> pictures.Rendered:
        try:
            return await self._prompt.rendered
        except pictures.NodeFailed as failed:
            raise _crashed(failed.__cause__ or failed, failed.node) from failed

    async def _hold(self) -> None:
        """While a failure says that nothing moves; the steps that follow are as much later."""
        before = time.monotonic()
        held = False
        while self._stuck or self._failures.stuck is True or self._failures.zombie:
            held = True
            await asyncio.sleep(HELD_SECONDS)
        if held:
            self._due += time.monotonic() - before

    def _show(self, node: str, shown: dict[str, Any]) -> None:
        self._outputs[node] = shown
        self._tell_client("executed", {"node": node, "display_node": node, "output": shown})

    def _end_interrupted(self, node: str) -> str:
        data = {"node_id": node, "node_type": self._class(node), "executed": self._executed}
        self._tell("execution_interrupted", data, broadcast=True)
        return "interrupted"

    def _end_crashed(self, node: str, crash: Crash) -> str:
        if crash is OUT_OF_MEMORY:
            self._machine.loaded.clear()
        inputs = self._prompt.graph[node]["inputs"]
        data = {
            "node_id": node,
            "node_type": self._class(node),
            "executed": self._executed,
            "exception_message": f"{crash.message}\n",
            "exception_type": crash.exception_type,
            "traceback": ['  File "/opt/comfyui/execution.py", line 510, in execute\n'],
            "current_inputs": {name: [str(value)] for name, value in inputs.items()},
            "current_outputs": list(self._prompt.graph),
        }
        self._tell("execution_error", data)
        return "error"

    def _tell(self, event: str, data: dict[str, Any], *, broadcast: bool = False) -> None:
        """A message that history keeps. Only one that is broadcast is sent for a prompt without
        a client."""
        timestamp = int(time.time() * 1000)
        told = {"prompt_id": self._prompt.prompt_id, **data, "timestamp": timestamp}
        self._messages.append([event, told])
        if self._prompt.client_id is not None or broadcast:
            self._sockets.send(event, told, self._prompt.client_id)

    def _tell_client(self, event: str, data: dict[str, Any]) -> None:
        if self._prompt.client_id is not None:
            told = {**data, "prompt_id": self._prompt.prompt_id}
            self._sockets.send(event, told, self._prompt.client_id)

    def _progress(self, node: str, state: str, value: float, maximum: float) -> None:
        prompt_id = self._prompt.prompt_id
        told = {"value": value, "max": maximum, "state": state, "node_id": node}
        self._states[node] = {**told, "prompt_id": prompt_id, **_names(node)}
        data = {"prompt_id": prompt_id, "nodes": dict(self._states)}
        self._sockets.send("progress_state", data, self._prompt.client_id)


def _names(node: str) -> dict[str, str | None]:
    return {"display_node_id": node, "parent_node_id": None, "real_node_id": node}


def _crashed(error: BaseException, node: str | None = None) -> _Crashed:
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return _Crashed(Crash("", f"{module}{kind.__qualname__}", str(error)), node)
