"""Errors as RFC 9457 problem documents; the only place that knows HTTP statuses.

`code`, `retryable`, `field`, `fix` and `errors` are our extension members.
"""

import reprlib
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from short_drama.domain import errors as e

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[e.ShortDramaError], int] = {
    e.InvalidRequest: 422,
    e.MalformedJson: 400,
    e.UnsupportedMediaType: 415,
    e.BodyTooLarge: 413,
    e.HeadTooLarge: 431,
    e.UrlTooLong: 414,
    e.RequestTooSlow: 408,
    e.MalformedRequest: 400,
    e.RouteNotFound: 404,
    e.MethodNotAllowed: 405,
    e.HostRefused: 421,
    e.OriginRefused: 403,
    e.KeyRefused: 401,
    e.ScopeMissing: 403,
    e.TaskNotFound: 404,
    e.WebhookNotFound: 404,
    e.CharacterNotFound: 404,
    e.CharacterConflict: 409,
    e.ConsentMissing: 403,
    e.JobNotFound: 404,
    e.AssetNotFound: 404,
    e.TaskConflict: 409,
    e.IdempotencyKeyReused: 422,
    e.UrlRefused: 422,
    e.UrlUnreachable: 422,
    e.ImageRejected: 422,
    e.NoFaceFound: 422,
    e.FaceIndexOutOfRange: 422,
    e.FaceUnclear: 422,
    e.MaskNotFound: 422,
    e.PromptUnsupported: 422,
    e.RequestUnsupported: 422,
    e.ContentRefused: 422,
    e.BlackPicture: 422,
    e.BudgetExceeded: 402,
    e.DeadlineExceeded: 422,
    e.Unavailable: 503,
    e.Throttled: 503,
    e.TooManyRequests: 429,
    e.QueueFull: 429,
    e.EngineStarting: 503,
    e.EngineUnavailable: 503,
    e.EngineInterrupted: 503,
    e.EngineBroken: 503,
    e.EngineOutOfMemory: 503,
    e.KindNotAvailable: 503,
    e.ProviderPaused: 503,
    e.BudgetWaits: 503,
    e.ProviderFailed: 503,
    e.ChargeUnknown: 503,
    e.NewerFormat: 503,
    e.LeaseLost: 503,
    e.EngineNotReady: 503,
    e.EngineFailed: 502,
    e.JobCancelled: 409,
    e.AttemptsExhausted: 500,
    e.DeadLetter: 500,
    e.StorageFull: 507,
    e.InternalError: 500,
}

_DEFAULT_RETRY_AFTER = 2.0

MOST_FAULTS = 20
"""Of one request are told; whoever made more of them has made one mistake many times."""
_LONGEST_NAME = 80


def problem(error: e.ShortDramaError, *, instance: str) -> JSONResponse:
    status = STATUS[type(error)]
    if status == 404 and error.field is not None:
        status = 422  # the address is right; something the request names is missing
    members = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "retryable": error.retryable,
        "field": error.field,
        "fix": error.fix,
        "errors": list(getattr(error, "errors", ())) or None,
    }
    headers = {}
    if status in (429, 503):
        after = getattr(error, "after", None) or _DEFAULT_RETRY_AFTER
        headers["Retry-After"] = str(max(1, round(after)))
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="short-drama"'  # RFC 6750, section 3
    body = {name: value for name, value in members.items() if value is not None}
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def invalid(error: ValidationError | RequestValidationError, *, known: str = "") -> e.UserError:
    """What pydantic found, in a sentence that names the field and the fix.

    Args:
        known: what to say about the fields there are, when an unknown one was sent.
    """
    found = error.errors()
    faults = [_fault(dict(one), known) for one in found[:MOST_FAULTS]]
    first = faults[0]
    if first["type"] == "json_invalid":
        return e.MalformedJson(first["message"], fix="Send one JSON object, UTF-8 encoded.")
    more = f"; and {unlisted:,} more" if (unlisted := len(found) - len(faults)) else ""
    return e.InvalidRequest(
        (f"{first['field']}: {first['message']}" if first["field"] else first["message"]) + more,
        field=first["field"] or None,
        fix=first["fix"] or None,
        errors=[{"field": one["field"], "message": one["message"]} for one in faults],
    )


_PLACES = ("body", "query", "path", "header", "[key]")
"""Parts of a fault's location that are no part of the field's name."""


def _fault(fault: Mapping[str, Any], known: str) -> dict[str, str]:
    # A query has no indexes: what comes several times has one name.
    place = [part for part in fault["loc"] if fault["loc"][0] != "query" or isinstance(part, str)]
    path = [str(part)[:_LONGEST_NAME] for part in place if part not in _PLACES]
    kind, message, fix = fault["type"], str(fault["msg"]), ""
    if kind == "extra_forbidden":
        message, fix = "there is no such field", f"Remove it. {known}".strip()
    elif kind == "missing":
        message, fix = "this field is required", "Add it."
    elif kind == "model_type" and not path:
        message, fix = "the body is not a JSON object", f"Send one. {known}".strip()
    elif kind == "no_move":
        fix = "Set horizontal to -1, for example."
    elif kind == "rule":  # over several fields, one of which it names
        told = fault["ctx"]
        path, message, fix = [*path, told["field"]], told["message"], told["fix"]
    else:
        message = message.removeprefix("Value error, ").replace("Input should", "it should")
        fix = f"Correct it; you sent {_shown(fault.get('input'))}." if path else ""
    return {"type": kind, "field": ".".join(path), "message": message, "fix": fix}


_SHOWING = reprlib.Repr()
"""Cuts before it writes: what was sent may be of any length and depth."""
_SHOWING.maxstring = _SHOWING.maxother = _SHOWING.maxlong = 57
_SHOWING.maxlevel = _SHOWING.maxlist = _SHOWING.maxdict = 2


def _shown(value: object) -> str:
    text = _SHOWING.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def install(app: FastAPI) -> None:
    """Make every error that is raised on purpose a problem document, and explain the codes."""
    known = {leaf.code: leaf for leaf in e.leaves()}

    @app.exception_handler(e.ShortDramaError)
    async def ours(request: Request, error: e.ShortDramaError) -> JSONResponse:
        return problem(error, instance=request.url.path)

    @app.exception_handler(RequestValidationError)
    async def parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem(invalid(error), instance=request.url.path)

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(_routing_error(request, error), instance=request.url.path)
        if error.status_code == 405:  # RFC 9110, section 15.5.6
            answer.headers["Allow"] = ", ".join(_allowed(request))
        return answer

    @app.get("/problems/{code}", tags=["service"], summary="What a problem code means")
    async def explain(code: str) -> dict[str, Any]:
        if code not in known:
            raise e.RouteNotFound(f"there is no problem code {code[:80]!r}")
        leaf = known[code]
        return {
            "code": code,
            "title": leaf.title,
            "status": STATUS[leaf],
            "retryable": leaf.retryable,
        }


def _routing_error(request: Request, error: HTTPException) -> e.UserError:
    if error.status_code == 405:
        allowed = " or ".join(_allowed(request))
        return e.MethodNotAllowed(f"{request.method} is not allowed here", fix=f"Use {allowed}.")
    if error.status_code == 404:
        return e.RouteNotFound(
            f"nothing answers at {request.url.path[:200]}", fix="See /docs for what there is."
        )
    return e.InvalidRequest(str(error.detail))


def _allowed(request: Request) -> list[str]:
    """By all routes of this address: the error knows the first of them only. What a later route's
    parameter would match as well is the first one's."""
    methods: set[str] = set()
    first: str | None = None
    for route in request.app.routes:
        path = getattr(route, "path", None)
        if route.matches(request.scope)[0] is not Match.NONE and path == (first or path):
            methods, first = methods | (getattr(route, "methods", None) or set()), path
    if "GET" in methods:
        methods.add("HEAD")  # see head.py
    return sorted(methods)
