# Everything runs from a clone with Python and make: each target makes the environments that it needs, once.
#
#   make demo    an Airflow DAG runs real Spark jobs on the local endpoint
#   make test    the tests of the wheel, on every leg of the version matrix
#   make help    the other targets

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# The version matrix. A leg is an Airflow version with a lock of its own in tests/locks/; the first is the newest, in
# which the demo, the linters and the benchmarks run too.
LEGS := 3.3.2 2.10.3
NEWEST := $(firstword $(LEGS))

# The next Airflow, which has loops of tasks: a pre-release, and no part of `make test` before it is released.
NEXT := 3.4.0b2

# The Airflows whose tasks are killed: the newest and the last of Airflow 2.
FAULT_LEGS := $(NEWEST) 2.11.2

# The images of Amazon MWAA, each with its Python, and the Spark Connect clients, with the day as of which their locks are
# resolved. What these test takes long and depends on few lines of the package: they are no part of `make test`.
MWAA := 2.10.1 2.10.3 2.11.0 2.11.2 3.0.6 3.2.1 3.3.1
mwaa-2.10.1 := 3.11
mwaa-2.10.3 := 3.11
mwaa-2.11.0 := 3.12
mwaa-2.11.2 := 3.12
mwaa-3.0.6 := 3.12
mwaa-3.2.1 := 3.12
mwaa-3.3.1 := 3.12
CLIENTS := 3.5.6 4.0.4 4.1.3 4.2.0 4.3.0
$(foreach client,$(CLIENTS),$(eval client-$(client) := 3.11 2026-11-15))

# Spark that no release has yet, on Java 25: what the clients do in its sessions.
SERVERS := 4.2.0 4.3.0
$(foreach server,$(SERVERS),$(eval server-$(server) := 3.11 2026-11-15))

# Clients of others, each in an environment of its own, and those of the newest leg's. That for JavaScript needs Node.js.
CONTRACT := emr-cli awswrangler dagster flyte
$(foreach client,$(CONTRACT),$(eval contract-$(client) := 3.11 2026-11-15))
NODE_CLIENT := build/javascript
AMAZON_EXAMPLES := build/amazon

# dbt, in an environment of its own, as its users have it.
DBT := dbt-1.11
dbt-1.11 := 3.11 2026-11-15

# The web servers that serve the links of tasks: environments of the above where they have the version.
web-3.1.8 := 3.12 2026-03-11
web-3.2.2 := 3.12 2026-05-29
web-3.3.2-fab := 3.12 2026-10-01
WEB := web-3.1.8 web-3.2.2 web-3.3.2-fab
LINKS := mwaa-2.10.3 mwaa-2.11.2 mwaa-3.0.6 $(WEB) airflow-$(NEWEST) airflow-$(NEXT)

# The Airflows whose pages Chromium looks at.
BROWSER := browser-$(NEWEST) browser-$(NEXT)

# $(call first_python,names,minor): the first of them that is at least 3.10 and below 3.minor.
first_python = $(shell for python in $(1); do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, $(2)))' \
	2>/dev/null && { echo "$$python"; break; }; done)
# Override with `make PYTHON=…`. Airflow 2 ends at Python 3.12: if there is none, its legs are left out.
PYTHON ?= $(call first_python,python3.11 python3.12 python3.10 python3.13 python3 python,14)
PYTHON_2 := $(or $(call first_python,$(PYTHON),13),$(call first_python,python3.11 python3.12 python3.10,13))
# $(call python_of,environment): the Python of its MWAA image if it is found, else the one of all other environments.
python_of = $(or $(if $($(1)),$(call find_python,$(firstword $($(1))))),$(if $(filter airflow-2.%,$(1)),$(PYTHON_2)),$(PYTHON))
find_python = $(shell for python in python$(1) "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(1).*/bin/python$(1) \
	"$$($(UV) python find --no-python-downloads $(1) 2>/dev/null)"; do \
	"$$python" -c 'import venv, ensurepip' 2>/dev/null && { echo "$$python"; break; }; done)
# Two cores: two processes for those with a real Spark, one for those with a real Airflow, and two for the others, which
# mostly wait.
WORKERS ?= 5
CORES ?= 2
PYTEST_ARGS ?=

# Spark and the local endpoint do not depend on Airflow: the newest leg runs all of their tests, the others a few of
# Spark's. The links in the web server of each version are for `make test-links`, and what a reader of the documentation
# does, from an empty home directory, for `make test-documentation`; Spark 3.5 is for `make test-releases`. What kills
# processes of a real Airflow needs the machine for itself: `make test-faults`.
aside = not faults and not answers and not documentation and not by_hand
select = $(if $(filter $(NEWEST) $(NEXT),$(1)),-m "$(aside)",-m "(smoke or not spark) and $(aside)" --ignore contract --ignore endpoint/local --ignore simulation --ignore type_checks --ignore system/test_links.py)

# uv fetches and installs in seconds what takes pip minutes; where it cannot work, pip does.
TOOLS := .venv-tools
UV := $(TOOLS)/bin/uv
export UV_SYSTEM_CERTS ?= 1

WHEEL := build/wheel.stamp
PACKAGE_FILES := pyproject.toml README.md LICENSE \
	$(shell find airflow_emrs_ext -type f -not -path '*/__pycache__/*' 2>/dev/null)

leg_env = .venv-airflow-$(1)
newest_bin := $(call leg_env,$(NEWEST))/bin

.PHONY: help demo check test-unit coverage test simulate simulate-faults test-documentation test-faults test-answers test-mwaa test-clients test-servers test-contract test-links test-loops test-browser test-models watch test-dbt test-releases lint format bench figures docs wheel dist lock lock-matrix clean
help:
	@echo 'make demo             an Airflow DAG runs real Spark jobs on the local endpoint'
	@echo 'make check            linters, types, layers, tests that need no process; a minute'
	@echo 'make test             the tests of the wheel on Airflow $(LEGS)'
	@echo 'make docs             the documentation, in docs/_build/html'
	@echo
	@echo 'make lint             ruff, mypy, the layers of the package'
	@echo 'make format           let ruff rewrite what it can'
	@echo 'make coverage         which lines the tests without Spark run, in build/coverage'
	@echo 'make test-documentation  every command of the pages, and emrs-local airflow; a quarter of an hour'
	@echo 'make simulate         $(HISTORIES) histories of faults in virtual time; minutes'
	@echo 'make simulate-faults  in how many histories each known fault is found'
	@echo 'make test-faults      tasks of Airflow $(FAULT_LEGS) are killed and cleared; hours'
	@echo 'make test-answers     answers that no service gives, on Airflow $(NEWEST); over an hour'
	@echo 'make test-mwaa        each MWAA image, with its recipe: job runs, sessions, links, a demo'
	@echo 'make test-clients     Spark Connect clients $(CLIENTS)'
	@echo 'make test-servers     the same in sessions on Spark $(SERVERS), with Java 25'
	@echo 'make test-contract    other clients of EMR: $(CONTRACT), boto3, the Amazon provider, JavaScript'
	@echo 'make test-links       the links in eight web servers'
	@echo 'make test-loops       tasks in loops of Airflow $(NEXT)'
	@echo 'make test-releases    job runs on the Spark of older releases, which it installs'
	@echo 'make test-dbt         the dbt project of the documentation, in a session'
	@echo 'make test-browser     the links in Chromium (apt-get install chromium)'
	@echo 'make test-models      what the service models of the newest botocore have that nothing here knows'
	@echo 'make watch            what is newer than what was tested: versions, service models, what breaks with them'
	@echo 'make bench            the benchmarks, with their tables; over an hour'
	@echo 'make figures          the pictures and tables of the documentation'
	@echo 'make wheel            the wheel, in build/dist'
	@echo 'make dist             what an index takes, in build/release'
	@echo 'make lock             resolve the locks of the legs anew'
	@echo 'make lock-matrix      resolve those of images, clients and web servers'
	@echo 'make clean            remove everything that these targets made'
	@echo
	@echo 'One leg:  make $(LEGS:%=test-airflow-%) test-faults-$(NEWEST) test-mwaa-$(lastword $(MWAA))'
	@echo 'One test: make check PYTEST_ARGS="-k name"'

# --- environments -----------------------------------------------------------------------------------------------------

$(TOOLS)/.stamp:
	@if [ -z "$(PYTHON)" ]; then \
		echo 'No Python 3.10 to 3.13 with venv was found: install one, or name it: make PYTHON=/path/to/python' >&2; \
		exit 1; fi
	@echo "== tools, with $(PYTHON)"
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet uv || echo 'uv cannot be installed here: pip does its work, slowly.'
	@touch $@

# $(call install,environment,requirements)
install = $(UV) pip sync --quiet --python $(1)/bin/python $(2) \
	|| $(1)/bin/python -m pip install --quiet --requirement $(2)

.venv-%/.locked: tests/locks/%.txt | $(TOOLS)/.stamp
	@echo "== environment $(@D), once"
	$(call python_of,$*) -m venv --clear $(@D)
	$(call install,$(@D),$<)
	@touch $@

# The wheel is what is tested, and what the demo runs: never the tree.
.venv-%/.installed: .venv-%/.locked $(WHEEL)
	@$(@D)/bin/python -m pip install --quiet --no-deps --no-index --force-reinstall build/dist/*.whl
	@touch $@

# Of Spark's classes: takes half a minute, once, and saves every driver of the tests two seconds or more.
.venv-%/.warmed: .venv-%/.installed
	@echo "== archive of Spark's classes in $(@D)"
	@XDG_CACHE_HOME="$(CURDIR)/$(@D)/cache" $(@D)/bin/python -I -m airflow_emrs_ext.local.runners.spark.warm_up > /dev/null \
		|| echo 'It cannot be made: Spark starts without, slowly.'
	@touch $@

wheel: $(WHEEL)
$(WHEEL): $(PACKAGE_FILES) | $(TOOLS)/.stamp
	@echo "== wheel"
	@rm -rf build/dist
	@$(TOOLS)/bin/python -m pip wheel --quiet --no-deps --wheel-dir build/dist .
	@touch $@

# The wheel of the source distribution is that of the tree, byte by byte, and an index can render the README.
dist: $(WHEEL)
	@rm -rf build/release
	$(UV) build --quiet --out-dir build/release .
	cmp build/dist/*.whl build/release/*.whl
	$(UV) tool run --quiet twine check --strict build/release/*

lock: | $(TOOLS)/.stamp
	for leg in $(sort $(LEGS) $(FAULT_LEGS)); do \
		$(UV) pip compile --quiet --no-header --no-annotate --universal --python-version 3.10 --upgrade \
			--extra dev --output-file tests/locks/airflow-$$leg.txt pyproject.toml tests/locks/airflow-$$leg.in; \
	done
	$(UV) pip compile --quiet --no-header --no-annotate --universal --python-version 3.11 --upgrade \
		--prerelease if-necessary --extra dev --output-file tests/locks/airflow-$(NEXT).txt \
		pyproject.toml tests/locks/airflow-$(NEXT).in
	$(UV) pip compile --quiet --no-header --no-annotate --universal --python-version 3.10 --upgrade \
		--extra docs --constraint tests/locks/airflow-$(NEWEST).in --output-file tests/locks/docs.txt pyproject.toml
	for leg in $(NEWEST) $(NEXT); do \
		$(UV) pip compile --quiet --no-header --no-annotate --universal --python-version 3.11 --upgrade \
			--prerelease if-necessary --extra dev --constraint tests/locks/airflow-$$leg.txt \
			--output-file tests/locks/browser-$$leg.txt pyproject.toml tests/locks/airflow-$$leg.in \
			tests/locks/browser.in; \
	done
	$(UV) pip compile --quiet --no-header --no-annotate --universal --python-version 3.10 --upgrade \
		--extra dev --constraint tests/locks/airflow-$(NEWEST).txt --output-file tests/locks/coverage.txt \
		pyproject.toml tests/locks/coverage.in
	$(UV) pip compile --quiet --no-header --no-annotate --universal --python-version 3.10 --upgrade \
		--output-file tests/locks/figures.txt tests/locks/figures.in

lock-matrix: $(MWAA:%=lock-mwaa-%) $(CLIENTS:%=lock-client-%) $(SERVERS:%=lock-server-%) $(CONTRACT:%=lock-contract-%) $(WEB:%=lock-%) lock-dbt
lock-dbt: | $(TOOLS)/.stamp
	$(call resolve,$(lastword $($(DBT))),$(firstword $($(DBT)))) --output-file tests/locks/$(DBT).txt tests/locks/$(DBT).in
lock-web-%: | $(TOOLS)/.stamp
	$(call resolve,$(lastword $(web-$*))) --output-file tests/locks/web-$*.txt pyproject.toml tests/locks/web-$*.in
# As MWAA installs the recipe of the documentation, beside what the image has.
lock-mwaa-%: $(WHEEL)
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(TOOLS)/bin/python -m tests.mwaa.resolve $* $(mwaa-$*)
lock-client-%: | $(TOOLS)/.stamp
	$(call resolve,$(lastword $(client-$*)),$(firstword $(client-$*))) \
		--output-file tests/locks/client-$*.txt tests/locks/client-$*.in
# Past the bounds of the extra, which has the Spark of the releases.
lock-server-%: | $(TOOLS)/.stamp
	$(call resolve,$(lastword $(server-$*)),$(firstword $(server-$*))) --extra local \
		--override tests/locks/server-$*.in --constraint tests/locks/airflow-$(NEWEST).in \
		--output-file tests/locks/server-$*.txt pyproject.toml
lock-contract-%: | $(TOOLS)/.stamp
	$(call resolve,$(lastword $(contract-$*)),$(firstword $(contract-$*))) \
		--output-file tests/locks/contract-$*.txt tests/locks/contract-$*.in
resolve = $(UV) pip compile --quiet --no-header --no-annotate --universal --python-version $(or $(2),3.10) --upgrade \
	--exclude-newer $(1) --exclude-newer-package pyspark=$(lastword $(client-$(lastword $(CLIENTS)))) \
	--exclude-newer-package pyspark-client=$(lastword $(client-$(lastword $(CLIENTS))))

# --- what they are for ------------------------------------------------------------------------------------------------

demo: .venv-airflow-$(NEWEST)/.installed
	$(newest_bin)/python -m airflow_emrs_ext.local.demo

# What needs neither the endpoint nor an Airflow: of the tree, on the newest leg. A linter leaves a core to the tests.
check: .venv-airflow-$(NEWEST)/.installed
	@$(MAKE) --no-print-directory --jobs 2 lint test-unit

test-unit: .venv-airflow-$(NEWEST)/.installed
	cd tests && PYTHONPATH="$(CURDIR)" PATH="$(CURDIR)/$(newest_bin):$$PATH" ../$(newest_bin)/pytest --quiet \
		--numprocesses $(CORES) $(PYTEST_ARGS) unit type_checks

# Not of what runs in processes of its own: the endpoint, Spark, and the components of an Airflow.
coverage: .venv-coverage/.installed
	cd tests && PYTHONPATH="$(CURDIR)" PATH="$(CURDIR)/.venv-coverage/bin:$$PATH" ../.venv-coverage/bin/pytest --quiet \
		--numprocesses $(WORKERS) --dist loadgroup -m "not faults and not answers and not spark" $(PYTEST_ARGS) \
		--cov airflow_emrs_ext --cov-report term:skip-covered --cov-report "html:$(CURDIR)/build/coverage" unit endpoint

test: $(addprefix test-airflow-,$(if $(PYTHON_2),$(LEGS),$(NEWEST)))
	@$(if $(PYTHON_2),,echo 'Airflow 2 was left out: it takes Python 3.12 or older, and none was found.')

# The newest leg runs a hundred Spark drivers, the others a few.
test-airflow-$(NEWEST): .venv-airflow-$(NEWEST)/.warmed
test-airflow-$(NEXT): .venv-airflow-$(NEXT)/.warmed
test-airflow-%: .venv-airflow-%/.installed
	@echo "== tests on Airflow $*"
	cd tests && EMRS_TEST_WHEEL=1 XDG_CACHE_HOME="$(CURDIR)/$(<D)/cache" PATH="$(CURDIR)/$(<D)/bin:$$PATH" \
		../$(<D)/bin/pytest --numprocesses $(WORKERS) --dist loadgroup $(call select,$*) $(PYTEST_ARGS)

test-documentation: $(addprefix test-documentation-,$(if $(PYTHON_2),$(LEGS),$(NEWEST)))
test-documentation-%: .venv-airflow-%/.installed
	@echo "== what the documentation lets its reader do, on Airflow $*"
	cd tests && EMRS_TEST_WHEEL=1 XDG_CACHE_HOME="$(CURDIR)/$(<D)/cache" PATH="$(CURDIR)/$(<D)/bin:$$PATH" \
		../$(<D)/bin/pytest -m "documentation$(if $(filter $(NEWEST),$*),, and (smoke or not spark))" $(PYTEST_ARGS) system

# What a history does to the product is decided by its seed; what is found is shrunk, and is to be put in the corpus.
HISTORIES ?= 200000
FIRST ?= 0
simulate: .venv-airflow-$(NEWEST)/.installed
	@echo "== $(HISTORIES) histories, the first $(FIRST)"
	$(simulated) -m tests.simulation --seeds $(HISTORIES) --first $(FIRST) --processes $(CORES) --shrink 3

simulate-faults: .venv-airflow-$(NEWEST)/.installed
	$(simulated) -m tests.simulation.mutants --processes $(CORES)

simulated = AIRFLOW_HOME="$(CURDIR)/build/simulation" $(newest_bin)/python

test-faults:
	@status=0; for leg in $(FAULT_LEGS); do $(MAKE) --no-print-directory "test-faults-$$leg" || status=$$?; done; \
		exit $$status

# Each case is an Airflow of its own, which takes two cores: one after the other. To select nothing (5) is no failure. The
# tables come last, whatever the tests say.
test-faults-%: .venv-airflow-%/.installed
	@echo "== faults on Airflow $*"
	@rm -f build/faults/*-$*.json
	@status=0; ( cd tests && EMRS_TEST_WHEEL=1 PATH="$(CURDIR)/$(<D)/bin:$$PATH" \
		../$(<D)/bin/pytest -m faults $(PYTEST_ARGS) faults ) || { [ $$? = 5 ] || status=1; }; \
		$(<D)/bin/python -m tests.faults.tables $*; exit $$status

# Thousands of cases that mostly wait. The tables come last, whatever the tests say.
test-answers: .venv-airflow-$(NEWEST)/.installed
	@echo "== answers on Airflow $(NEWEST)"
	@rm -f build/answers/*.json
	@status=0; ( cd tests && EMRS_TEST_WHEEL=1 PATH="$(CURDIR)/$(<D)/bin:$$PATH" \
		../$(<D)/bin/pytest -m answers --numprocesses $(WORKERS) $(PYTEST_ARGS) answers ) || status=$$?; \
		$(<D)/bin/python -m tests.answers.tables; exit $$status

# The endpoint is the newest leg's: an image has no packages of Spark itself.
endpoint_env = $(call leg_env,$(NEWEST))
matrix_tests = cd tests && EMRS_TEST_WHEEL=1 EMRS_LOCAL_PYTHON="$(CURDIR)/$(endpoint_env)/bin/python" \
	PATH="$(CURDIR)/$(<D)/bin:$$PATH" ../$(<D)/bin/pytest --disable-warnings $(PYTEST_ARGS)

# The table comes last, whatever the tests say.
test-mwaa: .venv-airflow-$(NEWEST)/.installed
	@rm -f build/mwaa/*.xml
	@status=0; for image in $(MWAA); do $(MAKE) --no-print-directory "test-mwaa-$$image" || status=$$?; done; \
		$(newest_bin)/python -m tests.matrix.mwaa_table; exit $$status
test-mwaa-%: .venv-mwaa-%/.installed .venv-airflow-$(NEWEST)/.installed
	@echo "== the MWAA image of Airflow $*, with $$($(<D)/bin/python --version)"
	$(matrix_tests) --junitxml ../build/mwaa/$*.xml matrix/test_mwaa.py

# Sessions of the releases with Spark 4.0 run on that. The table comes last, whatever the tests say.
test-clients: .venv-airflow-$(NEWEST)/.installed
	@rm -f build/clients/*.xml
	@status=0; for client in $(CLIENTS); do $(MAKE) --no-print-directory "test-client-$$client" || status=$$?; done; \
		$(newest_bin)/python -m tests.matrix.clients_table; exit $$status
test-client-%: export EMRS_LOCAL_RUNTIMES := $(CURDIR)/build/runtimes
test-client-%: .venv-client-%/.installed .venv-airflow-$(NEWEST)/.installed
	@echo "== Spark Connect client $*"
	@$(newest_bin)/emrs-local runtimes install 4.0
	$(matrix_tests) --junitxml ../build/clients/$*.xml matrix/test_clients.py

# The endpoint is one with that Spark. The table comes last, whatever the tests say.
server_tests := $(foreach server,$(SERVERS),$(CLIENTS:%=test-server-$(server)-client-%))
test-servers: .venv-airflow-$(NEWEST)/.installed
	@rm -f build/servers/*.xml
	@status=0; for one in $(server_tests); do $(MAKE) --no-print-directory "$$one" || status=$$?; done; \
		$(newest_bin)/python -m tests.matrix.clients_table servers; exit $$status
define server_test
.PHONY: test-server-$(1)-client-$(2)
test-server-$(1)-client-$(2): endpoint_env := .venv-server-$(1)
test-server-$(1)-client-$(2): export EMRS_TEST_SERVER := $(1)
test-server-$(1)-client-$(2): .venv-client-$(2)/.installed .venv-server-$(1)/.installed
	@echo "== Spark Connect client $(2) in a session on Spark $(1)"
	$$(matrix_tests) --junitxml ../build/servers/$(2)-on-$(1).xml matrix/test_clients.py
endef
$(foreach server,$(SERVERS),$(foreach client,$(CLIENTS),$(eval $(call server_test,$(server),$(client)))))

# The table comes last, whatever the tests say.
test-contract: .venv-airflow-$(NEWEST)/.installed
	@rm -f build/contract/*.xml
	@status=0; for client in $(CONTRACT) javascript airflow amazon-examples; do \
		$(MAKE) --no-print-directory "test-contract-$$client" || status=$$?; done; \
		$(newest_bin)/python -m tests.clients_contract.table; exit $$status
contract_tests = $(matrix_tests) --junitxml ../build/contract/$(1).xml
test-contract-%: .venv-contract-%/.installed .venv-airflow-$(NEWEST)/.installed
	@echo "== $*"
	$(call contract_tests,$*) clients_contract/test_$(subst -,_,$*).py
test-contract-javascript: .venv-airflow-$(NEWEST)/.installed $(NODE_CLIENT)/.installed
	@echo "== AWS SDK for JavaScript"
	$(call contract_tests,javascript) clients_contract/test_javascript.py
# What `make test` runs, too: boto3, aiobotocore, the AWS command line, the Amazon provider's operators and DAGs of them.
test-contract-airflow: .venv-airflow-$(NEWEST)/.installed
	@echo "== clients of the environment of Airflow $(NEWEST)"
	$(call contract_tests,airflow) contract/test_real_clients.py contract/test_eks_clients.py system/test_dropin.py \
		system/test_tls.py
# They mostly wait, a minute at a time.
test-contract-amazon-examples: .venv-airflow-$(NEWEST)/.installed $(AMAZON_EXAMPLES)/.installed
	@echo "== example DAGs of the Amazon provider"
	$(call contract_tests,amazon_examples) --numprocesses 3 clients_contract/test_amazon_examples.py

# Only the source distribution has the examples.
$(AMAZON_EXAMPLES)/.installed: .venv-airflow-$(NEWEST)/.locked
	@rm -rf $(@D)
	@$(newest_bin)/python -m pip download --quiet --no-deps --no-binary :all: --dest $(@D) \
		"$$($(newest_bin)/python -m pip freeze | grep '^apache-airflow-providers-amazon==')"
	@tar --extract --gzip --directory $(@D) --file $(@D)/*.tar.gz
	@touch $@

$(NODE_CLIENT)/.installed: tests/clients_contract/javascript/package.json tests/clients_contract/javascript/package-lock.json
	@mkdir -p $(@D)
	@cp $^ $(@D)
	@if command -v npm > /dev/null; then npm ci --silent --prefix $(@D) && touch $@; \
		else echo 'Node.js and npm are not on this machine: the tests of JavaScript are skipped.'; fi

test-links: $(LINKS:%=test-links-%)
test-links-%: .venv-%/.installed .venv-airflow-$(NEWEST)/.installed
	@echo "== links in the web server of $*"
	$(matrix_tests) system/test_links.py

test-loops: .venv-airflow-$(NEXT)/.installed
	@echo "== loops of Airflow $(NEXT)"
	cd tests && EMRS_TEST_WHEEL=1 PATH="$(CURDIR)/$(<D)/bin:$$PATH" \
		../$(<D)/bin/pytest $(PYTEST_ARGS) matrix/test_loops.py

test-releases: .venv-airflow-$(NEWEST)/.warmed
	@echo "== Spark of older releases"
	cd tests && EMRS_TEST_WHEEL=1 XDG_CACHE_HOME="$(CURDIR)/$(<D)/cache" PATH="$(CURDIR)/$(<D)/bin:$$PATH" \
		../$(<D)/bin/pytest $(PYTEST_ARGS) system/test_releases.py

test-dbt: .venv-airflow-$(NEWEST)/.installed .venv-$(DBT)/.locked
	@echo "== $(DBT) in a session"
	cd tests && EMRS_TEST_WHEEL=1 EMRS_TEST_DBT="$(CURDIR)/.venv-$(DBT)/bin/python" \
		PATH="$(CURDIR)/$(newest_bin):$$PATH" ../$(newest_bin)/pytest $(PYTEST_ARGS) system/test_dbt.py

test-models: .venv-airflow-$(NEWEST)/.installed
	@echo "== service models of the newest botocore"
	$(newest_bin)/python -m tests.service_models.compare
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(newest_bin)/python -m tests.service_models.wire

# For a nightly run.
watch: .venv-newest/.resolved
	@echo "== what is newer than what this package was tested with"
	$(newest_bin)/python -m tests.matrix.watch .venv-newest
.PHONY: .venv-newest/.resolved
.venv-newest/.resolved: $(WHEEL) .venv-airflow-$(NEWEST)/.installed
	@echo "== the newest of everything"
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(newest_bin)/python -m tests.matrix.newest $(NEWEST) $(PYTHON)
	$(PYTHON) -m venv --clear .venv-newest
	$(call install,.venv-newest,build/newest/lock.txt)
	@.venv-newest/bin/python -m pip install --quiet --no-deps --no-index build/dist/*.whl

# The pictures that it takes are for people to look at; the documentation shows three of them.
test-browser: $(BROWSER:%=test-%)
test-browser-%: .venv-browser-%/.installed
	@echo "== links of Airflow $* in Chromium"
	cd tests && EMRS_TEST_WHEEL=1 EMRS_TEST_PICTURES="$(CURDIR)/build/pictures" \
		PATH="$(CURDIR)/$(<D)/bin:$$PATH" ../$(<D)/bin/pytest $(PYTEST_ARGS) browser/test_links.py

lint: .venv-airflow-$(NEWEST)/.locked
	@echo "== lint"
	$(newest_bin)/ruff check .
	$(newest_bin)/ruff format --check .
	$(newest_bin)/mypy
	$(newest_bin)/lint-imports --no-logo

format: .venv-airflow-$(NEWEST)/.locked
	$(newest_bin)/ruff check --fix .
	$(newest_bin)/ruff format .

bench: .venv-airflow-$(NEWEST)/.installed
	@for benchmark in tests/benchmarks/[a-z]*.py; do \
		name=$$(basename "$$benchmark" .py); echo "== $$name"; $(newest_bin)/python -m "tests.benchmarks.$$name"; done

# Drawing needs nothing of the package, and the package nothing of drawing.
figures: .venv-figures/.locked
	.venv-figures/bin/python -m tests.benchmarks._figures

docs: .venv-docs/.installed
	.venv-docs/bin/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
	AIRFLOW_HOME="$(CURDIR)/docs/_build/airflow" .venv-docs/bin/python docs/check_reference.py docs/_build/html
	@echo "documentation: docs/_build/html/index.html"

clean:
	rm -rf .venv-airflow-* .venv-mwaa-* .venv-client-* .venv-contract-* .venv-dbt-* .venv-web-* .venv-browser .venv-coverage .venv-docs .venv-newest .venv-figures $(TOOLS) build dist docs/_build .demo .emrs-local \
		.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find airflow_emrs_ext tests dags -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
