"""The adapter's side of the job API."""

import asyncio
import base64
import contextlib
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, TypeVar

import aiohttp

from short_drama import metrics, tracing
from short_drama.domain.errors import (
    EngineFailed,
    InternalError,
    JobNotFound,
    KindNotAvailable,
    Throttled,
    Unavailable,
)
from short_drama.domain.failure import Failure
from short_drama.domain.json_object import json_object
from short_drama.domain.task import Task
from short_drama.logs.neighbours import Neighbour
from short_drama.sqs_adapter.decide import read_seconds, read_text
from short_drama.web.retry_after import retry_after

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

LONG_POLL_SECONDS = 20.0
POLL_SECONDS = 2.0
"""Between two looks at a service that answers long polls at once."""
_ANSWER_SECONDS = 10.0
_READY_SECONDS = 2.0
PATIENCE_SECONDS = 15.0
"""For how long the service is asked again about a job that it has accepted: a proxy that is loaded
anew, or a lost connection, says nothing about the job."""
_AGAIN_SECONDS = 0.1, 2.0
"""The first and the longest pause before it is asked again."""
_RESULT_MEMBERS = ("result_key", "result_url", "result_s3_uri")
_START = (
    "Start it, or say where it is: SHORT_DRAMA_COMFYUI_API_URL for the GPU lane, "
    "SHORT_DRAMA_PAID_API_URL for the CPU lane."
)


class JobRefused(Exception):
    """The service did not accept the job; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class AcceptedJob:
    """`version` is what a fresh job can be waited for with; None for one that runs already, and
    from services that have no long poll."""

    job_id: str
    version: int | None


@dataclass(frozen=True, slots=True)
class KindReport:
    """What a service says of one of its kinds. `unready`: why no job of it can be done now;
    `expected_seconds`: what one takes in the engine."""

    unready: Failure | None = None
    engine: str | None = None
    expected_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _HttpAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def members(self) -> dict[str, Any]:
        """Of the JSON object. An error page may be anything; all else raises InternalError."""
        found = json_object(self.body)
        if found is not None:
            return found
        if self.status >= 400:
            return {}
        raise InternalError("the API service's answer is not a JSON object")


class JobClient:
    """Talks to one API service. Use with `async with`. `token`: what it is shown.

    Every method raises Unavailable when the service cannot be reached or does not answer in
    time, and InternalError when its answer makes no sense.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        poll: float = POLL_SECONDS,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.time,
        rng: Random | None = None,
    ) -> None:
        self.base_url, self._poll, self._clock = base_url.rstrip("/"), poll, clock
        self._patience, self._token = patience, token
        self._rng = rng or Random()  # noqa: S311 - spreads retries, keeps no secret
        self._service = Neighbour(log, "the API service", url=self.base_url)

    async def __aenter__(self) -> "JobClient":
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS, connect=3.0),
            connector=aiohttp.TCPConnector(limit=0),
            json_serialize=_letters,
            headers={"Authorization": f"Bearer {self._token}"} if self._token else None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ready(self) -> bool:
        """Would the service take work now?"""
        try:
            await self.check()
        except Unavailable:
            return False
        return True

    async def check(self) -> None:
        """Raises Unavailable while the service would take no work, in its words. Older ones that do
        not say are taken at their word."""
        timeout = aiohttp.ClientTimeout(total=_READY_SECONDS)
        answer = await self._call("GET", "/ready", timeout=timeout)
        if answer.status not in (200, 404):
            told = answer.members() if answer.status >= 400 else {}
            reason = str(told.get("detail", f"it answers {answer.status}"))
            self._service.away(reason, fix=told.get("fix"))
            raise Unavailable(
                f"the API service at {self.base_url} takes no work: {reason}", fix=told.get("fix")
            )
        self._service.back()

    async def kinds(self) -> Mapping[str, KindReport]:
        """What the service says of each of its kinds. Empty for services that do not say."""
        timeout = aiohttp.ClientTimeout(total=_READY_SECONDS)
        answer = await self._call("GET", "/health", timeout=timeout)
        if answer.status >= 500:
            raise Unavailable(f"the API service answers {answer.status} about its health")
        health = answer.members()
        kinds, engines = _mapping(health.get("kinds")), _mapping(health.get("engines"))
        expected = _mapping(health.get("expected_seconds"))
        return {
            str(kind): KindReport(
                _unready(view), read_text(engines.get(kind)), read_seconds(expected.get(kind))
            )
            for kind, view in kinds.items()
        }

    async def submit(self, task: Task) -> AcceptedJob:
        """Start the task's job, or join it. Raises JobRefused."""
        answer = await self._call(
            "POST",
            task.job_type,
            json=dict(task.request),
            headers={
                "Idempotency-Key": task.task_id,
                "Task-Attempt": str(task.attempt),
                "Task-Created-At": repr(task.created_at),
                "Task-Owner": task.owner,
                **({"Task-Labels": _packed(task.labels)} if task.labels else {}),
                **({"Task-Retry-Of": task.retry_of} if task.retry_of else {}),
                **(
                    {"Task-Consents": " ".join(task.characters.values())} if task.characters else {}
                ),
                **({tracing.HEADER: trace} if (trace := tracing.current()) else {}),
            },
        )
        if answer.status == 404:
            raise JobRefused(Failure.of(self._not_done(task.kind)))
        if answer.status >= 400:
            raise JobRefused(_refusal(answer, now=self._clock()))
        body = answer.members()
        if not isinstance(body.get("job_id"), str):
            raise InternalError("the API service's answer names no job")
        # A job that runs already has news to tell: it is looked at before it is waited for.
        fresh = body.get("status") == "pending"
        return AcceptedJob(body["job_id"], body.get("version") if fresh else None)

    async def follow(self, job: AcceptedJob) -> AsyncGenerator[Mapping[str, Any], None]:
        """The changes of the job until its end. Raises JobNotFound when it is forgotten, and
        Unavailable or InternalError only after the service had time to come to itself."""
        version = job.version
        while True:
            asked = time.monotonic()
            view = await self._patiently(partial(self._look, job.job_id, version))
            yield view
            if view.get("status") in ("completed", "failed", "cancelled"):
                return
            repeated = version is not None and view.get("version") == version
            version = view.get("version")
            quick = time.monotonic() - asked < LONG_POLL_SECONDS / 2
            if version is None or (repeated and quick):
                await asyncio.sleep(self._poll)

    async def cancel(self, job_id: str, attempt: int) -> None:
        """Stop the job, unless a later attempt has joined it. Best effort: a service that stays
        away has most likely stopped it already."""
        with contextlib.suppress(Unavailable):
            await self._patiently(partial(self._stop, job_id, attempt))

    async def _stop(self, job_id: str, attempt: int) -> None:
        headers = {"Task-Attempt": str(attempt)}
        answer = await self._call("DELETE", f"/api/v1/jobs/{job_id}", headers=headers)
        if answer.status >= 500:
            raise Unavailable(f"the API service answers {answer.status} to the end of job {job_id}")

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """What the service says at last. For questions that are safe to repeat; with jitter, for
        all who ask are interrupted at the same moment."""
        until, (pause, longest) = time.monotonic() + self._patience, _AGAIN_SECONDS
        while True:
            try:
                told = await ask()
            except (Unavailable, InternalError):
                left = until - time.monotonic()
                if left <= 0:
                    raise
                await asyncio.sleep(min(self._rng.uniform(pause / 2, pause), left))
                pause = min(2 * pause, longest)
                continue
            self._service.back()
            return told

    def _not_done(self, kind: str) -> KindNotAvailable:
        return KindNotAvailable(
            f"the API service at {self.base_url} does not know {kind}",
            fix="Give it the same release and the same SHORT_DRAMA_WORKFLOWS_DIR as the "
            "orchestrator that took the task.",
        )

    async def _look(self, job_id: str, version: int | None) -> Mapping[str, Any]:
        params = {} if version is None else {"wait": LONG_POLL_SECONDS, "since": version}
        answer = await self._call(
            "GET",
            f"/api/v1/jobs/{job_id}",
            params=params,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS + params.get("wait", 0.0)),
        )
        if answer.status == 404:
            raise JobNotFound(f"the API service does not know job {job_id}")
        if answer.status >= 400:
            raise Unavailable(f"the API service answers {answer.status} about job {job_id}")
        return _with_a_result(answer.members())

    async def _call(self, method: str, path: str, **options: Any) -> _HttpAnswer:
        started, outcome = time.perf_counter(), "error"
        try:
            async with self._session.request(method, self.base_url + path, **options) as answer:
                body = await answer.read()
                outcome = str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            self._service.away(f"it does not answer: {reason}", fix=_START)
            raise Unavailable(f"the API service does not answer: {reason}", fix=_START) from error
        finally:
            seconds = time.perf_counter() - started
            metrics.CALL_SECONDS.labels("api_service", outcome).observe(seconds)
        return _HttpAnswer(answer.status, answer.headers, body)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _unready(view: object) -> Failure | None:
    """Of one kind's part of a service's report."""
    if not isinstance(view, Mapping) or view.get("ready") is not False:
        return None
    fix = view.get("fix")
    return Failure(
        code=str(view.get("code", Unavailable.code)),
        message=str(view.get("reason", "the API service does not say why")),
        fix=fix if isinstance(fix, str) else None,
    )


def _letters(body: Any) -> str:
    """No longer than the client wrote it, so that it is within the same limit."""
    return json.dumps(body, ensure_ascii=False)


def _packed(labels: Mapping[str, str]) -> str:
    """For a header, which takes no other letters."""
    return base64.urlsafe_b64encode(json.dumps(labels).encode()).decode()


def _with_a_result(view: dict[str, Any]) -> dict[str, Any]:
    """A job that claims success without a result has failed, whatever it says."""
    results = [view.get(name) for name in _RESULT_MEMBERS]
    if view.get("status") != "completed" or any(isinstance(one, str) and one for one in results):
        return view
    failure = Failure.of(EngineFailed("the job says it is done but names no result"))
    return {**view, "status": "failed", "error": failure.to_json()}


def _refusal(answer: _HttpAnswer, *, now: float) -> Failure:
    """A problem document, or what the status alone says, as the task's failure."""
    status, body = answer.status, answer.members()
    code = "invalid_request" if status < 500 else Unavailable.code
    return Failure(
        code=str(body.get("code", Throttled.code if status == 429 else code)),
        message=str(body.get("detail", f"the API service answered {status}")),
        retryable=bool(body.get("retryable", status >= 500 or status == 429)),
        field=body.get("field"),
        fix=body.get("fix"),
        after=retry_after(answer.headers, clock=lambda: now),
    )
