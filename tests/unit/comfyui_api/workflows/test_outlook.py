"""What a card can do with a set of models is said before anybody waits for it."""

import pytest

from short_drama.comfyui_api.workflows.library import MODEL_SETS, library
from short_drama.comfyui_api.workflows.outlook import Verdict, outlook
from short_drama.comfyui_api.workflows.workflow import Workflow
from tests.unit.comfyui_api.workflows.samples import facts, object_info, read

FITS, DISK, STREAMS, FP32 = Verdict.FITS, Verdict.FROM_DISK, Verdict.STREAMS, Verdict.IN_FP32
CPU, NOT = Verdict.ON_CPU, Verdict.DOES_NOT_FIT
ANGLE, EDIT = "camera-angle", "qwen-image-edit"
CARDS = {
    "h100": facts(),
    "l40s": facts("NVIDIA L40S", 44.5, 128),
    "5090": facts("NVIDIA GeForce RTX 5090", 31.4, 64),
    "4090": facts("NVIDIA GeForce RTX 4090", 23.5, 64),
    "a10g, 16 GiB": facts("NVIDIA A10G", 22.1, 15.4),
    "a10g": facts("NVIDIA A10G", 22.1, 62),
    "a4000": facts("NVIDIA RTX A4000", 15.7, 62),
    "t4, 16 GiB": facts("Tesla T4", 14.6, 15.4),
    "t4": facts("Tesla T4", 14.6, 62),
    "t4, old": facts("Tesla T4", 14.6, 62, "0.3.75"),
    "t4, old, 16 GiB": facts("Tesla T4", 14.6, 15.4, "0.3.75"),
    "v100": facts("Tesla V100-SXM2-16GB", 15.8, 62),
    "cpu": facts("cpu", 0, 24),
    "another maker's": facts("AMD Radeon RX 7900 XTX", 24, 62),
}
SEEN = {
    "h100": (FITS, FITS, FITS, FITS, FITS),
    "l40s": (FITS, FITS, FITS, FITS, FITS),
    "5090": (FITS, FITS, FITS, NOT, FITS),
    "4090": (FITS, FITS, FITS, FITS, FITS),
    "a10g, 16 GiB": (DISK, DISK, FITS, FITS, DISK),
    "a10g": (FITS, FITS, FITS, FITS, FITS),
    "a4000": (STREAMS, STREAMS, FITS, FITS, FITS),
    "t4, 16 GiB": (FP32, STREAMS, DISK, DISK, FP32),
    "t4": (FP32, STREAMS, FITS, FITS, FP32),
    "t4, old": (FP32, STREAMS, FITS, FITS, FP32),
    "t4, old, 16 GiB": (NOT, NOT, NOT, NOT, NOT),
    "v100": (FP32, NOT, NOT, NOT, FP32),
    "cpu": (CPU, CPU, CPU, CPU, CPU),
    "another maker's": (FITS, FITS, FITS, FITS, FITS),
}
"""In the order of MODEL_SETS."""


def of(model_set: str, kind: str = ANGLE) -> Workflow:
    return library(None, {}, model_set=model_set)[kind]


@pytest.mark.parametrize("card", CARDS)
def test_every_card_with_every_set(card: str) -> None:
    seen = [outlook(of(model_set), CARDS[card]) for model_set in MODEL_SETS]
    assert tuple(each.verdict for each in seen if each) == SEEN[card]


BEST = {
    "h100": "2509-fp8",
    "l40s": "2509-fp8",
    "5090": "2509-fp8",
    "4090": "2509-fp8",
    "a10g, 16 GiB": "qwen-image-2.1-int8",
    "a10g": "2511-int8",
    "a4000": "qwen-image-2.1-int8",
    "t4, 16 GiB": "qwen-image-2.1-int8",
    "t4": "qwen-image-2.1-int8",
    "t4, old": "2509-nunchaku",
    "v100": "2509-fp8",
    "cpu": "2509-fp8",
    "another maker's": "2509-fp8",
}


@pytest.mark.parametrize("card", BEST)
def test_the_card_chooses(card: str) -> None:
    workflows = library(None, {})
    workflows.choose(CARDS[card])
    assert workflows[ANGLE].model_set == BEST[card]


@pytest.mark.parametrize(
    ("card", "model_set", "said"),
    [
        ("h100", "2509-fp8", "fits: 21.0 of 79.1 GiB at once"),
        ("a4000", "2509-fp8", "fits with streaming: 21.0 GiB are needed at once, and the GPU has"),
        ("t4, 16 GiB", "2511-int8", "15.4 GiB of RAM"),
        ("a10g, 16 GiB", "2509-gguf", "fits with streaming from the disk: the machine has 15.4"),
        ("t4", "2509-fp8", "computes in fp32 on this card (Tesla T4), expect minutes"),
        ("t4, old, 16 GiB", "2509-fp8", "does not fit: the machine has 15.4 GiB of RAM, and 33.0"),
        ("5090", "2509-nunchaku", "RTX 5090 does not compute with int4"),
        ("cpu", "2511-int8", "this server computes on a CPU"),
    ],
)
def test_it_is_said_in_one_line(card: str, model_set: str, said: str) -> None:
    seen = outlook(of(model_set), CARDS[card])
    assert seen is not None
    assert said in seen.sentence
    assert "\n" not in seen.sentence


@pytest.mark.parametrize(
    ("card", "model_set", "better"),
    [
        ("h100", "2509-fp8", None),
        ("a10g", "2509-fp8", None),
        ("t4", "2509-fp8", "qwen-image-2.1-int8"),
        ("t4", "2511-int8", "qwen-image-2.1-int8"),
        ("t4, old", "qwen-image-2.1-int8", "2509-nunchaku"),
        ("5090", "2509-nunchaku", "2509-fp8"),
        ("cpu", "2509-gguf", None),
    ],
)
def test_the_set_that_would_do_better(card: str, model_set: str, better: str | None) -> None:
    workflows = library(None, {}, model_set=model_set)
    workflows.choose(CARDS[card])
    assert workflows.better(ANGLE, CARDS[card]) == better


def test_what_is_there_comes_before_what_would_be_better() -> None:
    """A T4 with the files of one set only."""
    known = object_info("0.33.0")
    for name, field, file in (
        ("UNETLoader", "unet_name", "qwen_image_edit_2509_fp8_e4m3fn.safetensors"),
        ("CheckpointLoaderSimple", "ckpt_name", "Qwen-Rapid-AIO-NSFW-v11.safetensors"),
        ("NunchakuQwenImageDiTLoader", "model_name", "other.safetensors"),
        ("UnetLoaderGGUF", "unet_name", "other.gguf"),
    ):
        known[name]["input"]["required"][field][0] = [file]
    has = facts("Tesla T4", 14.6, 62, known=known)
    workflows = library(None, {})
    workflows.choose(has)
    assert [each.model_set for each in workflows.values()] == ["2509-fp8", "2509-fp8"]
    assert workflows.better(EDIT, has) == "qwen-image-2.1-int8"


def test_nothing_is_said_of_a_workflow_that_does_not_say_what_it_needs() -> None:
    assert outlook(read(), CARDS["h100"]) is None


def test_a_gpu_that_does_not_tell_its_memory() -> None:
    seen = outlook(of("2509-fp8"), facts("NVIDIA A10G", 0, 62))
    assert seen is None
