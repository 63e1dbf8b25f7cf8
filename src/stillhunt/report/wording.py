"""Numbers and names in plain words: what an abuse analyst and their colleague from legal read."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

KIND_LABELS = {
    "distillation": "Distillation",
    "reseller": "Reseller",
    "trial_farm": "Trial farm",
    "shared_team": "Shared team",
    "evaluation": "Evaluation",
    "unclear": "Unclear",
}

KIND_MEANINGS = {
    "distillation": "answers are collected in a way that fits training another model",
    "reseller": "access is pooled and passed on to other people",
    "trial_farm": "many sign-ups multiply a free or trial allowance",
    "shared_team": "one team or employer works through several accounts",
    "evaluation": "a fixed set of tasks is run to measure the model",
    "unclear": "the accounts act as one, and for what is not established",
}

CHANNEL_LABELS = {
    "content": "Content",
    "timing": "Timing",
    "life_cycle": "Account life cycle",
    "hand_off": "Hand-off",
    "shocks": "Simultaneous shifts",
    "infrastructure": "Infrastructure",
    "payment": "Payment",
    "parameters": "Request settings",
    "outcome": "Use of the answers",
}

SIGNAL_LABELS = {
    "prompts_share_template": "Prompts filled from one template",
    "shares_system_prompt": "One system prompt",
    "takes_turns": "Accounts take turns",
    "starts_together": "Accounts began sending together",
    "signs_up_together": "Accounts were made together",
    "replaces_banned_account": "New accounts replace closed ones",
    "moves_to_model_together": "Accounts turned to another model together",
    "hands_off_after_refusal": "Refused work moves to another account",
    "replays_reasoning_signature": "Reasoning of one account replayed by another",
    "shares_address": "One network address",
    "shares_device": "One device or installation",
    "shares_client_stack": "One unusual client program",
    "shares_payment": "One payment instrument",
    "shares_registration": "One unusual e-mail domain",
    "shares_parameters": "One unusual set of request settings",
}

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEAST_EXPONENT = 300
_SURENESS = ((0.99, "nearly certain"), (0.9, "very likely"), (0.75, "likely"), (0.5, "more likely than not"))


def label(name: str) -> str:
    """``agentic_reasoning`` → ``agentic reasoning``: a name of ours for people."""
    return name.replace("_", " ")


def kind_label(kind: str) -> str:
    """Name of a campaign's kind, with a capital."""
    return KIND_LABELS.get(kind, label(kind).capitalize())


def channel_label(channel: str) -> str:
    """Name of a channel of evidence, with a capital."""
    return CHANNEL_LABELS.get(channel, label(channel).capitalize() or "Other")


def signal_label(signal: str) -> str:
    """Name of a signal, with a capital."""
    return SIGNAL_LABELS.get(signal, label(signal).capitalize())


def count(number: float) -> str:
    """A whole number with thousands separators."""
    return f"{round(number):,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 account``, ``5,204 accounts``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def large(number: float) -> str:
    """A count that is read at a glance: ``84,213``, ``1.20 million``, ``3.41 billion``."""
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:.3g} {name}"
    return count(number)


def money(usd: float | None) -> str:
    """US dollars, without cents from 100 up."""
    if usd is None:
        return "not known"
    return f"${usd:,.0f}" if abs(usd) >= 100 else f"${usd:,.2f}"


def share(part: float) -> str:
    """A share in [0, 1] as a percentage; a small one keeps a digit, and 100% is said of a whole only."""
    if 0.995 <= part < 1:
        return ">99.9%" if part > 0.999 else f"{math.floor(part * 1000) / 10:.1f}%"
    if 0 < part < 0.1:
        return f"{part * 100:.1f}%" if part >= 0.001 else "<0.1%"
    return f"{part * 100:.0f}%"


def number(value: float) -> str:
    """Any measured number: whole ones with separators, others to three significant digits."""
    if math.isnan(value):
        return "not known"
    if math.isinf(value):
        return "no limit" if value > 0 else "-no limit"
    if value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else scientific(value)


def told(fact: Any) -> str:
    """A fact of a finding: a number, a text, or several by name or in a list."""
    if isinstance(fact, Mapping):
        return ", ".join(f"{label(str(name))} {told(part)}" for name, part in fact.items())
    if isinstance(fact, list | tuple):
        return ", ".join(told(part) for part in fact)
    if isinstance(fact, int | float) and not isinstance(fact, bool):
        return number(fact)
    return str(fact)


def times(ratio: float) -> str:
    """How many times one is the other: ``35 ×``, ``6.6 ×``, ``0.08 ×``."""
    return f"{ratio:,.0f} ×" if ratio >= 10 else f"{ratio:.1f} ×" if ratio >= 1 else f"{ratio:.2f} ×"


def scientific(value: float) -> str:
    """``3.1 × 10⁻³¹``; from 0.001 up plainly; 0 as the least number that can be told from it."""
    if value == 0:
        return f"10{str(-_LEAST_EXPONENT).translate(_SUPERSCRIPTS)}"
    if abs(value) >= 0.001:
        return f"{value:.2g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def odds(log10_p: float) -> str:
    """A chance, from its base-10 logarithm, as ``1 in 10³¹``, ``1 in 1,200``, ``6 in 10``."""
    if math.isnan(log10_p):
        return "not computed"
    if log10_p <= -_LEAST_EXPONENT * 10:
        return "practically never"
    if log10_p <= -6:
        return f"1 in 10{str(round(-log10_p)).translate(_SUPERSCRIPTS)}"
    if log10_p < -1:
        exact = 10.0**-log10_p
        scale = 10 ** max(0, math.floor(math.log10(exact)) - 1)
        return f"1 in {round(exact / scale) * scale:,}"
    tenths = round(10.0 ** min(log10_p, 0.0) * 10)
    return "almost always" if tenths >= 10 else f"{max(tenths, 1)} in 10"


def chance(probability: float) -> str:
    """:func:`odds` of a plain probability."""
    if math.isnan(probability):
        return "not computed"
    return odds(math.log10(probability)) if probability > 0 else f"less than {odds(-_LEAST_EXPONENT)}"


def q_in_words(q_value: float) -> str:
    """What a q-value says, as a sentence."""
    if math.isnan(q_value):
        return "No q-value was computed for this campaign."
    if q_value > 0.5:
        return "More than half of the campaigns reported at this strength would be coincidences."
    rate = chance(q_value)
    lead = "Fewer than" if rate.startswith("less") else "About"
    return f"{lead} {rate.removeprefix('less than ')} campaigns reported at this strength would be a coincidence."


def q_number(q_value: float) -> str:
    """``q = 3.2 × 10⁻³¹``."""
    if math.isnan(q_value):
        return "no q-value"
    return f"q {'=' if q_value > 0 else '<'} {scientific(q_value)}"


def sureness(confidence: float) -> str:
    """A confidence in words."""
    for least, words in _SURENESS:
        if confidence >= least:
            return words
    return "uncertain"


def listed(names: Sequence[str], joint: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {joint} {names[-1]}"


def moment(time: datetime) -> str:
    """``22 Apr 2026, 14:05``; times are in UTC throughout."""
    return f"{time.day} {time:%b %Y, %H:%M}"


def period(first: datetime, last: datetime, joint: str = "–") -> str:
    """``22 Apr – 5 Jun 2026``, or one day."""
    end = f"{last.day} {last:%b %Y}"
    if first.date() == last.date():
        return end
    if first.year != last.year:
        return f"{first.day} {first:%b %Y} {joint} {end}"
    if first.month != last.month:
        return f"{first.day} {first:%b} {joint} {end}"
    return f"{first.day} {joint} {end}"


def duration(span: timedelta) -> str:
    """The length of a span in the unit that suits it."""
    seconds = span.total_seconds()
    for size, name in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= 2 * size or seconds == size:
            return counted(round(seconds / size), name)
    return counted(round(seconds), "second")


def unit_of_time(seconds: int) -> str:
    """``hour``, ``day``, ``15 minutes``: what follows "per"."""
    return duration(timedelta(seconds=seconds)).removeprefix("1 ")


def size(n_bytes: int) -> str:
    """Bytes as kB or MB (powers of ten)."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{max(1, round(n_bytes / 1e3))} kB"


def visible(text: str) -> str:
    """A string from the log with its invisible and direction-changing characters spelt out, so that it cannot
    pretend to be another."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == " " or unicodedata.category(character) not in (
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Zl",
        "Zp",
        "Zs",
        "Cn",
    ):
        return character
    return f"\\u{{{ord(character):x}}}"


def shortened(text: str, most: int = 120) -> str:
    """A long string with its middle left out, and how much that was."""
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 4
    return f"{text[:head]} … {len(text) - head - tail:,} characters … {text[-tail:]}"
