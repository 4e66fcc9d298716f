# A thin face: everything is in deploy/bootstrap.py, which works without make, too.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) deploy/bootstrap.py

.PHONY: help run test check smoke bench sweep conformance format manage lock
.DEFAULT_GOAL := help

help:
	@$(BOOTSTRAP) help

run smoke bench sweep conformance check format manage:
	@$(BOOTSTRAP) $@ $(ARGS)

# make test T=tests/audit, make test DATABASE_URL=postgres://...
test:
	@$(BOOTSTRAP) test $(T) $(ARGS)

# make lock ARGS=--upgrade takes newer versions, too.
lock:
	@$(BOOTSTRAP) lock $(ARGS)
