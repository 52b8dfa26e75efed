.DEFAULT_GOAL := help
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/ready: requirements-dev.txt pyproject.toml clients/python/pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e clients/python
	@touch $@

setup: .venv/ready ## the environment, from hashed requirements

demo: .venv/ready ## a vault on this machine, and the main job before your eyes (ONCE=1 exits at the end)
	$(BIN)/strongroom dev --demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

test: .venv/ready ## every test, on real OpenBao and PostgreSQL (JOBS=1: one after the other)
	$(BIN)/pytest -n $(JOBS) --dist loadfile

faults: .venv/ready ## the fault table and the long campaigns that `test` leaves out (ONLY=13: one row of the table)
	$(BIN)/pytest -m campaign $(if $(ONLY),tests/campaign --only $(ONLY))

bench: .venv/ready ## the figures of docs/PERFORMANCE.md on this machine (some 50 minutes, 6 GB of temporary files)
	$(BIN)/python -m benchmarks.hot --json bench-hot-postgresql.json
	$(BIN)/python -m benchmarks.hot --database sqlite --json bench-hot-sqlite.json
	$(BIN)/python -m benchmarks.hot.sweep --folder bench-plots
	$(BIN)/python -m benchmarks.hot.workers
	$(BIN)/python -m benchmarks.hot.restart
	$(BIN)/python -m benchmarks.sequencing
	$(BIN)/python -m benchmarks.sequencer_beside
	$(BIN)/python -m benchmarks.log_proof
	$(BIN)/python -m benchmarks.retention
	$(BIN)/python -m benchmarks.rewrap
	$(BIN)/python -m benchmarks.storage --json bench-storage.json
	$(BIN)/python -m benchmarks.sizing --hot bench-hot-postgresql.json --storage bench-storage.json
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && set -x \
	&& $(BIN)/python -m benchmarks.audit_verify make $$folder/mirror \
	&& $(BIN)/python -m benchmarks.audit_verify verify $$folder/mirror \
	&& $(BIN)/python -m benchmarks.audit_mirror $$folder/mirror

bench-sizes: .venv/ready ## the same load on small and large databases (RECORDS="10000 1000000"; a million: 4 GB, ten: 34 GB)
	$(BIN)/python -m benchmarks.hot.sizes $(if $(RECORDS),--records $(RECORDS))

bench-memory: .venv/ready ## memory of every worker under load, and its slope (MINUTES=10)
	$(BIN)/python -m benchmarks.hot.memory $(if $(MINUTES),--minutes $(MINUTES))

lint: .venv/ready ## style, types, import arrow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: .venv/ready ## compile the hashed requirements again
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --extra dev --group dev -o requirements-dev.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --group build -o requirements-build.txt

clean: ## the environment and the caches; never the vault under .strongroom
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help setup demo test faults bench bench-sizes bench-memory lint lock clean
