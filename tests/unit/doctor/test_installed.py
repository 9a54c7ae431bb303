"""The settings of the services that are installed on a host."""

import os
from pathlib import Path

import pytest

from short_drama.domain.errors import InvalidRequest
from short_drama.settings import load
from short_drama.settings.installed import CREDENTIALS, FOLDER, read, take_on

ROOT = Path(__file__).parents[3]
FILE = """\
# SHORT_DRAMA_BACKEND=embedded
; another comment

SHORT_DRAMA_BACKEND=aws
  AWS_REGION = eu-west-1
SHORT_DRAMA_BUDGET_TIME_ZONE="Asia/Shanghai"
SHORT_DRAMA_COMFYUI_RESTART_COMMAND='sudo systemctl restart comfyui'
BROKEN="never closed
no setting at all
"""


def test_the_file_is_read_as_systemd_reads_it() -> None:
    assert read(FILE) == {
        "SHORT_DRAMA_BACKEND": "aws",
        "AWS_REGION": "eu-west-1",
        "SHORT_DRAMA_BUDGET_TIME_ZONE": "Asia/Shanghai",
        "SHORT_DRAMA_COMFYUI_RESTART_COMMAND": "sudo systemctl restart comfyui",
    }


def test_they_become_ours_but_for_what_we_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "AWS_REGION": "us-east-1"})
    (tmp_path / "short-drama.env").write_text(FILE)
    take_on(tmp_path / "short-drama.env")
    assert os.environ["CREDENTIALS_DIRECTORY"] == str(CREDENTIALS)
    settings = load()
    assert (settings.backend, settings.aws_region) == ("aws", "us-east-1")
    assert settings.data_dir == Path("/var/lib/short-drama")


def test_where_nothing_is_installed_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No such file") as refused:
        take_on(tmp_path / "short-drama.env")
    assert "setup_services.sh" in str(refused.value.fix)


def test_it_is_where_the_units_and_the_setup_script_have_it() -> None:
    unit = (ROOT / "deploy" / "systemd" / "common.conf").read_text()
    assert f"EnvironmentFile={FOLDER}/short-drama.env" in unit
    script = (ROOT / "deploy" / "setup_services.sh").read_text()
    for line in ("STATE=/var/lib/short-drama", "CACHE=/var/cache/short-drama"):
        assert f"readonly {line}" in script
