# SPDX-License-Identifier: Apache-2.0
# From a fresh clone: `make demo` or `make test`. Everything goes into .venv; the system's Python
# stays as it is.
SOURCES := pyproject.toml CMakeLists.txt host/make_binding.py tools/setup.sh \
           $(wildcard papers/*.[ch] runtime/*.[ch] host/*.[ch])
PYTHON_CODE := host/edge_lp train/edge_lp_train papers/edge_lp_papers

help:
	@echo "make demo     set up, then let the shipped model listen to a stream of spoken commands;"
	@echo "              pictures in demo-out/"
	@echo "make test     set up with TensorFlow and whatever the tests need, then run all tests"
	@echo "make lint     ruff, clang-format and mypy, as CI runs them"
	@echo "make docs     the documentation as a site, in build/docs"
	@echo "make web      the spotter as a web page, in build/web"
	@echo "make history  measure size and speed, append them to docs/history.csv"
	@echo "make clean    remove what make made"

demo: .venv/demo
	.venv/bin/edge-lp demo --out demo-out

test: .venv/test
	tools/system-packages.sh
	tools/esphome.sh
	.venv/bin/python -m pytest

lint: .venv/test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h' ':!src')
	.venv/bin/mypy $(PYTHON_CODE)

docs: .venv/test
	.venv/bin/python -m sphinx -q -W --keep-going -b html -c docs . build/docs
	@echo "build/docs/docs/index.html"

web:
	tools/web.sh build/web

links: .venv/test
	.venv/bin/python -m sphinx -q -b linkcheck -c docs . build/links

history: .venv/test
	tools/system-packages.sh
	.venv/bin/python tools/history.py

.venv/demo: $(SOURCES)
	tools/setup.sh demo
	@touch $@

.venv/test: $(SOURCES)
	tools/setup.sh demo,train,audio,serve,web,nir,docs,dev
	@touch $@ .venv/demo

clean:
	rm -rf .venv build demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help demo test lint docs web links history clean
