#!/usr/bin/env bash
# Looks for undefined behaviour with the nightly toolchain: Miri runs the tests of the structures
# that have unsafe code, with few cases; AddressSanitizer runs every unit test but the simulator's.
# Each is skipped where the toolchain lacks it.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "make sanitize: needs a nightly toolchain (rustup toolchain install nightly)" >&2
  exit 1
fi
target=$(rustc +nightly -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/sanitize"

# A filter of tests is any part of a name: "ds::" alone would also choose config::words.
modules=(store::entry:: base::alloc::)
for file in src/ds/*.rs; do
  [ "$file" = src/ds/mod.rs ] || modules+=("ds::$(basename "$file" .rs)::")
done

if cargo +nightly miri --version >/dev/null 2>&1; then
  # Reading the environment and the saved cases of proptest needs the real file system.
  MIRIFLAGS="-Zmiri-disable-isolation" PROPTEST_CASES="${CASES:-3}" PROPTEST_RNG_SEED=1 \
    cargo +nightly miri test --lib -- "${modules[@]}"
else
  echo "skipped: Miri (rustup component add miri --toolchain nightly)" >&2
fi

# The stack of a checked frame is larger, so threads get more of it.
RUSTFLAGS="-Zsanitizer=address" RUST_MIN_STACK=33554432 PROPTEST_RNG_SEED=1 \
  cargo +nightly test --lib --target "$target" -- --skip testing::sim
