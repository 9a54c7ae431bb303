"""Each prompt of ours is one job of the server's, whatever happens to the request that starts it.

A prompt has one Idempotency-Key, its id, for ever: after a submit whose outcome nobody knows the
same key is sent again, which cannot start a second job. The server says only that a key was used,
not for what; which job a prompt became is noted in our asset store, and looked for in the server's
list, where it has one.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from short_drama.comfyui_api.hosted.client import ComfyAPI, KeyUsed, Unanswered
from short_drama.comfyui_api.hosted.notes import Notes
from short_drama.comfyui_api.server.refusals import PromptLost
from short_drama.domain.errors import (
    ChargeUnknown,
    EngineInterrupted,
    EngineUnavailable,
    ShortDramaError,
    Unavailable,
)

log = logging.getLogger(__name__)

Graph = Mapping[str, Any]

_AGAIN = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses, in seconds, after a submit whose outcome is not known."""
_REMEMBERED = 1000


class Submissions:
    def __init__(self, api: ComfyAPI, notes: Notes) -> None:
        self._api, self._notes = api, notes
        self._jobs: OrderedDict[str, str] = OrderedDict()

    async def job_id(self, prompt_id: str) -> str | None:
        """The server's id of the prompt's job, if one is known. Raises Unavailable."""
        known = self._jobs.get(prompt_id)
        if known is None and (known := await self._notes.read(prompt_id)) is not None:
            self._remember(prompt_id, known)
        return known

    async def begin(self, prompt_id: str, graph: Graph | None) -> str:
        """As `job_id`, after it has been submitted, unless it was before.

        Raises ChargeUnknown when nobody knows whether it was, EngineUnavailable when it was not,
        and what `ComfyAPI.submit` raises.
        """
        try:
            job_id = await self.job_id(prompt_id)
        except Unavailable as error:
            raise EngineUnavailable(error.detail) from error
        if job_id is not None:
            return job_id
        if graph is None:
            raise EngineInterrupted("it is no longer known which hosted job this is")
        job_id = await self._submit(prompt_id, graph)
        self._remember(prompt_id, job_id)
        with contextlib.suppress(Unavailable):  # a later attempt sends the key again, and is told
            await self._notes.write(prompt_id, job_id)
        return job_id

    async def _submit(self, prompt_id: str, graph: Graph) -> str:
        perhaps = False
        for pause in (*_AGAIN, 0.0):
            try:
                return await self._api.submit(graph, key=prompt_id)
            except KeyUsed:
                perhaps = True
                if (job_id := await self._started(prompt_id)) is not None:
                    return job_id
            except Unanswered as error:
                perhaps = True
                log.warning("a submit to Comfy API v2 is sent again: %s", error)
            except PromptLost:
                await self._forget_inputs(graph)
                raise
            except Unavailable as error:
                if not perhaps:
                    raise EngineUnavailable(error.detail) from error
            await asyncio.sleep(pause)
        raise ChargeUnknown(
            "the hosted ComfyUI may run this job, and does not say under which id",
            fix="Look at the account's jobs; if it is not among them, submit the task anew.",
        )

    async def _started(self, prompt_id: str) -> str | None:
        """The job that an earlier request with this key has started."""
        with contextlib.suppress(ShortDramaError):
            return await self._notes.read(prompt_id) or await self._api.find(prompt_id)
        return None

    async def _forget_inputs(self, graph: Graph) -> None:
        """The server believes that it has these files: only after this are they sent again."""
        for asset in _assets(graph):
            with contextlib.suppress(ShortDramaError):
                await self._api.forget(asset)

    def _remember(self, prompt_id: str, job_id: str) -> None:
        self._jobs[prompt_id] = job_id
        if len(self._jobs) > _REMEMBERED:
            self._jobs.popitem(last=False)


def _assets(graph: Graph) -> Iterator[str]:
    for node in graph.values():
        for value in node["inputs"].values():
            if isinstance(value, Mapping) and "info" in value:
                yield value["info"]["id"]
