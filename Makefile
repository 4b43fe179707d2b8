# make demo            install into .venv, then run the demo
# make test            install, then the tests but the slow ones, on up to four cores
# make test-slow       install, then the slow tests, and all examples of those tests that `make test` cuts short
# make test-random     install, then the generated tests with new examples; SEED=7 repeats those of that seed
# make test-cases      install, then the engine against the specification on 5,000 generated cases, learning included, and a
#                      25th of them where Numba looks at every index; COUNT
# make test-lessons    install, then lessons by any mixture of rules: 200 on the engine, 25 on Lava, 10 on Brian2, each
#                      against the specification; COUNT is the number on the engine
# make lint            install, then ruff and mypy
# make endurance       install, then 1,000 runs on Lava and 150 kills of what stores results; LAVA, KILLS, SEED
# make bench           install, then the benchmarks; ONLY=784-256 keeps some
# make bench-graphs    install, then the times of graphs of up to 100,000 nodes and edges, and of reading small files
# make mutants         install, then put small faults into the integers' code one by one: which do the tests miss? SEED, COUNT
# make fuzz            install, then damage files of every format and read them; SEED, COUNT
# make bench-peers     install torch-based simulators into .venv-peers, for the next make bench
# make microcode       install, then compile SSDP, or a formula, for Loihi's learning engine; MICROCODE holds its options
# make studies         install, then the studies of learning on the chip; it goes on where it stopped; JOBS
# make train           install torch and snnTorch too, then train the demo's network anew
# make test-frameworks install torch, snnTorch, Norse, Sinabs and SpikingJelly into .venv-frameworks, hold the presets to
#                      them, and run the tests that need torch or aeon's data
# make frameworks      install the same alone
# make generated-modules  make frameworks, then convert 300 random torch modules and hold each to its forward; COUNT
# make test-browser    install, with Selenium, and make docs; then look at a report and the site in Debian's Chromium; as root it installs Chromium
#                      and its driver; pictures of the page are kept in browser-screenshots/
# make lava-dl         install, then run two networks from the lava-dl wheel (fetches 80 MB)
# make test-emulators  make bench-peers, then run 400 random networks on the Loihi emulators of others; COUNT
# make docs            install mkdocs into .venv-docs, then build the documentation site into site/; a warning fails
# make notebooks       as make test-frameworks, then execute the notebooks of the documentation and keep what they show; ONLY
# make clean           remove these environments and everything else that these commands made
#
# PYTHON chooses the interpreter: make PYTHON=python3.12 demo. Without it an existing .venv is kept,
# and a new one is made with python3.11 where there is one, else with python3.

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

ifneq ($(wildcard $(VENV)/.python-*),)
PYTHON ?= $(BIN)/python
else
PYTHON ?= $(shell command -v python3.11 || command -v python3)
endif
VERSION := $(shell $(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null)

FRAMEWORKS := .venv-frameworks
DOCS := .venv-docs
FRAMEWORKS_PIP := $(FRAMEWORKS)/bin/python -m pip install --quiet --disable-pip-version-check
# What needs a framework or aeon's data, and so is skipped by `make test`.
FRAMEWORKS_TESTS := $(addprefix tests/test_,frameworks.py presets.py torch_importer.py torch_graph.py torch_readouts.py torch_stateful.py torch_maxima.py torch_loops.py torch_layouts.py torch_wild.py torch_written.py torch_odd_forwards.py torch_recordings.py first_hour.py torch_rule.py \
	torch_missing.py notebooks.py neurobench.py events.py fine_tuning.py fine_tuning_models.py example_regularise.py recurrent_vowels.py adaptive_vowels.py studies.py \
	slayer_neurons.py)

# Stamps: which Python made .venv, and what was installed there from which files.
MADE := $(VENV)/.python-$(VERSION)
INSTALLED := $(VENV)/.installed
TRAIN_INSTALLED := $(VENV)/.installed-train
STUDIES_INSTALLED := $(VENV)/.installed-studies
BROWSER_INSTALLED := $(VENV)/.installed-browser

# The tests start many processes: each would compile this package's sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow test-cases test-lessons test-random frameworks test-frameworks generated-modules test-browser lint fuzz endurance bench bench-graphs mutants bench-peers test-emulators microcode studies train lava-dl docs notebooks install clean

demo: install
	$(BIN)/ssdp-hw demo

PROCESSES := --numprocesses auto --maxprocesses 4 --dist worksteal --durations 40
PYTEST := $(BIN)/pytest $(PROCESSES)

test: install
	$(PYTEST) -m "not slow and not browser"

test-slow: install
	$(PYTEST) -m "slow or more_examples" --hypothesis-profile all

test-random: SEED ?= $(shell date +%s)
test-random: install
	$(PYTEST) -m "hypothesis and not browser" --hypothesis-profile random --hypothesis-seed $(SEED)

test-cases: COUNT ?= 5000
test-cases: install
	SSDP_HW_CASES=$(COUNT) $(BIN)/pytest --hypothesis-profile all tests/test_spec_engine_cases.py tests/test_bounds.py -s

test-lessons: COUNT ?= 200
test-lessons: install
	SSDP_HW_LESSONS=$(COUNT) $(PYTEST) --hypothesis-profile all tests/test_any_lesson.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: SEED ?= 0
fuzz: COUNT ?= 2000
fuzz: install
	cd tests && ../$(BIN)/python -m fuzzing --seed $(SEED) --count $(COUNT) --log

endurance: LAVA ?= 1000
endurance: KILLS ?= 150
endurance: SEED ?= 0
endurance: install
	$(BIN)/python benchmarks/endurance.py --lava $(LAVA) --kills $(KILLS) --seed $(SEED)

bench: install
	$(BIN)/python benchmarks/run.py "$(ONLY)"

bench-graphs: install
	$(BIN)/python benchmarks/graphs.py
	$(BIN)/python benchmarks/reading.py

mutants: SEED ?= 0
mutants: COUNT ?= 300
mutants: install
	$(BIN)/python benchmarks/mutants.py --seed $(SEED) --count $(COUNT)

# The peers declare other versions of NumPy and torch than run them, so only torch brings its dependencies.
bench-peers:
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/peers-no-deps.txt

test-emulators: COUNT ?= 400
test-emulators: install bench-peers
	SSDP_HW_EMULATORS=$(VENV)-peers/bin/python SSDP_HW_EMULATED_NETWORKS=$(COUNT) \
		$(BIN)/pytest tests/test_loihi_emulators.py

MICROCODE := --window 31 --scale 100 --set a_plus=0.04 --set a_baseline=0.02 --set sigma=2
microcode: install
	$(BIN)/ssdp-hw microcode $(MICROCODE)

studies: JOBS ?= $(shell nproc)
studies: $(STUDIES_INSTALLED)
	$(BIN)/python examples/studies/run.py --jobs $(JOBS)

train: $(TRAIN_INSTALLED)
	$(BIN)/python examples/train_digits.py

# Norse, Sinabs, SpikingJelly, NeuroBench and tonic are installed without what they ask for, torchvision among it: what is used here needs
# pbr, loguru and tqdm alone.
# Of aeon only the data are used, as in `make studies`.
frameworks: $(MADE) pyproject.toml constraints.txt
	test -x $(FRAMEWORKS)/bin/python || $(BIN)/python -m venv $(FRAMEWORKS)
	$(FRAMEWORKS_PIP) -c constraints.txt -e '.[test,train,notebooks]' nirtorch pbr loguru tqdm
	$(FRAMEWORKS_PIP) --no-deps -c constraints.txt norse sinabs spikingjelly neurobench tonic importRosbag aeon

test-frameworks: frameworks
	$(FRAMEWORKS)/bin/python -m pytest $(PROCESSES) --hypothesis-profile all $(FRAMEWORKS_TESTS)

generated-modules: COUNT ?= 300
generated-modules: frameworks
	$(FRAMEWORKS)/bin/python tests/generated_modules.py --count $(COUNT)

# No browser is downloaded from its maker: Debian's packages, where this machine lets us install them.
test-browser: $(BROWSER_INSTALLED) docs
	command -v chromium >/dev/null && command -v chromedriver >/dev/null \
		|| { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq chromium chromium-driver; } \
		|| { echo "chromium and chromedriver are needed: apt-get install chromium chromium-driver" >&2; exit 1; }
	$(BIN)/pytest -m browser tests/test_browser.py tests/test_site_browser.py

lava-dl: install
	$(BIN)/python examples/lava_dl_networks.py

notebooks: frameworks
	$(FRAMEWORKS)/bin/python docs/execute_notebooks.py $(ONLY)

# The pages' text comes from the sources, which are read and not imported.
docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	@echo "site/index.html opens by a double click"

$(DOCS)/.installed: $(MADE) pyproject.toml constraints.txt
	rm -rf $(DOCS)
	$(BIN)/python -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

install: $(INSTALLED)

$(MADE):
	@test -n "$(VERSION)" || { echo "PYTHON=$(PYTHON) does not run; give one: make PYTHON=python3.11" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	touch $@

# lava-nc declares Python < 3.11 and numpy < 2, but needs neither; the extra `lava` has what it needs.
$(INSTALLED): $(MADE) pyproject.toml constraints.txt
	$(PIP_INSTALL) -c constraints.txt -e '.[lava,brian2,report,frames,sweep,demo,test,lint]'
	$(PIP_INSTALL) --no-deps --ignore-requires-python lava-nc==0.10.0
	touch $@

# Any torch will do: to get one without CUDA, point pip at an index of CPU builds by its environment.
$(TRAIN_INSTALLED): $(INSTALLED)
	$(PIP_INSTALL) -c constraints.txt -e '.[train]'
	touch $@

# Of aeon only the data are used; it declares other versions of NumPy and Numba than ours.
$(STUDIES_INSTALLED): $(INSTALLED)
	$(PIP_INSTALL) -c constraints.txt --no-deps aeon
	touch $@

$(BROWSER_INSTALLED): $(INSTALLED)
	$(PIP_INSTALL) -c constraints.txt -e '.[browser]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-peers $(FRAMEWORKS) $(DOCS) site .cache build dist demo-report browser-screenshots .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -rf *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
