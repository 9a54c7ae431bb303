"""Whose addresses are one client's."""

import pytest

from short_drama.web.clients import client_of, network_of


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::1", "::1/128"),
        ("", ""),
        ("a pipe", "a pipe"),
    ],
)
def test_a_client_is_an_address_or_the_network_it_may_choose_from(host: str, network: str) -> None:
    assert network_of(host) == network
    assert client_of({"client": (host, 1)}) == network


def test_whoever_has_no_address_is_one_client() -> None:
    assert client_of({}) == client_of({"client": None}) == ""
