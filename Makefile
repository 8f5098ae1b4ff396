# The two commands: `make demo`, `make test`; and `make test-large`, `make macos-wheel`. Everything they need, they install.
SHELL := /bin/bash
VENV ?= .venv
PYTHON := $(VENV)/bin/python
BUILD ?= build

.PHONY: all build demo test test-large macos-wheel clean
all: build

demo: build
	$(PYTHON) -m examples.digits

test: build
	tools/test.sh

# Tensors of more than 2^31 elements: up to 11 GB of memory, several minutes. Says what it has no memory for.
test-large: build
	tools/test.sh -n 1 -m large -rs test/large

# The wheel for macOS, cross-built and checked on Linux, in dist/.
macos-wheel: $(VENV)/.installed
	$(PYTHON) -m tools.macos

# Re-runs ninja, which does nothing if nothing changed. The lock keeps two makes out of one build folder.
build: $(BUILD)/build.ninja
	@flock $(BUILD)/.lock ninja -C $(BUILD) $(if $(V),-v,)
	@$(MAKE) --no-print-directory $(VENV)/.editable

# Makes the package importable from anywhere, and known to PyTorch, which loads it with torch.
$(VENV)/.editable: setup.py pyproject.toml
	$(PYTHON) -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps --editable .
	@touch $@

$(BUILD)/build.ninja: CMakeLists.txt $(VENV)/.installed
	@mkdir -p $(BUILD)
	PATH="$(abspath $(VENV))/bin:$$PATH" cmake -G Ninja -S . -B $(BUILD) -DPython3_EXECUTABLE=$(abspath $(PYTHON)) \
	  $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache,)

$(VENV)/.installed: requirements.txt tools/install.sh
	tools/install.sh $(VENV)
	@touch $@

clean:
	rm -rf $(BUILD) torch_metal/lib torch_metal/bin torch_metal/_C*.so
