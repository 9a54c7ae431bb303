"""Servers that stand in for AWS, each a child process on free ports of this machine.

`python -m tests.emulators` starts them and prints what to export.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.emulators import account
from tests.emulators.ministack import ministack
from tests.emulators.seaweedfs import seaweedfs
from tests.emulators.second_opinions import dynalite, fauxqs


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulators:
    """URLs. ministack also answers S3, IAM, STS, CloudFormation and CloudFront."""

    ministack: str
    seaweedfs: str
    fauxqs: str | None = None
    dynalite: str | None = None

    def environment(self) -> Mapping[str, str]:
        """What every AWS SDK reads, for an account made of these servers."""
        return account.environment(
            sqs=self.fauxqs or self.ministack,
            dynamodb=self.dynalite or self.ministack,
            s3=self.seaweedfs,
        )


Server = Callable[[Path], contextlib.AbstractContextManager[str]]
SERVERS: Mapping[str, Server] = {"ministack": ministack, "seaweedfs": seaweedfs}
SECOND_OPINIONS: Mapping[str, Server] = {"fauxqs": fauxqs, "dynalite": dynalite}


@contextlib.contextmanager
def running(folder: Path, *, second_opinions: bool = False) -> Iterator[Emulators]:
    """All of them; their files and logs go into subfolders of `folder`."""
    servers = {**SERVERS, **(SECOND_OPINIONS if second_opinions else {})}
    urls = {}
    with contextlib.ExitStack() as started:
        for name, serve in servers.items():
            (folder / name).mkdir(parents=True)
            urls[name] = started.enter_context(serve(folder / name))
        yield Emulators(**urls)
