"""Who signs what a process publishes; and where nobody does, why, and what helps.

A picture is never lost over its manifest: what cannot be signed is published with its labels alone,
and /health says so until one could be signed again.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from short_drama import metrics
from short_drama.images import manifest
from short_drama.images.certificate import Certificate
from short_drama.images.manifest import Claim, Ingredient, ManifestNotWritten
from short_drama.images.structure import MAX_BYTES_OF_OURS

log = logging.getLogger(__name__)

_NOT_INSTALLED: Final = "the package that writes manifests is not installed"
_NO_CERTIFICATE: Final = "there is no certificate to sign manifests with"
_GIVE_ONE: Final = "Set SHORT_DRAMA_C2PA_CERTIFICATE and SHORT_DRAMA_C2PA_KEY."


class Manifests:
    """
    Args:
        certificate: None where there is none to sign with.
        installed: whether the library is there.
    """

    def __init__(
        self, certificate: Certificate | None = None, *, installed: bool | None = None
    ) -> None:
        installed = manifest.is_installed() if installed is None else installed
        self._certificate = certificate if installed else None
        self._refused: str | None = None
        self._missing = (
            (_NO_CERTIFICATE, _GIVE_ONE) if installed else (_NOT_INSTALLED, manifest.INSTALL)
        )

    @property
    def certificate(self) -> Certificate | None:
        """None where nothing is signed."""
        return self._certificate

    @property
    def trusted(self) -> str | None:
        """The chain by whose leaf our own manifests are known."""
        return None if self._certificate is None else self._certificate.chain

    def view(self) -> dict[str, Any]:
        """For /health."""
        if self._certificate is None:
            reason, fix = self._missing
            return {"written": False, "reason": reason, "fix": fix}
        if self._refused is not None:
            return {"written": False, "reason": self._refused, "fix": "Check the certificate."}
        return {"written": True, **signer_view(self._certificate)}

    async def sign(
        self, data: bytes, content_type: str, claim: Claim, ingredients: Sequence[Ingredient]
    ) -> tuple[bytes, dict[str, Any] | None]:
        """The file as it is to be published, and for the record who signed it; None where nobody
        did."""
        if self._certificate is None:
            metrics.MANIFESTS.labels("off").inc()
            return data, None
        try:
            signed = await asyncio.to_thread(
                manifest.sign, data, content_type, claim, ingredients, self._certificate
            )
        except ManifestNotWritten as error:
            self._note_refusal(str(error))
            return data, None
        self._refused = None
        if len(signed) > MAX_BYTES_OF_OURS >= len(data):  # it could not be worked on again
            return data, None
        metrics.MANIFESTS.labels("written").inc()
        return signed, signer_view(self._certificate)

    def _note_refusal(self, reason: str) -> None:
        """Said when it begins, and when it is another one."""
        metrics.MANIFESTS.labels("refused").inc()
        if reason != self._refused:
            log.warning("results are published without a manifest: %s", reason)
        self._refused = reason


UNSIGNED: Final = Manifests()
"""Of a process that has no certificate."""


def signer_view(certificate: Certificate) -> dict[str, Any]:
    return {
        "issuer": certificate.issuer,
        "signer": certificate.name,
        "development": certificate.is_development,
    }
