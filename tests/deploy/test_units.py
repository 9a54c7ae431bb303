"""The unit files are what systemd takes, are let do little, and agree with settings and table."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from short_drama.domain.kinds import Lane
from short_drama.settings import Settings
from short_drama.settings.credentials import secret_settings
from short_drama.settings.parts import PREFIX
from short_drama.wiring.components import PROCESSES, Component
from short_drama.wiring.stopping import stop_seconds
from tests.deploy.installed import OURS, SECRETS, UNITS, place
from tests.patience import SOON

COMMAND = "/opt/short-drama/current/bin/short-drama"
FILES = sorted(file.name for file in UNITS.glob("*.*") if file.suffix in (".service", ".path"))
LANES = {"GPU_LANE": Component.GPU_ADAPTER, "CPU_LANE": Component.CPU_ADAPTER}
API_SERVICES = {Lane.GPU: Component.COMFYUI_API, Lane.CPU: Component.PAID_API}
EXPOSURE = 20
"""The most that systemd may find a unit exposed, in tenths of its scale of 10."""

systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here"
)


def lines(*names: str) -> dict[str, list[str]]:
    """What files of units say, by the name of each setting."""
    found = defaultdict[str, list[str]](list)
    for name in names:
        text = (UNITS / name).read_text().replace("\\\n", " ")
        for setting, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
            found[setting].append(value)
    return found


def served(unit: str) -> list[Component]:
    """The components that a unit's command names."""
    [command] = lines(f"{unit}.service")["ExecStart"]
    program, verb, *components = command.split()
    assert (program, verb) == (COMMAND, "serve")
    return [LANES.get(word.lstrip("$")) or Component(word) for word in components]


def seconds(span: str) -> float:
    units = {"min": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(min|s)\b", span))


def test_every_component_has_the_unit_of_the_table() -> None:
    assert {c: unit for unit in OURS for c in served(unit)} == {
        component: process.unit for component, process in PROCESSES.items()
    }


@pytest.mark.parametrize("lane", list(Lane))
def test_an_adapter_follows_its_api_service(lane: Lane) -> None:
    adapter = next(c for c in LANES.values() if c.process.lane is lane)
    said = lines(f"{adapter.process.unit}.service.d/{lane}.conf")
    api_service = f"{API_SERVICES[lane].process.unit}.service"
    assert said["After"] == said["Wants"] == [api_service]
    assert said["Environment"] == [f"{lane.upper()}_LANE={adapter}"]


@pytest.mark.parametrize("unit", OURS)
def test_a_stop_has_the_time_that_it_may_take(unit: str) -> None:
    [given] = lines(f"{unit}.service")["TimeoutStopSec"]
    assert seconds(given) >= stop_seconds(Settings(), served(unit))


def test_every_secret_is_a_credential_of_some_unit() -> None:
    loaded = {
        credential.partition(":")[0]
        for unit in OURS
        for credential in lines(f"{unit}.service")["LoadCredential"]
    }
    # A person's own key is for commands, which no unit runs.
    assert loaded == set(secret_settings(Settings.model_fields)) - {"api_key"}


@pytest.mark.parametrize("unit", OURS)
def test_a_credential_that_nobody_gave_is_an_empty_one(unit: str) -> None:
    """Without one that is set, systemd would not start the unit."""
    said = lines(f"{unit}.service")
    names = [credential.partition(":")[0] for credential in said["LoadCredential"]]
    assert said["LoadCredential"] == [f"{name}:{SECRETS}/{name}" for name in names]
    assert said["SetCredential"] == [f"{name}:\\n" for name in names]


def test_nodes_of_comfyui_reach_this_machine_only_and_read_nothing_of_ours() -> None:
    said = lines("comfyui.service")
    assert (said["IPAddressDeny"], said["IPAddressAllow"]) == (["any"], ["localhost"])
    assert said["User"] == ["comfyui"] != lines("common.conf")["User"]
    assert not said["LoadCredential"]


def test_the_example_of_settings_names_settings() -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)=", (UNITS / "short-drama.env").read_text()))
    assert named
    assert named <= {name.upper() for name in Settings.model_fields}
    assert not named & {name.upper() for name in secret_settings(Settings.model_fields)}


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    """All units with their drop-ins; their programs are ones that are there."""
    for name in FILES:
        place(Path(name).stem, tmp_path)
    for file in tmp_path.glob("*.service"):
        file.write_text(
            re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", file.read_text(), flags=re.MULTILINE)
        )
    return tmp_path


@systemd
@pytest.mark.parametrize("name", FILES)
def test_systemd_takes_a_unit_without_a_remark(placed: Path, name: str) -> None:
    said = analyze("verify", placed / name)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@systemd
@pytest.mark.parametrize("unit", OURS)
def test_a_unit_is_exposed_little(placed: Path, unit: str) -> None:
    said = analyze(
        "security", "--offline=true", f"--threshold={EXPOSURE}", placed / f"{unit}.service"
    )
    assert said.returncode == 0, said.stdout


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], check=False, capture_output=True, text=True, timeout=SOON
    )
