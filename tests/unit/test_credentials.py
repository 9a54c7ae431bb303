"""Secrets that the service manager hands over as files."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from short_drama.domain.errors import InvalidRequest
from short_drama.settings import Settings, load
from short_drama.settings.credentials import secret_settings
from short_drama.settings.parts import PREFIX

KEY = "ark_api_key"
OTHERS = {"dashscope_api_key": "DASHSCOPE_API_KEY", KEY: "ARK_API_KEY"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name in OTHERS.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", secret_settings(Settings.model_fields))
def test_every_secret_setting_may_be_a_credential(folder: Path, name: str) -> None:
    secret = f"user:{'s3cret' * 10}"
    (folder / name).write_text(secret)
    assert getattr(load(), name) == SecretStr(secret)


def test_the_secret_settings_are_found() -> None:
    assert {KEY, "secret", "comfyui_token"} <= set(secret_settings(Settings.model_fields))


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_the_end_of_the_line_is_no_part_of_it(folder: Path, end: str) -> None:
    (folder / KEY).write_bytes(b"a key with blanks " + end.encode())
    assert load().ark_api_key == SecretStr("a key with blanks ")


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_one_is_not_set(folder: Path, content: str) -> None:
    (folder / KEY).write_text(content)
    assert load().ark_api_key is None


def test_only_secrets_are_read_there(folder: Path) -> None:
    (folder / "seedream_model").write_text("another")
    assert load().seedream_model != "another"


def test_the_environment_and_the_command_line_win(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / KEY).write_text("of the file")
    monkeypatch.setenv(PREFIX + KEY.upper(), "of the environment")
    assert load().ark_api_key == SecretStr("of the environment")
    assert load({KEY: "given"}).ark_api_key == SecretStr("given")


def test_it_wins_over_the_name_of_the_providers_own_tools(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / KEY).write_text("of the file")
    monkeypatch.setenv(OTHERS[KEY], "of other tools")
    assert load().ark_api_key == SecretStr("of the file")


def test_one_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / KEY).mkdir()
    with pytest.raises(InvalidRequest, match="cannot be read: Is a directory") as refused:
        load()
    assert str(folder / KEY) in refused.value.detail
    assert refused.value.field == KEY


def test_one_that_is_no_text_is_named_and_not_shown(folder: Path) -> None:
    (folder / KEY).write_bytes(b"s3cret\xff")
    with pytest.raises(InvalidRequest, match="it is not UTF-8") as refused:
        load()
    assert "s3cret" not in refused.value.detail


def test_one_that_is_too_short_is_refused_by_name(folder: Path) -> None:
    (folder / "secret").write_text("short")
    with pytest.raises(InvalidRequest, match="SHORT_DRAMA_SECRET") as refused:
        load()
    assert "short" not in refused.value.detail.removeprefix("SHORT_DRAMA_SECRET: ").split()


def test_without_a_manager_there_are_none(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / KEY).write_text("of the file")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert load().ark_api_key is None
