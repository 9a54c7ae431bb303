"""POST /chat/completions, also under the provider's own path, and the simulator's own routes."""

import asyncio
import time
import uuid
from collections import deque
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any, Final

from aiohttp import web

from tests.simulators.qwen_vl import answers
from tests.simulators.qwen_vl.answers import FAULTS, SHAPES, Box
from tests.simulators.qwen_vl.calls import Call, Calls
from tests.simulators.qwen_vl.failures import Failures
from tests.simulators.qwen_vl.refusals import ACCOUNT, REFUSALS, Refusal, Refused, invalid
from tests.simulators.qwen_vl.validation import Question, read_question
from tests.simulators.seedream import wire

BASE_PATH: Final = "/compatible-mode/v1"
FREE: Final = {*wire.STOPPED, "reset-before", "error-200", "native-error-200"}
_MAX_BODY: Final = 64 * 2**20
_CHARACTERS_PER_TOKEN: Final = 2.5  # of boxes as JSON


@dataclass(slots=True)
class Server:
    key: str
    latency: float
    calls: Calls
    failures: Failures
    faces: list[Box] = field(default_factory=list)
    chosen: object = 0
    script: deque[str] = field(default_factory=deque)
    bodies: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=20))
    elsewhere: wire.Elsewhere = field(default_factory=wire.Elsewhere)
    connections: wire.Connections = field(default_factory=wire.Connections)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_MAX_BODY)
        application.router.add_post("/chat/completions", self._completions)
        application.router.add_post(f"{BASE_PATH}/chat/completions", self._completions)
        self.elsewhere.add_to(application)
        application.router.add_get("/simulator/failures", self._get_failures)
        application.router.add_post("/simulator/failures", self._post_failures)
        application.router.add_get("/simulator/calls", self._get_calls)
        return application

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        if self.connections.is_reused(request) and self.failures.drop_reused:
            return wire.reset(request)
        request_id = str(uuid.uuid4())
        with self.calls.one(request_id) as call:
            try:
                return await self._carry_out(request, call)
            except Refused as refused:
                call.ending = refused.refusal.code
                return self._refuse(refused.refusal, request_id)

    def _refuse(self, refusal: Refusal, request_id: str) -> web.Response:
        place = self.failures.request_id_in
        headers = {} if place == "body" else {"x-request-id": request_id}
        headers |= wire.retry_after(self.failures.retry_after, refusal.status)
        body = refusal.body("" if place == "header" else request_id)
        return web.json_response(body, status=refusal.status, headers=headers)

    async def _carry_out(self, request: web.Request, call: Call) -> web.StreamResponse:
        """A request that is not valid is refused even while a failure is on, and uses none up, but
        for those of the account."""
        question = await self._read(request, call)
        self.calls.admit(call)
        failure = self.failures.take()
        if failure in REFUSALS:
            raise Refused(REFUSALS[failure])
        call.ending = failure or "answered"
        if failure == "reset-before":
            return wire.reset(request)
        body = self._body(question, failure, call)
        await asyncio.sleep(self.latency)
        if failure in {**wire.STOPPED, **wire.LOST}:
            return await wire.spoiled(str(failure), request, body, self.elsewhere)
        return web.json_response(body, headers={"x-request-id": call.request_id})

    async def _read(self, request: web.Request, call: Call) -> Question:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise Refused(REFUSALS["invalid_api_key"])
        if account := self.failures.take(ACCOUNT):
            raise Refused(REFUSALS[account])
        try:
            body = await request.json()
        except ValueError as error:
            raise invalid("the body is not JSON") from error
        question = await asyncio.to_thread(read_question, body)
        self.bodies.append(body)
        call.model, call.words = question.model, _asks_which(question)
        return question

    def _body(self, question: Question, failure: str | None, call: Call) -> dict[str, Any]:
        text, ended = self._text(question, failure), "stop"
        most = int(question.max_tokens * _CHARACTERS_PER_TOKEN)
        if failure == "length":
            most = min(most, len(text) * 2 // 3)
        if len(text) > most:
            text, ended = text[:most], "length"
        usage = _usage(question, ceil(len(text) / _CHARACTERS_PER_TOKEN))
        if failure not in FREE:  # also when nobody listens any more
            call.input_tokens = usage["prompt_tokens"]
            call.output_tokens = usage["completion_tokens"]
        body = _success(question.model, call.request_id, text, ended, usage)
        return _without(failure, body, call.request_id)

    def _text(self, question: Question, failure: str | None) -> str:
        if failure == "empty":
            return ""
        faces = answers.in_pixels(self.faces, question.seen) if question.pixels else self.faces
        if shape := {**SHAPES, **FAULTS}.get(failure or ""):
            return shape(faces)
        if self.script:
            return self.script.popleft()
        if _asks_which(question):
            return answers.with_chosen(faces, self.chosen if faces else None)
        return answers.plain(faces)

    # --- The simulator's own --------------------------------------------------------------

    async def _get_failures(self, _: web.Request) -> web.Response:
        return web.json_response(self.failures.as_json())

    async def _post_failures(self, request: web.Request) -> web.Response:
        try:
            self.failures.update(await request.json())
        except (ValueError, AttributeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(self.failures.as_json())

    async def _get_calls(self, _: web.Request) -> web.Response:
        made = [asdict(call) for call in self.calls.made]
        return web.json_response({"calls": made, "most_in_flight": self.calls.most_running})


def _asks_which(question: Question) -> bool:
    return '"chosen"' in question.text


def _usage(question: Question, output_tokens: int) -> dict[str, Any]:
    input_tokens = question.image_tokens + question.text_tokens
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {
            "image_tokens": question.image_tokens,
            "text_tokens": question.text_tokens,
            "cached_tokens": 0,
        },
        "completion_tokens_details": {"text_tokens": output_tokens},
    }


def _success(
    model: str, request_id: str, text: str, ended: str, usage: dict[str, Any]
) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "reasoning_content": ""}
    choice = {"index": 0, "finish_reason": ended, "logprobs": None, "message": message}
    return {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": usage,
    }


def _without(failure: str | None, body: dict[str, Any], request_id: str) -> dict[str, Any]:
    """The answer, or one with status 200 that lacks something."""
    match failure:
        case "error-200":
            return REFUSALS["data_inspection_failed"].body(request_id)
        case "native-error-200":
            refusal = REFUSALS["Throttling.RateQuota"]
            return {"code": refusal.code, "message": refusal.message, "request_id": request_id}
        case "no-choices":
            return body | {"choices": []}
        case "parts":
            message = body["choices"][0]["message"]
            message["content"] = [{"type": "text", "text": message["content"]}]
        case "no-usage":
            return {name: value for name, value in body.items() if name != "usage"}
    return body
