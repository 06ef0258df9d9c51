# make baselines: trains and plays the methods of the paper's Fig. 2, and writes its figures, tables and
# report.md into results/. All other methods have commands of their own: python -m baselines --help.
# make calibrate: measure SSIM against diffusion steps on repainted images.
# make test: the tests, less those marked slow, ray, browser, benchmarl or peers. make test-all: all.
# make peers: holds the answers against those of other packages, and writes the differences for the docs.
# All set themselves up in .venv from nothing but python3 (3.11 or newer, with venv) and pip.
# CONSTRAINTS=constraints.txt installs the versions last seen green, in tests too; without it, the newest.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?=
ifneq ($(CONSTRAINTS),)
export PIP_CONSTRAINT := $(abspath $(CONSTRAINTS))
endif

.PHONY: baselines calibrate test test-all peers coverage wheel lint types docs links examples libraries \
	benchmarks beside newest lowest core constraints clean

baselines: $(VENV)/baselines
	$(BIN)/python -m baselines reproduce

calibrate: $(VENV)/baselines $(VENV)/repaint
	$(BIN)/python -m baselines calibrate

PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

test: $(VENV)/test
	$(PYTEST) -m "not (slow or ray or browser or benchmarl or peers)"

test-all: test $(VENV)/dev $(VENV)/peers
	$(PYTEST) -m "slow or ray or browser or benchmarl or peers"

peers: $(VENV)/peers
	$(PYTEST) tests/peers --record docs/peers.csv
	$(BIN)/python docs/write_numbers.py

coverage: $(VENV)/dev
	$(PYTEST) --cov --cov-report=term:skip-covered

wheel: $(VENV)/dev
	$(BIN)/python -m pytest tests/test_wheel.py

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/types
	$(BIN)/pyright --pythonpath $(BIN)/python

# The first build runs the tutorials, some minutes; later ones run those that have changed.
docs: $(VENV)/docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

# Whether other sites still have what the docs link to.
links: $(VENV)/docs
	$(BIN)/sphinx-build -b linkcheck -D nb_execution_mode=off docs build/links

examples: $(VENV)/sb3 $(VENV)/torchrl
	$(BIN)/python examples/play_by_hand.py
	$(BIN)/python examples/train_sb3.py
	$(BIN)/python examples/tensors_pathwise.py

libraries: $(VENV)/dev
	$(BIN)/nox -s examples

benchmarks: $(VENV)/dev
	$(BIN)/python tests/benchmarks

# Steps a second beside other packages, in an environment of their own, on a quiet machine.
beside: $(VENV)/dev
	$(BIN)/nox -s beside

# All checks on the newest versions of everything, in an environment of its own: what releases of
# others break is seen here first. Where all is well, these versions become the constraints.
newest:
	rm -rf .venv-newest
	env -u PIP_CONSTRAINT $(MAKE) VENV=.venv-newest CONSTRAINTS= test-all lint types docs examples constraints

# The tests on the lowest versions that pyproject.toml admits, on the lowest Python, for which they have
# wheels; then those of the core with nothing else beside it. What the lowest need in turn is new, and
# deprecates what they call: that says nothing of ours.
lowest: PYTHON = python3.11
lowest:
	rm -rf .venv-lowest
	PYTEST_ADDOPTS="-W ignore::DeprecationWarning" $(MAKE) PYTHON=$(PYTHON) VENV=.venv-lowest \
		CONSTRAINTS=.venv-lowest/constraints.txt test core

.venv-lowest/constraints.txt: pyproject.toml | .venv-lowest/bin/python
	grep -oE '[a-z0-9_-]+>=[0-9.]+' $< | sed 's/>=/==/' > $@

core: $(VENV)/test
	$(BIN)/python -m pytest tests/test_wheel.py -k nothing_else

# Names and versions: without the name of a build, such as +cpu.
constraints: $(VENV)/dev
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+.*//' > constraints.txt.tmp
	mv constraints.txt.tmp constraints.txt

clean:
	rm -rf .venv .venv-newest .venv-lowest docs/_build docs/.jupyter_cache docs/jupyter_execute

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What a goal needs is the extra of that name. What is imported is compiled as it is imported.
$(VENV)/%: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[$*]'
	touch $@
