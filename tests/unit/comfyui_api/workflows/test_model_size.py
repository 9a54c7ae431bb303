"""What the model is given instead of the still's own size."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.comfyui_api.workflows.library import library
from short_drama.comfyui_api.workflows.model_size import model_size
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.sizes import Size
from tests.unit.comfyui_api.workflows.samples import MANIFEST, graph, read

MEGAPIXEL = 1024 * 1024
STILLS = st.builds(Size, st.integers(256, 8192), st.integers(256, 8192)).filter(
    lambda size: max(size) <= 4 * min(size)
)
SIZE = """
[size]
pixels = 1_048_576
multiple = 16
width = ["scale.width"]
height = ["scale.height"]
"""


def encoded(size: Size) -> Size:
    """What the text encoder's own scaling makes of it: a megapixel, sides in eights."""
    factor = math.sqrt(MEGAPIXEL / math.prod(size))
    return Size(*(round(side * factor / 8.0) * 8 for side in size))


@given(STILLS)
def test_a_size_for_any_still(still: Size) -> None:
    size = model_size(still, pixels=MEGAPIXEL, multiple=16)
    assert all(side % 16 == 0 for side in size)
    assert abs(math.log(size[0] / size[1] * still[1] / still[0])) < 0.01
    assert abs(math.log(math.prod(size) / MEGAPIXEL)) < 0.04


@given(STILLS)
def test_a_size_that_the_encoder_leaves_alone(still: Size) -> None:
    size = model_size(still, pixels=MEGAPIXEL, multiple=16, encoder_multiple=8)
    assert encoded(size) == size
    assert all(side % 16 == 0 for side in size)
    assert abs(math.log(size[0] / size[1] * still[1] / still[0])) < 0.032


@pytest.mark.parametrize(
    ("still", "size"),
    [
        (Size(1024, 1024), (1024, 1024)),
        (Size(1920, 1080), (1360, 768)),
        (Size(1080, 1920), (768, 1360)),
        (Size(3000, 2000), (1264, 832)),
        (Size(8192, 2048), (2048, 512)),
        (Size(256, 256), (1024, 1024)),
    ],
)
def test_sizes_as_they_are(still: Size, size: tuple[int, int]) -> None:
    assert model_size(still, pixels=MEGAPIXEL, multiple=16, encoder_multiple=8) == size


@given(
    st.integers(16, 8192), st.integers(16, 8192), st.integers(256**2, 4096**2), st.integers(1, 256)
)
def test_there_always_is_one(width: int, height: int, pixels: int, multiple: int) -> None:
    for encoder in (None, 8):
        size = model_size(
            Size(width, height), pixels=pixels, multiple=multiple, encoder_multiple=encoder
        )
        assert all(side > 0 and side % multiple == 0 for side in size)


@pytest.mark.parametrize("kind", ["camera-angle", "qwen-image-edit"])
def test_our_workflows_are_given_their_size(kind: str) -> None:
    workflow = library(None, {})[kind]
    size = workflow.size_for(Size(1920, 1080))
    assert size == (1360, 768)
    images = {"image_url": "a.png"}
    scale = workflow.build({}, images=images, prefix="p", size=size)["scale"]["inputs"]
    assert (scale["width"], scale["height"], scale["crop"]) == (1360, 768, "disabled")
    assert workflow.build({}, images=images, prefix="p")["scale"]["inputs"]["width"] == 1024


def test_a_workflow_without_the_table_sees_to_its_size_itself() -> None:
    workflow = read()
    assert workflow.size_for(Size(1920, 1080)) is None
    images = {"image_url": "a.png"}
    plain = workflow.build({}, images=images, prefix="p")
    assert workflow.build({}, images=images, prefix="p", size=Size(64, 64)) == plain


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("scale.width", "scale.depth", "size: the graph has no scale.depth"),
        ("scale.width", "scale.image", "size: scale.image is linked to another node"),
        ("scale.width", "scale.crop", "size: scale.crop is no whole number in the graph"),
        ("scale.width", "scale.height", "scale.height is named more than once"),
        ("scale.width", "sampler.steps", "sampler.steps is named more than once"),
        ("multiple = 16", "multiple = 0", "size.multiple"),
        ("multiple = 16", "steps = 16", "size.multiple"),
    ],
)
def test_faults_of_the_table_are_named(before: str, after: str, says: str) -> None:
    nodes = graph()
    nodes["scale"] = {
        "class_type": "ImageScale",
        "inputs": {
            "image": ["still", 0], "upscale_method": "lanczos", "width": 1024, "height": 1024,
            "crop": "disabled",
        },
    }  # fmt: skip
    assert read(nodes, MANIFEST + SIZE).size_for(Size(512, 512)) == (1024, 1024)
    with pytest.raises(InvalidRequest) as caught:
        read(nodes, MANIFEST + SIZE.replace(before, after))
    assert says in caught.value.detail


def test_the_size_is_that_of_a_still() -> None:
    nodes = {
        "empty": {
            "class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0},
        },
        "save": {
            "class_type": "SaveImage",
            "inputs": {"images": ["empty", 0], "filename_prefix": "x"},
        },
    }
    manifest = (
        'summary = "x"\nresult = "save"\n[inputs.color]\ntype = "integer"\nminimum = 0\n'
        'maximum = 9\ninto = ["empty.color"]\n'
    )
    with pytest.raises(InvalidRequest, match="no image is required"):
        read(nodes, manifest + SIZE.replace("scale", "empty"))
