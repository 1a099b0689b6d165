# The two commands: `make serve` opens the book, `make test` proves it. Both set up .venv/ first.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
READY := .venv/ready
# Pages carry no time of their own but this one, so that two builds are the same, byte for byte.
export SOURCE_DATE_EPOCH ?= 315532800
export NO_MKDOCS_2_WARNING := 1
# The book's matrices are small: threads cost more than they bring, eight times on two cores.
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: serve test test-code test-book test-frameworks site offline zensical wheel figure claims bench clean setup
.DEFAULT_GOAL := serve

serve: $(READY)
	@$(BIN)/python -m gradbook.press serve --port $(PORT)

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build
	@$(MAKE) --no-print-directory --keep-going --jobs=2 test-code test-book; \
	code=$$?; cat $(BESIDE); exit $$code

# The two halves of `make test`, side by side on two cores. What the second prints is shown behind
# the first. They write no file in common: the second has the site, its log, and no pytest cache.
BESIDE := build/test-book.log
MUTATION := tests/test_mutation.py
test-code: $(READY)
	$(BIN)/python -m pytest docs tests gradbook --ignore=$(MUTATION) --cov=gradbook --cov-report=term-missing:skip-covered

test-book: $(READY)
	@mkdir -p $(dir $(BESIDE))
	@{ set -ex; \
	$(BIN)/mypy gradbook; \
	$(BIN)/python -m gradbook.press site; \
	$(BIN)/python -m pytest $(MUTATION) --workers 1 -p no:cacheprovider; \
	} >$(BESIDE) 2>&1

# PyTorch and JAX are large, and the book does without: they get an environment of their own.
FRAMEWORKS := build/frameworks
test-frameworks:
	@test -f $(FRAMEWORKS)/bin/python || $(PYTHON) -m venv $(FRAMEWORKS)
	@$(FRAMEWORKS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-frameworks.txt
	@$(FRAMEWORKS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(FRAMEWORKS)/bin/python -m pytest frameworks

site: $(READY)
	$(BIN)/python -m gradbook.press site

offline: $(READY)
	$(BIN)/python -m gradbook.press offline --site build/offline

zensical: $(READY)
	$(BIN)/python -m gradbook.press site --generator zensical --site build/zensical

figure: $(READY)
	$(BIN)/python -m gradbook.press figure

claims: $(READY)
	$(BIN)/python -m gradbook.claims

bench: $(READY)
	$(BIN)/python -m gradbook.diagnosis.bench

wheel: $(READY)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

setup: $(READY)

# A set-up that was cut off has no `ready` file and starts afresh; one that is merely older than
# what it was made from is brought up to date.
$(READY): requirements.txt pyproject.toml package.json package-lock.json
	@command -v $(PYTHON) >/dev/null || { echo "gradbook needs Python 3.11 or newer: $(PYTHON) was not found"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gradbook needs Python 3.11 or newer: $(PYTHON) is %d.%d; try make PYTHON=python3.12" % sys.version_info[:2] or 0)'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "gradbook needs the venv module: on Debian or Ubuntu, apt install python3-venv"; exit 1; }
	@test -f $(READY) || { echo "Setting up .venv (once, about a minute)"; rm -rf .venv; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m gradbook.press assets
	@touch $(READY)

clean:
	rm -rf .venv node_modules docs/assets/vendor site build dist .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
