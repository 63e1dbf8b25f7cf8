"""Key files: made once, for their owner alone, refused when damaged, rotated and sealed."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import plain_sketch
import pytest

from stillhunt.errors import InputError, OutputError, SettingError, StillhuntError
from stillhunt.sketch.keys import (
    KeyRing,
    SketchKey,
    create_keys,
    key_for,
    key_words,
    load_keys,
    load_retired,
    retired_path,
    rotate,
    without_previous,
)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "sketch.key"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_key_is_random_and_for_its_owner_alone(path: Path, tmp_path: Path) -> None:
    made = create_keys(path)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert made.previous is None
    assert made.current.key_id == plain_sketch.key_id(made.current.secret)
    assert create_keys(tmp_path / "second.key").current.secret != made.current.secret
    assert load_keys(path) == made
    assert [each.name for each in path.parent.iterdir()] == ["sketch.key"]


def test_subkeys_are_those_of_the_page_and_differ_by_purpose(key: SketchKey) -> None:
    words = key_words(key)
    assert words.shingle.tolist() == plain_sketch.words(key.secret, "shingle", 4)
    assert words.text.tolist() == plain_sketch.words(key.secret, "text", 2)
    assert words.band.tolist() == plain_sketch.words(key.secret, "band", 4)
    assert len({*words.shingle.tolist(), *words.text.tolist(), *words.band.tolist()}) == 10


def test_a_key_is_never_replaced_by_a_new_one(path: Path) -> None:
    made = create_keys(path)
    with pytest.raises(OutputError, match="exists"):
        create_keys(path)
    assert load_keys(path) == made


def test_a_key_file_that_cannot_be_written_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="STILLHUNT_SKETCH_KEY_FILE"):
        create_keys(tmp_path / "file" / "sketch.key")


def test_a_secret_does_not_show_when_a_key_is_printed(path: Path) -> None:
    ring = create_keys(path)
    shown = f"{ring!r} {ring.current}"
    assert ring.current.key_id in shown
    assert repr(ring.current.secret) not in shown
    assert ring.current.secret.hex() not in shown


def test_rotation_keeps_the_old_key_for_one_window_and_then_seals_it(path: Path) -> None:
    first = create_keys(path, now=START)
    second = rotate(path, window=MONTH, now=START + MONTH)
    assert second.previous == first.current
    assert second.previous_until == START + 2 * MONTH
    assert second.current.secret != first.current.secret
    assert load_keys(path, now=START + 2 * MONTH - timedelta(seconds=1)) == second
    assert load_keys(path, now=START + 2 * MONTH) == KeyRing(second.current) == without_previous(second)
    assert load_retired(path) == ()

    third = rotate(path, window=MONTH, now=START + 2 * MONTH)
    assert third.previous == second.current
    assert load_retired(path) == (first.current,)
    assert mode(path) == mode(retired_path(path)) == 0o600
    assert base64.b64encode(first.current.secret).decode() not in path.read_text()

    rotate(path, window=MONTH, now=START + 3 * MONTH)
    assert load_retired(path) == (second.current, first.current)
    retired = json.loads(retired_path(path).read_text())["keys"]
    assert [each["retired"] for each in retired] == ["2026-05-30T09:00:00Z", "2026-04-30T09:00:00Z"]


def test_a_key_lives_as_long_as_the_window(path: Path) -> None:
    made = create_keys(path, now=START)
    with pytest.raises(SettingError, match="younger than the scan window of 30 days"):
        rotate(path, window=MONTH, now=START + MONTH - timedelta(seconds=1))
    assert load_keys(path) == made


def test_a_rotation_that_broke_off_after_sealing_can_be_repeated(path: Path) -> None:
    first = create_keys(path, now=START)
    rotate(path, window=MONTH, now=START + MONTH)
    before = path.read_text()
    rotate(path, window=MONTH, now=START + 2 * MONTH)
    path.write_text(before)
    rotate(path, window=MONTH, now=START + 2 * MONTH)
    assert load_retired(path) == (first.current,)


def test_a_key_of_an_input_is_the_same_for_the_same_input_alone() -> None:
    assert key_for(b"digest") == key_for(b"digest")
    assert key_for(b"digest").secret != key_for(b"other").secret
    assert key_for(b"digest").key_id.startswith("d-")


def test_a_secret_has_32_bytes() -> None:
    with pytest.raises(SettingError, match="32 bytes, got 31"):
        SketchKey("k", bytes(31))


def change(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    def changed(content: dict[str, Any]) -> dict[str, Any]:
        content["keys"][0] |= fields
        return content

    return changed


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "not JSON": (lambda _: "{", "expected JSON"),
    "not an object": (lambda _: [1], "format stillhunt-sketch-keys/1"),
    "another format": (lambda content: content | {"format": "stillhunt-sketch-keys/2"}, "keys/1"),
    "no keys": (lambda content: content | {"keys": []}, "list of keys"),
    "keys of another kind": (lambda content: content | {"keys": {"0": 1}}, "list of keys"),
    "a key of another kind": (lambda content: content | {"keys": ["k"]}, "list of keys"),
    "a secret too short": (change(secret=base64.b64encode(bytes(31)).decode()), "belong together"),
    "a secret of another key": (change(secret=base64.b64encode(bytes(32)).decode()), "belong together"),
    "a secret that is not base64": (change(secret="%%%"), "belong together"),
    "a secret of another kind": (change(secret=7), "belong together"),
    "an id of another key": (change(key_id="k-00000000"), "belong together"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_damaged_key_file_is_refused(name: str, path: Path) -> None:
    create_keys(path)
    spoil, expected = WRONG[name]
    spoilt = spoil(json.loads(path.read_text()))
    path.write_text(spoilt if isinstance(spoilt, str) else json.dumps(spoilt))
    with pytest.raises(InputError, match=expected) as failure:
        load_keys(path)
    assert failure.value.where == str(path)


@pytest.mark.parametrize("created", [None, "yesterday", "2026-03-01T09:00:00"])
def test_a_rotation_needs_to_know_the_age_of_the_key(created: str | None, path: Path) -> None:
    create_keys(path, now=START)
    content = change(created=created)(json.loads(path.read_text()))
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="expected a time such as"):
        rotate(path, window=MONTH, now=START + MONTH)


@pytest.mark.parametrize("until", [None, "soon", "2026-05-01T09:00:00"])
def test_a_previous_key_needs_its_end(until: str | None, path: Path) -> None:
    create_keys(path, now=START)
    rotate(path, window=MONTH, now=START + MONTH)
    content = json.loads(path.read_text())
    content["keys"][1]["until"] = until
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="expected a time such as"):
        load_keys(path)


def test_a_missing_key_file_and_one_that_is_not_text_are_refused(path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        load_keys(path)
    create_keys(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot read"):
        load_keys(path)


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(bits: int, path: Path) -> None:
    create_keys(path)
    path.chmod(bits)
    for use in (load_keys, rotate):
        with pytest.raises(StillhuntError, match=rf"mode {bits:04o}.*chmod 600"):
            use(path)
