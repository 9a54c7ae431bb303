"""A ComfyUI that tests can start: the one of `make test-comfyui`, or a checkout of one's own."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.emulators.server import ROOT, ServerFailed, installed

_HOME = ROOT / ".comfyui"
_WRITE_MODELS = Path(__file__).with_name("write_models.py")


@dataclass(frozen=True, slots=True)
class Program:
    """ComfyUI's `main`.py, the Python that has its packages, and a folder of models for it."""

    python: Path
    main: Path
    models: Path


def prepared(models: Path) -> Program:
    """The checkout that COMFYUI_SOURCE names, else what `make test-comfyui` installs.

    Its models are written into the folder `models`, nothing into the checkout, which runs with
    COMFYUI_PYTHON, else with the Python of a venv inside it. Raises ServerFailed if a file is
    missing.
    """
    python, main = files(os.environ)
    command = [python, _WRITE_MODELS, models]
    written = subprocess.run(command, cwd=main.parent, capture_output=True, text=True, check=False)
    if written.returncode:
        raise ServerFailed(f"the models could not be written: {written.stderr[-4000:]}")
    return Program(python, main, models)


def files(environment: Mapping[str, str]) -> tuple[Path, Path]:
    """The Python and the main.py that `environment` chooses."""
    if source := environment.get("COMFYUI_SOURCE"):
        folder = Path(source).expanduser().absolute()
        return _python_of(folder, environment.get("COMFYUI_PYTHON")), _main_of(folder)
    by = "make test-comfyui"
    return installed(_HOME / "bin" / "python", by=by), installed(_HOME / "comfyui/main.py", by=by)


def _main_of(folder: Path) -> Path:
    if not (main := folder / "main.py").exists():
        raise ServerFailed(f"COMFYUI_SOURCE names no checkout of ComfyUI: {main} is missing")
    return main


def _python_of(folder: Path, named: str | None) -> Path:
    usual = [folder / name / "bin" / "python" for name in ("venv", ".venv")]
    candidates = [Path(named).expanduser().absolute()] if named else usual
    for python in candidates:
        if python.exists():
            return python
    tried = " or ".join(map(str, candidates))
    raise ServerFailed(f"no {tried}: name the Python that runs your ComfyUI in COMFYUI_PYTHON")
