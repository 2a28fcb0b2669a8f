"""redis-py's cluster client against --core-ports: every core is a node, and nothing hops."""

import pytest
import redis
from redis.cluster import RedisCluster


def hops(port):
    """Requests that went from core to core, less those that asking costs."""
    return redis.Redis(port=port).info("everything")["total_core_hops"]


@pytest.fixture
def client(cluster, protocol):
    client = RedisCluster(
        host="127.0.0.1", port=cluster.port + 1, protocol=protocol, socket_timeout=20
    )
    client.flushall()
    yield client
    client.close()


def test_every_core_is_a_node(cluster, client):
    ports = {node.port for node in client.get_primaries()}
    assert ports == {cluster.port + 1 + core for core in range(cluster.cores)}
    assert client.cluster_info()["cluster_state"] == "ok"
    nodes = client.cluster_nodes()
    assert len(nodes) == cluster.cores
    assert all("connected" in str(node) for node in nodes.values())
    assert len(client.cluster_shards()) == cluster.cores
    for node in client.get_primaries():
        info = client.info("all", target_nodes=node)
        assert info["redis_mode"] == "cluster" and info["cluster_enabled"] == 1
        assert client.execute_command("READONLY", target_nodes=node)


def test_a_workload_does_not_hop(cluster, client):
    before = hops(cluster.port)
    for number in range(2000):
        assert client.set(f"key:{number}", number)
    for number in range(2000):
        assert int(client.get(f"key:{number}")) == number
    with client.pipeline() as pipeline:
        for number in range(500):
            pipeline.incr(f"key:{number}")
        assert pipeline.execute() == [number + 1 for number in range(500)]
    assert client.mset_nonatomic({f"many:{number}": "v" for number in range(100)})
    assert client.mget_nonatomic(*[f"many:{number}" for number in range(100)]) == [b"v"] * 100
    assert client.delete(*[f"many:{number}" for number in range(100)]) == 100
    assert client.mset({"{tag}a": 1, "{tag}b": 2}) and client.mget("{tag}a", "{tag}b")
    # INFO asks every other core once.
    assert hops(cluster.port) - before <= 2 * (cluster.cores - 1)


def test_what_concerns_all_keys(client):
    for number in range(100):
        client.set(f"key:{number}", number)
    assert sorted(client.keys("key:*")) == sorted(f"key:{n}".encode() for n in range(100))
    assert client.dbsize() >= 100
    slot = client.keyslot("key:1")
    assert client.cluster_countkeysinslot(slot) >= 1
    found = client.cluster_get_keys_in_slot(slot, 10)
    assert {name if isinstance(name, str) else name.decode() for name in found} == {"key:1"}


def test_keys_of_several_slots_are_refused(client):
    with pytest.raises(redis.RedisClusterException):
        client.mset({"a": 1, "b": 2})
    node = client.get_node_from_key("a")
    with pytest.raises(redis.ResponseError, match="same slot"):
        client.execute_command("MSET", "a", "1", "b", "2", target_nodes=node)
    other = next(each for each in client.get_primaries() if each != node)
    with pytest.raises(redis.exceptions.MovedError):
        redis.Redis(port=other.port).get("a")
