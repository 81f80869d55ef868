# The two commands of the README, and the few behind them.
#   make demo    install, simulate a box with a hidden resonance, search it, write the report
#   make test    install, run the tests, a process per core
#                SLOW=1: also the physics and calibration validations, and afterwards, one by one,
#                the tests on real servers, where these are installed
#                ONLY=tests/stats/spectra/test_spectrum.py: one file, folder or test

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
DEMO   := runs/quickstart
# One file starts sooner in one process.
TESTS   = $(BIN)/python -m pytest -n $(if $(ONLY),0,auto) --dist worksteal
# What pytest answers where it finds no test of a kind in that file.
OR_NONE = $(if $(ONLY), || test $$? = 5)

# One thread a process for OpenMP and BLAS: the parallelism is over tasks.
export OMP_NUM_THREADS ?= 1
# Tests are rewritten and compiled once, not in every run and process.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test slow coverage lint format docs constraints clean

demo: $(VENV)/.installed
	@mkdir -p $(DEMO)
	$(BIN)/overdensity simulate $(DEMO)/box.h5 --background 40000 --signal 250 --seed 1
	$(BIN)/overdensity run examples/quickstart/search.yaml

test: $(VENV)/.installed-dev
ifdef SLOW
	$(TESTS) -m "not facilities" $(ONLY)$(OR_NONE)
	$(BIN)/python -m pytest -m facilities $(ONLY)$(OR_NONE)
else
	$(TESTS) $(ONLY)
endif

slow: $(VENV)/.installed-dev
	$(TESTS) -m slow $(ONLY)

# Which lines and branches the tests reach; SLOW=1 as above.
coverage: $(VENV)/.installed-dev
	$(TESTS) $(if $(SLOW),-m "not facilities") --cov --cov-report=term:skip-covered $(ONLY)

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
