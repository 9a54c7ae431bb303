"""What is done at the command line, in the audit: once before it is done, once when it is."""

import contextlib
import getpass
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from short_drama.cli.exits import Problem
from short_drama.domain.audit import BEGUN, DONE, AuditLine, shown
from short_drama.domain.errors import ShortDramaError
from short_drama.ports import AuditLog


@dataclass(slots=True)
class Doing:
    """An action under way, to be told what becomes of parts of it."""

    audit: AuditLog
    line: AuditLine

    async def tell(self, target: str, outcome: str = DONE, about: str = "") -> None:
        line = self.line.on(target, about)
        await self.audit.append(replace(line, at=time.time(), outcome=outcome))


@contextlib.asynccontextmanager
async def audited(
    audit: AuditLog, action: str, target: str = "", about: str = ""
) -> AsyncIterator[Doing]:
    """Around the action: without its first line it is not begun, and a kill leaves that one.

    Raises Unavailable.
    """
    line = line_here(action, target, about)
    await audit.append(replace(line, outcome=BEGUN))
    doing = Doing(audit, line)
    try:
        yield doing
    except Exception as error:
        await audit.append(replace(line, at=time.time(), outcome=_outcome(error)))
        raise
    await audit.append(replace(line, at=time.time()))


def line_here(action: str, target: str = "", about: str = "") -> AuditLine:
    """Of whoever runs this process."""
    return AuditLine(
        at=time.time(), action=action, origin=_whoever(), target=shown(target), about=about
    )


def _whoever() -> str:
    """`cli:user@host`, and on whose behalf, where sudo says."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        user = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "")
    by = f" for {behind}" if behind and behind.isprintable() and len(behind) <= 40 else ""
    return f"cli:{user}@{socket.gethostname()}{by}"


def _outcome(error: Exception) -> str:
    if isinstance(error, ShortDramaError):
        return error.code
    return "refused" if isinstance(error, Problem) else "failed"
