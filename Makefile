# Two commands for a stranger: `make demo` and `make test`. Everything they need they set up themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bench soak lock clean

demo:
	@$(PYTHON) tools/set_up.py server
	@$(BIN)/waystation demo $(if $(filter 0,$(SERVE)),--no-serve)

test:
	@$(PYTHON) tools/set_up.py test
	@$(BIN)/python tools/run_tests.py $(ARGS)

bench:
	@$(PYTHON) tools/set_up.py test
	@$(BIN)/python -m benchmarks $(ARGS)

soak:
	@$(PYTHON) tools/set_up.py test
	@PYTHONPATH=src:. $(BIN)/python -m tests.soak $(PART) $(if $(MINUTES),--minutes $(MINUTES))

lock:
	@for name in boot build edge server dev; do \
	  $(BIN)/uv pip compile -q --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --universal \
	    requirements/$$name.in -o requirements/$$name.txt; done
	@npm install --package-lock-only --ignore-scripts

clean:
	@rm -rf .venv var build dist node_modules src/waystation/console/static/vendor
