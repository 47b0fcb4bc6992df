.DEFAULT_GOAL := help
.PHONY: help setup demo test faults screenshots lint lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

setup: ## .venv with the locked dependencies and .venv/bin/sendmill
	@scripts/setup.sh development

demo: ## a server on SQLite with a sample campaign, left up until Ctrl-C
	@scripts/setup.sh runtime
	@.venv/bin/sendmill demo

test: setup ## all tests, on SQLite and on PostgreSQL
	@scripts/install-test-packages.sh
	@scripts/test.sh

faults: setup ## kill -9, outages, full disks, bad mail servers, clocks: at full size, with a table
	@scripts/install-test-packages.sh
	@scripts/faults.sh

screenshots: setup ## a picture of every page of the dashboard, in build/screenshots
	@scripts/install-test-packages.sh
	@.venv/bin/python -m tests.browser.screenshots build/screenshots

lint: setup ## style, types, import order, missing migrations
	@scripts/lint.sh

lock: ## resolve requirements/*.in anew; UPGRADE=--upgrade takes the newest versions
	@scripts/lock.sh $(UPGRADE)

clean: ## remove .venv and what tools leave behind
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis src/*.egg-info
