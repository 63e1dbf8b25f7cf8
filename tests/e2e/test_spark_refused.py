"""What ``--engine spark`` says where there is no Spark to be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stillhunt.cli.main import run


def _refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> str:
    (tmp_path / "log.csv").write_text("time,account_id\n2026-04-22T00:00:00Z,a\n", encoding="utf-8")
    status = run(["scan", str(tmp_path / "log.csv"), "--out", str(tmp_path / "r"), "--engine", "spark"])
    assert status == 2
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
    said = capsys.readouterr()
    assert said.out == ""
    return " ".join(said.err.split())


@pytest.mark.parametrize(
    ("master", "words"),
    [
        ("spark://127.0.0.1:1", ["no Spark master answers there", "name another"]),
        ("nonsense", ["expected spark://HOST:PORT"]),
    ],
)
def test_a_master_that_cannot_be_had(
    master: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STILLHUNT_SPARK_MASTER", master)
    said = _refused(capsys, tmp_path)
    assert f"STILLHUNT_SPARK_MASTER={master!r}" in said
    assert all(word in said for word in words)


def test_settings_that_spark_cannot_start_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STILLHUNT_SPARK_MASTER", "local[1]")
    conf = '{"spark.driver.bindAddress": "203.0.113.1", "spark.port.maxRetries": "0"}'
    monkeypatch.setenv("STILLHUNT_SPARK_CONF", conf)
    said = _refused(capsys, tmp_path)
    assert "Spark gives no session" in said


def test_no_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyspark"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.delitem(sys.modules, "stillhunt.engines.dialect", raising=False)
    said = _refused(capsys, tmp_path)
    assert "queries on Spark need the extra spark" in said
    assert "pip install 'stillhunt[spark]'" in said
