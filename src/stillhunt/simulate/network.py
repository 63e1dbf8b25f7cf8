"""Addresses: who announces them, how many people share one, and how an actor comes by its own."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.simulate.ids import U64, mix

COUNTRIES = [
    "US",
    "IN",
    "BR",
    "DE",
    "GB",
    "FR",
    "JP",
    "ID",
    "VN",
    "PH",
    "NG",
    "MX",
    "CA",
    "ES",
    "IT",
    "PL",
    "TR",
    "KR",
    "NL",
    "AU",
    "SE",
    "PT",
    "UA",
    "EG",
    "KE",
    "AR",
    "CO",
    "TH",
    "MY",
    "SG",
    "RO",
    "CZ",
    "ZA",
    "PK",
    "BD",
    "IL",
    "AE",
    "TW",
]
_COUNTRY_WEIGHT = 1.0 / (np.arange(len(COUNTRIES)) + 2.0)
_COUNTRY_WEIGHT /= _COUNTRY_WEIGHT.sum()
_ZONES = dict(
    zip(
        COUNTRIES,
        (
            -6,
            5.5,
            -3,
            1,
            0,
            1,
            9,
            7,
            7,
            8,
            1,
            -6,
            -5,
            1,
            1,
            1,
            3,
            9,
            1,
            10,
            1,
            0,
            2,
            2,
            3,
            -3,
            -5,
            7,
            8,
            8,
            2,
            1,
            2,
            5,
            6,
            2,
            4,
            8,
        ),
        strict=True,
    )
)
ZONE_H = np.array([_ZONES[name] for name in COUNTRIES], dtype=np.float64)
"""Hours ahead of UTC, per country."""

_IPV6 = np.uint64(1 << 63)
_RESERVED_OCTETS = {0, 10, 100, 127, 169, 172, 192, 198, 203}


@dataclass(frozen=True)
class Endpoints:
    """Places on the network: ``address`` (uint64: an IPv4 number, or an IPv6 network with the top bit set; 0 for
    unknown), ``asn`` (int32), ``country`` (int16 code of COUNTRIES). Equal lengths."""

    address: U64
    asn: NDArray[np.int32]
    country: NDArray[np.int16]

    def take(self, index: NDArray[np.int64]) -> Endpoints:
        return Endpoints(*(getattr(self, field.name)[index] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.address)


def join(parts: list[Endpoints]) -> Endpoints:
    """All endpoints, one list after another."""
    return Endpoints(
        np.concatenate([part.address for part in parts]),
        np.concatenate([part.asn for part in parts]),
        np.concatenate([part.country for part in parts]),
    )


@dataclass(frozen=True)
class _Carriers:
    asn: NDArray[np.int32]
    country: NDArray[np.int16]
    prefix: U64
    """First address of a /16."""
    weight: NDArray[np.float64]
    exits: NDArray[np.int64]
    """Addresses in use; many for homes, few where people share exits."""


class Network:
    """The carriers of a world. Every kind of address is drawn from the same few hundred of them."""

    def __init__(self, rng: np.random.Generator) -> None:
        numbers = rng.permutation(np.arange(1_000, 60_000))[:2_000].astype(np.int32)
        octets = np.array([first for first in range(1, 224) if first not in _RESERVED_OCTETS])
        blocks = (octets[:, None] * 256 + np.arange(256)).ravel()
        prefixes = rng.permutation(blocks)[:2_000].astype(np.uint64) << np.uint64(16)
        self._spare = iter(zip(numbers, prefixes, strict=True))
        every = np.arange(len(COUNTRIES))
        self.homes = self._carriers(rng, np.repeat(every, 5), (40_000, 65_000))
        self.mobile = self._carriers(rng, np.repeat(every, 2), (40, 400))
        self.hosting = self._carriers(rng, rng.choice(every, 40, p=_COUNTRY_WEIGHT), (3_000, 60_000))
        self.vpn = self._carriers(rng, rng.choice(every, 30, p=_COUNTRY_WEIGHT), (4, 60))
        self.business = self._carriers(rng, np.repeat(every, 3), (5_000, 60_000))
        self.campus = self._carriers(rng, np.repeat(every, 2), (2, 12))

    def _carriers(
        self, rng: np.random.Generator, country: NDArray[np.int64], exits: tuple[int, int]
    ) -> _Carriers:
        drawn = [next(self._spare) for _ in country]
        return _Carriers(
            np.array([number for number, _ in drawn], dtype=np.int32),
            country.astype(np.int16),
            np.array([prefix for _, prefix in drawn], dtype=np.uint64),
            rng.pareto(1.3, len(country)) + 0.1,
            rng.integers(*exits, len(country)),
        )

    def draw(
        self, rng: np.random.Generator, carriers: _Carriers, country: NDArray[np.int16], ipv6: float = 0.0
    ) -> Endpoints:
        """One endpoint of ``carriers`` for each country wished for; any carrier where a country has none."""
        n = len(country)
        chosen = np.empty(n, dtype=np.int64)
        for code in np.unique(country):
            rows = np.flatnonzero(country == code)
            local = np.flatnonzero(carriers.country == code)
            if not len(local):
                local = np.arange(len(carriers.asn))
            weight = carriers.weight[local] / carriers.weight[local].sum()
            chosen[rows] = local[rng.choice(len(local), len(rows), p=weight)]
        exit_number = (rng.random(n) * carriers.exits[chosen]).astype(np.uint64)
        host = mix(exit_number + carriers.prefix[chosen], 7) % np.uint64(65_534) + np.uint64(1)
        address = carriers.prefix[chosen] + host
        six = rng.random(n) < ipv6
        network = (carriers.prefix[chosen] << np.uint64(24)) + (exit_number << np.uint64(8))
        address = np.where(six, _IPV6 | network, address)
        return Endpoints(address, carriers.asn[chosen], carriers.country[chosen])

    def home(self, rng: np.random.Generator, country: NDArray[np.int16]) -> Endpoints:
        """A household's line."""
        return self.draw(rng, self.homes, country, ipv6=0.22)

    def phone(self, rng: np.random.Generator, country: NDArray[np.int16]) -> Endpoints:
        """A carrier's shared exit, behind which many strangers sit."""
        return self.draw(rng, self.mobile, country, ipv6=0.15)

    def server(self, rng: np.random.Generator, country: NDArray[np.int16]) -> Endpoints:
        """A machine in a data centre."""
        return self.draw(rng, self.hosting, country)

    def vpn_exit(self, rng: np.random.Generator, country: NDArray[np.int16]) -> Endpoints:
        """A VPN's exit, shared by strangers; often in another country than the user's."""
        abroad = np.where(rng.random(len(country)) < 0.5, random_countries(rng, len(country)), country)
        return self.draw(rng, self.vpn, abroad)

    def office(self, rng: np.random.Generator, country: NDArray[np.int16]) -> Endpoints:
        """An organisation's exit."""
        return self.draw(rng, self.business, country)

    def university(self, rng: np.random.Generator, country: NDArray[np.int16]) -> Endpoints:
        """A campus exit, shared by all its students."""
        return self.draw(rng, self.campus, country)


def random_countries(rng: np.random.Generator, n: int) -> NDArray[np.int16]:
    """Countries of ``n`` people, large markets first."""
    return rng.choice(len(COUNTRIES), n, p=_COUNTRY_WEIGHT).astype(np.int16)


def address_strings(address: U64) -> pa.Array:
    """Dotted IPv4, IPv6 (the first address of a /64) or null."""
    distinct, inverse = np.unique(address, return_inverse=True)
    names: list[str | None] = []
    for value in distinct.tolist():
        if value == 0:
            names.append(None)
        elif value >> 63:
            low = value & (2**56 - 1)
            names.append(
                f"2a{low >> 48 & 255:02x}:{low >> 32 & 65535:x}:{low >> 16 & 65535:x}:{low & 65535:x}::1"
            )
        else:
            names.append(f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}")
    return pa.DictionaryArray.from_arrays(
        pa.array(inverse.astype(np.int32)), pa.array(names, pa.string())
    ).cast(pa.string())
