"""Every spelling of a place that must not be reached, and the places that must."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from yarl import URL

from short_drama.domain.errors import UrlRefused
from short_drama.images.fetch import guarded_sockets
from short_drama.images.guard import DENIED_V4, DENIED_V6, PUBLIC_V6, Guard, is_public

NETWORKS: tuple[IPv4Network | IPv6Network, ...] = (*DENIED_V4, *DENIED_V6)
LOOPBACK = Guard(allow=(ip_network("127.0.0.0/8"),))

REFUSED_URLS = {
    "loopback": [
        "http://127.0.0.1/",
        "http://127.0.0.1:80/",
        "http://127.1.2.3/",
        "http://127.255.255.255/",
        "http://0.0.0.0/",
        "http://0.1.2.3/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[0000:0000:0000:0000:0000:0000:0000:0001]/",
        "http://[::]/",
        "https://[::1]:443/",
    ],
    "numbers that resolvers read as IPv4": [
        "http://2130706433/",
        "http://017700000001/",
        "http://0x7f000001/",
        "http://0X7F000001/",
        "http://0x7f.0x0.0x0.0x1/",
        "http://0177.0.0.1/",
        "http://0177.0.0.0x1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.01/",
        "http://127.000.000.001/",
        "http://127.0.0.1./",
        "http://0/",
        "http://0x/",
        "http://1/",
        "http://4294967295/",
        "http://99999999999/",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://a.127/",
        "http://a.0x7f/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
    ],
    "private and shared": [
        "http://10.0.0.1/",
        "http://10.255.255.255/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.0.1/",
        "http://192.168.255.255/",
        "http://100.64.0.1/",
        "http://100.127.255.255/",
    ],
    "cloud metadata": [
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://169.254.0.23/",
        "http://100.100.100.200/latest/meta-data/",
        "http://100.96.0.96/",
        "http://192.0.0.192/opc/v2/instance/",
        "http://168.63.129.16/machine",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[fd20:ce::254]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
    ],
    "special purpose": [
        "http://192.0.0.1/",
        "http://192.0.0.9/",
        "http://192.0.2.1/",
        "http://192.88.99.1/",
        "http://198.18.0.1/",
        "http://198.19.255.255/",
        "http://198.51.100.1/",
        "http://203.0.113.1/",
        "http://224.0.0.1/",
        "http://239.255.255.255/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
    ],
    "IPv6": [
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[::7f00:1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1::a00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[2001::1]/",
        "http://[2001:0:53aa:64c:0:fbff:80ff:fffe]/",
        "http://[2001:10::1]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[100::1]/",
        "http://[5f00::1]/",
        "http://[fc00::1]/",
        "http://[fd12:3456::1]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[2606:4700:4700::1111%25eth0]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "http://[4000::1]/",
    ],
    "credentials": [
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://:password@example.com/",
        "http://@example.com/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1@example.com/",
        "http://example.com%2f@127.0.0.1/",
        "http://example.com:80@127.0.0.1/",
        "http://a@b@127.0.0.1/",
        "//user@example.com/",
    ],
    "parsers disagree": [
        "http://example.com\\@127.0.0.1/",
        "http://example.com\\.evil.com/",
        "http:\\\\127.0.0.1/",
        "http://127.0.0.1\\/",
        "http://exam ple.com/",
        "http://example.com /",
        " http://example.com/",
        "http://example.com/\n",
        "http://exam\tple.com/",
        "http://example.com/a b.png",
        "http://example.com\x00.evil.com/",
        "http://example.com\u00a0/",
        "http://%31%32%37.0.0.1/",
        "http://example%2ecom/",
        "http://exa;mple.com/",
        "http://exa'mple.com/",
        "http://exa$mple.com/",
        "http://example..com/",
        "http://.example.com/",
        "http://[::1",
        "http://::1/",
        "http://[127.0.0.1]/",
        "http://[v1.x]/",
        "http://[::1].example.com/",
        "http://[",
        "http://]",
        "http://[1]/",
        "http://a[b]/",
        "http://a]b/",
        "http://[]/",
        "http://[:]/",
        "http://[::ffff:1.2.3.4.5]/",
        "http://a\x01]/",
        "http://example.com/\x1f",
        "http://example.com/\u2028",
        "http://example.com/\u3000a",
        "http://example.com/\ud800",
        "http://℀.com/",
        "http://℀/",
        "http://pub.test＠127.0.0.1/",
        "http://／127.0.0.1/",
        "http://example.com：80/",
        "http://example.com？x",
        "http://example.com＃x",
        "http://［::1］/",
        "http://\ud800/",
        "http://" + "a" * 64 + ".com/",
        "http://" + "a." * 127 + "com/",
    ],
    "letters and dots of other alphabets": [
        "http://127。0。0。1/",
        "http://127．0．0．1/",
        "http://127｡0｡0｡1/",
        "http://①②⑦.0.0.1/",
        "http://１２７.0.0.1/",
        "http://⑯⑨。②⑤④。⑯⑨｡②⑤④/",
        "http://0x7f。1/",
        "http://example.com／@127.0.0.1/",
        "http://a＠127.0.0.1/",
    ],
    "schemes": [
        "",
        "example.com/a.png",
        "/a.png",
        "//example.com/a.png",
        "file:///etc/passwd",
        "file://example.com/etc/passwd",
        "ftp://example.com/a.png",
        "gopher://127.0.0.1:6379/_INFO",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "s3://bucket/key",
        "asset:uploads/a.png",
        "unix:///var/run/docker.sock",
        "ws://example.com/",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
        "http:",
        "http:/example.com/",
        "http:///example.com/",
        "http://",
        "http://?",
        "http://#",
        "http:example.com",
    ],
    "ports": [
        "http://example.com:22/",
        "http://example.com:0/",
        "http://example.com:8080/",
        "https://example.com:8443/",
        "http://example.com:6379/",
        "http://example.com:65535/",
        "http://example.com:65536/",
        "http://example.com:-80/",
        "http://example.com:+80/",
        "http://example.com:８０/",
        "http://example.com:80:80/",
        "http://example.com:80a/",
        "http://1.1.1.1:22/",
        "http://[2606:4700:4700::1111]:22/",
    ],
    "length": ["http://example.com/" + "a" * 2048],
}
VECTORS = [
    pytest.param(url, id=f"{group}-{n}")
    for group, urls in REFUSED_URLS.items()
    for n, url in enumerate(urls)
]

ACCEPTED_URLS = {
    "http://example.com": "http://example.com/",
    "https://example.com/a/b.png?size=1&x=%20y#part": "https://example.com/a/b.png?size=1&x=%20y",
    "HTTPS://Example.COM/A.png": "https://example.com/A.png",
    "http://example.com:80/": "http://example.com/",
    "https://example.com:80/a": "https://example.com:80/a",
    "http://example.com:/": "http://example.com/",
    "http://example.com./a": "http://example.com./a",
    "http://1.1.1.1/": "http://1.1.1.1/",
    "http://[2606:4700:4700::1111]/": "http://[2606:4700:4700::1111]/",
    "http://[::ffff:1.1.1.1]/": "http://[::ffff:101:101]/",
    "http://example.com/a%2Fb/../%27(%e5)?x=%2F%2f|&y=?": "http://example.com/a%2Fb/../%27(%e5)?x=%2F%2f|&y=?",
    "http://example.com?": "http://example.com/?",
    "https://cdn-1.my_bucket.example.com/a@2x.png": "https://cdn-1.my_bucket.example.com/a@2x.png",
    "https://例え.jp/图.png": "https://xn--r8jz45g.jp/%E5%9B%BE.png",
    "http://1.example.com/": "http://1.example.com/",
    "http://0x7f.example.com/": "http://0x7f.example.com/",
}


@pytest.mark.parametrize("url", VECTORS)
def test_a_url_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        Guard().check_url(url)


def test_there_are_vectors_enough() -> None:
    assert len(VECTORS) >= 150
    assert len({vector.values[0] for vector in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize(("url", "meaning"), ACCEPTED_URLS.items())
def test_a_url_is_accepted(url: str, meaning: str) -> None:
    parsed = Guard().check_url(url)
    assert str(parsed.with_fragment(None)).removesuffix("/") == meaning.removesuffix("/")


@pytest.mark.parametrize(
    ("location", "meaning"),
    [
        ("/b.png", "https://example.com/b.png"),
        ("b.png?x=1", "https://example.com/a/b.png?x=1"),
        ("//other.example.com/b.png", "https://other.example.com/b.png"),
        ("../%7eb/./c%27?x=%2f", "https://example.com/%7eb/c%27?x=%2f"),
        ("?y=2", "https://example.com/a/a.png?y=2"),
        ("/b/../%7e", "https://example.com/b/../%7e"),
        ("HTTP://Other.Example.com/%7e", "http://other.example.com/%7e"),
        ("http://other.example.com/", "http://other.example.com/"),
    ],
)
def test_a_redirect_may_be_relative(location: str, meaning: str) -> None:
    base = URL("https://example.com/a/a.png")
    assert str(Guard().check_url(location, base=base)) == meaning


@pytest.mark.parametrize(
    "location",
    ["//127.0.0.1/", "//user@example.com/", "http://10.0.0.1/", "file:///etc/passwd", "\\\\x/", ""],
)
def test_a_redirect_is_judged_like_any_url(location: str) -> None:
    with pytest.raises(UrlRefused):
        Guard().check_url(location, base=URL("https://example.com/"))


def test_an_allowed_network_is_exempt_and_only_it() -> None:
    assert LOOPBACK.check_url("http://127.0.0.1:8123/a").port == 8123
    assert LOOPBACK.check_url("http://[::ffff:127.0.0.1]:8123/a").port == 8123
    for url in ("http://10.0.0.1/", "http://[::1]/", "http://127.1/", "http://1.1.1.1:22/"):
        with pytest.raises(UrlRefused):
            LOOPBACK.check_url(url)


def test_a_name_on_an_odd_port_waits_for_its_address_where_a_network_is_allowed() -> None:
    assert LOOPBACK.check_url("http://localhost:8123/").port == 8123
    LOOPBACK.check_address("127.0.0.1", 8123)
    with pytest.raises(UrlRefused, match="port is 8123"):
        LOOPBACK.check_address("1.1.1.1", 8123)


@pytest.mark.parametrize(
    "address", ["localhost", "127.1", "0x7f000001", "2130706433", "", "1.1.1.1 ", "2606:4700::1%1"]
)
def test_an_address_must_be_in_its_canonical_form(address: str) -> None:
    with pytest.raises(UrlRefused):
        Guard().check_address(address)


def addresses(network: IPv4Network | IPv6Network) -> st.SearchStrategy[str]:
    first, last = int(network.network_address), int(network.broadcast_address)
    make = IPv4Address if network.version == 4 else IPv6Address
    return st.integers(first, last).map(lambda number: str(make(number)))


@given(st.sampled_from(NETWORKS).flatmap(addresses))
def test_any_address_of_a_denied_network_is_refused(address: str) -> None:
    with pytest.raises(UrlRefused):
        Guard().check_address(address)


@given(st.sampled_from(DENIED_V4).flatmap(addresses))
def test_any_denied_address_is_refused_as_a_mapped_one(address: str) -> None:
    with pytest.raises(UrlRefused):
        Guard().check_address(str(IPv6Address(f"::ffff:{address}")))


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_any_ipv6_address_outside_global_unicast_is_refused(address: IPv6Address) -> None:
    assume(address not in PUBLIC_V6 and address.ipv4_mapped is None)
    with pytest.raises(UrlRefused):
        Guard().check_address(str(address))


@given(st.ip_addresses())
def test_nothing_that_python_knows_to_be_private_passes(
    address: IPv4Address | IPv6Address,
) -> None:
    if is_public(address) and getattr(address, "ipv4_mapped", None) is None:
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"]
)
@pytest.mark.parametrize("form", ["{}", "::ffff:{}"])
def test_neighbours_of_denied_networks_pass(form: str, address: str) -> None:
    assert is_public(ip_address(form.format(address)))


def test_a_refusal_says_what_is_wrong() -> None:
    for url, words in (
        ("http://a:b@example.com/", "user name or password"),
        ("http://example.com/a b.png", "a space"),
        ("http://example.com:22/", "port is 22"),
        ("ftp://example.com/", "'ftp'"),
        ("http://127.0.0.1/", "not on the public internet"),
        ("http://127.1/", "a form that is not accepted"),
        ("http://exa;mple.com/", "not a valid name: 'exa;mple.com'"),
    ):
        with pytest.raises(UrlRefused, match=words):
            Guard().check_url(url)


HOSTS = st.text("aA0:.[]@%/\\?#-_＠／。℀é\u202e\u3000 ", max_size=12)
URLS = st.builds(
    "{}{}{}".format, st.sampled_from(["http://", "https://", "//", ""]), HOSTS, st.text()
)


@given(URLS, st.none() | st.just(URL("http://example.com/a/b?c")))
def test_any_text_is_refused_or_one_url_to_everybody(text: str, base: URL | None) -> None:
    """What was judged is what is sent: a client's own reading of it finds the same host."""
    try:
        sent = Guard().check_url(text, base=base)
    except UrlRefused:
        return
    again = urlsplit(str(sent))
    assert (again.scheme, again.hostname) == (sent.scheme, sent.raw_host)
    assert (again.port or {"http": 80, "https": 443}[sent.scheme]) == sent.port
    assert sent.raw_path_qs.isascii()
    assert not set(sent.raw_path_qs) & set(" \r\n\t\x00#")


def test_refusals_do_not_tell_the_address() -> None:
    with pytest.raises(UrlRefused) as refusal:
        Guard().check_address("10.1.2.3")
    assert "10.1" not in f"{refusal.value.detail}{refusal.value.fix}"


def test_no_socket_is_opened_for_a_refused_address() -> None:
    open_socket = guarded_sockets(Guard())
    for address in ("127.0.0.1", "localhost"):
        with pytest.raises(UrlRefused):
            open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)))
