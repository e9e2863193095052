# The commands of the repository; `make help` lists them. Needs Python 3.11 or newer and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.visapi-setup
PACKAGES := libs/common libs/engine libs/visapi services/gateway services/orchestrator services/pdf-worker services/notifier
JOBS ?= 3

.PHONY: help setup up demo test check bench faults attacks plans load capacity alerts observe gameday docs images compose-demo compose-backup compose-rotation upgrade-test rotation-test deploy-tools deploy-check terraform-providers terraform-apply-local clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Build the environment: packages, Chromium (idempotent)
	@$(PYTHON) tools/setup_environment.py $(VENV) $(PACKAGES)

up: setup ## Start the embedded stack in the foreground
	@$(BIN)/visapi up

demo: setup ## Deploy the sample workflow and watch it run, from trigger to delivered mail
	@$(BIN)/visapi demo

test: setup ## Run every test, in parallel where they allow it (TEST=path to choose, JOBS=3; SHARD=1/3: one of three parts)
ifdef TEST
	@$(BIN)/pytest -q $(TEST)
else
	@$(BIN)/python tools/run_tests.py --jobs $(JOBS) $(if $(SHARD),--shard "$$SHARD")
endif

check: setup ## Lint, format, types, layers, dependencies, shape: what a change must pass
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/check_shape.py
	@$(BIN)/python tools/check_dependencies.py $(PACKAGES)
	@$(BIN)/pyright

bench: setup ## Measure the budgets beside the machine's own limits; writes bench/out/latest.json (ROWS="events heard; PDFs" to choose)
	@PYTHONPATH=tests $(BIN)/python -m bench $(if $(ROWS),--rows "$(ROWS)")

faults: setup ## kill -9 everything while 200 workflows run, then count
	@VISAPI_TEST_FAULT_RUNS=200 $(BIN)/pytest -q -s -m faults tests/faults

attacks: setup ## Attack a whole stack, class by class, beside a bystander whose latency is printed
	@VISAPI_TEST_ATTACKS=full $(BIN)/pytest -q -s -m attacks tests/attacks
	@VISAPI_TEST_ATTACKS=full $(BIN)/pytest -q -s services/gateway/tests/integration/test_revocations.py services/gateway/tests/integration/test_description.py

alerts: setup ## Inject real faults on a stack watched by Prometheus and Alertmanager, and print which alerts arrived when (about 40 minutes)
	@$(MAKE) --no-print-directory deploy-tools SETS="prometheus"
	@PYTHONPATH=tests $(BIN)/python -m alerts $(if $(ONLY),--only "$(ONLY)")

observe: setup ## Ask every panel of every dashboard on a stack under load, check rules and pages of metrics, draw pictures (PICTURES=folder)
	@$(MAKE) --no-print-directory deploy-tools SETS="prometheus"
	@PYTHONPATH=tests $(BIN)/python -m observe $(if $(PICTURES),--pictures "$(PICTURES)")

gameday: setup ## Hold one of four game days on a whole stack under load, and write its report from what was measured (N=1..4)
	@$(MAKE) --no-print-directory deploy-tools SETS="prometheus chaos"
	@PYTHONPATH=tests $(BIN)/python -m gamedays $(N)

plans: setup ## EXPLAIN what loops, lists and sweeps ask, on tables of a million rows (make test has 200,000)
	@VISAPI_TEST_ROWS=full $(BIN)/pytest -q tests/integration

load: setup ## Put 5,000 starts a minute on a stack for 30 minutes with k6, then account for each (PROFILE=spike, MINUTES=2, PER_MINUTE=600)
	@$(MAKE) --no-print-directory deploy-tools SETS="load"
	@PYTHONPATH=tests $(BIN)/python -m bench.load --profile $(or $(PROFILE),sustained) --minutes $(or $(MINUTES),30) $(if $(PER_MINUTE),--per-minute $(PER_MINUTE))

capacity: setup ## Measure what a run costs of each resource, and whether forecasts from it hold (about 5 minutes)
	@PYTHONPATH=tests $(BIN)/python -m bench.capacity $(if $(OUT),--out "$(OUT)")

docs: setup ## Type every block of every page into a shell, each page beside a new stack (about 3 minutes on 2 cores)
	@$(BIN)/pytest -q tests/e2e/test_pages_run.py tests/contract/test_documents.py

images: setup ## Build the images with docker, podman or buildah, and test them (IMAGES="gateway notifier" to choose)
	@$(BIN)/python tools/build_images.py $(IMAGES_FLAGS) $(IMAGES)
	@$(BIN)/pytest -q -m images tests/images

compose-demo: setup ## Bring docker-compose.yml up, play the demo, kill each container under load, take it down
	@$(BIN)/python tools/compose_demo.py $(COMPOSE_FLAGS)

compose-backup: setup ## Back the database of docker-compose.yml up, lose it, restore it to a moment, look up every run
	@$(BIN)/python tools/compose_backup.py $(COMPOSE_FLAGS)

compose-rotation: setup ## Type every docker compose command of docs/how-to/rotate-every-secret.md, with runs in between
	@$(BIN)/python tools/compose_rotation.py $(COMPOSE_FLAGS)

upgrade-test: setup ## Run the release before (FROM=commit or tag) and this one on one ledger under load, forward and back
	@from=$$($(BIN)/python tools/previous_release.py $(FROM)) && \
	VISAPI_TEST_UPGRADE_FROM="$$from" $(BIN)/pytest -q -s -m upgrade tests/upgrade

rotation-test: setup ## Rotate every key under load, and seal ten thousand secrets anew beside a reader
	@VISAPI_TEST_ROTATION=1 $(BIN)/pytest -q -s -m upgrade tests/upgrade/test_rotation.py
	@VISAPI_TEST_ATTACKS=full $(BIN)/pytest -q -s libs/visapi/tests/integration/admin/test_admin_rotation.py

deploy-tools: ## Install the tools of deploy-check into .tools/ (SETS="chart checkov" to choose)
	@$(PYTHON) tools/deploy_tools.py $(filter-out all,$(SETS))

deploy-check: setup deploy-tools ## Check what installs VisAPI: chart, compose, Terraform, pipeline (PART=helm to choose)
	@$(BIN)/pytest -q -n 2 --dist loadgroup tests/deploy/$(PART)

terraform-providers: ## Fetch AWS's provider for the checks of Terraform (about 150 MB), where its registry can be reached
	@terraform -chdir=terraform/modules/aws-kms providers mirror $(CURDIR)/.tools/tf-plugins

terraform-apply-local: setup ## Apply the AWS path of terraform/ to an emulator, plan again, destroy it (about 6 minutes)
	@$(MAKE) --no-print-directory deploy-tools SETS="terraform moto"
	@VISAPI_TEST_TERRAFORM_APPLY=1 $(BIN)/pytest -q -s tests/deploy/terraform/test_apply_local.py

.PHONY: restore-test runbooks
restore-test: setup ## Lose PostgreSQL and NATS under load, restore to a point in the past, count what was lost; prints RPO and RTO
	@VISAPI_TEST_DRILLS=full VISAPI_TEST_RESTORE_RUNS=100 $(BIN)/pytest -q -s tests/drills/test_restore.py

runbooks: setup ## Make the fault of each runbook on a live stack, type its commands, wait for its own check; ends with a table
	@$(MAKE) --no-print-directory deploy-tools SETS="prometheus"
	@VISAPI_TEST_DRILLS=full $(BIN)/pytest -q -s tests/drills/test_runbooks.py

clean: ## Remove the environment, caches and the stack's data
	@$(PYTHON) tools/clean.py $(VENV) .visapi

include deploy/pipeline/pipeline.mk
