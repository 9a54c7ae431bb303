"""Unit tests open no socket but asyncio's own pair; all others reach only this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import _remove_restrictions, disable_socket, socket_allow_hosts

UNIT = Path(__file__).parent / "unit"


@pytest.fixture(autouse=True)
def _sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    if UNIT in request.path.parents:
        disable_socket(allow_unix_socket=True)
    else:
        socket_allow_hosts(["127.0.0.0/8", "::1"], allow_unix_socket=True)
    yield
    _remove_restrictions()
