"""Shots, as `client.shots`: what tasks were labelled for, their takes, and which of them goes on.

    async for shot in client.shots.iterate("Nightfall", "3"):
        if shot.pick is None and shot.takes:
            await client.shots.pick(shot.takes[0].task_id, note="the first")

`short_drama.sdk.sync.Client` has the same without `await`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from short_drama.domain.image_reference import is_path
from short_drama.sdk.characters import Ask, Picture
from short_drama.sdk.portal import Portal
from short_drama.sdk.query import page_of
from short_drama.sdk.shot_models import PickedView, ShotList, ShotView

ShotName = Mapping[str, str]
"""Of project, episode, scene and shot, those that the shot's tasks have as labels."""


class AsyncShots:
    """`ask`: one call to the service; `upload`: a picture's reference there."""

    def __init__(self, ask: Ask, upload: Callable[[Path | bytes], Awaitable[str]]) -> None:
        self._ask, self._upload = ask, upload

    async def list(
        self,
        project: str = "",
        episode: str | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> ShotList:
        """One page of a project's shots, in their order, with takes and pick."""
        params = page_of(cursor, limit) | {"project": [project]}
        if episode is not None:
            params["episode"] = [episode]
        return await self._ask(ShotList, "GET", "/api/v1/shots", params=params, repeatable=True)

    async def iterate(
        self, project: str = "", episode: str | None = None
    ) -> AsyncGenerator[ShotView, None]:
        """Every shot of a project, or of an episode of it, page by page."""
        cursor: str | None = None
        while True:
            page = await self.list(project, episode, cursor=cursor, limit=100)
            for shot in page.shots:
                yield shot
            cursor = page.next_cursor
            if cursor is None:
                return

    async def pick(self, task_id: str, *, note: str | None = None) -> PickedView:
        """This take goes on; others of its shot that wait are cancelled. Safe to repeat."""
        return await self._choose(f"/api/v1/tasks/{task_id}/pick", {"note": note})

    async def pick_picture(
        self, shot: ShotName, image: Picture, *, note: str | None = None
    ) -> PickedView:
        """A picture goes on that no task of the shot has made."""
        if isinstance(image, str) and is_path(image):
            image = Path(image)
        reference = image if isinstance(image, str) else await self._upload(image)
        body = {**shot, "image_url": reference, "note": note}
        return await self._choose("/api/v1/shots/pick", body)

    async def unpick(self, shot: ShotName, *, note: str | None = None) -> PickedView:
        """Nothing of the shot goes on for now."""
        return await self._choose("/api/v1/shots/unpick", {**shot, "note": note})

    async def _choose(self, path: str, body: Mapping[str, Any]) -> PickedView:
        given = {name: value for name, value in body.items() if value is not None}
        return await self._ask(PickedView, "POST", path, json=given, repeatable=True)


class Shots:
    """`AsyncShots`, blocking; as `client.shots`."""

    def __init__(self, portal: Portal, shots: AsyncShots) -> None:
        self._portal, self._shots = portal, shots

    def list(
        self,
        project: str = "",
        episode: str | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> ShotList:
        return self._portal.run(self._shots.list(project, episode, cursor=cursor, limit=limit))

    def iterate(self, project: str = "", episode: str | None = None) -> Iterator[ShotView]:
        return self._portal.each(self._shots.iterate(project, episode))

    def pick(self, task_id: str, *, note: str | None = None) -> PickedView:
        return self._portal.run(self._shots.pick(task_id, note=note))

    def pick_picture(
        self, shot: ShotName, image: Picture, *, note: str | None = None
    ) -> PickedView:
        return self._portal.run(self._shots.pick_picture(shot, image, note=note))

    def unpick(self, shot: ShotName, *, note: str | None = None) -> PickedView:
        return self._portal.run(self._shots.unpick(shot, note=note))
