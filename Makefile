# What people and CI call. `make help` lists it.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python of 3.11 or newer that there is; PYTHON=... chooses another.
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DIST := dist
IMAGE ?= explorer-runner
RUNNER ?= explorer-runner
NOTEBOOK ?= explorer-notebook
MANIFESTS ?= manifests
PUSH ?= images/push.sh
NAME ?= explorer
REGION ?= $(AWS_REGION)
EXAMPLES ?= 1000
SEED := $(or $(SEED),$(shell date +%s))
STACK = PYTHONPATH=infra $(BIN)/python -m stack
ON = --name "$(NAME)" --region "$(REGION)" $(if $(YES),--yes)
VERSION = $$(sed -n 's/^__version__ = "\(.*\)"$$/\1/p' runner/src/explorer_runner/_version.py)
TAG = $(VERSION)-py$(PYTHON_MINOR)
PYTHON_MINOR = $$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

.PHONY: help
help: ## Show this
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Make .venv with everything in it (IPython, Jupyter's kernel and nbclient too)

$(READY): requirements/dev.txt requirements/uv.txt runner/pyproject.toml sdk/pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: apt install python3-venv); or say PYTHON=..."; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/dev.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e runner -e sdk
	@touch $@

.PHONY: demo
demo: $(READY) ## Reconcile the demo's manifests on this machine, wait, and show what they gave
	@echo "The first time packages are installed for it (scikit-learn, matplotlib), which takes a minute."
	@EXPLORER_EXECUTOR=local $(BIN)/explorer reconcile manifests --wait
	@EXPLORER_EXECUTOR=local $(BIN)/python examples/demo.py

.PHONY: plan
plan: $(READY) ## Show what make reconcile would do (MANIFESTS=folder)
	@$(BIN)/explorer plan $(MANIFESTS) || [ $$? = 3 ]

.PHONY: plan-comment
plan-comment: $(READY) ## Put the plan onto a pull request, as one comment (REPOSITORY=, PULL_REQUEST=, gh)
	@mkdir -p build
	@$(BIN)/explorer plan $(MANIFESTS) --format markdown > build/plan.md || [ $$? = 3 ]
	@.github/comment.sh "$(REPOSITORY)" "$(PULL_REQUEST)" build/plan.md

.PHONY: reconcile
reconcile: $(READY) ## Make the configured executor match the manifests (MANIFESTS=folder)
	@$(BIN)/explorer reconcile $(MANIFESTS)

.PHONY: up
up: $(READY) region ## Make the stack on AWS, with images, explorer.toml and a first analysis (NAME=, REGION=)
	@$(STACK) up $(ON)

.PHONY: down
down: $(READY) region ## Remove it; refuses while its bucket holds outputs (NAME=, REGION=, OUTPUTS=delete)
	@$(STACK) down $(ON) $(if $(OUTPUTS),--outputs "$(OUTPUTS)")

.PHONY: host-open
host-open: $(READY) region ## Open the notebook host's JupyterLab, by AWS Systems Manager (NAME=, REGION=, PORT=8888)
	@$(STACK) host-open --name "$(NAME)" --region "$(REGION)" $(if $(PORT),--port "$(PORT)")

.PHONY: region
region:
	@test -n "$(REGION)" || { echo "Which region? REGION=eu-central-1, say, or AWS_REGION"; exit 2; }

.PHONY: test
test: $(READY) ## Run all tests; those with containers need Docker
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not container" tests
	@$(BIN)/python -m pytest -m container tests

.PHONY: torture
torture: $(READY) ## Bad days for the local executor, 15 minutes of them (SEED=, SECONDS=, SCENES=, KINDS=)
	@PYTHONPATH=tests $(BIN)/python -m torture $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(SCENES),--scenes $(SCENES)) $(if $(KINDS),--kinds $(KINDS))

.PHONY: fuzz
fuzz: $(READY) ## Feed damaged files, records and stores to all that reads them, for minutes (EXAMPLES=1000, SEED=)
	@echo "SEED=$(SEED) says the same again"
	@EXPLORER_FUZZ=$(EXAMPLES) $(BIN)/python -m pytest -n 2 --dist worksteal --timeout=3000 --hypothesis-seed=$(SEED) tests/fuzz

.PHONY: test-aws
test-aws: $(READY) ## Run the executors' contract on the AWS account that is configured (costs money)
	@EXPLORER_TEST_AWS=1 $(BIN)/python -m pytest --timeout=3600 tests/contract

.PHONY: image
image: dist ## Build the runner image of this version and Python (BASE_IMAGE=..., IMAGE=repository)
	@images/build.sh $(IMAGE) $(PYTHON_MINOR)

.PHONY: image-push
image-push: image ## Push that image to ECR, unless it is there (IMAGE=repository; needs aws)
	@$(PUSH) $(IMAGE) $(PYTHON_MINOR)

.PHONY: notebook
notebook: dist ## Build the notebook host's image on a runner image (NOTEBOOK=repository, RUNNER=repository)
	@images/build-notebook.sh $(NOTEBOOK) $(RUNNER):$(TAG)

.PHONY: notebook-push
notebook-push: notebook ## Push it to ECR, unless it is there (NOTEBOOK=, RUNNER=; needs aws)
	@$(PUSH) $(NOTEBOOK) $(PYTHON_MINOR)

.PHONY: cloud
cloud: $(READY) ## Start a local cloud, with bucket, queue and image: then source .cloud/env
	@PYTHONPATH=. $(BIN)/python -m localcloud.up up

.PHONY: cloud-down
cloud-down: $(READY) ## End the local cloud
	@PYTHONPATH=. $(BIN)/python -m localcloud.up down

.PHONY: check
check: lint types layers test ## Everything that CI does

.PHONY: lint
lint: $(READY) ## Format and style
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

.PHONY: types
types: $(READY) ## Types, strictly
	@$(BIN)/mypy

.PHONY: layers
layers: $(READY) ## Who may import whom
	@$(BIN)/lint-imports

.PHONY: format
format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(READY) ## Run all benchmarks; one JSON line each
	@$(BIN)/python -m benchmarks

.PHONY: dist
dist: $(READY) ## Build the two wheels into dist/
	@rm -rf $(DIST)
	@$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir $(DIST) runner
	@$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir $(DIST) sdk
	@ls $(DIST)/*.whl

.PHONY: docs
docs: $(READY) ## Write docs/reference.md anew from the docstrings
	@$(BIN)/python docs/reference.py

.PHONY: lock
lock: $(READY) ## Resolve requirements/*.in anew
	@for each in uv dev runner shell cloud notebook checkov zoo zoo-pandas; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --upgrade requirements/$$each.in -o requirements/$$each.txt; done

.PHONY: clean
clean: ## Remove what make made
	rm -rf $(VENV) $(DIST) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
