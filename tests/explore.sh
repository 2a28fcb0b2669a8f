#!/usr/bin/env bash
# Looks for failures that the fixed seeds of `make test` do not show: each kind of random test runs
# with seeds of this moment for about the given number of seconds. A failure prints how to repeat it.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
export PROPTEST_RNG_SEED=$(date +%s)

cargo test --lib --no-run
echo "== properties, PROPTEST_RNG_SEED=$PROPTEST_RNG_SEED"
status=0
PROPTEST_CASES=$((seconds * 20)) timeout "$((seconds * 3))" \
  cargo test --lib -- --skip testing::sim || status=$?
# Properties that are not through when the time is over have not failed.
[ "$status" -eq 0 ] || [ "$status" -eq 124 ] || exit "$status"

echo "== the simulator"
end=$((SECONDS + seconds))
while [ "$SECONDS" -lt "$end" ]; do
  FIRST=$((RANDOM * 32768 * 1000 + RANDOM * 1000)) SEEDS=5000 \
    cargo test --lib testing::sim::tests::every_history -- --nocapture
done

echo "== differential streams"
env SECONDS="$seconds" cargo test --test differential -- --nocapture
