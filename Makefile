.DEFAULT_GOAL := help
PYTHON = .venv/bin/python
PORT ?= 3000
DATA ?= .local
N8N ?= .local/n8n
ARCHITECTURE ?= arm64
CHECKOV = 3.3.30
COMPILE = $(PYTHON) -m uv pip compile --quiet --no-header --no-emit-index-url --generate-hashes --python-version 3.13
# what sam finds first is the Python that it builds for
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY = 0

.PHONY: help run local test check checkov build bench n8n deploy rollback doctor restore lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/ready ## Serve everything on http://127.0.0.1:3000 with real sample data, until Ctrl-C
	@exec $(PYTHON) -m dev serve --port $(PORT) --data $(DATA)

local: .venv/ready ## The same under sam local, each function in a container: needs Docker
	@exec $(PYTHON) -m dev local --port $(PORT) --data $(DATA)

test: .venv/ready ## Run the tests
	@$(PYTHON) -m pytest $(TESTS)

check: .venv/ready ## Format, lint, types, migrations, template
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m ruff check --quiet .
	@.venv/bin/basedpyright --warnings
	@.venv/bin/squawk --config dev/squawk.toml schema/*/*.sql
	@.venv/bin/cfn-lint template.yaml
	@.venv/bin/sam validate --lint

# in an environment of its own, since it cannot share one with SAM
checkov: .local/checkov/bin/checkov ## Look for what is unsafe in the template
	@.local/checkov/bin/checkov --config-file dev/checkov.yaml

.local/checkov/bin/checkov: .venv/ready
	@$(PYTHON) -m venv --clear .local/checkov
	@.local/checkov/bin/pip install --quiet --disable-pip-version-check checkov==$(CHECKOV)

# compiled here, since Lambda's code is read-only: a cold start would compile every module again (2 to 3 times slower)
build: .venv/ready ## Build what is deployed, without Docker
	@.venv/bin/sam build --parameter-overrides Architecture=$(ARCHITECTURE)
	@$(PYTHON) -m compileall -q --invalidation-mode unchecked-hash .aws-sam/build

bench: .venv/ready ## Measure cold starts, latencies and ingest; write benchmarks.json
	@$(PYTHON) -m pytest tests/benchmarks -n0 -s --benchmarks

n8n: .venv/ready ## Let a real n8n run and report, and compare with its own database
	@$(PYTHON) -m dev n8n --installed $(N8N) --data $(DATA)

deploy: .venv/ready ## Deploy to AWS what deploy/STAGE.toml says: make deploy STAGE=staging
	@$(PYTHON) -m dev deploy --stage "$(STAGE)" $(if $(ANYWAY),--anyway)

rollback: .venv/ready ## Go back to the release before: make rollback STAGE=staging
	@$(PYTHON) -m dev rollback --stage "$(STAGE)"

doctor: .venv/ready ## Look at all that a deployment needs: make doctor DATABASE_URL=...
	@$(PYTHON) -m dev doctor --database-url "$(DATABASE_URL)"

restore: .venv/ready ## Restore a backup: make restore FROM=latest DATABASE_URL=...
	@$(PYTHON) -m dev restore --from $(or $(FROM),latest) --database-url "$(DATABASE_URL)" --data $(DATA)

lock: .venv/ready ## Pin every package anew, with hashes
	@cd dev && ../$(COMPILE) requirements.in -o requirements.txt
	@cd dev && ../$(COMPILE) runtime.in -o runtime.txt
	@cd layers/dependencies && ../../$(COMPILE) requirements.in -c ../../dev/requirements.txt -o requirements.txt
	@cd layers/lake && ../../$(COMPILE) requirements.in -c ../../dev/requirements.txt -o requirements.txt
	@cd layers/documents && ../../$(COMPILE) requirements.in -c ../../dev/requirements.txt -o requirements.txt
	@cd layers/readers && ../../$(COMPILE) requirements.in -c ../../dev/requirements.txt -o requirements.txt

.venv/ready: dev/requirements.txt dev/setup
	@dev/setup
