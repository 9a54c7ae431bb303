"""What is no release yet is refused, with everything as it was."""

import subprocess
from datetime import date
from pathlib import Path

import pytest

from tools.release import TESTED, Refused, moved, release, versioned

ON = date(2027, 1, 2)
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n"
PROJECT = '[project]\nname = "x"\nversion = "0.1.0"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose last commit has passed its tests."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / ".gitignore").write_text(".cache/\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "anna")
    git(tmp_path, "config", "user.email", "anna@studio.example")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    stamp(tmp_path)
    return tmp_path


def git(root: Path, *words: str) -> str:
    return subprocess.run(
        ("git", *words), cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def stamp(root: Path) -> None:
    (root / TESTED).parent.mkdir(exist_ok=True)
    (root / TESTED).write_text(git(root, "rev-parse", "HEAD") + "\n")


def test_a_release_is_a_version_a_heading_a_commit_and_a_tag(root: Path) -> None:
    assert release(root, "0.2.0", ON) == "v0.2.0"
    assert 'version = "0.2.0"' in (root / "pyproject.toml").read_text()
    changelog = (root / "CHANGELOG.md").read_text()
    assert "## [Unreleased]\n\n## [0.2.0] - 2027-01-02\n\n### Added\n\n- A thing." in changelog
    assert git(root, "describe") == "v0.2.0"
    assert git(root, "status", "--porcelain") == ""
    with pytest.raises(Refused, match="nothing under"):
        release(root, "0.3.0", ON)


def test_untested_changed_and_tagged_trees_are_refused(root: Path) -> None:
    before = git(root, "rev-parse", "HEAD")
    (root / "new").touch()
    with pytest.raises(Refused, match="has changes"):
        release(root, "0.2.0", ON)
    (root / "new").unlink()
    (root / TESTED).write_text("0" * 40)
    with pytest.raises(Refused, match="make test"):
        release(root, "0.2.0", ON)
    stamp(root)
    git(root, "tag", "v0.2.0")
    with pytest.raises(Refused, match=r"a tag v0\.2\.0"):
        release(root, "0.2.0", ON)
    assert git(root, "rev-parse", "HEAD") == before
    assert (root / "CHANGELOG.md").read_text() == CHANGELOG


@pytest.mark.parametrize("version", ["", "1", "1.0", "v1.0.0", "1.0.0; rm", "0.0.9", "0.1.0rc1"])
def test_what_is_no_later_version_is_refused(version: str) -> None:
    with pytest.raises(Refused):
        versioned(PROJECT, version)


@pytest.mark.parametrize("version", ["0.1.0", "0.1.1", "0.2.0rc1", "0.10.0", "1.0.0"])
def test_later_versions_are_taken(version: str) -> None:
    assert f'version = "{version}"' in versioned(PROJECT, version)


def test_a_version_is_released_once() -> None:
    with pytest.raises(Refused, match="already"):
        moved(CHANGELOG + "\n## [0.2.0] - 2026-01-01\n", "0.2.0", ON)
