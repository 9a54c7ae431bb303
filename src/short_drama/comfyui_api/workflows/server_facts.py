"""What a server says of itself: its node classes, its version, its GPU and its machine.

GET /system_stats gives, sizes in bytes, {"system": {"comfyui_version", "argv", "ram_total", ...},
"devices": [{"name": "cuda:0 NVIDIA A10G : cudaMallocAsync", "type", "vram_total", ...}]}. Started
with --cpu, the device is named cpu, and its vram_total is the machine's RAM.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

Version = tuple[int, ...]

DYNAMIC_VRAM: Final[Version] = 0, 16, 0
"""Since which version models are loaded by the piece, from the disk where RAM is short: ComfyUI's
changelog of 5 March 2026."""
_TURNED_OFF: Final = {"--disable-dynamic-vram", "--highvram", "--gpu-only", "--novram"}

_CAPABILITIES: Final = (
    (12.0, r"rtx 50\d\d|rtx pro \d000|blackwell"),
    (10.0, r"\bg?b[123]00\b"),
    (9.0, r"\bg?h[128]00\b"),
    (8.9, r"rtx 40\d\d|\bl4\b|\bl40s?\b|\bada\b"),
    (8.6, r"rtx 30\d\d|\ba10g?\b|\ba(?:2|16|40)\b|rtx a\d000"),
    (8.0, r"\ba(?:100|30|800)\b"),
    (7.5, r"\bt4g?\b|rtx 20\d\d|gtx 16\d\d|titan rtx|quadro rtx|\bt(?:600|1000|1200)\b"),
    (7.0, r"\bv100\b|titan v"),
    (6.0, r"\bp(?:4|40|100)\b|gtx 10\d\d|titan x"),
)
"""Compute capability by what NVIDIA's names contain; a name is looked up from the newest on."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """`object_info`: as GET /object_info answers. `stats`: as GET /system_stats does."""

    object_info: Mapping[str, Any]
    stats: Mapping[str, Any]

    @property
    def version(self) -> str:
        return str(self._system.get("comfyui_version") or "unknown")

    def is_older_than(self, version: Version) -> bool:
        """False for a version that cannot be read."""
        own = read_version(self.version)
        return bool(own) and own < version

    @property
    def argv(self) -> Sequence[str]:
        argv = self._system.get("argv")
        return [str(word) for word in argv] if isinstance(argv, list) else []

    @property
    def loads_by_the_piece(self) -> bool:
        """Whether models that are larger than the machine's RAM can be used."""
        off = _TURNED_OFF & {word.partition("=")[0] for word in self.argv}
        return not (off or self.is_older_than(DYNAMIC_VRAM) or not read_version(self.version))

    @property
    def is_cpu(self) -> bool:
        return str(self._device.get("type")) == "cpu"

    @property
    def card(self) -> str:
        """The GPU's name, without its number and the allocator's."""
        name = re.sub(r"^\w+:\d+ | : .*$", "", str(self._device.get("name") or "unknown GPU"))
        return name.strip()

    @property
    def capability(self) -> float | None:
        """The GPU's compute capability; None where its name does not tell."""
        name = self.card.casefold()
        found = (number for number, names in _CAPABILITIES if re.search(names, name))
        return None if self.is_cpu else next(found, None)

    @property
    def vram_bytes(self) -> int:
        """Of the GPU; 0 where there is none."""
        return 0 if self.is_cpu else _bytes(self._device.get("vram_total"))

    @property
    def ram_bytes(self) -> int:
        return _bytes(self._system.get("ram_total"))

    @property
    def _system(self) -> Mapping[str, Any]:
        system = self.stats.get("system")
        return system if isinstance(system, Mapping) else {}

    @property
    def _device(self) -> Mapping[str, Any]:
        """The one with the most memory: ComfyUI uses the first, which it lists alone."""
        listed = self.stats.get("devices")
        devices = listed if isinstance(listed, list) else []
        known = (each for each in devices if isinstance(each, Mapping))
        return max(known, key=lambda device: _bytes(device.get("vram_total")), default={})


def _bytes(told: object) -> int:
    """0 for what is no size."""
    return max(int(told), 0) if isinstance(told, int | float) and isfinite(told) else 0


def read_version(text: str) -> Version:
    """() for what is none."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, match.group(1).split("."))) if match else ()
