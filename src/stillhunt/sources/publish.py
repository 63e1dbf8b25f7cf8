"""The end of an ingest: what ``lake.json`` says, and how the files come to be seen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillhunt.engines.output import whole_file
from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.coverage import coverage
from stillhunt.sources.filling import Filling
from stillhunt.sources.lake import MANIFEST, Lake, Part, TakenFrom, file_sha256, manifest_json
from stillhunt.sources.lake_writer import describe_part, filled_rows
from stillhunt.sources.source import Skipped


def described(
    filling: Filling,
    onto: Lake | None,
    accounts: pa.Table | None,
    taken: Sequence[TakenFrom],
    skipped: Sequence[Skipped],
) -> Lake:
    """The lake with the new parts, which still lie aside; ``onto`` is the lake as it was."""
    aside = filling.aside
    before = onto or Lake(aside, filling.text)
    requests = (*before.requests, *(describe_part(path, aside) for path in filling.requests.paths))
    sketches = (*before.sketches, *(describe_part(path, aside) for path in filling.sketches.paths))
    rejections = before.rejections
    rejected = filling.rejected
    if rejected.count:
        rejected.close()
        rejections += (Part(rejected.path.name, rejected.count, file_sha256(rejected.path)),)
    written = sum(part.rows for part in requests)
    filled = filled_rows([*before.request_files, *filling.requests.paths])
    shares = {name: rows / written for name, rows in filled.items()} if written else {}
    known = _account_columns(before.accounts_file)
    part = before.accounts
    if accounts is not None:
        path = _write_accounts(accounts, aside, before)
        part, known = describe_part(path, aside), _account_columns(path)
    return replace(
        before,
        requests=requests,
        sketches=sketches,
        accounts=part,
        rejections=rejections,
        read=before.read + filling.read,
        written=written,
        rejected=before.rejected + rejected.count,
        sketch_keys=tuple(dict.fromkeys((*before.sketch_keys, *sorted(filling.key_ids)))),
        sources=_joined(before.sources, taken),
        skipped=(*before.skipped, *skipped),
        coverage=coverage(shares, known),
        notes=_sum(before.notes, filling.notes),
    )


def publish(lake: Lake, aside: Path, onto: Lake | None) -> None:
    """Moves the parts into the lake that is added to, if any, and writes ``lake.json`` last."""
    shutil.rmtree(aside / "origins")
    if onto is None:
        (aside / MANIFEST).write_text(manifest_json(lake), encoding="utf-8")
        return
    for path in sorted(aside.rglob("*")):
        if path.is_file():
            target = onto.root / path.relative_to(aside)
            target.parent.mkdir(exist_ok=True)
            path.rename(target)
    with whole_file(onto.root / MANIFEST) as manifest:
        manifest.write_text(manifest_json(lake), encoding="utf-8")


def rejected_name(onto: Lake | None) -> str:
    """Name of the file for rejected rows: one that the lake does not have yet."""
    return "rejected.jsonl" if onto is None else _numbered("rejected", ".jsonl", onto.root)


def _joined(before: Sequence[TakenFrom], more: Sequence[TakenFrom]) -> tuple[TakenFrom, ...]:
    """One entry per kind and place, with its rows of every ingest and the newest cursor, so that a lake that is added
    to often keeps a short list."""
    joined: dict[tuple[str, str], TakenFrom] = {}
    for taken in (*before, *more):
        known = joined.get((taken.kind, taken.location))
        if known is not None:
            taken = replace(taken, rows=known.rows + taken.rows, cursor=taken.cursor or known.cursor)
        joined[taken.kind, taken.location] = taken
    return tuple(joined.values())


def _write_accounts(accounts: pa.Table, aside: Path, before: Lake) -> Path:
    """Writes the accounts; of a lake that is added to, those known before stay where no newer row is given."""
    name = "accounts.parquet"
    if before.root != aside:
        name = _numbered("accounts", ".parquet", before.root)
        if before.accounts_file is not None:
            old = pq.read_table(before.accounts_file)
            newer = pc.is_in(old["account_id"], accounts["account_id"])
            accounts = pa.concat_tables([accounts, old.filter(pc.invert(newer))])
    pq.write_table(accounts.cast(ACCOUNTS), aside / name, compression="zstd")
    return aside / name


def _numbered(stem: str, suffix: str, root: Path) -> str:
    found = (re.fullmatch(rf"{stem}-(\d+){re.escape(suffix)}", path.name) for path in root.iterdir())
    number = max((int(match.group(1)) for match in found if match), default=0) + 1
    return f"{stem}-{number:06d}{suffix}"


def _account_columns(path: Path | None) -> list[str]:
    return [] if path is None else [name for name, rows in filled_rows([path]).items() if rows]


def _sum(before: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {note: before.get(note, 0) + more.get(note, 0) for note in dict.fromkeys((*before, *more))}
