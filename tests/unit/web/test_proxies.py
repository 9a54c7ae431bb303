"""Whom a request came from: what named proxies say counts, and what anybody else says does not."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from short_drama.web.proxies import BehindProxies, Hop, Proxies

NETWORKS = tuple(map(ipaddress.ip_network, ("127.0.0.1", "10.0.0.0/8", "fd00::/8")))
X = Proxies(NETWORKS)
RFC = Proxies(NETWORKS, "forwarded")
NGINX, STRANGER, CLIENT_ADDRESS = "127.0.0.1", "203.0.113.9", "192.0.2.7"


def fields(**told: str | list[str]) -> list[tuple[bytes, bytes]]:
    return [
        (name.replace("_", "-").encode(), line.encode())
        for name, lines in told.items()
        for line in ([lines] if isinstance(lines, str) else lines)
    ]


def client(chain: str | list[str], peer: str = NGINX) -> str | None:
    told = X.told(peer, fields(x_forwarded_for=chain))
    return told.client if told else None


@pytest.mark.parametrize("proxies", [X, RFC])
def test_nobody_else_is_believed(proxies: Proxies) -> None:
    lies = fields(
        x_forwarded_for="127.0.0.1",
        x_forwarded_proto="https",
        x_forwarded_host="evil.example",
        forwarded="for=127.0.0.1;proto=https;host=evil.example",
    )
    for peer in (STRANGER, "2001:db8::1", "11.0.0.1", "", "a pipe"):
        assert proxies.told(peer, lies) is None
    assert Proxies(()).told(NGINX, lies) is None


@pytest.mark.parametrize(
    ("chain", "found"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("127.0.0.1, 192.0.2.7", "192.0.2.7"),  # what the client wrote itself comes first
        ("127.0.0.1, 10.0.0.1, 192.0.2.7", "192.0.2.7"),
        ("203.0.113.9, 192.0.2.7, 10.0.0.1, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.5, 10.0.0.1", "10.0.0.5"),  # all are ours
        (["203.0.113.9", "192.0.2.7"], "192.0.2.7"),  # two lines are one list
        (["192.0.2.7, ", ", 10.0.0.1"], "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:DB8:0::7]:4711", "2001:db8::7"),
        ("192.0.2.7, ::ffff:10.0.0.1", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, fd00::1", "192.0.2.7"),
        (", ".join(["127.0.0.1"] * 5000 + ["192.0.2.7"]), "192.0.2.7"),
    ],
)
def test_the_client_is_the_nearest_that_is_none_of_ours(chain: str, found: str) -> None:
    assert client(chain) == found
    assert client(chain, peer="::ffff:10.0.0.3") == found


@pytest.mark.parametrize(
    "malformed",
    ["unknown", "_hidden", "192.0.2", "192.0.2.7.1", "[::1", "fe80::1%eth0", "a:b:c", "<x>", "é"],
)
def test_behind_what_is_no_address_nobody_is_seen(malformed: str) -> None:
    assert client(f"192.0.2.7, {malformed}") == NGINX
    assert client(f"192.0.2.7, {malformed}, 10.0.0.1") == "10.0.0.1"
    assert client(f"{malformed}, 192.0.2.7") == "192.0.2.7"


def test_an_empty_list_says_nothing() -> None:
    assert client("") == client(" , ,") == NGINX
    assert X.told(NGINX, []) == Hop(NGINX)
    assert RFC.told(NGINX, []) == Hop()


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"x_forwarded_proto": "https"}, ("https", None)),
        (
            {"x_forwarded_proto": "HTTPS", "x_forwarded_host": "a.example:8443"},
            ("https", "a.example:8443"),
        ),
        # Two proxies, of which both add, or the outer one only.
        (
            {"x_forwarded_for": "192.0.2.7, 10.0.0.1", "x_forwarded_proto": "https, http"},
            ("https", None),
        ),
        ({"x_forwarded_for": "192.0.2.7, 10.0.0.1", "x_forwarded_proto": "https"}, ("https", None)),
        # What the client says of itself comes before what our proxy adds.
        ({"x_forwarded_for": "192.0.2.7", "x_forwarded_proto": "https, http"}, ("http", None)),
        (
            {"x_forwarded_for": "192.0.2.7", "x_forwarded_host": "evil.example, a.example"},
            (None, "a.example"),
        ),
        ({"x_forwarded_proto": "gopher"}, (None, None)),
        ({"forwarded": "proto=https;host=a.example"}, (None, None)),  # the other form
    ],
)
def test_scheme_and_host_are_the_outermost_proxys(
    told: dict[str, str], found: tuple[str | None, str | None]
) -> None:
    hop = X.told(NGINX, fields(**told))
    assert hop is not None
    assert (hop.scheme, hop.host) == found


@pytest.mark.parametrize(
    ("line", "hop"),
    [
        ("for=192.0.2.7;proto=https;host=a.example", Hop(CLIENT_ADDRESS, "https", "a.example")),
        ('For="192.0.2.7:4711" ; Proto="HTTPS"', Hop(CLIENT_ADDRESS, "https")),
        ('for="[2001:db8::7]:_port"', Hop("2001:db8::7")),
        ("for=127.0.0.1;proto=https, for=192.0.2.7", Hop(CLIENT_ADDRESS)),
        (
            "for=192.0.2.7;host=a.example, for=10.0.0.1;host=b",
            Hop(CLIENT_ADDRESS, None, "a.example"),
        ),
        (",, for=192.0.2.7;;by=_nginx,", Hop(CLIENT_ADDRESS)),
        ("for=192.0.2.7;, for=203.0.113.9", Hop(STRANGER)),
        ("for=unknown;proto=https", Hop(NGINX, "https")),
        (r'for="1\92.0.2.7"', Hop(CLIENT_ADDRESS)),
        ("proto=https", Hop(NGINX, "https")),
        # A quote that the client left open, and what our proxy adds.
        ('for="x, for=192.0.2.7', Hop()),
        ('for="127.0.0.1, for="[2001:db8::7]"', Hop()),
        ("for=, for 192.0.2.7", Hop()),
    ],
)
def test_the_standards_form_is_read_likewise(line: str, hop: Hop) -> None:
    assert RFC.told(NGINX, fields(forwarded=line, x_forwarded_for="203.0.113.1")) == hop


@given(st.text(st.characters(max_codepoint=255)), st.sampled_from([X, RFC]))
def test_nothing_that_a_client_writes_before_it_hides_what_a_proxy_adds(
    written: str, proxies: Proxies
) -> None:
    """At the worst it hides whoever wrote it; it makes nobody else of them."""
    added = {X: b"192.0.2.7", RFC: b'for="192.0.2.7:80";proto=https'}[proxies]
    name = {X: b"x-forwarded-for", RFC: b"forwarded"}[proxies]
    for headers in (
        [(name, written.encode("latin-1") + b", " + added)],
        [(name, written.encode("latin-1")), (name, added)],
    ):
        told = proxies.told(NGINX, headers)
        assert told is not None
        assert told.client in (None, CLIENT_ADDRESS)
        assert told.host is None


def test_long_lists_and_blanks_are_read_in_no_time() -> None:
    for filler in (" ", ",", ";", '"', "a=", "a=b,", '\\"'):
        for proxies, name in ((X, b"x-forwarded-for"), (RFC, b"forwarded")):
            proxies.told(NGINX, [(name, filler.encode() * 30_000 + b" x")])


# --- The layer -----------------------------------------------------------------------------


async def through(proxies: Proxies, *, peer: str, told: list[tuple[bytes, bytes]]) -> Any:
    seen: dict[str, Any] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        seen["answer"] = dict(message["headers"])

    async def receive() -> Message:
        raise AssertionError

    scope = {"type": "http", "scheme": "http", "client": (peer, 4711), "headers": told}
    await BehindProxies(app, proxies=proxies)(scope, receive, send)
    return seen


async def test_all_that_is_within_sees_the_client() -> None:
    told = fields(
        host="127.0.0.1:8080",
        x_forwarded_for="192.0.2.7",
        x_forwarded_proto="https",
        x_forwarded_host="a.example",
    )
    seen = await through(X, peer=NGINX, told=told)
    assert seen["client"][0] == CLIENT_ADDRESS
    assert seen["scheme"] == "https"
    assert [value for name, value in seen["headers"] if name == b"host"] == [b"a.example"]
    assert seen["answer"] == {b"strict-transport-security": b"max-age=31536000"}
    seen = await through(X, peer=STRANGER, told=told)
    assert (seen["client"], seen["scheme"]) == ((STRANGER, 4711), "http")
    assert [value for name, value in seen["headers"] if name == b"host"] == [b"127.0.0.1:8080"]
    assert seen["answer"] == {}


async def test_only_who_comes_by_tls_is_told_to_stay_with_it() -> None:
    seen = await through(X, peer=NGINX, told=fields(x_forwarded_proto="http"))
    assert seen["answer"] == {}
