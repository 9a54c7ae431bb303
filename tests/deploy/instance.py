"""An instance of the stack, for deploy/boot.sh and drain.sh: a file system of its own, and programs
that only note what they are asked."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
EXPORTED = {
    "GROUP": "cpu", "STACK": "studio", "LOGICAL_ID": "CpuGroup", "REGION": "eu-west-1",
    "UNITS": "sqs-adapter=arn:1 paid-api=arn:2", "RELEASE": "1.2.3", "PREFIX": "test-",
    "BUCKET": "assets", "CDN": "cdn.example.com", "BUDGET": "20",
}  # fmt: skip
"""As a launch template does."""
_AGENT = "root/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
_NOTE = 'echo "${0##*/} $*" >>"$NOTES"'
_AWS = r"""
case "$*" in
  *get-parameters-by-path*cpu*) printf 'SecureString\t/studio/cpu/ark_api_key\n'
    printf 'String\t/studio/cpu/SHORT_DRAMA_CPU_PARALLEL\n' ;;
  *ark_api_key*) echo top-secret ;;
  *CPU_PARALLEL*) echo 4 ;;
  *nginx/*) echo "what is in ${*##*nginx/}" ;;
esac
"""
_CURL = """
case "$*" in
  *api/token) echo t ;;
  *instance-id) echo i-1 ;;
  *spot/instance-action) [ -n "${SPOT:-}" ] ;;
  *target-lifecycle-state) echo "${TARGET:-InService}" ;;
esac
"""


class Instance:
    """What is on it afterwards, and what was asked meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        for name in ("systemctl", "chgrp", "nginx"):
            self._program(f"bin/{name}", _NOTE)
        self._program("bin/aws", _NOTE + _AWS)
        self._program("bin/curl", _CURL)
        self._program("package/deploy/setup_services.sh", _NOTE)
        self._program(_AGENT, _NOTE)
        package = folder / "package"
        (package / "short_drama-1.2.3-py3-none-any.whl").touch()
        (package / "deploy/boot.sh").write_text((DEPLOY / "boot.sh").read_text())
        for name in ("cloudwatch", "nginx", "drain.service"):
            (package / "deploy" / name).symlink_to(DEPLOY / name)
        named = self.root / "var/lib/cloud/data/instance-id"
        named.parent.mkdir(parents=True)
        named.write_text("i-1\n")

    def _program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def fails(self, name: str) -> None:
        """A program of the package's, in bin/, or on the instance."""
        self._program(name, "exit 7")

    def boot(self, **changed: str) -> int:
        return self._run(self.folder / "package/deploy/boot.sh", {**EXPORTED, **changed})

    def watch(self, **metadata: str) -> int:
        """Look once whether the end is near; SPOT and TARGET are what the metadata say."""
        variables = dict(
            line.split("=", 1) for line in self.file("short-drama/instance.env").splitlines()
        )
        return self._run(DEPLOY / "drain.sh", {**variables, **metadata, "LOOKS": "1", "PAUSE": "0"})

    def _run(self, script: Path, variables: Mapping[str, str]) -> int:
        ours = {
            "ROOT": str(self.root),
            "NOTES": str(self.folder / "notes"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }
        return subprocess.run(["bash", script], env={**variables, **ours}, check=False).returncode

    @property
    def notes(self) -> list[str]:
        notes = self.folder / "notes"
        return notes.read_text().splitlines() if notes.exists() else []

    def file(self, name: str) -> str:
        return (self.root / "etc" / name).read_text()
