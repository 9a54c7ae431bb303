"""The question about consent is asked of a person, once."""

from pathlib import Path

import click
import pytest

from short_drama.cli import consent
from short_drama.cli.exits import Problem


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A person at the terminal, who gives these answers."""
    given: list[bool] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: given.pop(0))
    return given


def test_a_yes_is_remembered(answers: list[bool], tmp_path: Path) -> None:
    answers += [True]
    consent.ask_once(tmp_path / "data" / "asked")
    consent.ask_once(tmp_path / "data" / "asked")
    assert answers == []


def test_a_no_ends_the_command_and_is_asked_again(answers: list[bool], tmp_path: Path) -> None:
    answers += [False, False]
    for _ in range(2):
        with pytest.raises(Problem, match="nothing was submitted"):
            consent.ask_once(tmp_path / "asked")
    assert answers == []


def test_a_program_is_not_asked(
    answers: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    consent.ask_once(tmp_path / "asked")
    assert not (tmp_path / "asked").exists()
