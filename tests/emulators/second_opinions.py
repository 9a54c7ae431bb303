"""fauxqs as SQS and dynalite as DynamoDB: other people's reading of the same documentation.

They differ from ministack where AWS leaves room: fauxqs is silent about stale receipts, dynalite
does not return the old item of a failed condition. fauxqs keeps no attribute of encryption or of
redrive permission; its releases from 2 on need Node.js 22.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.emulators import account, server

FOLDER = Path(__file__).parent
BY = "make test-aws-second"


@contextlib.contextmanager
def fauxqs(folder: Path) -> Iterator[str]:
    """Its URL."""
    server.installed(FOLDER / "node_modules/fauxqs", by=BY)
    [port] = server.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with server.running(
        [_node(), FOLDER / "serve_fauxqs.js", str(port)],
        folder=folder,
        answers=lambda: account.answers("sqs", url, "list_queues"),
    ):
        yield url


@contextlib.contextmanager
def dynalite(folder: Path) -> Iterator[str]:
    """Its URL. It keeps everything in memory."""
    program = server.installed(FOLDER / "node_modules/dynalite/cli.js", by=BY)
    [port] = server.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    times = [f"--{change}TableMs=50" for change in ("create", "update", "delete")]
    with server.running(
        [_node(), program, "--host", "127.0.0.1", "--port", str(port), *times],
        folder=folder,
        answers=lambda: account.answers("dynamodb", url, "list_tables"),
    ):
        yield url


def _node() -> str:
    found = shutil.which("node")
    if found is None:
        raise server.ServerFailed("Node.js 20 or later is missing: install it, e.g. with apt")
    return found
