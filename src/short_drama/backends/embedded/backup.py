"""A copy of a data directory that is at work, and the way back.

The records are copied first, as they are at one moment, and then all files there are: whatever a
record of the copy names was written before it. What is old is not deleted meanwhile. The manifest
comes last, with the size and hash of every file: without one a folder is no backup.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from short_drama.backends.embedded.asset_walk import FACTS, FILES, walk
from short_drama.backends.embedded.retention import alone
from short_drama.domain.errors import InvalidRequest, Unavailable
from short_drama.images import certificate

MANIFEST: Final = "manifest.json"
_FORMAT = 1
_RECORDS: Final = "tasks.db"
_SECRETS: Final = ("secret", certificate.FILE)
_MAY_BE_THERE = {"lock", "logs"}
"""In a data directory that is empty all the same."""
_PATIENCE, _PAUSE = 600.0, 0.2
"""Seconds for which a pass that deletes what is old is waited for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Of a file: `size` in bytes."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files`: by their paths in the backup. `made_at`: in Unix seconds."""

    made_at: float
    files: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.files.values())

    def written(self) -> str:
        files = {path: [entry.size, entry.sha256] for path, entry in self.files.items()}
        return json.dumps({"format": _FORMAT, "made_at": self.made_at, "files": files})

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Raises InvalidRequest where there is none that makes sense."""
        try:
            found = json.loads((folder / MANIFEST).read_bytes())
            if found["format"] != _FORMAT:
                raise _refused(folder, f"its format is {found['format']!r}, not {_FORMAT}")
            return cls(float(found["made_at"]), dict(map(_entry, found["files"].items())))
        except OSError as error:
            raise _refused(folder, f"{MANIFEST} cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, LookupError, AttributeError):
            raise _refused(folder, f"its {MANIFEST} makes no sense") from None


def make(records: sqlite3.Connection, root: Path, target: Path) -> Manifest:
    """Copy the data directory `root` to the new folder `target`; `records`: its database, open.

    On one file system the assets are hard links: they are never written again. Raises
    InvalidRequest when there is something at `target`; Unavailable; OSError.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidRequest(
            f"there is something at {target} already", fix="Name a folder that is not there yet."
        )
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    with _nothing_deleted(root):
        made_at = time.time()
        _copy_records(records, target / _RECORDS)
        paths = [path for path in _assets(root) if _linked(root / path, target / path)]
        paths += [name for name in _SECRETS if _linked(root / name, target / name, copy=True)]
    files = {path: _entry_of(target / path) for path in (_RECORDS, *paths)}
    manifest = Manifest(made_at, files)
    unfinished = target / f".{MANIFEST}"
    unfinished.write_text(manifest.written())
    unfinished.chmod(0o600)
    unfinished.replace(target / MANIFEST)
    return manifest


def restore(source: Path, root: Path) -> Manifest:
    """Copy the backup into the data directory `root`, which the caller holds alone, and check each
    file. The records come last: without them nothing starts.

    Raises InvalidRequest when `root` is not empty, or the backup is not whole; `root` is then empty
    again. Raises OSError.
    """
    manifest = Manifest.read(source)
    there = sorted(path.name for path in root.iterdir() if path.name not in _MAY_BE_THERE)
    if there:
        raise InvalidRequest(
            f"the data directory {root} is not empty: {', '.join(there[:5])}",
            fix="Name an empty one with --data-dir, or move what is there away.",
        )
    try:
        for path in sorted(manifest.files, key=lambda path: path == _RECORDS):
            _copy_checked(source, root, path, manifest.files[path])
    except BaseException:
        _empty(root)
        raise
    return manifest


def _copy_records(records: sqlite3.Connection, path: Path) -> None:
    """All at once: a copy in parts begins anew whenever somebody writes, and in WAL mode nobody
    waits for one who reads (SQLite, online backup API and write-ahead log)."""
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as copy:
        records.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, whole by itself


def _assets(root: Path) -> Iterator[str]:
    """Paths of assets and their facts, which were there before them."""
    for found in walk(root / "assets"):
        if not found.is_unfinished:
            yield from (f"assets/{folder}/{found.key}" for folder in (FILES, FACTS))


def _linked(file: Path, target: Path, *, copy: bool = False) -> bool:
    """Whether there was such a file."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if not copy:
            target.hardlink_to(file)
            return True
    except FileNotFoundError:
        return False
    except OSError:
        pass  # another file system, or one without links
    try:
        shutil.copy2(file, target)
    except FileNotFoundError:
        return False
    return True


def _copy_checked(source: Path, root: Path, path: str, entry: Entry) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise _refused(source, f"its {MANIFEST} names {path[:200]!r}")
    copied, target = source / path, root / path
    if not copied.resolve().is_relative_to(source.resolve()) or not copied.is_file():
        raise _refused(source, f"{path} is missing")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}"[:200])
    shutil.copy2(copied, unfinished)
    if _entry_of(unfinished) != entry:
        raise _refused(source, f"{path} is damaged")
    unfinished.replace(target)


def _entry_of(path: Path) -> Entry:
    """Of what is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Entry(file.tell(), digest)


def _entry(member: tuple[str, Any]) -> tuple[str, Entry]:
    path, (size, sha256) = member
    return path, Entry(int(size), str(sha256))


def _empty(root: Path) -> None:
    for path in root.iterdir():
        if path.name in _MAY_BE_THERE:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def _nothing_deleted(root: Path) -> Iterator[None]:
    """What a record names now is there until this ends."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with alone(root) as are_we:
            if are_we:
                yield
                return
        time.sleep(_PAUSE)
    raise Unavailable("others keep deleting what is old", fix="Try again in some minutes.")


def _refused(folder: Path, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"{folder} is no backup that could be restored: {why}",
        fix="Name a folder that `short-drama backup` has made and finished.",
    )
