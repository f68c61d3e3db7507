# One place for every habit of the project. `make` lists the targets.
# Needs GNU make, a POSIX shell and Python 3.10 to 3.13; everything else goes into .venv by pip, with your own pip
# settings (pip.conf, PIP_* variables). Name another Python with: make PYTHON=/path/to/python3.12 test

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTHONS := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10)
CHROMIUM := $(or $(FINETUNE_CHROMIUM),/usr/bin/chromium)

.PHONY: help
help: ## list the targets
	@echo "finetune-kit: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  %-12s %s\n' "$$name" "$$text"; done

# ---------------------------------------------------------------------------------------- the environment

$(BIN)/python:
	@found=; for python in $(PYTHONS); do \
		if "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
			>/dev/null 2>&1; then found=$$python; break; fi; done; \
	if [ -z "$$found" ]; then \
		echo "No Python 3.10 to 3.13 with venv was found among: $(PYTHONS)" >&2; \
		echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or name one:" >&2; \
		echo "  make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	echo "making $(VENV) with $$found"; \
	"$$found" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip || { rm -rf $(VENV); exit 1; }

# A stamp is as new as the last install; only a changed pyproject.toml makes it old.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e '.[demo,dev]'
	@touch $(VENV)/.demo $@

# ---------------------------------------------------------------------------------------- for users

.PHONY: quickstart
quickstart: $(VENV)/.demo ## the whole loop on the tiny bundled base: train, prove, report (a new folder in runs/)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/finetune run quickstart

.PHONY: demo
demo: $(VENV)/.demo ## talk to the newest run in a browser
	OMP_WAIT_POLICY=PASSIVE $(BIN)/finetune demo

# ---------------------------------------------------------------------------------------- for developers

.PHONY: test
test: $(VENV)/.dev ## every test; browser tests need Chromium and are skipped, with that reason, without it
	@if [ ! -x "$(CHROMIUM)" ]; then \
		echo "note: no Chromium at $(CHROMIUM): the browser tests will be skipped."; \
		echo "      Debian: apt-get install chromium; elsewhere: FINETUNE_CHROMIUM=/path/to/chromium make test"; fi
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: lint
lint: $(VENV)/.dev ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

.PHONY: docs
docs: $(VENV)/.dev ## rewrite the generated pages docs/commands.md, docs/recipe.md and docs/models.md
	$(BIN)/python -m finetune.cli.reference

.PHONY: bench
bench: $(VENV)/.dev ## measure speed and memory beside the peers that are installed (see docs/speed.md)
	$(BIN)/python -m benchmarks

.PHONY: bench-short
bench-short: $(VENV)/.dev ## one round of training speed: the kit and TRL, shared system prompt
	$(BIN)/python -m benchmarks.speed --shape one --rounds 1 --contenders kit,trl,trl-best --out runs/bench-short

.PHONY: bench-gpu
bench-gpu: $(VENV)/.dev ## training speed on a GPU: a base of the shape of Qwen3-8B (needs 17 GB of disk)
	$(BIN)/python -m benchmarks.speed --base 8B --device cuda --steps 12 --batch-size 16 --out runs/bench-gpu

.PHONY: kill
kill: $(VENV)/.dev ## kill and resume a run 100 times; the result must not change
	$(BIN)/python tests/kill_rounds.py --rounds 100

.PHONY: templates
templates: $(VENV)/.dev ## rewrite template.csv and template.xlsx of each domain from its template.jsonl
	$(BIN)/python -m tests.template_kit

.PHONY: families
families: $(VENV)/.dev ## carry every family of models through everything; rewrites finetune/models/proofs.json
	$(BIN)/python tests/families_proof.py

.PHONY: starter
starter: $(VENV)/.demo ## pre-train the bundled base anew (70 to 90 minutes on one CPU core)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m finetune.starter

.PHONY: wheel
wheel: $(VENV)/.dev ## build sdist and wheel into dist/
	$(BIN)/python -m build --no-isolation

.PHONY: clean
clean: ## remove caches and builds; runs/ and .venv stay
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -path ./$(VENV) -prune -o -path ./runs -prune -o -name __pycache__ -type d -exec rm -rf {} +
