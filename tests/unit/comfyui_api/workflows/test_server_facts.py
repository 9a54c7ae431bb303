"""What a server says of itself, as it was recorded and as cards are named."""

import pytest

from short_drama.comfyui_api.workflows.server_facts import ServerFacts, read_version
from tests.unit.comfyui_api.workflows.samples import GIB, facts


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("NVIDIA GeForce RTX 5090", 12.0),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 12.0),
        ("NVIDIA B200", 10.0),
        ("NVIDIA H100 80GB HBM3", 9.0),
        ("NVIDIA H200", 9.0),
        ("NVIDIA GH200 480GB", 9.0),
        ("NVIDIA GeForce RTX 4090", 8.9),
        ("NVIDIA L4", 8.9),
        ("NVIDIA L40S", 8.9),
        ("NVIDIA RTX 6000 Ada Generation", 8.9),
        ("NVIDIA A10G", 8.6),
        ("NVIDIA A10", 8.6),
        ("NVIDIA A40", 8.6),
        ("NVIDIA GeForce RTX 3090 Ti", 8.6),
        ("NVIDIA RTX A6000", 8.6),
        ("NVIDIA A100-SXM4-80GB", 8.0),
        ("Tesla T4", 7.5),
        ("NVIDIA GeForce RTX 2080 Ti", 7.5),
        ("Quadro RTX 6000", 7.5),
        ("Tesla V100-SXM2-16GB", 7.0),
        ("Tesla P100-PCIE-16GB", 6.0),
        ("AMD Radeon RX 7900 XTX", None),
        ("cpu", None),
    ],
)
def test_generations_are_known_by_their_names(name: str, capability: float | None) -> None:
    assert facts(name).capability == capability


def test_a_gpu_and_its_machine() -> None:
    told = facts("NVIDIA A10G", 22.5, 62, "0.33.0", argv=["main.py"])
    assert (told.card, told.version, told.is_cpu) == ("NVIDIA A10G", "0.33.0", False)
    assert (told.vram_bytes, told.ram_bytes) == (int(22.5 * GIB), 62 * GIB)
    assert told.loads_by_the_piece


def test_a_cpu_has_no_gpu_memory() -> None:
    told = facts("cpu", ram=24)
    assert (told.card, told.is_cpu, told.vram_bytes) == ("cpu", True, 0)


@pytest.mark.parametrize(
    ("version", "argv", "by_the_piece"),
    [
        ("0.3.75", [], False),
        ("0.15.1", [], False),
        ("0.16.0", [], True),
        ("v0.33.0-2-gabc", [], True),
        ("0.33.0", ["--disable-dynamic-vram"], False),
        ("0.33.0", ["--highvram"], False),
        ("nightly", [], False),
    ],
)
def test_how_models_are_loaded(version: str, argv: list[str], by_the_piece: bool) -> None:
    assert facts(version=version, argv=argv).loads_by_the_piece is by_the_piece


def test_versions_are_compared_by_number() -> None:
    assert read_version("0.3.75") < read_version("0.27.0") < read_version("v0.33.1")
    assert facts(version="0.3.75").is_older_than((0, 27, 0))
    assert not facts(version="unknown").is_older_than((0, 27, 0))


@pytest.mark.parametrize(
    "stats",
    [
        {},
        {"system": None, "devices": []},
        {"devices": [{}]},
        {"system": [], "devices": {"vram_total": 1}},
        {"system": {"argv": 5, "ram_total": "much"}, "devices": [None, {"vram_total": "24 GiB"}]},
        {"system": {"ram_total": -1}, "devices": [{"vram_total": float("nan")}]},
    ],
)
def test_a_server_that_tells_nothing(stats: dict[str, object]) -> None:
    told = ServerFacts({}, stats)
    assert (told.version, told.argv, told.card) == ("unknown", [], "unknown GPU")
    assert (told.vram_bytes, told.ram_bytes, told.capability) == (0, 0, None)
