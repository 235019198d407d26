# Every target sets up what it needs by itself; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run test check fix docs proto vendor demo-model bench bench-peers test-gpu bench-gpu stress parity screenshot clean setup setup-dev

PYTHON_IN_VENV := .venv/bin/python

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' $(MAKEFILE_LIST) | while read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

run: setup ## start service and bridge with the demo model, or MODEL=smollm2; PORT=8081 and ARGS="--help" reach the launcher
	@$(if $(MODEL),$(PYTHON_IN_VENV) -m service pull $(MODEL) --if-missing)
	@exec $(PYTHON_IN_VENV) -m scripts.up --end-with-parent $(if $(MODEL),--models $(MODEL) --stand-in $(MODEL)) \
		$(if $(PORT),--port $(PORT)) $(ARGS)

test: setup-dev ## run the tests, in two processes; ARGS="-n 0 tests/bridge -k stream" reaches pytest
	@$(PYTHON_IN_VENV) -m pytest -n 2 --dist loadfile $(ARGS)

stress: setup-dev ## run the long tests, and the property tests with many more examples
	@HYPOTHESIS_PROFILE=stress $(PYTHON_IN_VENV) -m pytest -n 2 --dist loadfile -m 'stress or hypothesis' --timeout 3600 $(ARGS)

check: setup-dev ## lint, types, imports, contract, versions; writes nothing
	$(PYTHON_IN_VENV) -m ruff check
	$(PYTHON_IN_VENV) -m ruff format --check
	$(PYTHON_IN_VENV) -m mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/buf lint
	$(PYTHON_IN_VENV) -m scripts.check_contract
	$(PYTHON_IN_VENV) -m scripts.check_versions

fix: setup-dev ## format, and repair what the linter can
	$(PYTHON_IN_VENV) -m ruff check --fix
	$(PYTHON_IN_VENV) -m ruff format

docs: setup-dev ## build the site of docs/ into site/; `python -m http.server -d site` shows it
	@NO_MKDOCS_2_WARNING=1 $(PYTHON_IN_VENV) -m mkdocs --quiet build --strict

proto: setup-dev ## generate the stubs of all languages from protos/
	$(PYTHON_IN_VENV) -m scripts.stubs clients/python
	$(PYTHON_IN_VENV) -m scripts.client_stubs

vendor: setup-dev ## copy into the playground what its package-lock.json names
	$(PYTHON_IN_VENV) -m scripts.vendor

demo-model: setup-dev ## train the demo model from nothing (half an hour on 2 cores with bfloat16, else an hour)
	$(PYTHON_IN_VENV) -m demo.train

bench: setup-dev ## measure the engine, then the running server
	$(PYTHON_IN_VENV) -m bench.engine
	$(PYTHON_IN_VENV) -m bench.serving

bench-peers: setup-dev ## measure the CPU engine beside llama.cpp, CTranslate2 and OpenVINO; ARGS="float32 --rounds 7" names a part
	@$(PYTHON_IN_VENV) -m bench.peers $(ARGS)

test-gpu: setup-dev ## run the tests that mean most on a GPU, on one; ARGS reaches pytest
	@$(PYTHON_IN_VENV) -m pytest tests/gpu --device cuda $(ARGS)

bench-gpu: setup-dev ## measure everything on a GPU, beside what the card allows; ARGS="--json FILE --only AWQ"
	@$(PYTHON_IN_VENV) -m bench.gpu $(ARGS)
	@$(PYTHON_IN_VENV) -m bench.quantized_linears

parity: setup-dev ## compare a server with Runstream: BASE=https://api.cloudflare.com ACCOUNT=… TOKEN=… MODEL=…
	@$(PYTHON_IN_VENV) -m tests.conformance.parity

screenshot: setup-dev ## take the picture of the playground that the README shows
	@RUNSTREAM_SCREENSHOT=docs/playground.png $(PYTHON_IN_VENV) -m pytest -n 0 -k picture tests/test_playground.py

clean: ## remove the environment and all caches
	rm -rf .venv site clients/go/build clients/cpp/build clients/java/build clients/typescript/build clients/typescript/dist \
		clients/typescript/node_modules tests/node/node_modules bridge/playground/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@scripts/setup.sh bridge service $(if $(OTEL_EXPORTER_OTLP_ENDPOINT)$(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT),tracing)

setup-dev:
	@scripts/setup.sh bridge service tracing ray dev
	@$(PYTHON_IN_VENV) -m scripts.real_clients
	@$(PYTHON_IN_VENV) -m scripts.real_tokenizers
