"""SeaweedFS as S3: refuses wrong signatures, expired links and failed preconditions as S3 does."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.emulators import account, server

SERVICES = ("master", "volume", "filer", "s3", "admin")


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """The S3 URL."""
    program = server.installed(server.ROOT / ".emulators/bin/weed", by="make emulators")
    (folder / "s3.json").write_text(json.dumps(_identities()))
    ports = server.free_ports(2 * len(SERVICES))
    http = dict(zip(SERVICES, ports[: len(SERVICES)], strict=True))
    # Unless told, each opens a second port 10000 above its first.
    grpc = dict(zip(SERVICES, ports[len(SERVICES) :], strict=True))
    url = f"http://127.0.0.1:{http['s3']}"
    try:
        with server.running(
            [
                *(program, "-logtostderr", "mini", f"-dir={folder}"),
                *("-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
                *(f"-{service}.port={port}" for service, port in http.items()),
                *(f"-{service}.port.grpc={port}" for service, port in grpc.items()),
                *(f"-filer.localSocket={folder}/filer.sock", f"-s3.localSocket={folder}/s3.sock"),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-admin.ui=false", "-webdav=false"),
                *("-master.telemetry=false", f"-s3.config={folder}/s3.json"),
                # Else as many as the disk has room for, of which each bucket takes seven at once.
                "-volume.max=10000",
            ],
            folder=folder,
            answers=lambda: _stores(url),
        ):
            yield url
    finally:
        _remove_sockets(grpc)


def _stores(url: str) -> bool:
    """The gateway listens before the first volume takes a write."""
    return account.answers("s3", url, "put_object", Bucket="started", Key="started", Body=b"yes")


def _remove_sockets(grpc: Mapping[str, int]) -> None:
    """Their names are fixed, outside any folder we could give, and it leaves them behind."""
    for service, port in grpc.items():
        Path(f"/tmp/seaweedfs-{service}-grpc-{port}.sock").unlink(missing_ok=True)


def _identities() -> object:
    key = {"accessKey": account.ACCESS_KEY_ID, "secretKey": account.SECRET_ACCESS_KEY}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "tests", "credentials": [key], "actions": actions}]}
