"""What one simulated world holds for all its components: time, shared catalogues, network, language, randomness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.schema.requests import MODEL_CAPABILITIES
from stillhunt.simulate.catalogue import Clients, Models, clients, models
from stillhunt.simulate.clock import MINUTE, Window
from stillhunt.simulate.grammar.patterns import (
    AGENT_SYSTEMS,
    ANSWERS,
    BENCHMARK,
    CONTEXTS,
    ELABORATIONS,
    FOLLOW_UPS,
    PROBES,
    PROMPTS,
    REFUSALS,
    SYSTEMS,
    TOOL_RESULTS,
)
from stillhunt.simulate.network import Network
from stillhunt.simulate.real import Prompts, Rates
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.texts import Family, Language, Slot
from stillhunt.sketch.keys import KeyRing

CAPABILITY = {name: code for code, name in enumerate(MODEL_CAPABILITIES)}
_POPULAR_SYSTEMS = 40
_POPULAR_AGENTS = 8
_BENCHMARKS = 12

Codes = NDArray[np.int32]


@dataclass(frozen=True)
class Outage:
    """A time in which the provider itself fails a share of all requests."""

    start: int
    end: int
    share: float


@dataclass(frozen=True)
class Phrasebook:
    """Families that everybody draws on, and their numbers. A component adds its own to a copy (``Book``)."""

    families: tuple[Family, ...]
    prompts: tuple[Codes, ...]
    """Per capability code."""
    first_prompt: Codes
    """One of each, by capability code: the family of prompts that people copy from each other."""
    long_prompts: tuple[Codes, ...]
    """The same with something pasted below."""
    answers: tuple[Codes, ...]
    """Per capability code: each pattern in ``len(ELABORATIONS)`` lengths, in order."""
    own_systems: Codes
    """System prompts that people write for themselves; ``variant`` says whose."""
    follow_ups: Codes
    tool_results: Codes
    refusals: Codes
    systems: Codes
    """Popular system prompts, most popular first, used by strangers word for word."""
    agents: Codes
    """System prompts of popular agents, most popular first."""
    benchmarks: tuple[tuple[int, int], ...]
    """Public benchmarks: capability code and family."""
    probes: Codes


class Book:
    """The phrasebook, and the families that one component adds."""

    def __init__(self, shared: Phrasebook) -> None:
        self.shared = shared
        self.families: list[Family] = list(shared.families)

    def add(self, family: Family) -> int:
        """The number of a new family."""
        self.families.append(family)
        return len(self.families) - 1


@dataclass(frozen=True)
class Scene:
    """A world. ``thin`` is the share of all traffic, honest and hostile, that the log keeps."""

    window: Window
    thin: float
    seeds: Seeds
    clients: Clients
    models: Models
    network: Network
    language: Language
    phrasebook: Phrasebook
    outages: tuple[Outage, ...]
    prompts: Prompts | None = None
    """Real texts, in place of made-up ones."""
    rates: Rates | None = None
    """Real arrivals, in place of the rhythms of organisations' programs."""
    keys: KeyRing | None = None
    """Keys under which text becomes sketches as soon as it is made; None where it stays text."""

    def book(self) -> Book:
        """A copy of the phrasebook for one component."""
        return Book(self.phrasebook)


@dataclass(frozen=True)
class Batch:
    """Some accounts with all that they did: tables ACCOUNTS and TRUTH, and some of their rows of REQUESTS (of
    LAKE_REQUESTS in a scene with sketch keys). An account is listed in one batch only; other batches of a long
    campaign may bring more of its requests."""

    accounts: pa.Table
    truth: pa.Table
    requests: pa.Table


Batches = Iterator[Batch]


def build_scene(
    seed: int, window: Window, thin: float, prompts: Prompts | None = None, rates: Rates | None = None
) -> Scene:
    """The world that ``seed`` makes, with real texts and arrivals where they are given."""
    seeds = Seeds(seed)
    language = Language(seeds.rng("language"))
    return Scene(
        window=window,
        thin=thin,
        seeds=seeds,
        clients=clients(seeds.rng("clients")),
        models=models(window),
        network=Network(seeds.rng("network")),
        language=language,
        phrasebook=_phrasebook(language, seeds.rng("phrasebook"), prompts),
        outages=_outages(seeds.rng("outages"), window),
        prompts=prompts,
        rates=rates,
    )


def _outages(rng: np.random.Generator, window: Window) -> tuple[Outage, ...]:
    count = max(1, window.days // 7)
    starts = window.start + (rng.random(count) * (window.end - window.start)).astype(np.int64)
    lengths = rng.integers(12, 70, count) * MINUTE
    return tuple(
        Outage(int(start), int(start + length), float(share))
        for start, length, share in zip(starts, lengths, rng.uniform(0.15, 0.7, count), strict=True)
    )


def _phrasebook(language: Language, rng: np.random.Generator, real: Prompts | None) -> Phrasebook:
    families: list[Family] = []

    def given(made: list[Family]) -> Codes:
        families.extend(made)
        return np.arange(len(families) - len(made), len(families), dtype=np.int32)

    def add(patterns: tuple[str, ...], *, fixed: bool = False) -> Codes:
        first = len(families)
        families.extend(language.family(pattern, rng if fixed else None) for pattern in patterns)
        return np.arange(first, len(families), dtype=np.int32)

    def some(patterns: tuple[str, ...], count: int) -> tuple[str, ...]:
        return tuple(patterns[int(k)] for k in rng.integers(len(patterns), size=count))

    if real is not None:
        pools = {name: [Family((Slot(real.pool(name)),))] for name in MODEL_CAPABILITIES}
        told = [Family((text,)) for text in real.systems[:_POPULAR_SYSTEMS]]
    other = PROMPTS["knowledge"] + PROMPTS["conversation"]
    prompts = tuple(
        add(PROMPTS.get(name, other)) if real is None else given(pools[name]) for name in MODEL_CAPABILITIES
    )
    pasted = {name: with_context(PROMPTS.get(name, other)) for name in MODEL_CAPABILITIES}
    answers = tuple(
        add(tuple(text + more for text in ANSWERS[name] for more in ELABORATIONS))
        for name in MODEL_CAPABILITIES
    )
    benchmarks = []
    names = tuple(BENCHMARK)
    for number in range(_BENCHMARKS):
        name = names[number % len(names)]
        benchmarks.append((CAPABILITY[name], int(add(some(BENCHMARK[name], 1), fixed=True)[0])))
    return Phrasebook(
        prompts=prompts,
        first_prompt=np.array([families_of[0] for families_of in prompts], dtype=np.int32),
        long_prompts=tuple(add(texts) for texts in pasted.values()) if real is None else prompts,
        answers=answers,
        own_systems=add(SYSTEMS),
        follow_ups=add(FOLLOW_UPS),
        tool_results=add(TOOL_RESULTS),
        refusals=add(REFUSALS),
        systems=given(told) if real and told else add(some(SYSTEMS, _POPULAR_SYSTEMS), fixed=True),
        agents=add(some(AGENT_SYSTEMS, _POPULAR_AGENTS), fixed=True),
        benchmarks=tuple(benchmarks),
        probes=add(PROBES),
        families=tuple(families),
    )


def with_context(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns with something pasted below each."""
    return tuple(text + CONTEXTS[place % len(CONTEXTS)] for place, text in enumerate(patterns))
