"""Whether results get manifests, and how long their certificate lasts."""

import asyncio
from typing import Final

from short_drama.doctor.finding import Finding, not_applicable, ok, warning
from short_drama.doctor.here import here
from short_drama.doctor.site import Site
from short_drama.images import manifest
from short_drama.wiring.components import Component
from short_drama.wiring.manifests import given

_SIGNING: Final = {
    Component.ORCHESTRATOR,
    Component.CPU_ORCHESTRATOR,
    Component.COMFYUI_API,
    Component.PAID_API,
}
"""Which take pictures in, or publish them."""
_DAYS: Final = 30


async def manifests(site: Site) -> Finding:
    if not _SIGNING & set(await here(site)):
        return not_applicable("nothing that publishes pictures belongs on this machine")
    if not manifest.is_installed():
        return warning("results have labels, and no manifests: c2pa is missing", manifest.INSTALL)
    certificate = await asyncio.to_thread(given, site.settings)
    if certificate is None and site.on_aws:
        return warning(
            "results have labels, and no manifests: there is no certificate",
            "Set SHORT_DRAMA_C2PA_CERTIFICATE and SHORT_DRAMA_C2PA_KEY.",
        )
    if certificate is None:
        return ok("signed with a certificate for development, which vouches for nobody")
    days = (certificate.until - site.clock()) / 86400
    if days < _DAYS:
        return warning(f"the certificate for manifests ends in {days:.0f} days", "Renew it.")
    return ok(f"signed as {certificate.name or certificate.issuer}")
