"""The same client for programs without an event loop; works inside a notebook as well.

with Client() as client:
    accepted = client.submit("face-mask", {"image_url": "still.jpg"})
    client.download(client.wait(accepted.task_id), "mask.png")
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from short_drama.sdk.characters import (
    AsyncCharacters,
    CharacterView,
    Picture,
    PurgeView,
    RevocationView,
)
from short_drama.sdk.client import CPU_URL, GPU_URL, AsyncClient
from short_drama.sdk.kind_models import KindView
from short_drama.sdk.models import (
    Accepted,
    AssetView,
    TaskCountView,
    TaskPage,
    TaskView,
    Verification,
)
from short_drama.sdk.portal import Portal
from short_drama.sdk.query import Sort, Where
from short_drama.sdk.shots import Shots
from short_drama.sdk.webhooks import Webhooks


class Characters:
    """`AsyncCharacters`, blocking; as `client.characters`."""

    def __init__(self, portal: Portal, characters: AsyncCharacters) -> None:
        self._portal, self._characters = portal, characters

    def list(self) -> Sequence[CharacterView]:
        return self._portal.run(self._characters.list())

    def get(self, name: str) -> CharacterView:
        return self._portal.run(self._characters.get(name))

    def create(
        self,
        name: str,
        faces: Sequence[Picture],
        *,
        title: str = "",
        portraits: Mapping[str, str] | None = None,
        consent: Mapping[str, Any] | None = None,
    ) -> CharacterView:
        making = self._characters.create(
            name, faces, title=title, portraits=portraits, consent=consent
        )
        return self._portal.run(making)

    def change(
        self,
        name: str,
        *,
        title: str | None = None,
        faces: Sequence[Picture | int] | None = None,
        portraits: Mapping[str, str] | None = None,
    ) -> CharacterView:
        changing = self._characters.change(name, title=title, faces=faces, portraits=portraits)
        return self._portal.run(changing)

    def record_consent(self, name: str, consent: Mapping[str, Any]) -> CharacterView:
        return self._portal.run(self._characters.record_consent(name, consent))

    def revoke(self, name: str) -> RevocationView:
        return self._portal.run(self._characters.revoke(name))

    def tasks(self, name: str) -> Iterator[TaskView]:
        return self._portal.each(self._characters.tasks(name))

    def purge(self, name: str) -> PurgeView:
        return self._portal.run(self._characters.purge(name))

    def delete(self, name: str) -> None:
        self._portal.run(self._characters.delete(name))


class Client:
    """`AsyncClient`, blocking. Use with `with`, or call `close`; not from two threads at once."""

    def __init__(
        self,
        *,
        gpu_url: str = GPU_URL,
        cpu_url: str = CPU_URL,
        api_key: str | None = None,
        timeout: float = 30.0,
        attempts: int = 4,
    ) -> None:
        self._portal = Portal()
        self._client = AsyncClient(
            gpu_url=gpu_url, cpu_url=cpu_url, api_key=api_key, timeout=timeout, attempts=attempts
        )
        self.webhooks = Webhooks(self._portal.run, self._client.webhooks)
        self.characters = Characters(self._portal, self._client.characters)
        self.shots = Shots(self._portal, self._client.shots)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Safe to repeat."""
        if not self._portal.closed:
            self._portal.run(self._client.close())
            self._portal.close()

    def upload(self, image: Path | str | bytes) -> AssetView:
        return self._portal.run(self._client.upload(image))

    def upload_directly(self, image: Path | str | bytes) -> str:
        return self._portal.run(self._client.upload_directly(image))

    def submit(
        self,
        kind: str,
        params: Mapping[str, Any],
        *,
        labels: Mapping[str, str] | None = None,
        deadline_seconds: int | None = None,
        consent: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Accepted:
        return self._portal.run(
            self._client.submit(
                kind,
                params,
                labels=labels,
                deadline_seconds=deadline_seconds,
                consent=consent,
                idempotency_key=idempotency_key,
            )
        )

    def verify(self, image: Path | str | bytes) -> Verification:
        return self._portal.run(self._client.verify(image))

    def get(self, task_id: str) -> TaskView:
        return self._portal.run(self._client.get(task_id))

    def wait(self, task_id: str, timeout: float | None = None) -> TaskView:
        return self._portal.run(self._client.wait(task_id, timeout))

    def follow(self, task_id: str) -> Iterator[TaskView]:
        return self._portal.each(self._client.follow(task_id))

    def list(
        self,
        *,
        cursor: str | None = None,
        limit: int = 50,
        sort: Sort = "newest",
        **where: Unpack[Where],
    ) -> TaskPage:
        return self._portal.run(self._client.list(cursor=cursor, limit=limit, sort=sort, **where))

    def iterate(self, *, sort: Sort = "newest", **where: Unpack[Where]) -> Iterator[TaskView]:
        return self._portal.each(self._client.iterate(sort=sort, **where))

    def count(self, **where: Unpack[Where]) -> TaskCountView:
        return self._portal.run(self._client.count(**where))

    def kinds(self) -> Sequence[KindView]:
        return self._portal.run(self._client.kinds())

    def cancel(self, task_id: str) -> TaskView:
        return self._portal.run(self._client.cancel(task_id))

    def retry(self, task_id: str, *, idempotency_key: str | None = None) -> Accepted:
        return self._portal.run(self._client.retry(task_id, idempotency_key=idempotency_key))

    def delete(self, task_id: str) -> TaskView:
        return self._portal.run(self._client.delete(task_id))

    def restore(self, task_id: str) -> TaskView:
        return self._portal.run(self._client.restore(task_id))

    def download(self, source: TaskView | str, path: Path | str) -> Path:
        return self._portal.run(self._client.download(source, path))
