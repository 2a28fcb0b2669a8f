#!/usr/bin/env bash
# Real client libraries against the server under test (SHOAL_SERVER, by default the debug build).
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${SHOAL_SERVER:-}" ]; then
  cargo build --quiet --bin shoal
  SHOAL_SERVER=$(realpath "${CARGO_TARGET_DIR:-target}/debug/shoal")
  export SHOAL_SERVER
fi
exec .venv/bin/python -m pytest -q -p no:cacheprovider tests/clients "$@"
