"""An operator: what is harvested, through how many accounts, and with which habits. All knobs are independent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stillhunt.simulate.pools import Discipline


@dataclass(frozen=True)
class Operator:
    """One pool of accounts and whoever runs it.

    Volume: ``accounts`` in use at a time, ``rate`` exchanges per account and day, of which a share is each of
    harvest, decoy and customers. ``begin`` and ``end`` are shares of the window; ``ramp_days`` from first request to
    full load; accounts come into use one by one meanwhile.

    Harvest: ``asks`` weighs capabilities; ``instruction`` is what is wrapped around each task (None for bare tasks);
    ``rewriting`` varies its wording (``fixed``, ``paraphrased``, ``per_request``); ``in_system`` puts it into the
    system prompt; ``turns`` tasks per session; ``replay`` is the share of sessions that replay stored conversations
    of users instead of tasks; ``probing`` the share that tries extraction tricks, most of which are refused.

    Rhythm: ``rhythm`` and ``jitter`` of the dispatcher; ``pauses`` outages of the whole pipeline; ``pivot``
    moves to a new model within a day of its release. Accounts sleep if the discipline says so.

    Cover: ``decoy`` share of exchanges that look like a person's; ``customers`` people whose requests run on the same
    accounts, ``customers_share`` of all exchanges (0: as much as they like), ``customer_program`` what they use;
    ``harvests_customers`` keeps their answers too, ``harness`` those of one popular agent's users. ``continued``:
    share of their sessions that carry on an earlier one, with its signed reasoning, on whatever account. ``resamples``:
    sessions of the operator's own, per session of a customer, that take up its signed reasoning for another answer.

    Labs: ``labs`` name whose tasks are asked; pools that name one lab ask the same kind of tasks, and several labs may
    share a pool; ``joins`` gives the share of the window at which a lab comes to it, if not at the start.
    ``banned_at`` is the share of the window at which the provider bans the whole pool.

    Infrastructure: accounts per address (0: a fresh exit for every session), per card (0: no card), per device (0: one
    each); ``rewrites_headers`` gives each account an agent string of its own; ``same_parameters`` gives all
    accounts of a worker its few settings. A ``firm`` hides nothing: its accounts are one organisation's, with
    one card, some servers and one program.

    Registration: ``stock_days`` before first use over which the accounts were made, in ``batches`` (0: one by one);
    ``mail_domains`` they spread over (0: public providers); ``trials`` puts them on the free trial; ``authorised`` is
    what the provider has licensed.

    ``truth`` is what accounts are that carried harvest. All others are resellers, unless ``truth`` is an honest kind.
    """

    name: str
    accounts: int = 100
    rate: float = 25.0
    begin: float = 0.0
    end: float = 1.0
    ramp_days: float = 0.5
    asks: Mapping[str, float] = field(default_factory=lambda: {"agentic_reasoning": 1.0})
    instruction: str | None = "reasoning"
    rewriting: str = "fixed"
    in_system: bool = False
    turns: float = 3.0
    replay: float = 0.0
    probing: float = 0.0
    rhythm: str = "flat"
    jitter: float = 0.2
    pauses: int = 2
    pivot: bool = False
    decoy: float = 0.0
    customers: int = 0
    customers_share: float = 0.0
    harvests_customers: bool = False
    customer_program: str | None = None
    harness: bool = False
    continued: float = 0.06
    resamples: float = 0.0
    labs: tuple[str, ...] = ()
    joins: Mapping[str, float] = field(default_factory=dict)
    banned_at: float | None = None
    per_address: float = 1.0
    per_card: float = 3.0
    per_device: float = 0.0
    rewrites_headers: bool = True
    same_parameters: bool = True
    firm: bool = False
    stock_days: float = 60.0
    batches: int = 8
    mail_domains: int = 6
    trials: bool = False
    authorised: str | None = None
    discipline: Discipline = field(default_factory=Discipline)
    truth: str = "distillation"

    @property
    def honest(self) -> bool:
        """Whether its accounts belong to no campaign."""
        return self.truth not in ("distillation", "reseller")
