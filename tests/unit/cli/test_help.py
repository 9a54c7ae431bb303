"""What a newcomer reads: the first page, and every command's help."""

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from short_drama.cli.first_page import START
from short_drama.cli.main import cli
from tests.unit.test_docs_names import command_in, fault_of


def commands(group: click.Group = cli, above: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        words = f"{above} {name}".strip()
        yield words, command
        if isinstance(command, click.Group):
            yield from commands(command, words)


ALL = dict(commands())
CUT_OFF = re.compile(r"^  .*[^_]\.\.\.$", re.MULTILINE)
LEAVES = {name: each for name, each in ALL.items() if not isinstance(each, click.Group)}


def test_by_itself_it_says_how_to_begin() -> None:
    ended = CliRunner().invoke(cli, [])
    assert (ended.exit_code, ended.output) == (0, START + "\n")
    assert max(map(len, START.splitlines())) <= 100
    named = re.findall(r"^  short-drama ([a-z]+)", START, re.MULTILINE)
    assert named == ["up", "samples", "submit", "doctor"]
    assert set(named) < set(cli.commands)


def test_the_help_lists_every_command_once() -> None:
    told = CliRunner().invoke(cli, ["--help"], terminal_width=80).output
    listed = re.findall(r"^  ([a-z]+) {2,}\S", told, re.MULTILINE)
    assert sorted(listed) == sorted(cli.commands)
    assert not CUT_OFF.search(told)
    assert "130" in told


@pytest.mark.parametrize("name", ALL)
def test_a_command_says_what_it_does_and_each_option_what_it_is(name: str) -> None:
    command = ALL[name]
    assert command.help
    silent = [
        each.name
        for each in command.params
        if isinstance(each, click.Option) and not each.help and each.name != "help"
    ]
    assert not silent


@pytest.mark.parametrize("name", LEAVES)
def test_a_command_shows_an_example_of_itself(name: str) -> None:
    shown = [
        words for line in (LEAVES[name].help or "").splitlines() if (words := command_in(line))
    ]
    own = name.split()
    named = own[:-1] if name == "spend show" else own  # which is meant without its name
    assert [words for words in shown if words[: len(named)] == named]
    assert not [fault for words in shown if (fault := fault_of(words))]


@pytest.mark.parametrize("name", [name for name in ALL if name not in LEAVES])
def test_a_group_lists_its_commands_in_whole_sentences(name: str) -> None:
    told = CliRunner().invoke(cli, [*name.split(), "--help"], terminal_width=80)
    assert not CUT_OFF.search(told.output)


def test_the_shell_completes_commands_and_kinds() -> None:
    for words, expected in (
        ("short-drama sub", "plain,submit"),
        ("short-drama submit ca", "plain,camera-angle"),
    ):
        told = CliRunner().invoke(
            cli,
            [],
            prog_name="short-drama",
            env={
                "_SHORT_DRAMA_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(words.count(" ")),
            },
        )
        assert told.output.strip() == expected
