# The commands of this project. Each makes .venv and installs what it needs there first, once.

PYTHON    ?= python3
VENV      ?= .venv
DEMO_ARGS ?= --budget 3.5m
TEST_ARGS ?= -n 2
BENCHMARK_ARGS ?=

BIN    := $(VENV)/bin
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TEST_ARGS)

extras_demo :=
extras_test := [test]
extras_dev  := [dev]
extras_docs := [docs]

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-slow lint docs benchmarks clean

help: ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

demo: $(VENV)/.installed-demo ## Train conv-vae, on MNIST or (without a network) on glyphs: five minutes at most.
	$(BIN)/zoo train conv-vae --beta 0.11 $(DEMO_ARGS)

test: $(VENV)/.installed-test ## Run every test that is not slow; needs neither network, MNIST nor GPU.
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.installed-test ## Run the slow tests: anchors on real MNIST (found through ZOO_DATA), the wheel.
	$(PYTEST) -m slow

lint: $(VENV)/.installed-dev ## Check style, types and import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs ## Write the generated pages and tables anew, and build the site into site/.
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

benchmarks: $(VENV)/.installed-demo ## Measure speed and memory beside other libraries; needs MNIST below ZOO_DATA.
	$(BIN)/python -m pip install --disable-pip-version-check --requirement benchmarks/requirements.txt
	$(BIN)/python benchmarks/run.py $(BENCHMARK_ARGS)

clean: ## Remove .venv and caches; runs and downloads stay.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist site
	find zoo plugins tests docs examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed-%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): at first about 5 GB and some minutes, because torch brings its CUDA libraries"
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.$(extras_$*)'
	@touch $@
