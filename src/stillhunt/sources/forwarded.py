"""The client's address behind proxies: believed only as far as one's own proxies vouch for it.

A forwarded header is written by everybody on the way, and by the client first. Each of our own proxies appends
the address that it saw, so the header is read from the right: while the address at hand is one of ours, what it
appended is true, and the first address that is not ours is the client's. Whatever stands further left is the
client's own claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from stillhunt.errors import SettingError

Network = IPv4Network | IPv6Network

_LONGEST_HEADER = 65_536


def networks(ranges: Iterable[str]) -> tuple[Network, ...]:
    """Networks from CIDR notation or single addresses. Raises SettingError that names the one that is wrong."""
    parsed: list[Network] = []
    for text in ranges:
        try:
            parsed.append(ip_network(text.strip(), strict=False))
        except ValueError as error:
            raise SettingError(
                f"expected a network such as 10.0.0.0/8 or 2001:db8::/32, got {text!r}",
                "trusted_proxies",
                "Name each of your own proxies by its address or network.",
            ) from error
    return tuple(parsed)


def client_address(
    peer: str | None,
    forwarded_for: str | None = None,
    forwarded: str | None = None,
    trusted: Sequence[Network] = (),
) -> str | None:
    """The address of whoever called, in canonical form, or None where it cannot be known.

    peer: the address at the other end of the connection; None where the log does not hold it, and whoever wrote
        the log is then taken for one of our own proxies if any are declared.
    forwarded_for, forwarded: the headers ``X-Forwarded-For`` and ``Forwarded`` (RFC 7239), several lines joined
        by commas. Where both are there and disagree, the client wrote one of them: None.
    trusted: our own proxies.

    None also means: one of our own proxies is the peer and vouches for nobody, or for something unreadable. The
    proxy's own address is never given for the client's, since it would tie together everybody behind it.
    """
    direct = parse_address(peer) if peer is not None else None
    if peer is not None and (direct is None or not _is_trusted(direct, trusted)):
        return str(direct) if direct is not None else None
    if not trusted:
        return None
    chains = [
        _addresses_of_list((forwarded_for or "")[-_LONGEST_HEADER:]),
        _addresses_of_forwarded((forwarded or "")[-_LONGEST_HEADER:]),
    ]
    found = {_walk(hops, trusted) for hops in chains if hops}
    return found.pop() if len(found) == 1 else None


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address from ``192.0.2.1``, ``192.0.2.1:443``, ``2001:db8::1`` or ``[2001:db8::1]:443``; an IPv4 address
    in IPv6 clothes becomes IPv4, a zone is cut off. None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not re.fullmatch(r":\w+", rest)):
            return None
    elif text.count(":") == 1:
        text = text.split(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_trusted(address: IPv4Address | IPv6Address, trusted: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)


def _walk(hops: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """The first address from the right that is not ours; the leftmost if all are; None at anything unreadable."""
    address = None
    for hop in reversed(hops):
        address = parse_address(hop)
        if address is None:
            return None
        if not _is_trusted(address, trusted):
            break
    return str(address) if address is not None else None


def _addresses_of_list(header: str) -> list[str]:
    return header.split(",") if header.strip() else []


def _addresses_of_forwarded(header: str) -> list[str]:
    """The ``for`` of each element; an element without one stands as an unreadable hop."""
    return [_for(element) for element in _split(header, ",")] if header.strip() else []


def _for(element: str) -> str:
    for pair in _split(element, ";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            value = value.strip()
            return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return ""


def _split(text: str, separator: str) -> list[str]:
    """Splits at separators outside of quotes. Quotes are paired from the right, where our own proxies wrote, so
    that a quote which the client left open cannot swallow what they appended."""
    pieces: list[str] = []
    end, quoted = len(text), False
    for at in range(len(text) - 1, -1, -1):
        if text[at] == '"' and (at == 0 or text[at - 1] != "\\"):
            quoted = not quoted
        elif text[at] == separator and not quoted:
            pieces.append(text[at + 1 : end])
            end = at
    pieces.append(text[:end])
    pieces.reverse()
    return pieces
