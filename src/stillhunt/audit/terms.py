"""What was agreed with the vendor: names, prices, tolerances (``--terms terms.toml``; spec/audit.md)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillhunt.errors import SettingError

MEASURES = ("input_tokens", "cached_input_tokens", "output_tokens", "requests")
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)")


@dataclass(frozen=True)
class Terms:
    """``models``: which models may answer for a name that is asked for. ``prices``: by model and measure, per million
    tokens (or per request). ``data_classes``: by application. ``tolerance``: relative, of quantities and money.
    ``day_edge_s``: how long after its end an exchange may be booked. ``clock_s``: how far the two clocks may
    differ. ``false_alarms``: chance that a log without departures shows one."""

    vendor: str = ""
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    currency: str = ""
    data_classes: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 0.001
    day_edge_s: float = 300.0
    clock_s: float = 5.0
    false_alarms: float = 0.01

    def may_answer(self, asked: str, answered: str) -> bool:
        """Whether ``answered`` is the model asked for: the same name, a dated snapshot of it, or one agreed on."""
        agreed = (*self.models.get(asked, ()), asked)
        return any(_same(name, answered) for name in agreed)


def _same(asked: str, answered: str) -> bool:
    one, other = asked.rpartition("/")[2].lower(), answered.rpartition("/")[2].lower()
    return one == other or (other.startswith(one) and _SNAPSHOT.fullmatch(other[len(one) :]) is not None)


def read_terms(path: Path) -> Terms:
    """Reads the file. Raises SettingError that names what is wrong with it."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"cannot read the terms ({error})", str(path), "See spec/audit.md.") from error
    known = set(Terms.__dataclass_fields__)
    unknown = sorted(set(told) - known)
    if unknown:
        raise SettingError(
            f"expected some of {', '.join(sorted(known))}; got {', '.join(unknown)}", str(path)
        )
    try:
        return Terms(**{name: _value(name, value) for name, value in told.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise SettingError(f"{error}", str(path), "See spec/audit.md.") from error


def _value(name: str, value: Any) -> Any:
    if name == "models":
        return {asked: tuple([names] if isinstance(names, str) else names) for asked, names in value.items()}
    if name == "prices":
        for model, prices in value.items():
            wrong = set(prices) - set(MEASURES)
            if wrong:
                raise ValueError(
                    f"prices.{model}: expected some of {', '.join(MEASURES)}; got {sorted(wrong)}"
                )
        return {
            model: {what: float(price) for what, price in prices.items()} for model, prices in value.items()
        }
    if name in ("tolerance", "day_edge_s", "clock_s", "false_alarms"):
        number = float(value)
        if number < 0 or (name == "false_alarms" and not 0 < number < 1):
            raise ValueError(f"{name}: expected a number in range, got {value}")
        return number
    if name == "data_classes":
        return {str(one): str(label) for one, label in value.items()}
    return str(value)
