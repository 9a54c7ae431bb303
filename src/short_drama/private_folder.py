"""Folders that nobody else on the machine may look into, or have put there for us."""

import os
import stat
from pathlib import Path

_OTHERS, _STRANGERS = 0o077, 0o007


class NotOurs(OSError):
    """The folder is another user's."""


def open_private(folder: Path) -> int:
    """A descriptor of it: made if it is not there, this user's, and closed to all others.

    Raises OSError: NotOurs, or when it is a link or no folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise NotOurs(0, "it belongs to another user")
        os.fchmod(descriptor, 0o700)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def close_to_others(folder: Path) -> None:
    """Whoever else may look into it can no longer. Another user's, that only a group may enter, is
    let be. Raises OSError: NotOurs where everybody may, and it is not for us to change."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & _OTHERS:
        return
    try:
        folder.chmod(mode & ~_OTHERS)
    except PermissionError:
        if mode & _STRANGERS:
            raise NotOurs(0, "it is another user's, and open to everybody") from None
