# Thin on purpose: each target is one command, and what needs more is a script in tests/.

ARGS ?=
SEED ?=
SEEDS ?= 50000
T ?= 60

.PHONY: help run check setup test sim fuzz conformance bench loadtest doc

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Serve on port 6379 with all cores (ARGS="--port 7000 ...")
	cargo run --release --bin shoal -- $(ARGS)

check: ## Formatting and lints, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

setup:
	tests/setup.sh

test: check setup ## The one test command: check, then every test
	cargo test --workspace
	tests/clients.sh

sim: ## The deterministic simulator (SEEDS=n runs so many seeds, SEED=n repeats one)
	SEED=$(SEED) SEEDS=$(SEEDS) cargo test --lib testing::sim -- --nocapture

fuzz: ## Every fuzz target, T seconds each (T=60)
	tests/fuzz.sh $(T)

conformance: ## Redis's own suite against this server (REDIS_SUITE=path to a Redis checkout)
	tests/conformance.sh

bench: ## Micro-benchmarks
	@test -d benches || { echo "make bench: there are no benchmarks yet" >&2; exit 1; }
	cargo bench --workspace $(ARGS)

loadtest: ## The load generator (ARGS="...")
	@grep -q 'fn main() {}' loadtest/src/main.rs \
	  && { echo "make loadtest: there is no load generator yet" >&2; exit 1; } || true
	cargo run --release -p loadtest -- $(ARGS)

doc: ## API documentation in target/doc
	cargo doc --workspace --no-deps --document-private-items
