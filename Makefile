# Everything here is a line that you can also type yourself. `make` alone lists the targets.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
LOCK := uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help setup demo test prove mutants check format bench wheel clean lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## create .venv with everything that demo and tests need

demo: $(READY) ## server, workers, producer and console in one terminal (ARGS="--port 9000 --rate 20")
	@exec $(BIN)/taskyard demo $(ARGS)

test: $(READY) ## run the tests (ARGS="-k claim"); installs chromium and redis-server where it can
	@tests/system_setup
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

prove: $(READY) ## random lives of a queue beside its model, for SECONDS=600 with fresh seeds (ARGS="--seed 7" to see one again)
	$(BIN)/python -m tests.proof.prove --seconds $(or $(SECONDS),600) $(ARGS)

mutants: $(READY) ## find for each mutant of the scripts a life in which it shows, and note it for the tests
	$(BIN)/python -m tests.proof.find_mutants

check: $(READY) ## format, lint, strict types, import directions (with CI=true: formats nothing, complains)
ifeq ($(CI),true)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
else
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
endif
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

bench: $(READY) ## measure (ARGS: what to measure)
	$(BIN)/python -m benchmarks $(ARGS)

wheel: $(READY) ## build dist/*.whl
	$(BIN)/python -m build --wheel --no-isolation

lock: ## renew the locks from pyproject.toml (needs uv)
	$(LOCK) --extra demo --extra fast --extra dev -o requirements.lock pyproject.toml
	$(LOCK) --extra console --extra fast -o requirements-image.lock pyproject.toml

clean: ## remove .venv, caches and builds
	rm -rf $(VENV) dist .coverage htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, made again only when the lock or the project file changes. uv where there is one, else plain pip.
$(READY): requirements.lock pyproject.toml
	@set -e; \
	suitable='import sys; sys.exit(sys.version_info < (3, 11))'; \
	python=; \
	for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if "$$candidate" -c "$$suitable" 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Taskyard needs Python 3.11 or newer; python3 here is: $$(python3 --version 2>&1 || true)." >&2; \
	  echo "Name another one with: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	echo "Setting up $(VENV) ($$("$$python" --version)) ..."; \
	if command -v uv >/dev/null; then \
	  "$(BIN)/python" -c "$$suitable" 2>/dev/null || uv venv --quiet --clear --python "$$(command -v "$$python")" $(VENV); \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  "$(BIN)/python" -m pip --version >/dev/null 2>&1 && "$(BIN)/python" -c "$$suitable" || "$$python" -m venv --clear $(VENV) || { \
	    rm -rf $(VENV); echo "This Python cannot make environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	  "$(BIN)/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	  "$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $@
