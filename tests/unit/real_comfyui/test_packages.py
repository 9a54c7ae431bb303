"""Where ComfyUI's packages are not to be had, a sentence says so before anything is fetched."""

import pytest

from tests.real_comfyui.packages import lacks_wheels


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
@pytest.mark.parametrize(
    ("system", "machine"), [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")]
)
def test_machines_that_can_have_them(system: str, machine: str, version: tuple[int, int]) -> None:
    assert lacks_wheels(system, machine, version) is None


@pytest.mark.parametrize(
    ("system", "machine", "version", "reason"),
    [
        ("Linux", "x86_64", (3, 10), "this is 3.10: name another"),
        ("Linux", "x86_64", (3, 14), "this is 3.14: name another"),
        ("Linux", "riscv64", (3, 12), "no package for Linux on riscv64"),
        ("Darwin", "x86_64", (3, 12), "no package for Darwin on x86_64"),
        ("Windows", "AMD64", (3, 12), "no package for Windows on AMD64"),
    ],
)
def test_machines_that_cannot(
    system: str, machine: str, version: tuple[int, int], reason: str
) -> None:
    assert reason in (lacks_wheels(system, machine, version) or "")
