"""Pages of other sites change nothing here; programs and our own pages are let in."""

import pytest
from starlette.types import Receive, Scope, Send

from short_drama.web.hosts import host_names
from short_drama.web.origins import OriginGuard
from short_drama.web.problems import MEDIA_TYPE
from tests.unit.web.asgi import answered

OURS = ("Host", "localhost:8080")


async def open_door(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"welcome"})


guard = OriginGuard(open_door, hosts=host_names(["shots.example.com"]))

UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "post", "PURGE"]

FOREIGN = [
    *("https://evil.example", "http://evil.example:8080", "null", "", "file://", "http://"),
    *("http://localhost", "http://localhost:8081", "https://localhost:443", "localhost:8080"),
    *("http://localhost.evil.example:8080", "http://localhost:8080.evil.example"),
    *("http://evil.example@localhost:8080", "http://localhost:8080/", "ftp://localhost:8080"),
    *("http://shots.example.com", "https://shots.example.com.evil.example", "https://x"),
    *("chrome-extension://abcdef", "http://127.0.0.1", "http://192.168.1.5:8080", "http://[::"),
    "http://localhost:8080, https://evil.example",
]

OWN = [
    *("http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"),
    *("HTTP://LOCALHOST:8080", "https://shots.example.com", "https://shots.example.com:8443"),
]


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "", "soon-invented"])
async def test_what_browsers_say_is_another_sites_is_refused(method: str, site: str) -> None:
    headers = [OURS, ("Sec-Fetch-Site", site)]
    assert (await answered(guard, method=method, headers=headers)).status == 403


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_origin_is_refused_as_a_problem(origin: str) -> None:
    headers = [OURS, ("Origin", origin), ("Sec-Fetch-Site", "same-origin")]
    answer = await answered(guard, "/api/v1/assets", method="POST", headers=headers)
    assert (answer.status, answer.headers["content-type"]) == (403, MEDIA_TYPE)
    problem = answer.json
    assert (problem["code"], problem["field"]) == ("origin_refused", "Origin")
    assert "SHORT_DRAMA_PUBLIC_HOSTS" in problem["fix"]
    assert problem["retryable"] is False


@pytest.mark.parametrize("origin", OWN)
async def test_our_own_pages_are_let_in(origin: str) -> None:
    headers = [OURS, ("Origin", origin), ("Sec-Fetch-Site", "same-origin")]
    assert (await answered(guard, method="POST", headers=headers)).body == b"welcome"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("127.0.0.1", "https://localhost:443"),
        ("[::1]:9", "http://[::1]:9"),
    ],
)
async def test_a_port_may_be_its_schemes_own(host: str, origin: str) -> None:
    headers = [("Host", host), ("Origin", origin)]
    assert (await answered(guard, method="POST", headers=headers)).status == 200


async def test_programs_say_nothing_of_pages_and_are_let_in() -> None:
    for method in UNSAFE:
        assert (await answered(guard, method=method, headers=[OURS])).status == 200


async def test_one_foreign_origin_of_two_is_enough() -> None:
    headers = [OURS, ("Origin", "http://localhost:8080"), ("Origin", "https://evil.example")]
    assert (await answered(guard, method="POST", headers=headers)).status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_whoever_only_reads_is_not_asked(method: str) -> None:
    headers = [OURS, ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
    assert (await answered(guard, method=method, headers=headers)).status == 200


async def test_a_long_origin_is_cut_in_the_answer() -> None:
    headers = [OURS, ("Origin", "https://" + "a" * 60_000)]
    answer = await answered(guard, method="POST", headers=headers)
    assert (answer.status, len(answer.body) < 1000) == (403, True)
