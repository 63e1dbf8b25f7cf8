"""The address of a PostgreSQL database as people give it, with what may be shown of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from stillhunt.errors import InputError

SCHEMES = ("postgresql", "postgres")
_PRISMA = frozenset(
    {"connection_limit", "pool_timeout", "pgbouncer", "socket_timeout", "statement_cache_size", "sslaccept",
     "sslidentity", "max_connection_lifetime", "max_idle_connection_lifetime"}
)  # fmt: skip
"""Parameters that only Prisma knows. LiteLLM's DATABASE_URL may carry them; they say nothing about the place."""
_SHAPE = "postgresql://USER@HOST:PORT/DATABASE"
_REMEDY = "Percent-encode what is special in it, such as %40 for @ and %2F for / in a password."


@dataclass(frozen=True)
class Database:
    """Where to connect. ``conninfo`` is for libpq and may hold a password; ``location`` is for people and never
    holds user, password or certificate."""

    conninfo: str = field(repr=False)
    location: str
    schema: str = "public"


def parse_database_url(url: str) -> Database:
    """Reads ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETERS``; what is not said is libpq's default, and so
    comes from ``PGHOST``, ``PGPASSWORD``, ``~/.pgpass`` and so on. ``schema`` names the schema, as for Prisma.

    Raises InputError, which never repeats more of ``url`` than its scheme.
    """
    scheme, mark, _ = url.partition("://")
    shown = f"{scheme}://..." if mark else "the address"
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise InputError(f"expected {_SHAPE}", shown, _REMEDY) from error
    if parts.scheme not in SCHEMES or parts.fragment or "@" in parts.path + parts.query:
        raise InputError(f"expected {_SHAPE}", shown, _REMEDY)
    login, _, place = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    host, port = _host_and_port(place, shown)
    database = unquote(parts.path.removeprefix("/"))
    schema = query.pop("schema", "") or "public"
    options = {name: value for name, value in query.items() if name not in _PRISMA}
    named = {
        "host": host,
        "port": port,
        "dbname": database,
        "user": unquote(user),
        "password": unquote(password),
    }
    try:
        conninfo = make_conninfo(**{**{name: value for name, value in named.items() if value}, **options})
    except psycopg.Error as error:
        raise InputError(
            f"expected parameters that libpq knows, got {', '.join(sorted(options))}",
            shown,
            "Take out the others.",
        ) from error
    return Database(conninfo, _location(place, database, schema, options), schema)


def _host_and_port(place: str, shown: str) -> tuple[str, str]:
    host, port = place, ""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif ":" in place:
        host, _, port = place.rpartition(":")
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise InputError(f"expected {_SHAPE}, where PORT is a number", shown, _REMEDY)
    return unquote(host), port


def _location(place: str, database: str, schema: str, options: dict[str, str]) -> str:
    more = {name: options[name] for name in ("host", "port", "dbname") if options.get(name)}
    if schema != "public":
        more["schema"] = schema
    return f"postgresql://{place}/{database}" + (f"?{urlencode(more, safe='/')}" if more else "")
