"""Wake-ups in folders of every kind: none but ours is used, and nothing but ours is removed."""

import os
import socket
from pathlib import Path

import pytest

from short_drama.backends.embedded import wakeups as wakeups_module
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.errors import Unavailable


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def lists_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups_module, "_RELIST_SECONDS", -1.0)


async def woken(data_dir: Path) -> bool:
    """Whether one of two hears the other."""
    async with Wakeups(data_dir) as one, Wakeups(data_dir) as other:
        with other.listen("topic") as bell:
            one.notify("topic")
            other._receive()
            return bell._rung.is_set()


async def test_one_wakes_the_other_and_both_clear_up(tmp_path: Path) -> None:
    assert await woken(tmp_path)
    assert mode(tmp_path / "wakeups") == 0o700
    assert not list((tmp_path / "wakeups").iterdir())


async def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    assert await woken(tmp_path / ("x" * 200))


async def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "wakeups").mkdir(mode=0o777)
    (tmp_path / "wakeups").chmod(0o777)
    assert await woken(tmp_path)
    assert mode(tmp_path / "wakeups") == 0o700


@pytest.mark.parametrize("trouble", ["a link", "a file", "a broken link"])
async def test_what_is_no_folder_of_ours_is_refused_by_name(trouble: str, tmp_path: Path) -> None:
    folder, others = tmp_path / "data" / "wakeups", tmp_path / "others"
    folder.parent.mkdir()
    others.mkdir()
    (others / "1-1").touch()
    if trouble == "a file":
        folder.touch()
    else:
        folder.symlink_to(others if trouble == "a link" else tmp_path / "none")
    with pytest.raises(Unavailable, match="cannot be used") as refused:
        await woken(folder.parent)
    assert str(folder) in refused.value.detail
    assert refused.value.fix
    assert (others / "1-1").exists()


async def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make one")
    (tmp_path / "wakeups").mkdir(mode=0o700)
    os.chown(tmp_path / "wakeups", 12345, 12345)
    with pytest.raises(Unavailable, match="another user"):
        await woken(tmp_path)


async def test_nothing_is_removed_but_sockets_of_ours_that_nobody_reads(tmp_path: Path) -> None:
    folder = tmp_path / "wakeups"
    async with Wakeups(tmp_path) as wakeups:
        (folder / "file.txt").write_text("mine")
        (folder / "1-abc").write_text("a file by one of our names")
        (folder / "2-abc").mkdir()
        (folder / "3-abc").symlink_to(tmp_path / "none")
        for name in ("4-abc", "foreign.sock"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
                left.bind(f"/proc/self/fd/{wakeups._folder}/{name}")
        wakeups.notify("topic")
        left_there = {path.name for path in folder.iterdir()} - {wakeups._own}
        assert left_there == {"file.txt", "1-abc", "2-abc", "3-abc", "foreign.sock"}


async def test_telling_fails_nobody(tmp_path: Path) -> None:
    async with Wakeups(tmp_path) as wakeups:
        for path in (tmp_path / "wakeups").iterdir():
            path.unlink()
        (tmp_path / "wakeups").rmdir()
        wakeups.notify("topic")
        wakeups.notify("\ud800".encode(errors="replace").decode() * 200_000)
    Wakeups(tmp_path).notify("topic")  # never opened, as where tasks are only read
