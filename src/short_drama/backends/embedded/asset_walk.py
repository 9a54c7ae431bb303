"""The asset folder, walked: what lies there, how old it is, and what is deleted of it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from short_drama.backends.embedded.folder_lock import locked

FILES, FACTS = "files", "facts"


class Found(NamedTuple):
    """`key`: of an asset, or of what is left of one; a name that begins with a dot is of a file
    that was being written. `modified`: in Unix seconds, when it was put or renewed."""

    key: str
    size: int
    modified: float

    @property
    def is_unfinished(self) -> bool:
        return self.key.rpartition("/")[2].startswith(".")


def walk(root: Path) -> Iterator[Found]:
    """Everything under the asset folder `root`, facts only where there is no file of theirs. What
    comes or goes meanwhile may be told or not."""
    yield from _walk(root / FILES)
    for facts in _walk(root / FACTS):
        if facts.is_unfinished or not (root / FILES / facts.key).exists():
            yield facts


def _walk(base: Path) -> Iterator[Found]:
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(base / folder) as entries:
                for entry in entries:
                    key = f"{folder}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{key}/")
                        continue
                    try:
                        facts = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield Found(key, facts.st_size, facts.st_mtime)
        except FileNotFoundError:
            continue


def sizes_under(root: Path, folder: str) -> Iterator[int]:
    """Bytes of each asset whose key begins with `folder`."""
    return (found.size for found in _walk(root / FILES / folder))


def delete(root: Path, key: str, *, before: float) -> bool:
    """Delete an asset, or what is left of it, unless it was put or renewed at `before` or later.

    Whoever renews it meanwhile does so under the same lock: either it is not deleted, or they are
    told that it is not there. A kill leaves a file without facts, which is as good as not there and
    found again. Raises OSError.
    """
    file, beside = root / FILES / key, root / FACTS / key
    if not file.parent.is_dir():
        return _old(beside, before) and _unlinked(beside)
    with locked(file.parent):
        if not _old(file if file.exists() else beside, before):
            return False
        return bool(sum([_unlinked(beside), _unlinked(file)]))


def delete_empty(root: Path, folder: str, *, before: float) -> None:
    """Folders right under `folder` in which nothing is, nor was changed since `before`."""
    for part in (FILES, FACTS):
        base = root / part / folder
        for path in list(base.iterdir()) if base.is_dir() else ():
            try:
                if path.stat().st_mtime < before:
                    path.rmdir()
            except OSError:
                continue  # there is something in it, or it is gone


def _old(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _unlinked(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
