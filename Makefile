# Two commands do everything on a fresh Debian machine that has Python: `make demo` and `make test`.
SHELL := /bin/bash
OUT ?= out/demo
BIN := .venv/bin
BENCHES := ingest sketch detection calibration

.PHONY: help demo test lint fix clean $(addprefix bench-,$(BENCHES))

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo:  ## make a small labelled log, find its campaigns, write the report
	@tools/setup.sh runtime
	@$(BIN)/stillhunt demo --out $(OUT) --overwrite

test:  ## every check: style, types, import direction, tests against real servers
	@tools/setup.sh dev
	@tools/setup.sh postgres
	@tools/setup.sh chromium
	@tools/setup.sh litellm
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(PYTEST_ARGS)

lint:
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy

fix:  ## format, and mend what can be mended by itself
	@tools/setup.sh dev
	$(BIN)/ruff check --fix src tests bench
	$(BIN)/ruff format src tests bench

$(addprefix bench-,$(BENCHES)): bench-%:
	@tools/setup.sh bench
	@mkdir -p bench/out
	$(BIN)/python -m bench.$* $(if $(SCALE),--scale $(SCALE))

clean:
	rm -rf .venv .venvs out bench/out
