"""A log on disk: whole, in order, or not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillhunt.errors import OutputError
from stillhunt.schema.accounts import ACCOUNTS, TRUTH
from stillhunt.schema.requests import REQUESTS
from stillhunt.simulate.files import write
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.scene import Batch
from stillhunt.simulate.simulation import simulate, stream, window

_WINDOW = window(scenario("honest"))


def test_the_files_hold_the_simulated_log(tmp_path: Path) -> None:
    written = write(stream("honest", 2, 0.05), _WINDOW, tmp_path / "log")
    whole = simulate("honest", 2, 0.05)
    requests = pq.read_table(tmp_path / "log" / "requests")
    assert requests.equals(whole.requests)
    assert pq.read_table(tmp_path / "log" / "accounts.parquet").equals(whole.accounts)
    assert pq.read_table(tmp_path / "log" / "truth.parquet").equals(whole.truth)
    assert (written.requests, written.accounts) == (requests.num_rows, whole.accounts.num_rows)
    assert written.files == len(list((tmp_path / "log" / "requests").iterdir())) == _WINDOW.days


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Batch]:
        yield next(stream("honest", 2, 0.02))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(broken(), _WINDOW, tmp_path / "log")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_log_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write(stream("honest", 2, 0.02), _WINDOW, tmp_path)
    before = (tmp_path / "truth.parquet").read_bytes()
    with pytest.raises(OutputError):
        write(stream("honest", 3, 0.02), _WINDOW, tmp_path)
    assert (tmp_path / "truth.parquet").read_bytes() == before
    write(stream("honest", 3, 0.02), _WINDOW, tmp_path, overwrite=True)
    assert (tmp_path / "truth.parquet").read_bytes() != before


def test_a_log_without_rows_has_its_tables(tmp_path: Path) -> None:
    empty = Batch(ACCOUNTS.empty_table(), TRUTH.empty_table(), REQUESTS.empty_table())
    written = write(iter([empty]), _WINDOW, tmp_path / "log")
    assert (written.requests, written.files) == (0, 0)
    assert pq.read_table(tmp_path / "log" / "truth.parquet").schema == TRUTH


def test_rows_without_request_order_come_out_by_time(tmp_path: Path) -> None:
    write(stream("honest", 2, 0.05), _WINDOW, tmp_path / "log")
    for part in sorted((tmp_path / "log" / "requests").iterdir()):
        time = pq.read_table(part, columns=["time"])["time"].cast(pa.int64()).to_numpy()
        assert (time[1:] >= time[:-1]).all()
