"""A teacher, its marked answers, and students that count pairs of tokens: small enough to see every claim tested."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from stillhunt.errors import InputError, SettingError
from stillhunt.marks.embed import answers
from stillhunt.marks.evalues import WEIGHTED_TILTS
from stillhunt.marks.keys import KeyPath, commitment_record, master_key, opening_record
from stillhunt.marks.profile import Profile
from stillhunt.marks.schemes import Scheme, scheme_of
from stillhunt.marks.windows import Documents, documents, windows_of
from stillhunt.trace.issuance import issuance_index, load_index
from stillhunt.trace.radioactivity import (
    Plan,
    Result,
    material_digest,
    trace_answers,
    trace_probabilities,
)

VOCABULARY = 120
KEY = master_key(bytes(range(32)))
SEED = "a1" * 32
PROFILES = {
    "green": Profile(scheme="green", width=1, delta=3.0),
    "gumbel": Profile(width=1),
    "gumbel-dual": Profile(scheme="gumbel-dual", width=1),
}
TEACHER = np.random.default_rng(7).normal(0, 1.2, (VOCABULARY, VOCABULARY))


@dataclass(frozen=True)
class Mark:
    """A key's opening, commitment and scheme."""

    opening: dict[str, Any]
    scheme: Scheme

    @property
    def commitment(self) -> str:
        return str(self.opening["commitment"])


def mark(name: str, epoch: str = "e1") -> Mark:
    path = KeyPath("answers", epoch)
    record = commitment_record(KEY, path, PROFILES[name].to_json())
    return Mark(opening_record(KEY, record), scheme_of(PROFILES[name], KEY.subkey(path)))


def said(
    logits: NDArray[np.float64], rows: int, scheme: Scheme | None, seed: int, length: int = 60
) -> list[list[int]]:
    """Answers whose first token is drawn anew for every row, so that equal prompts do not give equal answers."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, VOCABULARY, rows)
    return answers(lambda made: logits[[row[-1] if row else one for row, one in zip(made, first, strict=True)]],
                   rows, length, scheme, rng)  # fmt: skip


def student(
    marked: list[list[int]], other: list[list[int]], share: float, smoothing: float = 0.2
) -> NDArray[np.float64]:
    """Log-probabilities of the next token, from counts of pairs: ``share`` of the rows are marked ones."""
    cut = int(share * len(other))
    counts = np.full((VOCABULARY, VOCABULARY), smoothing)
    for row in marked[:cut] + other[cut:]:
        np.add.at(counts, (row[:-1], row[1:]), 1)
    return np.log(counts / counts.sum(axis=1, keepdims=True))


def closed(
    one: Mark, suspect: NDArray[np.float64], *, rows: int = 500, decoys: int = 0, seed: int = 3
) -> Result:
    """Asks the suspect: prompts of one token without any mark, nothing filtered."""
    replies = documents(said(suspect, rows, None, seed), [[1]] * rows)
    plan = Plan(one.commitment, "unmarked prompts", prompts_digest(replies), decoys=decoys, seed=SEED)
    return trace_answers(plan, plan.digest, one.opening, replies)


def prompts_digest(replies: Documents) -> str:
    return material_digest(
        replace(replies, tokens=replies.tokens[:0], offsets=np.zeros_like(replies.offsets))
    )


def reading(
    one: Mark, suspect: NDArray[np.float64], texts: Documents, kind: Any, *, decoys: int = 0
) -> Result:
    """Reads the texts with the suspect: its probabilities after each context, where it is met first."""
    found = windows_of(texts, 1, unique="context", context="skip")
    contexts = found.contexts
    candidates = np.broadcast_to(np.arange(VOCABULARY, dtype=np.uint32), (len(contexts), VOCABULARY))
    plan = Plan(one.commitment, kind, material_digest(texts), decoys=decoys, seed=SEED)
    return trace_probabilities(
        plan, plan.digest, one.opening, texts, contexts, candidates, np.exp(suspect[contexts[:, 0]])
    )


@pytest.fixture(scope="module")
def plain() -> list[list[int]]:
    return said(TEACHER, 1_000, None, 11)


@pytest.fixture(scope="module", params=list(PROFILES))
def trained(
    request: pytest.FixtureRequest, plain: list[list[int]]
) -> tuple[Mark, dict[float, NDArray[np.float64]]]:
    """A mark, and students that were trained on 0, 10 and 100 % answers that carry it, the rest unmarked by the same
    teacher: what the students of every share have in common is convergence, not the mark."""
    one = mark(request.param)
    marked = said(TEACHER, 1_000, one.scheme, 12)
    return one, {share: student(marked, plain, share) for share in (0.0, 0.1, 1.0)}


def test_answers_of_a_student_show_the_mark_and_of_others_do_not(
    trained: tuple[Mark, dict[float, NDArray[np.float64]]],
) -> None:
    one, students = trained
    full, tenth, none = (closed(one, students[share]) for share in (1.0, 0.1, 0.0))
    assert full.log10_p is not None
    assert tenth.log10_p is not None
    assert none.log10_p is not None
    assert full.log10_p < -40
    assert full.log10_e > 40
    assert full.log10_p < tenth.log10_p < -1
    assert none.log10_p > -3
    assert none.log10_e < 2


def test_probabilities_show_it_on_unmarked_and_on_issued_texts(
    trained: tuple[Mark, dict[float, NDArray[np.float64]]], plain: list[list[int]]
) -> None:
    one, students = trained
    unmarked, issued = documents(plain[:50]), documents(said(TEACHER, 50, one.scheme, 13))
    for texts, kind in ((unmarked, "unmarked texts"), (issued, "marked texts")):
        full, none = reading(one, students[1.0], texts, kind), reading(one, students[0.0], texts, kind)
        assert full.log10_e > 10
        assert none.log10_e < 2
        assert (full.log10_p is None) == (kind == "marked texts")


def test_decoys_stand_at_their_floor_for_a_student_and_spread_for_others(plain: list[list[int]]) -> None:
    one = mark("green")
    full = student(said(TEACHER, 1_000, one.scheme, 12), plain, 1.0)
    found = closed(one, full, rows=100, decoys=199)
    assert found.decoy_p == found.decoy_floor == 1 / 200
    honest = student([], plain, 0.0)
    ranks = [closed(mark("green", f"e{i}"), honest, rows=40, decoys=19, seed=i).decoy_p for i in range(60)]
    assert sum(one is not None and one <= 0.1 for one in ranks) <= 14  # 6 expected, 14 at 1 in 1,000
    assert sum(one is not None and one > 0.5 for one in ranks) >= 18


@pytest.mark.parametrize("name", ["green", "gumbel"])
def test_over_issuing_keys_nothing_is_claimed_of_a_model_that_never_saw_the_answers(
    name: str, plain: list[list[int]]
) -> None:
    """200 keys, each re-issuing answers of its own; the student is the same honest one. The bound, the e-value filtered
    to issued contexts, and the e-value on issued texts are below every level no more often than it says."""
    honest = student([], plain, 0.0)
    replies = documents(said(honest, 60, None, 5), [[1]] * 60)
    bound, filtered, read = [], [], []
    for number in range(200):
        one = mark(name, f"issuing {number}")
        issued = documents(said(TEACHER, 10, one.scheme, 1_000 + number, length=40))
        index = issuance_index(issued, one.commitment, 1, pad=one.scheme.pad)
        plan = Plan(one.commitment, "unmarked prompts", prompts_digest(replies), decoys=0)
        bound.append(trace_answers(plan, plan.digest, one.opening, replies).log10_p)
        plan = replace(plan, filter=index.digest)
        result = trace_answers(plan, plan.digest, one.opening, replies, index)
        assert result.log10_p is None
        assert 0 < result.windows < result.windows + result.filtered_out
        filtered.append(-result.log10_e)
        read.append(-reading(one, honest, issued, "marked texts").log10_e)
    for found in (bound, filtered, read):
        for level, most in (
            (0.1, 34),
            (0.05, 21),
            (0.01, 8),
        ):  # each with a chance of 1 in 1,000 at the level itself
            assert sum(one is not None and one <= np.log10(level) for one in found) <= most


def test_a_model_that_repeats_its_marked_prompt_is_not_accused() -> None:
    """Trap: an honest model learns the turns of the prompt it reads, and repeats them."""
    one = mark("gumbel")
    prompts = said(TEACHER, 30, one.scheme, 21)
    replies = [
        said(student([prompt], [prompt], 1.0, 0.001), 1, None, i)[0] for i, prompt in enumerate(prompts)
    ]
    texts, hidden = documents(replies, prompts), documents(replies, [[1]] * 30)
    plan = Plan(one.commitment, "marked prompts", prompts_digest(texts), decoys=0)
    told = trace_answers(plan, plan.digest, one.opening, texts)
    used = {token for prompt in prompts for token in prompt[:-1]}
    assert told.windows == len({pair for row in replies for pair in pairwise(row) if pair[0] not in used})
    assert told.log10_e < 2
    plan = Plan(one.commitment, "unmarked prompts", prompts_digest(hidden), decoys=0)
    assert trace_answers(plan, plan.digest, one.opening, hidden).log10_e > 10


def test_nothing_can_be_changed_after_the_commitment(plain: list[list[int]], tmp_path: Path) -> None:
    one, other = mark("green"), mark("green", "e2")
    replies = documents(plain[:5], [[1]] * 5)
    index = issuance_index(documents(plain[:3]), one.commitment, 1, pad=one.scheme.pad)
    plan = Plan(one.commitment, "unmarked prompts", prompts_digest(replies), filter=index.digest, decoys=0)

    def run(**changes: Any) -> Result:
        given: dict[str, Any] = {
            "plan": plan, "published": plan.digest, "opening": one.opening, "answers": replies, "index": index,
        } | changes  # fmt: skip
        return trace_answers(**given)

    assert run().windows > 0
    for changes, problem in [
        ({"plan": replace(plan, weight="once")}, "published"),
        ({"plan": replace(plan, cap=2)}, "published"),
        ({"answers": documents(plain[:5], [[2]] * 5)}, "prompts are not"),
        ({"opening": {**one.opening, "subkey": "00" * 32}}, "does not give"),
        ({"opening": other.opening}, "another commitment"),
        ({"index": None}, "filter is not"),
        ({"index": replace(index, counts=index.counts + 1)}, "filter is not"),
    ]:
        with pytest.raises(SettingError, match=problem):
            run(**changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"weight": "max"}, "weight"),
        ({"cap": 0}, "cap"),
        ({"kind": "anything"}, "expected one of"),
        ({"decoys": 9, "filter": "sha256:0"}, "exchangeable"),
        ({"decoys": 9, "kind": "marked texts"}, "exchangeable"),
        ({"decoys": 9, "seed": "short"}, "seed"),
    ],
)
def test_plans_that_would_prove_nothing_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        Plan(**({"commitment": "c", "kind": "unmarked prompts", "material": "m", "decoys": 0} | changes))


def test_tables_of_probabilities_must_be_what_they_claim(plain: list[list[int]]) -> None:
    one, texts = mark("green"), documents(plain[:2])
    plan = Plan(one.commitment, "unmarked texts", material_digest(texts), decoys=0)
    contexts, candidates = np.array([[1], [2]], dtype=np.uint32), np.array([[1, 2], [1, 2]], dtype=np.uint32)
    good = np.full((2, 2), 0.5)
    assert trace_probabilities(plan, plan.digest, one.opening, texts, contexts, candidates, good).windows == 4
    for wrong, problem in [
        ((contexts, candidates, good * 2), "add up to at most 1"),
        ((contexts, candidates, -good), "at least 0"),
        ((contexts, candidates[:, :1], good), "as many candidates"),
        ((contexts[[0, 0]], candidates, good), "each context once"),
        ((contexts, candidates[:, [0, 0]], good), "distinct candidates"),
    ]:
        with pytest.raises(SettingError, match=problem):
            trace_probabilities(plan, plan.digest, one.opening, texts, *wrong)
    with pytest.raises(SettingError, match="the plan is for"):
        trace_answers(plan, plan.digest, one.opening, texts)


def test_an_index_is_saved_and_read_back(plain: list[list[int]], tmp_path: Path) -> None:
    made = issuance_index(documents(plain[:20]), "sha256:c", 2, pad=2**32 - 1)
    made.save(tmp_path / "index.parquet")
    read = load_index(tmp_path / "index.parquet")
    assert read.digest == made.digest
    assert made.counts.sum() == 20 * 60
    windows = windows_of(documents(plain[:20]), 2)
    assert (read.count_of(windows.contexts) > 0).all()
    assert read.count_of(np.array([[119, 119]], dtype=np.uint32) + 1).tolist() == [0]
    pq.write_table(pa.table({"context": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="issuance index"):
        load_index(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="cannot read"):
        load_index(tmp_path / "absent.parquet")


def test_the_grid_keeps_every_moment_finite() -> None:
    assert max(WEIGHTED_TILTS) < 1
    assert min(WEIGHTED_TILTS) > 0
