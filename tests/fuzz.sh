#!/usr/bin/env bash
# Runs every fuzz target for the given number of seconds. The corpus is kept in fuzz/corpus; what a
# target fails on is in fuzz/artifacts, and the message says how to repeat it. A target that fails
# does not keep the others from running.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
cargo +nightly fuzz --version >/dev/null 2>&1 \
  || { echo "make fuzz: needs cargo-fuzz (cargo install cargo-fuzz) and a nightly toolchain" >&2; exit 1; }

# The search for commands begins with those of the transcripts.
mkdir -p fuzz/corpus/commands
for transcript in tests/transcripts/*.txt; do
  sed -n 's/^> //p' "$transcript" | split -l 8 - "fuzz/corpus/commands/$(basename "$transcript" .txt)-"
done

cargo +nightly fuzz build
failed=()
for target in $(cargo +nightly fuzz list); do
  echo "== $target: $seconds s"
  cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 \
    || failed+=("$target")
done
[ ${#failed[@]} -eq 0 ] || { echo "make fuzz: failed: ${failed[*]}" >&2; exit 1; }
