"""`make release VERSION=1.2.3`: what a release must pass, then the version, the changelog, the tag.

Nothing is pushed. It is the caller's to run `make test` before: its stamp says of which commit it
was, and a release of any other is refused.
"""

import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import click

from tools.locked import ROOT

TESTED: Final = Path(".cache/tested")
"""The commit whose `make test` went well last; below the root."""
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
_OURS = re.compile(r'^version = "(.+)"$', re.MULTILINE)
_UNRELEASED = "## [Unreleased]\n"


class Refused(click.ClickException):
    """Why this is no release yet."""


def moved(changelog: str, version: str, on: date) -> str:
    """What was unreleased, under its version. Raises Refused where there is nothing to release."""
    above, mark, below = changelog.partition(_UNRELEASED)
    news = below.partition("\n## [")[0]
    if not mark or not re.search(r"^- ", news, re.MULTILINE):
        raise Refused("CHANGELOG.md has nothing under [Unreleased]: say what users will notice")
    if f"\n## [{version}]" in changelog:
        raise Refused(f"CHANGELOG.md has {version} already")
    return f"{above}{_UNRELEASED}\n## [{version}] - {on.isoformat()}\n{below}"


def versioned(pyproject: str, version: str) -> str:
    """With the only place that has the version changed. Raises Refused."""
    if not _VERSION.fullmatch(version):
        raise Refused(f"{version!r} is no version such as 1.2.3 or 1.3.0rc1")
    before = _OURS.search(pyproject)
    if before is None:
        raise Refused("pyproject.toml has no version")
    if _order(version) < _order(before[1]):
        raise Refused(f"{version} is before {before[1]}, which there is")
    return _OURS.sub(f'version = "{version}"', pyproject, count=1)


def _order(version: str) -> tuple[list[int], bool, str]:
    """Sorts as releases do: 1.3.0rc1 comes before 1.3.0."""
    numbers, letters, rest = re.match(r"([\d.]+)([a-z]*)(\d*)", version).groups()  # type: ignore[union-attr]
    return [int(part) for part in numbers.split(".")], not letters, f"{letters}{rest:>09}"


def ready(git: "Git", version: str, tested: str | None) -> None:
    """Raises Refused, saying what to do first."""
    if git("status", "--porcelain"):
        raise Refused("the tree has changes: commit them, or put them away")
    if git("tag", "--list", f"v{version}"):
        raise Refused(f"there is a tag v{version} already")
    if tested != git("rev-parse", "HEAD"):
        raise Refused("this commit has not passed `make test` here: run it first")


class Git:
    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            ("git", *words), cwd=self._root, check=False, capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise Refused(f"git {words[0]}: {done.stderr.strip()}")
        return done.stdout.strip()


def release(root: Path, version: str, on: date) -> str:
    """The tag that was made. Raises Refused, with everything as it was."""
    git, stamp = Git(root), root / TESTED
    project, changelog = root / "pyproject.toml", root / "CHANGELOG.md"
    texts = {
        project: versioned(project.read_text(), version),
        changelog: moved(changelog.read_text(), version, on),
    }
    ready(git, version, stamp.read_text().strip() if stamp.exists() else None)
    for path, text in texts.items():
        path.write_text(text)
    git("commit", "--quiet", "--all", "--message", f"Release {version}")
    git("tag", "--annotate", f"v{version}", "--message", f"short-drama {version}")
    return f"v{version}"


@click.command()
@click.argument("version")
def main(version: str) -> None:
    tag = release(ROOT, version, datetime.now(UTC).date())
    click.echo(f"Tagged {tag}. `make setup wheels archive sbom` builds it; nothing is pushed.")


if __name__ == "__main__":
    main()
