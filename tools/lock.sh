#!/usr/bin/env bash
# Writes the lock files from pyproject.toml. Needs `uv` on the PATH; only maintainers run it.
set -euo pipefail
cd "$(dirname "$0")/.."
compile=(uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate
         --custom-compile-command tools/lock.sh)
"${compile[@]}" pyproject.toml --output-file requirements/runtime.lock "$@"
"${compile[@]}" pyproject.toml --extra learned --extra spark --group dev --constraint requirements/runtime.lock --output-file requirements/dev.lock "$@"
"${compile[@]}" --group bench --constraint requirements/dev.lock --output-file requirements/bench.lock "$@"
"${compile[@]}" requirements/golang.in --output-file requirements/golang.lock "$@"
