"""Assets as files, each with its content type and metadata behind its bytes.

A file appears under its key whole or not at all: it is written under a temporary name, flushed to
the disk, and then given its key's, under the lock of its folder, which is flushed in its turn. What
is no longer as it was put is as good as not there: it is not handed out, and may be put again.
"""

import asyncio
import contextlib
import logging
import math
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from short_drama.backends.embedded import asset_walk
from short_drama.backends.embedded.asset_facts import AssetFacts
from short_drama.backends.embedded.disk import require_room, trouble_with, try_to_write
from short_drama.backends.embedded.folder_lock import locked, opened
from short_drama.backends.embedded.lately_read import LatelyRead
from short_drama.backends.embedded.upload_quota import UploadQuota
from short_drama.complaints import About, Complaints
from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound, Unavailable
from short_drama.ports import AssetExists, AssetInfo

log = logging.getLogger(__name__)

_LONGEST_NAME: Final = 255
"""Bytes that file systems allow in one name."""
_FRESH_SECONDS: Final = 3600.0
"""What was put or renewed that lately need not be again: nothing is deleted within a day of it."""
_PLACES: Final = 1024
"""Of files that were asked for lately, kept: making one of a key takes as long as a look at it."""
_PIECE: Final = 2**20
_SHOWN: Final = 64 * 1024
"""Bytes at a time, of which one or two wait for each reader."""
_SHOWN_AT_ONCE: Final = 2
"""Pieces: all else that is done in threads would wait behind those of a crowd of readers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An asset's file, open at its beginning; `size` counts the asset's bytes. `status` is from
    before anything was read."""

    file: BinaryIO
    status: os.stat_result
    facts: AssetFacts
    size: int

    def pieces(self) -> Iterator[bytes]:
        left = self.size
        while left > 0 and (piece := self.file.read(min(left, _PIECE))):
            left -= len(piece)
            yield piece


class EmbeddedAssetStore:
    """Implements `ports.AssetStore`. `public_url` is where a web server shows `root`;
    `most_uploads`, `most_uploads_each`: bytes that all of them may take, and those of one owner; 0
    is no limit."""

    def __init__(
        self,
        root: Path,
        *,
        public_url: str,
        complaints: Complaints | None = None,
        most_uploads: int = 0,
        most_uploads_each: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._quota = UploadQuota(root, most=most_uploads, most_each=most_uploads_each)
        self._root, self._files, self._facts = root, root / "files", root / "facts"
        self._complaints = complaints or Complaints()
        self._public_url = public_url.rstrip("/")
        self._known_damaged: set[str] = set()
        self._showing = asyncio.Semaphore(_SHOWN_AT_ONCE)
        self._looked_at: LatelyRead[AssetInfo] = LatelyRead()
        self._read_through: LatelyRead[AssetInfo] = LatelyRead()
        self._file_of = lru_cache(_PLACES)(partial(self._path, self._files))

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

    async def pieces(self, key: str) -> AsyncIterator[bytes]:
        await self.inspect(key)
        at = 0
        while piece := await self._shown(key, at):
            yield piece
            at += len(piece)

    async def _shown(self, key: str, at: int) -> bytes:
        async with self._showing:
            return await asyncio.to_thread(self._piece, key, at)

    # The file is looked at here and now, which takes microseconds, and is mostly all there is to
    # do: handing that to a thread takes a hundred.

    async def head(self, key: str) -> AssetInfo:
        if (told := self._looked_at.told(key, self._status(key))) is not None:
            return told
        return await asyncio.to_thread(self._head, key)

    async def inspect(self, key: str) -> AssetInfo:
        if (told := self._read_through.told(key, self._status(key))) is not None:
            return told
        return await asyncio.to_thread(self._inspect, key)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._delete, key)

    async def renew(self, key: str) -> None:
        if self._clock() - self._status(key).st_mtime > _FRESH_SECONDS:
            await asyncio.to_thread(self._renew, key)

    def url(self, key: str) -> str:
        return f"{self._public_url}/{key}"

    async def try_to_write(self) -> None:
        """Raises Unavailable."""
        await asyncio.to_thread(self._try_to_write)

    def _status(self, key: str) -> os.stat_result:
        """Its `st_mtime` is when it was put or renewed."""
        try:
            return self._file_of(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise _not_found(key) from None
        except OSError as error:
            raise self._complained("read", "read", error) from error

    # --- In threads ------------------------------------------------------------------------

    def _renew(self, key: str) -> None:
        """Under the lock of whoever deletes what is old: it is either renewed, or not there."""
        file, now = self._path(self._files, key), self._clock()
        try:
            with locked(file.parent):
                os.utime(file, (now, now))
        except FileNotFoundError:
            raise _not_found(key) from None
        except OSError as error:
            raise self._complained("write", "written", error) from error

    def _delete(self, key: str) -> None:
        try:
            self._path(self._files, key)
            asset_walk.delete(self._root, key, before=math.inf)
        except AssetNotFound:
            return  # nothing could ever have been put under such a key
        except OSError as error:
            raise self._complained("write", "written", error) from error
        self._looked_at.forget(key)
        self._read_through.forget(key)

    def _put(self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        target = self._path(self._files, key)
        if self._is_sound(key):
            raise AssetExists(key)
        if key.startswith(asset_keys.UPLOADS_PREFIX):
            require_room(self._root.parent, beside=len(data))
            self._require_quota(key, len(data))
        facts = AssetFacts.of(data, content_type=content_type, metadata=metadata).written()
        try:
            with _written(target, data, facts) as file:
                with locked(target.parent):
                    if self._is_sound(key):
                        raise AssetExists(key)
                    file.replace(target)
                _flush(target.parent)
            # Of a damaged asset from before facts stood behind the bytes.
            self._path(self._facts, key).unlink(missing_ok=True)
        except OSError as error:
            raise self._complained("write", "written", error) from error
        self._complaints.answered("files", "write")

    def _require_quota(self, key: str, size: int) -> None:
        try:
            self._quota.take(size, key=key)
        except OSError as error:
            raise self._complained("read", "read", error) from error

    def _try_to_write(self) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            try_to_write(self._root)
        except OSError as error:
            raise self._complained("write", "written", error) from error
        self._complaints.answered("files", "write")

    def _get(self, key: str) -> bytes:
        with self._opened(key) as found:
            data = found.file.read(found.size)
            if not found.facts.fit([data], len(data)):
                raise self._damaged(key)
        return data

    def _piece(self, key: str, at: int) -> bytes:
        """Opened anew: who reads slowly holds no descriptor."""
        with self._opened(key) as found:
            found.file.seek(at)
            return found.file.read(min(_SHOWN, max(0, found.size - at)))

    def _head(self, key: str) -> AssetInfo:
        with self._opened(key) as found:
            if not found.facts.may_fit(found.size):
                raise self._damaged(key)
            return self._noted(key, found, self._looked_at)

    def _inspect(self, key: str) -> AssetInfo:
        with self._opened(key) as found:
            if (told := self._read_through.told(key, found.status)) is not None:
                return told
            if not found.facts.fit(found.pieces(), found.size):
                raise self._damaged(key)
            return self._noted(key, found, self._read_through)

    def _noted(self, key: str, found: _Found, by: LatelyRead[AssetInfo]) -> AssetInfo:
        facts = found.facts
        info = AssetInfo(
            key=key, size=found.size, content_type=facts.content_type, metadata=facts.metadata
        )
        by.note(key, found.status, info)
        return info

    def _is_sound(self, key: str) -> bool:
        """Whether it is there, and as it was put."""
        try:
            self._inspect(key)
        except AssetNotFound:
            return False
        return True

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[_Found]:
        try:
            with self._path(self._files, key).open("rb") as file:
                status = os.fstat(file.fileno())
                facts, size = AssetFacts.at_the_end_of(file)
                facts = facts or self._facts_beside(key)
                yield _Found(file=file, status=status, facts=facts, size=size)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise _not_found(key) from None
        except ValueError:
            raise self._damaged(key) from None
        except OSError as error:
            raise self._complained("read", "read", error) from error
        self._complaints.answered("files", "read")

    def _facts_beside(self, key: str) -> AssetFacts:
        """Of an asset from before they stood behind the bytes. Raises ValueError where there are
        none: the asset's end is missing."""
        try:
            return AssetFacts.read(self._path(self._facts, key).read_bytes())
        except FileNotFoundError as error:
            raise ValueError("there are no facts") from error

    def _damaged(self, key: str) -> AssetNotFound:
        """Said once of each; what is kept of a job is made or asked for again like what is not."""
        self._looked_at.forget(key)
        self._read_through.forget(key)
        if key not in self._known_damaged:
            self._known_damaged.add(key)
            log.error("an asset is damaged", extra={"key": key})
        return AssetNotFound(
            f"the asset {key[:200]!r} is damaged",
            fix="Upload the same picture again, which mends it, or restore it from a backup.",
        )

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
    return AssetNotFound(
        f"there is no asset {key[:200]!r}",
        fix="Upload it first, or again: what no task names any more is deleted.",
    )


@contextlib.contextmanager
def _written(path: Path, *parts: bytes) -> Iterator[Path]:
    """A file of the parts, on the disk under a temporary name beside `path`."""
    _make(path.parent)
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    """As durable as what is put into it."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _flush(folder: Path) -> None:
    """Make the folder's names durable."""
    with opened(folder) as descriptor:
        os.fsync(descriptor)
