# Everything needs only Python >= 3.11 and make; `make help` lists the targets.
PYTHON ?= python3
UV_VERSION := 0.13.9
CORPORA ?= ../shared/corpora
BIN := .venv/bin
CLI := $(BIN)/pipeline-platform

.PHONY: help setup run up cluster test lint bench models lock clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# Byte code comes with the first import: most modules of the packages are never imported.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	@echo "installing the packages of requirements.lock"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@echo "compiling the loops over texts"
	$(BIN)/python -m pipeline_platform.launch.compilation
	@touch $@

setup: .venv/ready ## Create the environment from the lock file

run: setup ## Run the main job on demo data: fetch to export, the last three days
	$(CLI) run

up: setup ## Open the Dagster UI with daemon and schedules
	$(CLI) up

# A folder of its own: pytest closes the shared one to other users at every start, and PostgreSQL, started by root, runs
# as another user. More workers than cores, since many tests wait.
test: setup ## Run every test
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  $(BIN)/python -m pytest --numprocesses 4 --dist worksteal --basetemp "$$folder/tests"

cluster: setup ## Run the main job on a cluster of processes with four workers
	$(CLI) cluster

lint: setup ## Ruff, formatting, types and Dagster definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/dg check toml

bench: setup ## Run the benchmarks
	$(BIN)/python -m benchmarks

models: setup ## Train the models that are shipped; CORPORA names the folder of labelled texts
	$(BIN)/python -m training --corpora $(CORPORA)

lock: setup ## Resolve requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-header --no-annotate pyproject.toml --output-file requirements.lock

clean: ## Remove the environment and the demo data
	rm -rf .venv .pipeline
