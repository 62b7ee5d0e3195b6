# DictaMesh Sentry: `make run` to use it, `make test` to prove it, `make help` for the rest.
SHELL := /bin/sh
PYTHON ?= python3
comma := ,
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMPS := $(VENV)/stamps
ASSETS := src/dictamesh_sentry/web/static/dist
ASSET_SOURCES := $(wildcard package.json package-lock.json tools/build_assets.py) $(shell find src/dictamesh_sentry/web/assets -type f 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help run setup test pictures lint types format lock assets image clean

help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Set up what is missing and serve http://localhost:9000
	@exec $(BIN)/dictamesh-sentry up

setup: $(STAMPS)/runtime $(ASSETS)/manifest.json ## Prepare everything without starting
	@test -e data/run/greeting.txt || $(BIN)/dictamesh-sentry init

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 …"; exit 1; }
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check "uv>=0.13,<0.14"

$(STAMPS)/runtime: requirements/runtime.lock pyproject.toml | $(UV)
	@echo "Installing locked dependencies"
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/runtime.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements/dev.lock $(STAMPS)/runtime
	@echo "Installing locked development dependencies"
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.lock
	@touch $@

$(ASSETS)/manifest.json: $(ASSET_SOURCES) | $(STAMPS)/runtime
	@echo "Building front-end assets"
	@$(BIN)/python tools/build_assets.py

assets: | $(STAMPS)/runtime ## Build the front-end assets again
	@$(BIN)/python tools/build_assets.py

test: setup $(STAMPS)/dev lint types ## Check everything: lint, types, layers, the whole test suite
	@$(BIN)/python tools/test_requirements.py
	@$(BIN)/pytest

pictures: setup $(STAMPS)/dev ## Photograph the pages for the README
	@mkdir -p docs/images
	@DICTAMESH_PICTURES=docs/images $(BIN)/pytest -q tests/browser/test_issues.py -k pictures_of_the_readme

lint: $(STAMPS)/dev ## Ruff and the layer contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-timing 2>/dev/null | tail -n 3 || { $(BIN)/lint-imports; exit 1; }

types: $(STAMPS)/dev ## Static types
	@$(BIN)/basedpyright

format: $(STAMPS)/dev ## Format the code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

lock: | $(UV) ## Resolve the dependencies anew
	@$(UV) lock --upgrade
	@$(UV) export -q --no-dev --no-emit-project --no-header -o requirements/runtime.lock
	@$(UV) export -q --no-dev --extra scaled --no-emit-project --no-header -o requirements/scaled.lock
	@$(UV) export -q --all-extras --all-groups --no-emit-project --no-header -o requirements/dev.lock

# PLATFORMS: empty for this machine's own. Several need buildx (or podman) and end in dist/ as an OCI archive, or in a
# registry with PUSH=1.
IMAGE ?= dictamesh/sentry
PLATFORMS ?=
PUSH ?=
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE_FLAGS = -t $(IMAGE):$(VERSION) --build-arg VERSION=$(VERSION) \
	--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
	--build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ)

image: ## Build the container image (PLATFORMS=linux/amd64,linux/arm64 for several, PUSH=1 to push)
	@if docker buildx version >/dev/null 2>&1; then \
		if [ -n "$(PUSH)" ]; then output=--push; \
		elif [ -n "$(findstring $(comma),$(PLATFORMS))" ]; then mkdir -p dist; output="--output type=oci,dest=dist/sentry-$(VERSION).oci.tar"; \
		else output=--load; fi; \
		set -x; docker buildx build $(if $(PLATFORMS),--platform $(PLATFORMS)) $(if $(PUSH),--sbom=true --provenance=true) $$output $(IMAGE_FLAGS) .; \
	elif command -v docker >/dev/null 2>&1; then \
		if [ -n "$(PLATFORMS)$(PUSH)" ]; then echo "PLATFORMS and PUSH need buildx: install docker-buildx, or use podman."; exit 1; fi; \
		set -x; docker build $(IMAGE_FLAGS) .; \
	elif command -v podman >/dev/null 2>&1; then \
		set -x; podman build --format docker $(if $(PLATFORMS),--platform $(PLATFORMS) --manifest $(IMAGE):$(VERSION),-t $(IMAGE):$(VERSION)) \
			$(filter-out -t $(IMAGE):$(VERSION),$(IMAGE_FLAGS)) . $(if $(PUSH),&& podman $(if $(PLATFORMS),manifest )push $(IMAGE):$(VERSION)); \
	else echo "Building the image needs docker (with or without buildx) or podman."; exit 1; fi

clean: ## Remove the environment and what was built; data/ stays
	@rm -rf $(VENV) $(ASSETS) node_modules build dist .ruff_cache .pytest_cache .hypothesis
