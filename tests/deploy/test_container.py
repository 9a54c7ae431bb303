"""The image and its three profiles, as files: nothing here can pull an image to build on."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from short_drama.cli.catalogues import COMPONENTS
from short_drama.cli.main import cli
from short_drama.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_each_profile_is_one_service_with_one_volume() -> None:
    assert {name: each["profiles"] for name, each in SERVICES.items()} == {
        name: [name] for name in ("local", "gpu", "aws")
    }
    assert {tuple(each["volumes"]) for each in SERVICES.values()} == {("data:/data",)}
    assert list(COMPOSE["volumes"]) == ["data"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_little_and_is_shown_to_this_host_only(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_its_command_is_one_of_ours(name: str) -> None:
    words = SERVICES[name].get("command", ["up"])
    assert words[0] in cli.commands
    assert set(words[1:]) <= set(COMPONENTS)
    assert CliRunner().invoke(cli, [*words, "--help"]).exit_code == 0


def test_every_setting_is_one() -> None:
    names = set(
        re.findall(r"SHORT_DRAMA_([A-Z_]+)", DOCKERFILE + (ROOT / "compose.yaml").read_text())
    )
    assert {name.lower() for name in names} <= set(Settings.model_fields)


def test_the_image_runs_as_nobody_and_is_examined() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)
    assert re.findall(r"^VOLUME (.+)$", last, re.MULTILINE) == ["/data"]
    assert "HEALTHCHECK" in last
    assert "/health" in last
    port = Settings.model_fields["orchestrator_port"].default
    assert f"127.0.0.1:{port}/health" in last


def test_every_package_is_installed_by_its_hash_and_every_file_is_let_in() -> None:
    installs = re.findall(r"pip install(?:[^&\n\\]|\\\n)*", DOCKERFILE)
    assert all("--require-hashes" in each or "--no-deps" in each for each in installs)
    assert len(installs) == 2
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert f"!{source}" in let_in
        assert source.startswith("dist/") or (ROOT / source).is_file()
