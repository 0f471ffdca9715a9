# make demo | native | boards | bundle | test | test-board | fuzz | bench | bench-tflite | lint | clean      needs python3 >= 3.10, make and git; the rest is installed
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
NEEDS = $(PYTHON) tests/needs.py
# where firmware and sources are kept; HOME may be read-only
ifndef AIFES_CACHE
AIFES_CACHE := $(shell d="$${XDG_CACHE_HOME:-$$HOME/.cache}/aifes"; \
    mkdir -p "$$d" 2>/dev/null && [ -w "$$d" ] || d="$(CURDIR)/build/cache"; echo "$$d")
endif
export AIFES_CACHE
# where the environment has it, each of thousands of processes compiles all that it imports
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv demo native boards bundle toolchains test test-board fuzz bench bench-tflite lint clean
.NOTPARALLEL: # one installation after the other

help:
	@echo "make demo        quantize the line follower's network and drive the simulated robot"
	@echo "make native      the engine in C, as .mpy for each architecture: host/aifes_host/native/ (CIRCUITPY_DIR=its tree)"
	@echo "make boards      BOARDS='pico cortex-m4' (default: all) emulated boards, to deploy to"
	@echo "make bundle      the package for CircuitPython, as a library bundle: build/bundle/"
	@echo "make test        all tests, on CPython, MicroPython and the emulated boards"
	@echo "make test-board  PORT=/dev/ttyACM0 all tests on a board of yours; a table to paste"
	@echo "make fuzz        RUNS=1000000 damaged models against the engine in C"
	@echo "make bench       instructions on chips, speed of the engines and of the simulator"
	@echo "make bench-tflite  the quantizer beside TensorFlow Lite's own (270 MB to download)"
	@echo "make lint        check the style"
	@echo "make toolchains  install what make test needs beside Python packages, and no more"
	@echo "make clean       remove what was built"
	@echo "Each installs what it lacks (Debian, Ubuntu) and says what; tests/needs.py is the list."

# the tools of the target; first of all, so that they are installed at once
tools-%:
	@$(NEEDS) $*

venv: tools-demo $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	@$(NEEDS) venv $(VENV)
	@touch $@

$(VENV)/.tests: $(VENV)/.ready
	@$(NEEDS) tests $(VENV)
	@touch $@

demo: venv
	$(BIN)/python -m aifes_host.demo

native: tools-native venv
	@PYTHON=$(abspath $(BIN))/python native_module/build.sh

# ends with make, however that ends
boards: tools-boards venv
	@cd tests && exec setpriv --pdeathsig TERM $(abspath $(BIN))/python -m boards $(BOARDS)

bundle: venv
	$(BIN)/python device/make_bundle.py

toolchains: tools-test

test: tools-test $(VENV)/.tests
	$(BIN)/python -m pytest -q -n $$((2 * $$(nproc))) --dist loadgroup

test-board: venv
	@$(BIN)/python tests/desk.py $(PORT)

RUNS ?= 1000000
fuzz: tools-fuzz
	native_module/fuzz/run.sh $(RUNS)

bench: tools-bench $(VENV)/.tests native
	$(BIN)/python tests/bench/instructions.py
	$(BIN)/python tests/bench/cnn.py
	$(BIN)/python tests/bench/floats.py
	$(BIN)/python tests/bench/engines.py
	$(BIN)/python tests/bench/simulator.py
	$(BIN)/python tests/bench/memory.py
	$(BIN)/python tests/bench/accuracy.py
	$(BIN)/python tests/bench/pico.py
	$(BIN)/python tests/bench/control_loop.py

# beside TensorFlow Lite; minutes, and an environment of 1.5 GB in AIFES_CACHE
bench-tflite: $(VENV)/.tests
	$(BIN)/python tests/bench/tflite.py

lint: venv
	$(BIN)/ruff check device host tests native_module

clean:
	rm -rf $(VENV) build demo .pytest_cache .ruff_cache .hypothesis *.egg-info
