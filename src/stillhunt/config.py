"""Settings: the only place that reads the environment. Every setting has a default, a unit and a help line.

A setting is taken, in this order, from the command line, from ``STILLHUNT_<NAME>`` in the environment, and from
its default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from stillhunt.errors import SettingError

PREFIX = "STILLHUNT_"


def _config_home() -> Path:
    return Path("~/.config/stillhunt").expanduser()


class Settings(BaseSettings):
    """What every command may need."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    memory: str = Field(
        "4GB",
        pattern=r"^\s*\d+(\.\d+)?\s*[kKmMgGtT]i?[bB]\s*$",
        description="Memory that queries may take before they spill to disk (bytes, with unit).",
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
        0.05, gt=0, lt=1, description="False discovery rate over the campaigns that a scan reports (share)."
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
    spark_master: str | None = Field(
        None,
        description="Spark's master for --engine spark, such as spark://host:7077, yarn or local[4]; default: what "
        "Spark's own configuration names, else every core of this machine.",
    )
    spark_conf: dict[str, str] = Field(
        default_factory=dict,
        description="Spark's own settings by name, for --engine spark (JSON in the environment).",
    )
    spark_sketches: str | None = Field(
        None,
        description="Table of full sketches beside a table that Spark scans (FORM:PLACE); default: none, and tenants "
        "are not told.",
    )


def load_settings(**given: Any) -> Settings:
    """The settings of a run: ``given`` on the command line, where it is not None, before the environment.

    Raises SettingError, which names the option or the variable, when a value is out of its range or of another type.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        where = f"--{name.replace('_', '-')}" if name in chosen else f"{PREFIX}{name.upper()}"
        wanted = "expected a size with its unit" if name == "memory" else first["msg"].lower()
        meaning = Settings.model_fields[name].description or ""
        raise SettingError(f"{wanted}; got {first['input']!r}", where, f"It means: {meaning}") from error
    except SettingsError as error:
        name = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "*")
        raise SettingError(
            'expected a list as JSON, such as ["10.0.0.0/8"]; it cannot be read',
            f"{PREFIX}{name.upper()}",
            "Mind the quotes: the shell removes those that are not quoted themselves.",
        ) from error
