"""Wake-ups in folders for temporary files of every kind."""

import os
import tempfile
from pathlib import Path

import pytest

from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.errors import Unavailable


def in_use(folder: Path) -> list[Path]:
    return list(folder.glob(f"short-drama-{os.getuid()}-*"))


async def opened(data_dir: Path) -> None:
    async with Wakeups(data_dir) as wakeups:
        wakeups.notify("topic")


async def test_a_usable_folder_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # whose path is shorter than tmp_path's
        monkeypatch.setattr(tempfile, "tempdir", folder)
        await opened(tmp_path / "data")
        assert in_use(Path(folder))


@pytest.mark.parametrize("trouble", ["missing", "a file", "too long"])
async def test_a_folder_that_cannot_be_used_is_named(
    trouble: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / ("x" * (100 if trouble == "too long" else 10))
    if trouble == "a file":
        folder.touch()
    elif trouble == "too long":
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(Unavailable, match="cannot be used") as refused:
        await opened(tmp_path / "data")
    assert str(folder) in refused.value.detail
    assert "TMPDIR" in (refused.value.fix or "")


async def test_no_folder_at_all_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(Unavailable, match="No usable temporary directory") as refused:
        Wakeups(tmp_path)
    assert refused.value.fix
