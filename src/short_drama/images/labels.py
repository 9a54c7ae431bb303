"""The label that says a picture was made by a machine, written into its metadata as XMP.

Three readers are served at once:

* the world: IPTC's `DigitalSourceType` (IPTC Photo Metadata Standard, NewsCodes);
* China's GB 45438-2025: the property `AIGC`, a JSON object, in the namespace that
  TC260-PG-20258A gives for images;
* ourselves: engine, kind, job and task, for provenance, and where a mask is.

Labels of other makers are read too, so that a picture that comes to us labelled leaves labelled.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any, Final, Self
from xml.parsers import expat

from short_drama.images.mask_note import MaskNote
from short_drama.images.structure import open_ours

MAX_XMP_BYTES: Final = 64 * 1024
MAX_FIELD: Final = 200

_IPTC: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
IPTC_TERMS: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_TC260: Final = "http://www.tc260.org.cn/ns/AIGC/1.0/"
_OURS: Final = "urn:short-drama:provenance:1.0/"

_PACKET: Final = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{iptc}" xmlns:TC260="{tc260}" xmlns:sd="{ours}">
{properties}
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


class SourceType(StrEnum):
    """The IPTC terms that speak of a machine's hand; the others describe human work."""

    COMPOSITE_CAPTURE = "compositeCapture"
    """Parts of photographs put together: our local warps."""
    TRAINED = "trainedAlgorithmicMedia"
    """Made by a trained model."""
    COMPOSITE_WITH_TRAINED = "compositeWithTrainedAlgorithmicMedia"
    """A photograph of which a trained model made a part."""
    ALGORITHMIC = "algorithmicMedia"
    COMPOSITE_SYNTHETIC = "compositeSynthetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aigc:
    """The implicit label of GB 45438-2025, its keys in the standard's order."""

    label: str = "1"
    """"1" is, "2" may be, "3" is suspected to be generated."""
    content_producer: str = ""
    produce_id: str = ""
    reserved_code1: str = ""
    content_propagator: str = ""
    propagate_id: str = ""
    reserved_code2: str = ""

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """None where `text` is not such a label."""
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(given, dict) or "Label" not in given:
            return None
        return cls(**{name: clean(given.get(key, "")) for name, key in _AIGC_KEYS.items()})

    def to_json(self) -> str:
        members = {key: clean(getattr(self, name)) for name, key in _AIGC_KEYS.items()}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


_AIGC_KEYS: Final = {
    "label": "Label",
    "content_producer": "ContentProducer",
    "produce_id": "ProduceID",
    "reserved_code1": "ReservedCode1",
    "content_propagator": "ContentPropagator",
    "propagate_id": "PropagateID",
    "reserved_code2": "ReservedCode2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a picture says of its making. `engine`, `kind`, `job_id` and `task_id` are empty on
    others'; `mask` is a masked picture's."""

    source: SourceType | None
    aigc: Aigc | None
    engine: str = ""
    kind: str = ""
    job_id: str = ""
    task_id: str = ""
    mask: MaskNote | None = None

    @classmethod
    def of_job(
        cls,
        source: SourceType,
        *,
        engine: str,
        kind: str,
        job_id: str,
        task_id: str = "",
        producer: str = "short-drama",
        mask: MaskNote | None = None,
    ) -> Self:
        """The label of one of our results; `producer` is who answers for it by law."""
        aigc = Aigc(content_producer=producer, produce_id=job_id)
        return cls(
            source=source,
            aigc=aigc,
            engine=engine,
            kind=kind,
            job_id=job_id,
            task_id=task_id,
            mask=mask,
        )

    def xmp(self) -> bytes:
        """The XMP packet, UTF-8. Fields are cut to 200 printable characters."""
        values = {
            "Iptc4xmpExt:DigitalSourceType": self.source and IPTC_TERMS + self.source,
            "TC260:AIGC": self.aigc and self.aigc.to_json(),
            "sd:Engine": clean(self.engine),
            "sd:Kind": clean(self.kind),
            "sd:JobId": clean(self.job_id),
            "sd:TaskId": clean(self.task_id),
            "sd:Ellipse": self.mask and self.mask.to_text(),
        }
        lines = [f"<{name}>{escape(value)}</{name}>" for name, value in values.items() if value]
        packet = _PACKET.format(iptc=_IPTC, tc260=_TC260, ours=_OURS, properties="\n".join(lines))
        return packet.encode()


def read(data: bytes) -> Label | None:
    """The label of a JPEG, PNG or WebP that we wrote, without decoding pixels; None where there is
    none.

    In a PNG, only a label before the pixel data is seen: that is where ours is.
    Raises ImageRejected for bytes that are none of ours.
    """
    image, _ = open_ours(data)
    return from_xmp(image.info.get("xmp"))


def from_xmp(xmp: Any) -> Label | None:
    """The label in an XMP packet as Pillow's `info["xmp"]` gives it.

    None for no packet, and for one that is too large, not well-formed, declares a document type
    or says nothing of machines.
    """
    if not isinstance(xmp, bytes) or len(xmp) > MAX_XMP_BYTES:
        return None
    try:
        found = _properties(xmp)
    except (expat.ExpatError, _DoctypeFound):
        return None
    source = _source(found.get(f"{_IPTC} DigitalSourceType", ""))
    aigc = Aigc.from_json(found.get(f"{_TC260} AIGC", ""))
    if source is None and aigc is None:
        return None
    ours = {name: clean(found.get(f"{_OURS} {key}", "")) for name, key in _OUR_KEYS.items()}
    mask = MaskNote.from_text(clean(found.get(f"{_OURS} Ellipse", "")))
    return Label(source=source, aigc=aigc, mask=mask, **ours)


_OUR_KEYS: Final = {"engine": "Engine", "kind": "Kind", "job_id": "JobId", "task_id": "TaskId"}


class _DoctypeFound(Exception):
    """A document type may declare entities, which expand without bound."""


def _properties(xmp: bytes) -> dict[str, str]:
    """Every property of the packet by "namespace name", written as element or as attribute."""
    found: dict[str, str] = {}
    path: list[str] = []

    def open_element(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        found.update(attributes)

    def add_text(text: str) -> None:
        found[path[-1]] = found.get(path[-1], "") + text

    def refuse_doctype(*_: object) -> None:
        raise _DoctypeFound

    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = open_element
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = add_text
    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.Parse(xmp, True)
    return found


def _source(uri: str) -> SourceType | None:
    term = uri.strip().rpartition("/")[2]
    return next((known for known in SourceType if known == term), None)


def clean(value: object) -> str:
    """Printable and short: XML cannot carry control characters, nor JPEG more than 64 KiB."""
    return "".join(filter(str.isprintable, str(value)))[:MAX_FIELD]
