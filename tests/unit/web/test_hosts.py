"""Only requests that name this service are answered: what a rebound name would ask is not."""

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from short_drama.domain.errors import InvalidRequest
from short_drama.web.hosts import HostGuard, host_name, host_names
from short_drama.web.problems import MEDIA_TYPE
from tests.unit.web.asgi import Headers, answered

OURS = ("shots.example.com", "Render-Box.")


async def open_door(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"welcome"})


guard = HostGuard(open_door, hosts=host_names(OURS))


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8080", "LOCALHOST:1", "localhost.", "localhost.:80"),
        *("127.0.0.1", "127.0.0.1:8081", "127.8.9.10", "127.0.0.1.", "127.0.0.1:"),
        *("[::1]", "[::1]:8080", "[0:0:0:0:0:0:0:1]:8000"),
        *("shots.example.com", "SHOTS.example.com:443", "shots.example.com.", "render-box"),
    ],
)
async def test_our_own_names_are_answered_on_any_port(host: str) -> None:
    assert (await answered(guard, headers=[("Host", host)])).body == b"welcome"


@pytest.mark.parametrize(
    "host",
    [
        *("attacker.example", "attacker.example:8080", "localhost.attacker.example", "xlocalhost"),
        *("127.0.0.1.attacker.example", "shots.example.com.attacker.example", "example.com"),
        *(
            "192.168.1.5",
            "0.0.0.0",
            "0",
            "2130706433",
            "[::]",
            "[::2]:8080",
            "::1",
            "[::1",
            "[::1%lo]",
        ),
        *("", " ", ":8080", ".", "localhost:80:80", "a@localhost", "localhost/x", "localhost:x"),
        *("localhost, attacker.example", "[localhost]x", "ｌocalhost"),
        *("[::1%anything]", "[::1%25lo]:80", "[localhost]", "[127.0.0.1]", "127.0.0.1%lo"),
        *("localhost:٣", "[::1]٣", "[::1]]", "[:]", "[1:2]"),
    ],
)
async def test_every_other_name_is_refused_as_a_problem(host: str) -> None:
    answer = await answered(guard, "/api/v1/tasks", headers=[("Host", host)])
    assert (answer.status, answer.headers["content-type"]) == (421, MEDIA_TYPE)
    problem = answer.json
    assert (problem["code"], problem["field"]) == ("host_refused", "Host")
    assert "SHORT_DRAMA_PUBLIC_HOSTS" in problem["fix"]
    assert problem["retryable"] is False


async def test_a_long_name_is_cut_in_the_answer() -> None:
    answer = await answered(guard, headers=[("Host", "a" * 60_000)])
    assert (answer.status, len(answer.body) < 1000) == (421, True)


async def test_without_the_header_only_clients_older_than_it_are_answered() -> None:
    assert (await answered(guard, headers=(), http_version="1.0")).status == 200
    answer = await answered(guard, headers=(), http_version="1.1")
    assert (answer.status, answer.json["detail"]) == (421, "the request names no host")


@pytest.mark.parametrize("others", [["localhost", "attacker.example"], ["localhost"] * 2])
async def test_two_headers_are_refused(others: list[str]) -> None:
    headers: Headers = [("Host", host) for host in others]
    assert (await answered(guard, headers=headers)).status == 421


async def test_without_configuration_only_this_machines_names_are_answered() -> None:
    bare = HostGuard(FastAPI(), hosts=host_names(()))
    assert (await answered(bare, headers=[("Host", "shots.example.com")])).status == 421


@pytest.mark.parametrize("host", ["https://shots.example.com", "a b", "", "[::1"])
def test_what_is_no_host_name_cannot_be_configured(host: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        host_names([host])
    assert refused.value.fix


def test_a_host_is_compared_without_port_case_and_final_dot() -> None:
    assert host_name("Shots.Example.com.:8080") == "shots.example.com"
    assert host_name("[FE80::1]:80") == "fe80::1"
