# make baselines: reproduce the paper's figures into results/.
# make calibrate: measure SSIM against diffusion steps on repainted images.
# make test: the tests, less the few that are marked slow, ray or browser. make test-all: all.
# All set themselves up in .venv from nothing but python3 (3.11 or newer, with venv) and pip.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: baselines calibrate test test-all lint types docs examples libraries benchmarks clean

baselines: .venv/baselines
	$(BIN)/python -m baselines reproduce

calibrate: .venv/repaint
	$(BIN)/python -m baselines calibrate

PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

test: .venv/dev
	$(PYTEST) -m "not slow and not ray and not browser"

test-all: .venv/dev
	$(PYTEST) --cov --cov-report=term:skip-covered

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/dev
	$(BIN)/pyright

docs: .venv/dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build

examples: .venv/dev
	$(BIN)/python examples/play_by_hand.py
	$(BIN)/python examples/train_sb3.py
	$(BIN)/python examples/tensors_pathwise.py

libraries: .venv/dev
	$(BIN)/nox -s examples

benchmarks: .venv/dev
	$(BIN)/python -m pytest tests/benchmarks --override-ini addopts=

clean:
	rm -rf .venv docs/_build docs/.jupyter_cache docs/jupyter_execute

.venv/baselines: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[baselines]'
	touch $@

.venv/repaint: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[baselines,repaint]'
	touch $@

.venv/dev: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs]'
	touch $@
