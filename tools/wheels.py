"""Build the wheel and the sdist, and try the wheel in empty environments: `make wheels`.

For every Python that is found here, the base wheel goes into an environment of its own, with what
requirements/base.txt pins, and is a client there of a service that runs in this one, over HTTP.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from tools.locked import ROOT

VERSIONS: Final = ("3.11", "3.12", "3.13")
_ADDRESS: Final = re.compile(r"Orchestrator, \w+ tasks +(http://\S+)")
_TRIES: Final = 7


def build(folder: Path) -> Path:
    """The wheel; the sdist is beside it."""
    for target in ("wheel", "sdist"):
        _run(sys.executable, "-m", "hatchling", "build", "--target", target, "-d", str(folder))
    (wheel,) = folder.glob("*.whl")
    return wheel


def pythons() -> dict[str, Path]:
    """One that runs for each version: on the path, or where pyenv keeps them."""
    found = {}
    for version in VERSIONS:
        name = f"python{version}"
        kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}"))
        on_path = shutil.which(name)
        for each in ([Path(on_path)] if on_path else []) + kept:
            runs = subprocess.run((each, "-c", ""), check=False, capture_output=True, timeout=60)
            if runs.returncode == 0:
                found[version] = each
                break
    return found


def install(python: Path, folder: Path, wheel: Path) -> Path:
    """An environment with the base wheel alone; its Python."""
    _run(str(python), "-m", "venv", str(folder))
    own = folder / "bin" / "python"
    pip = (str(own), "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    _run(*pip, "--require-hashes", "--requirement", str(ROOT / "requirements" / "base.txt"))
    _run(*pip, "--no-deps", str(wheel))
    return own


def size(own: Path) -> tuple[int, int]:
    """Bytes of what the packages brought, and of the bytecode that pip has made of it; pip's own,
    which every environment has, left out."""
    (packages,) = own.parents[1].glob("lib/python*/site-packages")
    files = [
        each
        for each in packages.rglob("*")
        if each.is_file() and not each.relative_to(packages).parts[0].startswith(("pip", "setupt"))
    ]
    code = sum(each.stat().st_size for each in files if each.suffix == ".pyc")
    return sum(each.stat().st_size for each in files) - code, code


def seconds(*words: str) -> float:
    """The best of a few runs."""
    best = float("inf")
    for _ in range(_TRIES):
        begun = time.perf_counter()
        _run(*words)
        best = min(best, time.perf_counter() - begun)
    return best


@contextlib.contextmanager
def service(folder: Path) -> Iterator[Sequence[str]]:
    """The whole product, of this environment, on free ports: its orchestrators' addresses."""
    command = Path(sys.executable).with_name("short-drama")
    process = subprocess.Popen(
        (command, "up", "--ports", "auto", "--data-dir", folder), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        urls: list[str] = []
        for line in process.stdout:
            urls += _ADDRESS.findall(line)
            if line.startswith("Ready."):
                break
        yield urls
    finally:
        process.terminate()
        process.communicate(timeout=60)


def smoke(own: Path, urls: Sequence[str], folder: Path) -> None:
    """A client's first steps. Raises CalledProcessError."""
    folder.mkdir()
    client = Path(__file__).with_name("smoke_client.py")
    command = own.with_name("short-drama")
    _run(str(own), "-I", str(client), str(command), *urls, str(folder))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=600)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Build into FOLDER, and try what was built."""
    wheel = build(folder.absolute())
    found = pythons()
    for version in VERSIONS:
        if version not in found:
            click.echo(f"Python {version}: not tried, for there is none here")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        with service(work / "data") as urls:
            for version, python in found.items():
                own = install(python, work / version, wheel)
                smoke(own, urls, work / f"client-{version}")
                click.echo(f"Python {version}: {_figures(own)}")
    click.echo(f"Wrote {wheel}")


def _figures(own: Path) -> str:
    files, code = size(own)
    nothing = seconds(str(own), "-c", "pass")
    sdk = seconds(str(own), "-c", "import short_drama.sdk")
    shown = seconds(str(own.with_name("short-drama")), "--help")
    return (
        f"{files / 1e6:.1f} MB and {code / 1e6:.1f} of bytecode; --help {shown:.3f} s, "
        f"import short_drama.sdk {sdk:.3f} s; Python alone {nothing:.3f} s"
    )


if __name__ == "__main__":
    main()
