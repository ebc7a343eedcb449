SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
.PHONY: help setup run demo test test-fuzz conformance e2e cluster cluster-down lint format bench bench-serving bench-shares bench-revisions connections check-debian13 docs k8s lock clean reset

PY := .venv/bin/python
COMPILE := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages (as root), the virtual environment, meinheld
	@bash app/local/setup.sh setup

run: ## Start the service with its PostgreSQL, PgBouncer and memcached (PORT=8000, WORKERS=..., WORKER=meinheld|gthread)
	@bash app/local/setup.sh run
	@exec $(PY) -m app run $(ARGS)

demo: ## Send the README's tour to the running service and show each request and answer
	@bash app/local/setup.sh run
	@exec $(PY) -m app demo --url http://127.0.0.1:$(or $(PORT),8000)

test: ## Unit and integration tests with real servers (PYTEST_ARGS="-k name" chooses)
	@bash app/local/setup.sh test
	@exec $(PY) -m pytest $(PYTEST_ARGS)

test-fuzz: setup ## Mutated requests against a sanitizer build, and what requests leave behind (FUZZ_SECONDS=60 LEAK_PART=0.05)
	@exec $(PY) -m pytest tests/fuzz $(PYTEST_ARGS)

conformance: ## Print what HTTP/1.1 wants and what our workers, gunicorn's and the published meinheld do (CASE="Host: *")
	@bash app/local/setup.sh test
	@exec $(PY) -m tests.integration.conformance $(if $(CASE),--case "$(CASE)")

e2e: ## Everything in a real Kubernetes: that of KUBECONFIG, else one of this machine (as root; E2E_KEEP=1 keeps it)
	@bash app/local/setup.sh e2e
	@exec $(PY) -m tests.e2e.cluster run -- $(PY) -m pytest tests/e2e $(PYTEST_ARGS)

cluster: ## Bring up the Kubernetes of the e2e tests on this machine and keep it; again: rebuild and load what has changed
	@bash app/local/setup.sh e2e
	@exec $(PY) -m tests.e2e.cluster up

cluster-down: ## Take it down; nothing of it is left
	@exec $(PY) -m tests.e2e.cluster down

lint: setup ## Style, types, import directions and house rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	PYTHONPATH=operator .venv/bin/lint-imports
	.venv/bin/hadolint Dockerfile
	$(PY) -m pytest -q tests/unit/test_house_rules.py

format: setup ## Format the code and mend what can be mended
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: ## Measure throughput and memory against the references
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest $(if $(QUICK),--quick)

bench-serving: ## Compare our server with published meinheld, gthread and gevent
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.serving $(if $(QUICK),--quick)

bench-shares: ## Compare shares of the connection budget by demand with equal ones, on local PgBouncers
	@bash app/local/setup.sh bench
	@PYTHONPATH=operator exec $(PY) -m loadtest.shares $(if $(QUICK),--quick)

bench-revisions: ## Compare the cost of a request with that of an earlier commit (BASE=HEAD~1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.revisions $(or $(BASE),HEAD~1) $(if $(QUICK),--quick)

connections: ## Hold 25,000 kept connections on two workers and 12,000 on one, and use each several times
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.connections $(if $(QUICK),--quick)

check-debian13: setup ## Bring make run, make demo and make test up from nothing in a Debian 13 made by debootstrap (as root)
	@exec $(PY) -m tests.debian trixie $(PYTEST_ARGS)

docs: setup ## Write the generated parts of README.md and of the chart's anew
	@$(PY) -m app readme
	@exec $(PY) -m charts.table

k8s: setup ## Render the plain manifests in k8s/ from the chart (HELM=..., else the one on PATH, else one is built)
	@helm="$${HELM:-$$(command -v helm)}"; \
	if [ -z "$$helm" ]; then \
		$(PY) -m tests.e2e.cluster build helm && helm="$${XDG_CACHE_HOME:-$$HOME/.cache}/jobfinder-e2e/bin/helm"; \
	fi; \
	exec $(PY) -m charts.manifests --helm "$$helm"

lock: setup ## Write the lock files anew (UPGRADE=1 takes the newest versions)
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml operator/pyproject.toml --all-extras -c requirements.lock -o requirements-dev.lock
	$(COMPILE) operator/pyproject.toml --all-extras -c requirements-dev.lock -o requirements-operator.lock

clean: ## Remove the virtual environment and every cache; the data in .run stay
	rm -rf .venv .setup.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -prune -exec rm -rf {} +

reset: ## Delete the local database and the development keys
	@if [ -L .run/postgres ]; then rm -rf "$$(readlink .run/postgres)"; fi
	rm -rf .run
