"""A machine for deploy/boot.sh: a file system of its own, and programs that only note what they are
asked."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
AWS = """
echo "aws $*" >>"$NOTES"
case "$*" in
  *get-parameters-by-path*) printf 'SecureString\\t/studio/cpu/ark_api_key\\n'
    printf 'String\\t/studio/cpu/SHORT_DRAMA_CPU_PARALLEL\\n' ;;
  *ark_api_key*) echo top-secret ;;
  *CPU_PARALLEL*) echo 4 ;;
esac
"""

EXPORTED = {
    "GROUP": "cpu", "STACK": "studio", "LOGICAL_ID": "CpuGroup", "REGION": "eu-west-1",
    "UNITS": "sqs-adapter=arn:1 paid-api=arn:2", "RELEASE": "1.2.3", "PREFIX": "test-",
    "BUCKET": "assets", "CDN": "cdn.example.com", "BUDGET": "20",
}  # fmt: skip
"""As a launch template does."""


class Instance:
    """What is on it afterwards, and what was asked meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self._program(folder / "bin/aws", AWS)
        self._program(folder / "package/deploy/setup_services.sh", 'echo "setup $*" >>"$NOTES"')
        (folder / "package/deploy/boot.sh").write_text((DEPLOY / "boot.sh").read_text())
        (folder / "package/deploy/cloudwatch").symlink_to(DEPLOY / "cloudwatch")
        agent = "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
        self._program(self.root / agent, 'echo "agent $*" >>"$NOTES"')
        named = self.root / "var/lib/cloud/data/instance-id"
        named.parent.mkdir(parents=True)
        named.write_text("i-1\n")

    def _program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def fails(self, program: str) -> None:
        self._program(self.folder / program, "exit 7")

    def boot(self, exported: Mapping[str, str] = EXPORTED) -> int:
        ours = {
            "ROOT": str(self.root),
            "NOTES": str(self.folder / "notes"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }
        script = self.folder / "package/deploy/boot.sh"
        return subprocess.run(["bash", script], env={**exported, **ours}, check=False).returncode

    @property
    def notes(self) -> list[str]:
        return (self.folder / "notes").read_text().splitlines()

    def file(self, name: str) -> str:
        return (self.root / "etc" / name).read_text()
