"""The asynchronous client of both orchestrators.

    async with AsyncClient() as client:
        accepted = await client.submit("camera-angle", {"image_url": "still.jpg", "zoom": 1})
        task = await client.wait(accepted.task_id)
        await client.download(task, "moved.png")

`short_drama.sdk.sync.Client` has the same methods for programs without an event loop.
"""

import asyncio
import os
import re
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from short_drama.domain.errors import RouteNotFound
from short_drama.domain.image_reference import is_path
from short_drama.domain.kinds import KIND_NAME, KINDS, Lane
from short_drama.sdk.characters import AsyncCharacters
from short_drama.sdk.errors import ApiError, NoResult, WaitTimeout
from short_drama.sdk.kind_models import KindList, KindView
from short_drama.sdk.models import (
    Accepted,
    AssetView,
    DirectUploadView,
    TaskCountView,
    TaskPage,
    TaskView,
    Verification,
)
from short_drama.sdk.query import Sort, Where, page_of, query
from short_drama.sdk.shots import AsyncShots
from short_drama.sdk.transport import Call, Transport, unexpected
from short_drama.sdk.webhooks import AsyncWebhooks

if TYPE_CHECKING:
    import aiohttp


GPU_URL: Final = "http://127.0.0.1:8080"
CPU_URL: Final = "http://127.0.0.1:8081"

_POLL_SECONDS: Final = 25.0
"""One long poll; the service allows 60, some networks cut quiet connections after 30."""
_FOLLOW_ATTEMPTS: Final = 8
"""About 15 seconds of patience: enough for the service to be restarted."""
_ANY_IMAGE: Final = "image/x-unknown"
"""The service looks at the bytes themselves."""
_FIRST_BYTES: Final = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"RIFF": "image/webp",
}

Shape = TypeVar("Shape", bound=BaseModel)


class AsyncClient:
    """One client for both lanes. Use with `async with`, or call `close`.

    Args:
        gpu_url: the orchestrator for GPU kinds. Tasks of both lanes can be read from either.
        cpu_url: the orchestrator for CPU kinds.
        api_key: shown to these two services and to nobody else; default: SHORT_DRAMA_API_KEY.
        timeout: seconds of silence before an attempt is given up.
        attempts: how often a call is made before it fails, where repeating it is safe.

    Every method raises ApiError for a problem the service reports and ServiceUnreachable.
    """

    def __init__(
        self,
        *,
        gpu_url: str = GPU_URL,
        cpu_url: str = CPU_URL,
        api_key: str | None = None,
        timeout: float = 30.0,
        attempts: int = 4,
    ) -> None:
        self._lanes = {Lane.GPU: gpu_url.rstrip("/"), Lane.CPU: cpu_url.rstrip("/")}
        self._attempts = attempts
        key = api_key or os.environ.get("SHORT_DRAMA_API_KEY")
        self._transport = Transport(timeout=timeout, key=key, trusted=self._lanes.values())
        self.webhooks = AsyncWebhooks(self._ask, self._call)
        self.characters = AsyncCharacters(self._asked, self._reference)
        self.shots = AsyncShots(self._asked, self._reference)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    # --- Submit ----------------------------------------------------------------------------

    async def upload(self, image: Path | str | bytes) -> AssetView:
        """Give the service an image; the same bytes are kept once.

        Raises OSError when the file cannot be read.
        """
        data, headers = await _bytes_of(image), {"Content-Type": _ANY_IMAGE}
        call = self._call("POST", "/api/v1/assets", data=data, headers=headers, repeatable=True)
        return await self._ask(AssetView, call)

    async def upload_directly(self, image: Path | str | bytes) -> str:
        """Put an image into the service's bucket without passing through the service (AWS only).

        Returns what a task's image fields take, for a day; the image is checked when a task
        refers to it. Raises ApiError, code request_unsupported, where there is no bucket;
        ValueError for more bytes than are accepted or another format; OSError.
        """
        import aiohttp

        data = await _bytes_of(image)
        wanted = {"content_type": _content_type(data)}
        call = self._call("POST", "/api/v1/assets/direct", json=wanted, repeatable=True)
        form = await self._ask(DirectUploadView, call)
        if len(data) > form.max_bytes:
            raise ValueError(f"the image has {len(data)} bytes; at most {form.max_bytes} are taken")
        fields = aiohttp.FormData(form.fields)
        fields.add_field("file", data, filename="image")  # S3 ignores what comes after it
        body = fields()
        headers = {"Content-Type": body.headers["Content-Type"]}
        post = self._call("POST", "", data=await body.as_bytes(), headers=headers, repeatable=True)
        await self._transport.send(post, [form.url], aiohttp.ClientResponse.read)
        return form.image_url

    async def submit(
        self,
        kind: str,
        params: Mapping[str, Any],
        *,
        labels: Mapping[str, str] | None = None,
        deadline_seconds: int | None = None,
        consent: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Accepted:
        """Hand in a task; it is durable once this returns.

        Args:
            params: the kind's own fields. Bytes and files among them are uploaded first; a file
                is a Path, or in a field for images a string without a scheme.
            idempotency_key: the same key and request make one task, however often submitted.
                By default each call has a key of its own, so that its own repeats are safe.

        A kind that is not in the catalogue may be a workflow of the service's operator, which only
        the service knows. Raises ValueError for a kind there is not; OSError when a file cannot be
        read.
        """
        unknown = ValueError(f"there is no kind {kind!r}; the usual ones are: {', '.join(KINDS)}")
        if not re.fullmatch(KIND_NAME, kind):
            raise unknown
        options = {"labels": labels, "deadline_seconds": deadline_seconds, "consent": consent}
        given = {name: value for name, value in options.items() if value is not None}
        call = self._call(
            "POST",
            f"/api/v1/{kind}/tasks",
            json={**await self._uploaded(kind, params), **given},
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
            repeatable=True,
        )
        try:
            return await self._ask(Accepted, call, lane=_lane_of(kind))
        except ApiError as error:
            if error.code == RouteNotFound.code and kind not in KINDS:
                raise unknown from None
            raise

    async def verify(self, image: Path | str | bytes) -> Verification:
        """What an image says of its origin, and which task of yours made it; nothing is kept.

        Raises OSError when the file cannot be read.
        """
        data, headers = await _bytes_of(image), {"Content-Type": _ANY_IMAGE}
        call = self._call("POST", "/api/v1/verify", data=data, headers=headers, repeatable=True)
        return await self._ask(Verification, call)

    # --- Follow ----------------------------------------------------------------------------

    async def get(self, task_id: str) -> TaskView:
        return await self._ask(TaskView, self._call("GET", _path(task_id), repeatable=True))

    async def wait(self, task_id: str, timeout: float | None = None) -> TaskView:
        """The task once it has ended, whatever its end. Raises WaitTimeout."""
        task = await self.get(task_id)
        try:
            async with asyncio.timeout(timeout):
                while not task.ended:
                    task = await self._next(task)
        except TimeoutError:
            raise WaitTimeout(task) from None
        return task

    async def follow(self, task_id: str) -> AsyncGenerator[TaskView, None]:
        """The task as it is, then as it changes, until its end.

        Its place in the queue is no change of the task itself until a service holds it: that is
        renewed twice a minute.
        """
        task = await self.get(task_id)
        yield task
        while not task.ended:
            newer = await self._next(task)
            if newer != task:
                yield newer
            task = newer

    async def list(
        self,
        *,
        cursor: str | None = None,
        limit: int = 50,
        sort: Sort = "newest",
        **where: Unpack[Where],
    ) -> TaskPage:
        """One page of tasks; `cursor` is the previous page's `next_cursor`. A page may be short,
        even empty, and have a successor. By shot there are only tasks with a label `shot`."""
        params = page_of(cursor, limit) | query(where)
        if sort != "newest":
            params["sort"] = [sort]
        call = self._call("GET", "/api/v1/tasks", params=params, repeatable=True)
        return await self._ask(TaskPage, call)

    async def iterate(
        self, *, sort: Sort = "newest", **where: Unpack[Where]
    ) -> AsyncGenerator[TaskView, None]:
        """Every task, page by page."""
        cursor: str | None = None
        while True:
            page = await self.list(cursor=cursor, limit=200, sort=sort, **where)
            for task in page.tasks:
                yield task
            cursor = page.next_cursor
            if cursor is None:
                return

    async def count(self, **where: Unpack[Where]) -> TaskCountView:
        """How many there are, up to 10,000."""
        call = self._call("GET", "/api/v1/tasks/count", params=query(where), repeatable=True)
        return await self._ask(TaskCountView, call)

    async def kinds(self) -> Sequence[KindView]:
        """The kinds of both lanes, and whether they can be done now."""
        found: dict[str, KindView] = {}
        for lane in Lane:
            call = self._call("GET", "/api/v1/kinds", repeatable=True)
            told = await self._ask(KindList, call, lane=lane)
            found |= {kind.name: kind for kind in told.kinds}
        return [*found.values()]

    # --- Act -------------------------------------------------------------------------------

    async def cancel(self, task_id: str) -> TaskView:
        """Raises ApiError, code task_conflict, when the task has ended."""
        call = self._call("POST", f"{_path(task_id)}/cancel", repeatable=False)
        return await self._ask(TaskView, call)

    async def retry(self, task_id: str, *, idempotency_key: str | None = None) -> Accepted:
        """Submit an ended task's request again, as a new task.

        Args:
            idempotency_key: as for `submit`: the same key makes one new task of this one.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        call = self._call("POST", f"{_path(task_id)}/retry", headers=headers, repeatable=True)
        return await self._ask(Accepted, call)

    async def download(self, source: TaskView | str, path: Path | str) -> Path:
        """Write a task's result, or what an asset's URL shows, to `path`: whole or not at all.

        Raises NoResult for a task without one, and OSError.
        """
        if isinstance(source, TaskView):
            if source.result_url is None:
                raise NoResult(source)
            source = source.result_url
        path = Path(path)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")

        async def save(answer: "aiohttp.ClientResponse") -> None:
            with await asyncio.to_thread(partial.open, "wb") as file:
                async for chunk in answer.content.iter_chunked(1 << 18):
                    await asyncio.to_thread(file.write, chunk)

        try:
            await self._transport.send(self._call("GET", "", repeatable=True), [source], save)
            await asyncio.to_thread(partial.replace, path)
        finally:
            await asyncio.to_thread(partial.unlink, missing_ok=True)
        return path

    async def delete(self, task_id: str) -> TaskView:
        """Hide a task that has ended. Raises ApiError, code task_conflict, for others and picks."""
        return await self._ask(TaskView, self._call("DELETE", _path(task_id), repeatable=True))

    async def restore(self, task_id: str) -> TaskView:
        """Show a deleted task again."""
        call = self._call("POST", f"{_path(task_id)}/restore", repeatable=True)
        return await self._ask(TaskView, call)

    # --- Steps -----------------------------------------------------------------------------

    def _call(self, method: str, path: str, *, repeatable: bool, **parts: Any) -> Call:
        attempts = parts.pop("attempts", self._attempts)
        return Call(method=method, path=path, repeatable=repeatable, attempts=attempts, **parts)

    async def _ask(self, shape: type[Shape], call: Call, lane: Lane | None = None) -> Shape:
        """Ask the lane's orchestrator; without a lane, either will do."""
        bases = [self._lanes[lane]] if lane else [*dict.fromkeys(self._lanes.values())]

        async def read(answer: "aiohttp.ClientResponse") -> Shape:
            try:
                return shape.model_validate_json(await answer.read() or b"{}")
            except ValidationError:
                raise unexpected(str(answer.url.origin()), call.path, answer.status) from None

        return await self._transport.send(call, bases, read)

    async def _next(self, task: TaskView) -> TaskView:
        """The task's next change, or the task as it is after one long poll."""
        call = self._call(
            "GET",
            _path(task.task_id),
            params={"wait": f"{_POLL_SECONDS:g}", "since": str(task.version)},
            wait=_POLL_SECONDS,
            attempts=max(self._attempts, _FOLLOW_ATTEMPTS),
            repeatable=True,
        )
        return await self._ask(TaskView, call)

    async def _asked(
        self, shape: type[Shape], method: str, path: str, *, repeatable: bool, **parts: Any
    ) -> Shape:
        return await self._ask(shape, self._call(method, path, repeatable=repeatable, **parts))

    async def _reference(self, image: Path | str | bytes) -> str:
        return (await self.upload(image)).image_url

    async def _uploaded(self, kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Paths and bytes as references, those of a cast as well."""
        return {name: await self._sent(kind, name, value) for name, value in params.items()}

    async def _sent(self, kind: str, name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return await self._uploaded(kind, value)
        is_file = isinstance(value, Path | bytes) or _is_file(kind, name, value)
        return await self._reference(value) if is_file else value


def _is_file(kind: str, name: str, value: object) -> bool:
    """An operator's kinds name their images as the usual ones do."""
    images = KINDS[kind].image_fields if kind in KINDS else [name] * name.endswith("_url")
    return name in images and isinstance(value, str) and is_path(value)


async def _bytes_of(image: Path | str | bytes) -> bytes:
    return image if isinstance(image, bytes) else await asyncio.to_thread(Path(image).read_bytes)


def _content_type(data: bytes) -> str:
    for start, content_type in _FIRST_BYTES.items():
        if data.startswith(start):
            return content_type
    raise ValueError("the image is neither JPEG nor PNG nor WebP")


def _path(task_id: str) -> str:
    return f"/api/v1/tasks/{quote(task_id, safe='')}"


def _lane_of(kind: str) -> Lane:
    """An operator's kinds are workflows for the GPU."""
    return KINDS[kind].lane if kind in KINDS else Lane.GPU
