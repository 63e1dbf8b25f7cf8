"""A log from real arrival rates and real prompts, with one pool planted in it. Needs ../shared/data.

Arrivals: 10-minute request rates of the clients of a model cloud (ServeGen), one account each, thinned to a chosen
number of rows; and light accounts that follow the clients' common daily curve. Prompts: real ones. The pool is made up:
its accounts send one template's real prompts round the clock, each from an address of its own, and a scheduler gives
every session to the account that has rested longest.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from bench.exchanges import DATA, PROMPTS, START, read_lines
from numpy.typing import NDArray

from stillhunt.schema.requests import REQUESTS, TIMESTAMP

FAMILIES = ("language/m-large", "reason/deepseek-r1")
DAYS = 7
BIN_S = 600
BINS = DAYS * 86_400 // BIN_S
LIGHT_ACCOUNTS = 4_000
LIGHT_PER_DAY = 6.0
POOL_ACCOUNTS = 80
POOL_PER_DAY = 25.6
SESSION_REQUESTS = 3


@dataclass(frozen=True)
class RealLog:
    """A written log: its file, its rows and accounts, and the ids of the planted pool."""

    path: Path
    rows: int
    accounts: int
    pool: frozenset[str]


def client_rates() -> NDArray[np.float64]:
    """Requests a second of each client in each bin, shape (clients, BINS)."""
    rates = []
    packed = (DATA / "traffic" / "servegen.tar.zst").read_bytes()
    with tarfile.open(
        fileobj=io.BytesIO(zstandard.ZstdDecompressor().stream_reader(packed).read())
    ) as archive:
        for member in archive:
            if any(f"/{family}/" in member.name for family in FAMILIES) and member.name.endswith("trace.csv"):
                content = archive.extractfile(member)
                assert content is not None
                lines = content.read().decode().split()[:BINS]
                values = [float(line.split(",")[1]) for line in lines]
                rates.append(np.pad(values, (0, BINS - len(values))))
    return np.array(rates)


def write_real_log(path: Path, clients_rows: int, seed: int = 0) -> RealLog:
    """Writes the log as Parquet, in order of time; the clients send about ``clients_rows`` of its rows."""
    random = np.random.default_rng(seed)
    rates = client_rates()
    curve = rates.sum(axis=0) / rates.sum()
    light = np.minimum(random.lognormal(np.log(LIGHT_PER_DAY), 1.0, LIGHT_ACCOUNTS), 60) * DAYS
    expected = np.concatenate(
        [
            rates * (clients_rows / rates.sum()),
            light[:, None] * curve,
            np.full((POOL_ACCOUNTS, BINS), POOL_PER_DAY * DAYS / BINS),
        ]
    )
    counts = random.poisson(expected)
    account, slot = (np.repeat(each, counts.ravel()) for each in np.indices(counts.shape).reshape(2, -1))
    offset_us = ((slot + random.random(len(slot))) * BIN_S * 1e6).astype(np.int64)
    order = np.argsort(offset_us, kind="stable")
    account, offset_us = account[order], offset_us[order]
    first_pool = len(counts) - POOL_ACCOUNTS
    ours = np.flatnonzero(account >= first_pool)
    account[ours] = first_pool + np.arange(len(ours)) // SESSION_REQUESTS % POOL_ACCOUNTS
    names = np.array([f"acct-{number:05d}" for number in random.permutation(len(counts))])
    prompts = list(_prompts(account, len(rates), first_pool, random))
    host = random.integers(1, 1 << 16, len(counts))
    columns = {
        "time": pa.array(int(START.timestamp() * 1e6) + offset_us, pa.int64()).cast(TIMESTAMP),
        "request_id": [f"req-{number}" for number in range(len(account))],
        "account_id": names[account],
        "model": np.where(account % 5 == 0, "small", "large"),
        "input_tokens": [len(prompt) // 4 for prompt in prompts],
        "output_tokens": random.lognormal(5.3, 0.8, len(account)).astype(np.int64),
        "status": np.where(random.random(len(account)) < 0.01, 429, 200),
        "client_ip": [f"10.{each >> 8}.{each & 255}.{1 + each % 200}" for each in host[account]],
        "prompt": prompts,
    }
    table = pa.table(
        {name: pa.array(values).cast(REQUESTS.field(name).type) for name, values in columns.items()}
    )
    pq.write_table(table, path)
    present = np.unique(account)
    return RealLog(
        path, len(account), len(present), frozenset(names[present[present >= first_pool]].tolist())
    )


def _prompts(
    account: NDArray[np.int64], clients: int, first_pool: int, random: np.random.Generator
) -> Iterator[str]:
    """One prompt a row. A client asks within one family; a light account writes something of its own, cut from
    anywhere in the prompts; the pool fills one template."""
    families = [list(read_lines(DATA / "prompts" / f"{name}.jsonl.zst")) for name in PROMPTS]
    templated = list(families[-1])
    names, sizes = np.unique([row["template"] for row in templated], return_counts=True)
    of_pool = [row["text"] for row in templated if row["template"] == names[sizes.argmax()]]
    of_client = [[row["text"] for row in rows if row["text"] not in of_pool] for rows in families]
    body = "\n\n".join(text for pool in of_client for text in pool)
    draws = random.random((len(account), 2))
    for each, (where, length) in zip(account, draws, strict=True):
        if each >= first_pool:
            yield of_pool[int(where * len(of_pool))]
        elif each < clients:
            pool = of_client[each % len(of_client)]
            yield pool[int(where * len(pool))]
        else:
            start = int(where * (len(body) - 4_000))
            yield body[start : start + 40 + int(length**3 * 3_000)]
