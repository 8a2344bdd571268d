# Everything starts from python3 (3.11 or newer) and make. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Google's provider and Airflow's of Salesforce, to measure against, and to try the sandbox with.
PEER := .venv-peer
# Redivis's official client, to try the sandbox with.
REDIVIS := .venv-redivis
# Clients of Salesforce's Bulk API 2.0 for Node.js, to try it with as well.
NODE := .node-clients
# Azurite, Azure's storage on this machine, which npm installs; a folder that is there already may be named.
AZURITE ?= $(CURDIR)/.azurite
export AZURITE
# What asks for known advisories.
AUDIT := .venv-audit
# How many processes test: a real Airflow, and who waits for jobs, mostly wait while others compute.
PROCESSES ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores + 2 : 6)))
# How long to soak, and where the figures go.
MINUTES ?= 30
# Where pictures of the status page go; none are kept otherwise.
PICTURES ?=
export PICTURES
FIGURES ?= soak.md

# Airflow imports three times faster from bytecode; the environment must not prevent it.
unexport PYTHONDONTWRITEBYTECODE
# Nothing of the caller's Airflow or Python leaks into ours.
unexport AIRFLOW_HOME PYTHONPATH VIRTUAL_ENV

.PHONY: help env demo up test without-azurite lint typecheck furnished compiled unit browser pictures docs dist matrix googlesql proof lineage benchmark google-provider redivis-client node-clients azurite advisories benchmark-latency benchmark-waiting ends cluster cluster-capacity soak clean

help:  ## list the targets
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --python $(BIN)/python --quiet --compile-bytecode --editable '.[sandbox,test]'
	touch $@

env: $(READY)  ## make the environment in .venv

demo: $(READY)  ## run BigQuery, Salesforce and Redivis jobs on a real Airflow, then clean up
	$(BIN)/python -m tests.demo example_dags

up: $(READY)  ## the same, and keep Airflow's UI and the sandbox open until Ctrl-C
	$(BIN)/python -m tests.demo example_dags --keep

# What needs one core each is done beside one another, and each test module is compiled once, not once by each process.
test: $(READY)  ## everything: lint, types, tests
	@$(MAKE) --no-print-directory --jobs 3 lint typecheck furnished compiled
	@$(MAKE) --no-print-directory unit

lint: $(READY)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(READY)  ## mypy, strict
	$(BIN)/mypy

browser: $(READY)  ## look at the sandbox's page, that of all jobs and the connections' forms in headless Chromium: make browser PICTURES=folder keeps pictures
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { echo "Chromium or its driver is missing: apt-get install chromium chromium-driver" >&2; exit 1; }
	$(BIN)/python -m pytest tests/integration/sandbox/test_page_browser.py tests/integration/sandbox/page_pictures.py tests/integration/jobs_page/test_browser.py tests/integration/connection_form_pictures.py

pictures: $(READY)  ## make the pictures of docs/images anew: of pages by their tests, of figures from benchmarks/README.md
	PICTURES=docs/images $(BIN)/python -m pytest tests/integration/jobs_page/test_browser.py tests/integration/connection_form_pictures.py
	$(BIN)/python -m benchmarks.plots

$(VENV)/.docs: $(READY)
	$(BIN)/uv pip install --python $(BIN)/python --quiet --compile-bytecode --editable '.[docs]'
	touch $@

# Warnings are errors; then every link is followed, and Chromium looks at the pages as on a phone, if it is there.
docs: $(VENV)/.docs  ## build the documentation's site into site/, for the browser, without a server
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --clean
	$(BIN)/python -m pytest --quiet -r s tests/website/built_site.py
	@echo "open site/index.html"

# The documentation's examples of the language, in a folder that has the pages: outside of everything else.
googlesql: $(READY)  ## run GoogleSQL's documented examples: make googlesql DOCS=folder
	$(BIN)/python -m tests.googlesql '$(DOCS)'

furnished: $(READY) $(if $(shell command -v npm),$(AZURITE)/.ready,without-azurite)
	$(BIN)/python -m airflow_provider_jobs.sandbox.bigquery.engine.googlesql

compiled: $(READY)
	@$(BIN)/python -m pytest --quiet --quiet --collect-only tests > $(VENV)/collected.txt || { cat $(VENV)/collected.txt; exit 1; }

# What takes longest comes first.
unit: furnished  ## the tests alone
	$(BIN)/python -m pytest --quiet -r s --numprocesses $(PROCESSES) --no-loadscope-reorder \
		tests/system tests/contract tests/integration tests/unit

# Every operator under every fault, and every reader of replies with ten thousand changed ones: outside of `make test`,
# which has a short form of both.
proof: $(READY)  ## prove the tables of docs/proof.md, some hours: make proof ONLY=Redivis
	$(BIN)/python -m tests.proof --only '$(ONLY)'

$(PEER)/.openlineage: $(PEER)/.ready
	$(BIN)/uv pip install --python $(PEER)/bin/python --quiet apache-airflow-providers-openlineage
	touch $@

lineage: $(READY) $(PEER)/.openlineage  ## what OpenLineage learns of every operator, beside Google's, some minutes: WRITE=yes writes its table
	$(BIN)/python -m tests.lineage --peer $(PEER)/bin/python $(if $(WRITE),--write)

ends: $(READY)  ## bring about every end of a task on a real Airflow, and print what was left of each
	$(BIN)/python -m tests.system.ends

cluster: $(READY)  ## Celery, Redis and PostgreSQL: the example DAGs, and everything that can happen to a cluster
	$(BIN)/python -m tests.system.cluster

cluster-capacity: $(READY)  ## measure what 1,000 and 10,000 deferred tasks take of a cluster
	$(BIN)/python -m tests.system.cluster.capacity

soak: $(READY)  ## half an hour of random faults: make soak MINUTES=30 FIGURES=soak.md
	$(BIN)/python -m tests.system.soak --minutes $(MINUTES) --figures $(FIGURES)

# Airflow 3.1 has a Starlette that is older than the sandbox's floor: for the tests, Airflow's counts there. Airflow 3.2
# has no bound for FastAPI, and cannot run a task with the newest; 3.3 has this one.
airflow-%: $(READY)  ## the tests that need no scheduler, on another version: make airflow-3.1.8
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-airflow-$*
	echo '$(if $(filter 3.1.%,$*),starlette<0.49)' > .venv-airflow-$*/overrides.txt
	$(BIN)/uv pip install --python .venv-airflow-$*/bin/python --quiet --compile-bytecode --override .venv-airflow-$*/overrides.txt apache-airflow==$* $(if $(filter 3.2.%,$*),'fastapi<0.137') --editable '.[test]'
	.venv-airflow-$*/bin/python -m pytest -W ignore tests/unit tests/contract tests/integration

# The sdist, and the wheel from it. Who publishes it names the repository: make dist REPOSITORY_URL=https://…
dist: $(READY)  ## build sdist and wheel into dist/
	rm -rf dist
	$(BIN)/uv build --quiet --out-dir dist
	@ls dist

matrix: dist  ## the tests from the built wheel on Airflow 3.1.8, 3.2.2, 3.3.2 and each Python that is here: ONLY='--airflow 3.2.2'
	$(BIN)/python -m tests.matrix $(ONLY)

$(PEER)/.ready: $(READY)
	$(PYTHON) -m venv $(PEER)
	$(BIN)/uv pip install --python $(PEER)/bin/python --quiet --compile-bytecode apache-airflow apache-airflow-providers-google apache-airflow-providers-salesforce
	touch $@

benchmark: $(READY) $(PEER)/.ready  ## measure beside Google's provider, and print the tables of benchmarks/README.md
	$(BIN)/python benchmarks/imports.py --peer $(PEER)/bin/python
	$(BIN)/python benchmarks/weight.py airflow-provider-jobs
	$(PEER)/bin/python benchmarks/weight.py apache-airflow-providers-google
	$(BIN)/python -m benchmarks.uploads
	$(BIN)/python -m benchmarks.downloads
	$(BIN)/python -m benchmarks.transfers
	$(BIN)/python -m benchmarks.sources
	$(BIN)/python -m benchmarks.many --peer $(PEER)/bin/python
	$(BIN)/python -m benchmarks.transfers_route --peer $(PEER)/bin/python

google-provider: $(PEER)/.ready  ## let Google's own provider, 1.2 GB, send, load, query and check in the sandbox
	$(BIN)/python -m pytest tests/integration/sandbox/official_google.py

$(REDIVIS)/.ready: $(READY)
	$(PYTHON) -m venv $(REDIVIS)
	$(BIN)/uv pip install --python $(REDIVIS)/bin/python --quiet --compile-bytecode redivis
	touch $@

redivis-client: $(REDIVIS)/.ready  ## let Redivis's official client, 800 MB, upload to the sandbox
	$(BIN)/python -m pytest tests/integration/sandbox/official_redivis.py

$(NODE)/.ready:
	npm install --silent --no-audit --no-fund --prefix $(NODE) node-sf-bulk2@1.0.1 @jsforce/jsforce-node@3.10.16
	touch $@

node-clients: $(READY) $(NODE)/.ready  ## let Salesforce clients for Node.js, which needs npm, use the sandbox
	$(BIN)/python -m pytest tests/integration/sandbox/official_salesforce.py

$(AZURITE)/.ready:
	test -x $(AZURITE)/node_modules/.bin/azurite-blob || npm install --silent --no-audit --no-fund --prefix $(AZURITE) azurite@3
	touch $@

azurite: $(AZURITE)/.ready  ## install Azurite, which needs npm, for the tests of abfs://

without-azurite:
	@echo "npm is missing: the tests of abfs:// will be skipped" >&2

$(AUDIT)/.ready: $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(AUDIT)
	$(BIN)/uv pip install --python $(AUDIT)/bin/python --quiet pip-audit
	touch $@

# Of what is installed here, and of the oldest releases that pyproject.toml takes; Airflow's version is its users'.
advisories: $(AUDIT)/.ready  ## ask the package index for known advisories: fails if it knows one, or does not answer
	$(BIN)/uv pip freeze --quiet --python $(BIN)/python --exclude-editable > $(AUDIT)/installed.txt
	$(BIN)/uv pip compile --quiet --all-extras --resolution lowest-direct --no-annotate --no-header pyproject.toml | grep -v '^apache-airflow' > $(AUDIT)/floors.txt
	$(AUDIT)/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off --requirement $(AUDIT)/installed.txt
	$(AUDIT)/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off --requirement $(AUDIT)/floors.txt

benchmark-latency: $(READY) $(PEER)/.ready  ## how soon after its job a task is over, on real Airflows: BEFORE=../a-checkout
	$(BIN)/python -m benchmarks.latency --peer $(CURDIR)/$(PEER)/bin/python $(if $(BEFORE),--before $(abspath $(BEFORE)))

benchmark-waiting: $(READY) $(PEER)/.ready  ## measure what deferred jobs cost, and how soon their ends are seen, twenty minutes
	$(BIN)/python benchmarks/waiting.py --peer $(PEER)/bin/python

clean:  ## remove what the targets made
	rm -rf $(VENV) $(PEER) $(REDIVIS) $(NODE) $(CURDIR)/.azurite $(AUDIT) .venv-airflow-* .venv-matrix-* .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache dist site
