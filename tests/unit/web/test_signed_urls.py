"""Addresses of assets."""

from short_drama.web.clients import SITE, site_of
from short_drama.web.signed_urls import OwnLinks, Signatures, SignedLinks


class Store:
    def url(self, key: str) -> str:
        return f"http://127.0.0.1:8080/assets/{key}"


def test_an_asset_is_where_the_client_came() -> None:
    links = OwnLinks(Store())
    assert links.url("images/a.png") == "http://127.0.0.1:8080/assets/images/a.png"
    token = SITE.set("https://a.example")
    try:
        assert links.url("images/a b.png") == "https://a.example/assets/images/a%20b.png"
    finally:
        SITE.reset(token)


def test_a_site_is_what_the_request_named() -> None:
    scope = {"scheme": "https", "headers": [(b"accept", b"x"), (b"host", b"a.example:8443")]}
    assert site_of(scope) == "https://a.example:8443"
    assert site_of({"scheme": "http", "headers": []}) == "http://localhost"


def test_a_signature_opens_one_asset_until_it_ends() -> None:
    now = [7200.0]
    signatures = Signatures(b"s", hours=1, clock=lambda: now[0])
    query = SignedLinks(Store(), signatures).url("images/a.png").partition("?")[2]
    until, signature = (part.partition("=")[2] for part in query.split("&"))
    assert signatures.seconds_left("images/a.png", until=until, signature=signature) == 7200
    assert signatures.seconds_left("images/b.png", until=until, signature=signature) is None
    for forged in (
        f"0{until}",
        f"+{until}",
        f" {until}",
        "",
        "9" * 5000,
        until.replace("1", "\u0661"),
    ):
        left = signatures.seconds_left("images/a.png", until=forged, signature=signature)
        assert left is None
    now[0] = float(until)
    assert signatures.seconds_left("images/a.png", until=until, signature=signature) is None
