# Every target installs what it needs into .venv first. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
# Where pip finds torch. On most Linux machines the default brings several GB of CUDA; TORCH_INDEX=URL, with the CPU wheel index named on
# PyTorch's "Get Started" page, brings the CPU build instead.
TORCH_INDEX ?=
DEMO ?= runs/demo
# Words for the comparison of models: make bench-models BENCH_MODELS='--only vector_transformer+diffusion'
BENCH_MODELS ?=

# pip leaves compiling to bytecode to the first import, which has to keep it: otherwise every process compiles torch anew.
export PYTHONDONTWRITEBYTECODE :=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.installed
WAYMO := waymo-open-dataset-tf-2-12-0==1.6.7

ifneq (4,$(firstword $(subst ., ,$(MAKE_VERSION))))
$(error This is make $(MAKE_VERSION); GNU make 4 or newer is needed (Debian: apt install make; macOS: brew install make, then gmake))
endif

.DEFAULT_GOAL := help
.PHONY: api help install demo test test-fast measure-tests docs bench bench-suite bench-models bench-json lint check clean clean-kernels

help: ## list the targets
	@echo "roadcraft: driving logs into planners, planners into scores. Targets:"
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt $(wildcard examples/*/pyproject.toml)
	@command -v $(PYTHON) >/dev/null || { echo "There is no '$(PYTHON)' here. Install Python 3.11 to 3.13 (Debian: apt install python3 python3-venv), or say \
  which to use: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; ok = (3, 11) <= v < (3, 14); \
  ok or print("This is Python %d.%d; roadcraft needs 3.11, 3.12 or 3.13. If one is installed, name it: make PYTHON=python3.11 ..." % v); sys.exit(not ok)'
	@echo "Installing roadcraft into $(VENV) (about 3 minutes and 2 GB, mostly torch) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "Python has no venv module; on Debian: apt install python3-venv"; exit 1; }
	@$(PIP) install -qq --no-compile -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(PIP) install -qq --no-compile -c constraints.txt -e '.[dev]'
	@$(PIP) install -qq --no-compile --no-deps $(WAYMO)
	@$(PIP) install -qq --no-compile --no-deps -e examples/roadcraft-cautious -e examples/roadcraft-anchors -e examples/roadcraft-history
	@$(BIN)/roadcraft warm
	@touch $@
	@echo "Installed. The command is $(BIN)/roadcraft"

install: $(STAMP) ## install into .venv (TORCH_INDEX=URL chooses where torch comes from)

demo: $(STAMP) ## synthesize logs, train, score six planners, write a report (about 8 minutes)
	$(BIN)/roadcraft demo --out $(DEMO)

test: $(STAMP) ## run all tests
	$(BIN)/pytest -q -n auto --dist worksteal

test-fast: $(STAMP) ## run the tests that take little time (those not listed in tests/slow.txt), in about a minute
	$(BIN)/pytest -q -n auto --dist worksteal -m "not slow"

measure-tests: $(STAMP) ## run all tests and write which of them are slow into tests/slow.txt
	$(BIN)/pytest -q -n auto --dist worksteal --measure

docs: $(STAMP) ## build the documentation into build/docs, links and anchors checked (without network)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(STAMP) ## measure what must be fast
	$(BIN)/pytest -q tests/benchmarks -o python_files='bench_*.py' --benchmark-only --benchmark-columns=median,iqr,rounds --benchmark-sort=name
	$(BIN)/python tests/benchmarks/stages.py

bench-suite: $(STAMP) ## score a suite as large as nuPlan's val14 (about 20 minutes, most of it to make it)
	$(BIN)/python tests/benchmarks/suite.py

bench-json: $(STAMP) ## the same, written to bench.json and stages.json, with what compiling costs
	$(BIN)/pytest -q tests/benchmarks -o python_files='bench_*.py' --benchmark-only --benchmark-json=bench.json
	$(BIN)/python tests/benchmarks/stages.py --json stages.json --cold

bench-models: $(STAMP) ## train and compare all encoders and models; goes on where it was stopped (hours)
	$(BIN)/python tests/benchmarks/models.py $(BENCH_MODELS)

lint: $(STAMP) ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy core/roadcraft examples
	$(BIN)/pyright
	$(BIN)/lint-imports

api: $(STAMP) ## store the signatures of the public API that the tests compare with
	$(BIN)/python tests/support/signatures.py

check: lint docs test ## everything CI runs

clean-kernels: ## forget compiled kernels beside the sources
	find core scenario_io planners validation plugins -name "*.nb[ic]" -delete

clean: clean-kernels ## remove caches and the environment
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
