"""What people do with redis-py, in both protocol versions and on every number of shards."""

import asyncio
import threading

import pytest
import redis
import redis.asyncio


def test_strings_round_trip(connect):
    client = connect()
    assert client.set("key", b"\x00\xff\r\n") is True
    assert client.get("key") == b"\x00\xff\r\n"
    assert client.get("missing") is None
    assert client.set("key", "other", nx=True) is None
    assert client.set("key", "other", get=True) == b"\x00\xff\r\n"
    assert client.incrbyfloat("number", 1.5) == 1.5
    assert client.getdel("key") == b"other"
    assert client.exists("key") == 0


def test_replies_are_decoded(connect):
    client = connect(decode_responses=True)
    client.mset({"schlüssel": "wert", "b": "2", "c": "3"})
    assert client.mget("schlüssel", "b", "c", "d") == ["wert", "2", "3", None]
    assert set(client.keys("*")) == {"schlüssel", "b", "c"}
    assert client.type("b") == "string"
    assert client.config_get("databases") == {"databases": "16"}
    assert client.client_setname("worker") and client.client_getname() == "worker"


def test_times_to_live(connect):
    client = connect()
    client.set("key", "v", ex=1000)
    assert 990 < client.ttl("key") <= 1000
    assert client.persist("key") and client.ttl("key") == -1 and client.ttl("missing") == -2
    assert client.pexpireat("key", 33177117420123) and client.pexpiretime("key") == 33177117420123
    assert not client.expire("key", 10, nx=True)
    assert client.expireat("key", 1) and client.get("key") is None


def test_errors_have_their_classes(connect):
    client = connect()
    client.set("key", "text")
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        client.incr("key")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("NONSENSE")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments for 'get' command"):
        client.execute_command("GET")
    with pytest.raises(redis.AuthenticationError):
        connect(username="nobody", password="wrong", retry=None).ping()


def test_long_pipelines_keep_their_order(connect):
    pipeline = connect().pipeline(transaction=False)
    for number in range(20_000):
        pipeline.set(f"key:{number % 1000}", number)
        pipeline.get(f"key:{number % 1000}")
    replies = pipeline.execute()
    assert replies[0::2] == [True] * 20_000
    assert [int(reply) for reply in replies[1::2]] == list(range(20_000))


def test_an_error_in_a_pipeline_stays_in_its_place(connect):
    pipeline = connect().pipeline(transaction=False)
    pipeline.set("key", "text").incr("key").get("key").mget("key", "missing")
    replies = pipeline.execute(raise_on_error=False)
    assert replies[0] is True and replies[2] == b"text" and replies[3] == [b"text", None]
    assert isinstance(replies[1], redis.ResponseError)


def test_many_threads_share_a_pool(server, connect):
    connect()
    pool = redis.BlockingConnectionPool(port=server.port, max_connections=20, timeout=20)
    client = redis.Redis(connection_pool=pool)

    def work(number):
        for _ in range(100):
            client.incr("counter")
            client.set(f"thread:{number}", number)
            assert int(client.get(f"thread:{number}")) == number

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(client.get("counter")) == 50 * 100
    pool.disconnect()


def test_scan_meets_every_key_once_nothing_changes(connect):
    client = connect()
    client.mset({f"key:{number}": number for number in range(5000)})
    keys = list(client.scan_iter(match="key:*", count=50))
    assert len(set(keys)) == 5000 == client.dbsize()
    assert set(client.scan_iter(match="key:12?")) == {b"key:12%d" % n for n in range(10)}
    assert list(client.scan_iter(_type="list")) == []


def test_scan_under_change_meets_every_key_that_stays(connect):
    client = connect()
    client.mset({f"stays:{number}": number for number in range(1000)})
    met = set()
    for round_number, key in enumerate(client.scan_iter(count=10)):
        met.add(key)
        client.set(f"comes:{round_number}", "x")
        client.delete(f"comes:{round_number - 7}")
        if round_number > 20_000:
            break
    assert {b"stays:%d" % number for number in range(1000)} <= met


def test_databases_are_apart(connect):
    first, second = connect(db=0), connect(db=1)
    first.set("key", "first")
    second.set("key", "second")
    assert first.get("key") == b"first" and second.get("key") == b"second"
    assert first.move("key", 1) is False
    first.swapdb(0, 1)
    assert first.get("key") == b"second"
    second.flushdb()
    assert second.dbsize() == 0 and first.dbsize() == 1


def test_a_large_value(connect):
    client = connect()
    value = bytes(range(256)) * 40_000
    client.set("large", value)
    assert client.get("large") == value
    assert client.getrange("large", 1_000_000, 1_000_003) == value[1_000_000:1_000_004]


def test_a_unix_socket(server, connect):
    connect()
    client = redis.Redis(unix_socket_path=server.unix_socket)
    assert client.set("key", "value") and client.get("key") == b"value"
    client.close()


def test_a_killed_client_connects_again(connect):
    victim, killer = connect(retry_on_error=[redis.ConnectionError]), connect()
    victim.set("key", "value")
    assert killer.client_kill_filter(_id=victim.client_id()) == 1
    assert victim.get("key") == b"value"


def test_asyncio_clients(server, protocol, connect):
    connect()

    async def work():
        client = redis.asyncio.Redis(
            port=server.port, protocol=protocol, max_connections=500
        )
        await asyncio.gather(*(client.incr("counter") for _ in range(500)))
        async with client.pipeline(transaction=False) as pipeline:
            replies = await pipeline.set("a", 1).get("a").execute()
        total = int(await client.get("counter"))
        await client.aclose()
        return total, replies

    assert asyncio.run(work()) == (500, [True, b"1"])


def test_resp3_types_arrive(connect, protocol):
    client = connect()
    reply = client.execute_command("HELLO", protocol)
    fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))
    assert fields[b"proto"] == protocol and fields[b"server"] == b"redis"
    assert client.config_get("hz") == {"hz": "10"} or client.config_get("hz") == {b"hz": b"10"}
