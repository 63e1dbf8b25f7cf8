"""Campaigns by shape, as they have been reported, at the size of one log of two weeks.

Each shape keeps its rate per account and day, its rhythm and its habits; the number of accounts is cut so that they
stay a percent or less of the log. Every number that is not reported is an assumption (docs/explanation/simulator.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stillhunt.simulate.operators import Operator
from stillhunt.simulate.pools import Discipline

_AGENTS = {"agentic_reasoning": 3.0, "software_engineering": 3.0, "long_horizon_planning": 2.0}
_REASONING = {"reasoning_traces": 2.0, "mathematics": 2.0, "agentic_reasoning": 1.0}

LETTER = Operator(
    name="letter",
    accounts=36,
    rate=25.6,
    asks=_AGENTS,
    instruction="agent",
    turns=3.0,
    per_card=4.0,
    stock_days=90.0,
    discipline=Discipline(scheduler="lru", duty=0.5, bans_per_day=0.01),
)

SMALL = Operator(
    name="small",
    accounts=16,
    rate=30.0,
    begin=0.1,
    asks={"reasoning_traces": 2.0, "grading": 2.0, "mathematics": 1.0},
    instruction="reasoning",
    turns=5.0,
    ramp_days=0.05,
    per_card=6.0,
    per_device=3.0,
    per_address=3.0,
    jitter=0.05,
    rewrites_headers=False,
    stock_days=4.0,
    batches=1,
)

DRIP = Operator(
    name="drip",
    accounts=20,
    rate=13.0,
    asks={"software_engineering": 2.0, "agentic_reasoning": 2.0, "reasoning_traces": 2.0, "writing": 1.0},
    instruction="reasoning",
    in_system=True,
    turns=5.0,
    replay=0.9,
    per_card=0.0,
    per_address=1.5,
    stock_days=16.0,
    batches=6,
    trials=True,
    rhythm="day",
    jitter=0.6,
    discipline=Discipline(scheduler="lru", duty=0.5, bans_per_day=0.02),
)

_FIRST_REPORTS = (
    Operator(
        name="first_reports-a",
        accounts=10,
        rate=30.0,
        begin=0.05,
        asks={"grading": 3.0, "reasoning_traces": 2.0},
        instruction="grading",
        turns=5.0,
        ramp_days=0.05,
        jitter=0.05,
        per_card=5.0,
        per_address=2.0,
        stock_days=10.0,
        batches=2,
        discipline=Discipline(scheduler="lru", duty=0.5, bans_per_day=0.01),
    ),
    Operator(
        name="first_reports-b",
        accounts=20,
        rate=40.0,
        asks=_AGENTS,
        instruction="agent",
        per_card=4.0,
        discipline=Discipline(scheduler="lru", duty=0.5, bans_per_day=0.02),
    ),
    Operator(
        name="first_reports-c",
        accounts=24,
        rate=50.0,
        asks={"software_engineering": 3.0, "agentic_reasoning": 2.0},
        instruction="agent",
        pivot=True,
        customers=60,
        customers_share=0.4,
        per_card=4.0,
        discipline=Discipline(scheduler="lru", duty=0.5, cap=2, bans_per_day=0.03, replace_h=3.0),
    ),
)

_POOL = Operator(
    name="two_pools-a",
    accounts=24,
    rate=120.0,
    asks=_REASONING,
    instruction="reasoning",
    in_system=True,
    turns=4.0,
    labs=("first",),
    banned_at=0.55,
    end=0.58,
    per_card=2.0,
    stock_days=40.0,
    batches=5,
    discipline=Discipline(scheduler="lru", duty=0.5, cap=2, bans_per_day=0.01),
)

_RELAY_SESSIONS = Operator(
    name="relay_sessions",
    accounts=50,
    rate=22.0,
    asks=_AGENTS,
    instruction=None,
    customers=140,
    harvests_customers=True,
    continued=0.35,
    resamples=0.5,
    per_card=2.0,
    pauses=1,
    discipline=Discipline(scheduler="lru", duty=0.5, cap=2, bans_per_day=0.006),
)

_PROBE = Operator(
    name="probe",
    accounts=8,
    rate=300.0,
    begin=0.2,
    end=0.5,
    asks=_REASONING,
    instruction=None,
    probing=1.0,
    turns=4.0,
    ramp_days=0.5,
    per_card=3.0,
    labs=("prober",),
    discipline=Discipline(scheduler="lru", duty=0.5, bans_per_day=0.02),
)

SHAPES: Mapping[str, tuple[Operator, ...]] = {
    "letter": (replace(LETTER, accounts=50),),
    "first_reports": _FIRST_REPORTS,
    "two_pools": (
        _POOL,
        replace(
            _POOL,
            name="two_pools-b",
            rate=90.0,
            begin=0.1,
            end=1.0,
            labs=("second", "third", "first"),
            joins={"first": 0.55},
            banned_at=None,
        ),
    ),
    "relay_sessions": (_RELAY_SESSIONS,),
    "harness": (
        replace(
            _RELAY_SESSIONS,
            name="harness",
            accounts=45,
            rate=30.0,
            customers=160,
            customer_program="agent",
            harness=True,
            continued=0.06,
            resamples=0.0,
        ),
    ),
    "rotated": (
        Operator(
            name="rotated",
            accounts=9,
            rate=1_600.0,
            begin=0.15,
            end=0.87,
            asks={
                "grading": 2.0,
                "reasoning_traces": 2.0,
                "data_transformation": 2.0,
                "agentic_reasoning": 1.0,
            },
            instruction="grading",
            turns=6.0,
            ramp_days=0.2,
            per_card=2.0,
            stock_days=20.0,
            batches=3,
            discipline=Discipline(scheduler="lru", cap=3, bans_per_day=0.35, replace_h=2.0),
        ),
    ),
    "drip": (replace(DRIP, accounts=40),),
    "small": (replace(SMALL, accounts=40, per_card=5.0),),
    "mixed": (
        replace(
            LETTER,
            name="mixed",
            accounts=50,
            rate=24.0,
            asks=_REASONING,
            instruction="reasoning",
            customers=220,
            customers_share=0.67,
            continued=0.15,
            per_card=2.0,
            discipline=Discipline(scheduler="lru", duty=0.5, cap=2, bans_per_day=0.01),
        ),
    ),
    "probe": (
        _PROBE,
        replace(
            _PROBE,
            name="probe-volume",
            accounts=36,
            rate=30.0,
            begin=0.5,
            end=1.0,
            instruction="reasoning",
            probing=0.0,
        ),
    ),
}
"""Operators of each reported shape."""

REUSING = Operator(
    name="adaptive",
    accounts=45,
    rate=24.0,
    asks=_AGENTS,
    instruction="agent",
    ramp_days=0.2,
    pivot=True,
    per_address=3.0,
    per_card=4.0,
    per_device=3.0,
    jitter=0.1,
    rewrites_headers=False,
    discipline=Discipline(scheduler="lru", duty=0.5, bans_per_day=0.015, response="replace", replace_h=3.0),
)
"""An operator who hides nothing: what each way of evasion is measured against."""


def _disciplined(operator: Operator, **knobs: object) -> Operator:
    return replace(operator, discipline=replace(operator.discipline, **knobs))  # type: ignore[arg-type]


EVASIONS: Mapping[str, tuple[Operator, ...]] = {
    "reusing": (REUSING,),
    "own_addresses": (replace(REUSING, per_address=1.0, rewrites_headers=True),),
    "fresh_exits": (replace(REUSING, per_address=0.0, rewrites_headers=True),),
    "own_cards": (replace(REUSING, per_card=1.0, mail_domains=0),),
    "own_devices": (replace(REUSING, per_device=0.0),),
    "slow_sign_up": (replace(REUSING, stock_days=120.0, batches=0, mail_domains=0),),
    "random_scheduler": (_disciplined(REUSING, scheduler="random"),),
    "weighted_scheduler": (_disciplined(REUSING, scheduler="weighted"),),
    "jitter": (replace(REUSING, jitter=1.0, pauses=0),),
    "human_rhythm": (_disciplined(replace(REUSING, rhythm="day", jitter=1.0, pauses=0), sleeps=True),),
    "paraphrased": (replace(REUSING, rewriting="paraphrased"),),
    "rewritten": (replace(REUSING, rewriting="per_request"),),
    "bare_tasks": (replace(REUSING, instruction=None),),
    "own_parameters": (replace(REUSING, same_parameters=False),),
    "decoys": (replace(REUSING, decoy=0.5),),
    "replay": (replace(REUSING, replay=1.0),),
    "slow_ramp": (replace(REUSING, ramp_days=7.0),),
    "fail_over": (_disciplined(REUSING, response="fail_over"),),
    "back_off": (_disciplined(REUSING, response="back_off"),),
    "no_pivot": (replace(REUSING, pivot=False),),
    "several_labs": (replace(REUSING, labs=("first", "second", "third")),),
}
"""One knob at a time, each against ``reusing``."""

ADAPTIVE = _disciplined(
    replace(
        REUSING,
        per_address=1.0,
        per_card=1.0,
        per_device=0.0,
        mail_domains=0,
        stock_days=120.0,
        batches=0,
        rewrites_headers=True,
        same_parameters=False,
        jitter=1.0,
        rhythm="day",
        pauses=0,
        rewriting="per_request",
        decoy=0.3,
        replay=0.3,
        ramp_days=5.0,
        pivot=False,
        labs=("first", "second"),
    ),
    scheduler="random",
    sleeps=True,
    response="back_off",
    bans_per_day=0.006,
)
"""All of them at once."""
