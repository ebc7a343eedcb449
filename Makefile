SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
.PHONY: help setup run demo reset clean test test-long test-fuzz conformance e2e cluster cluster-down check-debian13 lint audit format prose docs k8s lock bench bench-serving bench-shares bench-revisions bench-search bench-import bench-alerts bench-realtime bench-promises curves connections chaos soak

PY := .venv/bin/python
COMPILE := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

LONG := FINALITY_OPERATIONS=100000 FRESHNESS_WALKS=10000 MODEL_RUNS=5000 MODEL_ORDERS=1000000 BUDGET_STEPS=200000 \
	BUDGET_STATES=1000000 MACHINE_EXAMPLES=100 ROLLOUT_RUNS=400 SHARING_RUNS=300 DESCRIPTION_CASES=20000 \
	TASK_ERRANDS=20000 CHANGES_HELD_S=10 REALTIME_CLIENTS=500 REALTIME_CHANGES=30 GRAPHQL_EXAMPLES=200 \
	REPLICA_MODEL_RUNS=10000 REPLICA_MODEL_ORDERS=5000 REPLICA_PAIRS=100000 ALERT_MATCHES=1000000
LONG_TESTS := tests/unit/coherence/model tests/unit/operator/model tests/unit/operator/deciding/test_claims.py \
	tests/integration/description tests/integration/finality/test_final_logout.py \
	tests/integration/freshness/test_fresh_searches.py tests/integration/tasks/campaign \
	tests/integration/feeds/test_changes.py tests/integration/realtime/test_checker.py \
	tests/integration/api/test_graphql_fuzz.py tests/integration/api/test_graphql_objects.py \
	tests/integration/replicas/test_campaign.py tests/integration/alerts/ledger tests/unit/graphql/test_plain.py

help: ## Show this list
	@awk -F ':.*## ' '/^##@ / { print substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run

setup: ## Install what is missing: Debian packages (as root), virtual environment, meinheld
	@bash app/local/setup.sh setup

run: ## Start the service with its PostgreSQL, PgBouncer and memcached (PORT=8000 WORKERS=1)
	@bash app/local/setup.sh run
	@exec $(PY) -m app run $(ARGS)

demo: ## Send the tour to the running service and show each request and answer
	@bash app/local/setup.sh run
	@exec $(PY) -m app demo --url http://127.0.0.1:$(or $(PORT),8000)

reset: ## Delete the local database and the development keys
	@for data in .run/postgres .run/replica-*; do if [ -L "$$data" ]; then rm -rf "$$(readlink "$$data")"; fi; done
	rm -rf .run

clean: ## Remove the virtual environment and caches; the data in .run stay
	rm -rf .venv .setup.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -prune -exec rm -rf {} +

##@ Test

test: ## Run unit and integration tests with real servers (PYTEST_ARGS="-k name" JOBS=3)
	@bash app/local/setup.sh test
	@exec $(PY) -m pytest -n $(or $(JOBS),3) $(PYTEST_ARGS)

test-long: ## Run the checkers and models of make test at their long sizes (JOBS=3)
	@bash app/local/setup.sh test
	@exec env $(LONG) $(PY) -m pytest -n $(or $(JOBS),3) $(LONG_TESTS) $(PYTEST_ARGS)

test-fuzz: setup ## Send mutated requests to a sanitizer build (FUZZ_SECONDS=60 LEAK_PART=0.05)
	@exec $(PY) -m pytest tests/fuzz $(PYTEST_ARGS)

conformance: ## Compare HTTP/1.1 behaviour with gunicorn and published meinheld (CASE="Host: *")
	@bash app/local/setup.sh test
	@exec $(PY) -m tests.integration.conformance $(if $(CASE),--case "$(CASE)")

e2e: ## Test in the Kubernetes of KUBECONFIG, else in a local one (as root; E2E_KEEP=1)
	@bash app/local/setup.sh e2e
	@exec $(PY) -m tests.e2e.cluster run -- $(PY) -m pytest tests/e2e $(PYTEST_ARGS)

cluster: ## Start or update the local Kubernetes of the e2e tests and keep it (as root)
	@bash app/local/setup.sh e2e
	@exec $(PY) -m tests.e2e.cluster up

cluster-down: ## Remove that Kubernetes
	@exec $(PY) -m tests.e2e.cluster down

check-debian13: setup ## Run make run, demo and test in a fresh Debian 13 (as root)
	@exec $(PY) -m tests.debian trixie $(PYTEST_ARGS)

##@ Check

lint: setup ## Check style, types, import directions and house rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	PYTHONPATH=operator .venv/bin/lint-imports
	.venv/bin/hadolint Dockerfile
	$(PY) -m pytest -q tests/unit/test_house_rules.py

audit: setup ## Look for known vulnerabilities of the locked packages (asks the package index)
	@for lock in requirements.lock requirements-operator.lock requirements-dev.lock; do \
		$(PY) -m pip_audit --strict --require-hashes --disable-pip --progress-spinner off -r $$lock || exit 1; \
	done

format: setup ## Format the code and apply automatic fixes
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

prose: setup ## Print 30 docstrings, comments and test names drawn at random (COUNT=30 SEED=...)
	@exec $(PY) -m tests.prose --count $(or $(COUNT),30) $(if $(SEED),--seed $(SEED))

##@ Generate

docs: setup ## Write the generated parts of README.md, docs/ and the chart's README
	@$(PY) -m app readme
	@$(PY) -m loadtest.peers.page
	@$(PY) -m loadtest.promises.page
	@$(PY) -m tests.chaos.page
	@$(PY) -m loadtest.soak.page
	@$(PY) -m loadtest.curves.page
	@$(PY) -m charts.live_settings
	@exec $(PY) -m charts.table

k8s: setup ## Render the plain manifests in k8s/ from the chart (HELM=...)
	@helm="$${HELM:-$$(command -v helm)}"; \
	if [ -z "$$helm" ]; then \
		$(PY) -m tests.e2e.cluster build helm && helm="$${XDG_CACHE_HOME:-$$HOME/.cache}/jobfinder-e2e/bin/helm"; \
	fi; \
	exec $(PY) -m charts.manifests --helm "$$helm"

lock: setup ## Write the lock files (UPGRADE=1 takes the newest versions)
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml operator/pyproject.toml --all-extras -c requirements.lock -o requirements-dev.lock
	$(COMPILE) operator/pyproject.toml --all-extras -c requirements-dev.lock -o requirements-operator.lock

##@ Measure

bench: ## Measure throughput, latency and memory beside Rust, FastAPI, Django (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest $(if $(QUICK),--quick)

bench-serving: ## Compare the server with published meinheld, gthread and gevent (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.serving $(if $(QUICK),--quick)

bench-shares: ## Compare shares of the connection budget by demand with equal ones (QUICK=1)
	@bash app/local/setup.sh bench
	@PYTHONPATH=operator exec $(PY) -m loadtest.shares $(if $(QUICK),--quick)

bench-revisions: ## Compare the cost of a request with an earlier commit (BASE=HEAD~1 QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.revisions $(or $(BASE),HEAD~1) $(if $(QUICK),--quick)

bench-search: ## Measure searches of 1,000,000 postings, beside the usual stack (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.search $(if $(QUICK),--quick)

bench-import: ## Import 1,000,000 postings by the command, and again, beside searches (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.imports $(if $(QUICK),--quick) $(if $(LINES),--lines $(LINES))

bench-alerts: ## Match postings with 1,000,000 saved searches (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.alerts $(if $(QUICK),--quick)

bench-realtime: ## Send events to 18,000 WebSockets of one gateway (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.realtime $(if $(QUICK),--quick)

bench-promises: ## Measure what the replaced system promised, and write it into docs/ (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.promises $(if $(QUICK),--quick)

curves: ## Measure what growth costs and write docs/curves.md with its plots (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.curves $(if $(QUICK),--quick)

connections: ## Hold 25,000 kept connections on two workers and 12,000 on one (QUICK=1)
	@bash app/local/setup.sh bench
	@exec $(PY) -m loadtest.connections $(if $(QUICK),--quick)

chaos: ## Kill, pause, slow, cut off and fill each part under load (QUICK=1; as root)
	@bash app/local/setup.sh test
	@exec $(PY) -m tests.chaos $(if $(QUICK),--quick)

soak: ## Run a mixed load for hours and judge what has grown (HOURS=2 RATE=150 KEEP=1)
	@bash app/local/setup.sh test
	@exec $(PY) -m loadtest.soak $(if $(HOURS),--hours $(HOURS)) $(if $(RATE),--rate $(RATE)) $(if $(KEEP),--keep)
