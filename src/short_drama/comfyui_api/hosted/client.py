"""One server that speaks Comfy API v2.

Addresses are built from the configured one, never taken from answers: a proxy behind a TLS
terminator names itself as it is seen from inside.
"""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from blake3 import blake3

from short_drama import metrics
from short_drama.comfyui_api.hosted.answers import (
    HostedJob,
    mapping,
    read_job,
    refusal,
    workflow_refusal,
)
from short_drama.comfyui_api.hosted.stream import Told, read_stream
from short_drama.domain.errors import EngineInterrupted, Unavailable
from short_drama.domain.json_object import json_object
from short_drama.logs.redaction import Redactor
from short_drama.web.retry_after import retry_after

ENGINE = "comfy-api-v2"
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 30.0
_TRANSFER_SECONDS = 180.0
_SILENT_SECONDS = 45.0
"""Of a stream of events, which has a comment every 15 s."""
_LONGEST_LINE = 8 * 2**20
"""Of a stream: a preview is one."""
_KEPT_SECONDS = 24 * 3600
"""How long a server that can forget keeps an input."""
_NO_JOB = "00000000-0000-4000-8000-000000000000"
_WITHOUT_STREAM = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.NOT_IMPLEMENTED})


class Unanswered(Exception):
    """The request was sent and no usable answer came: it may have been carried out."""


class KeyUsed(Exception):
    """A request with this Idempotency-Key came before this one."""


class NoStream(Exception):
    """The server sends no events."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    data: bytes
    clean: Callable[[Any], Any]
    """Takes our secrets out of what was said."""

    @property
    def body(self) -> Mapping[str, Any]:
        return mapping(self.clean(json_object(self.data)))

    @property
    def error(self) -> Mapping[str, Any]:
        return mapping(self.body.get("error"))

    @property
    def after(self) -> float | None:
        return retry_after(self.headers)

    @property
    def meaning(self) -> Exception:
        return refusal(self.status, self.error, after=self.after)


class ComfyAPI:
    """Use with `async with`.

    Every method raises Unavailable when there is no answer in time or the server failed, Throttled
    when it asks to wait, ProviderPaused when the account may not do this, and EngineFailed for any
    other refusal.

    Args:
        key: sent as a bearer token to this server only, and written nowhere else.
        secrets: values that are taken out of every answer, beside the key.
    """

    def __init__(self, url: str, *, key: str | None, secrets: Iterable[str] = ()) -> None:
        self.url, self._key = url.rstrip("/"), key
        self._redactor = Redactor({key or "", *secrets})

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=_within(_ANSWER_SECONDS),
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            connector=aiohttp.TCPConnector(limit=0),
            trust_env=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def check(self) -> None:
        """Whether it, and what runs its jobs, answers and knows our key."""
        await self.job(_NO_JOB)

    # --- Assets ----------------------------------------------------------------------------

    async def keep(self, data: bytes, *, extension: str, content_type: str) -> Mapping[str, Any]:
        """Make a picture known to the server, and send it only if the server has no such bytes.

        Returns what stands for it in a workflow.
        """
        digest = f"blake3:{await asyncio.to_thread(lambda: blake3(data).hexdigest())}"
        name = f"short-drama-{digest[7:39]}.{extension}"
        known = await self._ask(
            "POST", "/assets/from-hash", json={"hash": digest, "file_path": name}
        )
        if known.status == HTTPStatus.NOT_FOUND:
            known = await self._send(data, digest, name, content_type)
        if known.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise known.meaning
        identity = known.body.get("id")
        if not isinstance(identity, str):
            raise Unavailable("the answer of Comfy API v2 is no asset")
        info = {"id": identity, "hash": digest, "file_path": name}
        return {"__type": "core/ASSET", "info": info}

    async def _send(self, data: bytes, digest: str, name: str, content_type: str) -> _Answer:
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(data), filename=name, content_type=content_type)
        fields = {
            "content_type": content_type,
            "file_path": name,
            "expected_hash": digest,
            "expires_in": str(_KEPT_SECONDS),
        }
        for field, value in fields.items():
            form.add_field(field, value)
        answer = await self._ask("POST", "/assets", data=form, timeout=_within(_TRANSFER_SECONDS))
        if answer.status == HTTPStatus.CONFLICT:
            raise Unavailable("Comfy API v2 did not receive a picture as it was sent")
        return answer

    async def forget(self, asset: str) -> None:
        """Delete an asset's record."""
        await self._ask("DELETE", f"/assets/{quote(asset, safe='')}")

    async def content(self, asset: str) -> bytes:
        """Raises EngineInterrupted when the bytes are gone: another run makes others."""
        # It may lead to a signed address elsewhere; aiohttp leaves the key out there.
        path = f"/assets/{quote(asset, safe='')}/content"
        answer = await self._ask("GET", path, timeout=_within(_TRANSFER_SECONDS))
        if answer.status == HTTPStatus.NOT_FOUND:
            raise EngineInterrupted("the hosted ComfyUI no longer has the file that it made")
        if answer.status != HTTPStatus.OK:
            raise answer.meaning
        return answer.data

    # --- Jobs ------------------------------------------------------------------------------

    async def submit(self, workflow: Mapping[str, Any], *, key: str) -> str:
        """Start a job; the server's id of it.

        A key is used up by the first request that reaches the server, unless that was refused.

        Raises:
            KeyUsed: a request with this key came before, and may have started a job.
            Unanswered: this one may have.
            EngineNotReady, EngineFailed, PromptLost: as `workflow_refusal` says.
        """
        answer = await self._call(
            "POST", "/jobs", json={"workflow": workflow}, headers={"Idempotency-Key": key}
        )
        if answer.status == HTTPStatus.CREATED:
            return read_job(answer.body).id
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unanswered(f"{answer.status} to a submit")
        match answer.error.get("code"):
            case "idempotency_key_reuse":
                raise KeyUsed
            case "invalid_workflow" | "missing_asset":
                raise workflow_refusal(answer.error)
        raise answer.meaning

    async def job(self, job_id: str) -> HostedJob | None:
        """The job as it is; None if the server does not know it."""
        return self._read(await self._ask("GET", f"/jobs/{quote(job_id, safe='')}"))

    async def cancel(self, job_id: str) -> HostedJob | None:
        """Ask for its end, and return the job as it is by then, as `job` does."""
        return self._read(await self._ask("POST", f"/jobs/{quote(job_id, safe='')}/cancel"))

    def _read(self, answer: _Answer) -> HostedJob | None:
        if answer.status == HTTPStatus.NOT_FOUND:
            if not answer.error:  # a page of something in between
                raise Unavailable(
                    "Comfy API v2 is not at this address", fix="Check SHORT_DRAMA_COMFY_V2_URL."
                )
            return None
        if answer.status != HTTPStatus.OK:
            raise answer.meaning
        return read_job(answer.body)

    async def find(self, file_prefix: str) -> str | None:
        """The job that saves under this prefix, among the latest ones, where the server lists them:
        the contract names that and has no path for it; Comfy Cloud does not do it."""
        listed = await self._ask("GET", "/jobs", params={"limit": "20"})
        if listed.status != HTTPStatus.OK:
            return None
        jobs = listed.body.get("jobs") or listed.body.get("data") or ()
        for job in jobs if isinstance(jobs, list) else ():
            identity = str(mapping(job).get("id", ""))
            kept = await self._ask("GET", f"/jobs/{quote(identity, safe='')}/workflow")
            if file_prefix in json.dumps(kept.body.get("workflow"), ensure_ascii=False):
                return identity
        return None

    async def events(self, job_id: str) -> AsyncIterator[Told]:
        """What is told of a job while it is, until the server ends it. Raises NoStream."""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS
        )
        path = f"{self.url}/api/v2/jobs/{quote(job_id, safe='')}/events"
        try:
            async with self._session.get(
                path, timeout=timeout, read_bufsize=_LONGEST_LINE
            ) as answer:
                if answer.status in _WITHOUT_STREAM:
                    raise NoStream
                if answer.status != HTTPStatus.OK:
                    raise Unavailable(f"Comfy API v2 answered {answer.status} to a stream")
                async for told in read_stream(answer.content, clean=self._redactor.answer):
                    yield told
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"a stream of Comfy API v2 broke ({type(error).__name__})") from error

    # --- One call --------------------------------------------------------------------------

    async def _ask(self, method: str, path: str, **options: Any) -> _Answer:
        """For what may be done twice."""
        try:
            return await self._call(method, path, **options)
        except Unanswered as error:
            raise Unavailable(f"Comfy API v2 does not answer ({error})") from error

    async def _call(self, method: str, path: str, **options: Any) -> _Answer:
        """Raises Unavailable when the request was not sent, and Unanswered."""
        started, outcome = time.perf_counter(), "error"
        try:
            url = f"{self.url}/api/v2{path}"
            async with self._session.request(method, url, **options) as answer:
                data = await answer.read()
                outcome = str(answer.status)
                return _Answer(answer.status, answer.headers, data, self._redactor.answer)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            words = type(error).__name__  # without the address
            raise Unavailable(f"Comfy API v2 cannot be reached ({words})") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unanswered(type(error).__name__) from error
        finally:
            metrics.CALL_SECONDS.labels(ENGINE, outcome).observe(time.perf_counter() - started)


def _within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
