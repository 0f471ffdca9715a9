# make demo | native | boards | bundle | test | fuzz | bench | lint | clean      needs python3 >= 3.10, make and git; the rest is installed
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin

.PHONY: help venv demo native boards bundle toolchains test fuzz bench lint clean

help:
	@echo "make demo        quantize the line follower's network and drive the simulated robot"
	@echo "make native      the engine in C, as .mpy for each architecture: host/aifes_host/native/"
	@echo "make toolchains  the compilers for it, what emulated boards need, a browser (Debian)"
	@echo "make boards      BOARDS='pico cortex-m4' (default: all) emulated boards, to deploy to"
	@echo "make bundle      the package for CircuitPython, as a library bundle: build/bundle/"
	@echo "make test        all tests, on CPython, MicroPython and the emulated boards"
	@echo "make fuzz        RUNS=1000000 damaged models against the engine in C"
	@echo "make bench       instructions on chips, speed of the engines and of the simulator"
	@echo "make lint        check the style"
	@echo "make clean       remove what was built"

venv: $(VENV)/.ready

# Debian's python3 has no ensurepip until python3-venv is installed
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "Python 3.10 or newer is needed: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	    sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    echo "installing python3-venv, which Debian and Ubuntu keep apart"; \
	    $$sudo apt-get update -qq && $$sudo apt-get install -qqy python3-venv; }
	@echo "setting up $(VENV) (once, a minute or two)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@

demo: venv
	$(BIN)/python -m aifes_host.demo

native: venv
	@PYTHON=$(abspath $(BIN))/python native_module/build.sh

boards: venv
	@cd tests && $(abspath $(BIN))/python -m boards $(BOARDS)

bundle: venv
	$(BIN)/python device/make_bundle.py

toolchains:
	@sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    $$sudo apt-get update -qq && $$sudo apt-get install -qqy --no-install-recommends \
	    gcc libc6-dev git clang llvm libclang-rt-dev gcc-arm-none-eabi libnewlib-arm-none-eabi \
	    gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf \
	    gcc-xtensa-lx106 picolibc-xtensa-lx106-elf \
	    libstdc++-arm-none-eabi-newlib cmake ninja-build qemu-system-arm qemu-system-misc
	@command -v npm >/dev/null || { \
	    sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); $$sudo apt-get install -qqy nodejs npm; }
# Ubuntu has it as a snap only
	@command -v chromium >/dev/null || { \
	    sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    $$sudo apt-get install -qqy --no-install-recommends chromium || \
	    echo "no package chromium: tests of the report will skip the browser"; }

test: venv
	$(BIN)/python -m pytest -q -n $$((2 * $$(nproc))) --dist loadgroup

RUNS ?= 1000000
fuzz:
	native_module/fuzz/run.sh $(RUNS)

bench: native
	$(BIN)/python tests/bench/instructions.py
	$(BIN)/python tests/bench/floats.py
	$(BIN)/python tests/bench/engines.py
	$(BIN)/python tests/bench/simulator.py
	$(BIN)/python tests/bench/memory.py
	$(BIN)/python tests/bench/accuracy.py
	$(BIN)/python tests/bench/pico.py
	$(BIN)/python tests/bench/control_loop.py

lint: venv
	$(BIN)/ruff check device host tests native_module

clean:
	rm -rf $(VENV) build demo .pytest_cache .ruff_cache .hypothesis *.egg-info
