"""The client's transport against a server that misbehaves in every way it must survive."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from short_drama.sdk.client import AsyncClient
from short_drama.sdk.errors import ApiError, ServiceUnreachable
from short_drama.sdk.transport import Call, Transport
from tests.deaf import deaf_address

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def fine(_: web.Request) -> web.Response:
    return web.Response(text="fine")


async def cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def silent(_: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def html(_: web.Request) -> web.Response:
    return web.Response(text="<h1>Not found</h1>", status=404)


def problem(status: int, *, retryable: bool, after: str = "7") -> Answer:
    async def answer(_: web.Request) -> web.Response:
        body = {
            "type": "/problems/p", "title": "P", "status": status, "detail": "it is so",
            "instance": "/", "code": "p", "retryable": retryable,
        }  # fmt: skip
        return web.json_response(body, status=status, headers={"Retry-After": after})

    return answer


class Script:
    """A server that gives one answer after the other, and a transport that asks it."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked = 0
        self.pauses: list[float] = []
        self.transport = Transport(timeout=0.5, sleep=self._note)
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await self.answers.pop(0)(request)

    async def _note(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def send(self, *answers: Answer, repeatable: bool = True, attempts: int = 3) -> str:
        self.answers = list(answers)
        call = Call(method="POST", path="/x", repeatable=repeatable, attempts=attempts)
        return await self.transport.send(call, [self.url], aiohttp.ClientResponse.text)


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", script.answer)
    async with TestServer(application) as server:
        script.url = str(server.make_url("")).rstrip("/")
        yield script
        await script.transport.close()


async def test_a_busy_service_is_asked_again_when_it_says(script: Script) -> None:
    assert await script.send(problem(503, retryable=True), fine) == "fine"
    assert script.pauses == [7.0]


async def test_a_service_that_asks_for_much_patience_is_not_waited_for(script: Script) -> None:
    with pytest.raises(ApiError, match="it is so"):
        await script.send(problem(503, retryable=True, after="60"), fine)
    assert script.pauses == []


@pytest.mark.parametrize("failure", [cut, silent])
async def test_a_lost_answer_is_asked_for_again(script: Script, failure: Answer) -> None:
    assert await script.send(failure, fine) == "fine"
    assert len(script.pauses) == 1


@pytest.mark.parametrize("failure", [cut, silent, problem(503, retryable=True)])
async def test_what_is_not_safe_to_repeat_is_not_repeated(script: Script, failure: Answer) -> None:
    with pytest.raises((ServiceUnreachable, ApiError)):
        await script.send(failure, fine, repeatable=False)
    assert script.asked == 1


@pytest.mark.parametrize(
    "refusal", [problem(422, retryable=False), problem(503, retryable=False), html]
)
async def test_a_refusal_is_final(script: Script, refusal: Answer) -> None:
    with pytest.raises(ApiError):
        await script.send(refusal, fine)
    assert script.asked == 1


async def test_a_service_that_stays_busy_is_an_api_error(script: Script) -> None:
    busy = problem(503, retryable=True, after="soon")
    with pytest.raises(ApiError, match="it is so"):
        await script.send(busy, busy, busy)
    assert script.asked == 3


async def test_silence_has_a_limit_and_is_named(script: Script) -> None:
    with pytest.raises(ServiceUnreachable, match=r"no answer within 0\.5 seconds"):
        await script.send(silent, attempts=1)


async def test_an_answer_of_somebody_else_is_recognised(script: Script) -> None:
    with pytest.raises(ApiError) as error:
        await script.send(html)
    assert (error.value.code, error.value.problem.status) == ("unexpected_answer", 404)


async def test_nobody_there_is_repeated_even_if_the_call_may_not_be(script: Script) -> None:
    call = Call(method="POST", path="/x", repeatable=False, attempts=4)
    script.answers = [fine]
    with deaf_address() as gone:
        text = await script.transport.send(call, [gone, script.url], aiohttp.ClientResponse.text)
        assert text == "fine"
        with pytest.raises(ServiceUnreachable, match="refused") as error:
            await script.transport.send(call, [gone], aiohttp.ClientResponse.text)
    assert error.value.url == gone
    assert len(script.pauses) == 1 + 3


async def half(request: web.Request) -> web.StreamResponse:
    """A download that breaks off in the middle."""
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return answer


async def test_a_download_that_breaks_off_is_begun_again(script: Script, tmp_path: Path) -> None:
    script.answers = [half, fine]
    async with AsyncClient() as client:
        file = await client.download(f"{script.url}/result.png", tmp_path / "result.png")
    assert file.read_bytes() == b"fine"


async def test_a_download_that_never_comes_whole_leaves_nothing(
    script: Script, tmp_path: Path
) -> None:
    script.answers = [half, half]
    async with AsyncClient(attempts=2) as client:
        with pytest.raises(ServiceUnreachable, match="the connection was lost"):
            await client.download(f"{script.url}/result.png", tmp_path / "result.png")
    assert names_in(tmp_path) == []


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_submit_whose_answer_is_lost_is_repeated_under_its_own_key(script: Script) -> None:
    keys: list[str] = []

    async def lose(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        return await cut(request)

    async def accept(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        urls = {"self": "s", "events": "e", "cancel": "c"}
        body = {"task_id": "t-1", "status": "pending", "message": "", "urls": urls}
        return web.json_response(body, status=202)

    script.answers = [lose, accept, accept]
    async with AsyncClient(gpu_url=script.url) as client:
        for _ in range(2):
            accepted = await client.submit("camera-angle", {"image_url": "asset:x", "zoom": 1})
            assert accepted.task_id == "t-1"
    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]


async def test_no_address_is_unreachable_at_once(script: Script) -> None:
    call = Call(method="GET", path="/x", repeatable=True, attempts=4)
    with pytest.raises(ServiceUnreachable, match="not an address"):
        await script.transport.send(call, ["nonsense"], aiohttp.ClientResponse.text)
    assert script.pauses == []


async def test_a_key_is_shown_to_its_services_and_nobody_else(script: Script) -> None:
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(text="fine")

    stranger = web.Application()
    stranger.router.add_get("/{path:.*}", note)
    async with TestServer(stranger, host="127.0.0.1") as elsewhere:
        away = str(elsewhere.make_url("/x"))

        async def redirect(request: web.Request) -> web.Response:
            await note(request)
            raise web.HTTPFound(away)

        transport = Transport(timeout=5, key="sd_canary", trusted=[script.url])
        call = Call(method="GET", path="", repeatable=True, attempts=1)
        script.answers = [redirect, note]
        for url in (script.url, script.url, away):
            await transport.send(call, [url], aiohttp.ClientResponse.read)
        await transport.close()
    assert seen == ["Bearer sd_canary", None, "Bearer sd_canary", None]


@pytest.mark.parametrize("key", ["two words", "a\nb", "密钥"])
def test_what_is_no_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as refused:
        Transport(timeout=1, key=key)
    assert key not in str(refused.value)
