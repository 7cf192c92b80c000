# make demo   from a clone to a console with a live map
# make test   everything that must hold, on the real parts
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8080
BIN := $(VENV)/bin

.PHONY: demo test install lint parts unit schemas clean

demo: $(VENV)/.installed
	$(BIN)/drumtower demo --port $(PORT)

test: $(VENV)/.installed-test lint parts unit

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

parts: $(VENV)/.installed-test
	$(BIN)/python -m tests.support.parts install

unit: $(VENV)/.installed-test
	$(BIN)/python -m pytest

schemas: $(VENV)/.installed
	$(BIN)/drumtower schemas write docs/schemas

install: $(VENV)/.installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON): expected Python 3.11 or later. Install it, or name it: make demo PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python -m venv: expected the module venv. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.installed: pyproject.toml hatch_build.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@$(BIN)/python deploy/opencv_check.py
	@touch $@

$(VENV)/.installed-test: pyproject.toml hatch_build.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,bench]'
	@$(BIN)/python deploy/opencv_check.py
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) dist build deploy/console/dist deploy/console/node_modules
