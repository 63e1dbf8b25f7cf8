"""Which subkeys ``stillhunt mark`` works under, from its options and files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillhunt.errors import InputError, SettingError
from stillhunt.marks.keys import (
    COMMITMENT_FORMAT,
    OPENING_FORMAT,
    KeyPath,
    MasterKey,
    SubKey,
    commitment_record,
    load_key,
    opening_record,
    opens,
    read_private,
)
from stillhunt.marks.profile import PRESETS, Profile, profile_from_json
from stillhunt.marks.schemes import Scheme, scheme_of
from stillhunt.marks.synthid import SynthId, sampling_table
from stillhunt.schema.findings import Finding

Record = dict[str, Any]


@dataclass(frozen=True)
class Tested:
    """What one key gave: the finding; (answer, windows, log10 p) of each answer; (answer, start, end, log10 p) of
    each marked stretch."""

    finding: Finding
    each: list[tuple[str, int, float]]
    stretches: list[tuple[str, int, int, float]]


def record_profile(named: str | Mapping[str, Any], changes: list[str]) -> Profile:
    """The profile of a preset's name or a record's fields, with ``name=value`` changes."""
    if isinstance(named, str):
        if named not in PRESETS:
            raise SettingError(f"expected one of {', '.join(PRESETS)}, got {named!r}", "--profile")
        fields = PRESETS[named].to_json()
    else:
        fields = dict(named)
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise SettingError(f"expected name=value, got {change!r}", "--set")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    return profile_from_json(fields)


def commit_records(key: MasterKey, purpose: str, epoch: str, buckets: int, profile: Profile) -> list[Record]:
    """One commitment record per bucket, or one in all for 0 buckets."""
    names = [str(number) for number in range(buckets)] or [""]
    return [commitment_record(key, KeyPath(purpose, epoch, bucket), profile.to_json()) for bucket in names]


def read_records(path: Path) -> list[Record]:
    """The commitment records of a JSON lines file, with every field that the page requires."""
    records = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InputError(f"expected JSON ({error})", f"{path}, line {number}") from error
        records.append(_complete(record, COMMITMENT_FORMAT, f"{path}, line {number}"))
    if not records:
        raise InputError("expected commitments, found none", str(path))
    return records


def key_records(
    key_file: Path | None,
    commitments: Path | None,
    opening: Path | None,
    engine_key: Path | None,
    profile: Profile,
) -> list[Record]:
    """Openings to test under, from exactly one of: key and commitments, an opening, an engine's own key."""
    ways = [key_file is not None or commitments is not None, opening is not None, engine_key is not None]
    if sum(ways) != 1:
        raise SettingError(
            "expected exactly one way to the subkey",
            "--key with --commitments, --opening, --engine-key",
            "Commit to a key before you test it: stillhunt mark commit.",
        )
    if opening is not None:
        record = _complete(read_private(opening, OPENING_FORMAT), OPENING_FORMAT, str(opening))
        if not opens(record):
            raise InputError(
                "the opening does not give its commitment", str(opening), "stillhunt mark verify tells more."
            )
        return [record]
    if engine_key is not None:
        return [_engine_record(engine_key, profile)]
    if key_file is None or commitments is None:
        raise SettingError("--key and --commitments belong together", "--key, --commitments", "Give both.")
    key = load_key(key_file)
    return [opening_record(key, record) for record in read_records(commitments)]


def record_scheme(record: Mapping[str, Any]) -> Scheme:
    """The scheme that a record of :func:`key_records` tests for."""
    profile = profile_from_json(record["profile"])
    if "synthid_keys" in record:
        table = sampling_table(profile.table_size, profile.table_seed)
        return SynthId(tuple(record["synthid_keys"]), profile.width, table)
    return scheme_of(profile, SubKey(bytes.fromhex(record["subkey"])))


def _engine_record(path: Path, profile: Profile) -> Record:
    # An engine's key stands where the first 8 bytes of a subkey would; nobody committed to it.
    public = {"key_id": "engine", "purpose": "engine", "epoch": "–", "bucket": "", "commitment": "none"}
    text = _text(path).strip()
    if profile.scheme == "synthid":
        keys = _synthid_keys(text, path)
        return {**public, "profile": {**profile.to_json(), "depth": len(keys)}, "synthid_keys": keys}
    if profile.prf == "hmac-sha256" or (profile.scheme, profile.prf) == ("gumbel-dual", "murmur3"):
        raise SettingError("this profile takes more than one 64-bit key", "--profile, --engine-key")
    try:
        value = int(text, 0)
    except ValueError as error:
        raise InputError(f"expected one whole number, decimal or 0x… ({error})", str(path)) from error
    if not 0 <= value < 2**64:
        raise InputError(f"expected a key of 64 bits, got {value.bit_length()} bits", str(path))
    secret = value.to_bytes(8, "big") + bytes(24)
    return {**public, "profile": profile.to_json(), "subkey": secret.hex()}


def _synthid_keys(text: str, path: Path) -> list[int]:
    expected = "expected SynthID's keys as a JSON list of 1 to 64 whole numbers below 2^63"
    try:
        keys = json.loads(text)
    except ValueError as error:
        raise InputError(f"{expected} ({error})", str(path)) from error
    whole = isinstance(keys, list) and all(type(key) is int and 0 <= key < 2**63 for key in keys)
    if not whole or not 1 <= len(keys) <= 64:
        raise InputError(expected, str(path))
    return list(keys)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the file ({error})", str(path)) from error


def _complete(record: Any, expected: str, where: str) -> Record:
    fields = ("key_id", "purpose", "epoch", "bucket", "profile", "commitment")
    if not isinstance(record, dict) or record.get("format") != expected:
        raise InputError(f"expected a record of format {expected}", where)
    lacking = [name for name in fields if name not in record]
    if lacking or not isinstance(record["profile"], dict):
        raise InputError(f"expected the fields {', '.join(fields)}", where)
    return record
