"""C2PA manifests (C2PA 2.2): signed over a whole file, and read back from one.

Nothing here reaches for the network: the library would follow addresses that strangers wrote into
a picture. Takes a thread's time. Needs the package c2pa, which is an extra.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from io import BytesIO
from typing import Any, Final, Literal, Self

from short_drama.images.certificate import Certificate, serial_of
from short_drama.images.labels import IPTC_TERMS, SourceType, clean
from short_drama.web.version import VERSION

MAX_BYTES: Final = 2**20
"""Of a manifest with all that came before it: a history that is longer is left out."""
INSTALL: Final = "Install it: pip install 'short-drama[c2pa]'"
OURS: Final = "org.short-drama.task"
"""Our own assertion: which task of which kind made the picture, and of what."""
_MOST: Final = 20
"""Ingredients that are told of a picture."""
_NO_MANIFEST: Final = "application/octet-stream"
_TRUSTED, _INTACT = "Trusted", "Valid"
"""What the library says of a file that is as it was signed: by somebody it knows, or not."""

State = Literal["valid", "untrusted", "changed", "invalid", "none", "unreadable", "unknown"]
"""valid: as it was signed, and by this installation's certificate. untrusted: as it was signed, by
somebody else. changed: not as it was signed. invalid: wrong in itself. unknown: there seems to be
one, and nothing here can read it."""


class ManifestNotWritten(Exception):
    """The library refused; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is said of a file: what was done to its inputs (a C2PA action), by which engine, of
    which source type that makes it; `facts` are our assertion's."""

    action: str
    agent: str
    source: SourceType | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """A picture that went in; the first one given is the one that was worked on."""

    name: str
    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An ingredient as a manifest tells of it. `manifest`: the id of its own, if it had one;
    `state`: what that was when it went in."""

    name: str
    relationship: str
    manifest: str | None
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file's manifest says. All but `state` is only a claim unless that is `valid`."""

    state: State
    reasons: Sequence[str] = ()
    """C2PA's codes of what is wrong."""
    manifest: str | None = None
    issuer: str = ""
    signer: str = ""
    generator: str = ""
    source: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    ingredients: Sequence[Origin] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(**{**told, "ingredients": [Origin(**one) for one in told["ingredients"]]})


def is_installed() -> bool:
    return find_spec("c2pa") is not None and find_spec("cryptography") is not None


def may_hold(data: bytes) -> bool:
    """Whether a file may hold a manifest; where it says no there is none. JUMBF names both."""
    return b"jumb" in data and b"c2pa" in data


# --- Writing ------------------------------------------------------------------------------


def sign(
    data: bytes,
    content_type: str,
    claim: Claim,
    ingredients: Sequence[Ingredient],
    certificate: Certificate,
) -> bytes:
    """The file with a manifest over all of it. Any later change, even of a label, is seen.

    An ingredient's own manifest comes along as it is, with what the library finds of it, unless all
    of them together exceed `MAX_BYTES`. Raises ManifestNotWritten.
    """
    try:
        signed = _signed(data, content_type, claim, ingredients, certificate)
        if len(signed) - len(data) > MAX_BYTES:
            bare = [_without_manifest(one) for one in ingredients]
            signed = _signed(data, content_type, claim, bare, certificate)
    except Exception as error:
        raise ManifestNotWritten(clean(error)) from error
    return signed


def _signed(
    data: bytes,
    content_type: str,
    claim: Claim,
    ingredients: Sequence[Ingredient],
    certificate: Certificate,
) -> bytes:
    import c2pa

    how = c2pa.C2paSignerInfo(
        alg=certificate.algorithm.encode(),
        sign_cert=certificate.chain.encode(),
        private_key=certificate.key.encode(),
        ta_url=None,
    )
    out = BytesIO()
    with (
        _context(trusted=None) as context,
        c2pa.Signer.from_info(how) as signer,
        c2pa.Builder(json.dumps(_manifest(claim, ingredients)), context) as builder,
    ):
        for number, one in enumerate(ingredients):
            told = {"title": one.name, "label": one.name, "relationship": _relationship(number)}
            builder.add_ingredient(json.dumps(told), one.content_type, BytesIO(one.data))
        builder.sign(signer, content_type, BytesIO(data), out)
    return out.getvalue()


def _manifest(claim: Claim, ingredients: Sequence[Ingredient]) -> dict[str, Any]:
    made: dict[str, Any] = {"softwareAgent": {"name": claim.agent, "version": VERSION}}
    if claim.source is not None:
        made["digitalSourceType"] = IPTC_TERMS + claim.source
    if not ingredients:
        actions = [{"action": "c2pa.created", **made}]
    else:
        parent, *others = (one.name for one in ingredients)
        actions = [
            {"action": "c2pa.opened", "parameters": {"ingredientIds": [parent]}},
            *({"action": "c2pa.placed", "parameters": {"ingredientIds": [it]}} for it in others),
            {"action": claim.action, **made},
        ]
    return {
        "claim_generator_info": [{"name": "short-drama", "version": VERSION}],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": OURS, "data": dict(claim.facts)},
        ],
    }


def _relationship(number: int) -> str:
    return "componentOf" if number else "parentOf"


def _without_manifest(one: Ingredient) -> Ingredient:
    return Ingredient(name=one.name, data=b"", content_type=_NO_MANIFEST)


# --- Reading ------------------------------------------------------------------------------


def read(data: bytes, content_type: str, *, trusted: str | None = None) -> Reading:
    """What a file's manifest says. `trusted`: the chain, in PEM, whose leaf is ours."""
    if not may_hold(data):
        return Reading(state="none")
    if not is_installed():
        return Reading(state="unknown", reasons=(INSTALL,))
    import c2pa

    try:
        with (
            _context(trusted=trusted) as context,
            c2pa.Reader(content_type, BytesIO(data), context=context) as reader,
        ):
            told, state = json.loads(reader.json()), str(reader.get_validation_state())
        return _reading(told, state, serial=serial_of(trusted) if trusted else None)
    except c2pa.C2paError.ManifestNotFound:
        return Reading(state="none")
    except Exception as error:
        return Reading(state="unreadable", reasons=(clean(error),))


def _reading(told: Mapping[str, Any], state: str, *, serial: str | None) -> Reading:
    """Of the reader's JSON, of which a stranger may have written all but the results. `serial`: our
    certificate's, for whoever else has one of the same authority is not us."""
    manifest = told["manifests"][told["active_manifest"]]
    wrong = _failures(told)
    signature = manifest.get("signature_info") or {}
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    found = {one["label"]: one["data"] for one in manifest.get("assertions", ())}
    facts = found.get(OURS)
    return Reading(
        state=_state(state, wrong, ours=signature.get("cert_serial_number") == serial),
        reasons=[code for code in wrong if code != _UNTRUSTED],
        manifest=clean(told["active_manifest"]),
        issuer=clean(signature.get("issuer") or ""),
        signer=clean(signature.get("common_name") or ""),
        generator=clean(f"{generator.get('name', '')} {generator.get('version', '')}").strip(),
        source=_source(found),
        facts=_texts(facts) if isinstance(facts, dict) else {},
        ingredients=[_origin(one) for one in manifest.get("ingredients", ())[:_MOST]],
    )


_UNTRUSTED: Final = "signingCredential.untrusted"


def _failures(told: Mapping[str, Any]) -> list[str]:
    results = (told.get("validation_results") or {}).get("activeManifest") or {}
    return [clean(one.get("code", "")) for one in results.get("failure", ())][:_MOST]


def _state(said: str, wrong: Sequence[str], *, ours: bool) -> State:
    if said not in (_TRUSTED, _INTACT):
        return _kind_of(wrong)
    return "valid" if said == _TRUSTED and ours else "untrusted"


def _kind_of(failures: Sequence[str]) -> State:
    """Hashes and signatures that do not fit are a change; all else was wrong from the start."""
    return "changed" if any("mismatch" in code for code in failures) else "invalid"


def _source(found: Mapping[str, Any]) -> str:
    """The source type that the last action with one names."""
    actions = (found.get("c2pa.actions.v2") or found.get("c2pa.actions") or {}).get("actions", ())
    types = [one["digitalSourceType"] for one in actions if "digitalSourceType" in one]
    return clean(str(types[-1]).rpartition("/")[2]) if types else ""


def _texts(facts: Mapping[str, Any]) -> dict[str, str]:
    return {clean(name): clean(value) for name, value in [*facts.items()][:_MOST]}


def _origin(one: Mapping[str, Any]) -> Origin:
    own = one.get("active_manifest")
    wrong = [code for code in _failures(one) if code != _UNTRUSTED]
    state: State = "none" if own is None else _kind_of(wrong) if wrong else "untrusted"
    return Origin(
        name=clean(one.get("title", "")),
        relationship=clean(one.get("relationship", "")),
        manifest=None if own is None else clean(own),
        state=state,
    )


def _context(*, trusted: str | None) -> Any:
    """No thumbnails, which take 30 to 270 ms and up to 1 MB, and no network. `trusted` as
    `read`."""
    import c2pa

    settings: dict[str, Any] = {
        "builder": {"thumbnail": {"enabled": False}},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    if trusted is not None:
        settings["trust"] = {"user_anchors": trusted}
    return c2pa.Context(c2pa.Settings.from_dict(settings))
