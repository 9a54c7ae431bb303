"""Which ComfyUI `--comfyui real` starts, and what is said when it is not all there."""

from pathlib import Path

import pytest

from tests.emulators.server import ServerFailed
from tests.real_comfyui.program import files


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One of ComfyUI with a venv inside it."""
    (tmp_path / "main.py").touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return tmp_path


def test_a_checkout_runs_with_the_venv_inside_it(checkout: Path) -> None:
    python, main = files({"COMFYUI_SOURCE": str(checkout)})
    assert (python, main) == (checkout / ".venv/bin/python", checkout / "main.py")


def test_or_with_the_python_that_is_named(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.touch()
    python, _ = files({"COMFYUI_SOURCE": str(checkout), "COMFYUI_PYTHON": str(other)})
    assert python == other


def test_what_a_checkout_lacks_is_named(checkout: Path) -> None:
    with pytest.raises(ServerFailed, match=r"^no /nowhere: name the Python .* COMFYUI_PYTHON"):
        files({"COMFYUI_SOURCE": str(checkout), "COMFYUI_PYTHON": "/nowhere"})
    (checkout / "main.py").unlink()
    with pytest.raises(ServerFailed, match="COMFYUI_SOURCE names no checkout of ComfyUI"):
        files({"COMFYUI_SOURCE": str(checkout)})
    (checkout / ".venv/bin/python").unlink()
    with pytest.raises(ServerFailed, match=r"\.venv/bin/python: name the Python .* COMFYUI_PYTHON"):
        files({"COMFYUI_SOURCE": str(checkout)})
