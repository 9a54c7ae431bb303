"""What is published of every kind: labelled, signed last, and told of in the record."""

import hashlib
import io
import json
from typing import Any

import c2pa
import numpy as np
import pytest
from PIL import Image

from short_drama.domain.kinds import KINDS
from short_drama.domain.sizes import Size
from short_drama.images import certificate, labels, manifest, png
from short_drama.images.certificate import Certificate
from short_drama.images.codec import decode, encode
from short_drama.images.labels import SourceType
from short_drama.images.signing import UNSIGNED, Manifests
from short_drama.images.visible_mark import VisibleMark
from short_drama.jobs.job import Job, JobOrder
from short_drama.jobs.results import publish_picture, publish_png
from tests.protocol.memory import MemoryAssets
from tests.samples import NOW

PIXELS = np.random.default_rng(3).integers(0, 255, (48, 64, 3), dtype=np.uint8)
TYPES = ("image/png", "image/jpeg")
UPLOAD = encode(PIXELS, "image/jpeg", label=None)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate.development(tmp_path_factory.mktemp("data") / "c2pa.pem")


@pytest.fixture
def assets() -> MemoryAssets:
    return MemoryAssets()


async def a_job(
    assets: MemoryAssets, kind: str, manifests: Manifests, *, key: str = "t1", data: bytes = UPLOAD
) -> Job:
    """All of its pictures are the same."""
    held = f"uploads/{key}"
    if held not in assets.assets:
        await assets.put(held, data, content_type="image/jpeg")
    given = dict.fromkeys(KINDS[kind].image_fields, f"asset:{held}")
    if kind in ("camera-angle", "qwen-image-edit"):
        given["prompt"] = "warmer"
    request = KINDS[kind].request.model_validate(given)
    order = JobOrder(kind=kind, request=request, key=key, created_at=NOW)
    return Job(order, f"job of {key}", manifests=manifests)


def others_read(data: bytes, content_type: str) -> tuple[dict[str, Any], str]:
    with c2pa.Reader(content_type, io.BytesIO(data)) as reader:
        told = json.loads(reader.json())
        return told["manifests"][told["active_manifest"]], str(reader.get_validation_state())


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_result_of_every_kind(
    kind: str, content_type: str, assets: MemoryAssets, ours: Certificate
) -> None:
    job = await a_job(assets, kind, Manifests(ours))
    source = SourceType.COMPOSITE_CAPTURE
    stored = await publish_picture(
        assets, job, "images/x", PIXELS, content_type=content_type, source=source, engine="local"
    )
    data = await assets.get("images/x")
    told, state = others_read(data, content_type)
    assert state == "Valid"
    names = list(KINDS[kind].image_fields)
    assert [one["title"] for one in told["ingredients"]] == names
    actions = told["assertions"][0]["data"]["actions"]
    between = ["c2pa.placed"] * (len(names) - 1)
    assert [one["action"] for one in actions] == ["c2pa.opened", *between, "c2pa.edited"]
    assert labels.read(data) == labels.Label.of_job(
        source, engine="local", kind=kind, job_id="job of t1", task_id="t1"
    )
    hash_ = hashlib.sha256(UPLOAD).hexdigest()
    assert stored.outcome({"seed": 1}).details == {
        "seed": 1,
        "sha256": hashlib.sha256(data).hexdigest(),
        "inputs": {name: {"sha256": hash_, "manifest": False} for name in names},
        "manifest": {
            "issuer": certificate.DEVELOPMENT,
            "signer": "short-drama development signer",
            "development": True,
        },
    }
    assert stored.result == {"width": 64, "height": 48, "bytes": len(data)}
    changed = bytearray(data)
    changed[-200] ^= 1
    assert manifest.read(bytes(changed), content_type, trusted=ours.chain).state == "changed"


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_visible_mark_is_on_every_kind_and_told_of(
    kind: str, content_type: str, assets: MemoryAssets, ours: Certificate
) -> None:
    job = await a_job(assets, kind, Manifests(ours))
    job.mark = VisibleMark("AI")
    plain = np.full((200, 300, 3), 128, dtype=np.uint8)
    how: dict[str, Any] = {"source": SourceType.COMPOSITE_CAPTURE, "engine": "local"}
    stored = await publish_picture(assets, job, "images/x", plain, content_type=content_type, **how)
    file = encode(plain, "image/png", label=None)
    drawn = await publish_png(assets, job, "images/y", file, size=Size(300, 200), **how)
    for one, type_ in ((stored, content_type), (drawn, "image/png")):
        data = await assets.get(one.key)
        pixels = decode(data).pixels
        assert (pixels[-25:, -40:] > 200).any()
        assert (pixels[-25:, -40:] < 30).any()
        assert (abs(pixels[:150].astype(int) - 128) < 4).all()
        told, state = others_read(data, type_)
        assert state == "Valid"
        assert one.outcome({}).details["visible_mark"] == "AI"
        assert "'visible mark': 'AI'" in str(told["assertions"])


async def test_what_is_kept_to_be_worked_on_has_no_visible_mark(assets: MemoryAssets) -> None:
    job = await a_job(assets, "full-face-swap", UNSIGNED)
    job.mark = VisibleMark("AI")
    how: dict[str, Any] = {"source": SourceType.COMPOSITE_CAPTURE, "engine": "local"}
    kept = await publish_picture(
        assets, job, "images/x", PIXELS, content_type="image/png", is_kept=True, **how
    )
    assert (decode(await assets.get("images/x")).pixels == PIXELS).all()
    assert "visible_mark" not in kept.outcome({}).details


async def test_a_chain_of_tasks_names_each_inputs_manifest(
    assets: MemoryAssets, ours: Certificate
) -> None:
    manifests, data, before = Manifests(ours), UPLOAD, None
    for number, kind in enumerate(("camera-angle", "face-mask", "face-swap")):
        job = await a_job(assets, kind, manifests, key=f"t{number}", data=data)
        key = f"images/{number}"
        stored = await publish_picture(
            assets, job, key, PIXELS,
            content_type="image/png", source=SourceType.TRAINED, engine="e",
        )  # fmt: skip
        data = await assets.get(key)
        reading = manifest.read(data, "image/png", trusted=ours.chain)
        assert reading.state == "valid"
        assert reading.ingredients[0].manifest == before
        told = stored.origin["inputs"].values()
        assert {one["manifest"] for one in told} == {before is not None}
        before = reading.manifest


async def test_what_an_engine_wrote_into_its_file_is_not_signed(
    assets: MemoryAssets, ours: Certificate
) -> None:
    job = await a_job(assets, "camera-angle", Manifests(ours))
    file = png.bare(encode(PIXELS, "image/png", label=None))
    await publish_png(
        assets,
        job,
        "images/x",
        file,
        size=Size(64, 48),
        source=SourceType.TRAINED,
        engine="comfyui",
    )
    data = await assets.get("images/x")
    assert others_read(data, "image/png")[1] == "Valid"
    assert (np.asarray(Image.open(io.BytesIO(data))) == PIXELS).all()


async def publish(assets: MemoryAssets, job: Job) -> dict[str, Any]:
    stored = await publish_picture(
        assets, job, "images/x", PIXELS,
        content_type="image/png", source=SourceType.TRAINED, engine="e",
    )  # fmt: skip
    return dict(stored.origin)


async def test_the_record_tells_the_hash_of_what_is_stored(
    assets: MemoryAssets, ours: Certificate
) -> None:
    """A signature is another each time; the file that is there stays."""
    job = await a_job(assets, "face-mask", Manifests(ours))
    first, again = await publish(assets, job), await publish(assets, job)
    assert first == again
    assert first["sha256"] == hashlib.sha256(await assets.get("images/x")).hexdigest()


async def test_an_input_that_is_gone_by_then_costs_no_result(
    assets: MemoryAssets, ours: Certificate
) -> None:
    job = await a_job(assets, "face-mask", Manifests(ours))
    assets.assets.clear()
    assert (await publish(assets, job))["inputs"] == {}
    assert others_read(await assets.get("images/x"), "image/png")[1] == "Valid"


async def test_where_nobody_signs_there_are_labels_and_hashes(assets: MemoryAssets) -> None:
    told = await publish(assets, await a_job(assets, "face-mask", UNSIGNED))
    data = await assets.get("images/x")
    assert told["manifest"] is None
    assert told["sha256"] == hashlib.sha256(data).hexdigest()
    assert not manifest.may_hold(data)
    assert labels.read(data) is not None
