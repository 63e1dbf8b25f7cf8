"""Ways of calling the service: a client program with its parameters. Each account uses one or a few."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.catalogue import CHANNELS, draw_max_tokens, draw_temperature
from stillhunt.simulate.ids import U64, mint
from stillhunt.simulate.scene import Scene

API, CLOUD, AGGREGATOR, SUBSCRIPTION = range(len(CHANNELS))
_OFFERED_TOOLS = np.array([0] * 15 + [1, 1, 2, 3, 4, 6, 8, 12], dtype=np.int16)
_AGENT_TOOLS = np.array([4, 6, 8, 10, 12, 14, 16, 18, 24], dtype=np.int16)


@dataclass(frozen=True)
class Apps:
    """Parameters of n applications, arrays of length n.

    channel: code of CHANNELS. client: number in Clients, whose user agent is sent. tls: number in Clients, whose TLS
    fingerprint is seen; another one than ``client`` where something in between speaks TLS. max_tokens: −1 for none.
    temperature: NaN for none. stream: share of requests that ask for it. reasoning: share of sessions that do.
    tools: how many are offered. caching: prompt caching is on. agentic: turns after the first carry results of tools.
    system: family of the system prompt, −1 for none; system_changes: it is made anew for each session; system_tokens
    its length. sends_session, sends_device: what the
    program reports. retries: it repeats a failed request by itself.
    """

    channel: NDArray[np.int8]
    client: NDArray[np.int16]
    tls: NDArray[np.int16]
    max_tokens: NDArray[np.int32]
    temperature: NDArray[np.float32]
    stream: NDArray[np.float64]
    reasoning: NDArray[np.float64]
    tools: NDArray[np.int16]
    caching: NDArray[np.bool_]
    agentic: NDArray[np.bool_]
    system: NDArray[np.int32]
    system_variant: U64
    system_changes: NDArray[np.bool_]
    system_tokens: NDArray[np.int32]
    sends_session: NDArray[np.bool_]
    sends_device: NDArray[np.bool_]
    retries: NDArray[np.bool_]

    def take(self, index: NDArray[np.int64]) -> Apps:
        return Apps(*(getattr(self, field.name)[index] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.channel)


def draw_apps(
    rng: np.random.Generator, scene: Scene, kind: NDArray[np.str_], system: NDArray[np.int32] | None = None
) -> Apps:
    """An application of each ``kind`` (``sdk``, ``web``, ``agent``, ``gateway``), as people set them up.

    ``system`` gives families of system prompts; by default many use none and some a popular one.
    """
    n = len(kind)
    client = np.zeros(n, dtype=np.int16)
    for name in np.unique(kind):
        rows = np.flatnonzero(kind == name)
        client[rows] = scene.clients.draw(rng, str(name), len(rows))
    web, agent = kind == "web", kind == "agent"
    channel = rng.choice([API, CLOUD, AGGREGATOR], n, p=[0.78, 0.12, 0.10]).astype(np.int8)
    channel[web | (agent & (rng.random(n) < 0.6))] = SUBSCRIPTION
    reasoning = rng.choice([0.0, 0.2, 0.5, 1.0], n, p=[0.25, 0.25, 0.25, 0.25])
    tools = np.where(agent, rng.choice(_AGENT_TOOLS, n), rng.choice(_OFFERED_TOOLS, n)).astype(np.int16)
    if system is None:
        system = _systems(rng, scene, n)
        system[agent] = zipf(rng, scene.phrasebook.agents, int(agent.sum()))
    own = np.isin(system, scene.phrasebook.own_systems)
    return Apps(
        channel=channel,
        client=client,
        tls=_behind_proxy(rng, scene, client),
        max_tokens=draw_max_tokens(rng, n),
        temperature=draw_temperature(rng, n),
        stream=np.where(web | agent, rng.beta(9.0, 1.0, n), rng.beta(0.35, 0.45, n)),
        reasoning=reasoning,
        tools=np.where(web, 0, tools).astype(np.int16),
        caching=rng.random(n) < np.where(agent | web, 0.75, 0.5),
        agentic=agent,
        system=system,
        system_variant=np.where(own, mint(rng, n), np.uint64(1)),
        system_changes=own & (rng.random(n) < 0.35),
        system_tokens=np.where(system < 0, 0, np.exp(rng.normal(np.where(agent, 7.9, 5.6), 0.7, n))).astype(
            np.int32
        ),
        sends_session=(channel == SUBSCRIPTION) | (rng.random(n) < 0.45),
        sends_device=(channel == SUBSCRIPTION) | agent | (rng.random(n) < 0.12),
        retries=rng.random(n) < 0.8,
    )


def _behind_proxy(rng: np.random.Generator, scene: Scene, client: NDArray[np.int16]) -> NDArray[np.int16]:
    """The program that speaks TLS: at some workplaces it is a box that inspects all traffic."""
    box = scene.clients.draw(rng, "gateway", len(client))
    return np.where(rng.random(len(client)) < 0.07, box, client)


def _systems(rng: np.random.Generator, scene: Scene, n: int) -> NDArray[np.int32]:
    """None, a popular one or one's own."""
    kind = rng.choice(3, n, p=[0.42, 0.22, 0.36])
    own = rng.choice(scene.phrasebook.own_systems, n)
    return np.select([kind == 0, kind == 1], [-1, zipf(rng, scene.phrasebook.systems, n)], own).astype(
        np.int32
    )


def zipf(rng: np.random.Generator, pool: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    """Draws from ``pool``, whose first entries are the most popular."""
    weight = 1.0 / (np.arange(len(pool)) + 1.5)
    return pool[rng.choice(len(pool), n, p=weight / weight.sum())]


def join(parts: list[Apps]) -> Apps:
    """All applications, one list after another."""
    return Apps(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Apps)))
