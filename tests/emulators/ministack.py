"""ministack: SQS, DynamoDB, IAM, CloudFormation and CloudFront in one process.

With AUTH=true it checks signatures and IAM policies; our own key is its all-powerful root.
Keeps everything in memory.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.emulators import account, server


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """Its URL, for every service."""
    program = server.installed(server.ROOT / ".emulators/bin/ministack", by="make emulators")
    [port] = server.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    environment = {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": account.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": account.SECRET_ACCESS_KEY,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "WARNING",
        "MINISTACK_HOST": "127.0.0.1",
    }
    with server.running(
        [program],
        folder=folder,
        environment=environment,
        answers=lambda: account.answers("sqs", url, "list_queues"),
    ):
        yield url
