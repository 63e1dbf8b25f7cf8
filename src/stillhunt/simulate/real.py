"""Text and arrival rates of real services, in place of the simulator's own.

Prompts: a folder of ``*.jsonl`` files (``.gz`` and ``.zst`` too), one JSON object per line with the text under
``prompt``, ``text``, ``instruction`` or ``question``. ``capability`` or ``family`` says what it asks for, else the
file's name does; ``template`` names the template it was filled from. Rates: a table of ``client, start_s, rate, cv`` as
CSV, or an archive (``.tar``, ``.tar.gz``, ``.tar.zst``) with one file ``*-trace.csv`` per client, as ServeGen publishes
them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa
import zstandard

from stillhunt.errors import InputError
from stillhunt.schema.requests import MODEL_CAPABILITIES
from stillhunt.simulate.clock import DAY, F64, I64, Window

_TEXT_FIELDS = ("prompt", "text", "instruction", "question")
_SYSTEM = "system_prompt"
_NAMES = {
    "agentic": "agentic_reasoning",
    "chat": "conversation",
    "code": "software_engineering",
    "math": "mathematics",
    "templated_nlp": "data_transformation",
    "system_prompts": _SYSTEM,
    **{name: name for name in (*MODEL_CAPABILITIES, _SYSTEM)},
}
_LEAST_FILLED = 20
"""Texts from which on a template counts as one that a program fills."""
_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")


@dataclass(frozen=True)
class Prompts:
    """Real texts. ``pools``: by capability; ``templates``: texts that one template was filled to; ``systems``: system
    prompts."""

    pools: dict[str, pa.Array]
    templates: tuple[pa.Array, ...]
    systems: tuple[str, ...]

    def pool(self, capability: str) -> pa.Array:
        """The texts that ask for a capability; all of them, where none does."""
        found = self.pools.get(capability)
        return found if found is not None else pa.concat_arrays(list(self.pools.values()))


@dataclass(frozen=True)
class Rates:
    """Arrivals of k real clients over equal bins. ``share``: (k, bins), of each client's requests; ``volume``: (k,), of
    each beside the median client; ``cv``: (k,), coefficient of variation of the gaps between requests."""

    share: F64
    volume: F64
    cv: F64


def read_prompts(folder: Path) -> Prompts:
    """The texts of a folder. Raises InputError when there is none, or a line is not as expected."""
    files = (
        sorted(path for path in folder.glob("*") if path.name.endswith(_SUFFIXES)) if folder.is_dir() else []
    )
    if not files:
        raise InputError(
            "expected a folder with files *.jsonl, *.jsonl.gz or *.jsonl.zst, found none",
            str(folder),
            "Name another.",
        )
    pools: dict[str, list[str]] = defaultdict(list)
    filled: dict[str, list[str]] = defaultdict(list)
    systems: list[str] = []
    for path in files:
        for row, text in _records(path):
            named = str(row.get("capability") or row.get("family") or path.name.split(".")[0])
            capability = _NAMES.get(named, "other")
            if capability == _SYSTEM:
                systems.append(text)
                continue
            pools[capability].append(text)
            if row.get("template"):
                filled[str(row["template"])].append(text)
    if not pools:
        raise InputError("expected prompts, found system prompts only", str(folder), "Add a file of prompts.")
    return Prompts(
        {name: pa.array(texts, pa.string()) for name, texts in sorted(pools.items())},
        tuple(
            pa.array(texts, pa.string()) for _, texts in sorted(filled.items()) if len(texts) >= _LEAST_FILLED
        ),
        tuple(systems),
    )


def _records(path: Path) -> Iterator[tuple[dict[str, object], str]]:
    with _opened(path) as raw:
        for number, line in enumerate(_lines(raw, path), start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(
                    "expected a JSON object, found something else", where, "Mend the line."
                ) from error
            texts = [
                row[name] for name in _TEXT_FIELDS if isinstance(row, dict) and isinstance(row.get(name), str)
            ]
            if not any(texts):
                raise InputError(
                    f"expected a text under one of {', '.join(_TEXT_FIELDS)}", where, "Rename the field."
                )
            yield row, next(text for text in texts if text)


def _opened(path: Path) -> IO[bytes]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path), "Name a file that can.") from error
    if path.name.endswith(".zst"):
        return cast(IO[bytes], zstandard.ZstdDecompressor().stream_reader(file, closefd=True))
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if path.name.endswith(".gz") else file


def _lines(raw: IO[bytes], path: Path) -> Iterator[str]:
    try:
        yield from io.TextIOWrapper(raw, encoding="utf-8")
    except (zstandard.ZstdError, OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot be unpacked to the end: {error}", str(path), "Fetch the file again."
        ) from error


def read_rates(path: Path) -> Rates:
    """The arrival rates in a file. Raises InputError when it is neither a table nor an archive of the kind expected."""
    tables = _traces(path) if ".tar" in path.name else _table(path)
    bins, shares, volumes, spreads = 0, [], [], []
    for name, table in tables:
        start, rate, cv = np.array(table, dtype=np.float64).T
        if not (np.isfinite(rate).all() and (rate >= 0).all() and (np.diff(start) > 0).all()):
            raise InputError(
                "expected rates of at least 0 at rising start_s", f"{path}, client {name}", "Mend them."
            )
        if rate.sum() <= 0:
            continue
        told = np.isfinite(cv) & (cv > 0) & (rate > 0)
        spreads.append(float(np.average(cv[told], weights=rate[told])) if told.any() else 1.0)
        bins = bins or len(rate)
        volumes.append(rate.mean())
        rate = np.interp(np.linspace(0, 1, bins), np.linspace(0, 1, len(rate)), rate)
        shares.append(rate / rate.sum())
    if not shares:
        raise InputError(
            "expected rates of at least one client with requests, found none",
            str(path),
            "Name a CSV with start_s, rate and cv, or an archive of *-trace.csv files.",
        )
    return Rates(np.array(shares), np.array(volumes) / np.median(volumes), np.array(spreads))


def _traces(path: Path) -> Iterator[tuple[str, list[list[float]]]]:
    """Files of an archive without a header: start_s, rate, cv and more."""
    with _opened(path) as raw:
        try:
            with tarfile.open(fileobj=raw, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.name.endswith("-trace.csv") else None
                    if content is not None:
                        text = content.read().decode("utf-8")
                        yield (
                            member.name,
                            list(_numbers(csv.reader(io.StringIO(text)), f"{path}, {member.name}")),
                        )
        except (tarfile.TarError, zstandard.ZstdError, OSError, EOFError, UnicodeDecodeError) as error:
            raise InputError(f"expected an archive: {error}", str(path), "Fetch the file again.") from error


def _table(path: Path) -> Iterator[tuple[str, list[list[float]]]]:
    clients: dict[str, list[list[str]]] = defaultdict(list)
    with _opened(path) as raw:
        rows = csv.DictReader(_lines(raw, path))
        missing = {"start_s", "rate", "cv"} - set(rows.fieldnames or ())
        if missing:
            raise InputError(
                f"expected the columns start_s, rate and cv, found no {', '.join(sorted(missing))}",
                str(path),
                "Give the file a first line with the names of its columns.",
            )
        for row in rows:
            clients[row.get("client") or ""].append([row["start_s"], row["rate"], row["cv"]])
    for name, cells in clients.items():
        yield name, list(_numbers(cells, f"{path}, client {name or 1}"))


def _numbers(rows: Iterable[list[str]], where: str) -> Iterator[list[float]]:
    for number, row in enumerate(rows, start=1):
        try:
            yield [float(cell) for cell in row[:3]] if len(row) >= 3 else [float("nan")] * 3
        except (TypeError, ValueError) as error:
            raise InputError(
                f"expected numbers, found {row[:3]}", f"{where}, row {number}", "Mend it."
            ) from error


def real_starts(rng: np.random.Generator, rates: Rates, rate: F64, window: Window) -> tuple[I64, I64]:
    """Starts of requests of n accounts, each after the pattern of one real client, stretched over the window.

    rate: requests a day of an account like the median client. Returns the account and the time in microseconds, by
    account, then time. Gaps are gamma distributed with the client's variation, in the time that its rates set.
    """
    accounts, times = [], []
    bins = rates.share.shape[1]
    for account, client in enumerate(rng.integers(len(rates.volume), size=len(rate))):
        count = int(rng.poisson(rate[account] * min(rates.volume[client], 20.0) * window.days))
        if count == 0:
            continue
        shape = 1.0 / max(rates.cv[client], 0.3) ** 2
        place = np.cumsum(rng.gamma(shape, 1.0 / shape, count + 1))
        # Gaps of a very bursty client can all be too small for a number: then all starts are one burst, at any time.
        part = place[:-1] / place[-1] if place[-1] > 0 else np.full(count, rng.random())
        total = np.r_[0.0, np.cumsum(rates.share[client])]
        at = np.interp(part * total[-1], total, np.arange(bins + 1)) / bins
        times.append(window.start + (at * window.days * DAY).astype(np.int64))
        accounts.append(np.full(count, account))
    if not times:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return np.concatenate(accounts), np.concatenate(times)
