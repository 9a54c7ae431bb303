"""The pinned packages of a file in requirements/, and what each says of itself."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SHIPPED: Final = ("runtime.txt", "aws.txt", "otel.txt")
"""What runs where the product runs, with every extra."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.+?))? \\$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    name: str
    version: str
    marker: str | None
    """Where it is installed, if not everywhere: as in PEP 508."""
    sha256: Sequence[str]
    """Of each of its files that may be installed."""


def read(text: str) -> list[Locked]:
    """What `uv pip compile --generate-hashes` has written."""
    found: list[tuple[re.Match[str], list[str]]] = []
    for line in text.splitlines():
        if pin := _PIN.match(line):
            found.append((pin, []))
        elif found:
            found[-1][1].extend(_HASH.findall(line))
    return [Locked(pin[1], pin[2], pin[3], tuple(hashes)) for pin, hashes in found]


def shipped(names: Iterable[str] = SHIPPED) -> list[Locked]:
    """Each once, by name; some in several versions, for different Pythons."""
    files = (ROOT / "requirements" / name for name in names)
    every = {(each.name, each.version): each for file in files for each in read(file.read_text())}
    return [every[which] for which in sorted(every)]


def licence(name: str) -> str:
    """As the package's metadata has it: an SPDX expression where it is new enough."""
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return "not installed here"
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    told = [
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier") or ()
        if each.startswith("License :: ")
    ]
    short = metadata["License"].strip() if "License" in metadata else ""
    return ", ".join(told) or (short if 0 < len(short) < 80 else "see its own files")
