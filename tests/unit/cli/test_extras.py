"""The base distribution is enough for clients; what is not names the one command that helps."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from short_drama.cli import extras
from short_drama.cli.exits import EXIT_UNAVAILABLE, EXIT_USAGE, Problem

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVING = (
    "up", "serve orchestrator", "serve paid-api", "doctor", "queues", "dlq ls", "provision",
    "workflows ls", "spend", "costs", "demo",
)  # fmt: skip


def run(*words: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process that has only the base."""
    program = ("-c", code) if code else ("-m", "tests.base_only", *words)
    return subprocess.run(
        (sys.executable, "-W", "error", *program),
        env={"PATH": "/usr/bin", "HOME": "/nonexistent", **environment},
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def distributions(names: list[str]) -> set[str]:
    found = (re.match(r"[\w-]+", name) for name in names if not name.startswith("short-drama"))
    return {match[0].lower() for match in found if match}


def test_the_modules_of_an_extra_are_those_of_its_packages() -> None:
    found = packages_distributions()
    whose = {module: names[0].lower().replace("_", "-") for module, names in found.items()}
    optional = PROJECT["optional-dependencies"]
    server, local = (distributions(optional[name]) for name in ("server", "local"))
    assert {whose[each] for each in extras.SERVER} == server | {"starlette"}  # which fastapi brings
    assert {whose[each] for each in extras.LOCAL - extras.SERVER} == local


def test_the_sdk_and_every_help_need_only_the_base() -> None:
    code = """
from tests import base_only
base_only.hide()
import click, short_drama.sdk
from short_drama.cli import display, kinds, logs_command, request, submit, tasks
from short_drama.cli.main import cli
def helps(command, above):
    with click.Context(command, info_name=command.name, parent=above) as context:
        command.get_help(context)
        for each in getattr(command, "commands", {}).values():
            helps(each, context)
helps(cli, None)
"""
    done = run(code=code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", SERVING)
def test_what_serves_names_the_one_command_that_helps(words: str) -> None:
    done = run(*words.split())
    assert (done.returncode, done.stdout) == (EXIT_UNAVAILABLE, "")
    assert done.stderr.startswith("Error: this needs what the extra 'local' of short-drama brings")
    assert f"{sys.executable} -m pip install 'short-drama[local]'" in done.stderr


def test_the_command_brings_all_that_the_settings_ask_for() -> None:
    done = run("queues", SHORT_DRAMA_BACKEND="aws", SHORT_DRAMA_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert "'short-drama[local,aws,otel]'" in done.stderr


def test_an_unknown_kind_is_one_without_the_engines_too() -> None:
    done = run("submit", "camera-angel", "--image", "still.png")
    assert done.returncode == EXIT_USAGE
    assert "there is no kind camera-angel" in done.stderr


def test_what_is_nobodys_extra_is_our_own_fault() -> None:
    assert extras.lacking("short_drama.nowhere") is None
    assert extras.lacking(None) is None


def test_where_there_is_no_pip_uv_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "pip" else object())
    lacking = extras.lacking("cv2.dnn")
    assert isinstance(lacking, Problem)
    assert f"uv pip install --python {sys.executable} 'short-drama[local]'" in lacking.message
