"""Settings: command line before environment before default; what does not fit is named."""

from __future__ import annotations

import pytest

from stillhunt.config import Settings, load_settings
from stillhunt.errors import SettingError


def test_order_of_places(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings().null_runs
    monkeypatch.setenv("STILLHUNT_NULL_RUNS", str(default + 1))
    assert load_settings().null_runs == default + 1
    assert load_settings(null_runs=default + 2).null_runs == default + 2


def test_lists_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLHUNT_TRUSTED_PROXIES", '["192.0.2.0/24", "2001:db8::/32"]')
    assert load_settings().trusted_proxies == ("192.0.2.0/24", "2001:db8::/32")
    monkeypatch.setenv("STILLHUNT_TRUSTED_PROXIES", "192.0.2.0/24")
    with pytest.raises(SettingError, match="TRUSTED_PROXIES") as caught:
        load_settings()
    assert "JSON" in caught.value.problem


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("threads", "-1", "'-1'"),
        ("threads", "lots", "'lots'"),
        ("fdr", "0", "'0'"),
        ("null_runs", "4", "'4'"),
    ],
)
def test_environment_out_of_range(monkeypatch: pytest.MonkeyPatch, name: str, value: str, shown: str) -> None:
    monkeypatch.setenv(f"STILLHUNT_{name.upper()}", value)
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert caught.value.where == f"STILLHUNT_{name.upper()}"
    assert f"got {shown}" in caught.value.problem


def test_argument_out_of_range_is_named_as_the_option() -> None:
    with pytest.raises(SettingError, match="greater than 0") as caught:
        load_settings(fdr=0.0)
    assert caught.value.where == "--fdr"


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())
