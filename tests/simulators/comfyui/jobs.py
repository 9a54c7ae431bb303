"""The job routes of ComfyUI 0.33.0: what became of a prompt, and a cancel that hits no other."""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.simulators.comfyui.doors import Handler
from tests.simulators.comfyui.engine import Engine
from tests.simulators.comfyui.prompts import Prompt, Prompts
from tests.simulators.comfyui.validation import is_canonical

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
ENDINGS = ("execution_success", "execution_error", "execution_interrupted")
Job = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Jobs:
    prompts: Prompts
    engine: Engine

    def routes(self) -> dict[tuple[str, str], Handler]:
        return {
            ("GET", "/api/jobs"): self._list,
            ("POST", "/api/jobs/cancel"): self._cancel_many,
            ("GET", "/api/jobs/{job_id}"): self._get,
            ("POST", "/api/jobs/{job_id}/cancel"): self._cancel,
        }

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        statuses = [name.strip() for name in query.get("status", "").split(",") if name.strip()]
        if unknown := [name for name in statuses if name not in STATUSES]:
            told = f"{', '.join(unknown)}. Valid values: {', '.join(STATUSES)}"
            return _refused(f"Invalid status value(s): {told}")
        try:
            limit = int(query["limit"]) if "limit" in query else None
            offset = max(0, int(query.get("offset", 0)))
        except ValueError:
            return _refused("limit must be an integer")
        if limit is not None and limit <= 0:
            return _refused("limit must be a positive integer")
        jobs = [job for job in self._all() if job["status"] in (statuses or STATUSES)]
        page = jobs[offset:][:limit]
        pagination = {
            "offset": offset,
            "limit": limit,
            "total": len(jobs),
            "has_more": offset + len(page) < len(jobs),
        }
        return web.json_response({"jobs": page, "pagination": pagination})

    async def _get(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job_id"]
        if job_id in self.prompts.history:
            return web.json_response(_ended(self.prompts.history[job_id], whole=True))
        for job in self._queued():
            if job["id"] == job_id:
                return web.json_response(job)
        return web.json_response({"error": "Job not found"}, status=404)

    async def _cancel(self, request: web.Request) -> web.Response:
        return web.json_response({"cancelled": self._stop(request.match_info["job_id"])})

    async def _cancel_many(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except json.JSONDecodeError:
            return _refused("Request body must be valid JSON")
        job_ids = body.get("job_ids") if isinstance(body, dict) else None
        if not isinstance(job_ids, list):
            return _refused("job_ids must be a list")
        if invalid := [str(one) for one in job_ids if not is_canonical(str(one))]:
            return _refused("job_ids contains invalid id(s)", invalid_ids=invalid)
        cancelled = [self._stop(job_id) for job_id in job_ids]
        return web.json_response({"cancelled": any(cancelled)})

    def _stop(self, job_id: str) -> bool:
        return self.engine.interrupt(job_id) or self.prompts.delete(job_id)

    def _all(self) -> list[Job]:
        """The newest first."""
        ended = [_ended(entry) for entry in self.prompts.history.values()]
        return sorted([*self._queued(), *ended], key=lambda job: -job["create_time"])

    def _queued(self) -> list[Job]:
        running = [self.prompts.running] if self.prompts.running else []
        return [
            *(_waiting(prompt, "in_progress") for prompt in running),
            *(_waiting(prompt, "pending") for prompt in self.prompts.pending),
        ]


def _waiting(prompt: Prompt, status: str) -> Job:
    return {
        "id": prompt.prompt_id,
        "status": status,
        "priority": prompt.number,
        "create_time": prompt.extra_data["create_time"],
        "outputs_count": 0,
        "previewable_outputs_count": 0,
    }


def _ended(entry: dict[str, Any], *, whole: bool = False) -> Job:
    """With its outputs and graph, if all of it is asked for. What is None is left out."""
    number, prompt_id, graph, extra_data, _ = entry["prompt"]
    messages = dict(entry["status"]["messages"])
    ending = next(name for name in ENDINGS if name in messages)
    images = [
        {**image, "nodeId": node, "mediaType": "images"}
        for node, shown in entry["outputs"].items()
        for image in shown["images"]
    ]
    saved = [image for image in images if image["type"] == "output"]
    job = {
        "id": prompt_id,
        "status": dict(zip(ENDINGS, STATUSES[2:], strict=True))[ending],
        "priority": number,
        "create_time": extra_data["create_time"],
        "execution_start_time": messages["execution_start"]["timestamp"],
        "execution_end_time": messages[ending]["timestamp"],
        "execution_error": messages.get("execution_error"),
        "outputs_count": len(images),
        "previewable_outputs_count": len(images),
        "preview_output": next(iter(saved or images), None),
    }
    if whole:
        job["outputs"] = entry["outputs"]
        job["execution_status"] = entry["status"]
        job["workflow"] = {"prompt": graph, "extra_data": extra_data}
    return {name: value for name, value in job.items() if value is not None}


def _refused(error: str, **more: Any) -> web.Response:
    return web.json_response({"error": error, **more}, status=400)
