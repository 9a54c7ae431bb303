"""Operators' commands on a host whose services are installed go by what those are given."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from short_drama.cli.main import cli
from short_drama.settings import installed

COMMANDS = (
    "queues",
    "dlq ls",
    "dlq redrive --all",
    "dlq purge --all --yes",
    "spend",
    "costs",
    "keys ls",
    "audit ls",
    "audit verify",
    "storage",
    "backup /tmp/nowhere",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_they_look_where_the_services_keep_their_data(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_on() -> None:
        monkeypatch.setenv("SHORT_DRAMA_DATA_DIR", str(tmp_path / "of-the-services"))

    monkeypatch.setattr(installed, "take_on", take_on)
    done = CliRunner().invoke(cli, [*command.split(), "--installed"])
    assert "of-the-services" in f"{done.output} {done.exception}"
