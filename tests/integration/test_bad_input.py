"""Everything a client may get wrong: a clear answer each time, and nothing on the queue."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from PIL import Image
from yarl import URL

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.sdk.models import Problem
from tests.noop_engine import NOOP
from tests.patience import within
from tests.samples import png
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"Content-Type": "application/json"}
CAMERA = "/api/v1/camera-angle/tasks"


@dataclass(frozen=True)
class Place:
    """The product, and addresses that cases need."""

    stack: RunningStack
    image: str
    web: str
    """A server with things that are no pictures."""
    closed: str
    """A port where nobody listens."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One wrong request. `{image}`, `{web}`, `{closed}`, `{gpu}` in a body are filled in."""

    path: str = CAMERA
    method: str = "POST"
    body: Any = None
    """JSON, or bytes as they are."""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 422
    code: str = "invalid_request"
    field: str | None = None
    fix: bool = True
    says: str = ""


def camera(**changes: Any) -> dict[str, Any]:
    body = {"image_url": "{image}", "zoom": 1} | changes
    return {name: value for name, value in body.items() if value is not ...}


def image(reference: str, code: str, status: int = 422, **more: Any) -> Case:
    return Case(
        body=camera(image_url=reference), code=code, status=status, field="image_url", **more
    )


def upload(data: bytes, code: str = "image_rejected", status: int = 422, **more: Any) -> Case:
    return Case(
        path="/api/v1/assets",
        body=data,
        headers={"Content-Type": "image/png"},
        code=code,
        status=status,
        **more,
    )


def bomb() -> bytes:
    """A PNG of some kilobytes that says 177 megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (13_300, 13_300)).save(buffer, "PNG")
    data = buffer.getvalue()
    assert len(data) < 40_000
    return data


def exif_html() -> bytes:
    return b"<!doctype html><script>alert(1)</script>" + b" " * 200


REQUESTS = {
    # The shape of the request.
    "unknown field": Case(body=camera(colour="red"), field="colour", says="no such field"),
    "unknown field in a label": Case(body=camera(labels={"a": {"b": 1}}), field="labels.a"),
    "wrong type": Case(body=camera(zoom="1"), field="zoom", says="integer"),
    "number as text": Case(body=camera(steps="8"), field="steps"),
    "boolean as number": Case(body=camera(zoom=True), field="zoom"),
    "fraction as integer": Case(body=camera(zoom=0.5), field="zoom"),
    "out of range": Case(body=camera(horizontal=9), field="horizontal", says="less than"),
    "out of range below": Case(body=camera(vertical=-3), field="vertical"),
    "negative seed": Case(body=camera(seed=-1), field="seed"),
    "huge seed": Case(body=camera(seed=2**60), field="seed"),
    "missing image": Case(body=camera(image_url=...), field="image_url", says="required"),
    "null image": Case(body=camera(image_url=None), field="image_url"),
    "list of images": Case(body=camera(image_url=["{image}"]), field="image_url"),
    "no move": Case(body=camera(zoom=0), says="give a prompt"),
    "blank prompt": Case(body=camera(prompt="  \n"), field="prompt"),
    "prompt of a megabyte": Case(body=camera(prompt="x" * 60_000), field="prompt", says="4000"),
    "missing prompt": Case(
        path="/api/v1/qwen-image-edit/tasks", body={"image_url": "{image}"}, field="prompt"
    ),
    "unknown sampler": Case(
        path="/api/v1/qwen-image-edit/tasks",
        body={"image_url": "{image}", "prompt": "x", "sampler_name": "best"},
        field="sampler_name",
    ),
    "not a number": Case(
        path="/api/v1/qwen-image-edit/tasks",
        body=b'{"image_url": "asset:k", "prompt": "x", "cfg": NaN}',
        headers=JSON,
        field="cfg",
    ),
    "many labels": Case(
        body=camera(labels={str(number): "x" for number in range(21)}), field="labels"
    ),
    "long label": Case(body=camera(labels={"a": "x" * 257}), field="labels.a"),
    "label with a space in its name": Case(body=camera(labels={"a b": "x"}), field="labels.a b"),
    "deadline of zero": Case(body=camera(deadline_seconds=0), field="deadline_seconds"),
    "deadline too far": Case(body=camera(deadline_seconds=10**9), field="deadline_seconds"),
    "kind of the other lane": Case(
        path="/api/v1/face-mask/tasks", body={}, status=404, code="route_not_found"
    ),
    # The body itself.
    "no body": Case(body=b"", headers=JSON, status=400, code="malformed_json"),
    "broken JSON": Case(body=b'{"zoom": 1,}', headers=JSON, status=400, code="malformed_json"),
    "cut-off JSON": Case(body=b'{"zoom": ', headers=JSON, status=400, code="malformed_json"),
    "JSON array": Case(body=[1, 2], says="not a JSON object"),
    "JSON text": Case(body="text", says="object"),
    "JSON null": Case(body=b"null", headers=JSON, says="object"),
    "invalid UTF-8": Case(
        body=b'{"prompt": "\xff\xfe"}', headers=JSON, status=400, code="malformed_json"
    ),
    "half a surrogate": Case(
        body=b'{"prompt": "\\ud800"}', headers=JSON, status=400, code="malformed_json"
    ),
    "deep JSON": Case(
        body=b'{"labels": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        headers=JSON,
        status=400,
        code="malformed_json",
    ),
    "body over the limit": Case(
        body=b'{"prompt": "' + b"x" * 2**16 + b'"}',
        headers=JSON,
        status=413,
        code="body_too_large",
        says="65,536",
    ),
    "150,000 unknown fields": Case(
        body={str(number): 1 for number in range(150_000)}, status=413, code="body_too_large"
    ),
    "150,000 labels": Case(
        body=camera(labels={str(number): "x" for number in range(150_000)}),
        status=413,
        code="body_too_large",
    ),
    "6,000 unknown fields": Case(
        body={str(number): 1 for number in range(6000)},
        field="image_url",
        says="and 5,981 more",
    ),
    "form": Case(
        body=b"zoom=1",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        status=415,
        code="unsupported_media_type",
        says="x-www-form-urlencoded",
    ),
    "no content type": Case(
        body=b"{}", headers={"Content-Type": ""}, status=415, code="unsupported_media_type"
    ),
    # Headers.
    "long key": Case(
        body=camera(), headers={"Idempotency-Key": "x" * 256}, field="Idempotency-Key"
    ),
    "empty key": Case(body=camera(), headers={"Idempotency-Key": ""}, field="Idempotency-Key"),
    "wait in words": Case(body=camera(), headers={"Prefer": "wait=abc"}, field="Prefer"),
    "negative wait": Case(body=camera(), headers={"Prefer": "wait=-1"}, field="Prefer"),
    # Where the image is.
    "nobody listens": image("{closed}/a.png", "url_unreachable", fix=False, says="refused"),
    "404 there": image("{web}/nothing.png", "url_unreachable", fix=False, says="404"),
    "no such host": image("http://nothing.invalid/a.png", "url_unreachable", fix=False),
    "redirect to a private place": image("{web}/redirect", "url_refused"),
    "metadata address": image("http://169.254.169.254/latest/meta-data/", "url_refused"),
    "private address": image("http://10.0.0.1/a.png", "url_refused"),
    "loopback by another name": image("http://[::1]/a.png", "url_refused"),
    "file": image("file:///etc/passwd", "invalid_request", says="neither"),
    "data": image("data:image/png;base64,AAAA", "invalid_request"),
    "words": image("the first picture", "invalid_request"),
    "another bucket": image("s3://somebody-else/a.png", "url_refused", says="somebody-else"),
    "credentials": image("http://user:password@example.com/a.png", "url_refused", fix=False),
    "a space": image("http://example.com/a b.png", "url_refused", says="space"),
    "a space before": image(" http://example.com/a.png", "url_refused", says="space"),
    "a line's end": image("http://example.com/a.png\n", "url_refused"),
    "half a bracket": image("http://[", "url_refused", fix=False),
    "the other half": image("http://]", "url_refused", fix=False),
    "a number in brackets": image("http://[1]/", "url_refused", fix=False),
    "brackets in a name": image("http://a[b]/", "url_refused", fix=False),
    "a colon in brackets": image("http://[:]/", "url_refused", fix=False),
    "half a bracket as a bucket": image("s3://[", "url_refused"),
    "half a bracket of ours": image("{gpu}/assets/uploads//[", "asset_not_found"),
    "letters that become a slash": image("http://℀.com/", "url_refused", fix=False),
    "a wide at sign": image("http://pub.test＠127.0.0.1/", "url_refused", fix=False),
    "a wide slash": image("http://／127.0.0.1/", "url_refused", fix=False),
    "a control character": image("http://a\x01]/", "url_refused"),
    # What the image is.
    "a page": image("{web}/page.png", "image_rejected"),
    "0 bytes": image("{web}/empty.png", "image_rejected"),
    "a bomb": image("{web}/bomb.png", "image_rejected", says="13300 x 13300"),
    "a GIF": image("{web}/a.gif", "image_rejected"),
    "half a picture": image("{web}/half.png", "image_rejected"),
    # Assets that are not there.
    "unknown asset": image("asset:uploads/local/nothing.png", "asset_not_found"),
    "unknown asset by URL": image("{gpu}/assets/uploads/local/nothing.png", "asset_not_found"),
    "unknown asset in our bucket": image("s3://short-drama-assets/images/x", "asset_not_found"),
    "private asset": image("asset:jobs/x/checkpoint.json", "asset_not_found"),
    "way out": image("asset:uploads/../../secret", "asset_not_found"),
    "way out by URL": image("{gpu}/assets/uploads/%2e%2e/%2e%2e/secret", "asset_not_found"),
    "absolute": image("asset:/etc/passwd", "asset_not_found"),
    "NUL": image("asset:uploads/a\0b", "asset_not_found"),
    "long asset": image("asset:uploads/" + "x" * 1000, "asset_not_found"),
    "folder": image("asset:uploads/local", "asset_not_found"),
}

UPLOADS = {
    "0 bytes": upload(b""),
    "text": upload(exif_html()),
    "bomb": upload(bomb(), says="13300 x 13300"),
    "half": upload(png(300, 300)[:200]),
    "over 20 MB": upload(
        b"\x89PNG\r\n\x1a\n" + b"x" * (21 * 2**20), "body_too_large", 413, says="20,971"
    ),
    "JSON": Case(
        path="/api/v1/assets", body={"file": "x"}, status=415, code="unsupported_media_type"
    ),
    "form without an end": Case(
        path="/api/v1/assets",
        body=b"--x\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        field="file",
    ),
    "form without a boundary": Case(
        path="/api/v1/assets",
        body=b"--x\r\n",
        headers={"Content-Type": "multipart/form-data"},
        status=415,
        code="unsupported_media_type",
    ),
}


def get(path: str, status: int, code: str = "invalid_request", **more: Any) -> Case:
    return Case(method="GET", path=path, status=status, code=code, **more)


ADDRESSES = {
    "unknown route": get("/api/v2/tasks", 404, "route_not_found"),
    "long route": get("/" + "x" * 5000, 404, "route_not_found"),
    "wrong method": Case(method="DELETE", path=CAMERA, status=405, code="method_not_allowed"),
    "reading a submit": get(CAMERA, 405, "method_not_allowed"),
    "unknown task": get("/api/v1/tasks/nothing", 404, "task_not_found"),
    "long task": get("/api/v1/tasks/" + "x" * 5000, 404, "task_not_found"),
    "task with a quote": get("/api/v1/tasks/'; DROP TABLE tasks; --", 404, "task_not_found"),
    "cancel of an unknown task": Case(
        path="/api/v1/tasks/nothing/cancel", status=404, code="task_not_found"
    ),
    "retry of an unknown task": Case(
        path="/api/v1/tasks/nothing/retry", status=404, code="task_not_found"
    ),
    "events of an unknown task": get("/api/v1/tasks/nothing/events", 404, "task_not_found"),
    "bad event id": get(
        "/api/v1/tasks/nothing/events", 422, headers={"Last-Event-ID": "x"}, field="last-event-id"
    ),
    "bad cursor": get("/api/v1/tasks?cursor=x", 422, field="cursor"),
    "long cursor": get("/api/v1/tasks?cursor=" + "x" * 500, 422, field="cursor"),
    "bad status": get("/api/v1/tasks?status=done", 422, field="status"),
    "bad kind": get("/api/v1/tasks?kind=upscale", 422, field="kind", says="upscale"),
    "one bad status": get("/api/v1/tasks?status=failed&status=done", 422, field="status"),
    "one bad kind": get("/api/v1/tasks?kind=face-swap&kind=up", 422, field="kind", says="up"),
    "one bad label": get("/api/v1/tasks?label=a:b&label=c", 422, field="label"),
    "many labels": get("/api/v1/tasks?" + "label=a:b&" * 21, 422, field="label"),
    "bad moment": get("/api/v1/tasks?created_after=soon", 422, field="created_after"),
    "no moment": get("/api/v1/tasks?created_before=nan", 422, field="created_before"),
    "vast moment": get("/api/v1/tasks?created_before=1e300", 422, field="created_before"),
    "local moment": get("/api/v1/tasks?created_after=2026-11-27", 422, field="created_after"),
    "bad label": get("/api/v1/tasks?label=episode", 422, field="label"),
    "limit of zero": get("/api/v1/tasks?limit=0", 422, field="limit"),
    "limit too high": get("/api/v1/tasks?limit=201", 422, field="limit"),
    "limit in words": get("/api/v1/tasks?limit=all", 422, field="limit"),
    "wait too long": get("/api/v1/tasks/nothing?wait=61", 422, field="wait"),
    "negative time": get("/api/v1/tasks/nothing?wait=-1", 422, field="wait"),
    "no time": get("/api/v1/tasks/nothing?wait=nan", 422, field="wait"),
    "unknown asset": get("/assets/uploads/local/nothing.png", 404, "asset_not_found"),
    "private asset": get("/assets/jobs/x/checkpoint.json", 404, "asset_not_found", fix=False),
    "way out": get("/assets/uploads/..%2f..%2fsecret", 404, "asset_not_found"),
    "way out twice encoded": get("/assets/uploads/%252e%252e/secret", 404, "asset_not_found"),
    "backslashes": get("/assets/uploads/..%5c..%5csecret", 404, "asset_not_found"),
    "absolute asset": get("/assets//etc/passwd", 404, "asset_not_found", fix=False),
    "NUL in an asset": get("/assets/uploads/a%00b", 404, "asset_not_found"),
    "not UTF-8": get("/assets/uploads/%ff%fe", 404, "asset_not_found"),
    "long asset": get("/assets/uploads/" + "x" * 300, 404, "asset_not_found"),
}


# --- The place ----------------------------------------------------------------------------


def unwelcome() -> web.Application:
    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")

    def serving(data: bytes) -> Callable[[web.Request], Any]:
        async def serve(_: web.Request) -> web.Response:
            return web.Response(body=data, content_type="image/png")

        return serve

    gif = io.BytesIO()
    Image.new("P", (64, 64)).save(gif, "GIF")
    app = web.Application()
    app.router.add_get("/redirect", redirect)
    for name, data in {
        "page.png": exif_html(),
        "empty.png": b"",
        "bomb.png": bomb(),
        "a.gif": gif.getvalue(),
        "half.png": png(300, 300)[:200],
        "good.png": png(),
    }.items():
        app.router.add_get(f"/{name}", serving(data))
    return app


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def put_private_asset(data_dir: Path) -> None:
    assets = EmbeddedAssetStore(data_dir / "assets", public_url="")
    await assets.put("jobs/x/checkpoint.json", b"{}", content_type="image/png")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    runner = web.AppRunner(unwelcome())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    allow = (ip_network("127.0.0.0/8"),)
    root = tmp_path_factory.mktemp("data")
    async with running_stack(root, NOOP, fetch_allow=allow, poll_seconds=0.1) as stack:
        headers = {"Content-Type": "image/png"}
        async with stack.http.post(
            f"{stack.gpu}/api/v1/assets", data=png(), headers=headers
        ) as answer:
            reference = (await answer.json())["image_url"]
        await put_private_asset(root)
        yield Place(
            stack, reference, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{closed_port()}"
        )
    await runner.cleanup()


async def nothing_is_queued(place: Place) -> None:
    http = place.stack.http
    async with http.get(f"{place.stack.gpu}/api/v1/tasks") as answer:
        assert (await answer.json())["tasks"] == []
    for base in (place.stack.gpu, place.stack.cpu):
        async with http.get(f"{base}/health") as answer:
            queue = (await answer.json())["queue"]
            assert (queue["waiting"], queue["in_flight"]) == (0, 0)


async def send(place: Place, case: Case) -> aiohttp.ClientResponse:
    data = case.body
    if not isinstance(data, bytes) and data is not None:
        names = {"image": place.image, "web": place.web, "closed": place.closed}
        text = json.dumps(data)
        for name, value in (names | {"gpu": place.stack.gpu}).items():
            text = text.replace(f"{{{name}}}", value)
        data = text.encode()
    headers = {**JSON, **case.headers} if case.method == "POST" else dict(case.headers)
    url = URL(place.stack.gpu + case.path, encoded="%" in case.path)
    sent = None if data is None else io.BytesIO(data)
    answer = await place.stack.http.request(case.method, url, data=sent, headers=headers)
    await answer.read()
    return answer


async def check(place: Place, case: Case) -> None:
    answer = await send(place, case)
    text = await answer.text()
    assert answer.status == case.status, text
    assert answer.content_type == "application/problem+json"
    problem = Problem.model_validate_json(text)
    assert (problem.status, problem.code) == (case.status, case.code), text
    assert problem.field == case.field, text
    assert problem.retryable is False
    assert len(problem.detail) > 10
    assert case.says in problem.detail
    assert bool(problem.fix) or not case.fix, text
    assert len(text) < 8000, "an answer does not repeat what was sent"
    assert "169.254" not in problem.detail + (problem.fix or "") or "169.254" in str(case.body)
    await nothing_is_queued(place)


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS)
async def test_a_wrong_request(place: Place, case: Case) -> None:
    await check(place, case)


@pytest.mark.parametrize("case", UPLOADS.values(), ids=UPLOADS)
async def test_a_wrong_upload(place: Place, case: Case) -> None:
    await check(place, case)


@pytest.mark.parametrize("case", ADDRESSES.values(), ids=ADDRESSES)
async def test_a_wrong_address(place: Place, case: Case) -> None:
    await check(place, case)


async def test_a_method_that_is_not_allowed_is_told_which_is(place: Place) -> None:
    answer = await send(place, ADDRESSES["reading a submit"])
    assert "POST" in (await answer.json())["fix"]


async def test_a_second_image_is_named_when_it_is_the_wrong_one(place: Place) -> None:
    await check(
        place,
        Case(
            path="/api/v1/qwen-image-edit/tasks",
            body={"image_url": "{image}", "prompt": "x", "image2_url": "{web}/page.png"},
            code="image_rejected",
            field="image2_url",
        ),
    )


async def test_every_fault_of_a_request_is_told_at_once(place: Place) -> None:
    answer = await send(place, Case(body=camera(zoom=9, steps=0, colour=1)))
    errors = (await answer.json())["errors"]
    assert {error["field"] for error in errors} == {"zoom", "steps", "colour"}


async def test_loopback_is_refused_unless_it_is_allowed(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("strict")
    async with running_stack(root, NOOP, poll_seconds=0.1) as strict:
        elsewhere = Place(strict, "", place.web, place.closed)
        for url in ("{web}/good.png", "{closed}/a.png", "http://localhost:1/a.png"):
            await check(elsewhere, image(url, "url_refused"))


async def test_a_bomb_costs_little(place: Place) -> None:
    """177 megapixels decoded would take half a gigabyte and seconds."""
    with within(2):
        await asyncio.gather(*(check(place, UPLOADS["bomb"]) for _ in range(4)))
