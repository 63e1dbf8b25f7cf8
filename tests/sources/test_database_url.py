"""Addresses of databases: everything that libpq and Prisma write is read, and no password is ever shown."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from stillhunt.errors import InputError, SettingError
from stillhunt.sources.database_url import parse_database_url
from stillhunt.sources.detect import SourceSettings, open_source
from stillhunt.sources.logs import open_logs

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "conninfo", "location"),
    [
        (
            f"postgresql://me:{SECRET}@db.example:5433/litellm",
            {"host": "db.example", "port": "5433", "dbname": "litellm", "user": "me", "password": SECRET},
            "postgresql://db.example:5433/litellm",
        ),
        (
            f"postgres://me%40corp:{SECRET}%2F%40%3A@[2001:db8::1]:5432/a%20b",
            {"host": "2001:db8::1", "port": "5432", "dbname": "a b", "user": "me@corp", "password": f"{SECRET}/@:"},
            "postgresql://[2001:db8::1]:5432/a b",
        ),
        ("postgresql:///litellm", {"dbname": "litellm"}, "postgresql:///litellm"),
        (
            f"postgresql:///litellm?host=/run/postgresql&password={SECRET}&sslmode=require",
            {"dbname": "litellm", "host": "/run/postgresql", "password": SECRET, "sslmode": "require"},
            "postgresql:///litellm?host=/run/postgresql",
        ),
        (
            f"postgresql://me:{SECRET}@db/litellm?schema=gateway&connection_limit=10&pool_timeout=20&connect_timeout=3",
            {"host": "db", "dbname": "litellm", "user": "me", "password": SECRET, "connect_timeout": "3"},
            "postgresql://db/litellm?schema=gateway",
        ),
    ],
)  # fmt: skip
def test_what_a_url_says(url: str, conninfo: dict[str, str], location: str) -> None:
    database = parse_database_url(url)
    assert conninfo_to_dict(database.conninfo) == conninfo
    assert database.location == location
    assert SECRET not in database.location + repr(database)
    assert database.schema == ("gateway" if "schema=gateway" in url else "public")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}/x@db/litellm",  # a slash that is not encoded ends the host
        f"postgresql://me:12?{SECRET}@db/litellm",
        f"postgresql://me:12#{SECRET}@db/litellm",
        f"postgresql://me:12/{SECRET}@db/litellm",
        f"postgresql://me:{SECRET}@db:port/litellm",
        f"postgresql://me:{SECRET}@db:0/litellm",
        f"postgresql://me:{SECRET}@[db/litellm",
        f"postgresql://me:{SECRET}@db/litellm?nonsense={SECRET}",
        f"postgresql://me:{SECRET}@db/litellm?{SECRET}",
        f"postgresql+driver://me:{SECRET}@db/litellm",
        f"mysql://me:{SECRET}@db/litellm",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError) as caught:
        open_logs([url])
    assert SECRET not in str(caught.value)
    assert caught.value.where.endswith("://...")


def test_a_database_is_read_as_one_kind_only(tmp_path: Path) -> None:
    url = f"postgresql://me:{SECRET}@db/litellm"
    assert open_source(url).kind == "litellm_postgres"
    assert open_source(url, "litellm_postgres").location == "postgresql://db/litellm"
    with pytest.raises(
        SettingError, match=r"--kind: postgresql:// is always read as litellm_postgres"
    ) as caught:
        open_source(url, "litellm_jsonl")
    assert SECRET not in str(caught.value)
    with pytest.raises(SettingError, match=r"--map: postgresql://"):
        open_source(url, None, SourceSettings(mapping=tmp_path / "mapping.toml"))
    with pytest.raises(InputError, match=r"litellm_postgres is read from a URL, not from a file"):
        open_source(str(tmp_path / "log.jsonl"), "litellm_postgres")


PASSWORDS = st.text(st.sampled_from("/@:?#[]%&=+ \\'\"pw7ö"), min_size=5, max_size=14)


@given(PASSWORDS)
def test_any_password_that_is_encoded_is_understood(password: str) -> None:
    database = parse_database_url(f"postgresql://me:{quote(password, safe='')}@db.example:5433/litellm")
    assert conninfo_to_dict(database.conninfo)["password"] == password
    assert database.location == "postgresql://db.example:5433/litellm"


@given(PASSWORDS)
def test_a_password_that_is_not_encoded_is_never_shown(password: str) -> None:
    try:
        shown = parse_database_url(f"postgresql://me:{password}@db.example:5433/litellm").location
    except InputError as error:
        shown = str(error)
    assert password not in shown
