"""The package brings what is named, and nothing before."""

import subprocess
import sys

import pytest

import short_drama.sdk
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.sync import Client

_ALONE = "import sys, short_drama.sdk; print({'pydantic', 'aiohttp', 'asyncio'} & set(sys.modules))"


def test_the_package_alone_imports_nothing_that_takes_time() -> None:
    told = subprocess.run([sys.executable, "-c", _ALONE], capture_output=True, check=True)
    assert told.stdout.strip() == b"set()"


def test_its_names_are_there() -> None:
    assert short_drama.sdk.Client is Client
    assert short_drama.sdk.AsyncClient is AsyncClient
    assert set(short_drama.sdk.__all__) <= set(dir(short_drama.sdk))
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        _ = short_drama.sdk.Clinet
