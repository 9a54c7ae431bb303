"""The key that a new installation begins with, where nobody is let in without one."""

import os
import sys
import time

from short_drama.cli.audited import audited
from short_drama.cli.terminal import say
from short_drama.domain.api_keys import FIRST_FILE, Given, make
from short_drama.domain.principal import LOCAL_OWNER, Scope
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from short_drama.wiring.stack import Stack

FILE = FIRST_FILE


async def make_first_key(settings: Settings, stack: Stack) -> None:
    """A key with every scope, shown once: on the terminal, or where there is none, which may be a
    journal, in a file that only this user may read. On AWS services may not make keys.

    Raises Unavailable.
    """
    is_first = Component.ORCHESTRATOR in stack.apps  # or two processes would make one each
    if not (settings.demands_keys and is_first and settings.backend == "embedded"):
        return
    now = time.time()
    if any(key.is_valid(now) for key in await stack.backend.keys.list()):
        return
    key, given = make(owner=LOCAL_OWNER, scopes=Scope, now=now, label="made at the first start")
    async with audited(stack.backend.audit, "key.create", key.key_id, "at the first start"):
        await stack.backend.keys.add(key)
    _show(given, settings)


def _show(given: Given, settings: Settings) -> None:
    if sys.stdout.isatty():
        say(f"A key with every right, shown only now: {given}")
        return
    file = settings.data_dir / FILE
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as written:
        written.write(f"{given}\n")
    say(f"A key with every right is in {file}: read it, and delete the file.")
