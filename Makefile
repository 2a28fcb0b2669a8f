# Thin on purpose: each target is one command, and what needs more is a script in tests/.

ARGS ?=
QUICK ?=
SEED ?=
SEEDS ?= 50000
T ?= 60

.PHONY: help run check setup test explore sanitize sim fuzz conformance bench micro loadtest stall handover doc

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Serve on port 6379 with all cores (ARGS="--port 7000 ...")
	cargo run --release --bin shoal -- $(ARGS)

check: ## Formatting and lints, of the fuzz targets too; warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --manifest-path fuzz/Cargo.toml --target-dir "$${CARGO_TARGET_DIR:-target}" -- -D warnings

setup:
	tests/setup.sh

test: check setup ## The one test command: check, then every test, with the same random cases each time
	PROPTEST_RNG_SEED=1 cargo test --workspace
	tests/clients.sh

explore: ## Look for new failures with fresh random cases, T seconds each way (T=60)
	tests/explore.sh $(T)

sanitize: ## Miri and AddressSanitizer on the unit tests (nightly; CASES=3 random cases under Miri)
	tests/sanitize.sh

sim: ## The deterministic simulator (SEEDS=n runs so many seeds, SEED=n repeats one)
	SEED=$(SEED) SEEDS=$(SEEDS) cargo test --lib testing::sim -- --nocapture

fuzz: ## Every fuzz target, T seconds each (T=60)
	tests/fuzz.sh $(T)

conformance: ## Redis's own suite against this server (REDIS_SUITE=path to a Redis checkout)
	tests/conformance.sh

bench: ## Compare with the other servers on PATH, into docs/benchmarks.md (QUICK=1: two minutes)
	cargo build --release --workspace --bins
	cargo run --release -p loadtest --bin compare -- $(if $(QUICK),--quick) $(ARGS)

micro: ## Micro-benchmarks (ARGS="table" runs those whose name has it)
	cargo bench --bench micro -- $(ARGS)

loadtest: ## The load generator (ARGS="...")
	cargo run --release -p loadtest --bin loadtest -- $(ARGS)

stall: ## How long commands on large collections keep others waiting (ARGS="--port 6379"; empties it)
	cargo run --release -p loadtest --bin stall -- $(ARGS)

handover: ## How long a push takes to reach a client that waits for it (ARGS="--port 6379")
	cargo run --release -p loadtest --bin handover -- $(ARGS)

doc: ## API documentation in target/doc
	cargo doc --workspace --no-deps --document-private-items
