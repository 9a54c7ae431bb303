"""What a service manager tells the process that it starts, see sd_notify(3) and systemd.exec(5)."""

import os
from pathlib import Path
from typing import NamedTuple


class Unit(NamedTuple):
    """`notify`: the socket's address, None without a manager; `watchdog`: seconds, None without."""

    notify: str | None
    watchdog: float | None


def unit() -> Unit:
    """This process's. A watchdog that is another process's is none, and so is what is no number."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    notify = address if address[:1] in ("/", "@") and len(address) > 1 else None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    watched = ours and microseconds.isdecimal() and int(microseconds) > 0
    return Unit(notify, int(microseconds) / 1e6 if watched else None)


def credentials_folder() -> Path | None:
    """Where the secrets are that the manager hands over, one in each file."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None
