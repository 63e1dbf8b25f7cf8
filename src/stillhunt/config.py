"""Settings: the only place that reads the environment. Every setting has a default, a unit and a help line.

A setting is taken, in this order, from the command line, from ``STILLHUNT_<NAME>`` in the environment, and from
its default.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _config_home() -> Path:
    return Path("~/.config/stillhunt").expanduser()


class Settings(BaseSettings):
    """What every command may need."""

    model_config = SettingsConfigDict(env_prefix="STILLHUNT_", extra="ignore", frozen=True)

    memory: str = Field(
        "4GB", description="Memory that queries may take before they spill to disk (bytes, with unit)."
    )
    threads: int = Field(0, ge=0, description="Threads for queries and kernels (count); 0 means every core.")
    temp_dir: Path | None = Field(
        None, description="Folder for spill files (path); default: beside the output."
    )
    sketch_key_file: Path = Field(
        default_factory=lambda: _config_home() / "sketch.key",
        description="Key file that text sketches are made under (path); made on first use, readable by you alone.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Networks of your own proxies (CIDR list, JSON in the environment). Only behind these is a "
        "client address taken from a forwarded header; elsewhere the peer's address counts.",
    )
    database_overlap_s: float = Field(
        7200.0,
        ge=0,
        description="How far behind its last row a database is read again, for rows that were written late (seconds).",
    )
    fdr: float = Field(
        0.01, gt=0, lt=1, description="False discovery rate over the campaigns that a scan reports (share)."
    )
    null_runs: int = Field(
        20,
        ge=5,
        description="Null logs that candidate groups are held against (count); more is slower and steadier.",
    )
    seed: int = Field(0, ge=0, description="Seed of the null logs (number); equal seeds give equal results.")
    price_usd_per_mtok: float = Field(
        15.0,
        ge=0,
        description="List price of output, for the harm of a campaign (US dollars per million tokens).",
    )
