"""By which addresses clients reach us, and read assets."""

from collections.abc import Iterable, Iterator

from short_drama.settings import Settings
from short_drama.web.proxies import Proxies
from short_drama.web.signed_urls import Links, OwnLinks, Signatures, SignedLinks
from short_drama.wiring.backend import Backend


def cdn(settings: Settings) -> str | None:
    if settings.backend != "aws" or settings.cloudfront_domain is None:
        return None
    return f"https://{settings.cloudfront_domain}"


def proxies(settings: Settings) -> Proxies | None:
    """Those in front; None where there are none."""
    networks = settings.trusted_proxies
    return Proxies(networks, settings.proxy_headers) if networks else None


def links(settings: Settings, backend: Backend, signatures: Signatures | None) -> Links:
    """Where clients read assets: at the address that is set, at the CDN's, else at ours."""
    is_elsewhere = settings.assets_url is not None or cdn(settings) is not None
    found: Links = backend.assets if is_elsewhere else OwnLinks(backend.assets)
    return found if signatures is None else SignedLinks(found, signatures)


def own_asset_urls(settings: Settings, orchestrators: Iterable[str]) -> Iterator[str]:
    """Under which orchestrators show assets, as far as that is known before anybody asks.

    Args:
        orchestrators: where they listen.
    """
    public = (
        f"{scheme}://{host}" for host in settings.public_hosts for scheme in ("http", "https")
    )
    for site in (*orchestrators, *public):
        yield f"{site}/assets"
