"""ioredis' cluster client against --core-ports, where node and the library are installed."""

import os
import shutil
import subprocess

import pytest
import redis

LIBRARY = os.path.abspath(".node")
IS_INSTALLED = shutil.which("node") and os.path.isdir(f"{LIBRARY}/node_modules/ioredis")


@pytest.mark.skipif(not IS_INSTALLED, reason="node or ioredis is missing (tests/setup.sh)")
def test_a_workload_does_not_hop(cluster):
    def hops():
        return redis.Redis(port=cluster.port).info("everything")["total_core_hops"]

    before = hops()
    program = ["node", "tests/clients/ioredis/cluster.mjs", str(cluster.port + 1)]
    environment = os.environ | {"IOREDIS": LIBRARY}
    outcome = subprocess.run(
        [*program, str(cluster.cores)], env=environment, timeout=60, capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stderr
    # FLUSHALL and DBSIZE go to all cores from every node, and INFO asks them too.
    assert hops() - before <= 8 * cluster.cores**2
