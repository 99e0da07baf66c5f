# `make reproduce` and `make test` are all it takes; `make` alone lists the rest.
PYTHON ?= python3.11
CORES ?= 2
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
.DEFAULT_GOAL := help

.PHONY: help env reproduce test test-nightly lint format lock status clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) \
	  | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

env: $(VENV)/.ready  ## make the environment in .venv from requirements.lock

# torch first and alone: pip takes a CPU build where one is configured, and uv keeps it and installs
# the rest in seconds. Byte code is made once here, not by each of a few hundred short jobs.
$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
	  { echo "error: $(PYTHON) not found; install Python 3.11 or set PYTHON=..."; exit 1; }
	@echo "environment: $(VENV)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  $$(grep -E '^uv==' requirements.lock)
	@echo "environment: torch"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  $$(grep -E '^torch==' requirements.lock)
	@echo "environment: $$(grep -c == requirements.lock) packages"
	@$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(VENV)/bin/python \
	  -r requirements.lock
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps \
	  --no-build-isolation -e .
	@touch $@

reproduce: env  ## build what params.yaml asks for, from archives to the report
	snakemake --cores $(CORES)
	@echo "report: $(CURDIR)/results/report/index.html"

test: env lint  ## lint and tests
	pytest -n $(CORES) --dist worksteal

test-nightly: env  ## the long tests of the workflow (docs/testing.md)
	pytest -n $(CORES) --dist worksteal -m nightly

lint: env  ## ruff, snakefmt, snakemake --lint, mypy
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint
	mypy

format: env  ## apply ruff and snakefmt
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

status: env  ## what is present, what the next run would do
	@merflow status

# GPU packages stay out: torch's own metadata asks for them where they fit
lock: env  ## compile requirements.lock anew
	uv pip compile pyproject.toml --extra dev --extra slurm --python-version 3.11 \
	  --no-annotate --no-header --quiet \
	  | grep -vE '^(nvidia-|cuda-|triton==)' > requirements.lock

clean:  ## delete scratch (build/); artifacts stay
	rm -rf build
