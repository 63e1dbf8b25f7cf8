# Two commands do everything on a fresh Debian machine that has Python: `make demo` and `make test`.
SHELL := /bin/bash
OUT ?= out/demo
BIN := .venv/bin
SOURCES := src tests $(wildcard bench) tools/readme.py
# A benchmark is a module of bench/ that can be run.
BENCHES := $(basename $(notdir $(shell grep -l __main__ bench/*.py 2>/dev/null)))

.PHONY: help demo test lint fix docs clean $(addprefix bench-,$(BENCHES))

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## */make \1\t/p' $(MAKEFILE_LIST) | expand -t 17
	@[ -z "$(BENCHES)" ] || for name in $(BENCHES); do printf 'make bench-%s\n' $$name; done | paste -sd, | sed 's/,/, /g; s/$$/: measurements, side by side (SCALE=small: within ten minutes)/'

demo:  ## make a small labelled log, find its campaigns, write the report
	@tools/setup.sh runtime
	@$(BIN)/stillhunt demo --out $(OUT) --overwrite

test:  ## every check: style, types, import direction, tests against real servers
	@tools/setup.sh bench
	@tools/setup.sh postgres
	@tools/setup.sh chromium
	@tools/setup.sh litellm
	@tools/setup.sh marks
	@tools/setup.sh golang
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(PYTEST_ARGS)

lint:  ## style and types only
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

fix:  ## format, and mend what can be mended by itself
	@tools/setup.sh dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs:  ## write the blocks and tables of README and docs anew
	@tools/setup.sh dev
	@$(BIN)/python tools/readme.py

$(addprefix bench-,$(BENCHES)): bench-%:
	@tools/setup.sh bench
	@mkdir -p bench/out
	$(BIN)/python -m bench.$* $(if $(SCALE),--scale $(SCALE))

clean:  ## remove what targets made: environments, demo output, figures
	rm -rf .venv .venvs out bench/out
