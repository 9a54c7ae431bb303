"""Ask an application without a socket, as a server would: any header, any path."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message

Headers = Sequence[tuple[str, str]]

LOCAL: Headers = (("Host", "localhost"),)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: ASGIApp,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Headers = LOCAL,
    body: bytes = b"",
    http_version: str = "1.1",
    hangs_up: bool = False,
) -> Answer | None:
    """What the application answers, if it does.

    Args:
        hangs_up: the client goes before its body has arrived.

    Raises what the application raises: a server would break off.
    """
    answers: list[Answer] = []
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if hangs_up:
            return {"type": "http.disconnect"}
        if not requests:
            await asyncio.Event().wait()
        return requests.pop()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not answers, "answered twice"
            answers.append(Answer(message["status"], _read(message.get("headers", ()))))
        else:
            answers[0].body += message.get("body", b"")

    await app(_scope(method, path, headers, http_version), receive, send)
    return answers[0] if answers else None


async def answered(app: ASGIApp, path: str = "/", **asked: Any) -> Answer:
    answer = await ask(app, path, **asked)
    assert answer is not None
    return answer


def _scope(method: str, path: str, headers: Headers, http_version: str) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "scheme": "http",
        "http_version": http_version, "method": method, "path": path, "root_path": "",
        "raw_path": path.encode(), "query_string": query.encode(), "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 50000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }  # fmt: skip


def _read(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        assert name.decode() not in found, f"{name!r} is sent twice"
        found[name.decode()] = value.decode()
    return found
