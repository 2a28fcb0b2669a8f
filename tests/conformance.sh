#!/usr/bin/env bash
# Runs Redis's own Tcl suite, as it is, against the server under test ("external mode").
#
#   REDIS_SUITE=path     a checkout of Redis's sources (7.0 or later); it is not part of this repository
#   UNITS="unit/scan"    the units to run; by default those of tests/conformance.units
#   SHOAL_SERVER=path    the server; by default the release build
#   CORES=2              on how many cores it runs; by default on all
#   LIMIT=300            seconds that a unit may take
#
# tests/conformance.skip names the tests that are left out, with the reason. Each unit runs alone on a
# fresh server, so that one that breaks off costs only itself. What they print goes to
# target/conformance/UNIT.log; at the end there is one line per unit.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "$*" | tee -a "$out/summary.txt"; }
fail() { echo "make conformance: $*" >&2; exit 1; }

[ -n "${REDIS_SUITE:-}" ] || fail "set REDIS_SUITE to a checkout of Redis's sources"
[ -x "$REDIS_SUITE/runtest" ] || fail "there is no runtest in $REDIS_SUITE"
command -v tclsh >/dev/null || fail "needs tclsh (Debian: tcl)"
command -v redis-cli >/dev/null || fail "needs redis-cli (Debian: redis-tools)"
command -v redis-benchmark >/dev/null || fail "needs redis-benchmark (Debian: redis-tools)"

target=${CARGO_TARGET_DIR:-$PWD/target}
cores=${CORES:-$(nproc)}
out=$PWD/target/conformance
mkdir -p "$out"
if [ -z "${SHOAL_SERVER:-}" ]; then
  cargo build --release --bin shoal
  SHOAL_SERVER=$target/release/shoal
fi

# The suite looks for its own build of the tools: a copy with the installed ones keeps the checkout clean.
suite=$(mktemp -d)
server=
cleanup() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$suite"; }
trap cleanup EXIT
cp -r "$REDIS_SUITE/runtest" "$REDIS_SUITE/tests" "$suite/"
# A server without functions, or without a parameter that a test sets, costs that test and not the unit.
sed -i -e 's/^    r function flush$/    catch {r function flush}/' \
  -e 's/^        r config set \$param \$val$/        catch {r config set $param $val}/' \
  "$suite/tests/support/server.tcl"
# It has its own server only for DEBUG, which ours allows.
sed -i 's/{"external:skip needs:debug"}/{"needs:debug"}/' "$suite/tests/unit/type/hash-field-expire.tcl" \
  2>/dev/null || true
mkdir -p "$suite/src" "$suite/tests/tmp" "$suite/data"
for tool in redis-cli redis-benchmark redis-server; do
  path=$(command -v "$tool") && ln -sf "$path" "$suite/src/$tool"
done

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# False if the server ended or never answered.
try_to_start() {
  port=$(free_port)
  local flags=(--port "$port" --save "" --dir "$suite/data" --enable-debug-command yes)
  case $(basename "$SHOAL_SERVER") in
    redis* | valkey*) ;;
    *) flags+=(--cores "$cores") ;;
  esac
  "$SHOAL_SERVER" "${flags[@]}" >"$out/server.log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    # The suite empties databases: make sure that the server is ours and not a stranger's.
    answering=$(redis-cli -p "$port" info server 2>/dev/null | tr -d '\r' \
      | sed -n 's/^process_id://p') || true
    [ "$answering" = "$server" ] && return
    [ -z "$answering" ] || fail "port $port belongs to process $answering"
    kill -0 "$server" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

# A free port may be taken by another process before the server has it: then the next one is tried.
start_server() {
  for _ in 1 2 3 4 5; do
    try_to_start && return
  done
  fail "the server does not answer; see $out/server.log"
}

: >"$out/summary.txt"
sed -nE 's/^[a-z]+: //p' tests/conformance.skip >"$suite/skip"
units=${UNITS:-$(grep -v '^#' tests/conformance.units)}
for unit in $units; do
  [ -f "$suite/tests/$unit.tcl" ] || { say "$unit: not in this checkout"; continue; }
  log=$out/${unit//\//-}.log
  start_server
  ended=
  (cd "$suite" && timeout "${LIMIT:-300}" ./runtest --host 127.0.0.1 --port "$port" --durable \
    --single "$unit" --clients 1 --ignore-encoding \
    --skipfile "$suite/skip" --tags -needs:repl </dev/null) >"$log" 2>&1 \
    || ended=" (exit $?)"
  # The suite colours its words even in a file.
  sed -i 's/\x1b\[[0-9;]*m//g' "$log"
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
  ok=$(grep -ac '\[ok\]' "$log" || true)
  # An exception ends its unit: it counts as one failure at least.
  bad=$({ grep -aE '^\[(err|exception)\]' "$log" || true; } | wc -l)
  [ -z "$ended" ] || [ "$bad" -gt 0 ] || bad=1
  [ "$ok" -gt 0 ] || [ "$bad" -gt 0 ] || ended=" (everything in it was skipped)"
  say "$(printf '%-32s %4d passed, %4d failed%s' "$unit" "$ok" "$bad" "$ended")"
done

awk '/ passed, /{passed += $2; failed += $4} END {printf "%d passed, %d failed\n", passed, failed}
     END {exit failed > 0}' "$out/summary.txt"
