# The project's commands; `make help` lists them. Needs make and Python 3.11 or newer, nothing else.

PYTHON ?= python3
VENV := .venv/bin
PORT ?= 3000
SANDBOX_PORT ?= 8090
export PORT SANDBOX_PORT
# The Python that is here serves; compiled files make every start after the first one fast.
export UV_PYTHON_DOWNLOADS := never
unexport PYTHONDONTWRITEBYTECODE
# An activated environment of another project must not be taken for ours.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help run manage services test check fmt screenshots bench faults install

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

run: install ## Start everything in this terminal (PORT=3000 SANDBOX_PORT=8090); Ctrl-C ends it
	@$(VENV)/python -m config.stack run --end-with-parent

manage: install ## One of manage.py's commands beside `make run`: make manage ARGS="create_company Acme"
	@$(VENV)/python -m config.stack manage $(ARGS)

services: install ## Start PostgreSQL and Valkey alone and print the environment for pieces run by hand
	@$(VENV)/python -m config.stack services --end-with-parent

test: install ## Check everything: style, types, layers, then all tests
	@$(VENV)/python -m config.stack.checks static tests

check: install ## The static checks alone
	@$(VENV)/python -m config.stack.checks static

fmt: install ## Format the code and fix what can be fixed by itself
	@$(VENV)/ruff check --fix-only --quiet .
	@$(VENV)/ruff format .

screenshots: install ## Draw the pictures of the documentation anew (docs/screenshots)
	@$(VENV)/python -m tests.screenshots

bench: install ## Measure throughput, latency, memory and start-up
	@$(VENV)/python -m bench

faults: install ## Kill every part under load and prove that nothing is lost (FAULTS="--seed 7 --messages 2000")
	@$(VENV)/python -m faults $(FAULTS)

install: ## Install exactly the locked packages, if anything changed
	@PYTHON='$(PYTHON)' sh config/stack/install.sh
