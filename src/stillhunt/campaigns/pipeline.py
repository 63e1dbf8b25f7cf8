"""From a log to explained campaigns. The whole flow is here; the model is the list ``SIGNALS_V1``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stillhunt.campaigns.clusters import candidates
from stillhunt.campaigns.evidence import weigh
from stillhunt.campaigns.groups import Conduct
from stillhunt.campaigns.judge import Asked, judge
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.moves import prompt_moves
from stillhunt.campaigns.neighbours import neighbours
from stillhunt.campaigns.null_logs import NullLogs
from stillhunt.campaigns.result import Campaigns, Scanned, explained
from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.signals.signal import LINKS, Artefacts, Signal
from stillhunt.campaigns.stages import Stages
from stillhunt.campaigns.summarise import countries, strata, summarise
from stillhunt.campaigns.tried import try_all
from stillhunt.campaigns.turns import session_starts
from stillhunt.schema.coverage import Coverage


@dataclass(frozen=True)
class ScanSettings:
    """level: false discovery rate over campaigns. null_runs: null logs that candidates are held against. seed: of the
    null logs. price_usd_per_mtok: list price, US dollars per million output tokens. threads: 0 for one per core."""

    level: float = 0.05
    null_runs: int = 20
    seed: int = 0
    price_usd_per_mtok: float = 15.0
    threads: int = 0


def find_campaigns(
    log: Log, seen: Coverage, settings: ScanSettings, inputs_digest: str, stages: Stages
) -> Campaigns:
    """Campaigns of a log, each with members, kind, harm, evidence tables and findings."""
    scanned = find_groups(log, seen, settings, stages)
    with stages("explain"):
        return explained(scanned, settings.price_usd_per_mtok, inputs_digest)  # members, kinds, findings


def find_groups(log: Log, seen: Coverage, settings: ScanSettings, stages: Stages) -> Scanned:
    """Groups that act as one, before anyone asks what for."""
    with stages("summarise"):
        summary = summarise(log)  # one row per account
        conduct = Conduct(session_starts(log), prompt_moves(log))
    with stages("candidates"):
        found = collect(log, seen, SIGNALS_V1)  # account–artefact links per signal
    with stages("weigh"):
        evidence = weigh(found, countries(log))  # each link against popularity and activity
        graph = neighbours(evidence)  # sparse weighted account graph
        found = [(signal, replace(each, links=LINKS.empty_table())) for signal, each in found]
    with stages("cluster"):
        guesses = candidates(evidence, graph)  # groups of one artefact, and of ties at several strengths
        groups = try_all(evidence, conduct, guesses)  # and what they grow into
    with stages("judge"):
        nulls = NullLogs(evidence, conduct, strata(log, summary), settings.seed)
        asked = Asked(settings.level, settings.null_runs, settings.threads)
        verdicts = judge(evidence, conduct, groups, nulls, asked)  # p, q; at least two families
    return Scanned(log, summary, found, evidence, graph, conduct, verdicts)


def collect(log: Log, seen: Coverage, model: Sequence[Signal]) -> list[tuple[Signal, Artefacts]]:
    """The links of every signal that this log can feed."""
    return [(signal, signal.collect(log)) for signal in model if signal.name in seen.active]
