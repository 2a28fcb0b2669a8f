#!/usr/bin/env bash
# Brings in what the tests need beside cargo: a real Redis to compare with, and redis-py in .venv.
# Installs only what is missing, and only as root with apt; otherwise it says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v redis-cli >/dev/null || missing+=(redis-tools)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need: ${missing[*]}. Install them and run this again." >&2
    exit 1
  fi
  # Installing the package must not start a server on the default port.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

if ! .venv/bin/python -c 'import redis, pytest' 2>/dev/null; then
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
fi

# ioredis needs node, which is not installed for its sake.
if [ ! -d .node/node_modules/ioredis ]; then
  if command -v npm >/dev/null && mkdir -p .node \
    && cp tests/clients/ioredis/package.json .node/ \
    && npm install --silent --no-audit --no-fund --prefix .node; then
    :
  else
    echo "Without node and npm the tests with ioredis are skipped." >&2
  fi
fi
