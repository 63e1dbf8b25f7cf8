"""``stillhunt mark`` from key to finding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from stillhunt.cli.main import app
from stillhunt.cli.mark import power_of_ten
from stillhunt.errors import StillhuntError
from stillhunt.marks.embed import answers
from stillhunt.marks.keys import KeyPath, load_key
from stillhunt.marks.profile import PRESETS
from stillhunt.marks.schemes import scheme_of
from stillhunt.marks.synthid import SynthId, sampling_table
from stillhunt.schema.findings import Finding


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["mark", *map(str, arguments)])


def failed(*arguments: object) -> str:
    """What an unusable call says; ``main`` turns such an error into exit status 2."""
    result = run(*arguments)
    assert isinstance(result.exception, StillhuntError), result.output
    return str(result.exception)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A key, commitments to four buckets, answers marked for bucket 2 with one bad row, and unmarked ones."""
    assert run("key", "--out", tmp_path / "mark.key").exit_code == 0
    made = run(
        "commit",
        "--key",
        tmp_path / "mark.key",
        "--epoch",
        "e1",
        "--buckets",
        4,
        "--out",
        tmp_path / "c.jsonl",
    )
    assert made.exit_code == 0, made.output
    key = load_key(tmp_path / "mark.key")
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (300, 300))
    scheme = scheme_of(PRESETS["vllm"], key.subkey(KeyPath("answers", "e1", "2")))
    for name, marked in (("marked", scheme), ("plain", None)):
        rows = answers(lambda sofar: logits[[row[-1] if row else 0 for row in sofar]], 1, 300, marked, rng)
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"token_ids": row}) + "\n" for row in rows)
        )
    return tmp_path


def detect(folder: Path, name: str, *more: object) -> dict[str, Any]:
    result = run(
        "detect",
        folder / name,
        "--key",
        folder / "mark.key",
        "--commitments",
        folder / "c.jsonl",
        "--json",
        *more,
    )
    assert result.exit_code in (0, 3), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_bucket_that_marked_is_found_and_no_other(folder: Path) -> None:
    tests = detect(folder, "marked.jsonl")["tests"]
    assert tests[0]["evidence"]["bucket"] == "2"
    assert tests[0]["evidence"]["log10_p_corrected"] < -10
    assert tests[0]["evidence"]["log10_p_corrected"] == pytest.approx(
        tests[0]["evidence"]["log10_p"] + np.log10(4)
    )
    assert all(test["evidence"]["log10_p"] > -4 for test in tests[1:])
    assert all(test["evidence"]["log10_p"] > -4 for test in detect(folder, "plain.jsonl")["tests"])


def test_findings_are_written_and_read_back(folder: Path) -> None:
    detect(folder, "marked.jsonl", "--out", folder / "findings.jsonl")
    written = [Finding.from_json(line) for line in (folder / "findings.jsonl").read_text().splitlines()]
    assert len(written) == 4
    assert written[0].evidence["rung"] == "A"
    assert written[0].null == "The text was chosen without knowledge of the key."
    assert written[0].evidence["commitment"] in (folder / "c.jsonl").read_text()
    secrets = load_key(folder / "mark.key").subkey(KeyPath("answers", "e1", "2")).secret.hex()
    assert secrets not in (folder / "findings.jsonl").read_text()
    assert "exists" in failed(
        "detect", folder / "marked.jsonl", "--key", folder / "mark.key", "--commitments", folder / "c.jsonl",
        "--out", folder / "findings.jsonl",
    )  # fmt: skip


def test_an_opening_is_enough_to_test_and_verifies(folder: Path) -> None:
    opened = run(
        "open",
        "--key",
        folder / "mark.key",
        "--commitments",
        folder / "c.jsonl",
        "--bucket",
        2,
        "--out",
        folder / "o.json",
    )
    assert opened.exit_code == 0, opened.output
    assert (folder / "o.json").stat().st_mode & 0o777 == 0o600
    assert run("verify", folder / "o.json", "--commitments", folder / "c.jsonl").exit_code == 0
    result = run(
        "detect", folder / "marked.jsonl", "--opening", folder / "o.json", "--json", "--each", "--stretches"
    )
    assert result.exit_code == 0, result.output
    (test,) = json.loads(result.stdout)["tests"]
    assert test["evidence"]["log10_p"] < -10
    assert test["each"][0]["log10_p"] == pytest.approx(test["evidence"]["log10_p"])
    assert test["stretches"][0]["end"] - test["stretches"][0]["start"] > 250


def test_what_does_not_verify_says_so_with_status_1(folder: Path) -> None:
    run(
        "open",
        "--key",
        folder / "mark.key",
        "--commitments",
        folder / "c.jsonl",
        "--bucket",
        2,
        "--out",
        folder / "o.json",
    )
    opening = json.loads((folder / "o.json").read_text())
    (folder / "o.json").write_text(json.dumps({**opening, "epoch": "e2"}))
    result = run("verify", folder / "o.json")
    assert result.exit_code == 1
    assert "does not verify" in result.output
    assert "does not give its commitment" in failed(
        "detect", folder / "marked.jsonl", "--opening", folder / "o.json"
    )
    (folder / "o.json").write_text(json.dumps(opening))
    (folder / "others.jsonl").write_text((folder / "c.jsonl").read_text().splitlines()[0] + "\n")
    result = run("verify", folder / "o.json", "--commitments", folder / "others.jsonl")
    assert result.exit_code == 1
    assert "not among the published" in result.output


def test_people_see_a_table(folder: Path) -> None:
    result = run(
        "detect",
        folder / "marked.jsonl",
        "--key",
        folder / "mark.key",
        "--commitments",
        folder / "c.jsonl",
        "--each",
    )
    assert result.exit_code == 0
    assert "p × 4 keys" in result.output
    assert "marked.jsonl:1: p" in result.output.replace("\n", "")


def test_bad_rows_are_skipped_with_status_3(folder: Path) -> None:
    with (folder / "marked.jsonl").open("a") as file:
        file.write('{"token_ids": [-1]}\n')
    result = run(
        "detect", folder / "marked.jsonl", "--key", folder / "mark.key", "--commitments", folder / "c.jsonl"
    )
    assert result.exit_code == 3
    assert "row 2" in " ".join(result.output.split())
    assert detect(folder, "marked.jsonl")["skipped"][0]["row"] == 2


def test_an_engines_own_key_is_taken_from_a_file(folder: Path) -> None:
    (folder / "engine.key").write_text("42\n")
    result = run(
        "detect",
        folder / "plain.jsonl",
        "--engine-key",
        folder / "engine.key",
        "--unique",
        "context",
        "--json",
    )
    assert result.exit_code == 0, result.output
    (test,) = json.loads(result.stdout)["tests"]
    assert test["evidence"]["profile"]["scheme"] == "gumbel"
    assert "one 64-bit key" in failed(
        "detect", folder / "plain.jsonl", "--engine-key", folder / "engine.key", "--profile", "sglang-dual"
    )
    (folder / "engine.key").write_text("forty-two")
    assert "one whole number" in failed(
        "detect", folder / "plain.jsonl", "--engine-key", folder / "engine.key"
    )


def test_synthids_own_keys_are_a_list(folder: Path) -> None:
    scheme = SynthId((654, 400, 836, 123, 340, 443, 597, 160, 57, 29), 4, sampling_table(65536, 0))
    logits = np.random.default_rng(5).normal(0, 1, (300, 300))
    rng = np.random.default_rng(6)
    (row,) = answers(lambda made: logits[[one[-1] if one else 0 for one in made]], 1, 400, scheme, rng)
    (folder / "synthid.jsonl").write_text(json.dumps({"token_ids": row}) + "\n")
    (folder / "keys.json").write_text(json.dumps(list(scheme.keys)))
    call = (
        "detect",
        folder / "synthid.jsonl",
        "--engine-key",
        folder / "keys.json",
        "--profile",
        "transformers-synthid",
    )
    result = run(*call, "--json")
    assert result.exit_code == 0, result.output
    (test,) = json.loads(result.stdout)["tests"]
    assert test["evidence"]["log10_p"] < -10
    assert test["evidence"]["log10_e"] is None
    assert test["evidence"]["profile"]["depth"] == 10
    assert run(*call).exit_code == 0
    (folder / "keys.json").write_text("[1.5]")
    assert "JSON list" in failed(*call)


def test_calls_that_cannot_work_say_what_to_do(folder: Path) -> None:
    key, commitments, text = folder / "mark.key", folder / "c.jsonl", folder / "plain.jsonl"
    assert "exactly one way" in failed("detect", text)
    assert "exactly one way" in failed("detect", text, "--key", key, "--engine-key", key)
    assert "belong together" in failed("detect", text, "--key", key)
    assert "tuple or context" in failed(
        "detect", text, "--key", key, "--commitments", commitments, "--unique", "none"
    )
    assert "never replaced" in failed("commit", "--key", key, "--epoch", "e1", "--out", commitments)
    assert "never replaced" in failed("key", "--out", key)
    assert "expected one of" in failed(
        "commit", "--key", key, "--epoch", "e1", "--profile", "x", "--out", folder / "d"
    )
    assert "name=value" in failed(
        "commit", "--key", key, "--epoch", "e", "--set", "width", "--out", folder / "d"
    )
    assert "1 to 64" in failed(
        "commit", "--key", key, "--epoch", "e", "--set", "width=0", "--out", folder / "d"
    )
    assert "found 4" not in failed("open", "--key", key, "--commitments", commitments, "--out", folder / "o")
    run("key", "--out", folder / "other.key")
    assert "not made under key" in failed(
        "detect", text, "--key", folder / "other.key", "--commitments", commitments
    )
    commitments.write_text("{}\n")
    assert "stillhunt-mark-commitment/1" in failed("detect", text, "--key", key, "--commitments", commitments)


def test_a_plan_names_the_windows_needed() -> None:
    result = run("plan", "--lift", "0.05", "--p", "1e-10", "--json")
    assert result.exit_code == 0
    assert 3_000 < json.loads(result.stdout)["windows"] < 6_000
    assert "distinct windows" in run("plan", "--lift", "0.2", "--profile", "vllm").output
    assert "no plan" in failed("plan", "--lift", "0.2", "--profile", "transformers-synthid")


@pytest.mark.parametrize(
    ("log10", "text"),
    [(0.0, "1"), (-0.3, "0.501"), (-12.5, "3.2e-13"), (-400.25, "5.6e-401"), (20.0, "1.0e20")],
)
def test_powers_of_ten_are_written_beyond_floats(log10: float, text: str) -> None:
    assert power_of_ten(log10) == text
