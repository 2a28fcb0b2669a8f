#!/usr/bin/env bash
# Real client libraries against the server under test (SHOAL_SERVER, by default the debug build).
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${SHOAL_SERVER:-}" ]; then
  cargo build --quiet --bin shoal
  export SHOAL_SERVER="${CARGO_TARGET_DIR:-target}/debug/shoal"
fi
exec .venv/bin/python -m pytest -q -p no:cacheprovider tests/clients "$@"
