# Two commands for a newcomer: make demo, make test.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test bench screenshots soak accuracy train train-default lock clean

demo: .venv/run.ok
	$(BIN)/placerwatch run configs/demo.yaml

test: .venv/dev.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadscope

bench: .venv/dev.ok
	$(BIN)/python -m benchmarks.tile
	$(BIN)/python -m benchmarks.map
	$(BIN)/python -m benchmarks.fetching

# Pictures of the map and of review for the docs, from the demonstration; needs chromium.
screenshots: .venv/dev.ok
	$(BIN)/python -m benchmarks.screenshots

# Whole runs under 100 schedules of faults a route; about ten minutes.
soak: .venv/dev.ok
	$(BIN)/python -m benchmarks.soak

accuracy: .venv/dev.ok
	$(BIN)/python -m benchmarks.accuracy

# Where the labels lie that the shipped models are trained on.
LABELS ?= ../shared/data/amazon_mining

train: .venv/run.ok
	$(BIN)/placerwatch train $(LABELS) --kind trees --out models/trees

# PyTorch comes with it, some gigabytes; a run with the trained network needs none of that.
train-default: .venv/network.ok
	$(BIN)/placerwatch train $(LABELS) --kind blend --out models/default

# Pinned versions with hashes; the project itself is installed in place.
.venv/run.ok: requirements/run.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/dev.ok: requirements/dev.txt .venv/run.ok
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

.venv/network.ok: requirements/network.txt .venv/run.ok
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/network.txt
	touch $@

# Rewrites the pinned versions from pyproject.toml; needs uv.
COMPILE = uv pip compile pyproject.toml requirements/build.in --generate-hashes --no-header --no-annotate \
    --python-version 3.11 -q
lock:
	$(COMPILE) -o requirements/run.txt
	$(COMPILE) --extra dev -c requirements/run.txt -o requirements/dev.txt
	$(COMPILE) --extra network -c requirements/run.txt -o requirements/network.txt

clean:
	rm -rf .venv build *.egg-info
