"""`deploy/setup_services.sh`, as far as it can be seen without changing a machine."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from short_drama.settings import Settings
from short_drama.wiring.components import Component
from tests.patience import SOON

SCRIPT = Path(__file__).parents[2] / "deploy" / "setup_services.sh"


def setup(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *words], check=False, capture_output=True, text=True, timeout=SOON
    )


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    path = tmp_path / "short_drama-1.2.3-py3-none-any.whl"
    path.write_bytes(b"a wheel")
    return str(path)


UNITS = {
    "gpu": {"comfyui-unified-api", "sqs-adapter"},
    "cpu": {"paid-api", "sqs-adapter"},
    "orchestrator": {"gpu-orchestrator", "cpu-orchestrator"},
    "all": {component.process.unit for component in Component},
}


@pytest.mark.parametrize("role", UNITS)
def test_a_dry_run_says_what_it_would_do_and_does_nothing(role: str, wheel: str) -> None:
    done = setup(role, "--wheel", wheel, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("would: ") for line in done.stdout.splitlines())
    started = set(re.findall(r"would: start (\S+) with the machine", done.stdout))
    assert started - {"comfyui"} == UNITS[role]
    has_lane = bool(UNITS[role] & {"sqs-adapter"})
    token = "/etc/short-drama/credentials/service_token"
    if not Path(token).exists():
        assert (f"would: make {token}" in done.stdout) is has_lane
    # sha256 of "a wheel"
    assert "would: install release 1.2.3-69f51477" in done.stdout
    assert setup(role, "--wheel", wheel, "--dry-run").stdout == done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give a role"),
        (("gpu",), "--wheel FILE or --version X"),
        (("tpu", "--version", "1"), "there is no tpu"),
        (("gpu", "--wheel", "/nowhere.whl"), "no file /nowhere.whl"),
        (("gpu", "--wheel"), "--wheel needs a value"),
        (("gpu", "--version", "1", "--packages", "/nowhere"), "no folder /nowhere"),
        (("gpu", "--version", "1", "--purge"), "--uninstall"),
        (("gpu", "--uninstall"), "give no role"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], said: str) -> None:
    refused = setup(*words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr


def test_the_help_tells_every_option() -> None:
    told = setup("--help").stdout
    options = set(re.findall(r"^ {12}(--[a-z-]+)\)", SCRIPT.read_text(), re.MULTILINE))
    assert len(options) > 5
    assert not [option for option in options if option not in told]


def test_it_knows_every_port() -> None:
    told = dict(re.findall(r"([A-Z_]+):(\d{4})\b", SCRIPT.read_text()))
    fields = Settings.model_fields
    ports = [component.process.port for component in Component]
    assert told == {name.removesuffix("_port").upper(): str(fields[name].default) for name in ports}


def test_a_service_token_is_one_of_our_settings(tmp_path: Path) -> None:
    """Made as the script makes it, and read as the units read it."""
    script = SCRIPT.read_text()
    found = re.search(r"^new_secret\(\) \{\n.*?^\}$", script, re.MULTILINE | re.DOTALL)
    assert found is not None
    tokens = []
    for name in ("a", "b"):
        file = tmp_path / name
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{found[0]}\nnew_secret {file}"], check=True
        )
        assert file.stat().st_mode & 0o777 == 0o600
        tokens.append(Settings(service_token=file.read_text()).service_token)
    assert tokens[0] != tokens[1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    checked = subprocess.run(
        ["shellcheck", SCRIPT], check=False, capture_output=True, text=True, timeout=SOON
    )
    assert checked.returncode == 0, checked.stdout
