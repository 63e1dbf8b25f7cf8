"""``stillhunt audit`` from the shell's side: what it prints, writes and refuses, and how it exits."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from audit.vendor_scene import Faults, Vendor
from receipts.receipt_scene import fixed_keys
from stillhunt.audit.exchanges import receipt_header
from stillhunt.audit.findings import SCHEMAS
from stillhunt.cli.main import app, run
from stillhunt.receipts.issuer import Issuer
from stillhunt.schema.digests import table_digest
from stillhunt.schema.findings import Finding

Edit = Callable[[Path], None]


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    faults = Faults(swapped=2, dropped=0.01, overbilled=0.02, altered=1)
    return Vendor(tmp_path_factory.mktemp("audit") / "v", 5, 200, 2, faults)


@pytest.fixture
def honest(tmp_path: Path) -> Vendor:
    return Vendor(tmp_path / "honest", 6, 60, 1)


def audit(vendor: Vendor, *more: str) -> tuple[int, str]:
    got = CliRunner().invoke(app, ["audit", *vendor.arguments, "--out", str(vendor.folder / "audit"), *more])
    return got.exit_code, got.output


def found(vendor: Vendor) -> dict[str, Finding]:
    lines = (vendor.folder / "audit" / "findings.jsonl").read_text().splitlines()
    return {one.method: one for one in map(Finding.from_json, lines)}


def test_what_it_prints_and_writes(vendor: Vendor) -> None:
    code, said = audit(vendor, "--overwrite")
    assert code == 1
    assert "model_differs: 2 of 198 receipts name another model" in said
    assert "200 exchanges, 198 with a receipt, 198 answers compared" in said
    out = vendor.folder / "audit"
    told = json.loads((out / "audit.json").read_text())
    assert told["format"] == "stillhunt-audit/1"
    assert len(told["findings"]) == len((out / "findings.jsonl").read_text().splitlines())
    for name, schema in SCHEMAS.items():
        table = pq.read_table(out / "tables" / f"{name}.parquet")
        assert table.schema.equals(schema), name
    for finding in found(vendor).values():
        table = pq.read_table(out / finding.evidence["table"])
        assert finding.evidence["digest"] == table_digest(table)
        assert finding.inputs_digest == told["inputs_digest"]
    standing = {one["name"]: one["standing"] for one in told["checklist"]}
    assert standing["answers arrive unaltered"] == "fails"
    assert standing["usage is watched"] == "not seen"
    assert run(["audit", *vendor.arguments, "--out", str(out)]) == 2  # it is there already


def test_equal_inputs_give_equal_results(vendor: Vendor) -> None:
    audit(vendor, "--overwrite")
    first = (vendor.folder / "audit" / "audit.json").read_bytes()
    page = (vendor.folder / "audit" / "audit.html").read_bytes()
    audit(vendor, "--overwrite")
    assert (vendor.folder / "audit" / "audit.json").read_bytes() == first
    assert (vendor.folder / "audit" / "audit.html").read_bytes() == page


def test_exposure_adds_up(vendor: Vendor) -> None:
    audit(vendor, "--overwrite")
    rows = pq.read_table(vendor.folder / "audit" / "tables" / "exposure.parquet").to_pylist()
    log = [json.loads(line) for line in (vendor.folder / "gateway.jsonl").read_text().splitlines()]
    assert sum(row["exchanges"] for row in rows) == len(log)
    assert sum(row["output_tokens"] for row in rows) == sum(row["output_tokens"] for row in log)
    assert {row["data_class"] for row in rows if row["application"] == "support-bot"} == {"customer data"}
    assert None not in {row["capability"] for row in rows}


def test_a_changed_log_and_a_forged_receipt_are_named(honest: Vendor) -> None:
    (honest.folder / "store" / "log" / "tile" / "0" / "000.p" / "60").write_bytes(bytes(32 * 60))
    lines = (honest.folder / "receipts.jsonl").read_text().splitlines()
    lines[7] = lines[7].replace('"output_tokens":', '"output_tokens":1')
    (honest.folder / "receipts.jsonl").write_text("\n".join(lines) + "\n")
    assert audit(honest)[0] == 1
    finding = found(honest)["receipts_do_not_verify"]
    assert finding.evidence["steps"] == {"step 16": 1, "step 3": 1}
    assert set(found(honest)) == {"receipts_do_not_verify", "tokens_differ"}


def test_a_receipt_that_the_gateway_never_saw_is_listed(honest: Vendor) -> None:
    log = honest.folder / "gateway.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines[:20] + lines[21:]) + "\n")
    receipt = json.loads(lines[20])["receipt_id"]
    assert audit(honest)[0] == 1
    assert found(honest)["receipts_without_exchange"].evidence["receipts"] == [receipt]


def test_what_is_billed_under_another_model_is_too_much_there_and_too_little_here(honest: Vendor) -> None:
    file = honest.folder / "invoice.csv"
    lines = file.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if "example-large-2 output" in line)
    lines[at] = lines[at].replace("example-large-2", "example-small-1")
    file.write_text("\n".join(lines) + "\n")
    assert audit(honest)[0] == 1
    told = json.loads((honest.folder / "audit" / "audit.json").read_text())["findings"]
    shares = {
        one["evidence"]["share"] > 0: one for one in told if one["evidence"]["measure"] == "output_tokens"
    }
    assert shares[True]["evidence"]["groups"][0].startswith("example-small-1")
    assert shares[False]["evidence"]["groups"][0].startswith("example-large-2")
    assert shares[True]["value"] == -shares[False]["value"]


def test_promises_need_a_proof_unless_they_are_accepted(honest: Vendor) -> None:
    lines = [json.loads(line) for line in (honest.folder / "receipts.jsonl").read_text().splitlines()]
    text = "".join(json.dumps({k: v for k, v in one.items() if k != "proof"}) + "\n" for one in lines)
    (honest.folder / "receipts.jsonl").write_text(text)
    assert audit(honest)[0] == 1
    assert found(honest)["receipts_not_logged"].value == 60
    assert audit(honest, "--promise", "--overwrite")[0] == 0


def test_an_answer_that_the_vendor_declared_void_is_not_missing(honest: Vendor) -> None:
    issuer = Issuer(honest.folder / "store", fixed_keys())
    lost = issuer._stored.secrets.receipt_id(1, 99).hex()
    void = issuer.void(lost)
    issuer.close()
    log = honest.folder / "gateway.jsonl"
    row = json.loads(log.read_text().splitlines()[-1])
    row |= {"request_id": "lost", "receipt_id": lost, "input_tokens": 0, "output_tokens": 0}
    with log.open("a") as file:
        file.write(json.dumps(row) + "\n")
    assert audit(honest)[0] == 1
    assert set(found(honest)) == {"receipts_missing"}
    with (honest.folder / "receipts.jsonl").open("a") as file:
        file.write(void + "\n")
    assert audit(honest, "--overwrite")[0] == 0
    told = json.loads((honest.folder / "audit" / "audit.json").read_text())
    assert told["counts"]["void"] == 1


def test_a_chain_goes_on_under_the_next_months_pseudonym(tmp_path: Path) -> None:
    vendor = Vendor(tmp_path / "v", 8, 60, 2, begin=datetime(2026, 11, 30, tzinfo=UTC))
    documents = [json.loads(line) for line in (vendor.folder / "receipts.jsonl").read_text().splitlines()]
    assert len({one["receipt"]["account"] for one in documents}) == 2
    code, _ = audit(vendor)
    told = json.loads((vendor.folder / "audit" / "audit.json").read_text())
    assert (code, told["counts"]["chains"]) == (0, 1)


def test_bodies_may_lie_in_a_folder(honest: Vendor) -> None:
    bodies = honest.folder / "bodies"
    bodies.mkdir()
    rows = [json.loads(line) for line in (honest.folder / "gateway.jsonl").read_text().splitlines()]
    for row in rows:
        (bodies / f"{row['request_id']}.request").write_text(row.pop("request_body"))
        (bodies / f"{row['request_id']}.response").write_text(row.pop("response_body"))
    (honest.folder / "gateway.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, said = audit(honest, "--bodies", str(bodies))
    assert (code, "60 answers compared" in said) == (0, True)
    (bodies / "r-3.response").write_text("{}")
    assert audit(honest, "--bodies", str(bodies), "--overwrite")[0] == 1
    assert set(found(honest)) == {"answers_altered"}


def test_litellm_passes_the_header_on() -> None:
    headers = {"llm_provider-receipt-id": "ab" * 16, "llm_provider-date": "today"}
    record = {"id": "r", "metadata": {}, "hidden_params": {"additional_headers": headers}}
    assert receipt_header(record) == "ab" * 16
    assert receipt_header({"standard_logging_object": record}) == "ab" * 16
    assert receipt_header({"id": "r", "hidden_params": {"additional_headers": None}}) is None


def test_the_log_alone_is_enough(honest: Vendor) -> None:
    got = CliRunner().invoke(
        app, ["audit", str(honest.folder / "gateway.jsonl"), "--out", str(honest.folder / "audit"), "--json"]
    )
    told = json.loads(got.stdout)
    assert (got.exit_code, told["findings"], told["bill"]) == (0, [], None)
    assert {one["standing"] for one in told["checklist"]} == {"not seen"}


def test_an_hour_of_unusual_usage_is_a_finding_with_its_null(tmp_path: Path) -> None:
    draw = random.Random(4)
    begin = datetime(2026, 9, 7, tzinfo=UTC)
    times = [begin + timedelta(hours=draw.uniform(0, 5 * 168)) for _ in range(3000)]
    times += [begin + timedelta(hours=400 + draw.random()) for _ in range(120)]
    rows = [{"time": one.isoformat(), "account_id": "app", "api_key_id": "k", "status": 200} for one in times]
    rows += [{"time": (begin + timedelta(hours=h)).isoformat(), "account_id": "app"} for h in (-2, 842)]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "audit"
    assert CliRunner().invoke(app, ["audit", str(log), "--out", str(out)]).exit_code == 1
    (finding,) = map(Finding.from_json, (out / "findings.jsonl").read_text().splitlines())
    assert (finding.method, finding.role, finding.value) == ("usage_departs", "inferred", 1.0)
    assert finding.null
    (row,) = pq.read_table(out / "tables" / "departures.parquet").to_pylist()
    assert row["hour"] == begin + timedelta(hours=400)
    assert row["value"] > 120
    assert "2026-09-23 16:00" in (out / "audit.html").read_text()


def test_unlike_answers_are_called_weak_evidence(honest: Vendor) -> None:
    pairs = honest.folder / "pairs.jsonl"
    pairs.write_text(
        "".join(json.dumps({"named": f"yes {n}", "service": f"certainly {n}"}) + "\n" for n in range(30))
    )
    assert audit(honest, "--pairs", str(pairs))[0] == 1
    finding = found(honest)["answers_unlike_named_model"]
    assert (finding.role, finding.evidence["strength"]) == ("inferred", "weak")
    assert "weak evidence" in (honest.folder / "audit" / "audit.html").read_text()
    pairs.write_text(
        "".join(json.dumps({"named": f"yes {n}", "service": f"yes {n}"}) + "\n" for n in range(30))
    )
    assert audit(honest, "--pairs", str(pairs), "--overwrite")[0] == 0


def test_the_inputs_digest_holds_what_a_pattern_stands_for(honest: Vendor, tmp_path: Path) -> None:
    log = honest.folder / "gateway.jsonl"
    digests = []
    for text in (log.read_text(), log.read_text().replace("r-3", "r-x")):
        log.write_text(text)
        got = CliRunner().invoke(
            app,
            [
                "audit",
                str(honest.folder / "gate*.jsonl"),
                "--out",
                str(tmp_path / "o"),
                "--json",
                "--overwrite",
            ],
        )
        digests.append(json.loads(got.stdout)["inputs_digest"])
    assert digests[0] != digests[1]


def _broken_receipt(folder: Path) -> None:
    with (folder / "receipts.jsonl").open("a") as file:
        file.write("{}\n")


def _bad_row(folder: Path) -> None:
    with (folder / "gateway.jsonl").open("a") as file:
        file.write('{"time": "yesterday", "account_id": "x"}\n')


def _other_month(folder: Path) -> None:
    file = folder / "invoice.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[-1].replace("2026-11-0", "2026-12-0")]) + "\n")


def _bad_amount(folder: Path) -> None:
    file = folder / "invoice.csv"
    lines = file.read_text().splitlines()
    fields = lines[-1].split(",")
    fields[6] = "many"
    file.write_text("\n".join([*lines, ",".join(fields)]) + "\n")


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (_broken_receipt, "receipts.jsonl, line 61"),
        (_bad_row, "gateway log"),
        (_other_month, "on days that the gateway's log does not touch"),
        (_bad_amount, "ConsumedQuantity: expected a number, got 'many'"),
    ],
)
def test_input_that_was_left_out_is_named_and_exits_with_3(edit: Edit, reason: str, honest: Vendor) -> None:
    edit(honest.folder)
    code, said = audit(honest)
    assert (code, reason in said) == (3, True), said


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (["--receipts", "none.jsonl"], "cannot read the receipts"),
        (["--receipts", "gateway.jsonl"], "expected receipts, one JSON object a line"),
        (["--trust", "gateway.jsonl"], "expected one of receipt-key, log"),
        (["--invoice", "none.csv"], "expected an invoice file"),
        (["--invoice", "trust.txt"], "expected"),
        (["--terms", "none.toml"], "cannot read the terms"),
        (["--pairs", "none.jsonl"], "expected a file of paired answers"),
        (["--since", "trust.txt"], "expected a checkpoint"),
    ],
)
def test_unusable_input_ends_with_2_and_says_what_to_do(
    change: list[str],
    problem: str,
    honest: Vendor,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(honest.folder)
    assert run(["audit", *honest.arguments, "--out", "audit", *change]) == 2
    assert problem in capsys.readouterr().err
    assert not (honest.folder / "audit").exists()


def test_arguments_that_do_not_go_together(honest: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    log = str(honest.folder / "gateway.jsonl")
    out = str(honest.folder / "audit")
    assert run(["audit", log, "--out", out, "--receipts", log]) == 2
    assert "--receipts and --trust together" in capsys.readouterr().err
    assert run(["audit", log, "--out", out, "--log", str(honest.folder)]) == 2
    assert "need --receipts and --trust" in capsys.readouterr().err
    assert run(["audit", log, "--out", str(honest.folder)]) == 2
    assert "would replace an input" in capsys.readouterr().err
