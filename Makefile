# Everything runs from a virtual environment in .venv, made by the first target that needs it.
# Needs Python 3.11, gcc and make; no root, no PostgreSQL. Of several 3.11 it takes a fast one, or: make PYTHON=...

BIN := .venv/bin
# What is compiled: the kernel, and the Python that pyproject.toml names, with what is said of its types.
KERNEL := $(wildcard native/rights_native/*.pyx native/rights_native/*.pxd native/rights_native/*.h)
KERNEL += $(shell sed -n 's/^sources = \["\(service[^"]*\)"\]/\1/p' pyproject.toml) $(wildcard service/rights/*/*.pxd)
PROTOS := $(wildcard proto/rights/*/*/*.proto proto/rights/v1/*.proto)

.PHONY: setup demo serve test lint types protos bench promtool grpcjs clean

## Set up once: environment, dependencies, what is compiled. Again after pyproject.toml or what is compiled changes.
setup: .venv/.ready

.venv/.ready: pyproject.toml $(KERNEL)
	@test -x $(BIN)/python || { python=$(or $(PYTHON),$$(deploy/find-python.sh)) && $$python -m venv .venv; }
	@echo "setting up .venv with $$(readlink -f $(BIN)/python): dependencies and the compiled kernel, about a minute"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

## One checkout on an embedded PostgreSQL (or RIGHTS_DATABASE_URL), then stop.
demo: setup
	@$(BIN)/rights demo

## The same, then keep serving.
serve: setup
	@$(BIN)/rights demo --stay

## Every test: kernel, units, scenarios on real servers, lint, types, protos, deployment files.
test: setup promtool grpcjs
	@$(BIN)/python -m pytest

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports && $(BIN)/buf lint proto

types: setup
	@$(BIN)/mypy

## Generate the Python of the protos and the schema of rulebook files; committed, and a test keeps them fresh.
protos: setup
	@$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=service --pyi_out=service $(PROTOS)
	@$(BIN)/python -m grpc_tools.protoc -Iproto --grpc_python_out=service $(wildcard proto/rights/v1/*.proto)
	@$(BIN)/python proto/make_rulebook_schema.py

## The short form of every benchmark, under ten minutes: benchmarks/results/*.json, plots, the README's figures.
bench: setup
	@$(BIN)/python -m benchmarks

## Prometheus' checker, for the tests of deploy/: from PATH, or unpacked from Debian's package.
promtool: setup
	@deploy/get-promtool.sh $(BIN) || echo "promtool is not to be had here; its tests say what to do"

## Node's gRPC client, for the tests that call the service with it.
grpcjs: setup
	@test -d .venv/node/node_modules/@grpc/grpc-js || npm install --silent --no-audit --no-fund --prefix .venv/node \
	  @grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1 || echo "grpc-js is not to be had here; its tests say what to do"

clean:
	rm -rf .venv build .state
	find native service -name '*.c' -delete -o -name '*.so' -delete
