"""A real PostgreSQL for tests: started on a free loopback port, gone with its data when the block ends.

The server refuses to run as root, so root starts it as ``postgres`` (Debian's package makes that user) or ``nobody``.
Nothing is flushed to disk, since nothing has to outlive the test.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

OWNER, PASSWORD = "owner", "pass/word@of:owner"
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_wal_senders=0",
             "wal_level=minimal", "autovacuum=off", "listen_addresses=127.0.0.1")  # fmt: skip
_numbers = count(1)


def find_postgres() -> Path | None:
    """The folder of the newest server's programs, or None where there is none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


needs_postgres = [
    pytest.mark.xdist_group("postgres"),
    pytest.mark.skipif(
        find_postgres() is None and os.environ.get("STILLHUNT_REQUIRE_ALL") != "1",
        reason="needs PostgreSQL; run: tools/setup.sh postgres",
    ),
]
"""Marks of tests that start the server: ``pytestmark = needs_postgres``."""


@dataclass(frozen=True)
class Postgres:
    """A running server. ``OWNER`` may do everything and logs in with ``PASSWORD``."""

    port: int

    def url(self, database: str, user: str = OWNER, password: str = PASSWORD) -> str:
        """The address of a database, with its password, as people give it to programs."""
        return f"postgresql://{quote(user)}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """An empty database of its own for one test; gives its URL."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Starts a server and waits until it answers."""
    programs = find_postgres()
    assert programs is not None, (
        "no initdb under /usr/lib/postgresql or on the PATH; run: tools/setup.sh postgres"
    )
    user = _unprivileged()
    home = Path(tempfile.mkdtemp(prefix="stillhunt-postgres-"))
    try:
        data, secret = home / "data", home / "password"
        secret.write_text(PASSWORD)
        if user is not None:
            for path in (home, secret):
                shutil.chown(path, user)
        _initialise(programs, data, secret, user)
        port = _free_port()
        with (home / "log").open("wb") as log:
            options = [part for setting in _SETTINGS for part in ("-c", setting)]
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-p", str(port), "-k", home, *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                user=user,
                cwd=home,
            )
            try:
                postgres = Postgres(port)
                _await(postgres, server, home / "log")
                yield postgres
            finally:
                server.send_signal(signal.SIGQUIT)
                server.wait(30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged() -> str | None:
    """Whom to run as; None for oneself."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _initialise(programs: Path, data: Path, secret: Path, user: str | None) -> None:
    done = subprocess.run(
        [programs / "initdb", "-D", data, "-U", OWNER, "--pwfile", secret, "--auth=scram-sha-256", "--no-sync",
         "--encoding=UTF8", "--locale=C.UTF-8"],
        capture_output=True,
        text=True,
        user=user,
        cwd=data.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _await(postgres: Postgres, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        assert server.poll() is None, log.read_text()
        try:
            psycopg.connect(postgres.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        else:
            return
