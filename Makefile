# Chancery. Needs Python 3.11 or newer and make; everything else comes from wheels.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo up administrator manage doctor test lint bench clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.run ## Start everything with live sample agents
	@$(BIN)/python -m config.launch demo

up: $(VENV)/.run ## Start everything, without sample data
	@$(BIN)/python -m config.launch up

administrator: $(VENV)/.run ## Make an administrator of a running Chancery
	@$(BIN)/python -m config.manage create_administrator

manage: $(VENV)/.run ## Run a command of a running Chancery: make manage ARGS=verify_ledger
	@$(BIN)/python -m config.manage $(ARGS)

doctor: $(VENV)/.run ## Check a running Chancery and say what to do
	@$(BIN)/python -m config.manage doctor

test: $(VENV)/.dev ## Run the tests
	@$(BIN)/python -m pytest -n 2 $(ARGS)

# Nothing is connected to: these values only let the settings load as they would in production.
CHECKED := CHANCERY_PLAIN_HTTP=false CHANCERY_LOG_LEVEL=ERROR SECRET_KEY=for-checks-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG ALLOWED_HOSTS=chancery.example \
  DATABASE_URL=postgresql://nobody@localhost:1/nothing REDIS_URL=redis://localhost:1/0
MANAGE := env $(CHECKED) $(BIN)/python manage.py

lint: $(VENV)/.dev ## Check style, types, architecture, migrations, deployment, API schema
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@env $(CHECKED) $(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MANAGE) makemigrations --check --dry-run
	@$(MANAGE) check --deploy --fail-level WARNING
	@mkdir -p build
	@$(MANAGE) spectacular --validate --fail-on-warn --file build/openapi.yaml
	@$(BIN)/openapi-spec-validator build/openapi.yaml

bench: $(VENV)/.dev ## Run every benchmark
	@for script in $(filter-out bench/rig.py bench/fleet.py,$(wildcard bench/[a-z]*.py)); do echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; done

clean: ## Remove the virtual environment and all local data
	@printf 'This removes $(VENV) and .chancery with all their data. Type yes: '; read answer; [ "$$answer" = yes ] && rm -rf $(VENV) .chancery

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Chancery needs Python 3.11 or newer as $(PYTHON). Name another: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making $(VENV)" && $(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/.run: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing (a few minutes the first time, most of it the embedding model's library)"
	@$(BIN)/pip install --quiet --progress-bar on -c constraints.txt -e . && touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing with development tools"
	@$(BIN)/pip install --quiet --progress-bar on -c constraints.txt -e '.[dev]' && touch $(VENV)/.run $@
