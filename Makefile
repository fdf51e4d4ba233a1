# `make demo` and `make test` do all that is needed on a fresh machine with Python 3.11 to 3.13.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo/out
SITE := docs/_build
# One thread a process: the tests run side by side, and several threads each would only get in each other's way.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test lint docs test-slow clean

demo: $(VENV)/.ready
	$(BIN)/python demo/make_clip.py $(DEMO)
	$(BIN)/unblur $(DEMO)/shaky.mp4 --overwrite
	$(BIN)/python demo/compare.py $(DEMO)

test: lint
	$(ONE_THREAD) $(BIN)/python -m pytest -n auto -m "not slow"

lint: $(VENV)/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.ready
	$(ONE_THREAD) $(BIN)/python -m sphinx -W --keep-going -b html docs $(SITE)

test-slow: $(VENV)/.ready
	$(ONE_THREAD) TRITON_INTERPRET=1 $(BIN)/python -m pytest -n auto -m slow

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo]" --group dev
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) $(SITE) docs/reference/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
