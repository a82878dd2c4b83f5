# make           what can be made
# make demo      melt CKN and draw what its ions do (under 5 minutes on 2 cores after the build)
# make test-static  the program for machines without Rust and HDF5, in a bare root
# make test-report  the report page in a browser
# make test      formatting, lints and all tests: what continuous integration runs

SHELL := /bin/bash
CARGO ?= cargo
VITRION = target/release/vitrion
DEMO ?= demo
# Runs of the long checks are kept here: an interrupted `make validate` goes on.
VALIDATE ?= target/validate
PYTHON ?= python3

.PHONY: help setup build demo test test-static test-report lint bench fuzz torture validate

help:
	@echo "make setup     install missing system packages (HDF5, pkg-config, C compiler, software Vulkan); says what it does"
	@echo "make build     the optimised program, $(VITRION)"
	@echo "make demo      simulate configs/quickstart.toml into $(DEMO)/ and draw g(r) and the mean squared displacement"
	@echo "make test      formatting, lints, unit, integration and documentation tests"
	@echo "make test-static  the program with its own HDF5: needs libc, libm and libgcc_s alone, and runs where nothing else is"
	@echo "make test-report  the report in headless Chromium, on a telephone and on a desk; installs chromium if it is missing"
	@echo "make lint      formatting and lints only"
	@echo "make torture   runs killed and cut off from the power, many times; each ends as one that was not; minutes"
	@echo "make bench     speed on this machine, with a breakdown by part of the step"
	@echo "make fuzz      every parser for a minute under libFuzzer; needs a nightly toolchain, installs cargo-fuzz into target/"
	@echo "make validate  the long physics checks (drift, ensembles, comparison with LAMMPS); hours on 2 cores"

setup:
	@tools/setup.sh

build: setup
	$(CARGO) build --release --package vitrion

demo: build
	$(VITRION) run configs/quickstart.toml --dir $(DEMO)
	$(VITRION) plot $(DEMO)

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

# Test binaries of the dev profile are optimised (Cargo.toml): the tests run physics.
test: lint
	$(CARGO) test --workspace

# After `make test` only HDF5 (once) and the crates that use it are built; of the whole workspace, as there.
test-static: setup
	cmake=$$(tools/cmake.sh) && CMAKE=$$cmake $(CARGO) test --workspace --features vitrion/static-hdf5 --test static_binary

# A browser is much to install: only for this. Of the whole workspace: for one package more would be built again.
test-report: setup
	@tools/browser.sh
	$(CARGO) test --workspace --features vitrion-report/browser-tests --test page

bench: build
	$(VITRION) bench

# Kills and power cuts by the dozen and by the thousand; a part needs root, for a file system of its own.
torture: setup
	$(CARGO) test --workspace --test kills -- --ignored --nocapture --test-threads=1
	$(CARGO) test --workspace --lib power_cuts -- --ignored --nocapture

fuzz: setup
	@tools/fuzz.sh 60

# Checks too long for every change: tests marked #[ignore], each of which prints what it measured, and the simulations of
# tests/validate, whose Python packages go into an environment of their own.
validate: build fuzz
	$(CARGO) test --release --workspace -- --ignored --nocapture --test-threads=1
	test -x $(VALIDATE)/python/bin/python || $(PYTHON) -m venv $(VALIDATE)/python
	$(VALIDATE)/python/bin/pip install --quiet --requirement tests/validate/requirements.txt
	$(VALIDATE)/python/bin/python tests/validate/validate.py --vitrion $(VITRION) --dir $(VALIDATE)
