# The two commands: `make demo`, `make test`. Everything they need, they install.
SHELL := /bin/bash
VENV ?= .venv
PYTHON := $(VENV)/bin/python
BUILD ?= build

.PHONY: all build demo test clean
all: build

demo: build
	$(PYTHON) -m examples.digits

test: build
	tools/test.sh

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
