"""Traffic by number becomes rows of the ``requests`` table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillhunt.schema.requests import LAKE_REQUESTS, REQUESTS, TIMESTAMP
from stillhunt.simulate.apps import AGGREGATOR, CLOUD, SUBSCRIPTION, Apps
from stillhunt.simulate.catalogue import CHANNELS, MODELS
from stillhunt.simulate.ids import U64, hex_strings, mint, mix
from stillhunt.simulate.network import COUNTRIES, address_strings
from stillhunt.simulate.registration import Roster
from stillhunt.simulate.scene import Batch, Book, Scene
from stillhunt.simulate.texts import render
from stillhunt.simulate.traffic import FINISHES, Traffic
from stillhunt.sketch.columns import sketch_requests

_TOKENS_PER_CHAR = 0.27
_PIECE = 65_536
"""Rows whose text is held at a time, where only sketches are kept."""


def render_batch(
    rng: np.random.Generator, scene: Scene, book: Book, apps: Apps, roster: Roster, traffic: Traffic
) -> Batch:
    """Accounts, truth and requests of one part of the population."""
    accounts, truth = roster.tables()
    return Batch(accounts, truth, render_requests(rng, scene, book, apps, roster, traffic))


def render_requests(
    rng: np.random.Generator, scene: Scene, book: Book, apps: Apps, roster: Roster, traffic: Traffic
) -> pa.Table:
    """Rows of REQUESTS, of the time in which their accounts were open; of LAKE_REQUESTS where the scene has a sketch
    key, so that text is held for some rows at a time. What a channel does not pass on is null, whoever sent it."""
    opened, closed = roster.created[traffic.account], roster.closed[traffic.account]
    traffic = traffic.take(np.flatnonzero((opened <= traffic.time) & (traffic.time < closed)))
    number, chance = mint(rng, len(traffic)), rng.random(len(traffic))
    if scene.keys is None:
        return _rows(scene, book, apps, roster, (traffic, number, chance))
    parts = [LAKE_REQUESTS.empty_table()]
    for first in range(0, len(traffic), _PIECE):
        some = np.arange(first, min(first + _PIECE, len(traffic)))
        piece = _rows(scene, book, apps, roster, (traffic.take(some), number[some], chance[some]))
        (batch,) = piece.combine_chunks().to_batches()
        parts.append(pa.table(sketch_requests(batch, scene.keys, keep_text=False).requests))
    return pa.concat_tables(parts)


def _rows(
    scene: Scene, book: Book, apps: Apps, roster: Roster, drawn: tuple[Traffic, U64, NDArray[np.float64]]
) -> pa.Table:
    """Rows of REQUESTS. ``drawn``: the exchanges, and per exchange its id and a number in [0, 1)."""
    traffic, number, chance = drawn
    app = apps.take(traffic.app)
    bare = (app.channel == CLOUD) | (app.channel == AGGREGATOR)
    subscription = app.channel == SUBSCRIPTION
    prompt = render(book.families, traffic.prompt)
    system = render(book.families, traffic.system)
    completion = render(book.families, traffic.completion)
    least = np.ceil(_TOKENS_PER_CHAR * (_chars(prompt) + _chars(system)))
    least_out = np.where(traffic.output_tokens > 0, np.ceil(_TOKENS_PER_CHAR * _chars(completion)), 0)
    ok = traffic.status == 200
    values: dict[str, pa.Array] = {
        "time": pa.array(traffic.time).cast(pa.timestamp("us")).cast(TIMESTAMP),
        "request_id": hex_strings("req_", number),
        "account_id": hex_strings("acct_", roster.account[traffic.account]),
        "org_id": hex_strings("org_", roster.org[traffic.account], 12),
        "api_key_id": hex_strings("key_", np.where(subscription, np.uint64(0), traffic.key), 12),
        "session_id": hex_strings(
            "sess_", np.where(app.channel == AGGREGATOR, np.uint64(0), traffic.session)
        ),
        "channel": _names(CHANNELS, app.channel),
        "model": _names(MODELS, traffic.model),
        "input_tokens": pa.array(np.maximum(traffic.input_tokens, least).astype(np.int32)),
        "output_tokens": pa.array(np.maximum(traffic.output_tokens, least_out).astype(np.int32)),
        "cached_input_tokens": pa.array(traffic.cached_tokens.astype(np.int32)),
        "max_tokens": pa.array(app.max_tokens, mask=(app.max_tokens < 0) | subscription),
        "temperature": pa.array(app.temperature, mask=np.isnan(app.temperature) | subscription),
        "stream": pa.array(chance < app.stream),
        "reasoning": pa.array(traffic.reasoning),
        "tools": pa.array(_tools(app, traffic)),
        "status": pa.array(traffic.status),
        "finish_reason": _names(FINISHES, np.where(ok, traffic.finish, -1)),
        "latency_ms": pa.array(traffic.latency_ms.astype(np.int32)),
        "client_ip": address_strings(traffic.where.address),
        "asn": pa.array(traffic.where.asn, mask=traffic.where.asn == 0),
        "country": _names(COUNTRIES, traffic.where.country),
        "user_agent": _names(scene.clients.user_agent, np.where(app.channel == CLOUD, -1, app.client)),
        "tls_fingerprint": _names(scene.clients.tls, np.where(bare, -1, app.tls)),
        "device_id": hex_strings("dev_", np.where(bare, np.uint64(0), traffic.device)),
        "reasoning_signature": hex_strings("rs_", traffic.signature),
        "system_prompt": system,
        "prompt": prompt,
        "completion": completion,
    }
    return pa.table(
        [values[name].cast(REQUESTS.field(name).type) for name in REQUESTS.names], schema=REQUESTS
    )


def _tools(app: Apps, traffic: Traffic) -> NDArray[np.int16]:
    """How many tools are offered; agents load a few more or fewer with each session."""
    more = mix(traffic.source.astype(np.uint64), 5) % np.uint64(6)
    return (app.tools + np.where(app.agentic, more, 0)).astype(np.int16)


def _names(names: Sequence[str], codes: NDArray[np.integer]) -> pa.Array:
    codes = codes.astype(np.int32)
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), pa.string())).cast(pa.string())


def _chars(texts: pa.Array) -> NDArray[np.float64]:
    counts: NDArray[np.float64] = pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False)
    return counts.astype(np.float64)
