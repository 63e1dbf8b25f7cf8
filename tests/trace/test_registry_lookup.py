"""What a look-up says: copies are found, strangers and short texts are not counted, keys are what they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from issued_texts import KEY, START, answers, edited, issued, registry_of

from stillhunt.errors import InputError
from stillhunt.sketch.keys import SketchKey
from stillhunt.trace.registry.build import write_registry
from stillhunt.trace.registry.files import Registry
from stillhunt.trace.registry.lookup import FALSE_MATCH_RATE, look_up

TEXTS = answers(3_000)
OTHER = SketchKey("k-other", bytes(range(1, 33)))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """3,000 answers in three segments."""
    return registry_of(tmp_path_factory.mktemp("lookup") / "r", TEXTS, limit=1_200)


def found(registry: Registry, texts: list[str]) -> list[set[str]]:
    """The accounts of each text's matches."""
    issuings = look_up(registry, pa.array(texts), [KEY]).issuings.to_pylist()
    return [{one["account_id"] for one in issuings if one["row"] == row} for row in range(len(texts))]


@pytest.mark.parametrize(("part", "recall"), [(0.0, 1.0), (0.1, 0.99), (0.2, 0.85)])
def test_copies_are_found_and_nothing_else(registry: Registry, part: float, recall: float) -> None:
    chosen = range(0, 3_000, 10)
    got = found(registry, [edited(TEXTS[i], part, seed=i) for i in chosen])
    right = [accounts == {f"a-{i}"} for i, accounts in zip(chosen, got, strict=True)]
    assert np.mean(right) >= recall
    assert all(accounts <= {f"a-{i}"} for i, accounts in zip(chosen, got, strict=True))


def test_strangers_do_not_match(registry: Registry) -> None:
    looked = look_up(registry, pa.array(answers(2_000, seed=77)), [KEY])
    assert looked.matches.num_rows == 0
    assert not looked.short.any()
    assert looked.threshold == pytest.approx(np.log(3_000 / FALSE_MATCH_RATE))


def test_a_match_says_how_alike_how_long_and_when(registry: Registry) -> None:
    (one,) = look_up(registry, pa.array([TEXTS[1_300]]), [KEY]).matches.to_pylist()
    assert (one["similarity"], one["verbatim"], one["chars"], one["issued"]) == (
        1.0,
        True,
        len(TEXTS[1_300]),
        1,
    )
    assert one["segment"] == "segment-000001"
    assert one["first"] == one["last"]
    assert one["first"].timestamp() == START + 60 * 1_300
    (other,) = look_up(registry, pa.array([TEXTS[1_300] + " more"]), [KEY]).matches.to_pylist()
    assert not other["verbatim"]
    assert 0.9 < other["similarity"] <= 1.0


def test_letter_case_and_blanks_do_not_hide_a_copy(registry: Registry) -> None:
    assert found(registry, [TEXTS[5].upper().replace(" ", "\n")]) == [{"a-5"}]


def test_short_texts_are_found_and_told_apart(tmp_path: Path) -> None:
    texts = ["I am sorry, but I cannot help with that request.", "ab", "", TEXTS[0]]
    registry = registry_of(tmp_path / "r", texts + TEXTS[1:200])
    looked = look_up(registry, pa.array([*texts, "a" * 5_000]), [KEY])
    assert looked.short.tolist() == [True, True, True, False, True]  # the last has one shingle
    assert {row["row"] for row in looked.matches.to_pylist()} >= {0, 3}
    assert {row["row"] for row in looked.matches.to_pylist() if not row["short"]} == {3}


def test_receipts_come_with_their_entries(tmp_path: Path) -> None:
    batch = issued(TEXTS[:3], receipts=[b"\x01" * 16, None, b"\x03" * 16])
    registry = write_registry(tmp_path / "r", [(KEY.key_id, [batch])], ["one"])
    got = look_up(registry, pa.array(TEXTS[:3]), [KEY]).issuings
    assert got["receipt_id"].to_pylist() == [b"\x01" * 16, None, b"\x03" * 16]


def test_an_answer_that_many_got_names_the_first_thousand(tmp_path: Path) -> None:
    batch = issued([TEXTS[0]] * 1_500)
    registry = write_registry(tmp_path / "r", [(KEY.key_id, [batch])], ["one"])
    looked = look_up(registry, pa.array([TEXTS[0]]), [KEY])
    assert looked.matches["issued"].to_pylist() == [1_500]
    assert looked.issuings.num_rows == 1_000


def test_without_its_key_a_registry_cannot_be_searched(registry: Registry) -> None:
    with pytest.raises(InputError, match="k-test") as caught:
        look_up(registry, pa.array(TEXTS[:1]), [OTHER])
    assert "key file" in caught.value.remedy


def test_a_secret_that_is_not_the_key_finds_nothing(registry: Registry) -> None:
    wrong = SketchKey(KEY.key_id, OTHER.secret)
    assert look_up(registry, pa.array(TEXTS[:50]), [wrong]).matches.num_rows == 0


def test_each_segment_is_searched_under_its_own_key(tmp_path: Path) -> None:
    path = tmp_path / "r"
    write_registry(path, [(KEY.key_id, [issued(TEXTS[:50])])], ["one"])
    both = write_registry(
        path, [(OTHER.key_id, [issued(TEXTS[50:80], key=OTHER, first=50)])], ["two"], append=True
    )
    asked = pa.array([TEXTS[3], TEXTS[60]])
    looked = look_up(both, asked, [OTHER, KEY])
    assert looked.issuings["account_id"].to_pylist() == ["a-3", "a-60"]
    assert looked.missing_keys == {}
    part = look_up(both, asked, [KEY])
    assert part.issuings["account_id"].to_pylist() == ["a-3"]
    assert part.missing_keys == {"k-other": 30}


def test_nothing_asked_is_nothing_found(registry: Registry) -> None:
    looked = look_up(registry, pa.array([], pa.string()), [KEY])
    assert (looked.matches.num_rows, looked.issuings.num_rows, len(looked.short)) == (0, 0, 0)
