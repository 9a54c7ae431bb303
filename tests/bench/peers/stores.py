"""Redis and Postgres on loopback, set to lose nothing that they have acknowledged."""

import contextlib
import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.peers.processes import Program, listening, running
from tests.emulators.server import free_ports

_SERVER_USERS = "postgres", "nobody"
"""Whom Postgres is run as where we are root, as whom it refuses to run."""
_DEBIAN_POSTGRES = "/usr/lib/postgresql"


class Missing(Exception):
    """A program that has to be installed first; says how."""


def require_programs() -> None:
    if shutil.which("redis-server") is None:
        raise Missing(
            "redis-server is not on the PATH. On Debian and Ubuntu: apt-get install redis-server; "
            "the service that comes with it is not needed. The benchmark starts its own."
        )
    postgres_program("initdb")


def postgres_program(program: str) -> str:
    """Its path. Raises Missing."""
    if (found := shutil.which(program)) is not None:
        return found
    for folder in sorted(Path(_DEBIAN_POSTGRES).glob("*/bin"), reverse=True):
        if (folder / program).exists():  # Debian leaves the servers' programs off the PATH
            return str(folder / program)
    raise Missing(
        f"{program} of PostgreSQL is not on the PATH. On Debian and Ubuntu: apt-get install "
        "postgresql; the service that comes with it is not needed. The benchmark starts its own."
    )


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[tuple[Program, str]]:
    """A server, and its URL. Each command is flushed to disk before it is answered."""
    (port,), data = free_ports(1), folder / "redis"
    data.mkdir()
    where = ["--bind", "127.0.0.1", "--port", port, "--dir", data, "--save", ""]
    durable = ["--appendonly", "yes", "--appendfsync", "always"]
    with running(["redis-server", *where, *durable], folder) as program:
        listening(program, port)
        yield program, f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[tuple[Program, str]]:
    """A server, and its URL. A commit is flushed to disk before it is answered."""
    (port,), data, user = free_ports(1), folder / "postgres", _server_user()
    data.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(data, user)
    options = ["--auth=trust", "--username=bench", "--encoding=UTF8", "--no-sync"]
    subprocess.run(
        [postgres_program("initdb"), *options, "-D", data],
        user=user, cwd=data, check=True, capture_output=True,
    )  # fmt: skip
    where = ["-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1"]
    where += ["-c", "unix_socket_directories="]
    durable = ["-c", "fsync=on", "-c", "synchronous_commit=on"]
    command = [postgres_program("postgres"), *where, *durable]
    with running(command, folder, user=user, ends_with=signal.SIGQUIT) as program:
        listening(program, port)
        yield program, f"postgresql://bench@127.0.0.1:{port}/postgres"


def _server_user() -> str | None:
    if os.geteuid() != 0:
        return None
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    for user in _SERVER_USERS:
        if user in known:
            return user
    raise Missing(f"Postgres does not run as {getpass.getuser()}, and there is no user for it")
