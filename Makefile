# `make` lists the targets. Everything they need comes into .venv and the cache directory; nothing on the machine changes.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
RUNTIMES := $(wildcard host_tools/mulligan_host/*/runtime)

# What the machine or the caller has set up for another Python or MicroPython stays out.
unexport PYTHONPATH PYTHONHOME MICROPYPATH VIRTUAL_ENV
export PYTHONNOUSERSITE := 1
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup lint fmt type contract unit upy demo test bench fuzz pairs powerloss clean

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## the virtual environment, the dependencies and a real MicroPython
	@$(BIN)/mulligan micropython

# Only done again when pyproject.toml changes. Some Debian-family systems split ensurepip off: then pip's own wheel, as the
# distribution packages it, is fetched with apt and used from where it was unpacked.
$(STAMP): pyproject.toml
	@set -e; \
	new='import sys; sys.exit(sys.version_info < (3, 11))'; \
	for python in $(PYTHON) python3 python3.13 python3.12 python3.11 none; do \
		if [ $$python = none ]; then \
			echo "error: no Python >= 3.11 found: install one, or make PYTHON=/path/to/python3" >&2; exit 1; \
		fi; \
		if $$python -c "$$new" 2>/dev/null; then break; fi; \
		echo "passed over: $$python is $$($$python -V 2>/dev/null || echo missing), Mulligan needs Python >= 3.11" >&2; \
	done; \
	rm -f $@; \
	if ! $(BIN)/python -c "$$new; import pip" 2>/dev/null; then \
		rm -rf $(VENV); \
		if $$python -c 'import ensurepip' 2>/dev/null; then \
			$$python -m venv $(VENV); \
		else \
			$$python -m venv --without-pip $(VENV); \
			(cd $(VENV) && apt-get -q download python3-pip-whl >/dev/null && dpkg -x python3-pip-whl_*.deb pip-whl) || { \
				rm -rf $(VENV); echo "error: $$python has no ensurepip: apt install python3-venv" >&2; exit 1; }; \
			wheel=$$(echo $(VENV)/pip-whl/usr/share/python-wheels/pip-*.whl); \
			PYTHONPATH=$$wheel $(BIN)/python -m pip install -q pip; \
			rm -rf $(VENV)/pip-whl $(VENV)/python3-pip-whl_*.deb; \
		fi; \
	fi; \
	$(BIN)/python -m pip install -q 'pip>=25.1'; \
	$(BIN)/python -m pip install -q -e '.[dev]'; \
	rm -rf $(VENV)/typings; \
	$(BIN)/python -m pip install -q --target $(VENV)/typings --group typings
	@touch $@

lint: $(STAMP) ## ruff: rules, and the format of host code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: $(STAMP) ## ruff: put host code into its format, sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(STAMP) ## mypy: host strictly, device against MicroPython's own types
	$(BIN)/mypy
	$(BIN)/mypy --config-file mypy-device.ini -p mulligan
	@# Each by itself: one of them holds a machine.py of its own.
	@set -e; for runtime in $(RUNTIMES); do $(BIN)/mypy --config-file mypy-device.ini $$runtime/*.py; done

contract: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP) ## the device's tests on CPython
	$(BIN)/pytest tests/core tests/tflite -m "not upy"

upy: setup ## the same files on the real unix ports of MicroPython
	$(BIN)/pytest tests/core tests/tflite -m upy

demo: setup ## one virtual board: an update, two rollbacks, a stranger, a power cut
	@$(BIN)/mulligan demo

test: setup lint type contract ## everything: lint, types, import contract, unit, upy and host tests
	$(BIN)/pytest -n auto

bench: setup ## counts, ratios and bytes of the hot paths; ONLY="patches …" for some of it
	$(BIN)/python tests/bench $(ONLY)

fuzz: setup ## generated input for each parser that reads from outside
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-20000} $(BIN)/pytest -m fuzz

pairs: setup ## a patch of each pair in ../shared/pairs, its size held against what was promised
	$(BIN)/pytest -m pairs

powerloss: setup ## a power cut at each flash operation and inside it, again in the recovery; SIGKILL at random
	$(BIN)/pytest -n auto -m powerloss


clean: ## remove what the targets made in this directory
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
