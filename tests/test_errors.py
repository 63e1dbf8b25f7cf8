"""Errors say what, where and what to do."""

from __future__ import annotations

import pytest

from stillhunt.errors import InputError, MissingExtraError, OutputError, SettingError, StillhuntError


def test_text_has_the_place_first_and_the_remedy_last() -> None:
    assert (
        str(InputError("expected a, found b", "log, row 3", "Mend it."))
        == "log, row 3: expected a, found b Mend it."
    )
    assert str(InputError("expected a, found b")) == "expected a, found b"


@pytest.mark.parametrize("kind", [InputError, SettingError, OutputError, MissingExtraError])
def test_all_are_of_one_family(kind: type[StillhuntError]) -> None:
    with pytest.raises(StillhuntError, match="problem") as caught:
        raise kind("problem", where="place")
    assert caught.value.where == "place"
