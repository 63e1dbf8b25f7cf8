"""``stillhunt mark``: keys, commitments, detection, planning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from stillhunt.cli.marking import (
    Tested,
    commit_records,
    key_records,
    read_records,
    record_profile,
    record_scheme,
)
from stillhunt.cli.options import AsJson
from stillhunt.cli.show import TerminalProgress, err, out
from stillhunt.cli.status import DONE, FOUND, PARTIAL
from stillhunt.errors import SettingError
from stillhunt.marks.detect import detect, detect_each
from stillhunt.marks.finding import finding_of
from stillhunt.marks.keys import (
    OPENING_FORMAT,
    create_key,
    load_key,
    opening_record,
    opens,
    read_private,
    write_private,
)
from stillhunt.marks.localise import localise
from stillhunt.marks.profile import PRESETS
from stillhunt.marks.reading import SkippedRow, load_tokenizer, read_answers
from stillhunt.marks.theory import windows_needed_green, windows_needed_gumbel
from stillhunt.marks.windows import windows_of
from stillhunt.schema.findings import Finding

_HELP = """
Marks in answers: make and commit to keys, test a text, plan a proof.

Examples:

  stillhunt mark key --out mark.key

  stillhunt mark commit --key mark.key --epoch 2026-11 --profile vllm --out commitments.jsonl

  stillhunt mark detect suspect.jsonl --key mark.key --commitments commitments.jsonl

  stillhunt mark open --key mark.key --commitments commitments.jsonl --out opening.json
"""
_PROFILES = ", ".join(PRESETS)
_LISTED = 20

KeyFile = Annotated[Path, typer.Option("--key", help="Key file.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    mark = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode="rich")
    for name, command in (
        ("key", make_key),
        ("commit", commit),
        ("open", open_commitment),
        ("verify", verify),
        ("detect", run_detect),
        ("plan", plan),
    ):
        mark.command(name)(command)
    app.add_typer(mark, name="mark")


def make_key(to: Annotated[Path, typer.Option("--out", help="Where the key file goes.")]) -> None:
    """Makes a master key: a file that its owner alone can read, and that is never replaced."""
    key = create_key(to)
    err.print(f"made mark key {key.key_id} in {to}; keep a copy in escrow, nothing else can bring it back")


def commit(
    key_file: KeyFile,
    epoch: Annotated[str, typer.Option(help="The rotation period, such as 2026-11.")],
    to: Annotated[Path, typer.Option("--out", help="JSON lines to publish.")],
    profile: Annotated[str, typer.Option(help=f"What is computed: {_PROFILES}.")] = "vllm",
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the profile, such as width=2.")
    ] = None,
    purpose: Annotated[str, typer.Option(help="What the subkey is for.")] = "answers",
    buckets: Annotated[int, typer.Option(min=0, help="Account buckets; 0 for one key for all.")] = 0,
) -> None:
    """Commits to the subkeys of an epoch. Publish the result before the first answer is issued under it."""
    records = commit_records(
        load_key(key_file), purpose, epoch, buckets, record_profile(profile, changes or [])
    )
    try:
        with to.open("x", encoding="utf-8") as file:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    except FileExistsError as error:
        raise SettingError("a file exists here", "--out", "Commitments are added, never replaced.") from error
    except OSError as error:
        raise SettingError(f"cannot write the file ({error.strerror})", "--out") from error
    err.print(f"{len(records)} commitments in {to}; publish them with a time that others can check")


def open_commitment(
    key_file: KeyFile,
    commitments: Annotated[Path, typer.Option(help="The published commitments.")],
    to: Annotated[Path, typer.Option("--out", help="Where the opening goes: a secret file.")],
    bucket: Annotated[str, typer.Option(help="The account bucket, where there are several.")] = "",
) -> None:
    """Opens one commitment, for an expert who shall run the test under this subkey and no other."""
    chosen = [record for record in read_records(commitments) if record["bucket"] == bucket]
    if len(chosen) != 1:
        raise SettingError(
            f"expected one commitment of bucket {bucket!r}, found {len(chosen)}",
            str(commitments),
            "Add --bucket.",
        )
    write_private(to, opening_record(load_key(key_file), chosen[0]))
    err.print(
        f"opening of {chosen[0]['commitment']} in {to}; whoever reads it can test for this mark, and forge it"
    )


def verify(
    opening: Annotated[Path, typer.Argument(help="The opening.")],
    commitments: Annotated[
        Path | None, typer.Option(help="The published commitments that must hold it.")
    ] = None,
) -> None:
    """Checks that an opening gives its commitment. Exit status: 0 it does; 1 it does not."""
    content = read_private(opening, OPENING_FORMAT)
    published = commitments is None or content.get("commitment") in {
        record["commitment"] for record in read_records(commitments)
    }
    if not opens(content):
        out.print("does not verify: subkey and public fields give another commitment")
    elif not published:
        out.print("does not verify: the commitment is not among the published ones")
    else:
        out.print(f"verifies: {content['commitment']}", soft_wrap=True)
        return
    raise typer.Exit(FOUND)


def run_detect(
    files: Annotated[
        list[Path], typer.Argument(help="Answers: Parquet or JSON lines of token_ids or text; .txt.")
    ],
    key_file: Annotated[Path | None, typer.Option("--key", help="Key file, with --commitments.")] = None,
    commitments: Annotated[
        Path | None,
        typer.Option(help="Commitments: each of them is tested, and p corrected for their number."),
    ] = None,
    opening: Annotated[Path | None, typer.Option(help="An opening, in place of key and commitments.")] = None,
    engine_key: Annotated[
        Path | None,
        typer.Option(
            help="File with an engine's own key: a number, or SynthID's as a JSON list; with --profile."
        ),
    ] = None,
    profile: Annotated[str, typer.Option(help=f"For --engine-key: {_PROFILES}.")] = "vllm",
    changes: Annotated[list[str] | None, typer.Option("--set", help="A parameter of that profile.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="tokenizer.json of the model, for text.")] = None,
    unique: Annotated[str, typer.Option(help="What counts once: tuple, or context as engines do.")] = "tuple",
    each: Annotated[bool, typer.Option("--each", help="Also test every answer by itself.")] = False,
    stretches: Annotated[
        bool, typer.Option("--stretches", help="Also say where the mark stands in long texts.")
    ] = False,
    findings: Annotated[Path | None, typer.Option("--out", help="Write findings (JSON lines) here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tests answers for a mark: an exact p-value over distinct windows that do not stand in their prompts.

    Exit status: 0 tested, whatever came out; 2 nothing could be used; 3 some rows were left out.
    """
    if unique not in ("tuple", "context"):
        raise SettingError(f"expected tuple or context, got {unique!r}", "--unique")
    records = key_records(key_file, commitments, opening, engine_key, record_profile(profile, changes or []))
    encode = None if tokenizer is None else load_tokenizer(tokenizer)
    tested = []
    with TerminalProgress(quiet=as_json) as progress:
        progress.stage("reading answers")
        given = read_answers(files, encode)
        progress.stage("testing keys", len(records), "keys")
        for record in records:
            tested.append(_test(given, record, len(records), unique, each=each, stretches=stretches))
            progress.advance(1)
    tested.sort(key=lambda one: one.finding.evidence["log10_p"])
    if findings is not None:
        write_findings(findings, [one.finding for one in tested])
    if as_json:
        typer.echo(json.dumps({"tests": [_fields(one) for one in tested], "skipped": _skips(given.skipped)}))
    else:
        _show(tested, given.skipped)
    raise typer.Exit(PARTIAL if given.skipped else DONE)


def plan(
    lift: Annotated[float, typer.Option(help="green: share above gamma; gumbel: mean score above 1.")],
    profile: Annotated[str, typer.Option(help=f"Profile: {_PROFILES}.")] = "radioactive",
    p_value: Annotated[float, typer.Option("--p", help="The p-value to reach.")] = 1e-10,
    power: Annotated[float, typer.Option(help="With this probability.")] = 0.9,
    as_json: AsJson = False,
) -> None:
    """How many distinct windows a proof needs, for a mark that is left after training."""
    chosen = record_profile(profile, [])
    if chosen.scheme == "green":
        needed = windows_needed_green(lift, chosen.gamma, p_value, power)
    elif chosen.scheme == "gumbel":
        needed = windows_needed_gumbel(lift, p_value, power)
    else:
        raise SettingError(f"no plan for {chosen.scheme}", "--profile", "Choose a green or a gumbel profile.")
    if as_json:
        typer.echo(
            json.dumps({"windows": needed, "lift": lift, "p": p_value, "power": power, "profile": profile})
        )
    else:
        out.print(f"{needed:,} distinct windows for p < {p_value:g} with probability {power:g}")


def _test(
    given: Any, record: Mapping[str, Any], tests: int, unique: Any, *, each: bool, stretches: bool
) -> Tested:
    profile = record_profile(record["profile"], [])
    scheme = record_scheme(record)
    found = detect(given.texts, scheme, context=profile.context, unique=unique)
    single = detect_each(given.texts, scheme, context=profile.context, unique=unique) if each else []
    places = []
    if stretches:
        windows = windows_of(
            given.texts, scheme.width, context=profile.context, unique=unique, pad=scheme.pad
        )
        places = localise(windows, scheme)
    return Tested(
        finding_of(found, record, given.inputs_digest, tests=tests),
        [(name, one.scored, one.log10_p) for name, one in zip(given.names, single, strict=False)],
        [(given.names[one.document], one.start, one.end, one.log10_p) for one in places],
    )


def _fields(tested: Tested) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(tested.finding.to_json())
    if tested.each:
        fields["each"] = [{"answer": a, "scored": n, "log10_p": p} for a, n, p in tested.each]
    if tested.stretches:
        fields["stretches"] = [
            {"answer": a, "start": start, "end": end, "log10_p": p} for a, start, end, p in tested.stretches
        ]
    return fields


def _skips(skipped: tuple[SkippedRow, ...]) -> list[dict[str, Any]]:
    return [{"file": one.file, "row": one.row, "reason": one.reason} for one in skipped]


def _show(tested: list[Tested], skipped: tuple[SkippedRow, ...]) -> None:
    several = len(tested) > 1
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("epoch", "bucket", "windows", "repeated", "in prompt", "p"):
        table.add_column(name, justify="left" if name in ("epoch", "bucket") else "right")
    if several:
        table.add_column(f"p × {len(tested)} keys", justify="right")
    table.add_column("e-value", justify="right")
    for one in tested[:_LISTED]:
        evidence = one.finding.evidence
        row = [evidence["epoch"], evidence["bucket"] or "–"]
        row += [f"{evidence[name]:,}" for name in ("repeated", "in_prompt")]
        row.insert(2, f"{one.finding.n:,}")
        row += [power_of_ten(evidence[name]) for name in ("log10_p", "log10_p_corrected")[: 1 + several]]
        row.append("–" if evidence["log10_e"] is None else power_of_ten(evidence["log10_e"]))
        table.add_row(*row)
    out.print(table)
    if len(tested) > _LISTED:
        err.print(f"and {len(tested) - _LISTED} more keys")
    for answer, scored, log10_p in tested[0].each[:_LISTED]:
        out.print(f"{answer}: p {power_of_ten(log10_p)} over {scored:,} windows", soft_wrap=True)
    for answer, start, end, log10_p in tested[0].stretches[:_LISTED]:
        out.print(f"{answer}: tokens {start:,} to {end:,}, p {power_of_ten(log10_p)}", soft_wrap=True)
    for skip in skipped[:_LISTED]:
        err.print(Text.assemble(("skipped: ", "bold yellow"), f"{skip.file}, row {skip.row}: {skip.reason}"))
    if len(skipped) > _LISTED:
        err.print(f"and {len(skipped) - _LISTED} more rows")


def power_of_ten(log10: float) -> str:
    """``10**log10`` as people write it, also where a float would be 0 or infinite."""
    if -3 <= log10 <= 3:
        return f"{10**log10:.3g}"
    exponent = int(log10 // 1)
    return f"{10 ** (log10 - exponent):.1f}e{exponent}"


def write_findings(path: Path, findings: list[Finding]) -> None:
    """Findings as JSON lines, to a file that is not there yet. Raises SettingError."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.writelines(one.to_json() + "\n" for one in findings)
    except FileExistsError as error:
        raise SettingError("a file exists here", "--out", "Name another file.") from error
    except OSError as error:
        raise SettingError(f"cannot write the file ({error.strerror})", "--out") from error
