"""Does a model that learnt from marked answers show it? A small teacher, its answers, and students of them.

    python -m bench.radioactivity [--scale small|full]

A teacher is trained on real text where there is some. It answers prompts twice, with and without a mark; students
learn from both, with the share of marked answers between 0 and all. Each is then held to a plan that was fixed before
it was asked: by its answers to fresh prompts (*closed*), and by the probabilities that it gives (*open*). A student
of another teacher, on the same prompts, is the control for convergence. The null is shown with keys that each issued
answers of their own, against a student that never saw them. Every piece is kept in bench/out/radioactivity-SCALE, so
a run that was stopped goes on. Needs the environment of ``tools/setup.sh marks``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench.exchanges import texts
from bench.result import OUT, Row, share, show, write
from numpy.typing import NDArray
from scipy.stats import binom

from stillhunt.marks.keys import KeyPath, MasterKey, commitment_record, master_key, opening_record
from stillhunt.marks.profile import PRESETS, Profile
from stillhunt.marks.schemes import scheme_of
from stillhunt.marks.windows import documents
from stillhunt.trace.issuance import IssuanceIndex, issuance_index
from stillhunt.trace.open_weights import load_readings
from stillhunt.trace.radioactivity import (
    Plan,
    material_digest,
    prompts_of,
    trace_answers,
    trace_probabilities,
)

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venvs" / "marks" / "bin" / "python"
Rows = NDArray[np.uint32]
PROFILES = {
    "radioactive": PRESETS["radioactive"],
    "gumbel, width 1": Profile(width=1),
    "gumbel, width 4": PRESETS["vllm"],
    "green, width 2": replace(PRESETS["radioactive"], width=2),
}
"""The first is the default: the narrowest window repeats its lots most often, and a biased one leaves the most."""
PROMPT = 8
"""Tokens of a prompt; the rest of a row is the answer."""
LEVEL = 0.05
DECOYS = 99


@dataclass(frozen=True)
class Scale:
    """Sizes. parts: rows of text for each of two teachers. issued: rows that the teacher answers, with and without a
    mark. asked: fresh prompts. null_rows: rows that each of ``null_keys`` issues. shares: of marked answers, for the
    default profile under every seed; fewer: for the other profiles, under the first seed. decoys: under the first
    seed of the default profile; elsewhere DECOYS."""

    profiles: tuple[str, ...]
    shares: tuple[int, ...]
    fewer: tuple[int, ...]
    seeds: int
    parts: int
    epochs: int
    issued: int
    asked: int
    decoys: int
    null_keys: int
    null_rows: int
    attacks: bool
    length: int = 96
    vocabulary: int = 1024


SCALES = {
    "tiny": Scale(("radioactive",), (0, 100), (), 1, 400, 1, 400, 100, 19, 5, 50, True, 32, 300),
    "small": Scale(("radioactive",), (0, 5, 10, 100), (), 1, 4_000, 2, 6_000, 1_500, 199, 10, 200, False),
    "full": Scale(
        tuple(PROFILES),
        (0, 1, 5, 10, 50, 100),
        (5, 10, 100),
        3,
        10_000,
        3,
        10_500,
        4_000,
        9_999,
        200,
        500,
        True,
    ),
}


class Lab:
    """Files of one run, and the models in the other environment that make them."""

    def __init__(self, scale: Scale, folder: Path, threads: int) -> None:
        self.scale, self.folder, self.threads = scale, folder, threads
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        return self.folder / name

    def make(self, *tasks: dict[str, Any]) -> None:
        """Does the tasks whose ``out`` is not there yet."""
        todo = [task for task in tasks if not self.path(task["out"]).exists()]
        for task in todo:
            named = {
                key: str(self.path(value)) if key in ("out", "rows", "model", "prompts", "text", "from") and
                isinstance(value, str) else value
                for key, value in task.items()
            }  # fmt: skip
            done = self.path(task["out"])
            named["out"] = str(done.with_name(f"next-{done.name}"))
            listed = self.path("task.json")
            listed.write_text(json.dumps([named]), encoding="utf-8")
            path = os.pathsep.join([str(ROOT / "src"), str(ROOT), sysconfig.get_paths()["purelib"]])
            run = subprocess.run(
                [str(PYTHON), "-m", "bench.tiny_models", str(listed), str(self.threads)],
                env={**os.environ, "PYTHONPATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            if run.returncode:
                raise RuntimeError(f"{task['do']} {task['out']}: {run.stderr[-2000:]}")
            told = json.loads(run.stdout.splitlines()[-1])[0]
            self.path(f"{task['out']}.told").write_text(json.dumps(told), encoding="utf-8")
            Path(named["out"]).replace(done)
            print(f"{task['do']:9} {task['out']:45} {told['seconds']:7.1f} s", flush=True)

    def told(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path(f"{name}.told").read_text(encoding="utf-8"))
        return found

    def rows(self, name: str) -> Rows:
        found: Rows = np.load(self.path(name))
        return found

    def key(self) -> MasterKey:
        """A secret of this run."""
        kept = self.path("secret")
        if not kept.exists():
            kept.write_text(secrets.token_hex(32))
        return master_key(bytes.fromhex(kept.read_text()))


def run(scale: Scale, folder: Path, threads: int) -> list[Row]:
    """Everything, in order."""
    lab = Lab(scale, folder, threads)
    teachers(lab)
    found: list[Row] = []
    default, *others = scale.profiles
    for number in range(scale.seeds):
        found += measure(lab, default, number, scale.shares)
    for name in others:
        found += measure(lab, name, 0, scale.fewer)
    found += convergence(lab)
    found += null(lab)
    if scale.attacks:
        found += attacks(lab)
    return averaged(found)


def teachers(lab: Lab) -> None:
    """Two teachers, on text of their own, and the prompts."""
    scale = lab.scale
    text = lab.path("text.txt")
    if not text.exists():
        pools = texts()
        text.write_text(pools.prompts + "\n" + pools.answers, encoding="utf-8")
    lab.make({"do": "corpus", "text": "text.txt", "vocabulary": scale.vocabulary, "length": scale.length,
              "out": "corpus.npy"})  # fmt: skip
    rows = lab.rows("corpus.npy")
    needed = 2 * scale.parts + scale.issued + scale.asked
    if len(rows) < needed:
        rows = rows[np.arange(needed) % len(rows)]
    at = np.cumsum([0, scale.parts, scale.parts, scale.issued, scale.asked])
    for name, a, b in zip(("part-0", "part-1", "prompts", "asked"), at[:-1], at[1:], strict=True):
        if not lab.path(f"{name}.npy").exists():
            np.save(lab.path(f"{name}.npy"), rows[a:b] if name.startswith("part") else rows[a:b, :PROMPT])
            np.save(lab.path(f"{name}-whole.npy"), rows[a:b])
    for number in range(2):
        lab.make(
            _training(lab, f"teacher-{number}.pt", f"part-{number}.npy", number, epochs=3 * scale.epochs)
        )
        lab.make(_answering(lab, f"plain-{number}.npy", f"teacher-{number}.pt", "prompts.npy", 100 + number))


def _training(lab: Lab, out: str, rows: str, seed: int, epochs: int, **more: Any) -> dict[str, Any]:
    shape = {"vocabulary": lab.scale.vocabulary, "longest": lab.scale.length}
    return {"do": "train", "rows": rows, "out": out, "seed": seed, "epochs": epochs, "batch": 32, "rate": 2e-3,
            "shape": shape, **more}  # fmt: skip


def _answering(lab: Lab, out: str, model: str, prompts: str, seed: int, **more: Any) -> dict[str, Any]:
    return {"do": "answer", "model": model, "prompts": prompts, "length": lab.scale.length - PROMPT, "rows": 512,
            "seed": seed, "out": out, **more}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """A key's opening and profile, and the index of what was issued under it."""

    opening: dict[str, Any]
    profile: Profile
    index: IssuanceIndex


def opening_of(key: MasterKey, profile: Profile, epoch: str) -> dict[str, Any]:
    record = commitment_record(key, KeyPath("answers", epoch), profile.to_json())
    return opening_record(key, record)


def issue(lab: Lab, name: str, epoch: str, prompts: str, seed: int, out: str) -> Mark:
    """The teacher answers under a key of its own."""
    profile = replace(PROFILES[name], context="skip")
    opening = opening_of(lab.key(), profile, epoch)
    lab.make(_answering(lab, out, "teacher-0.pt", prompts, seed, profile=profile.to_json(),
                        subkey=opening["subkey"]))  # fmt: skip
    pad = scheme_of(profile, lab.key().subkey(KeyPath("answers", epoch))).pad
    index = issuance_index(documents(lab.rows(out).tolist()), opening["commitment"], profile.width, pad=pad)
    return Mark(opening, profile, index)


def mixed(lab: Lab, out: str, marked: str, percent: int, other: str = "plain-0.npy") -> None:
    """Rows to learn from: prompt and answer, the first ``percent`` of them from ``marked``."""
    if lab.path(out).exists():
        return
    prompts, one, two = lab.rows("prompts.npy"), lab.rows(marked), lab.rows(other)
    cut = round(len(prompts) * percent / 100)
    np.save(lab.path(out), np.hstack([prompts, np.vstack([one[:cut], two[cut:]])]))


def measure(lab: Lab, name: str, seed: int, shares: tuple[int, ...]) -> list[Row]:
    """Students of one mark at each share; that of no marked answer is the same for every mark."""
    slug = f"{name.replace(', width ', '')}-{seed}".replace(" ", "")
    mark = issue(lab, name, slug, "prompts.npy", 200 + seed, f"issued-{slug}.npy")
    found = []
    for percent in shares:
        student = student_of(slug, seed, percent)
        rows = student.replace("student", "learnt").replace(".pt", ".npy")
        mixed(lab, rows, f"issued-{slug}.npy", percent)
        lab.make(_training(lab, student, rows, 300 + seed, lab.scale.epochs))
        marked = round(lab.scale.issued * percent / 100) * (lab.scale.length - PROMPT)
        case = f"{name}: {percent} % marked"
        found.append(Row(case, "marked tokens learnt from", marked, "tokens"))
        found += held(lab, case, mark, student, f"issued-{slug}.npy")
    return found


def student_of(slug: str, seed: int, percent: int) -> str:
    """The file of a student."""
    return f"student-{slug}-{percent}.pt" if percent else f"student-plain-{seed}.pt"


def held(lab: Lab, case: str, mark: Mark, student: str, issued: str, temperature: float = 1.0) -> list[Row]:
    """A suspect, by every reading of it. Each value is log10 of the bound on the error, 0 at most."""
    asked = student.replace("student", "said").replace(".pt", f"-{temperature}.npy")
    lab.make(_answering(lab, asked, student, "asked.npy", 400, temperature=temperature))
    seed = "5e" * 32
    replies = documents(lab.rows(asked).tolist(), lab.rows("asked.npy").tolist())
    prompts = material_digest(prompts_of(replies))
    first = issued == f"issued-{lab.scale.profiles[0]}-0.npy" and not case.startswith("attack")
    decoys = lab.scale.decoys if first else min(DECOYS, lab.scale.decoys)
    plain = Plan(mark.opening["commitment"], "unmarked prompts", prompts, decoys=decoys, seed=seed)
    closed = trace_answers(plan := plain, plan.digest, mark.opening, replies)
    plan = replace(plain, filter=mark.index.digest, decoys=0, seed="")
    filtered = trace_answers(plan, plan.digest, mark.opening, replies, mark.index)
    found = [
        Row(case, "closed: answers, bound", closed.log10_error, "log10", None, closed.windows),
        Row(case, "closed: among decoy keys", math.log10(closed.decoy_p or 1.0), "log10",
            f"{math.log10(closed.decoy_floor or 1.0):.2f} at least", decoys),
        Row(case, "closed: answers, contexts that were issued", filtered.log10_error, "log10", None, filtered.windows),
    ]  # fmt: skip
    if temperature != 1.0:
        return found
    for kind, name in (("marked texts", issued), ("unmarked texts", "plain-0.npy")):
        texts_of = issued.removesuffix(".npy") if kind == "marked texts" else f"plain-{mark.profile.width}"
        readings = f"read-{student.removesuffix('.pt')}-{texts_of}.parquet"
        lab.make({"do": "read", "model": student, "rows": name, "width": mark.profile.width, "top": 32,
                  "out": readings})  # fmt: skip
        seen, read = load_readings(lab.path(readings)), documents(lab.rows(name).tolist())
        issued_only = kind == "marked texts"
        plan = Plan(
            mark.opening["commitment"],
            kind,  # type: ignore[arg-type]
            material_digest(read),
            filter=mark.index.digest if issued_only else "",
            decoys=0,
        )
        result = trace_probabilities(
            plan, plan.digest, mark.opening, read, seen.contexts, seen.candidates, seen.probabilities,
            mark.index if issued_only else None,
        )  # fmt: skip
        label = "open: issued texts read" if issued_only else "open: unmarked texts read"
        found.append(Row(case, label, result.log10_error, "log10", None, result.windows))
    return found


def convergence(lab: Lab) -> list[Row]:
    """A student of the other teacher on the same prompts: as like our teacher as a student of ours, and silent."""
    name = lab.scale.profiles[0]
    slug = f"{name}-0"
    mark = issue(lab, name, slug, "prompts.npy", 200, f"issued-{slug}.npy")
    mixed(lab, "learnt-other.npy", "plain-1.npy", 100)
    lab.make(_training(lab, "student-other.pt", "learnt-other.npy", 300, lab.scale.epochs))
    case = "student of another teacher, same prompts"
    found = held(lab, case, mark, "student-other.pt", f"issued-{slug}.npy")
    likes = {}
    for model in ("teacher-0.pt", "student-other.pt", student_of(slug, 0, 0), student_of(slug, 0, 100)):
        out = f"top-{model.removesuffix('.pt')}.parquet"
        lab.make(
            {"do": "read", "model": model, "rows": "asked-whole.npy", "width": PROMPT, "top": 1, "out": out}
        )
        likes[model] = load_readings(lab.path(out)).candidates[:, 0]
    teacher = likes.pop("teacher-0.pt")
    for model, tops in likes.items():
        percent = 0 if "plain" in model else 100
        label = case if model == "student-other.pt" else f"{name}: {percent} % marked"
        found.append(share(label, "likeness: same likeliest token as the teacher", int((tops == teacher).sum()),
                           len(teacher)))  # fmt: skip
    return found


def null(lab: Lab) -> list[Row]:
    """Keys that each issued answers of their own, against a student that never saw any of them."""
    name, scale = lab.scale.profiles[0], lab.scale
    student = student_of("", 0, 0)
    np.save(lab.path("few.npy"), lab.rows("prompts.npy")[: scale.null_rows])
    asked = lab.rows("said-plain-0-1.0.npy")
    replies = documents(asked.tolist(), lab.rows("asked.npy").tolist())
    prompts = material_digest(prompts_of(replies))
    errors: dict[str, list[float]] = {
        "answers, bound": [],
        "contexts that were issued": [],
        "issued texts read": [],
    }
    for number in range(scale.null_keys):
        rows = f"null-{number}.npy"
        mark = issue(lab, name, f"null-{number}", "few.npy", 1_000 + number, rows)
        plan = Plan(mark.opening["commitment"], "unmarked prompts", prompts, decoys=0)
        result = trace_answers(plan, plan.digest, mark.opening, replies)
        errors["answers, bound"].append(result.log10_p or 0.0)
        plan = replace(plan, filter=mark.index.digest)
        errors["contexts that were issued"].append(
            -trace_answers(plan, plan.digest, mark.opening, replies, mark.index).log10_e
        )
        readings = f"null-{number}.parquet"
        lab.make({"do": "read", "model": student, "rows": rows, "width": mark.profile.width, "top": 32,
                  "out": readings})  # fmt: skip
        seen, read = load_readings(lab.path(readings)), documents(lab.rows(rows).tolist())
        plan = Plan(mark.opening["commitment"], "marked texts", material_digest(read), decoys=0,
                    filter=mark.index.digest)  # fmt: skip
        errors["issued texts read"].append(
            -trace_probabilities(
                plan, plan.digest, mark.opening, read, seen.contexts, seen.candidates, seen.probabilities, mark.index
            ).log10_e
        )  # fmt: skip
    found = []
    for metric, values in errors.items():
        below = int((np.array(values) <= math.log10(LEVEL)).sum())
        found.append(
            share(
                "null: keys that issued", f"{metric}: error at most {LEVEL}", below, len(values), f"{LEVEL}"
            )
        )
        more = float(binom.sf(below - 1, len(values), LEVEL))
        found.append(
            Row("null: keys that issued", f"{metric}: chance of as many", more, "p", "one-sided", len(values))
        )
    return found


def attacks(lab: Lab) -> list[Row]:
    """What a distiller may do to the marked answers, or to the student."""
    name = lab.scale.profiles[0]
    slug = f"{name}-0"
    mark = issue(lab, name, slug, "prompts.npy", 200, f"issued-{slug}.npy")
    found = []
    for case, student in _attacked(lab, slug):
        found += held(lab, f"attack: {case}", mark, student, f"issued-{slug}.npy")
    for temperature in (0.7, 1.3):
        case = f"attack: answers drawn at temperature {temperature}"
        found += held(lab, case, mark, f"student-{slug}-100.pt", f"issued-{slug}.npy", temperature)
    return found


def _attacked(lab: Lab, slug: str) -> Iterator[tuple[str, str]]:
    mixed(lab, "whole.npy", f"issued-{slug}.npy", 100)
    for percent in (25, 50, 100):
        rows, student = f"reworded-{percent}.npy", f"student-reworded-{percent}.pt"
        lab.make({"do": "reworded", "model": "teacher-1.pt", "rows": "whole.npy", "share": percent / 100,
                  "seed": percent, "out": rows})  # fmt: skip
        lab.make(_training(lab, student, rows, 300, lab.scale.epochs))
        yield f"{percent} % of tokens replaced", student
    mixed(lab, "two-teachers.npy", f"issued-{slug}.npy", 50, other="plain-1.npy")
    lab.make(_training(lab, "student-two-teachers.pt", "two-teachers.npy", 300, lab.scale.epochs))
    yield "half of the answers from another teacher", "student-two-teachers.pt"
    tuned = _training(lab, "student-tuned.pt", "part-1.npy", 301, lab.scale.epochs)
    lab.make({**tuned, "from": f"student-{slug}-100.pt"})
    yield "tuned on as much other text", "student-tuned.pt"


def averaged(found: list[Row]) -> list[Row]:
    """Rows of several seeds as one: the median, with the least and the greatest."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        grouped.setdefault((row.case, row.metric), []).append(row)
    merged = []
    for rows in grouped.values():
        values = sorted(row.value for row in rows)
        one = replace(rows[0], value=float(np.median(values)))
        merged.append(one if len(rows) == 1 else replace(one, low=values[0], high=values[-1]))
    return merged


def main() -> None:
    """Parses, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the models")
    given = parser.parse_args()
    if not PYTHON.exists():
        parser.error("expected the environment with torch; run: tools/setup.sh marks")
    rows = run(SCALES[given.scale], OUT / f"radioactivity-{given.scale}", given.threads)
    show(rows)
    print(f"\nwritten to {write('radioactivity', rows)}")


if __name__ == "__main__":
    main()
