"""``stillhunt trace``, of models: plan, ask or read, test."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.table import Table

from stillhunt.cli.mark import power_of_ten, write_findings
from stillhunt.cli.marking import Record, key_records, read_records, record_profile
from stillhunt.cli.options import AsJson
from stillhunt.cli.show import TerminalProgress, err, helped, out
from stillhunt.cli.status import DONE, PARTIAL
from stillhunt.errors import InputError, SettingError
from stillhunt.marks.keys import SubKey
from stillhunt.marks.profile import profile_from_json
from stillhunt.marks.reading import Answers, Encode, load_tokenizer, prompt_texts, read_answers, read_prompts
from stillhunt.marks.schemes import scheme_of
from stillhunt.trace.asking import ANSWERS, Budget, Endpoint, ask
from stillhunt.trace.finding import finding_of
from stillhunt.trace.issuance import issuance_index, load_index
from stillhunt.trace.open_weights import TOP, load_readings, read_texts, save_readings
from stillhunt.trace.plans import read_plan, write_plan
from stillhunt.trace.radioactivity import Material, Plan, material_digest, trace_answers, trace_probabilities

_PLAN = helped(
    "Fixes what a suspect will be shown, which windows count and how, before it is asked. Publish the digest that "
    "this prints, with a time that others can check.\n\nFILES are prompts, or texts for a suspect whose weights are "
    "at hand.",
    examples=(
        "stillhunt trace plan prompts.jsonl --commitments commitments.jsonl --out plan.json --tokenizer tokenizer.json",
        "stillhunt trace plan issued.parquet --kind 'marked texts' --decoys 0 --commitments c.jsonl --out plan.json",
    ),
    statuses="0 done; 2 nothing could be used.",
)
_ASK = helped(
    "Puts prompts to a suspect behind an OpenAI-compatible endpoint, within a budget, and keeps every reply with its "
    "digest. A run that stops goes on where it stopped.\n\nWrites answers.jsonl once no answer is missing. For an "
    "endpoint that you may ask: your own, or one whose terms allow it.",
    examples=(
        "stillhunt trace ask prompts.jsonl --endpoint https://api.example.com/v1 --model suspect-1 --requests 600 "
        "--tokens 1000000 --out asked",
    ),
    statuses="0 complete; 2 nothing could be done; 3 answers are missing, and the run says why.",
)
_READ = helped(
    "Reads texts with a suspect's weights, and keeps what it finds probable after every context.",
    examples=("stillhunt trace read issued.parquet --weights suspect/ --plan plan.json --opening opening.json "
              "--out read.parquet",),
    statuses="0 done; 2 nothing could be used.",
)  # fmt: skip
_INDEX = helped(
    "Notes which contexts were issued under a key, for plans that count these alone. It holds no text.",
    examples=("stillhunt trace index issued.parquet --opening opening.json --out issued.index.parquet",),
    statuses="0 done; 2 nothing could be used; 3 some rows were left out.",
)
_MODEL = helped(
    "Was this model trained on our answers? Holds what it said, or what it finds probable, to the plan that was "
    "published, under the key that was committed to.\n\nFILES are its answers, as trace ask writes them; with "
    "--probabilities, the texts that it read.",
    examples=(
        "stillhunt trace model asked/answers.jsonl --plan plan.json --published sha256:9f… --opening opening.json "
        "--tokenizer tokenizer.json --suspect suspect-1 --out finding.jsonl",
        "stillhunt trace model issued.parquet --probabilities read.parquet --plan plan.json --published sha256:9f… "
        "--opening opening.json",
    ),
    statuses="0 tested, whatever came out; 2 something is not what was committed to, or cannot be used.",
)
_KINDS = get_args(Material)

PlanFile = Annotated[Path, typer.Option("--plan", help="The plan.")]
Tokenizer = Annotated[Path | None, typer.Option(help="tokenizer.json of the model, for text.")]
Opening = Annotated[Path, typer.Option(help="The opening of the commitment.")]


def register(trace: typer.Typer) -> None:
    """Adds the commands to ``stillhunt trace``."""
    trace.command("plan", help=_PLAN)(plan)
    trace.command("ask", help=_ASK)(run_ask)
    trace.command("read", help=_READ)(read)
    trace.command("index", help=_INDEX)(index)
    trace.command("model", help=_MODEL)(model)


def plan(
    files: Annotated[list[Path], typer.Argument(help="Prompts or texts: Parquet or JSON lines.")],
    commitments: Annotated[Path, typer.Option(help="The published commitments.")],
    to: Annotated[Path, typer.Option("--out", help="Where the plan goes.")],
    kind: Annotated[str, typer.Option(help=f"What the suspect is shown: {', '.join(_KINDS)}.")] = _KINDS[0],
    epoch: Annotated[str, typer.Option(help="The commitment's epoch, where there are several.")] = "",
    bucket: Annotated[str, typer.Option(help="The account bucket, where there are several.")] = "",
    samples: Annotated[int, typer.Option(min=1, help="Answers to each prompt.")] = 1,
    only_issued: Annotated[
        Path | None, typer.Option("--filter", help="Count only contexts of this index; needs --decoys 0.")
    ] = None,
    weight: Annotated[str, typer.Option(help="once, or count: how often a window occurs counts.")] = "count",
    cap: Annotated[int, typer.Option(min=1, help="Occurrences from which a window counts fully.")] = 16,
    decoys: Annotated[int, typer.Option(min=0, help="Decoy keys; 0 for none.")] = 9_999,
    seed: Annotated[
        str,
        typer.Option(help="Where decoys come from: 64 hexadecimal digits, best another's. Default: drawn."),
    ] = "",
    tokenizer: Tokenizer = None,
) -> None:
    """Parses, calls, shows."""
    record = _committed(commitments, epoch, bucket)
    if kind.endswith("texts"):
        given = read_answers(files, _encode(tokenizer))
    else:
        given = read_prompts(files, _encode(tokenizer), samples=samples)
    _whole(given, "A plan holds all that the suspect is shown: mend the rows, or take them out.")
    made = Plan(
        commitment=record["commitment"],
        kind=kind,  # type: ignore[arg-type]  # Plan checks it
        material=material_digest(given.texts),
        filter="" if only_issued is None else load_index(only_issued).digest,
        weight=weight,  # type: ignore[arg-type]
        cap=cap,
        decoys=decoys,
        seed=(seed or secrets.token_hex(32)) if decoys else "",
    )
    write_plan(made, to)
    out.print(made.digest, soft_wrap=True, markup=False)
    err.print(f"plan in {to}; publish this digest, with a time that others can check, before you ask")


def run_ask(
    files: Annotated[list[Path], typer.Argument(help="Prompts: JSON lines with `prompt`.")],
    endpoint: Annotated[str, typer.Option(help="Base URL, up to and without /chat/completions.")],
    model: Annotated[str, typer.Option(help="The suspect's name there.")],
    requests: Annotated[int, typer.Option(min=1, help="Requests in all, repeated ones included.")],
    tokens: Annotated[int, typer.Option(min=1, help="Tokens in and out, in all.")],
    to: Annotated[
        Path, typer.Option("--out", help="Folder for replies and answers; an earlier run's goes on.")
    ],
    samples: Annotated[int, typer.Option(min=1, help="Answers to each prompt.")] = 1,
    api: Annotated[
        str, typer.Option(help="chat, or completions for models that go on with a text.")
    ] = "chat",
    temperature: Annotated[float, typer.Option(min=0.0, help="Of sampling.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of an answer.")] = 512,
    rate: Annotated[float, typer.Option(min=0.001, help="Requests per second, at most.")] = 1.0,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Requests at once.")] = 2,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds for one answer.")] = 120.0,
    secret: Annotated[
        str, typer.Option("--key-env", help="Environment variable with the endpoint's key; empty for none.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    if api not in ("chat", "completions"):
        raise SettingError(f"expected chat or completions, got {api!r}", "--api")
    if secret and secret not in os.environ:
        raise SettingError(f"the environment has no {secret}", "--key-env")
    suspect = Endpoint(endpoint, model, os.environ.get(secret, ""), api, temperature, max_tokens, timeout)  # type: ignore[arg-type]
    with TerminalProgress(quiet=as_json) as progress:
        done = ask(
            prompt_texts(files), samples, suspect, Budget(requests, tokens, rate, at_once), to, progress
        )
    if as_json:
        typer.echo(json.dumps({"out": str(to), **asdict(done)}, indent=2))
    else:
        out.print(
            f"{done.answered:,} answers, {done.refused:,} refused, {done.missing:,} missing; "
            f"{done.requests:,} requests, {done.tokens:,} tokens"
        )
        if done.missing:
            err.print(f"stopped: {done.stopped}; the same command goes on", soft_wrap=True, markup=False)
        else:
            out.print(f"answers: {to / ANSWERS}", soft_wrap=True, markup=False)
    raise typer.Exit(PARTIAL if done.missing else DONE)


def read(
    files: Annotated[list[Path], typer.Argument(help="Texts: Parquet or JSON lines of token_ids or text.")],
    weights: Annotated[Path, typer.Option(help="Folder of the suspect, as transformers saves it.")],
    plan_file: PlanFile,
    opening: Opening,
    to: Annotated[Path, typer.Option("--out", help="Where the probabilities go (Parquet).")],
    top: Annotated[int, typer.Option(min=1, help="Candidates kept after each context.")] = TOP,
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    tokenizer: Tokenizer = None,
) -> None:
    """Parses, calls, shows."""
    planned, record = read_plan(plan_file), _opened(opening)
    texts = read_answers(files, _encode(tokenizer)).texts
    if material_digest(texts) != planned.material:
        raise SettingError("the texts are not those of the plan", "FILES")
    with TerminalProgress() as progress:
        width = profile_from_json(record["profile"]).width
        readings = read_texts(weights, texts, width, progress, top=top, device=device)
    save_readings(readings, to)
    out.print(f"{len(readings.contexts):,} contexts read: {to}", soft_wrap=True, markup=False)


def index(
    files: Annotated[list[Path], typer.Argument(help="Answers as they were issued.")],
    opening: Opening,
    to: Annotated[Path, typer.Option("--out", help="Where the index goes (Parquet).")],
    tokenizer: Tokenizer = None,
) -> None:
    """Parses, calls, shows."""
    record = _opened(opening)
    given = read_answers(files, _encode(tokenizer))
    profile = profile_from_json(record["profile"])
    scheme = scheme_of(profile, SubKey(bytes.fromhex(record["subkey"])))
    made = issuance_index(given.texts, record["commitment"], profile.width, pad=scheme.pad)
    made.save(to)
    out.print(f"{len(made.contexts):,} contexts in {to}; digest {made.digest}", soft_wrap=True, markup=False)
    for skip in given.skipped[:8]:
        err.print(f"skipped: {skip.file}, row {skip.row}: {skip.reason}", soft_wrap=True, markup=False)
    raise typer.Exit(PARTIAL if given.skipped else DONE)


def model(
    files: Annotated[list[Path], typer.Argument(help="The suspect's answers; or the texts that it read.")],
    plan_file: PlanFile,
    published: Annotated[str, typer.Option(help="The digest that was published before.")],
    opening: Opening,
    probabilities: Annotated[
        Path | None, typer.Option(help="What the suspect finds probable, from trace read.")
    ] = None,
    only_issued: Annotated[
        Path | None, typer.Option("--filter", help="The index that the plan names.")
    ] = None,
    suspect: Annotated[str, typer.Option(help="What to call the suspect in the finding.")] = "suspect",
    tokenizer: Tokenizer = None,
    to: Annotated[Path | None, typer.Option("--out", help="Write the finding (JSON lines) here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    planned, record = read_plan(plan_file), _opened(opening)
    issued = None if only_issued is None else load_index(only_issued)
    given = read_answers(files, _encode(tokenizer))
    _whole(given, "Nothing may be left out of what was planned; a suspect's silence is an empty completion.")
    if planned.kind.endswith("texts"):
        if probabilities is None:
            raise SettingError(
                f"the plan is for {planned.kind}", "--probabilities", "Run: stillhunt trace read."
            )
        seen = load_readings(probabilities)
        result = trace_probabilities(
            planned,
            published,
            record,
            given.texts,
            seen.contexts,
            seen.candidates,
            seen.probabilities,
            issued,
        )
    else:
        result = trace_answers(planned, published, record, given.texts, issued)
    found = finding_of(result, planned, record, given.inputs_digest, suspect)
    if to is not None:
        write_findings(to, [found])
    if as_json:
        typer.echo(found.to_json())
        return
    _show(found.evidence, found.n)


def _whole(given: Answers, remedy: str) -> None:
    """Raises InputError where rows were left out."""
    if given.skipped:
        first = given.skipped[0]
        raise InputError(
            f"{len(given.skipped)} rows cannot be used; the first: {first.reason}",
            f"{first.file}, row {first.row}",
            remedy,
        )


def _show(evidence: Mapping[str, Any], windows: int) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("windows", f"{windows:,}")
    if evidence["filtered_out"]:
        table.add_row("not issued, left out", f"{evidence['filtered_out']:,}")
    if evidence["log10_p"] is not None:
        table.add_row("p, at most (Chernoff)", power_of_ten(evidence["log10_p"]))
    table.add_row("e-value", power_of_ten(evidence["log10_e"]))
    if evidence["decoy_p"] is not None:
        floor = power_of_ten(math.log10(evidence["decoy_floor"]))
        table.add_row("p among decoy keys", f"{evidence['decoy_p']:.4g} (no smaller than {floor})")
    table.add_row("error of the claim, at most", power_of_ten(evidence["log10_error"]))
    out.print(table)


def _encode(tokenizer: Path | None) -> Encode | None:
    return None if tokenizer is None else load_tokenizer(tokenizer)


def _opened(opening: Path) -> Record:
    return key_records(None, None, opening, None, record_profile("vllm", []))[0]


def _committed(commitments: Path, epoch: str, bucket: str) -> Record:
    chosen = [
        record
        for record in read_records(commitments)
        if record["bucket"] == bucket and (not epoch or record["epoch"] == epoch)
    ]
    if len(chosen) != 1:
        raise SettingError(
            f"expected one commitment of epoch {epoch or 'any'!r} and bucket {bucket!r}, found {len(chosen)}",
            str(commitments),
            "Add --epoch or --bucket.",
        )
    return chosen[0]
