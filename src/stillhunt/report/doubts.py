"""How sure a campaign is, and what an error would look like: said of every campaign, beside its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stillhunt.report.document import Channel, Claim, Doubt, Member
from stillhunt.report.wording import (
    channel_label,
    counted,
    kind_label,
    listed,
    number,
    q_in_words,
    q_number,
    share,
    sureness,
)
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP

_BORDER = (0.3, 0.7)

_WRONG_KIND = {
    "distillation": "a regression suite, a licensed producer of synthetic data or one customer's batch job split over "
    "many keys. A licence, a contract or a public test set that covers these tasks would show it.",
    "reseller": "an agency, a gateway or a university that serves many people through a few accounts. A contract that "
    "allows serving others would show it.",
    "trial_farm": "a class, a workshop or an event at which many people signed up together. One public invitation at "
    "that time would show it.",
    "shared_team": "a pool run by one operator. Accounts whose holders turn out not to know of one another would "
    "show it.",
    "evaluation": "a harvest that borrows a test suite's tasks. Answers that are kept in bulk beyond the suite, or "
    "tasks that no known suite has, would show it.",
    "unclear": "any of the kinds. More of the log, or the columns that are missing, would tell them apart.",
}


def doubts(
    row: dict[str, Any],
    members: Sequence[Member],
    inferred: Sequence[Claim],
    channels: Sequence[Channel],
) -> tuple[Doubt, ...]:
    """The ways in which a campaign (one row of CAMPAIGNS) can be wrong, the gravest first."""
    return (
        _acting_as_one(row["q_value"]),
        _agreement(inferred, channels),
        _kind(row["kind"], row["kind_confidence"]),
        _belonging(members),
        _unseen(channels),
    )


def _acting_as_one(q_value: float) -> Doubt:
    return Doubt(
        question="Do these accounts act as one?",
        sure=f"{q_in_words(q_value)} ({q_number(q_value)}, corrected for every group that was tested.)",
        error="The number speaks of chance, not of a cause that the comparison does not know. Customers who share one "
        "would look alike: a popular tool, an employer, a course, a gateway. Look at the shared artefacts first, and "
        "ask whether each has a public origin.",
    )


def _agreement(inferred: Sequence[Claim], channels: Sequence[Channel]) -> Doubt:
    speaking = list(dict.fromkeys(claim.channel for claim in inferred if claim.channel))
    fed = [channel.name for channel in channels if any(signal.active for signal in channel.signals)]
    silent = [name for name in fed if name not in speaking]
    if not speaking:
        sure = "No channel of evidence reported a scored inference."
    elif len(speaking) == 1:
        sure = f"Only one channel speaks: {channel_label(speaking[0]).lower()}."
    else:
        names = listed([channel_label(name).lower() for name in speaking])
        sure = f"{len(speaking)} channels speak, each weighed on its own: {names}."
    if silent:
        sure += f" Watched, and silent: {listed([channel_label(name).lower() for name in silent])}."
    return Doubt(
        question="Does independent evidence agree?",
        sure=sure,
        error="Channels count as independent because an operator pays for each separately. One cause behind two of "
        "them, such as a program that fixes both the prompts and the request settings, would make them one.",
    )


def _kind(kind: str, confidence: float) -> Doubt:
    if kind == "unclear":
        sure = "No kind is claimed."
    else:
        sure = (
            f"{kind_label(kind)}: {sureness(confidence)} ({share(confidence)}). Of 100 campaigns with this confidence, "
            f"about {number(round((1 - confidence) * 100))} would be of another kind."
        )
    return Doubt(
        question="Is the kind right?",
        sure=sure,
        error=f"Instead it would be {_WRONG_KIND.get(kind, _WRONG_KIND['unclear'])}",
    )


def _belonging(members: Sequence[Member]) -> Doubt:
    strong = [m.membership for m in members if m.membership >= FLAG_MEMBERSHIP]
    border = sum(1 for m in members if _BORDER[0] <= m.membership <= _BORDER[1])
    strangers = sum(1 - membership for membership in strong)
    sure = (
        f"{counted(len(strong), 'account')} with a membership of {FLAG_MEMBERSHIP} or more. Read as probabilities, the "
        f"memberships leave room for about {number(round(strangers, 1))} among them that do not belong."
    )
    if border:
        first = "it" if border == 1 else "these"
        sure += (
            f" {counted(border, 'account')} {'lies' if border == 1 else 'lie'} between {_BORDER[0]} and {_BORDER[1]}: "
            f"look at {first} first."
        )
    return Doubt(
        question="Does every account belong?",
        sure=sure,
        error="A customer who shares an exit address, a tool or a template with the others by accident. Their account "
        "would be tied by one channel only and would follow its own hours.",
    )


def _unseen(channels: Sequence[Channel]) -> Doubt:
    blind = [
        channel_label(c.name).lower() for c in channels if not any(signal.active for signal in c.signals)
    ]
    sure = (
        f"Nothing could be seen of {listed(blind)}." if blind else "Every channel had at least one signal on."
    )
    return Doubt(
        question="Are accounts missing?",
        sure=sure,
        error="Accounts that share nothing the log records would be left out, and the campaign would be larger than "
        "it says here. Columns that would switch on more signals are listed under what was scanned.",
    )
