# `make help` lists what can be made. Python 3.11 or newer and make are all that is needed.
PYTHON ?= python3
SEED ?= 1
# Two workers, each with a PostgreSQL of its own. Overridable: make test PYTEST_FLAGS=-x
PYTEST_FLAGS ?= -n 2 --dist loadgroup

BIN := .venv/bin
CATALOGUES := service/language/translations
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input
PYTEST = $(BIN)/python -m pytest $(PYTEST_FLAGS)
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header pyproject.toml --group build --extra embedded

.PHONY: help run demo check test test-all faults lint types layers mutants scanners abuse coverage docs screenshots \
	translations lock
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: .venv/.installed ## start everything on this machine, with a local mailbox
	@exec $(BIN)/twoyes run

demo: .venv/.installed ## play four stories and print the ledger they end in
	@exec $(BIN)/twoyes demo

check: lint types layers ## check in a minute: style, types, layers, the kernel and the mails
	$(PYTEST) tests/lifecycle tests/mail/test_mails.py

test: .venv/.installed-dev ## run the tests: all on SQLite, what is about the database on PostgreSQL too
	$(PYTEST) -m "not slow"

test-all: .venv/.installed-dev ## run what make test leaves out: the rest on PostgreSQL, the browser, kills
	$(PYTEST) -m slow

faults: .venv/.installed-dev ## kill processes while 300 introductions are answered (SEED=1)
	$(BIN)/python -m tests.faults --seed $(SEED)

lint: .venv/.installed-dev ## check style and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev ## check types
	$(BIN)/mypy

layers: .venv/.installed-dev ## check that each folder knows only those below it
	$(BIN)/lint-imports

mutants: .venv/.installed-dev ## break the rules in many places and see whether a test notices
	$(BIN)/python -m tests.mutants

scanners: .venv/.installed-dev ## let programs that scan mail loose on every mailed link; print what they got recorded
	$(BIN)/python -m tests.scanners

abuse: .venv/.installed-dev ## flood the inbox, fill the ledger, try all of Unicode, hold connections open; print the figures
	$(BIN)/python -m tests.abuse.flood
	$(BIN)/python -m tests.abuse.text
	$(BIN)/python -m tests.abuse.ledger
	$(BIN)/python -m tests.abuse.slow

# The kernel's exploration is left out: measured, its half a million decisions take the better part of an hour.
coverage: .venv/.installed-dev ## run the tests of make test and show the branches that none of them takes
	$(PYTEST) -m "not slow" --cov --ignore tests/lifecycle/test_every_state_and_command.py

docs: .venv/.installed ## write docs/settings.md from the table of settings
	$(BIN)/twoyes settings --markdown > docs/settings.md

screenshots: .venv/.installed-dev ## take the pictures in docs/images with the Chromium of this machine
	$(BIN)/python -m tests.browser.screenshots

# Sorted, and without dates and line numbers, so that a change of one message changes a few lines. Nothing is
# guessed: a new message comes out empty, and tests/language/test_languages.py tells which.
translations: .venv/.installed ## collect the messages, update and compile every catalogue
	$(BIN)/pybabel --quiet extract --mapping-file babel.cfg --keywords lazy_gettext --sort-output --no-location \
		--omit-header --output-file $(CATALOGUES)/messages.pot .
	$(if $(wildcard $(CATALOGUES)/*/),$(BIN)/pybabel --quiet update --input-file $(CATALOGUES)/messages.pot \
		--output-dir $(CATALOGUES) --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date)
	$(if $(wildcard $(CATALOGUES)/*/),$(BIN)/pybabel --quiet compile --directory $(CATALOGUES))

lock: ## pin the dependencies again from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: install it and put it on the PATH."; exit 1; }
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --group dev --constraint requirements.txt --output-file requirements-dev.txt

# A stamp says what is installed, so that the second `make run` installs nothing. It is written last:
# an installation that was broken off is begun again.
.venv/.installed: requirements.txt pyproject.toml | .venv/bin/python
	$(call install,requirements.txt)

.venv/.installed-dev: requirements-dev.txt pyproject.toml | .venv/bin/python
	$(call install,requirements-dev.txt)

define install
	@echo "Installing pinned dependencies from $(1) (once; this may take a minute) …"
	@$(INSTALL) --require-hashes -r $(1) \
		|| { echo "The dependencies could not be installed; pip says why above (no network, or no wheel for this platform)."; exit 1; }
	@$(INSTALL) --no-deps --no-build-isolation -e . \
		|| { echo "TwoYes itself could not be installed; pip says why above."; exit 1; }
	@touch $@
endef

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null \
		|| { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "TwoYes needs Python 3.11 or newer, and $(PYTHON) is older. Name another: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "$(PYTHON) cannot make an environment. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
