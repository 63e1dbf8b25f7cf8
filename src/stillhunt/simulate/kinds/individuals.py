"""People on accounts of their own: individuals, and the many strangers who use one popular agent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stillhunt.simulate.apps import zipf
from stillhunt.simulate.network import random_countries
from stillhunt.simulate.people import Life, Ways, draw_people, live
from stillhunt.simulate.registration import private_people
from stillhunt.simulate.render import render_batch
from stillhunt.simulate.scene import Batches, Scene
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.traffic import converse

_BLOCK = 4_000
_AGENT_USERS = Ways(rate=16.0, spread=1.1, personas=(0, 6, 0, 0, 4, 1), program="agent")


def individuals(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """People at large: heavy-tailed volume, daily rhythm of their time zone, weekends, conversations."""
    yield from _people(scene, seeds, accounts, "individual", Ways())


def agent_users(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Strangers with one popular agent: the same long system prompt and tools, and nothing else in common."""
    yield from _people(scene, seeds, accounts, "agent_user", _AGENT_USERS)


def vpn_users(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """People all of whose requests leave by a VPN or a phone carrier: strangers behind the same few addresses."""
    yield from _people(scene, seeds.child("vpn"), accounts - accounts // 2, "vpn_user", Ways(places="vpn"))
    if accounts > 1:
        yield from _people(scene, seeds.child("phone"), accounts // 2, "vpn_user", Ways(places="phone"))


def _people(scene: Scene, seeds: Seeds, accounts: int, kind: str, ways: Ways) -> Batches:
    for block in range(0, accounts, _BLOCK):
        n = min(_BLOCK, accounts - block)
        rng = seeds.rng(block)
        book = scene.book()
        roster = private_people(rng, scene, random_countries(rng, n), kind)
        life = Life(roster.created, roster.closed, roster.country)
        people = draw_people(rng, scene, book, life, ways)
        apps = people.apps
        if kind == "agent_user":
            apps = replace(apps, system=np.repeat(zipf(rng, scene.phrasebook.agents[:4], n), len(apps) // n))
        traffic = converse(rng, scene, book, apps, live(rng, scene, book, people))
        yield render_batch(rng, scene, book, apps, roster, traffic)
