"""``stillhunt trace`` of models from the shell's side, with the small teacher and its students."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from stillhunt.cli.main import app
from stillhunt.cli.main import run as stillhunt
from stillhunt.marks.keys import SubKey, load_key
from stillhunt.marks.profile import profile_from_json
from stillhunt.marks.reading import read_answers
from stillhunt.marks.schemes import scheme_of
from stillhunt.marks.windows import windows_of
from stillhunt.schema.findings import Finding
from stillhunt.trace.open_weights import Readings, save_readings

from test_radioactivity import TEACHER, VOCABULARY, said, student  # isort: skip

Run = Callable[..., tuple[int, str]]
PROMPTS = 400


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        got = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
        return got.exit_code, got.output

    return call


@pytest.fixture
def students(run: Run, tmp_path: Path) -> dict[str, NDArray[np.float64]]:
    """A key with its commitment and opening, answers issued under it, prompts, and two students: one of the issued
    answers and one of the same teacher's unmarked ones."""
    assert run("mark", "key", "--out", "mark.key")[0] == 0
    settings = ["--set", "width=1", "--set", "delta=3.0"]
    assert run("mark", "commit", "--key", "mark.key", "--epoch", "e1", "--profile", "radioactive", *settings,
               "--out", "c.jsonl")[0] == 0  # fmt: skip
    assert (
        run("mark", "open", "--key", "mark.key", "--commitments", "c.jsonl", "--out", "opening.json")[0] == 0
    )
    record = json.loads(Path("opening.json").read_text())
    assert record["key_id"] == load_key(Path("mark.key")).key_id
    scheme = scheme_of(profile_from_json(record["profile"]), SubKey(bytes.fromhex(record["subkey"])))
    issued, plain = said(TEACHER, 1_000, scheme, 12), said(TEACHER, 1_000, None, 11)
    pq.write_table(pa.table({"token_ids": [[int(t) for t in row] for row in issued]}), "issued.parquet")
    Path("prompts.jsonl").write_text("".join(
        json.dumps({"prompt_token_ids": [1]}) + "\n" for _ in range(PROMPTS)
    ))  # fmt: skip
    return {"copy": student(issued, plain, 1.0), "other": student(issued, plain, 0.0)}


def answered(suspect: NDArray[np.float64], to: Path) -> None:
    rows = said(suspect, PROMPTS, None, 3)
    to.write_text(
        "".join(
            json.dumps({"prompt_token_ids": [1], "token_ids": [int(t) for t in row]}) + "\n" for row in rows
        )
    )


def test_answers_are_held_to_the_plan_that_was_published(
    run: Run, students: dict[str, NDArray[np.float64]], tmp_path: Path
) -> None:
    planned = ["trace", "plan", "prompts.jsonl", "--commitments", "c.jsonl", "--decoys", "199", "--out"]
    code, said_ = run(*planned, "plan.json")
    digest = said_.splitlines()[0]
    assert (code, digest[:7], len(digest)) == (0, "sha256:", 71)
    found = {}
    for name, suspect in students.items():
        answered(suspect, tmp_path / f"{name}.jsonl")
        test = ["trace", "model", f"{name}.jsonl", "--plan", "plan.json", "--published", digest]
        test += ["--opening", "opening.json", "--suspect", name]
        code, said_ = run(*test, "--out", f"{name}.finding.jsonl")
        assert code == 0
        assert "error of the claim, at most" in said_
        assert "(no smaller than 0.005)" in said_
        found[name] = Finding.from_json((tmp_path / f"{name}.finding.jsonl").read_text())
        code, as_json = run(*test, "--json")
        assert json.loads(as_json) == json.loads(found[name].to_json())
    assert found["copy"].evidence["log10_error"] < -40
    assert found["copy"].evidence["decoy_p"] == pytest.approx(0.005)
    assert found["other"].evidence["log10_error"] > -3
    assert found["other"].evidence["decoy_p"] > 0.01
    for one in found.values():
        assert one.evidence["rung"] == "A"
        assert "subkey" not in one.to_json()
        assert one.subject == {"model": "copy" if one is found["copy"] else "other"}


def test_texts_are_read_only_where_they_were_issued(
    run: Run, students: dict[str, NDArray[np.float64]], tmp_path: Path
) -> None:
    code, said_ = run(
        "trace", "index", "issued.parquet", "--opening", "opening.json", "--out", "index.parquet"
    )
    assert (code, "contexts in index.parquet; digest sha256:" in said_) == (0, True)
    plan = ["trace", "plan", "issued.parquet", "--kind", "marked texts", "--commitments", "c.jsonl"]
    code, said_ = run(*plan, "--decoys", "0", "--filter", "index.parquet", "--out", "plan.json")
    digest = said_.splitlines()[0]
    assert code == 0
    texts = read_answers([tmp_path / "issued.parquet"]).texts
    contexts = windows_of(texts, 1, unique="context", context="skip").contexts
    every = np.broadcast_to(np.arange(VOCABULARY, dtype=np.uint32), (len(contexts), VOCABULARY))
    errors = {}
    for name, suspect in students.items():
        save_readings(
            Readings(contexts, every, np.exp(suspect[contexts[:, 0]])), tmp_path / f"{name}.parquet"
        )
        code, said_ = run("trace", "model", "issued.parquet", "--probabilities", f"{name}.parquet", "--plan",
                          "plan.json", "--published", digest, "--opening", "opening.json", "--filter",
                          "index.parquet", "--json")  # fmt: skip
        assert code == 0
        evidence: dict[str, Any] = json.loads(said_)["evidence"]
        assert evidence["log10_p"] is None
        assert evidence["decoy_p"] is None
        errors[name] = evidence["log10_error"]
    assert errors["copy"] < -10
    assert errors["other"] > -2


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (["--published", "sha256:00"], "the plan is not the one whose digest was published"),
        (["--filter", "index.parquet"], "the filter is not that of the plan"),
        (["--plan", "other.json"], "the prompts are not those of the plan"),
        (["--probabilities", "nowhere.parquet", "--plan", "texts.json"], "cannot be used"),
    ],
)
def test_nothing_that_was_not_committed_to_is_tested(
    run: Run,
    students: dict[str, NDArray[np.float64]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: list[str],
    problem: str,
) -> None:
    answered(students["other"], tmp_path / "answers.jsonl")
    run("trace", "index", "issued.parquet", "--opening", "opening.json", "--out", "index.parquet")
    digests = {}
    for name, extra in (("plan", []), ("other", ["--samples", "2"]), ("texts", ["--kind", "marked texts"])):
        files = "issued.parquet" if name == "texts" else "prompts.jsonl"
        code, said_ = run("trace", "plan", files, "--commitments", "c.jsonl", "--decoys", "0", *extra, "--out",
                          f"{name}.json")  # fmt: skip
        assert code == 0
        digests[name] = said_.splitlines()[0]
    given = {"--plan": "plan.json", "--opening": "opening.json"}
    given |= dict(zip(changed[::2], changed[1::2], strict=True))
    given.setdefault("--published", digests[given["--plan"].removesuffix(".json")])
    if problem == "cannot be used":
        (tmp_path / "answers.jsonl").write_text('{"prompt_token_ids": [1]}\n{"token_ids": [1, 2]}\n')
    status = stillhunt(
        ["trace", "model", "answers.jsonl", *(word for pair in given.items() for word in pair)]
    )
    assert status == 2
    assert problem in capsys.readouterr().err


def test_a_plan_is_made_once_and_read_whole(
    run: Run, students: dict[str, NDArray[np.float64]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = ["trace", "plan", "prompts.jsonl", "--commitments", "c.jsonl", "--out", "plan.json"]
    assert run(*plan)[0] == 0
    seeds = json.loads((tmp_path / "plan.json").read_text())["seed"]
    assert len(seeds) == 64
    for change, problem in (
        ([], "a file exists here"),
        (["--epoch", "e2"], "expected one commitment of epoch 'e2'"),
        (["--kind", "rumours"], "expected one of unmarked prompts"),
    ):
        assert stillhunt([*plan, *change]) == 2
        assert problem in capsys.readouterr().err
    content = json.loads((tmp_path / "plan.json").read_text())
    for broken in ({**content, "cap": "16"}, {**content, "more": 1}, []):
        (tmp_path / "broken.json").write_text(json.dumps(broken))
        test = ["trace", "model", "issued.parquet", "--plan", "broken.json", "--published", "x"]
        assert stillhunt([*test, "--opening", "opening.json"]) == 2
        assert "expected" in capsys.readouterr().err
