"""Manifests: written over whole files, read back by the library that everybody reads them with."""

import io
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
from PIL import Image

from short_drama.images import certificate, manifest
from short_drama.images.certificate import Certificate
from short_drama.images.codec import encode
from short_drama.images.labels import Label, SourceType, from_xmp
from short_drama.images.manifest import Claim, Ingredient, ManifestNotWritten, sign
from short_drama.images.signing import Manifests
from tests.unit.images.certificates import p256, pem, self_signed

TYPES = ("image/png", "image/jpeg", "image/webp")
CLAIM = Claim(
    action="c2pa.edited",
    agent="local-preview",
    source=SourceType.COMPOSITE_CAPTURE,
    facts={"task_id": "t1", "kind": "camera-angle"},
)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate.development(tmp_path_factory.mktemp("data") / "c2pa.pem")


def picture(content_type: str, **options: Any) -> bytes:
    pixels = np.random.default_rng(7).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, content_type.removeprefix("image/"), **options)
    return out.getvalue()


def still(data: bytes, content_type: str, name: str = "image_url") -> Ingredient:
    return Ingredient(name=name, data=data, content_type=content_type)


def others_read(data: bytes, content_type: str) -> tuple[dict[str, Any], str]:
    """By c2pa-python as it comes."""
    with c2pa.Reader(content_type, io.BytesIO(data)) as reader:
        return json.loads(reader.json()), str(reader.get_validation_state())


@pytest.mark.parametrize("content_type", TYPES)
def test_a_signed_file_is_valid_and_its_pixels_stay(content_type: str, ours: Certificate) -> None:
    data = picture(content_type)
    signed = sign(data, content_type, CLAIM, [], ours)
    told, state = others_read(signed, content_type)
    assert state == "Valid"
    made = told["manifests"][told["active_manifest"]]
    assert made["signature_info"]["issuer"] == certificate.DEVELOPMENT
    (action,) = made["assertions"][0]["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].endswith("/compositeCapture")
    assert action["softwareAgent"]["name"] == "local-preview"
    before, after = (np.asarray(Image.open(io.BytesIO(each))) for each in (data, signed))
    assert (before == after).all()
    assert len(signed) - len(data) < 4096, "no thumbnail"
    reading = manifest.read(signed, content_type, trusted=ours.chain)
    assert (reading.state, reading.source) == ("valid", "compositeCapture")
    assert reading.facts == {"task_id": "t1", "kind": "camera-angle"}


@pytest.mark.parametrize("content_type", TYPES)
def test_a_changed_byte_is_noticed_wherever_it_is(content_type: str, ours: Certificate) -> None:
    """But for the manifest's own padding, which says nothing."""
    data = picture(content_type)
    signed = sign(data, content_type, CLAIM, [], ours)
    begin = signed.index(b"jumb") - 60
    own = range(begin, begin + len(signed) - len(data) + 60)
    places = [at for at in range(60, len(signed) - 12, len(signed) // 60) if at not in own]
    assert len(places) > 20
    for at in places:
        changed = bytearray(signed)
        changed[at] ^= 1
        state = manifest.read(bytes(changed), content_type, trusted=ours.chain).state
        assert state in ("changed", "unreadable"), at


def test_the_pixels_last_byte_is_noticed_as_a_change(ours: Certificate) -> None:
    signed = bytearray(sign(picture("image/png"), "image/png", CLAIM, [], ours))
    signed[-20] ^= 1
    reading = manifest.read(bytes(signed), "image/png", trusted=ours.chain)
    assert reading.state == "changed"
    assert "assertion.dataHash.mismatch" in reading.reasons


@pytest.mark.parametrize("content_type", TYPES)
def test_what_is_saved_again_has_no_manifest(content_type: str, ours: Certificate) -> None:
    signed = sign(picture(content_type), content_type, CLAIM, [], ours)
    out = io.BytesIO()
    Image.open(io.BytesIO(signed)).save(out, "PNG")
    assert manifest.read(out.getvalue(), "image/png").state == "none"


def test_inputs_come_along_with_their_own_manifests(ours: Certificate) -> None:
    first = sign(picture("image/jpeg"), "image/jpeg", CLAIM, [], ours)
    second = sign(
        picture("image/png"),
        "image/png",
        CLAIM,
        [still(first, "image/jpeg"), still(picture("image/webp"), "image/webp", "target_face_url")],
        ours,
    )
    third = sign(picture("image/png"), "image/png", CLAIM, [still(second, "image/png")], ours)
    told, state = others_read(third, "image/png")
    assert state == "Valid"
    assert len(told["manifests"]) == 3
    own = [others_read(each, kind)[0]["active_manifest"]
           for each, kind in ((first, "image/jpeg"), (second, "image/png"))]  # fmt: skip
    reading = manifest.read(second, "image/png", trusted=ours.chain)
    assert [
        (one.name, one.relationship, one.manifest, one.state) for one in reading.ingredients
    ] == [
        ("image_url", "parentOf", own[0], "untrusted"),
        ("target_face_url", "componentOf", None, "none"),
    ]
    assert manifest.read(third, "image/png").ingredients[0].manifest == own[1]


def test_an_input_that_was_changed_is_told_of_as_changed(ours: Certificate) -> None:
    first = bytearray(sign(picture("image/png"), "image/png", CLAIM, [], ours))
    first[-20] ^= 1
    signed = sign(
        picture("image/png"), "image/png", CLAIM, [still(bytes(first), "image/png")], ours
    )
    reading = manifest.read(signed, "image/png", trusted=ours.chain)
    assert (reading.state, reading.ingredients[0].state) == ("valid", "changed")


def test_a_history_that_is_too_long_is_left_out(
    ours: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sign(picture("image/png"), "image/png", CLAIM, [], ours)
    monkeypatch.setattr(manifest, "MAX_BYTES", 6000)
    data = picture("image/png")
    signed = sign(data, "image/png", CLAIM, [still(first, "image/png")], ours)
    reading = manifest.read(signed, "image/png", trusted=ours.chain)
    assert reading.state == "valid"
    assert [(one.name, one.manifest) for one in reading.ingredients] == [("image_url", None)]
    assert len(signed) - len(data) < 6000


def test_another_installations_signature_is_not_trusted(ours: Certificate, tmp_path: Path) -> None:
    theirs = certificate.development(tmp_path / "c2pa.pem")
    signed = sign(picture("image/png"), "image/png", CLAIM, [], theirs)
    assert manifest.read(signed, "image/png", trusted=ours.chain).state == "untrusted"
    assert manifest.read(signed, "image/png").state == "untrusted"
    assert manifest.read(signed, "image/png", trusted=theirs.chain).state == "valid"


def test_an_operators_own_certificate_signs() -> None:
    key = p256()
    own = certificate.read(self_signed(key), pem(key))
    signed = sign(picture("image/png"), "image/png", CLAIM, [], own)
    reading = manifest.read(signed, "image/png", trusted=own.chain)
    assert (reading.state, reading.issuer) == ("valid", "A Studio")


@pytest.mark.parametrize("lacks", ["usage", "mail"])
async def test_what_the_library_refuses_costs_the_manifest_and_not_the_picture(lacks: str) -> None:
    key = p256()
    wrong = certificate.read(self_signed(key, **{lacks: False}), pem(key))
    data = picture("image/png")
    with pytest.raises(ManifestNotWritten):
        sign(data, "image/png", CLAIM, [], wrong)
    manifests = Manifests(wrong)
    assert await manifests.sign(data, "image/png", CLAIM, []) == (data, None)
    assert manifests.view()["written"] is False


async def test_without_the_library_pictures_stay_as_they_are(ours: Certificate) -> None:
    manifests, data = Manifests(ours, installed=False), picture("image/png")
    assert await manifests.sign(data, "image/png", CLAIM, []) == (data, None)
    view = manifests.view()
    assert view["written"] is False
    assert view["fix"] == "Install it: pip install 'short-drama[c2pa]'"


def test_without_the_library_nobody_says_that_there_is_none(
    ours: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = sign(picture("image/png"), "image/png", CLAIM, [], ours)
    monkeypatch.setattr(manifest, "is_installed", lambda: False)
    assert manifest.read(signed, "image/png").state == "unknown"
    assert manifest.read(picture("image/png"), "image/png").state == "none"


@pytest.mark.parametrize("content_type", TYPES)
def test_a_damaged_manifest_is_no_manifest_and_no_crash(
    content_type: str, ours: Certificate
) -> None:
    signed = bytearray(sign(picture(content_type), content_type, CLAIM, [], ours))
    at = signed.index(b"jumb")
    signed[at + 8 : at + 200] = bytes(192)
    assert manifest.read(bytes(signed), content_type).state in ("unreadable", "none", "invalid")


class Listening:
    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0.2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/manifest.c2pa"

    @property
    def asked(self) -> bool:
        try:
            self.socket.accept()[0].close()
        except TimeoutError:
            return False
        return True


@pytest.fixture
def stranger(socket_enabled: None) -> Iterator[Listening]:
    listening = Listening()
    yield listening
    listening.socket.close()


def test_nobody_is_asked_for_a_manifest_that_is_elsewhere(
    stranger: Listening, ours: Certificate
) -> None:
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/'
        '22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/"'
        f' dcterms:provenance="{stranger.url}" sd="jumb c2pa"/></rdf:RDF></x:xmpmeta>'
    )
    data = picture("image/jpeg", xmp=xmp.encode())
    assert manifest.may_hold(data)
    assert manifest.read(data, "image/jpeg").state in ("none", "unreadable")
    sign(picture("image/png"), "image/png", CLAIM, [still(data, "image/jpeg")], ours)
    assert not stranger.asked


def test_what_strangers_wrote_is_cut_and_printable(ours: Certificate) -> None:
    loud = replace(
        CLAIM, agent="\x1b[31m" + "a" * 5000, facts={"task_id": "\x1b]0;x\a" + "b" * 500}
    )
    reading = manifest.read(sign(picture("image/png"), "image/png", loud, [], ours), "image/png")
    assert len(reading.facts["task_id"]) == 200
    assert reading.facts["task_id"].isprintable()


def test_a_label_survives_beside_a_manifest(ours: Certificate) -> None:
    label = Label.of_job(
        SourceType.COMPOSITE_CAPTURE, engine="e", kind="face-mask", job_id="j", task_id="t"
    )
    pixels = np.zeros((32, 48, 3), np.uint8)
    for content_type in TYPES:
        data = encode(pixels, content_type, label=label)
        signed = sign(data, content_type, CLAIM, [], ours)
        assert from_xmp(Image.open(io.BytesIO(signed)).info.get("xmp")) == label
