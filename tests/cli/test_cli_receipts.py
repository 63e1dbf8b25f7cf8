"""``stillhunt receipts`` from the shell's side: what it prints and how it exits."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from receipts.receipt_scene import NAME, Scene, request_bytes, response_bytes
from stillhunt.cli.main import app, main
from stillhunt.receipts.keys import read_keys
from stillhunt.receipts.tiles import read_latest

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        got = CliRunner().invoke(app, ["receipts", *arguments])
        return got.exit_code, got.output

    return call


@pytest.fixture
def scene(run: Run, tmp_path: Path) -> Scene:
    """A store with five logged receipts of ``acme``, the trust file, and the receipts as a file."""
    code, trust = run("keygen", "--keys", "issuer.json", "--name", NAME)
    assert code == 0
    (tmp_path / "trust.txt").write_text(trust)
    scene = Scene(tmp_path / "store", read_keys(tmp_path / "issuer.json"))
    scene.clock.ms = 4_000_000_000_000
    documents = scene.logged(range(5))
    (tmp_path / "receipts.jsonl").write_text("".join(one.encode() + "\n" for one in documents))
    (tmp_path / "one.json").write_text(documents[2].encode())
    (tmp_path / "request").write_bytes(request_bytes(2))
    (tmp_path / "response").write_bytes(response_bytes(2))
    return scene


def test_one_receipt(run: Run, scene: Scene, tmp_path: Path) -> None:
    code, said = run(
        "verify", "one.json", "--trust", "trust.txt", "--request", "request", "--response", "response"
    )
    assert (code, "commits to this request and response; entry 2 of the log" in said) == (0, True)
    code, said = run("verify", "one.json", "--trust", "trust.txt", "--json")
    told = json.loads(said)
    assert (code, told["verified"], told["index"], told["response"]) == (0, True, 2, False)
    code, said = run("verify", "one.json", "--trust", "trust.txt", "--response", "request")
    assert (code, "does not verify: step 5: the receipt does not commit to these" in said) == (1, True)
    code, said = run("verify", "one.json", "--trust", "trust.txt", "--response", "request", "--json")
    assert (code, json.loads(said)["verified"], json.loads(said)["step"]) == (1, False, 5)


def test_a_promise_and_a_recorded_stream(run: Run, scene: Scene, tmp_path: Path) -> None:
    vectors = json.loads((Path(__file__).parents[2] / "spec" / "vectors" / "receipts.json").read_text())
    (tmp_path / "vectors.txt").write_text(vectors["trust"])
    stream = next(row for row in vectors["receipts"] if row["name"] == "stream, as recorded")
    (tmp_path / "answer.sse").write_bytes(base64.b64decode(stream["response"]))
    code, said = run("verify", "answer.sse", "--trust", "vectors.txt", "--promise")
    assert (code, "commits to this response; a promise, not in the log yet" in said) == (0, True)
    code, said = run("verify", "answer.sse", "--trust", "vectors.txt")
    assert (code, "it is a promise" in said, "to do: Ask for it again" in said) == (1, True, True)
    (tmp_path / "cut.sse").write_bytes(base64.b64decode(stream["response"]).replace(b"[DONE]", b"[done]"))
    assert run("verify", "cut.sse", "--trust", "vectors.txt", "--promise")[0] == 1


def test_a_chain(run: Run, scene: Scene, tmp_path: Path) -> None:
    code, said = run("chain", "receipts.jsonl", "--trust", "trust.txt")
    assert (code, "5 receipts, numbers 1 to 5, none missing" in said) == (0, True)
    code, said = run("chain", "acme", "--store", "store", "--keys", "issuer.json", "--json")
    assert (code, json.loads(said)["last"]) == (0, 5)
    lines = (tmp_path / "receipts.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "gap.jsonl").write_text("".join(lines[:2] + lines[3:]))
    code, said = run("chain", "gap.jsonl", "--trust", "trust.txt")
    assert (code, "step 12: 1 receipts are missing between number 2 and number 4" in said) == (1, True)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, line in enumerate(lines):
        (folder / f"{number}.json").write_text(line)
    assert run("chain", "folder", "--trust", "trust.txt")[0] == 0
    (folder / "x.json").write_text("nonsense")
    code, said = run("chain", "folder", "--trust", "trust.txt")
    assert (code, "x.json, line 1" in said.replace("\n", "")) == (1, True)


def test_a_log(run: Run, scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "old").write_text(read_latest(scene.issuer.log_folder).encode())
    scene.logged(range(5, 300))
    everything = (
        "--since",
        "old",
        "--receipts",
        "receipts.jsonl",
        "--store",
        "store",
        "--keys",
        "issuer.json",
    )
    code, said = run("audit", "store/log", "--trust", "trust.txt", *everything)
    assert (code, "300 entries hold; 1 older checkpoints" in said, "5 receipts stand" in said) == (
        0,
        True,
        True,
    )
    (tmp_path / "store" / "log" / "tile" / "0" / "000").write_bytes(bytes(8192))
    code, said = run("audit", "store/log", "--trust", "trust.txt", "--json")
    assert (code, json.loads(said)["step"]) == (1, 16)


def test_erasing_and_rotating(run: Run, scene: Scene, tmp_path: Path) -> None:
    receipt_id = json.loads((tmp_path / "one.json").read_text())["receipt"]["id"]
    code, said = run("erase", receipt_id, "--store", "store", "--keys", "issuer.json")
    assert (code, "erased the nonce" in said) == (0, True)
    document = scene.issuer.document(receipt_id)
    assert document is not None
    assert "nonce" not in document.opening
    code, said = run("cose", receipt_id, "--store", "store", "--keys", "issuer.json", "--out", "receipt.cose")
    assert (code, (tmp_path / "receipt.cose").read_bytes()[:2]) == (0, b"\xd2\x84")
    code, said = run("keygen", "--keys", "issuer.json", "--rotate")
    assert (code, said.count("receipt-key"), said.count(" until ")) == (0, 2, 1)
    assert run("trust", "--keys", "issuer.json") == (0, said)


def test_a_void(run: Run, scene: Scene, tmp_path: Path) -> None:
    lost = scene.issuer._stored.secrets.receipt_id(1, 99).hex()
    (tmp_path / "void.json").write_text(scene.issuer.void(lost))
    code, said = run("void", "void.json", "--trust", "trust.txt")
    assert (code, f"the id {lost} is void" in said) == (0, True)
    assert run("verify", "void.json", "--trust", "trust.txt")[0] == 1
    code, said = run("void", "one.json", "--trust", "trust.txt", "--json")
    assert (code, json.loads(said)["step"]) == (1, 1)


def test_the_page_is_one_file(run: Run, tmp_path: Path) -> None:
    assert run("page", "--out", "verify.html")[0] == 0
    assert "<title>" in (tmp_path / "verify.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["verify", "none.json", "--trust", "trust.txt"], "cannot read this file"),
        (["verify", "one.json", "--trust", "one.json"], "expected one of receipt-key, log"),
        (["chain", "receipts.jsonl"], "expected --trust, or --store and --keys"),
        (["chain", "nobody", "--store", "store", "--keys", "issuer.json"], "'nobody' has none"),
        (["audit", "store/log", "--trust", "trust.txt", "--store", "store"], "--store and --keys together"),
        (["erase", "00", "--store", "store", "--keys", "issuer.json"], "expected the id of a logged receipt"),
        (["keygen", "--keys", "issuer.json", "--name", NAME], "a key file is there already"),
        (["keygen", "--keys", "new.json"], "expected either --name for new keys or --rotate"),
        (["keygen", "--keys", "new.json", "--name", "a b"], "expected a name of ASCII"),
        (["page", "--out", "one.json"], "the output exists"),
    ],
)
def test_unusable_input_ends_with_2_and_says_what_to_do(
    arguments: list[str],
    problem: str,
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["stillhunt", "receipts", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr().err
    assert (caught.value.code, problem in " ".join(said.split())) == (2, True), said


def test_a_log_is_copied_and_audited_where_its_copy_lies(run: Run, scene: Scene, tmp_path: Path) -> None:
    to = (tmp_path / "public").as_uri()
    code, said = run("mirror", "store/log", to)
    assert (code, "5 entries, 5 of them new; 3 files sent" in said) == (0, True)
    code, said = run("mirror", "store/log", to, "--json")
    assert (code, json.loads(said)) == (0, {"size": 5, "before": 5, "files": 0, "bytes": 0})
    code, said = run("audit", to, "--trust", "trust.txt", "--receipts", "receipts.jsonl")
    assert (code, "5 entries hold; 5 receipts stand where they say" in said) == (0, True)
    (tmp_path / "public" / "tile" / "0" / "000.p" / "5").write_bytes(bytes(160))
    code, said = run("audit", to, "--trust", "trust.txt")
    assert (code, "does not verify: step 16" in said) == (1, True)
