"""A profile: which scheme, over which function, with which parameters (spec/marks.md, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from stillhunt.errors import SettingError
from stillhunt.marks.windows import ContextFrom

SCHEMES = ("gumbel", "gumbel-dual", "green", "synthid")
FUNCTIONS = ("philox", "murmur3", "hmac-sha256")


@dataclass(frozen=True)
class Profile:
    """What must be fixed before a mark is made, and is bound by its commitment. Fields that a scheme does not use are
    left out of its JSON."""

    scheme: str = "gumbel"
    prf: str = "philox"
    width: int = 4
    context: ContextFrom = "answer"
    alpha: float = 0.1
    mixing: float = 0.5
    gamma: float = 0.25
    delta: float = 2.0
    depth: int = 30
    table_size: int = 65536
    table_seed: int = 0

    def __post_init__(self) -> None:
        _within(self.scheme in SCHEMES, "scheme", self.scheme, "one of " + ", ".join(SCHEMES))
        _within(self.prf in FUNCTIONS, "prf", self.prf, "one of " + ", ".join(FUNCTIONS))
        _within(self.context in get_args(ContextFrom), "context", self.context, "answer, prompt or skip")
        _within(1 <= self.width <= 64, "width", self.width, "1 to 64")
        _within(0 <= self.alpha <= 1, "alpha", self.alpha, "0 to 1")
        _within(0 < self.mixing < 1, "mixing", self.mixing, "between 0 and 1")
        _within(2**-32 <= self.gamma < 1, "gamma", self.gamma, "between 0 and 1")
        _within(0 <= self.delta <= 100, "delta", self.delta, "0 to 100")
        _within(1 <= self.depth <= 64, "depth", self.depth, "1 to 64")
        power = self.table_size > 1 and self.table_size & (self.table_size - 1) == 0
        _within(
            power and self.table_size <= 2**24, "table_size", self.table_size, "a power of two up to 2^24"
        )
        _within(0 <= self.table_seed < 2**32, "table_seed", self.table_seed, "32 bits")
        if self.scheme == "gumbel-dual" and self.prf == "hmac-sha256":
            raise SettingError("gumbel-dual has no hmac-sha256 form", "prf", "Use philox or murmur3.")

    def to_json(self) -> dict[str, Any]:
        """The fields that the scheme uses."""
        names = ["scheme", "prf", "width", "context", *self._own()]
        if self.scheme == "synthid":
            names.remove("prf")
        return {name: getattr(self, name) for name in names}

    def _own(self) -> list[str]:
        if self.scheme == "gumbel-dual":
            return ["alpha" if self.prf == "philox" else "mixing"]
        return {"green": ["gamma", "delta"], "synthid": ["depth", "table_size", "table_seed"]}.get(
            self.scheme, []
        )


def profile_from_json(content: Mapping[str, Any]) -> Profile:
    """The profile of a commitment or an opening. Raises SettingError on unknown fields and wrong types."""
    known = {field.name: type(field.default) for field in fields(Profile)}
    for name, value in content.items():
        if name not in known:
            raise SettingError(f"expected the fields {', '.join(known)}, got {name!r}", "profile")
        right = known[name]
        if isinstance(value, bool) or not isinstance(value, (int, float) if right is float else right):
            raise SettingError(f"expected {right.__name__}, got {value!r}", f"profile, {name}")
    return Profile(**content)


def _within(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise SettingError(f"expected {expected}, got {value!r}", f"profile, {name}")


PRESETS: dict[str, Profile] = {
    "vllm": Profile(),
    "vllm-dual": Profile(scheme="gumbel-dual"),
    "sglang": Profile(prf="murmur3", context="prompt"),
    "sglang-dual": Profile(scheme="gumbel-dual", prf="murmur3", context="prompt"),
    "transformers-synthid": Profile(scheme="synthid"),
    "radioactive": Profile(scheme="green", width=1),
    "forensic": Profile(prf="hmac-sha256"),
}
"""Profiles by name. vllm, sglang, transformers-synthid: as those programs ship them."""
