# Each target does its own set-up: a virtual environment in .venv, with what the target needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test browser lint types docs thorough bench clean

run: $(VENV)/run.installed
	$(BIN)/tinygrad-bn run $(ARGS)

test: $(VENV)/dev.installed
	$(BIN)/pytest -n 2 $(ARGS)

browser: $(VENV)/browser.installed  # needs Chromium, such as Debian's package `chromium`
	$(BIN)/pytest -m browser tests/browser $(ARGS)

docs: $(VENV)/docs.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

thorough: $(VENV)/dev.installed
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -n 2 $(ARGS)

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/dev.installed
	$(BIN)/mypy

bench: $(VENV)/bench.installed
	$(BIN)/tinygrad-bn bench --out benchmarks $(ARGS)

$(VENV)/run.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[render]'
	@touch $@

$(VENV)/dev.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/run.installed

$(VENV)/browser.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev,browser]'
	@touch $@ $(VENV)/dev.installed $(VENV)/run.installed

$(VENV)/docs.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs,testing]'
	@touch $@ $(VENV)/run.installed

$(VENV)/bench.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[bench,examples]'
	@touch $@ $(VENV)/run.installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed; name one with make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) batch_norm_output
