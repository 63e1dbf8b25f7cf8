"""LiteLLM's real proxy for tests: from its own environment, as a process of its own, on a free loopback port."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[3] / ".venvs" / "litellm"
HOOKS = Path(__file__).with_name("gateway_hooks.py")
HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "ingest-litellm.md"

needs_litellm = pytest.mark.skipif(
    not (ENVIRONMENT / "bin" / "litellm").exists() and os.environ.get("STILLHUNT_REQUIRE_ALL") != "1",
    reason="needs LiteLLM's proxy; run: tools/setup.sh litellm",
)

_TYPES = {"String": "text", "Int": "integer", "BigInt": "bigint", "Float": "double precision",
          "Boolean": "boolean", "DateTime": "timestamp(3)", "Json": "jsonb"}  # fmt: skip
"""Prisma's scalar types and the column types that its migrations give them in PostgreSQL."""


def spend_logs_ddl() -> str:
    """``CREATE TABLE "LiteLLM_SpendLogs"`` with its indexes, as Prisma would make it from the schema that the
    installed LiteLLM ships."""
    (schema,) = ENVIRONMENT.glob("lib/python3*/site-packages/litellm/proxy/schema.prisma")
    match = re.search(r"^model LiteLLM_SpendLogs \{\n(.*?)^\}", schema.read_text(), re.DOTALL | re.MULTILINE)
    assert match is not None, f"{schema} describes no LiteLLM_SpendLogs"
    columns, indexes = [], []
    for line in match[1].splitlines():
        text = line.partition("//")[0].strip()
        if index := re.fullmatch(r"@@index\(\[(.*)\]\)", text):
            names = ", ".join(f'"{name.strip()}"' for name in index[1].split(","))
            indexes.append(f'CREATE INDEX ON "LiteLLM_SpendLogs" ({names});')
        elif text:
            columns.append(_column(text))
    return f'CREATE TABLE "LiteLLM_SpendLogs" ({", ".join(columns)});\n' + "\n".join(indexes)


def _column(field: str) -> str:
    name, kind, *_ = field.split()
    mapped = re.search(r'@map\("(\w+)"\)', field)
    column = f'"{mapped[1] if mapped else name}" {_TYPES[kind.rstrip("?")]}'
    if default := re.search(r"@default ?\((\"[^\"]*\"|[\d.]+|now\(\))\)", field):
        value = default[1]
        text = "'" + value[1:-1] + "'" if value.startswith('"') else value
        column += f" DEFAULT {'CURRENT_TIMESTAMP' if value == 'now()' else text}"
    if not kind.endswith("?"):
        column += " NOT NULL"
    return column + (" PRIMARY KEY" if "@id" in field else "")


def payload_hook(log: Path) -> str:
    """The callback that the how-to shows, writing to ``log``."""
    block = re.search(r"```python\n(.*?)```", HOWTO.read_text(), re.DOTALL)
    assert block is not None, f"{HOWTO} shows no callback"
    source, count = re.subn(r'open\("[^"]+", "a"\)', lambda _: f"open({str(log)!r}, 'a')", block[1])
    assert count == 1, f"the callback in {HOWTO} opens no file to append to"
    return source


@contextmanager
def running_proxy(
    home: Path,
    *,
    model_url: str,
    models: Mapping[str, str],
    keys: Mapping[str, Mapping[str, str]],
    database: str,
) -> Iterator[str]:
    """Starts the proxy and waits until it answers; gives its base URL.

    home: an empty folder, where ``payloads.jsonl`` will be written. models: public name to name at the model server.
    keys: virtual key to its owner, as fields of LiteLLM's UserAPIKeyAuth. database: URL of one that holds the table
    of :func:`spend_logs_ddl`.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    shutil.copy(HOOKS, home / "gateway_hooks.py")
    (home / "payload_hook.py").write_text(payload_hook(home / "payloads.jsonl"))
    served = [
        {"model_name": name, "litellm_params": {"model": f"openai/{there}", "api_base": model_url, "api_key": "x",
                                                "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}
        for name, there in models.items()
    ]  # fmt: skip
    config = {
        "model_list": served,
        "litellm_settings": {
            "callbacks": ["payload_hook.payloads", "gateway_hooks.spend"],
            "num_retries": 0,
            "telemetry": False,
        },
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {
            "custom_auth": "gateway_hooks.authenticate",
            "master_key": "sk-master-of-the-gateway-under-test",
            "store_prompts_in_spend_logs": True,
        },
    }
    (home / "config.yaml").write_text(json.dumps(config))  # YAML holds JSON
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DISABLE_ADMIN_UI": "True",
        "GATEWAY_KEYS": json.dumps(keys),
        "GATEWAY_DATABASE": database,
    }
    with (home / "log").open("wb") as log:
        proxy = subprocess.Popen(
            [ENVIRONMENT / "bin" / "litellm", "--config", home / "config.yaml", "--host", "127.0.0.1",
             "--port", str(port), "--num_workers", "1"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=home,
            env=environment,
        )  # fmt: skip
        try:
            _await(f"http://127.0.0.1:{port}/health/liveliness", proxy, home / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            proxy.terminate()
            try:
                proxy.wait(20)
            except subprocess.TimeoutExpired:
                proxy.kill()
                proxy.wait(20)


def _await(url: str, proxy: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while True:
        assert proxy.poll() is None, log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < end, log.read_text()[-4000:]
            time.sleep(0.1)
