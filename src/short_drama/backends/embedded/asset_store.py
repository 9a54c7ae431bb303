"""Assets as files, each with its content type and metadata in a small file beside it.

A file appears under its key whole or not at all: it is written under a temporary name, flushed to
the disk, and then linked to its key, under the lock of its folder.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from short_drama.backends.embedded.disk import trouble_with, try_to_write
from short_drama.complaints import About, Complaints
from short_drama.domain.errors import AssetNotFound, Unavailable
from short_drama.ports import AssetExists, AssetInfo

_LONGEST_NAME = 255
"""Bytes that file systems allow in one name."""


class EmbeddedAssetStore:
    """Implements `ports.AssetStore`. `public_url` is where a web server shows `root`."""

    def __init__(
        self, root: Path, *, public_url: str, complaints: Complaints | None = None
    ) -> None:
        self._root, self._files, self._facts = root, root / "files", root / "facts"
        self._complaints = complaints or Complaints()
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

    async def try_to_write(self) -> None:
        """Raises Unavailable."""
        await asyncio.to_thread(self._try_to_write)

    # --- In threads ------------------------------------------------------------------------

    def _put(self, key: str, data: bytes, facts: bytes) -> None:
        target, beside = self._path(self._files, key), self._path(self._facts, key)
        if target.exists():
            raise AssetExists(key)
        try:
            with _written(target, data) as file, _written(beside, facts) as facts_file:
                with _locked(target.parent):
                    if target.exists():
                        raise AssetExists(key)
                    # Facts first: an asset that can be seen has them. A put that was cut short
                    # may have left others.
                    facts_file.replace(beside)
                    _flush(beside.parent)
                    target.hardlink_to(file)
                _flush(target.parent)
        except OSError as error:
            raise self._complained("write", "written", error) from error
        self._complaints.answered("files", "write")

    def _try_to_write(self) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            try_to_write(self._root)
        except OSError as error:
            raise self._complained("write", "written", error) from error
        self._complaints.answered("files", "write")

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
            found = self._path(folder, key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise _not_found(key) from None
        except OSError as error:
            raise self._complained("read", "read", error) from error
        self._complaints.answered("files", "read")
        return found

    def _complained(self, what: str, done: str, error: OSError) -> Unavailable:
        words = f"the asset folder cannot be {done}"
        cause, trouble = trouble_with(words, self._root.parent, error)
        about = About(part="assets", cause=cause, scope=("files", what))
        self._complaints.refused(trouble, about)
        return trouble

    def _path(self, folder: Path, key: str) -> Path:
        parts = PurePosixPath(key).parts
        longest = max((len(part.encode()) for part in parts), default=0)
        if key.startswith("/") or ".." in parts or "\0" in key or len(key) > 900:
            raise _not_found(key)
        if not 1 <= longest <= _LONGEST_NAME:
            raise _not_found(key)
        return folder.joinpath(*parts)


def _not_found(key: str) -> AssetNotFound:
    return AssetNotFound(f"there is no asset {key[:200]!r}", fix="Upload it first.")


@contextlib.contextmanager
def _written(path: Path, data: bytes) -> Iterator[Path]:
    """A file of the data, on the disk under a temporary name beside `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other threads and processes that do the same out; closing unlocks."""
    with _opened(folder) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _flush(folder: Path) -> None:
    """Make the folder's names durable."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)
