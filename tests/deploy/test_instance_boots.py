"""boot.sh and drain.sh under a real systemd; AWS is a script that says what it is asked."""

import shutil

from short_drama.settings.parts import PREFIX
from short_drama.wiring.components import Component
from tests.deploy.booted import Machine
from tests.deploy.installed import PROJECT, install
from tests.deploy.instance import EXPORTED
from tests.e2e.processes import Ports

PACKAGE = "/opt/short-drama/package/deploy"
ENDING = "/srv/ending"
"""A file that is there once the instance is to end."""
UNITS = [Component.ORCHESTRATOR.process.unit, Component.CPU_ORCHESTRATOR.process.unit]
AWS = """
echo "$*" >&2
case "$*" in
  *get-parameters-by-path*) printf 'String\\t/studio/SHORT_DRAMA_%s\\n' BACKEND {ports} ;;
  *BACKEND*) echo embedded ;;
  {answers}
esac
"""
CURL = (
    f"case $* in *api/token) echo t ;; *spot/*) [ -e {ENDING} ] ;; *instance-id) echo i-1 ;; esac"
)


def _stub(machine: Machine, path: str, text: str) -> None:
    machine.write(path, f"#!/bin/bash\n{text}\n", mode=0o755)


def test_an_instance_comes_up_in_its_roles_and_is_drained(machine: Machine) -> None:
    install(machine, UNITS, {})
    shutil.copytree(PROJECT / "deploy", machine.path(PACKAGE))
    ports = {name.removeprefix(PREFIX): port for name, port in Ports().settings.items()}
    answers = " ".join(f"*_DRAMA_{name}*) echo {port} ;;" for name, port in ports.items())
    _stub(machine, "/usr/local/bin/aws", AWS.format(ports=" ".join(ports), answers=answers))
    _stub(machine, "/usr/local/bin/curl", CURL)
    _stub(machine, f"{PACKAGE}/setup_services.sh", f"systemctl start {' '.join(UNITS)}")
    machine.write("/var/lib/cloud/data/instance-id", "i-1\n")
    roles = " ".join(f"{unit}=arn:aws:iam::1:role/{unit}" for unit in UNITS)
    variables = {**EXPORTED, "GROUP": "orchestrator", "UNITS": roles}
    given = [f"{name}={value}" for name, value in variables.items()]
    machine.run(
        "env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin", *given, "bash", f"{PACKAGE}/boot.sh"
    )
    for unit in UNITS:
        assert machine.show(unit, "ActiveState") == "active"
        process = machine.show(unit, "MainPID")
        told = machine.run("cat", f"/proc/{process}/environ").stdout.split("\0")
        assert f"AWS_PROFILE={unit}" in told
        assert "AWS_CONFIG_FILE=/etc/short-drama/aws" in told
    assert machine.show("short-drama-drain", "ActiveState") == "active"

    machine.write(ENDING, "")
    machine.until("short-drama-drain", "ActiveState", "inactive".__eq__)
    assert {machine.show(unit, "ActiveState") for unit in UNITS} == {"inactive"}
    assert {machine.show(unit, "Result") for unit in UNITS} == {"success"}
    assert machine.journal("short-drama-drain").count("complete-lifecycle-action") == 1
