"""By which addresses clients reach us, and read assets."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from short_drama.domain.errors import InvalidRequest
from short_drama.settings import Settings
from short_drama.web.proxies import Proxies
from short_drama.web.signed_urls import CdnLinks, Links, OwnLinks, Signatures, SignedLinks
from short_drama.wiring.backend import Backend
from short_drama.wiring.pem import pem

_KEY_PAIR_ID: Final = "SHORT_DRAMA_CLOUDFRONT_KEY_PAIR_ID"
_PRIVATE_KEY: Final = "SHORT_DRAMA_CLOUDFRONT_PRIVATE_KEY"


def cdn(settings: Settings) -> str | None:
    if settings.backend != "aws" or settings.cloudfront_domain is None:
        return None
    return f"https://{settings.cloudfront_domain}"


def proxies(settings: Settings) -> Proxies | None:
    """Those in front; None where there are none."""
    networks = settings.trusted_proxies
    return Proxies(networks, settings.proxy_headers) if networks else None


def links(settings: Settings, backend: Backend, signatures: Signatures | None) -> Links:
    """Where clients read assets: at the address that is set, at the CDN's, else at ours. Raises
    InvalidRequest."""
    query = cdn_query(settings)
    if query is not None:
        return CdnLinks(backend.assets, query)
    is_elsewhere = settings.assets_url is not None or cdn(settings) is not None
    found: Links = backend.assets if is_elsewhere else OwnLinks(backend.assets)
    return found if signatures is None else SignedLinks(found, signatures)


def cdn_query(settings: Settings) -> Callable[[str], str] | None:
    """What opens an address of the CDN's; None where every address opens. Raises InvalidRequest."""
    key_id, key = settings.cloudfront_key_pair_id, settings.cloudfront_private_key
    if settings.backend != "aws" or (key_id is None and key is None):
        return None
    if key_id is None or key is None:
        missing = _KEY_PAIR_ID if key_id is None else _PRIVATE_KEY
        raise InvalidRequest(
            "a key pair of CloudFront is an id and a private key",
            field=missing,
            fix=f"Set {missing} as well.",
        )
    from short_drama.backends.aws.cdn_signatures import CdnSignatures

    text = pem(key, _PRIVATE_KEY)
    return CdnSignatures(key_id, text, hours=settings.asset_url_hours).query


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
