"""What LiteLLM's proxy under test loads into itself: who may call it, and where its rows go.

``authenticate`` is the proxy's ``custom_auth``: its virtual keys need Prisma's engine, which is fetched from a host
of its own when it is first used. ``spend`` is LiteLLM's own database logger; only the last step, which hands a
finished row of ``LiteLLM_SpendLogs`` to Prisma, is replaced by one that inserts it through psycopg.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import psycopg
from litellm.proxy._types import ProxyException, UserAPIKeyAuth, hash_token
from litellm.proxy.db.db_spend_update_writer import DBSpendUpdateWriter
from litellm.proxy.hooks.proxy_track_cost_callback import ProxyDBLogger

_KEYS: dict[str, dict[str, str]] = json.loads(os.environ["GATEWAY_KEYS"])


async def authenticate(request: Any, api_key: str) -> UserAPIKeyAuth:
    """The owner of a virtual key."""
    if api_key not in _KEYS:
        raise ProxyException("no such key", "auth_error", "key", 401)
    return UserAPIKeyAuth(api_key=hash_token(api_key), **_KEYS[api_key])


class SpendLogs:
    """Inserts rows into ``LiteLLM_SpendLogs``."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._lock = threading.Lock()

    def insert(self, row: dict[str, Any]) -> None:
        columns = ", ".join(f'"{name}"' for name in row)
        values = ", ".join("%s" for _ in row)
        statement = f'INSERT INTO "LiteLLM_SpendLogs" ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING'
        with self._lock:
            self._connection.execute(statement, list(row.values()))


spend = ProxyDBLogger()
_rows = SpendLogs(os.environ["GATEWAY_DATABASE"])


async def _insert(self: Any, payload: dict[str, Any], prisma_client: Any = None, **_: Any) -> Any:
    _rows.insert(payload)
    return prisma_client


DBSpendUpdateWriter._insert_spend_log_to_db = _insert
