"""Every key is the architecture's, and is either public or private."""

import itertools
import uuid

import pytest

from short_drama.domain import asset_keys

JOB, HASH = "5d3c1f0e-8a52-5c55-9d53-8f6a3a1f0f11", "ab" * 32

KEYS = {
    asset_keys.comfyui_result("camera-angle", JOB): (
        f"images/comfyui-results/camera-angle/{JOB}.png"
    ),
    asset_keys.face_picture(0.0, JOB): f"images/face_swap/19700101T000000Z_{JOB}.png",
    asset_keys.seedream_picture(86_400.5, JOB): f"seedream/19700102T000000Z_{JOB}.jpg",
    asset_keys.paid_fact("t1", "detect", 2, "asked"): "jobs/t1/detect.2.asked.json",
    asset_keys.hosted_job(JOB): f"jobs/{JOB}/hosted.json",
    asset_keys.reusable(HASH): f"reuse/{HASH}.json",
    f"{asset_keys.incoming_prefix('anna')}{JOB}": f"incoming/anna/{JOB}",
}


@pytest.mark.parametrize(("made", "meant"), KEYS.items())
def test_a_key_is_the_architectures_and_is_public_or_private(made: str, meant: str) -> None:
    assert made == meant
    assert asset_keys.is_public(made) is not made.startswith(asset_keys.PRIVATE_PREFIXES)


def test_no_prefix_is_part_of_another() -> None:
    prefixes = (*asset_keys.PUBLIC_PREFIXES, *asset_keys.PRIVATE_PREFIXES)
    assert not [(a, b) for a, b in itertools.permutations(prefixes, 2) if b.startswith(a)]


def test_a_mask_beside_a_result_has_an_id_of_its_own() -> None:
    mask, other = asset_keys.mask_id(JOB), asset_keys.mask_id("another job")
    assert len({str(uuid.UUID(mask)), other, JOB}) == 3
    assert mask == asset_keys.mask_id(JOB)


def test_an_uploads_key_is_the_owners_the_bytes_and_the_secrets() -> None:
    keys = asset_keys.UploadKeys(b"secret")
    key = keys.key("anna", HASH, "png")
    assert key == asset_keys.UploadKeys(b"secret").key("anna", HASH, "png")
    assert asset_keys.is_public(key)
    others = {
        keys.key("bob", HASH, "png"),
        keys.key("anna", HASH[::-1], "png"),
        asset_keys.UploadKeys(b"other").key("anna", HASH, "png"),
    }
    names = {one.rpartition("/")[2] for one in others | {key, f"x/{HASH}.png"}}
    assert len(names) == 5
