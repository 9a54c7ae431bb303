"""One ComfyUI server over HTTP.

Routes and shapes are those of ComfyUI 0.3.64, 0.3.75 and 0.33.0, recorded from running servers.
What runs is told by /queue, and what ended by /history, or by /api/jobs where there is that; an id
that nobody knows is lost: the server was restarted.
"""

import io
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self, cast
from urllib.parse import quote

import aiohttp

from short_drama import metrics
from short_drama.comfyui_api.server.endings import Ending, SavedImage, read_ending, read_job_ending
from short_drama.comfyui_api.server.refusals import read_refusal
from short_drama.domain.errors import EngineFailed, EngineInterrupted, EngineNotReady, Unavailable
from short_drama.domain.json_object import json_object
from short_drama.logs.redaction import Redactor

_ANSWER_SECONDS = 10.0
"""A busy server has been seen to take 0.3."""
_TRANSFER_SECONDS = 60.0
_LONGEST_WORDS = 256 * 1024
"""Bytes of an answer that may say something of us; longer ones describe nodes and files."""
_LONGEST_MESSAGE = 64 * 2**20
_ACCESS_FIX = (
    "Give what its proxy asks for: SHORT_DRAMA_COMFYUI_TOKEN (a bearer token) or "
    "SHORT_DRAMA_COMFYUI_CREDENTIALS (user:password)."
)


@dataclass(frozen=True, slots=True)
class Queue:
    """Ids of prompts, those that wait in the order in which they will run."""

    running: Sequence[str]
    pending: Sequence[str]

    def __contains__(self, prompt_id: str) -> bool:
        return prompt_id in self.running or prompt_id in self.pending


class ComfyUI:
    """Use with `async with`. Every method raises Unavailable when there is no answer in time, or
    one that makes no sense.

    Args:
        url: of the server, or of a path of a reverse proxy in front of it.
        client_id: whose socket hears of the prompts submitted here.
        authorization: the header of that name, for a proxy that asks for one.
        secrets: values that are taken out of what it answers.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        authorization: str | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        self.url, self.client_id = url.rstrip("/"), client_id
        self._redactor = Redactor({(authorization or "").partition(" ")[2], *secrets})
        self._headers = {"Authorization": authorization} if authorization else {}
        self._jobs: bool | None = None
        """Whether there is /api/jobs; None while nobody has asked."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS, connect=3.0),
            connector=aiohttp.TCPConnector(limit=0),
            headers=self._headers,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def upload(self, data: bytes, *, folder: str, name: str, content_type: str) -> str:
        """Keep a picture among the server's temporary files, which its next start removes.

        Returns what LoadImage calls it. The server checks nothing: send only images.
        """
        form = aiohttp.FormData()
        form.add_field("image", io.BytesIO(data), filename=name, content_type=content_type)
        for field, value in (("type", "temp"), ("subfolder", folder), ("overwrite", "true")):
            form.add_field(field, value)
        timeout = aiohttp.ClientTimeout(total=_TRANSFER_SECONDS, connect=3.0)
        kept = await self._json("POST", "/upload/image", data=form, timeout=timeout)
        path = "/".join(part for part in (kept.get("subfolder"), kept.get("name")) if part)
        return f"{path} [{kept.get('type', 'temp')}]"

    async def submit(
        self, graph: Mapping[str, Any], *, prompt_id: str, previews: bool = False
    ) -> None:
        """Queue a prompt under our own id, which no other prompt may have had.

        Args:
            prompt_id: a UUID in its canonical form; newer servers take no other ids.
            previews: whether newer servers make previews of this prompt; older ones do as they
                were started.

        Raises as `read_refusal` says, EngineNotReady for a server that gives the prompt an id of
        its own, and EngineInterrupted for an error of the server's; after that, and after
        Unavailable, it may have been queued nevertheless.
        """
        status, answer = await self._ask(
            "POST",
            "/prompt",
            json={
                "prompt": graph,
                "prompt_id": prompt_id,
                "client_id": self.client_id,
                "extra_data": {"preview_method": "auto" if previews else "none"},
            },
        )
        if status == HTTPStatus.BAD_REQUEST or answer.get("node_errors"):
            if status == HTTPStatus.OK:  # what is not faulty of it would run for nothing
                await self.cancel(prompt_id)
            raise read_refusal(answer)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise Unavailable("ComfyUI answered 503 to a prompt")
        if status != HTTPStatus.OK:  # it may be this prompt that it cannot stand: that counts
            raise EngineInterrupted(f"ComfyUI answered {status} to a prompt")
        await self._require_ours(prompt_id, answer.get("prompt_id"))

    async def _require_ours(self, prompt_id: str, given: object) -> None:
        """A prompt under another id would never be found again, and be run anew for ever."""
        if given == prompt_id:
            return
        if isinstance(given, str):
            await self.cancel(given)
        raise EngineNotReady(
            "ComfyUI does not keep the id that a prompt is given",
            fix="Update ComfyUI to 0.3.60 or later. A gateway in front of it has to pass prompt_id "
            "on, and the answer to it.",
        )

    async def history(self, prompt_id: str) -> Ending | None:
        """How the prompt ended; None if it has not, or is not known."""
        path = quote(prompt_id, safe="")
        if not await self._has_jobs():
            entry = (await self._json("GET", f"/history/{path}")).get(prompt_id)
            return read_ending(entry) if isinstance(entry, Mapping) else None
        status, job = await self._ask("GET", f"/api/jobs/{path}")
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status != HTTPStatus.OK or job.get("id") != prompt_id:
            raise Unavailable(f"ComfyUI answered {status} when asked for a job")
        return read_job_ending(job)

    async def queue(self) -> Queue:
        found = await self._json("GET", "/queue")
        if not {"queue_running", "queue_pending"} <= set(found):
            raise Unavailable("ComfyUI's answer at /queue is no queue")
        try:
            return Queue(_prompts(found["queue_running"]), _prompts(found["queue_pending"]))
        except (TypeError, LookupError):
            raise Unavailable("ComfyUI's answer at /queue is no queue") from None

    async def cancel(self, prompt_id: str) -> None:
        """Stop this prompt, and no other, wherever it is.

        A running one stops before its next step or node, which may take seconds. Where that takes
        two calls, deleting first leaves no moment in which it could start in between.
        """
        if await self._has_jobs():
            await self._json("POST", f"/api/jobs/{quote(prompt_id, safe='')}/cancel")
            return
        await self._ask("POST", "/queue", json={"delete": [prompt_id]})
        await self._ask("POST", "/interrupt", json={"prompt_id": prompt_id})

    async def view(self, image: SavedImage) -> bytes:
        """Raises EngineInterrupted when the file is gone: another run makes another one."""
        params = {"filename": image.filename, "subfolder": image.subfolder, "type": image.type}
        timeout = aiohttp.ClientTimeout(total=_TRANSFER_SECONDS, connect=3.0)
        status, data = await self._call("GET", "/view", params=params, timeout=timeout)
        if status == HTTPStatus.NOT_FOUND:
            raise EngineInterrupted("ComfyUI no longer has the file that it made")
        if status != HTTPStatus.OK:
            raise Unavailable(f"ComfyUI answered {status} when asked for its result")
        return data

    async def free(self) -> None:
        """Unload the models and forget what is cached, after the current prompt."""
        await self._ask("POST", "/free", json={"unload_models": True, "free_memory": True})

    async def system_stats(self) -> Mapping[str, Any]:
        return await self._json("GET", "/system_stats")

    async def object_info(self) -> Mapping[str, Any]:
        """Every node class the server has, with its inputs; about a megabyte."""
        told = await self._json("GET", "/object_info")
        return {name: info for name, info in told.items() if isinstance(info, Mapping)}

    async def _has_jobs(self) -> bool:
        """Asked with the cancel of a prompt that there is not: only a server that knows the route
        answers it like that, whatever stands in between."""
        if self._jobs is None:
            status, answer = await self._ask("POST", f"/api/jobs/{uuid.uuid4()}/cancel")
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise Unavailable(f"ComfyUI answered {status} when asked for its jobs")
            self._jobs = status == HTTPStatus.OK and answer.get("cancelled") is False
        return self._jobs

    async def open_socket(self) -> aiohttp.ClientWebSocketResponse:
        """The stream of events. Raises Unavailable."""
        self._jobs = None  # it may be another version now
        try:
            return await self._session.ws_connect(
                f"{self.url}/ws",
                params={"clientId": self.client_id},
                max_msg_size=_LONGEST_MESSAGE,
                heartbeat=60.0,  # loading models can keep a server from answering for long
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unavailable(error) from error

    # --- One call --------------------------------------------------------------------------

    async def _json(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        status, data = await self._call(method, path, **options)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise Unavailable(f"ComfyUI answered {status} at {path}", fix=_ACCESS_FIX)
        if status != HTTPStatus.OK:
            raise Unavailable(f"ComfyUI answered {status} at {path}")
        answer = self._object(data)
        # A proxy's page must not pass for "there is no such prompt".
        if not answer and data.strip() != b"{}":
            raise Unavailable(f"ComfyUI's answer at {path} is no JSON object")
        return answer

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, Mapping[str, Any]]:
        """Status and JSON object; {} for bodies that are none, as some errors' are."""
        status, data = await self._call(method, path, **options)
        return status, self._object(data)

    def _object(self, data: bytes) -> Mapping[str, Any]:
        if len(data) > _LONGEST_WORDS:
            return json_object(self.cleaned(data.decode(errors="replace"))) or {}
        return cast("Mapping[str, Any]", self._redactor.answer(json_object(data) or {}))

    def cleaned(self, said: str) -> str:
        """Without what is secret here: for whatever comes in otherwise than by an answer."""
        return str(self._redactor.answer(said))

    async def _call(self, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        started, outcome = time.perf_counter(), "error"
        try:
            async with self._session.request(
                method, self.url + path, allow_redirects=False, **options
            ) as answer:
                data = await answer.read()
                outcome = str(answer.status)
                return answer.status, data
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unavailable(error) from error
        finally:
            metrics.CALL_SECONDS.labels("comfyui", outcome).observe(time.perf_counter() - started)


def result_of(ending: Ending, *, node: str, otherwise: SavedImage) -> SavedImage:
    """The first image of the result node; `otherwise` where a cached run names none.

    Raises the ending's failure.
    """
    if ending.failure is not None:
        raise ending.failure
    images = ending.images.get(node)
    if images and not images[0].filename:
        raise EngineFailed("ComfyUI's result has no name")
    return images[0] if images else otherwise


def _prompts(items: Any) -> Sequence[str]:
    """The list is a heap; the first member of an item is its place, the second the prompt's id."""
    return [str(item[1]) for item in sorted(items or (), key=lambda item: item[0])]


def _unavailable(error: BaseException) -> Unavailable:
    return Unavailable(f"ComfyUI does not answer ({type(error).__name__})")
