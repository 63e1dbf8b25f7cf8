"""Logs with text for benches, of any size: real prompts and answers from ../shared/data where they are present,
else sentences of the simulator's words. Every prompt and every answer is distinct; system prompts are few."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import zstandard
from numpy.typing import NDArray

from stillhunt.schema.requests import REQUESTS, TIMESTAMP
from stillhunt.simulate.grammar.words import WORDS

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
PROMPTS = ("chat", "mathematics", "software_engineering", "agentic", "templated_nlp")
START = datetime(2026, 4, 22, tzinfo=UTC)
ACCOUNTS = 20_000
PER_SECOND = 20
CHARS_PER_TOKEN = 4


@dataclass(frozen=True)
class Texts:
    """What rows are made from: bodies of text that prompts and answers are cut from, whole system prompts, and
    pairs of lengths in tokens (prompt, answer). ``origin`` says what they are."""

    prompts: str
    answers: str
    systems: pa.Array
    tokens: NDArray[np.int64]
    origin: str


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a ``.jsonl.zst`` file."""
    with path.open("rb") as packed:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), encoding="utf-8"):
            yield json.loads(line)


def texts() -> Texts:
    """The pools."""
    if not DATA.is_dir():
        return _made()
    prompts = [row["text"] for name in PROMPTS for row in read_lines(DATA / "prompts" / f"{name}.jsonl.zst")]
    answers = [row["output"] for row in read_lines(DATA / "models" / "alpaca_eval_answers.jsonl.zst")]
    systems = [row["text"] for row in read_lines(DATA / "prompts" / "system_prompts.jsonl.zst")]
    trace = DATA / "traffic" / "AzureLLMInferenceTrace_conv.csv.zst"
    rows = zstandard.ZstdDecompressor().stream_reader(trace.open("rb")).read().decode().split()[1:]
    tokens = [row.split(",")[-2:] for row in rows if row.count(",") == 2]
    return Texts(
        _body(prompts),
        _body(answers),
        pa.array(systems),
        np.array(tokens, dtype=np.int64),
        "real prompts, answers and lengths",
    )


def _made() -> Texts:
    random = np.random.default_rng(0)
    words = np.array([word for each in WORDS.values() for word in each.split("|")])

    def pool(count: int, mean_words: int) -> list[str]:
        return [" ".join(random.choice(words, 3 + size)) + "." for size in random.poisson(mean_words, count)]

    tokens = np.exp(random.normal([6.5, 4.8], 1.0, (20_000, 2))).astype(np.int64) + 2
    return Texts(
        _body(pool(20_000, 120)),
        _body(pool(20_000, 220)),
        pa.array(pool(300, 250)),
        tokens,
        "generated words",
    )


def _body(pool: list[str]) -> str:
    """The texts one after another, in an order that has nothing to do with where they come from."""
    order = np.random.default_rng(1).permutation(len(pool))
    return "\n\n".join(pool[each] for each in order)


def _cuts(body: str, chars: NDArray[np.int64], random: np.random.Generator) -> pa.Array:
    """One piece of ``body`` of each length, from anywhere in it."""
    starts = random.integers(0, len(body) - int(chars.max()), len(chars))
    return pa.array([body[start : start + count] for start, count in zip(starts, chars, strict=True)])


def exchanges(pools: Texts, first: int, count: int) -> pa.Table:
    """Rows ``first`` to ``first + count`` of one endless log, schema REQUESTS: equal numbers give equal rows."""
    random = np.random.default_rng((7, first))
    numbers = np.arange(first, first + count)
    account = (random.pareto(1.1, count) * 40).astype(np.int64) % ACCOUNTS
    marks = pa.array(numbers).cast(pa.string())
    tokens = pools.tokens[random.integers(0, len(pools.tokens), count)]
    prompt = _cuts(pools.prompts, tokens[:, 0] * CHARS_PER_TOKEN, random)
    answer = _cuts(pools.answers, tokens[:, 1] * CHARS_PER_TOKEN, random)
    columns: dict[str, pa.Array] = {
        "time": pa.array(int(START.timestamp() * 1e6) + numbers * (1_000_000 // PER_SECOND), pa.int64()).cast(
            TIMESTAMP
        ),
        "request_id": pc.binary_join_element_wise("req", marks, "-"),
        "account_id": _named("acct", account),
        "org_id": _named("org", account // 4),
        "session_id": _named("s", account * 1000 + random.integers(0, 40, count)),
        "model": pa.array(np.array(["large-2", "small-2"])[random.integers(0, 2, count)]),
        "input_tokens": pa.array(tokens[:, 0]),
        "output_tokens": pa.array(tokens[:, 1]),
        "max_tokens": pa.array(np.array([1024, 4096, 8192])[account % 3]),
        "temperature": pa.array(np.array([0.0, 0.7, 1.0])[account % 3]),
        "stream": pa.array(account % 2 == 0),
        "status": pa.array(np.where(random.random(count) < 0.02, 429, 200)),
        "finish_reason": pa.repeat("stop", count),
        "latency_ms": pa.array(random.integers(200, 60_000, count)),
        "client_ip": pc.binary_join_element_wise(
            "2001:db8", pa.array(account % 7919).cast(pa.string()), "::"
        ),
        "country": pa.array(np.array(["DE", "US", "SG", "BR"])[account % 4]),
        "user_agent": _named("client/1", account % 23),
        "system_prompt": pools.systems.take(pa.array(account % len(pools.systems))),
        "prompt": prompt,
        "completion": answer,
    }
    return pa.table({name: columns[name].cast(REQUESTS.field(name).type) for name in columns})


def _named(prefix: str, numbers: NDArray[np.int64]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "-")
