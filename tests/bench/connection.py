"""An HTTP/1.1 client that costs next to nothing, so that what is measured is the server."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Connection:
    """Kept alive; one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, url: str) -> "Connection":
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def post(self, path: str, body: bytes, *headers: str) -> dict[str, Any]:
        """The answer's JSON object. Raises RuntimeError for any status but 2xx."""
        return await self._ask("POST", path, body, f"Content-Length: {len(body)}", *headers)

    async def get(self, path: str, *headers: str) -> dict[str, Any]:
        """As `post`."""
        return await self._ask("GET", path, b"", *headers)

    async def _ask(self, method: str, path: str, body: bytes, *headers: str) -> dict[str, Any]:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        answer: dict[str, Any] = json.loads(await self.reader.readexactly(length))
        if not head.startswith(b"http/1.1 2"):
            raise RuntimeError(f"{method} {path}: {head!r} {answer}")
        return answer

    def close(self) -> None:
        self.writer.close()
