"""doctor on a host whose services systemd runs."""

import json
from collections.abc import Mapping
from typing import Any

from tests.deploy.booted import Machine
from tests.deploy.installed import RELEASE, SECRETS, install

CHECKS = ("settings", "secret-files", "services", "units")


def doctor(machine: Machine) -> tuple[int, Mapping[str, Any]]:
    only = [word for check in CHECKS for word in ("--only", check)]
    command = f"{RELEASE}/bin/short-drama"
    done = machine.run(command, "doctor", "--installed", "--json", *only, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line["check"]: line for line in lines}


def test_it_goes_by_what_is_installed(machine: Machine) -> None:
    units = ("paid-api", "sqs-adapter")
    install(machine, units, {"SHORT_DRAMA_PAID_API_PORT": "18001"})
    machine.write(f"{SECRETS}/ark_api_key", "a-key\n", mode=0o644)
    machine.systemctl("start", "paid-api")
    code, found = doctor(machine)
    assert code == 4
    assert found["settings"]["verdict"] == "ok"
    assert found["secret-files"]["found"] == f"others can read {SECRETS}/ark_api_key"
    assert found["units"]["found"] == "sqs-adapter.service is inactive"
    assert "systemctl restart sqs-adapter" in found["units"]["do"]
    assert "orchestrator" not in found["services"]["found"]  # which does not belong here

    machine.systemctl("start", "sqs-adapter")
    machine.path(f"{SECRETS}/ark_api_key").chmod(0o600)
    machine.until("sqs-adapter", "ActiveState", "active".__eq__)
    code, found = doctor(machine)
    assert {check: line["verdict"] for check, line in found.items()} == dict.fromkeys(CHECKS, "ok")
    assert code == 0
