"""Bodies within limits."""

from collections.abc import Iterator

import pytest
from fastapi import Request
from starlette.types import Message

from short_drama.domain.errors import BodyTooLarge, InvalidRequest
from short_drama.domain.kinds import KINDS
from short_drama.web.body import MAX_JSON_BYTES, idempotency_key, read_json, read_limited

CAMERA = KINDS["camera-angle"].task_request


class Sent:
    """A request whose pieces are counted as they are read."""

    def __init__(self, pieces: Iterator[bytes], **headers: str) -> None:
        self._pieces, self.read = pieces, 0
        given = {"content-type": "application/json", **headers}
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
        self.request = Request({"type": "http", "headers": pairs}, self._receive)

    async def _receive(self) -> Message:
        piece = next(self._pieces, b"")
        self.read += 1
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}


async def test_a_length_over_the_limit_is_refused_unread() -> None:
    for told in ("65537", "9" * 5000):
        sent = Sent(iter([b"{"]), content_length=told)
        with pytest.raises(BodyTooLarge) as refused:
            await read_json(sent.request, CAMERA)
        assert (sent.read, "65,536" in refused.value.detail) == (0, True)
        assert "/api/v1/assets" in (refused.value.fix or "")


async def test_without_a_length_no_more_is_read_than_the_limit() -> None:
    sent = Sent(b"x" * 1000 for _ in range(10**9))
    with pytest.raises(BodyTooLarge):
        await read_json(sent.request, CAMERA)
    assert sent.read == MAX_JSON_BYTES // 1000 + 1


async def test_the_fix_is_that_of_whoever_reads() -> None:
    with pytest.raises(BodyTooLarge) as refused:
        await read_limited(Sent(iter([b"12345"])).request, 4, fix="Smaller.")
    assert refused.value.fix == "Smaller."
    assert await read_limited(Sent(iter([b"12", b"34"])).request, 4, fix="") == b"1234"


def test_a_key_that_was_sent_twice_is_no_key() -> None:
    for values, told in (([b"a", b"a"], "2 times"), ([b""], "0 characters")):
        headers = [(b"idempotency-key", value) for value in values]
        with pytest.raises(InvalidRequest, match=told):
            idempotency_key(Request({"type": "http", "headers": headers}))
