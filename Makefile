# Everything a contributor runs. Each target prepares .venv from nothing but Python >= 3.11 and make.
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready

.PHONY: demo test test-all check format bench conformance lock clean

demo: $(READY)                      ## broker + shop, orders flowing
	$(BIN)/tidings demo

test: $(READY)                      ## everything that needs only Python
	$(BIN)/python -m pytest -n 2 -m "not external"

test-all: $(READY)                  ## also real Apache Kafka and kcat (scripts/ install them)
	scripts/install-test-peers
	$(BIN)/python -m pytest -m external

check: $(READY)                     ## format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)                     ## speed, latency and memory beside Apache Kafka's: half an hour
	scripts/install-test-peers
	$(BIN)/python -m benchmarks.broker

conformance: $(READY)               ## other people's test suites, by name from their registries: half an hour
	$(BIN)/python -m tests.interop.conformance

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tidings needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

lock: $(READY)                      ## renew requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --group dev pyproject.toml --upgrade \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -o requirements.lock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
