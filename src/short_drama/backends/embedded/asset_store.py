"""Assets as files, each with its content type and metadata in a small file beside it.

A file appears under its key whole or not at all: it is written under a temporary name, flushed to
the disk, and then linked to its key, which fails when the key is taken.
"""

import asyncio
import contextlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from short_drama.domain.errors import AssetNotFound, Unavailable
from short_drama.ports import AssetExists, AssetInfo


class EmbeddedAssetStore:
    """Implements `ports.AssetStore`. `public_url` is where a web server shows `root`."""

    def __init__(self, root: Path, *, public_url: str) -> None:
        self._files, self._facts = root / "files", root / "facts"
        self._public_url = public_url.rstrip("/")

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        facts = json.dumps({"content_type": content_type, "metadata": dict(metadata or {})})
        await asyncio.to_thread(self._put, key, data, facts.encode())

    async def get(self, key: str) -> bytes:
        return await asyncio.to_thread(self._read, self._files, key)

    async def head(self, key: str) -> AssetInfo:
        return await asyncio.to_thread(self._head, key)

    def url(self, key: str) -> str:
        return f"{self._public_url}/{key}"

    # --- In threads ------------------------------------------------------------------------

    def _put(self, key: str, data: bytes, facts: bytes) -> None:
        target = self._path(self._files, key)
        if target.exists():
            raise AssetExists(key)
        try:
            # Facts first: an asset that can be seen has them. The loser of a race for the key
            # must not change the winner's facts, so they are created exclusively as well.
            with contextlib.suppress(FileExistsError):
                _create(self._path(self._facts, key), facts)
            _create(target, data)
        except FileExistsError:
            raise AssetExists(key) from None
        except OSError as error:
            raise Unavailable(f"the asset folder cannot be written: {error.strerror}") from error

    def _head(self, key: str) -> AssetInfo:
        facts = json.loads(self._read(self._facts, key))
        try:
            size = self._path(self._files, key).stat().st_size
        except FileNotFoundError:
            raise _not_found(key) from None
        return AssetInfo(
            key=key,
            size=size,
            content_type=facts["content_type"],
            metadata=facts["metadata"],
        )

    def _read(self, folder: Path, key: str) -> bytes:
        try:
            return self._path(folder, key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise _not_found(key) from None
        except OSError as error:
            raise Unavailable(f"the asset folder cannot be read: {error.strerror}") from error

    def _path(self, folder: Path, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\0" in key or len(key) > 900:
            raise _not_found(key)
        return folder.joinpath(*parts)


def _not_found(key: str) -> AssetNotFound:
    return AssetNotFound(f"there is no asset {key[:200]!r}", fix="Upload it first.")


def _create(path: Path, data: bytes) -> None:
    """Create the file durably, or raise FileExistsError; never leave half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
