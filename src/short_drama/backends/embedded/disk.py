"""What is wrong with the data directory, where it is, and how much room it has."""

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from short_drama.domain.errors import Unavailable

LEAST_FREE: Final = 32 * 2**20
"""Bytes. With less, no lane begins what it could not store: a result may have tens of megabytes.
No upload takes of them: what is accepted already is to be stored first."""


class _Cure(NamedTuple):
    """`signs`: what the system or SQLite says, in lower case."""

    cause: str
    signs: tuple[str, ...]
    fix: str


_FULL = _Cure(
    "full",
    ("no space left", "disk is full", "quota exceeded", "file too large"),
    "Free space there, or give another data directory with SHORT_DRAMA_DATA_DIR; everything goes "
    "on by itself.",
)
_CURES: Final = (
    _FULL,
    _Cure(
        "read-only",
        ("read-only", "readonly", "permission denied", "not permitted", "unable to open"),
        "Let the user that runs short-drama write there (`ls -ld` shows who may, `mount` whether "
        "the disk is mounted read-only), or give another one with SHORT_DRAMA_DATA_DIR.",
    ),
    _Cure(
        "locked",
        ("locked", "busy"),
        "Another program holds the database: end it (`fuser -v tasks.db` names it). A backup "
        "must not hold it for longer than 10 s.",
    ),
    _Cure(
        "damaged",
        ("malformed", "not a database", "corrupt"),
        "Stop everything, keep a copy of the directory, and restore the last backup.",
    ),
)
_OTHER = _Cure("failing", (), "Look at the disk: `dmesg` tells of errors, `df` of room.")


def trouble_with(
    what: str, folder: Path, error: OSError | sqlite3.Error
) -> tuple[str, Unavailable]:
    """Its kind, and how to say it. `what` could not be done in `folder`."""
    said = getattr(error, "strerror", None) or str(error)
    cure = next((one for one in _CURES if any(sign in said.lower() for sign in one.signs)), _OTHER)
    if cure is _OTHER and _free(folder) < 2**20:
        cure = _FULL  # SQLite calls some of those an I/O error
    return cure.cause, Unavailable(f"{what}: {said} ({room(folder)})", fix=cure.fix)


def room(folder: Path) -> str:
    """How much is free, for a sentence."""
    return f"data directory {folder}, {_free(folder) / 2**20:.1f} MiB free"


def require_room(folder: Path, *, beside: int = 0) -> None:
    """Raises Unavailable when there is too little, or when nothing may be written. `beside`: bytes
    that are about to be."""
    if _free(folder) < LEAST_FREE + beside:
        raise Unavailable(f"the disk is almost full ({room(folder)})", fix=_FULL.fix)
    if not os.access(folder, os.W_OK):
        read_only = OSError(0, "Permission denied or read-only file system")
        raise trouble_with("nothing can be written", folder, read_only)[1]


def try_to_write(folder: Path) -> None:
    """Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(64 * 1024))
        file.flush()
        os.fsync(file.fileno())


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
