"""A registry is whole or not there; what was damaged is refused; what is entered twice is entered once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from issued_texts import KEY, answers, issued, registry_of

from stillhunt.errors import InputError, OutputError, SettingError
from stillhunt.trace.registry.build import write_registry
from stillhunt.trace.registry.files import (
    ARRAYS,
    MANIFEST,
    check_digests,
    load_arrays,
    load_names,
    open_registry,
)
from stillhunt.trace.registry.lookup import look_up

TEXTS = answers(120)


def seen(path: Path) -> list[str]:
    """Every name in a folder, with digests of what the files hold."""
    return sorted(f"{one.relative_to(path)} {one.stat().st_size}" for one in path.rglob("*"))


def test_a_registry_reads_as_it_was_written(tmp_path: Path) -> None:
    made = registry_of(tmp_path / "r", TEXTS)
    opened = open_registry(tmp_path / "r")
    assert opened == made
    assert (opened.texts, opened.entries, opened.key_ids, opened.inputs) == (
        120,
        120,
        (KEY.key_id,),
        ("one",),
    )
    assert check_digests(opened) == []
    (segment,) = opened.segments
    arrays = load_arrays(opened, segment)
    assert arrays.receipts is None
    assert arrays.chars.tolist() == [len(text) for text in TEXTS]
    assert load_names(opened, segment).take(pa.array(arrays.accounts)).to_pylist() == [
        f"a-{i}" for i in range(120)
    ]
    assert (segment.last - segment.first).total_seconds() == 119 * 60


def test_an_entry_takes_at_most_128_bytes_with_its_receipt(tmp_path: Path) -> None:
    texts = answers(4_000)
    receipts = [bytes([1 + i % 255]) * 16 for i in range(4_000)]
    made = write_registry(
        tmp_path / "r",
        [("k", [issued(texts, [f"a-{i % 100}" for i in range(4_000)], receipts=receipts)])],
        ["one"],
    )
    fixed = sum(facts.bytes for name, facts in made.segments[0].files.items() if name == "counts.bin")
    assert (made.bytes_on_disk - fixed) / made.entries <= 128


def test_segments_answer_as_one(tmp_path: Path) -> None:
    one = registry_of(tmp_path / "one", TEXTS)
    many = registry_of(tmp_path / "many", TEXTS, limit=50)
    assert [segment.entries for segment in many.segments] == [50, 50, 20]
    asked = pa.array(TEXTS[::7])
    pairs = [
        {(row["row"], row["account_id"]) for row in look_up(each, asked, [KEY]).issuings.to_pylist()}
        for each in (one, many)
    ]
    assert pairs[0] == pairs[1] == {(i, f"a-{7 * i}") for i in range(len(asked))}


def test_a_text_is_kept_once_however_often_it_is_issued(tmp_path: Path) -> None:
    batch = issued([TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[0]], ["a", "b", "c", "a"])
    made = write_registry(tmp_path / "r", [("k", [batch, batch])], ["one"])
    assert (made.texts, made.entries) == (2, 4)  # the second time nothing is new
    arrays = load_arrays(made, made.segments[0])
    assert np.diff(arrays.starts).tolist() == [3, 1]
    assert load_names(made, made.segments[0]).take(pa.array(arrays.accounts)).to_pylist() == [
        "a",
        "a",
        "c",
        "b",
    ]


def test_two_receipts_for_one_text_account_and_second_are_two_entries(tmp_path: Path) -> None:
    batch = issued([TEXTS[0]], ["a"], receipts=[b"1" * 16])
    other = issued([TEXTS[0]], ["a"], receipts=[b"2" * 16])
    made = write_registry(tmp_path / "r", [("k", [batch, other, batch])], ["one"])
    receipts = load_arrays(made, made.segments[0]).receipts
    assert receipts is not None
    assert {bytes(one) for one in receipts} == {b"1" * 16, b"2" * 16}


def test_adding_leaves_what_is_there_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "r"
    registry_of(path, TEXTS[:100])
    before = seen(path / "segment-000000")
    added = write_registry(path, [("k-2", [issued(TEXTS[100:], first=100)])], ["two"], append=True)
    assert [(one.path, one.key_id) for one in added.segments] == [
        ("segment-000000", "k-test"),
        ("segment-000001", "k-2"),
    ]
    assert seen(path / "segment-000000") == before
    assert added.inputs == ("one", "two")
    assert open_registry(path) == added
    with pytest.raises(OutputError, match="holds a part of this input"):
        write_registry(path, [("k-2", [issued(TEXTS[:1])])], ["two", "three"], append=True)
    assert open_registry(path) == added


def test_what_a_killed_run_put_beside_goes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "r"
    registry_of(path, TEXTS)
    (path / "segment-000007").mkdir()
    (path / "segment-000007" / "codes.bin").write_bytes(b"half")
    added = write_registry(path, [("k-2", [issued(TEXTS[:3])])], ["two"], append=True)
    assert [one.path for one in added.segments] == ["segment-000000", "segment-000001"]
    assert not (path / "segment-000007").exists()


def failing() -> Iterator[pa.RecordBatch]:
    yield issued(TEXTS[:10])
    raise InputError("the lake broke off")


@pytest.mark.parametrize("append", [False, True])
def test_a_run_that_fails_leaves_everything_as_it_was(tmp_path: Path, append: bool) -> None:
    path = tmp_path / "r"
    if append:
        registry_of(path, TEXTS)
    before = seen(tmp_path)
    with pytest.raises(InputError, match="broke off"):
        write_registry(path, [("k", failing())], ["two"], append=append, segment_entries=5)
    assert seen(tmp_path) == before


_KILLED = """
import sys, os, signal
from pathlib import Path
sys.path.insert(0, {here!r})
from issued_texts import TEXTS_OF_KILLED, issued
from stillhunt.trace.registry.build import write_registry
def batches():
    yield issued(TEXTS_OF_KILLED[:20])
    print("killed now", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    yield issued(TEXTS_OF_KILLED[20:])
write_registry(Path({path!r}), [("k", batches())], ["two"], append={append}, segment_entries=10)
"""


@pytest.mark.parametrize("append", [False, True])
def test_a_run_that_is_killed_leaves_the_registry_as_it_was(tmp_path: Path, append: bool) -> None:
    path = tmp_path / "r"
    if append:
        registry_of(path, TEXTS)
    code = _KILLED.format(here=str(Path(__file__).parent), path=str(path), append=append)
    code = code.replace("TEXTS_OF_KILLED, issued", "answers, issued\nTEXTS_OF_KILLED = answers(30)")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    if append:
        assert open_registry(path).inputs == ("one",)
    else:
        assert not path.exists()
    again = write_registry(path, [("k", [issued(TEXTS[:5])])], ["two"], append=True)
    assert open_registry(path) == again
    assert not list(tmp_path.glob(".r.*"))


def test_two_runs_cannot_write_one_registry(tmp_path: Path) -> None:
    path = tmp_path / "r"
    registry_of(path, TEXTS)

    def batches() -> Iterator[pa.RecordBatch]:
        with pytest.raises(OutputError, match="another run"):
            write_registry(path, [("k", [issued(TEXTS[:1])])], ["three"], append=True)
        yield issued(TEXTS[:2])

    assert write_registry(path, [("k", batches())], ["two"], append=True).inputs == ("one", "two")


def test_an_existing_registry_is_not_replaced_unasked(tmp_path: Path) -> None:
    registry_of(tmp_path / "r", TEXTS)
    with pytest.raises(OutputError, match="not empty"):
        registry_of(tmp_path / "r", TEXTS)


def test_nothing_to_enter_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        write_registry(tmp_path / "r", [("k", [])], ["one"])
    assert not (tmp_path / "r").exists()


def test_batches_of_another_schema_are_refused(tmp_path: Path) -> None:
    batch = issued(TEXTS[:2])
    with pytest.raises(InputError, match="sketch, chars, account_id"):
        write_registry(tmp_path / "r", [("k", [batch.drop_columns(["time"])])], ["one"])
    with pytest.raises(InputError, match="account_id"):
        write_registry(tmp_path / "r", [("k", [issued(TEXTS[:1], accounts=[None])])], ["one"])  # type: ignore[list-item]
    with pytest.raises(SettingError, match="entries in a segment"):
        write_registry(tmp_path / "r", [("k", [batch])], ["one"], segment_entries=1 << 23)


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def _remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [_cut_off, _remove])
@pytest.mark.parametrize("name", [*(f"{name}.bin" for name in ARRAYS if name != "receipts"), "names.parquet"])
def test_a_file_that_is_short_or_gone_is_named(
    tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    registry_of(tmp_path / "r", TEXTS)
    harm(tmp_path / "r" / "segment-000000" / name)
    with pytest.raises(InputError, match="bytes") as caught:
        open_registry(tmp_path / "r")
    assert name in caught.value.where


@pytest.mark.parametrize("name", [*(f"{name}.bin" for name in ARRAYS if name != "receipts"), "names.parquet"])
def test_a_changed_file_never_crashes_a_look_up_and_its_digest_tells(tmp_path: Path, name: str) -> None:
    """Whatever stands in a damaged file: a look-up raises InputError or answers, and `check` finds it."""
    registry_of(tmp_path / "r", TEXTS)
    file = tmp_path / "r" / "segment-000000" / name
    whole = file.read_bytes()
    random = np.random.default_rng(1)
    for trial in range(12):
        harmed = bytearray(whole)
        if trial < 8:
            for at in random.integers(0, len(whole), 40):
                harmed[at] ^= random.integers(1, 256)
        else:
            harmed[:] = random.bytes(len(whole))
        file.write_bytes(harmed)
        registry = open_registry(tmp_path / "r")
        assert len(check_digests(registry)) == 1
        try:
            look_up(registry, pa.array(TEXTS), [KEY])
        except InputError as error:
            assert "segment-000000" in error.where  # noqa: PT017 - either is right


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda fields: fields.update(format="stillhunt-registry/9"), "expected the registry format"),
        (lambda fields: fields.pop("segments"), "a field is missing"),
        (lambda fields: fields["segments"][0].update(path="../r"), "lies outside"),
        (
            lambda fields: fields["segments"][0]["files"].update({"/etc/passwd": {"bytes": 1, "sha256": ""}}),
            "outside",
        ),
        (lambda fields: fields["segments"][0].update(texts="many"), "a field is missing"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    tmp_path: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    registry_of(tmp_path / "r", TEXTS)
    manifest = tmp_path / "r" / MANIFEST
    fields = json.loads(manifest.read_text())
    change(fields)
    manifest.write_text(json.dumps(fields))
    with pytest.raises(InputError, match=said):
        open_registry(tmp_path / "r")


def test_no_registry_and_no_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a registry"):
        open_registry(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(InputError, match="JSON"):
        open_registry(tmp_path)


def test_a_registry_holds_no_text(tmp_path: Path) -> None:
    registry_of(tmp_path / "r", TEXTS)
    words = {word.encode() for text in TEXTS[:20] for word in text.split(" ") if len(word) > 6}
    assert len(words) > 100
    held = b"".join(path.read_bytes() for path in (tmp_path / "r").rglob("*") if path.is_file())
    assert not [word for word in words if word in held]
