"""Releases to install: this one, the next, and one that does not start."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.booted import PYTHON

ROOT = Path(__file__).parents[2]
PINNED = ("aws.txt", "c2pa.txt", "otel.txt")
"""What a host needs, as files of requirements/."""


def copy_of_deploy(folder: Path) -> Path:
    """What a host gets beside the wheel, as in the archive of `make release`."""
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    (folder / "requirements").mkdir()
    for name in PINNED:
        shutil.copy(ROOT / "requirements" / name, folder / "requirements")
    return folder / "deploy" / "setup_services.sh"


def download_packages(folder: Path) -> None:
    """Every pinned package of a host, as wheels."""
    _run(
        str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "download",
        "--only-binary", ":all:", "--require-hashes", "--dest", str(folder),
        *(word for name in PINNED for word in ("--requirement", str(ROOT / "requirements" / name))),
    )  # fmt: skip


def build(folder: Path, version: str, *, broken: bool = False) -> Path:
    """A wheel of this checkout that says it is `version`; a broken one ends at its start."""
    source = folder.parent / f"source-{version}"
    source.mkdir()
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", source)
    text = (ROOT / "pyproject.toml").read_text()
    text = re.sub(r'^version = ".*"$', f'version = "{version}"', text, flags=re.MULTILINE)
    (source / "pyproject.toml").write_text(text)
    if broken:
        host = source / "src" / "short_drama" / "cli" / "host.py"
        host.write_text(host.read_text() + '\nraise RuntimeError("not today")\n')
    _run(
        sys.executable, "-m", "hatchling", "build", "--target", "wheel",
        "--directory", str(folder), cwd=source,
    )  # fmt: skip
    (wheel,) = folder.glob(f"short_drama-{version}-*.whl")
    return wheel


def _run(*words: str, cwd: Path | None = None) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
