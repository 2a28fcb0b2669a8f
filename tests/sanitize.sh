#!/usr/bin/env bash
# Looks for undefined behaviour with the nightly toolchain: Miri runs the tests of the modules of
# `ds`, `store::entry` and `base::alloc` that have unsafe code, with few cases and smaller sizes
# (`cfg!(miri)` in the tests); AddressSanitizer runs every unit test but the simulator's.
# Each is skipped where the toolchain lacks it.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "make sanitize: needs a nightly toolchain (rustup toolchain install nightly)" >&2
  exit 1
fi
target=$(rustc +nightly -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/sanitize"

# The modules with unsafe code that Miri can run. A filter of tests is any part of a name: "ds::"
# alone would also choose config::words.
modules=(base::alloc:: store::entry::)
for file in src/ds/*.rs; do
  name=$(basename "$file" .rs)
  ! grep -rqsw unsafe "$file" "src/ds/$name" || modules+=("ds::$name::")
done

# Miri runs on one processor, so the modules share them out; each says when it is done.
run_module() {
  local begun=$SECONDS output
  if output=$(cargo +nightly miri test --quiet --lib -- "$1" 2>&1); then
    echo "$1 passed in $((SECONDS - begun)) s"
  else
    printf '%s\n%s failed\n' "$output" "$1"
    return 1
  fi
}
export -f run_module

if cargo +nightly miri --version >/dev/null 2>&1; then
  # Reading the environment and the saved cases of proptest needs the real file system. Pointers
  # in tables are words whose provenance is exposed, which is worth no warning.
  export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-permissive-provenance"
  export PROPTEST_CASES="${CASES:-3}" PROPTEST_RNG_SEED=1
  cargo +nightly miri test --quiet --lib --no-run
  printf '%s\n' "${modules[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run_module {}'
  unset PROPTEST_CASES
else
  echo "skipped: Miri (rustup component add miri --toolchain nightly)" >&2
fi

# The stack of a checked frame is larger, so threads get more of it.
RUSTFLAGS="-Zsanitizer=address" RUST_MIN_STACK=33554432 PROPTEST_RNG_SEED=1 \
  cargo +nightly test --lib --target "$target" -- --skip testing::sim
