"""What a label says, and that saying it twice says the same."""

import json
import re
from html import unescape
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from short_drama.images.codec import encode
from short_drama.images.labels import MAX_XMP_BYTES, Aigc, Label, SourceType, from_xmp, read
from short_drama.images.structure import JPEG, PNG, WEBP

LABEL = Label.of_job(
    SourceType.COMPOSITE_CAPTURE,
    engine="local-faces 1",
    kind="face-swap",
    job_id="0123-abc",
    producer="短剧 <Studio> & Co",
)
FIELDS = st.text(st.characters().filter(str.isprintable), max_size=200)
LABELS = st.builds(
    Label,
    source=st.none() | st.sampled_from(SourceType),
    aigc=st.just(Aigc()) | st.builds(Aigc, content_producer=FIELDS, reserved_code1=FIELDS),
    engine=FIELDS,
    kind=FIELDS,
    job_id=FIELDS,
)
GREY = np.full((32, 32, 3), 128, np.uint8)


@pytest.mark.parametrize("content_type", [PNG, JPEG, WEBP])
def test_a_label_is_read_back_from_the_file(content_type: str) -> None:
    data = encode(GREY, content_type, label=LABEL)
    assert read(data) == LABEL
    assert b"http://www.tc260.org.cn/ns/AIGC/1.0/" in data


@pytest.mark.parametrize("content_type", [PNG, JPEG, WEBP])
def test_a_file_without_a_label_has_none(content_type: str) -> None:
    data = encode(GREY, content_type, label=None)
    assert read(data) is None
    assert b"xmp" not in data.lower()


def test_the_packet_says_what_the_standards_ask() -> None:
    found = re.findall("^<([^>]+)>(.*)</\\1>$", LABEL.xmp().decode(), re.MULTILINE)
    texts = {name: unescape(text) for name, text in found}
    assert texts["Iptc4xmpExt:DigitalSourceType"] == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/compositeCapture"
    )
    assert json.loads(texts["TC260:AIGC"]) == {
        "Label": "1",
        "ContentProducer": "短剧 <Studio> & Co",
        "ProduceID": "0123-abc",
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }
    assert texts["sd:Engine"] == "local-faces 1"


@given(LABELS)
def test_any_label_comes_back(label: Label) -> None:
    assert from_xmp(label.xmp()) == label


@given(st.text())
def test_any_text_makes_a_packet_that_fits_a_jpeg(text: str) -> None:
    label = Label.of_job(SourceType.TRAINED, engine=text, kind=text, job_id=text, producer=text)
    again = from_xmp(label.xmp())
    assert again is not None
    assert again.source is SourceType.TRAINED
    assert len(label.xmp()) < 16_000


def packet(properties: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/" '
        f'xmlns:I="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {attributes}>{properties}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def test_another_makers_label_is_read() -> None:
    xmp = packet("<T:AIGC>{&quot;Label&quot;:&quot;1&quot;,&quot;ProduceID&quot;:7}</T:AIGC>")
    assert from_xmp(xmp) == Label(source=None, aigc=Aigc(label="1", produce_id="7"))


def test_a_property_may_be_an_attribute() -> None:
    term = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    found = from_xmp(packet("", f'I:DigitalSourceType="{term}"'))
    assert found == Label(source=SourceType.TRAINED, aigc=None)


@pytest.mark.parametrize(
    "xmp",
    [
        None,
        "a string",
        b"",
        b"not xml",
        b"<x:xmpmeta",
        b"\xff\xfe<\0a\0/\0>\0",
        packet(""),
        packet("<I:DigitalSourceType>.../digitalCapture</I:DigitalSourceType>"),
        packet("<T:AIGC>{not json}</T:AIGC>"),
        packet("<T:AIGC>[1]</T:AIGC>"),
        packet("<T:AIGC>" + "[" * 20_000 + "</T:AIGC>"),
        packet("<T:AIGC>{}</T:AIGC>"),
        b"<!DOCTYPE x>" + LABEL.xmp(),
        b'<!DOCTYPE x [<!ENTITY e "{}">]>' + packet("<T:AIGC>&e;</T:AIGC>"),
        LABEL.xmp() + b" " * MAX_XMP_BYTES,
    ],
    ids=range(15),
)
def test_a_packet_that_says_nothing_usable_is_no_label(xmp: object) -> None:
    assert from_xmp(xmp) is None


def test_entities_do_not_expand() -> None:
    layers = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "ha">{layers}]><x>&e11;</x>'
    assert from_xmp(bomb.encode()) is None


def test_read_sees_a_label_that_another_program_wrote() -> None:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", LABEL.xmp().decode(), zip=True)
    out = BytesIO()
    Image.fromarray(GREY).save(out, "PNG", pnginfo=info)
    assert read(out.getvalue()) == LABEL
