"""Profiles of archetypes, and of the background that they stand out from."""

from __future__ import annotations

from dataclasses import replace

from logs import at

from stillhunt.campaigns.profile import Profile

REST = Profile(
    accounts=5000,
    requests=80_000,
    first_seen=at(0),
    last_seen=at(24 * 14),
    output_tokens=30_000_000,
    reasoning_tokens=3_000_000,
    per_account_day=4.0,
    lifetime_days=9.0,
    harvested=0.35,
    turns=3.0,
    cached=0.25,
    output_mean=380.0,
    reasoning=0.2,
    failed=0.03,
    repeats=0.05,
    template=0.02,
    systems=1.5,
    same_org=0.02,
    contract=0.1,
    unverified=0.3,
    free=0.4,
    hours=1.0,
    parallel=0.8,
    one_card=0.01,
    one_domain=0.0,
    elicits=0.02,
    tenants=(),
    refused=0.01,
    one_place=0.01,
    replayed=None,
)
"""Everybody who is in no group."""

_GROUP = replace(
    REST, accounts=40, requests=12_000, same_org=0.0, contract=0.0, one_card=0.1, lifetime_days=12.0
)

ARCHETYPES: dict[str, tuple[Profile, dict[str, float]]] = {
    "distillation": (
        replace(
            _GROUP,
            harvested=0.95,
            elicits=0.5,
            turns=1.2,
            cached=0.0,
            output_mean=1400.0,
            reasoning=0.8,
            repeats=0.02,
            template=0.9,
            systems=1.2,
            free=0.1,
            unverified=0.2,
            one_place=0.1,
        ),
        {
            "timing": 40.0,
            "hand_off": 10.0,
            "life_cycle": 25.0,
            "payment": 30.0,
            "client": 60.0,
            "network": 20.0,
        },
    ),
    "reseller": (
        replace(
            _GROUP,
            harvested=0.3,
            systems=9.0,
            repeats=0.06,
            template=0.1,
            free=0.0,
            unverified=0.1,
            one_place=0.1,
        ),
        {"timing": 40.0, "hand_off": 8.0, "life_cycle": 5.0, "payment": 15.0, "client": 10.0, "network": 5.0},
    ),
    "trial_farm": (
        replace(
            _GROUP,
            accounts=9,
            harvested=0.3,
            free=1.0,
            unverified=1.0,
            parallel=0.1,
            one_place=0.9,
            template=0.1,
            lifetime_days=1.5,
        ),
        {"timing": 0.0, "hand_off": 0.0, "life_cycle": 6.0, "payment": 5.0, "client": 10.0, "network": 40.0},
    ),
    "shared_team": (
        replace(_GROUP, same_org=1.0, contract=1.0, one_card=1.0, one_domain=1.0, free=0.0, unverified=0.0),
        {"timing": 0.0, "hand_off": 0.0, "life_cycle": 2.0, "payment": 60.0, "client": 30.0, "network": 50.0},
    ),
    "evaluation": (
        replace(
            _GROUP,
            harvested=0.7,
            turns=1.0,
            repeats=0.95,
            template=0.5,
            same_org=0.9,
            contract=0.9,
            free=0.0,
            unverified=0.0,
        ),
        {"timing": 0.0, "hand_off": 0.0, "life_cycle": 1.0, "payment": 20.0, "client": 60.0, "network": 5.0},
    ),
}
"""What each kind looks like at its clearest, with the evidence per family."""
