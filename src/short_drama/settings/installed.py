"""The settings of the services that are installed on this host, for whoever is none of them."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from short_drama.domain.errors import InvalidRequest

FOLDER: Final = Path("/etc/short-drama")
"""Where deploy/setup_services.sh keeps them; its units read them there."""
CREDENTIALS: Final = FOLDER / "credentials"
_OF_THE_UNITS: Final = {
    "SHORT_DRAMA_DATA_DIR": "/var/lib/short-drama",
    "SHORT_DRAMA_CACHE_DIR": "/var/cache/short-drama",
    "CREDENTIALS_DIRECTORY": str(CREDENTIALS),
}
"""What deploy/systemd/common.conf sets, and where the files are that systemd hands over."""


def take_on(file: Path = FOLDER / "short-drama.env") -> None:
    """Make what the services are given this process's own, but for what it was given itself.

    Raises InvalidRequest when there is no such file, or it may not be read.
    """
    try:
        given = read(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidRequest(
            f"the installed services' settings {file} cannot be read: {reason}",
            fix="Run it as root on a host that deploy/setup_services.sh has set up.",
        ) from None
    for name, value in {**_OF_THE_UNITS, **given}.items():
        os.environ.setdefault(name, value)


def read(text: str) -> Mapping[str, str]:
    """NAME=VALUE lines as systemd reads an EnvironmentFile, see systemd.exec(5): `#` and `;` begin
    comments, quotes are taken off. Lines that are none of that are left out."""
    found = {}
    for line in map(str.strip, text.splitlines()):
        name, equals, value = line.partition("=")
        if not equals or line.startswith(("#", ";")):
            continue
        try:
            found[name.strip()] = " ".join(shlex.split(value))
        except ValueError:  # a quote that is not closed: systemd leaves it out too
            continue
    return found
