"""Starts the server under test for each number of shards and hands out its address."""

import os
import socket
import subprocess
import time
from types import SimpleNamespace

import pytest
import redis

PROGRAM = os.environ["SHOAL_SERVER"]
IS_REDIS = os.path.basename(PROGRAM).startswith(("redis", "valkey"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def free_ports(count):
    """The first of so many free ports in a row."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count):
                with socket.socket() as listener:
                    listener.bind(("127.0.0.1", port))
            return first
        except (OSError, OverflowError):
            continue


@pytest.fixture(scope="session", params=[1] if IS_REDIS else [1, 2, 7], ids="shards={}".format)
def server(request, tmp_path_factory):
    """A server with TCP and a Unix socket; killed at the end of the session."""
    yield from running(request.param, tmp_path_factory)


@pytest.fixture(scope="session", params=[2, 5], ids="shards={}".format)
def cluster(request, tmp_path_factory):
    """A server whose cores are the nodes of a cluster, on the ports after its own."""
    if IS_REDIS:
        pytest.skip("only Shoal has core-ports")
    yield from running(request.param, tmp_path_factory, "--core-ports", "yes")


def running(cores, tmp_path_factory, *arguments):
    directory = tmp_path_factory.mktemp("server")
    port = free_ports(1 + cores if arguments else 1)
    unix_socket = str(directory / "socket")
    command = [PROGRAM, "--port", str(port), "--save", "", "--unixsocket", unix_socket]
    if not IS_REDIS:
        command += ["--cores", str(cores), *arguments]
    with open(directory / "log", "w") as log:
        process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                # The tests empty databases: make sure that the server is ours and not a stranger's.
                answering = redis.Redis(port=port, socket_timeout=5).info("server")["process_id"]
                assert answering == process.pid, f"port {port} belongs to process {answering}"
                break
            except redis.ConnectionError:
                output = (directory / "log").read_text()
                assert process.poll() is None, f"the server has ended: {output}"
                assert time.monotonic() < deadline, f"no answer: {output}"
                time.sleep(0.01)
        yield SimpleNamespace(port=port, unix_socket=unix_socket, cores=cores)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=[2, 3], ids="resp{}".format)
def protocol(request):
    return request.param


@pytest.fixture
def connect(server, protocol):
    """Makes clients of the given options, on empty databases; closes them afterwards."""
    clients = []

    def make(**options):
        options = {"port": server.port, "protocol": protocol, "socket_timeout": 20} | options
        clients.append(redis.Redis(**options))
        return clients[-1]

    make().flushall()
    yield make
    for client in clients:
        client.close()
