# The two commands of the README, and the few behind them.
#   make demo    install, simulate a box with a hidden resonance, search it, write the report
#   make test    install, run the tests (SLOW=1: also the physics and calibration validations, and
#                those on real servers, where these are installed)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
DEMO   := runs/quickstart

# One thread a process for OpenMP and BLAS: the parallelism is over tasks.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test slow lint format docs constraints clean

demo: $(VENV)/.installed
	@mkdir -p $(DEMO)
	$(BIN)/overdensity simulate $(DEMO)/box.h5 --background 40000 --signal 250 --seed 1
	$(BIN)/overdensity run examples/quickstart/search.yaml

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(if $(SLOW),-m "")

slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Redo the figures that the pages in docs/ show; takes half an hour.
docs: $(VENV)/.installed-dev
	$(BIN)/python -P benchmarks/quickstart.py $(DEMO) --figures docs/figures
	$(BIN)/python -P benchmarks/simulation.py validate
	$(BIN)/python -P benchmarks/features.py
	$(BIN)/python -P benchmarks/training.py
	$(BIN)/python -P benchmarks/statistics.py
	$(BIN)/python -P benchmarks/search.py null
	$(BIN)/python -P benchmarks/search.py signal

constraints: $(VENV)/.installed-dev
	@{ grep '^#' constraints.txt; \
	   $(BIN)/python -m pip freeze --exclude-editable | grep -v '^torch==\|^cuda\|^nvidia\|^triton'; \
	   echo 'torch>=2.6,<2.14'; } > constraints.new && mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info runs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing into $(VENV); a minute or two ..."
	@$(PIP) --no-compile --editable '.[simulation]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing into $(VENV) with what the tests need; a minute or two ..."
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
