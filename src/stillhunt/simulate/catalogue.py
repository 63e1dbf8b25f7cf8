"""What everybody shares: models and their releases, client programs, mail providers, card issuers, plans."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.clock import DAY, Window

CHANNELS = ("api", "cloud", "aggregator", "subscription")

MODELS = ("alto-4-large", "alto-4-mid", "alto-4-small", "alto-5-large", "alto-5-mid")
_RELEASED_IN_WINDOW = {3: 0.6, 4: 0.6}
_SPEED = np.array([45.0, 80.0, 160.0, 55.0, 95.0])
"""Tokens a second."""

MAX_TOKENS = np.array(
    [-1, 256, 512, 1000, 1024, 2000, 2048, 4000, 4096, 8000, 8192, 16000, 16384, 32000, 64000]
)
_MAX_TOKENS_WEIGHT = np.array([100, 2, 4, 5, 9, 4, 8, 6, 14, 5, 9, 3, 4, 2, 1.0])
TEMPERATURES = np.array([np.nan, 0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], dtype=np.float32)
_TEMPERATURE_WEIGHT = np.array([110, 14, 4, 6, 4, 5, 2, 12, 3, 2, 8.0])
"""Null, where the caller leaves the default."""

_LIBRARIES = {
    # user agent with a version range, family of TLS stacks, popularity, kind
    "genai-python/1.{}.0 (cpython)": ("py", 20, 30.0, "sdk"),
    "genai-node/4.{}.1": ("node", 16, 18.0, "sdk"),
    "python-requests/2.{}.3": ("py", 6, 6.0, "sdk"),
    "python-httpx/0.{}.0": ("py", 5, 5.0, "sdk"),
    "aiohttp/3.{}": ("py", 6, 4.0, "sdk"),
    "genai-go/0.{}.2": ("go", 8, 4.0, "sdk"),
    "Go-http-client/2.0": ("go", 1, 3.0, "sdk"),
    "genai-java/2.{}.0 okhttp": ("java", 6, 3.0, "sdk"),
    "axios/1.{}.4": ("node", 5, 3.0, "sdk"),
    "undici": ("node", 1, 2.0, "sdk"),
    "curl/8.{}.0": ("curl", 7, 2.0, "sdk"),
    "PHP-client/1.{}": ("php", 4, 1.5, "sdk"),
    "reqwest/0.12.{}": ("rust", 8, 1.5, "sdk"),
    "chain-kit/0.{}.0 python": ("py", 12, 8.0, "sdk"),
    "flow-builder/2.{}.0": ("node", 10, 4.0, "sdk"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/14{}.0.0.0 Safari/537.36": ("chrome", 5, 14.0, "web"),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/14{}.0.0.0 Safari/537.36": (
        "chrome",
        5,
        8.0,
        "web",
    ),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/19.{} Safari/605.1.15": (
        "safari",
        4,
        6.0,
        "web",
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:15{0}.0) Firefox/15{0}.0": ("firefox", 4, 3.0, "web"),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_{} like Mac OS X)": ("safari", 4, 8.0, "web"),
    "AltoApp/6.{}.0 Android": ("okhttp", 9, 7.0, "web"),
    "forge-cli/2.{}.1 (linux; x64)": ("node", 14, 9.0, "agent"),
    "forge-cli/2.{}.1 (darwin; arm64)": ("node", 14, 9.0, "agent"),
    "burin-code/1.{}.0 vscode": ("electron", 10, 8.0, "agent"),
    "lathe/0.{}.0": ("rust", 12, 4.0, "agent"),
    "steward-agent/3.{}.0": ("py", 9, 5.0, "agent"),
    "relaykit/1.{}.0": ("go", 6, 2.0, "gateway"),
    "edge-gateway/5.{}": ("envoy", 4, 3.0, "gateway"),
    "model-router/0.{}.0": ("py", 8, 3.0, "gateway"),
}
_STACK_VARIANTS = {
    "py": 7,
    "node": 6,
    "go": 4,
    "java": 4,
    "curl": 3,
    "php": 2,
    "rust": 3,
    "chrome": 3,
    "safari": 3,
}

PUBLIC_MAIL = tuple(
    f"{name}.example"
    for name in (
        "postbox",
        "mailhub",
        "quickmail",
        "inboxly",
        "letterbird",
        "mail-one",
        "webpost",
        "cloudmail",
        "brevmail",
        "fastpost",
    )
)
_PUBLIC_MAIL_WEIGHT = np.array([46, 18, 10, 7, 5, 4, 3, 3, 2, 2.0])
ISSUERS = tuple(f"issuer-{number:02d}" for number in range(60))
VIRTUAL_ISSUERS = ISSUERS[:6]
"""Issuers of virtual and prepaid cards: convenient for everybody."""
VERIFICATIONS = ("none", "phone", "card", "identity", "contract")
PLANS = ("trial", "free", "payg", "pro", "team", "enterprise")


@dataclass(frozen=True)
class Clients:
    """Client programs: ``user_agent`` and ``tls`` strings, popularity ``weight``, ``kind`` of each."""

    user_agent: tuple[str, ...]
    tls: tuple[str, ...]
    weight: NDArray[np.float64]
    kind: NDArray[np.str_]

    def draw(self, rng: np.random.Generator, kind: str, n: int) -> NDArray[np.int16]:
        """Client programs of a kind, popular ones first."""
        pool = np.flatnonzero(self.kind == kind)
        weight = self.weight[pool] / self.weight[pool].sum()
        return pool[rng.choice(len(pool), n, p=weight)].astype(np.int16)


def clients(rng: np.random.Generator) -> Clients:
    """Every program in each of its versions, on each TLS stack that it is found with."""
    agents, tls, weights, kinds = [], [], [], []
    for pattern, (family, versions, weight, kind) in _LIBRARIES.items():
        popularity = rng.pareto(1.0, versions) + 0.05
        popularity /= popularity.sum()
        popularity = -np.sort(-popularity)  # the newest version is the most popular
        for version in range(versions):
            stacks = _popular_stacks(rng, _STACK_VARIANTS.get(family, 2))
            for stack, share in zip(stacks, (0.75, 0.25), strict=True):
                agents.append(pattern.format(versions + 1 - version))
                tls.append(_fingerprint(family, int(stack)))
                weights.append(weight * popularity[version] * share)
                kinds.append(kind)
    return Clients(tuple(agents), tuple(tls), np.array(weights), np.array(kinds))


def _popular_stacks(rng: np.random.Generator, variants: int) -> NDArray[np.int64]:
    """Two TLS stacks that a version is found with: most programs are built on the few that everybody uses."""
    weight = 1.0 / (np.arange(variants) + 1.0) ** 2
    return rng.choice(variants, 2, p=weight / weight.sum())


def _fingerprint(family: str, variant: int) -> str:
    digest = hashlib.sha256(f"{family}/{variant}".encode()).hexdigest()
    ciphers, extensions = 13 + int(digest[0], 16) % 20, 8 + int(digest[1], 16) % 9
    return f"t13d{ciphers:02d}{extensions:02d}h2_{digest[2:14]}_{digest[14:26]}"


@dataclass(frozen=True)
class Models:
    """Models on sale: release times (microseconds; far in the past for those that were there before)."""

    released: NDArray[np.int64]
    window: Window

    @property
    def release(self) -> int:
        """When the new models came out."""
        return int(self.released.max())

    def choose(
        self,
        rng: np.random.Generator,
        time: NDArray[np.int64],
        taste: NDArray[np.int8],
        lag: NDArray[np.float64],
    ) -> NDArray[np.int16]:
        """The model of each session: ``taste`` 0 large, 1 mid, 2 small; ``lag`` days from release to switching."""
        model = taste.astype(np.int16)
        new = (taste < 2) & (time >= self.release + (lag * DAY).astype(np.int64))
        return np.where(new, model + 3, model).astype(np.int16)


def models(window: Window) -> Models:
    """The models, two of which are released during the window."""
    released = np.full(len(MODELS), window.start - 400 * DAY, dtype=np.int64)
    for place, share in _RELEASED_IN_WINDOW.items():
        released[place] = window.start + int(share * window.days) * DAY + 17 * DAY // 24
    return Models(released, window)


def speed(model: NDArray[np.int16]) -> NDArray[np.float64]:
    """Tokens a second that a model writes."""
    return _SPEED[model]


def draw_max_tokens(rng: np.random.Generator, n: int) -> NDArray[np.int32]:
    """Caps as applications set them; −1 where none is set."""
    return rng.choice(MAX_TOKENS, n, p=_MAX_TOKENS_WEIGHT / _MAX_TOKENS_WEIGHT.sum()).astype(np.int32)


def draw_temperature(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Temperatures as applications set them; NaN where none is set."""
    return rng.choice(TEMPERATURES, n, p=_TEMPERATURE_WEIGHT / _TEMPERATURE_WEIGHT.sum()).astype(np.float32)


def draw_public_mail(rng: np.random.Generator, n: int) -> NDArray[np.object_]:
    """Mail providers of private people."""
    chosen = rng.choice(len(PUBLIC_MAIL), n, p=_PUBLIC_MAIL_WEIGHT / _PUBLIC_MAIL_WEIGHT.sum())
    return np.array(PUBLIC_MAIL, dtype=object)[chosen]
