"""The adapter's side of the job API."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from short_drama.domain.errors import Failure, InternalError, JobNotFound, Unavailable
from short_drama.domain.task import Task
from short_drama.web import metrics

LONG_POLL_SECONDS = 20.0
POLL_SECONDS = 2.0
"""Between two looks at a service that answers long polls at once."""
_ANSWER_SECONDS = 10.0
_READY_SECONDS = 2.0


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


class JobClient:
    """Talks to one API service. Use with `async with`.

    Every method raises Unavailable when the service cannot be reached or does not answer in
    time, and InternalError when its answer makes no sense.
    """

    def __init__(self, base_url: str, *, poll: float = POLL_SECONDS) -> None:
        self._base_url, self._poll = base_url.rstrip("/"), poll

    async def __aenter__(self) -> "JobClient":
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS, connect=3.0),
            connector=aiohttp.TCPConnector(limit=0),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ready(self) -> bool:
        """Would the service take work now? Older ones that do not say are taken at their word."""
        timeout = aiohttp.ClientTimeout(total=_READY_SECONDS)
        try:
            status, _ = await self._call("GET", "/ready", timeout=timeout)
        except Unavailable:
            return False
        except InternalError:
            return True
        return status in (200, 404)

    async def submit(self, task: Task) -> AcceptedJob:
        """Start the task's job, or join it. Raises JobRefused."""
        status, body = await self._call(
            "POST",
            task.job_type,
            json=dict(task.request),
            headers={
                "Idempotency-Key": task.task_id,
                "Task-Attempt": str(task.attempt),
                "Task-Created-At": repr(task.created_at),
            },
        )
        if status >= 400:
            raise JobRefused(_refusal(status, body))
        if not isinstance(body.get("job_id"), str):
            raise InternalError("the API service's answer names no job")
        # A job that runs already has news to tell: it is looked at before it is waited for.
        fresh = body.get("status") == "pending"
        return AcceptedJob(body["job_id"], body.get("version") if fresh else None)

    async def follow(self, job: AcceptedJob) -> AsyncGenerator[Mapping[str, Any], None]:
        """The changes of the job until its end. Raises JobNotFound when it is forgotten."""
        version = job.version
        while True:
            asked = time.monotonic()
            view = await self._look(job.job_id, version)
            yield view
            if view.get("status") in ("completed", "failed", "cancelled"):
                return
            repeated = version is not None and view.get("version") == version
            version = view.get("version")
            quick = time.monotonic() - asked < LONG_POLL_SECONDS / 2
            if version is None or (repeated and quick):
                await asyncio.sleep(self._poll)

    async def cancel(self, job_id: str, attempt: int) -> None:
        """Stop the job, unless a later attempt has joined it. Best effort: a service that is
        gone has stopped the job already."""
        with contextlib.suppress(Unavailable, InternalError):
            headers = {"Task-Attempt": str(attempt)}
            await self._call("DELETE", f"/api/v1/jobs/{job_id}", headers=headers)

    async def _look(self, job_id: str, version: int | None) -> Mapping[str, Any]:
        params = {} if version is None else {"wait": LONG_POLL_SECONDS, "since": version}
        status, body = await self._call(
            "GET",
            f"/api/v1/jobs/{job_id}",
            params=params,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS + params.get("wait", 0.0)),
        )
        if status == 404:
            raise JobNotFound(f"the API service does not know job {job_id}")
        if status >= 400:
            raise Unavailable(f"the API service answers {status} about job {job_id}")
        return body

    async def _call(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        started, outcome = time.perf_counter(), "error"
        try:
            async with self._session.request(method, self._base_url + path, **options) as answer:
                body = await answer.json(content_type=None)
                outcome = str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the API service does not answer: {reason}") from error
        except ValueError as error:
            raise InternalError("the API service's answer is not JSON") from error
        finally:
            seconds = time.perf_counter() - started
            metrics.CALL_SECONDS.labels("api_service", outcome).observe(seconds)
        if not isinstance(body, dict):
            raise InternalError("the API service's answer is not a JSON object")
        return answer.status, body


def _refusal(status: int, body: Mapping[str, Any]) -> Failure:
    """A problem document as the task's failure."""
    return Failure(
        code=str(body.get("code", "invalid_request" if status < 500 else Unavailable.code)),
        message=str(body.get("detail", f"the API service answered {status}")),
        retryable=bool(body.get("retryable", status >= 500 or status == 429)),
        field=body.get("field"),
        fix=body.get("fix"),
    )
