# `make` alone lists the targets: every line of the form `name: ## words`.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

FOUND := $(firstword $(foreach name,$(PYTHON) python3 python3.13 python3.12 python3.11,$(shell command -v $(name))))
BOOTSTRAP = @$(if $(FOUND),,echo "charites: Python 3.11 or newer is needed and no python3 is on PATH: install one, or name it with PYTHON=/path/to/python3."; exit 1;) $(FOUND) lab/setup/bootstrap.py
IN_VENV := .venv/bin/python
# Many tests wait for processes, so a few more workers than cores keep the cores at work. Each has servers of its own.
SIDE_BY_SIDE = --numprocesses 3
# Where statements are written by hand, which each kind of database may take in its own way, and what begins on SQLite.
ON_SQLITE = goods stock orders messaging charites/tests/common charites/tests/faults charites/tests/pages/test_admin_dashboard.py \
	lab/tests/test_run.py lab/tests/test_run_split.py

# What is given on the command line (`make run HTTP_PORT=8010`) reaches the programs through the environment: make exports it.

.PHONY: help run run-split tour race test test-long test-fast test-all faults drill mutants bench bench-quick fuzz pictures docs lint gen lock vulnerabilities digests image clean

help: ## this list
	@awk -F ': ## ' '/^[a-z-]+: ## /{printf "  make %-15s %s\n", $$1, $$2}' Makefile

run: ## the whole shop on this machine: web, gRPC, worker and sweep; Ctrl-C stops it
	$(BOOTSTRAP) run
	@exec $(IN_VENV) -m lab.run.whole

run-split: ## goods, stock and orders as three services, each with a database of its own; Ctrl-C stops them
	$(BOOTSTRAP) run
	@exec $(IN_VENV) -m lab.run.split

tour: ## a narrated walk through a shop that `make run` started in another terminal
	$(BOOTSTRAP) run
	@exec $(IN_VENV) manage.py tour

race: ## seven ways to take stock, raced on the embedded database; `make race DB=mariadb` on a private MariaDB
ifeq ($(DB),mariadb)
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py
	$(BOOTSTRAP) test
else
	$(BOOTSTRAP) run
endif
	@exec $(IN_VENV) -m lab.race $(or $(DB),sqlite) $(OPTIONS)

test: ## every test but the long ones, on private MariaDB, Redis and RabbitMQ servers; what has SQL of its own on SQLite, too
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py
	$(BOOTSTRAP) test
	TEST_DATABASE=mariadb $(IN_VENV) -m pytest -m "not sqlite and not long" $(SIDE_BY_SIDE)
	$(IN_VENV) -m pytest -m "not servers and not once and (sqlite or not slow)" $(ON_SQLITE) $(SIDE_BY_SIDE)
	TEST_GRPC=asgi $(IN_VENV) -m pytest -m "not servers and not slow and not transport" -k "rpc or queue or matrix or parity" $(SIDE_BY_SIDE)

test-long: ## the others: those that keep the machine busy for seconds each, and all that SQLite can do
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py
	$(BOOTSTRAP) test
	TEST_DATABASE=mariadb $(IN_VENV) -m pytest -m "long and not sqlite" $(SIDE_BY_SIDE)
	$(IN_VENV) -m pytest -m "not servers and not once" $(SIDE_BY_SIDE)

test-fast: ## the tests that need no server and little time: SQLite and the embedded Redis
	$(BOOTSTRAP) dev
	$(IN_VENV) -m pytest -m "not servers and not slow" $(SIDE_BY_SIDE)

faults: ## the fault tests with their full counts, on private servers, about 20 minutes; writes docs/faults.md
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py
	$(BOOTSTRAP) test
	TEST_DATABASE=mariadb $(IN_VENV) -m pytest --faults full --faults-report docs/faults.md --ignore charites/tests/drills

drill: ## nodes of a database, Redis, brokers and processes killed under load; `make drill ONLY=writer`; writes docs/drills.md
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py
	$(BOOTSTRAP) test
	TEST_DATABASE=mariadb $(IN_VENV) -m pytest charites/tests/drills --faults full $(if $(ONLY),-k "$(ONLY)",--faults-report docs/drills.md)

mutants: ## lines of the program turned wrong, and the tests of docs/security.md that have to fail then; `make mutants ONLY=body`
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py
	$(BOOTSTRAP) test
	@exec $(IN_VENV) -m lab.security $(ONLY)

test-all: test test-long faults drill mutants fuzz ## everything there is to test, in about three and a half hours

bench: ## the shop's speed, side by side with its peers; `make bench ONLY=B2`, `ONLY=peer PEER=127.0.0.1:8081`
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py bench
	$(BOOTSTRAP) test
	@exec $(IN_VENV) -m lab.bench $(if $(ONLY),--only $(ONLY)) $(if $(PEER),--peer $(PEER)) $(OPTIONS)

bench-quick: ## the same, roughly, in a few minutes
	@$(MAKE) --no-print-directory bench OPTIONS=--quick

fuzz: ## schemathesis and a gRPC fuzzer against the running shop, 10 minutes each; `make fuzz OPTIONS='--minutes 1 --seed 7'`
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py
	$(BOOTSTRAP) test
	@exec $(IN_VENV) -m lab.fuzz $(OPTIONS)

pictures: ## docs/pictures: the pages and a short recording, taken from a demo shop of its own; `make pictures ONLY=story`
	$(BOOTSTRAP) dev
	@$(IN_VENV) lab/setup/packages.py pictures
	@exec $(IN_VENV) -m lab.pictures $(ONLY)

docs: ## the documentation as a site, English and Chinese, in var/site; fails where a link leads nowhere
	$(BOOTSTRAP) dev
	@exec $(IN_VENV) -m lab.site

lint: ## style, types, import rules, migrations, generated code, translations, settings
	$(BOOTSTRAP) dev
	@exec $(IN_VENV) -m lab.lint

gen: ## generated files: gRPC code, the Python client, translations, the list of settings, the tables
	$(BOOTSTRAP) dev
	$(IN_VENV) -m lab.generate.grpc_code
	$(IN_VENV) -m lab.generate.python_client
	$(IN_VENV) -m lab.generate.translations
	$(IN_VENV) -m lab.generate.document_settings
	$(IN_VENV) -m lab.generate.table_diagram
	$(IN_VENV) -m lab.generate.security_page

LOCK = CUSTOM_COMPILE_COMMAND="make lock" $(IN_VENV) -m piptools compile --quiet --generate-hashes --allow-unsafe \
	--strip-extras --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-options

lock: ## what production installs, by hash: requirements.lock, after a change of requirements.txt
	$(BOOTSTRAP) supply
	$(LOCK) --output-file requirements.lock requirements.txt
	$(IN_VENV) -m lab.supply.older_pythons
	$(LOCK) --output-file requirements-build.lock requirements-build.txt

vulnerabilities: ## what is known against the packages of production; says so where it cannot ask
	$(BOOTSTRAP) supply
	@$(IN_VENV) -m lab.supply.vulnerabilities

digests: ## pins the images of the Dockerfile and of compose.yaml by digest, where a registry is reached
	$(BOOTSTRAP) run
	@$(IN_VENV) -m lab.supply.image_digests

image: ## the image without a registry: the Dockerfile's own steps in a Debian root, its processes started and asked; as root
	$(BOOTSTRAP) run
	@$(IN_VENV) lab/setup/packages.py image
	@exec $(IN_VENV) -m lab.supply.image $(OPTIONS)

clean: ## forget .venv and var/, the shop's data included
	@for file in var/run.pid var/split/run.pid; do \
		if [ -f $$file ] && kill -0 "$$(awk '/^supervisor/{print $$2}' $$file)" 2>/dev/null; then \
			echo "charites: the shop is running; stop it with Ctrl-C first."; exit 1; fi; done
	rm -rf .venv var .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
