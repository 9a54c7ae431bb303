"""The base wheel, in an empty environment, is a client of a service in another one."""

import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from short_drama import model_files
from short_drama.settings import load
from tools import wheels


@pytest.mark.models
def test_the_base_wheel_is_a_client_of_another_environments_service(tmp_path: Path) -> None:
    model_files.install(load().models_dir, "models")
    wheel = wheels.build(tmp_path / "dist")
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in names if name.endswith("licenses/docs/third-party.md")]
    assert not [name for name in names if name.startswith(("tests/", "tools/"))]
    own = wheels.install(Path(sys.executable), tmp_path / "venv", wheel)
    assert wheels.size(own)[0] < 30_000_000
    with wheels.service(tmp_path / "data") as urls:
        wheels.smoke(own, urls, tmp_path / "client")
