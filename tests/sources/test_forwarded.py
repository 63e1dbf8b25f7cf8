"""Whoever calls us may write what they like into a forwarded header; the address must still be theirs."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhunt.errors import SettingError
from stillhunt.sources.forwarded import client_address, networks, parse_address

TRUSTED = networks(["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.250"])
PROXIES = st.sampled_from(["10.0.0.1", "10.255.1.2", "2001:db8:ffff::7", "192.0.2.250"])
CLIENTS = st.one_of(
    st.ip_addresses(network="198.51.100.0/24"), st.ip_addresses(network="2001:db8:1::/64")
).map(str)
GARBAGE = st.text(max_size=80)


def quoted(address: str) -> str:
    """An address as RFC 7239 writes it."""
    return f'"[{address}]"' if ":" in address else address


@given(spoofed=GARBAGE, client=CLIENTS, hops=st.lists(PROXIES, min_size=1, max_size=4))
def test_nothing_a_client_writes_changes_its_address(spoofed: str, client: str, hops: list[str]) -> None:
    *between, peer = hops
    appended = [client, *between]
    assert client_address(peer, ", ".join([spoofed, *appended]), trusted=TRUSTED) == client
    elements = [f"for={quoted(hop)};proto=https" for hop in appended]
    assert client_address(peer, forwarded=", ".join([spoofed, *elements]), trusted=TRUSTED) == client


@given(spoofed=GARBAGE, client=CLIENTS, proxy=PROXIES)
def test_a_second_header_of_the_clients_can_hide_but_never_lie(spoofed: str, client: str, proxy: str) -> None:
    """Our proxy appends to one of the headers and passes on whatever stands in the other."""
    assert client_address(proxy, client, spoofed, TRUSTED) in (client, None)
    assert client_address(proxy, spoofed, f"for={quoted(client)}", TRUSTED) in (client, None)


@given(header=GARBAGE, peer=CLIENTS)
def test_a_peer_that_is_no_proxy_of_ours_is_the_client(header: str, peer: str) -> None:
    assert client_address(peer, header, header, TRUSTED) == peer
    assert client_address(peer, header, header, ()) == peer


@given(peer=st.none() | GARBAGE, forwarded_for=st.none() | GARBAGE, forwarded=st.none() | GARBAGE)
def test_garbage_gives_an_address_or_none(
    peer: str | None, forwarded_for: str | None, forwarded: str | None
) -> None:
    found = client_address(peer, forwarded_for, forwarded, TRUSTED)
    assert found is None or str(ipaddress.ip_address(found)) == found


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1:8443", "198.51.100.9:5555, 10.3.3.3", "198.51.100.9"),
        ("[2001:db8:ffff::1]:443", "[2001:db8:1::5]:1234", "2001:db8:1::5"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "10.9.9.9, 10.8.8.8", "10.9.9.9"),  # all are ours: the outermost of them called
        ("10.0.0.1", "unknown", None),
        ("10.0.0.1", "198.51.100.9, _hidden", None),
        ("10.0.0.1", "198.51.100.9,", None),
        ("10.0.0.1", None, None),  # the proxy's own address would tie together all behind it
        ("10.0.0.1", "", None),
        (None, "1.1.1.1, 198.51.100.9", "198.51.100.9"),
        ("nonsense", "198.51.100.9", None),
    ],
)
def test_x_forwarded_for(peer: str | None, header: str | None, expected: str | None) -> None:
    assert client_address(peer, header, trusted=TRUSTED) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("for=198.51.100.9", "198.51.100.9"),
        ('For="[2001:db8:1::5]:4711";proto=http;by=10.0.0.1', "2001:db8:1::5"),
        ('for=9.9.9.9, proto=https;for="198.51.100.9:80";host="a,b;for=8.8.8.8"', "198.51.100.9"),
        ("for=9.9.9.9, proto=https", None),  # an element that names nobody
        ('for="unbalanced, for=198.51.100.9', "198.51.100.9"),
        ("for=_secret", None),
    ],
)
def test_forwarded(header: str, expected: str | None) -> None:
    assert client_address("10.0.0.1", forwarded=header, trusted=TRUSTED) == expected


def test_headers_that_agree_count() -> None:
    assert client_address("10.0.0.1", "198.51.100.9", "for=198.51.100.9", TRUSTED) == "198.51.100.9"


def test_without_declared_proxies_no_header_is_read() -> None:
    assert client_address(None, "198.51.100.9") is None
    assert client_address("203.0.113.1", "198.51.100.9") == "203.0.113.1"


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4.5", "[::1", "::1]:80", "1.2.3.4:a:b", "٣.1.1.1", "[::1]x"]
)
def test_what_is_no_address(text: str) -> None:
    assert parse_address(text) is None


def test_a_wrong_network_is_named() -> None:
    with pytest.raises(SettingError, match=r"trusted_proxies.*'10\.0\.0\.0/99'"):
        networks(["10.0.0.0/8", "10.0.0.0/99"])
