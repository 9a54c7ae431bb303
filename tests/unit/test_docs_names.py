"""What pages name is there: settings, commands and their options, metrics, units, alerts."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from short_drama import metrics
from short_drama.cli.main import cli
from short_drama.settings import Settings
from short_drama.settings.parts import PREFIX

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HISTORY = {"CHANGELOG.md", "decisions"}
"""Where things may be named that are gone."""
PAGES = [
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *DEPLOY.glob("**/*.md"))
    if not HISTORY & {page.name, page.parent.name}
]
OF_OTHERS = {"ssh", "cron", "nginx", "amazon-cloudwatch-agent", "NAME", "UNIT"}
"""Units that are not ours, and words that stand for any."""


def code_in(page: Path) -> Iterator[str]:
    """Lines of blocks, and what stands in backticks."""
    text = page.read_text()
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def commands_in(page: Path) -> Iterator[list[str]]:
    """Words after `short-drama`, without comments and redirections."""
    for line in code_in(page):
        if (words := command_in(line)) is not None:
            yield words


def command_in(line: str) -> list[str] | None:
    match = re.match(r"(?:\$ )?(?:sudo )?(?:\S*/)?short-drama( .*)?$", line.strip())
    if match is None:
        return None
    words = shlex.split((match[1] or "").split(" | ")[0], comments=True)
    stop = [number for number, word in enumerate(words) if word in {">", "&&", ";"}]
    return words[: stop[0]] if stop else words


def fault_of(words: list[str]) -> str | None:
    """What the command line does not know."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        for name in words[0].split("|"):
            if name not in command.commands:
                return None if name in {"...", "COMMAND"} else f"no command {name}"
        command, words = command.commands[words[0].split("|")[0]], words[1:]
    known = {name for parameter in command.params for name in parameter.opts}
    if isinstance(command, click.Group):  # `spend` shows by itself
        known |= {o for each in command.commands.values() for p in each.params for o in p.opts}
    known |= {"--help", "-h", "--version"}
    given = [word.partition("=")[0].strip("[]") for word in words if re.match("-[^0-9]", word)]
    return next((f"no option {word}" for word in given if word not in known), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands(page: Path) -> None:
    faults = [
        f"{' '.join(words)}: {fault}" for words in commands_in(page) if (fault := fault_of(words))
    ]
    assert not faults


def test_commands_are_found() -> None:
    found = [words for page in PAGES for words in commands_in(page)]
    assert len(found) > 40
    assert fault_of(["tasks", "forget"]) == "no command forget"
    assert fault_of(["tasks", "ls", "--colour=red"]) == "no option --colour"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings(page: Path) -> None:
    named = re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b(?!_?\*)", page.read_text())
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert not set(named) - known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics(page: Path) -> None:
    named = set(re.findall(rf"\b{metrics.NAMESPACE}_[a-z_]*[a-z]\b", page.read_text()))
    assert not {name for name in named if _family(name) not in _families()}


def _families() -> set[str]:
    return {family.name for family in metrics.REGISTRY.collect()} | {metrics.NAMESPACE}


def _family(name: str) -> str:
    return re.sub(r"_(total|bucket|count|sum|info)$", "", name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_units(page: Path) -> None:
    units = {path.stem for path in (DEPLOY / "systemd").glob("*.service")}
    named = set()
    for line in code_in(page):
        for words in re.findall(
            r"systemctl (?:status|start|stop|restart|reset-failed) ([^&;#|]+)", line
        ):
            named |= {word.removesuffix(".service") for word in words.split()}
        named |= set(re.findall(r"(?:journalctl.* -u |--unit[ =])([\w-]+)", line))
    assert not named - units - OF_OTHERS


def test_every_alert_has_its_part_of_the_runbook() -> None:
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "prometheus" / "alerts.yml").read_text())
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    told = re.findall(r"^### (ShortDrama\w+)$", runbook, re.MULTILINE)
    assert len(alerts) > 10
    assert sorted(told) == sorted(alerts)


def test_every_alarm_has_its_part_of_the_runbook() -> None:
    template = (DEPLOY / "cloudformation" / "short-drama.yaml").read_text()
    alarms = re.findall(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm", template, re.MULTILINE)
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert len(alarms) > 5
    assert not [alarm for alarm in alarms if f"`{alarm}`" not in runbook]


def test_every_file_that_the_architecture_names_is_there() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    table = page[page.index("## From the architecture document to the code") :]
    named = re.findall(r"`((?:src|deploy|tests|docs)/[^`]+)`", table)
    assert len(named) > 40
    assert not [name for name in named if not (ROOT / name).exists()]
