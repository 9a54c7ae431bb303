"""Assets as files, each with its content type and metadata in a small file beside it.

A file appears under its key whole or not at all: it is written under a temporary name, flushed to
the disk, and then given its key's, under the lock of its folder. What is no longer as it was put is
as good as not there: it is not handed out, and may be put again.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from short_drama.backends.embedded.asset_facts import AssetFacts
from short_drama.backends.embedded.disk import require_room, trouble_with, try_to_write
from short_drama.complaints import About, Complaints
from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound, Unavailable
from short_drama.ports import AssetExists, AssetInfo

log = logging.getLogger(__name__)

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
        self._known_damaged: set[str] = set()

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        await asyncio.to_thread(self._put, key, data, content_type, metadata or {})

    async def get(self, key: str) -> bytes:
        return await asyncio.to_thread(self._get, key)

    async def head(self, key: str) -> AssetInfo:
        return await asyncio.to_thread(self._head, key)

    def url(self, key: str) -> str:
        return f"{self._public_url}/{key}"

    async def try_to_write(self) -> None:
        """Raises Unavailable."""
        await asyncio.to_thread(self._try_to_write)

    # --- In threads ------------------------------------------------------------------------

    def _put(self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        target, beside = self._path(self._files, key), self._path(self._facts, key)
        if self._is_sound(key):
            raise AssetExists(key)
        if key.startswith(asset_keys.UPLOADS_PREFIX):
            require_room(self._root.parent, beside=len(data))
        facts = AssetFacts.of(data, content_type=content_type, metadata=metadata).written()
        try:
            with _written(target, data) as file, _written(beside, facts) as facts_file:
                with _locked(target.parent):
                    if self._is_sound(key):
                        raise AssetExists(key)
                    # Facts first: an asset that can be seen has them. A put that was cut short
                    # may have left others, and a disk that failed bytes that are not theirs.
                    facts_file.replace(beside)
                    _flush(beside.parent)
                    file.replace(target)
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

    def _get(self, key: str) -> bytes:
        data = self._read(self._files, key)
        if not self._facts_of(key).fit(data):
            raise self._damaged(key)
        return data

    def _head(self, key: str) -> AssetInfo:
        facts = self._facts_of(key)
        try:
            size = self._path(self._files, key).stat().st_size
        except FileNotFoundError:
            raise _not_found(key) from None
        except OSError as error:
            raise self._complained("read", "read", error) from error
        if not facts.may_fit(size):
            raise self._damaged(key)
        return AssetInfo(
            key=key, size=size, content_type=facts.content_type, metadata=facts.metadata
        )

    def _is_sound(self, key: str) -> bool:
        """Whether it is there, and as it was put."""
        try:
            self._get(key)
        except AssetNotFound:
            return False
        return True

    def _facts_of(self, key: str) -> AssetFacts:
        try:
            return AssetFacts.read(self._read(self._facts, key))
        except ValueError:
            raise self._damaged(key) from None

    def _damaged(self, key: str) -> AssetNotFound:
        """Said once of each; what is kept of a job is made or asked for again like what is not."""
        if key not in self._known_damaged:
            self._known_damaged.add(key)
            log.error("an asset is damaged", extra={"key": key})
        return AssetNotFound(
            f"the asset {key[:200]!r} is damaged",
            fix="Upload the same picture again, which mends it, or restore it from a backup.",
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
