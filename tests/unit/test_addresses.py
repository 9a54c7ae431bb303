"""By which addresses clients read assets, by the settings."""

from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from short_drama.domain.errors import InvalidRequest
from short_drama.settings import Settings
from short_drama.web.clients import SITE
from short_drama.web.signed_urls import Signatures
from short_drama.wiring.addresses import links, own_asset_urls, proxies
from short_drama.wiring.backend import Backend
from short_drama.wiring.locks import asset_signatures

KEY = "images/a.png"
CDN = {"backend": "aws", "cloudfront_domain": "d1.cloudfront.net"}
PAIR = {"cloudfront_key_pair_id": "K2JCJMDEHXQW5F"}


class Store:
    def __init__(self, url: str = "https://elsewhere.example") -> None:
        self._url = url

    def url(self, key: str) -> str:
        return f"{self._url}/{key}"


class Opened:
    assets = Store()
    secret = b"s" * 32


BACKEND = cast("Backend", Opened())


@pytest.fixture
def at_site() -> Any:
    token = SITE.set("https://studio.example")
    yield
    SITE.reset(token)


def url(given: dict[str, Any] | None = None, signatures: Signatures | None = None) -> str:
    given = given or {}
    return links(Settings(**given), BACKEND, signatures).url(KEY)


@pytest.mark.usefixtures("at_site")
def test_orchestrators_show_assets_where_the_client_came_unless_it_is_set() -> None:
    assert url() == f"https://studio.example/assets/{KEY}"
    assert url({"backend": "aws"}) == f"https://studio.example/assets/{KEY}"
    for given in ({"assets_url": "https://elsewhere.example"}, CDN):
        assert url(given) == f"https://elsewhere.example/{KEY}"
    signed = url(signatures=Signatures(b"s", hours=1))
    assert signed.startswith(f"https://studio.example/assets/{KEY}?until=")


def test_the_cdns_addresses_are_signed_with_its_key(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (tmp_path / "key.pem").write_text(text)
    for given in (text, str(tmp_path / "key.pem")):
        signed = url({**CDN, **PAIR, "cloudfront_private_key": given})
        assert parse_qs(urlsplit(signed).query)["Key-Pair-Id"] == ["K2JCJMDEHXQW5F"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (PAIR, "SHORT_DRAMA_CLOUDFRONT_PRIVATE_KEY"),
        ({"cloudfront_private_key": "x"}, "SHORT_DRAMA_CLOUDFRONT_KEY_PAIR_ID"),
        ({**PAIR, "cloudfront_private_key": "/nowhere"}, "SHORT_DRAMA_CLOUDFRONT_PRIVATE_KEY"),
    ],
)
def test_half_a_key_pair_is_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        url({**CDN, **given})
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("given", "are_signed"),
    [
        ({}, False),
        ({"require_keys": True}, True),
        ({"require_keys": True, "public_assets": True}, False),
        ({"require_keys": True, "backend": "aws"}, True),
        ({"require_keys": True, **CDN}, False),
    ],
)
def test_what_orchestrators_show_is_signed_where_keys_are_needed(
    given: dict[str, Any], are_signed: bool
) -> None:
    assert (asset_signatures(Settings(**given), BACKEND) is not None) is are_signed


def test_pictures_are_ours_by_every_public_name() -> None:
    settings = Settings(public_hosts=("a.example",))
    assert set(own_asset_urls(settings, ["http://127.0.0.1:8080"])) == {
        "http://127.0.0.1:8080/assets",
        "http://a.example/assets",
        "https://a.example/assets",
    }


def test_nobody_is_believed_unless_named() -> None:
    assert proxies(Settings()) is None
    assert "10.1.2.3" in (proxies(Settings(trusted_proxies="10.0.0.0/8")) or ())
