"""Sessions become exchanges: turns, tokens, answers, failures and what programs do about them.

Everybody's sessions, honest or not, go through :func:`converse`, so that no value can betray who made it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillhunt.schema.requests import MODEL_CAPABILITIES
from stillhunt.simulate.apps import Apps
from stillhunt.simulate.catalogue import speed
from stillhunt.simulate.clock import F64, I64, SECOND
from stillhunt.simulate.grammar.patterns import ELABORATIONS
from stillhunt.simulate.ids import U64, mint, mix
from stillhunt.simulate.network import Endpoints
from stillhunt.simulate.scene import Book, Scene
from stillhunt.simulate.sessions import Sessions
from stillhunt.simulate.texts import TextSpec

FINISHES = ("stop", "length", "tool_use", "refusal")
STOP, LENGTH, TOOL_USE, REFUSAL = range(len(FINISHES))

# log-mean and log-spread of new input tokens and of output tokens, per capability.
_SIZES = {
    "agentic_reasoning": (6.6, 1.1, 5.6, 0.9),
    "software_engineering": (6.3, 1.2, 6.3, 0.9),
    "long_horizon_planning": (5.6, 0.9, 6.7, 0.7),
    "mathematics": (5.2, 0.9, 6.2, 0.8),
    "reasoning_traces": (5.7, 1.0, 6.4, 0.8),
    "grading": (6.7, 0.8, 5.0, 0.9),
    "data_transformation": (6.3, 1.2, 5.3, 1.0),
    "writing": (5.0, 1.0, 6.4, 0.8),
    "knowledge": (4.0, 0.8, 6.0, 0.8),
    "conversation": (3.9, 0.8, 5.2, 0.8),
    "other": (4.4, 1.2, 5.4, 1.0),
}
_SIZE = np.array([_SIZES[name] for name in MODEL_CAPABILITIES])
_LONGER = [150, 600]
"""Tokens from which on an answer is elaborated once, and twice."""
_RATE_BAD = 0.004
_RATE_SERVER = 0.003
_RATE_FORBIDDEN = 0.0008


@dataclass(frozen=True)
class Traffic:
    """n exchanges, arrays of length n; nulls are −1, NaN or identifier 0. ``source`` is the session's place in
    Sessions, ``turn`` counts from 0, ``attempt`` is 1 for the repetition of a failed request."""

    source: I64
    turn: NDArray[np.int32]
    attempt: NDArray[np.int8]
    time: I64
    account: I64
    key: U64
    session: U64
    device: U64
    signature: U64
    app: I64
    model: NDArray[np.int16]
    input_tokens: I64
    output_tokens: I64
    cached_tokens: I64
    reasoning: NDArray[np.bool_]
    status: NDArray[np.int16]
    finish: NDArray[np.int8]
    latency_ms: I64
    where: Endpoints
    system: TextSpec
    prompt: TextSpec
    completion: TextSpec

    def take(self, index: NDArray[np.int64]) -> Traffic:
        nested = {"where", "system", "prompt", "completion"}
        return Traffic(
            **{
                field.name: getattr(self, field.name).take(index)
                if field.name in nested
                else getattr(self, field.name)[index]
                for field in fields(self)
            }
        )

    def __len__(self) -> int:
        return len(self.time)


def converse(rng: np.random.Generator, scene: Scene, book: Book, apps: Apps, sessions: Sessions) -> Traffic:
    """Every exchange of ``sessions`` in the window, repetitions of failed ones included, in order of session and
    turn."""
    source = np.repeat(np.arange(len(sessions)), sessions.turns)
    turn = _count_up(source)
    app = apps.take(sessions.app[source])
    reasoning = rng.random(len(sessions)) < apps.reasoning[sessions.app]
    tokens = _tokens(rng, app, sessions, source, turn, reasoning[source])
    new, written, history = tokens
    model = sessions.model[source]
    latency = (
        250
        + rng.exponential(350, len(source))
        + written / speed(model) * rng.lognormal(0, 0.25, len(source)) * 1000
    )
    gaps = sessions.gap_s[source] * rng.lognormal(0, 0.8, len(source)) * SECOND
    elapsed = _running(gaps + latency * 1000, source)
    time = sessions.start[source] + elapsed.astype(np.int64)
    carried = np.where(sessions.fresh[source], 0, history)
    reused = np.where(
        turn > 0, carried + app.system_tokens, np.where(rng.random(len(source)) < 0.6, app.system_tokens, 0)
    )
    cached = np.where(app.caching & (reused >= 1024), reused // 64 * 64, 0)
    prompt, completion = _texts(rng, book, app, sessions, (source, turn, written))
    finish = _finish(rng, app, sessions, source, turn, written)
    system = np.where(app.system_changes, app.system_variant ^ sessions.session[source], app.system_variant)
    goes_on = (turn > 0) | (sessions.origin != sessions.session)[source]
    signature = np.where(
        reasoning[source] & goes_on & ~sessions.fresh[source] & (app.agentic | (app.tools > 0)),
        mix(sessions.origin[source] + (turn.astype(np.uint64) + np.uint64(2)) // np.uint64(3), 11)
        >> np.uint64(1),
        np.uint64(0),
    )
    traffic = Traffic(
        source=source,
        turn=turn.astype(np.int32),
        attempt=np.zeros(len(source), dtype=np.int8),
        time=time,
        account=sessions.account[source],
        key=sessions.key[source],
        session=np.where(app.sends_session, sessions.session[source], np.uint64(0)),
        device=np.where(app.sends_device, sessions.device[source], np.uint64(0)),
        signature=signature,
        app=sessions.app[source],
        model=model,
        input_tokens=(new + carried + app.system_tokens).astype(np.int64),
        output_tokens=np.where(finish == REFUSAL, np.minimum(written, 60), written).astype(np.int64),
        cached_tokens=cached.astype(np.int64),
        reasoning=reasoning[source],
        status=np.full(len(source), 200, dtype=np.int16),
        finish=finish,
        latency_ms=latency.astype(np.int64),
        where=sessions.where.take(source),
        system=TextSpec(app.system, system, system),
        prompt=prompt,
        completion=completion,
    )
    inside = np.flatnonzero((time >= scene.window.start) & (time < scene.window.end))
    return _fail(rng, scene, apps, sessions, traffic.take(inside))


def _count_up(group: I64) -> I64:
    """0, 1, 2, … within each run of equal numbers."""
    n = len(group)
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    first = np.r_[True, group[1:] != group[:-1]]
    start = np.maximum.accumulate(np.where(first, np.arange(n), 0))
    return np.arange(n) - start


def _running(values: F64, group: I64) -> F64:
    """Sums of the values before each place within its run of equal ``group`` numbers."""
    if len(values) == 0:
        return values
    total = np.cumsum(values) - values
    first = np.r_[True, group[1:] != group[:-1]]
    base = np.maximum.accumulate(np.where(first, np.arange(len(group)), 0))
    return total - total[base]


def _tokens(
    rng: np.random.Generator,
    app: Apps,
    sessions: Sessions,
    source: I64,
    turn: I64,
    reasoning: NDArray[np.bool_],
) -> tuple[F64, F64, F64]:
    """New input tokens, output tokens, and the history that a conversation carries."""
    size = _SIZE[sessions.capability[source]]
    n = len(source)
    later = (turn > 0) & ~sessions.fresh[source]
    mean_in = np.where(later & ~app.agentic, np.minimum(size[:, 0], 3.9), size[:, 0])
    new = np.clip(np.exp(rng.normal(mean_in, size[:, 1], n)), 4, 150_000).round()
    wordy = sessions.wordy[source] * np.where(reasoning, 2.2, 1.0)
    written = np.exp(rng.normal(size[:, 2], size[:, 3], n)) * wordy
    written = np.clip(written.round(), 1, 32_000)
    written = np.where(app.max_tokens > 0, np.minimum(written, app.max_tokens), written)
    history = np.minimum(_running(new + written, source), 180_000)
    return new, written, history


def _finish(
    rng: np.random.Generator, app: Apps, sessions: Sessions, source: I64, turn: I64, written: F64
) -> NDArray[np.int8]:
    n = len(source)
    finish = np.zeros(n, dtype=np.int8)
    ongoing = turn < sessions.turns[source] - 1
    finish[app.agentic & ongoing & (rng.random(n) < 0.9)] = TOOL_USE
    finish[(app.tools > 0) & ~app.agentic & (rng.random(n) < 0.06)] = TOOL_USE
    finish[(app.max_tokens > 0) & (written >= app.max_tokens)] = LENGTH
    finish[rng.random(n) < sessions.refused[source]] = REFUSAL
    return finish


def _texts(
    rng: np.random.Generator, book: Book, app: Apps, sessions: Sessions, exchange: tuple[I64, I64, F64]
) -> tuple[TextSpec, TextSpec]:
    source, turn, written = exchange
    n = len(source)
    length = np.searchsorted(_LONGER, written)
    shared = book.shared
    first = (turn == 0) | sessions.fresh[source]
    counted = sessions.variant[source] + np.where(sessions.fresh[source], turn, 0).astype(np.uint64)
    anew = mint(rng, n)
    later = np.where(
        app.agentic & (rng.random(n) < 0.9),
        rng.choice(shared.tool_results, n),
        rng.choice(shared.follow_ups, n),
    )
    family = np.where(first, sessions.family[source], later).astype(np.int32)
    prompt = TextSpec(family, np.where(first, counted, anew), sessions.style[source])
    answers = np.empty(n, dtype=np.int32)
    capability = sessions.capability[source]
    for code in np.unique(capability):
        rows = np.flatnonzero(capability == code)
        texts = len(shared.answers[code]) // len(ELABORATIONS)
        answers[rows] = shared.answers[code][
            rng.integers(texts, size=len(rows)) * len(ELABORATIONS) + length[rows]
        ]
    return prompt, TextSpec(answers, anew, anew)


def _fail(
    rng: np.random.Generator, scene: Scene, apps: Apps, sessions: Sessions, traffic: Traffic
) -> Traffic:
    n = len(traffic)
    chance_5xx = np.full(n, _RATE_SERVER)
    for outage in scene.outages:
        inside = (traffic.time >= outage.start) & (traffic.time < outage.end)
        chance_5xx = np.where(inside, outage.share, chance_5xx)
    status = traffic.status.copy()
    draw = rng.random(n)
    status[draw < _RATE_BAD] = 400
    status[(draw > 0.3) & (draw < 0.3 + _RATE_FORBIDDEN)] = 403
    status[rng.random(n) < sessions.limited[traffic.source]] = 429
    server = rng.random(n) < chance_5xx
    status[server] = rng.choice([500, 502, 503, 529], int(server.sum()), p=[0.3, 0.1, 0.4, 0.2])
    failed = status != 200
    shared = scene.phrasebook
    refusal = rng.choice(shared.refusals, n)
    family = np.where(traffic.finish == REFUSAL, refusal, traffic.completion.family)
    settled = replace(
        traffic,
        status=status,
        finish=np.where(failed, -1, traffic.finish).astype(np.int8),
        output_tokens=np.where(failed, 0, traffic.output_tokens),
        cached_tokens=np.where(failed, 0, traffic.cached_tokens),
        latency_ms=np.where(failed, 40 + rng.exponential(300, n), traffic.latency_ms).astype(np.int64),
        completion=TextSpec(
            np.where(failed, -1, family).astype(np.int32),
            traffic.completion.variant,
            traffic.completion.style,
        ),
    )
    again = np.flatnonzero((status >= 429) & apps.retries[traffic.app] & (rng.random(n) < 0.9))
    repeated = replace(
        traffic.take(again),
        attempt=np.ones(len(again), dtype=np.int8),
        time=traffic.time[again] + ((0.6 + rng.exponential(6.0, len(again))) * SECOND).astype(np.int64),
    )
    repeated = repeated.take(np.flatnonzero(repeated.time < scene.window.end))
    return join([settled, repeated])


def join(parts: list[Traffic]) -> Traffic:
    """All exchanges, one list after another."""

    def together(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        if isinstance(values[0], np.ndarray):
            return np.concatenate(values)
        kind = type(values[0])
        return kind(*(np.concatenate([getattr(v, f.name) for v in values]) for f in fields(kind)))

    return Traffic(**{field.name: together(field.name) for field in fields(Traffic)})
