#!/usr/bin/env bash
# Runs every fuzz target for the given number of seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
[ -d fuzz ] || { echo "make fuzz: there are no fuzz targets yet" >&2; exit 1; }
cargo fuzz --version >/dev/null 2>&1 \
  || { echo "make fuzz: needs cargo-fuzz (cargo install cargo-fuzz) and a nightly toolchain" >&2; exit 1; }
for target in $(cargo +nightly fuzz list); do
  echo "== $target: $seconds s"
  cargo +nightly fuzz run "$target" -- -max_total_time="$seconds"
done
