# Two commands on a new machine: `make run`, `make test`. Only Python 3.11 to 3.13, git and make are needed.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
UV_VERSION := 0.13.9
SEED ?= 1
COUNT ?= all

.PHONY: run up down test check bench services chaos year attack lock clean
.DEFAULT_GOAL := run

run: $(READY)  ## the whole day on the sample export, with no account
	@$(BIN)/daily-pipeline --manual

test: $(READY)  ## all tests
	@$(BIN)/python -m pytest

check: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

up: $(READY)  ## a Prefect server with all that belongs to it; again: what changed is brought up to date
	@$(BIN)/python -m flows.up

down: $(READY)  ## stops what `make up` started
	@$(BIN)/python -m flows.up down

services: $(READY)  ## the five services on this machine, to try everything without an account
	@$(BIN)/python -m tests.services

bench: $(READY)  ## times and memory, side by side
	@$(BIN)/python -m scripts.bench
	@$(BIN)/python -m scripts.bench_services
	@$(BIN)/python -m scripts.bench_history
	@$(BIN)/python -m scripts.bench_lexicon
	@$(BIN)/python -m scripts.bench_grounding

chaos: $(READY)  ## every outside call of a day disturbed in every way, 11 minutes on two cores
	@$(BIN)/python -m scripts.chaos

year: $(READY)  ## a simulated year of daily runs with faults: SEED=7, or SEED=1-100, or DAYS=30 of each
	@$(BIN)/python -m scripts.year $(SEED) $(DAYS)

attack: $(READY)  ## a model taken over and members who attack: all of it, or COUNT=3000
	@$(BIN)/python -m scripts.attack $(COUNT)

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found. Install one, or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Making the environment in .venv (once, about a minute) ..."
	@$(PYTHON) -m venv --clear .venv || { echo "The environment could not be made in .venv: see the line above."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock \
		|| { echo "The packages of requirements.lock could not be installed: is a package index within reach?"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e . \
		|| { echo "The package itself could not be installed: see the line above."; exit 1; }
	@touch $(READY)

lock:  ## requirements.lock again, from pyproject.toml
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv==$(UV_VERSION); }
	@.venv-lock/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" \
		--quiet --output-file requirements.lock
	@echo "requirements.lock: $$(grep -c == requirements.lock) packages"

clean:
	rm -rf .venv .venv-lock
