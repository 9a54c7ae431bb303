"""The machines that the simulator can say it runs on."""

from dataclasses import dataclass
from typing import Any

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU, as torch names it, and the machine's own memory. Sizes in bytes.

    Args:
        memory: 0 on a machine without a GPU, of which ComfyUI tells the RAM as the device's.
    """

    name: str
    memory: int
    ram: int

    def system(self) -> dict[str, Any]:
        return {"ram_total": self.ram, "ram_free": self.ram // 4 * 3}

    def devices(self) -> list[dict[str, Any]]:
        """As in /system_stats."""
        if not self.memory:
            return [_device("cpu", "cpu", None, self.ram, self.ram)]
        name = f"cuda:0 {self.name} : cudaMallocAsync"
        return [_device(name, "cuda", 0, self.memory, self.memory // 2)]


def _device(name: str, kind: str, index: int | None, memory: int, reserved: int) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "index": index,
        "vram_total": memory,
        "vram_free": memory // 2,
        "torch_vram_total": reserved,
        "torch_vram_free": 0,
    }


CARDS = {
    "h100": Card("NVIDIA H100 80GB HBM3", 80 * GIB, 128 * GIB),
    "a10g": Card("NVIDIA A10G", 23 * GIB, 32 * GIB),
    "t4": Card("Tesla T4", 15 * GIB, 16 * GIB),
    "cpu": Card("cpu", 0, 24 * GIB),
}
