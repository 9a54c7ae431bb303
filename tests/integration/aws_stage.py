"""Queues, table and bucket of a test's own, and the environment that names them."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from short_drama.settings import load
from short_drama.wiring.backend import provision


@contextlib.contextmanager
def aws_stage(account: Mapping[str, str], **settings: Any) -> Iterator[str]:
    """As `aws_names`, provisioned."""
    with aws_names(account, **settings) as name:
        asyncio.run(provision(load()))
        yield name


@contextlib.contextmanager
def aws_names(account: Mapping[str, str], **settings: Any) -> Iterator[str]:
    """The stage's name; until the end, this process's settings are of the AWS backend.

    Args:
        account: AWS_* variables.
        settings: further settings, by their names in lower case.
    """
    name = f"t{secrets.token_hex(4)}"
    ours = {
        "backend": "aws",
        "secret": secrets.token_hex(16),
        "name_prefix": f"{name}-",
        "bucket": f"bucket-{name}",
        "poll_seconds": 2,
        "sweep_seconds": 0.3,
        **settings,
    }
    wanted = {f"SHORT_DRAMA_{key.upper()}": str(value) for key, value in ours.items()}
    with _environment({**_no_account(), **account, **wanted}):
        yield name


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _no_account() -> Mapping[str, str]:
    """No profile of whoever runs the tests."""
    return {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
