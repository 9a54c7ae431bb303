"""Folders are closed to others, whoever made them."""

import os
import stat
from pathlib import Path

import pytest

from short_drama.cli.host import claim
from short_drama.domain.errors import Unavailable
from short_drama.private_folder import NotOurs, close_to_others, open_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("made", [0o755, 0o777, 0o750, 0o700, 0o2775])
def test_a_data_directory_that_was_there_is_closed(made: int, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(made)
    with claim(folder, alone=True):
        assert mode(folder) & 0o777 == 0o700


def test_a_data_directory_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    with claim(tmp_path / "data", alone=True):
        assert mode(tmp_path / "disk") == 0o700


@pytest.mark.parametrize(("made", "refused"), [(0o755, True), (0o770, False), (0o700, False)])
def test_what_cannot_be_closed_is_refused_if_all_may_look(
    made: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_permitted(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    tmp_path.chmod(made)
    monkeypatch.setattr(Path, "chmod", not_permitted)
    if not refused:
        close_to_others(tmp_path)
        return
    with pytest.raises(NotOurs):
        close_to_others(tmp_path)
    with pytest.raises(Unavailable) as told, claim(tmp_path, alone=True):
        pass
    assert "chmod 700" in str(told.value.fix)


def test_a_private_folder_is_made_with_what_leads_to_it(tmp_path: Path) -> None:
    os.close(open_private(tmp_path / "a" / "b"))
    assert mode(tmp_path / "a" / "b") == 0o700


def test_a_private_folder_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="link"):
        open_private(tmp_path / "link")
