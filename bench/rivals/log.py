"""A log as the rivals read it, and what they share of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""One number per account, in the order of :attr:`RivalLog.accounts`; higher is more suspicious."""

KINDS = {
    "payment": "SELECT account, payment_fingerprint AS artefact FROM people",
    "address": "SELECT account, network AS artefact FROM log",
    "tls": "SELECT account, tls_fingerprint AS artefact FROM log",
    "device": "SELECT account, device_id AS artefact FROM log",
    "agent": "SELECT account, user_agent AS artefact FROM log",
    "system": "SELECT account, md5(system_prompt) AS artefact FROM log",
    "prompt": "SELECT account, md5(prompt) AS artefact FROM log",
    "domain": "SELECT account, email_domain AS artefact FROM people",
}
"""Artefacts that accounts may share. ``address`` is the /24 of an IPv4 address, the /48 of an IPv6 one."""

_NETWORK = """CASE WHEN contains(client_ip, ':') THEN array_to_string(string_split(client_ip, ':')[1:3], ':')
ELSE array_to_string(string_split(client_ip, '.')[1:3], '.') END"""


@dataclass(frozen=True, eq=False)
class RivalLog:
    """A log in memory. engine: holds ``log``, the requests with ``account`` (row of ``accounts``), ``t_s`` (seconds)
    and ``network``, and ``people``, the accounts with ``account`` and ``stranger``, their organisation or themselves.
    accounts: ids, sorted. licensed: of each, whether a use is licensed."""

    engine: duckdb.DuckDBPyConnection
    accounts: tuple[str, ...]
    licensed: NDArray[np.bool_]

    def table(self, query: str) -> pa.Table:
        """What the query gives."""
        return self.engine.sql(query).to_arrow_table()

    def columns(self, query: str) -> tuple[NDArray[np.generic], ...]:
        """The columns of what the query gives; numbers only, null is NaN."""
        return tuple(column.to_numpy() for column in self.table(query).columns)

    def scores(self, query: str) -> Scores:
        """Of a query for (account, number): the numbers, 0 for accounts that it leaves out."""
        found = np.zeros(len(self.accounts))
        account, number = self.columns(query)
        found[account] = number
        return found


def opened(requests: pa.Table, accounts: pa.Table) -> RivalLog:
    """The log of two tables of the contract, whatever optional columns they hold."""
    engine = duckdb.connect()
    engine.execute("SET enable_progress_bar = false")
    engine.register("given_requests", requests)
    engine.register("given_accounts", accounts)
    engine.execute(
        "CREATE TABLE ids AS SELECT row_number() OVER (ORDER BY account_id)::INTEGER - 1 AS account, account_id FROM "
        "(SELECT account_id FROM given_accounts UNION SELECT account_id FROM given_requests)"
    )
    engine.execute(
        f"CREATE TABLE log AS SELECT account, epoch(time)::DOUBLE AS t_s, {_NETWORK} AS network, "
        "given_requests.* EXCLUDE (account_id) FROM given_requests JOIN ids USING (account_id) "
        "ORDER BY time, request_id"
    )
    engine.execute(
        "CREATE TABLE people AS SELECT account, coalesce('of ' || org_id, account_id) AS stranger, given_accounts.* "
        "FROM ids LEFT JOIN given_accounts USING (account_id) "
        "ORDER BY account"
    )
    for name in ("given_requests", "given_accounts"):
        engine.unregister(name)
    ids = engine.sql("SELECT account_id FROM ids ORDER BY account").to_arrow_table()["account_id"].to_pylist()
    licensed = engine.sql("SELECT authorised_use IS NOT NULL AS yes FROM people").to_arrow_table()["yes"]
    return RivalLog(engine, tuple(ids), licensed.to_numpy().astype(bool))


def read(folder: Path) -> RivalLog:
    """The log that ``stillhunt simulate`` wrote to ``folder``; answers are left out, no rival reads them."""
    columns = [
        name for name in pq.read_schema(next((folder / "requests").iterdir())).names if name != "completion"
    ]
    return opened(
        pq.read_table(folder / "requests", columns=columns), pq.read_table(folder / "accounts.parquet")
    )


@dataclass(frozen=True)
class Ties:
    """Who carries what, each pair once. account, artefact: rows of accounts, numbers of artefacts. kind: of each pair,
    the place of its kind in what was asked for. carriers: of each artefact, how many strangers carry it: organisations,
    and accounts of none."""

    account: NDArray[np.int32]
    artefact: NDArray[np.int32]
    kind: NDArray[np.int8]
    carriers: NDArray[np.int64]


def ties(log: RivalLog, kinds: tuple[str, ...], *, most: int | None = None) -> Ties:
    """Pairs of account and artefact of some KINDS, without artefacts of one carrier or of more than ``most``.

    Accounts of one organisation share cards and addresses as a matter of course, and are one carrier.
    """
    parts = " UNION ALL ".join(
        f"SELECT DISTINCT account, {number} AS kind, artefact FROM ({KINDS[kind]}) WHERE artefact IS NOT NULL"
        for number, kind in enumerate(kinds)
    )
    account, kind, artefact, carriers = log.columns(
        f"WITH pairs AS ({parts}), shared AS (SELECT kind, artefact, count(DISTINCT stranger) AS carriers, "
        "row_number() OVER (ORDER BY kind, artefact)::INTEGER - 1 AS number FROM pairs JOIN people USING (account) "
        f"GROUP BY kind, artefact HAVING carriers > 1 AND carriers <= {most if most is not None else 'carriers'}) "
        "SELECT account, kind, number, carriers FROM pairs JOIN shared USING (kind, artefact) ORDER BY number, account"
    )
    each = np.zeros(int(artefact.max()) + 1 if len(artefact) else 0, dtype=np.int64)
    each[artefact] = carriers
    return Ties(account.astype(np.int32), artefact.astype(np.int32), kind.astype(np.int8), each)
