"""Clients that write down what they ask and what they are told.

Each submits a task, follows it to its end over long polls or server-sent events, downloads its
result, and begins anew. They repeat, with the same Idempotency-Key, what was not answered.
"""

import asyncio
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from short_drama.domain.kinds import Lane
from short_drama.domain.task_state import TaskStatus
from tests.chaos.history import Cancelled, Fetched, History, Refused, Seen, Submitted

_UNANSWERED = (aiohttp.ClientError, TimeoutError, OSError)
_ANSWER_SECONDS = 4.0
_POLL_SECONDS = 3.0
_QUIET_SECONDS = 20.0
"""An event stream that is silent for longer than its heartbeats is dead."""
_PAUSE_SECONDS = 0.2

_BODIES: Mapping[Lane, tuple[str, Mapping[str, Any]]] = {
    Lane.GPU: ("camera-angle", {"horizontal": -1}),
    Lane.CPU: ("face-mask", {}),
}


@dataclass(frozen=True, slots=True)
class Site:
    """Where the clients ask: each lane's orchestrator; any of them answers for any task."""

    doors: Mapping[Lane, str]
    image: str
    http: aiohttp.ClientSession = field(repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    name: str
    lane: Lane
    site: Site
    history: History
    rng: Random

    async def run(self, closing: asyncio.Event) -> None:
        """Task after task; returns when the last one has ended after `closing`."""
        while not closing.is_set():
            task_id = await self._submit()
            if task_id is None:
                return
            async with asyncio.TaskGroup() as together:
                together.create_task(self._follow(task_id))
                if self.rng.random() < 0.1:
                    together.create_task(self._cancel(task_id, after=self.rng.uniform(0, 1.5)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), self.rng.uniform(0, 0.5))

    # --- Submit and cancel -----------------------------------------------------------------

    async def _submit(self) -> str | None:
        """The task's id; None when it was refused for good. One in ten is sent twice at once."""
        key = f"{self.name}-{secrets.token_hex(6)}"
        times = 2 if self.rng.random() < 0.1 else 1
        return (await asyncio.gather(*(self._submit_once(key) for _ in range(times))))[0]

    async def _submit_once(self, key: str) -> str | None:
        kind, members = _BODIES[self.lane]
        url = f"{self.site.doors[self.lane]}/api/v1/{kind}/tasks"
        body = {"image_url": self.site.image, "labels": {"key": key}, **members}
        while True:
            self.history.add(Submitted(at=time.time(), key=key, result="invoke"))
            status, answer = await self._ask("POST", url, body, {"Idempotency-Key": key})
            at = time.time()
            if status in (200, 202):
                task_id = str(answer["task_id"])
                self.history.add(Submitted(at=at, key=key, result="ok", task_id=task_id))
                return task_id
            if status not in (None, 503):
                self.history.add(Submitted(at=at, key=key, result="fail", status=status))
                return None
            self.history.add(Submitted(at=at, key=key, result="info", status=status))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _cancel(self, task_id: str, *, after: float) -> None:
        await asyncio.sleep(after)
        while True:
            self.history.add(Cancelled(at=time.time(), task_id=task_id, result="invoke"))
            url = f"{self._any_door()}/api/v1/tasks/{task_id}/cancel"
            asked_at = time.time()
            status, view = await self._ask("POST", url, {}, {})
            at = time.time()
            if status == 200:
                self.history.add(Cancelled(at=at, task_id=task_id, result="ok", status=status))
                self._saw(view, asked_at)
                return
            if status not in (None, 503):
                self.history.add(Cancelled(at=at, task_id=task_id, result="fail", status=status))
                return
            self.history.add(Cancelled(at=at, task_id=task_id, result="info", status=status))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(
        self, method: str, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int | None, Mapping[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        try:
            async with self.site.http.request(
                method, url, json=body, headers=headers, timeout=timeout
            ) as answer:
                return answer.status, await answer.json()
        except _UNANSWERED:
            return None, {}

    # --- Follow ----------------------------------------------------------------------------

    async def _follow(self, task_id: str) -> None:
        look = self._poll if self.rng.random() < 0.5 else self._stream
        view = await self._insist(lambda: look(task_id))
        if view["status"] == TaskStatus.COMPLETED:
            await self._insist(lambda: self._fetch(task_id, view["result_url"]))

    async def _poll(self, task_id: str) -> Mapping[str, Any] | None:
        """The task's record once it has ended, None until then."""
        url = f"{self._any_door()}/api/v1/tasks/{task_id}?wait={_POLL_SECONDS}"
        timeout = aiohttp.ClientTimeout(total=_POLL_SECONDS + _ANSWER_SECONDS)
        asked_at = time.time()
        async with self.site.http.get(url, timeout=timeout) as answer:
            if not self._answered(task_id, answer.status):
                return None
            view: Mapping[str, Any] = await answer.json()
        return self._saw(view, asked_at)

    async def _stream(self, task_id: str) -> Mapping[str, Any] | None:
        url = f"{self._any_door()}/api/v1/tasks/{task_id}/events"
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_QUIET_SECONDS)
        asked_at = time.time()
        async with self.site.http.get(url, timeout=timeout) as answer:
            if not self._answered(task_id, answer.status):
                return None
            async for line in answer.content:
                if line.startswith(b"data: "):
                    view = json.loads(line.removeprefix(b"data: "))
                    if self._saw(view, asked_at) is not None:
                        return dict(view)
        return None

    async def _fetch(self, task_id: str, result_url: str) -> bool | None:
        url = self._any_door() + urlsplit(result_url).path
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        async with self.site.http.get(url, timeout=timeout) as answer:
            if not self._answered(task_id, answer.status):
                return None
            data = await answer.read()
        digest = hashlib.sha256(data).hexdigest()
        self.history.add(Fetched(at=time.time(), task_id=task_id, sha256=digest))
        return True

    async def _insist(self, call: "Callable[[], Awaitable[Any | None]]") -> Any:
        while True:
            with contextlib.suppress(*_UNANSWERED):
                if (found := await call()) is not None:
                    return found
            await asyncio.sleep(_PAUSE_SECONDS)

    def _answered(self, task_id: str, status: int) -> bool:
        if status not in (200, 503):
            self.history.add(Refused(at=time.time(), task_id=task_id, status=status))
        return status == 200

    def _saw(self, view: Mapping[str, Any], asked_at: float) -> Mapping[str, Any] | None:
        """The view if it tells of the task's end."""
        seen = Seen.in_view(view, asked_at=asked_at, at=time.time(), reader=self.name)
        self.history.add(seen)
        return view if seen.status.is_terminal else None

    def _any_door(self) -> str:
        return self.rng.choice(list(self.site.doors.values()))
