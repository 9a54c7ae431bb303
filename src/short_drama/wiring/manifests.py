"""Who signs results' manifests, and what mark is drawn on them, by the settings."""

from pathlib import Path
from typing import Final

from short_drama.domain.errors import InvalidRequest, Unavailable
from short_drama.images import certificate, manifest
from short_drama.images.certificate import Certificate
from short_drama.images.signing import Manifests
from short_drama.images.visible_mark import VisibleMark
from short_drama.settings import Settings
from short_drama.wiring.pem import pem, pem_file

_CERTIFICATE: Final = "SHORT_DRAMA_C2PA_CERTIFICATE"
_FONT: Final = "SHORT_DRAMA_VISIBLE_MARK_FONT"
_KEY: Final = "SHORT_DRAMA_C2PA_KEY"


def open_manifests(settings: Settings) -> Manifests:
    """The operator's certificate; without one, the data directory's, which is made for development
    at the first start; on AWS none. Raises InvalidRequest for a certificate that cannot sign, and
    Unavailable when the data directory cannot be used."""
    if not manifest.is_installed():
        return Manifests()
    return Manifests(given(settings) or _development(settings))


def public_chain(settings: Settings) -> str | None:
    """The certificate by which this installation's manifests are known, without its key; None where
    there is none, or it cannot be read."""
    try:
        if settings.c2pa_certificate is not None:
            return settings.c2pa_certificate.read_text("ascii")
        text = development_file(settings).read_text("ascii")
    except (OSError, ValueError):
        return None
    return text[text.index("-----BEGIN CERTIFICATE") :]


def given(settings: Settings) -> Certificate | None:
    """The operator's. Raises InvalidRequest."""
    chain, key = settings.c2pa_certificate, settings.c2pa_key
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        missing = _CERTIFICATE if chain is None else _KEY
        raise InvalidRequest(
            "a certificate and its key go together", field=missing, fix=f"Set {missing} as well."
        )
    return certificate.read(pem_file(chain, _CERTIFICATE), pem(key, _KEY))


def open_mark(settings: Settings) -> VisibleMark | None:
    """None where there is to be none. Raises InvalidRequest for one that cannot be drawn."""
    if not settings.visible_mark.strip():
        return None
    mark = VisibleMark(settings.visible_mark.strip(), settings.visible_mark_font)
    try:
        missing = mark.missing()
    except OSError as error:
        raise InvalidRequest(
            f"{_FONT} names a file that is no font: {error}"[:300],
            field=_FONT,
            fix="Name a TrueType or OpenType file that this process may read.",
        ) from None
    if missing:
        raise InvalidRequest(
            f"the font has no {missing!r}, and the visible mark is {mark.text!r}",
            field=_FONT,
            fix=f"Set {_FONT} to a font that has it, such as Noto Sans CJK's.",
        )
    return mark


def _development(settings: Settings) -> Certificate | None:
    if settings.backend == "aws":
        return None
    try:
        return certificate.development(development_file(settings))
    except OSError as error:
        raise Unavailable(
            f"the development certificate cannot be kept in {settings.data_dir}: {error.strerror}",
            fix="Let this user write there, or set another folder: SHORT_DRAMA_DATA_DIR.",
        ) from None


def development_file(settings: Settings) -> Path:
    return settings.data_dir / certificate.FILE
