"""The servers that all tests of this folder share."""

import contextlib

import pytest
from harness import start_echo

SERVERS = {
    "echo_server": ["echo_server"],
    "echo_tokio": ["echo_tokio"],
    "echo_tokio --tls": ["echo_tokio", "--tls"],
}


@pytest.fixture(scope="session")
def servers():
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(start_echo(*command)) for name, command in SERVERS.items()}


@pytest.fixture(params=SERVERS)
def server(request, servers):
    """Each of the servers, which outlives every test."""
    yield servers[request.param]
    assert servers[request.param].status is None, servers[request.param].last_words()


@pytest.fixture(params=SERVERS.values(), ids=SERVERS)
def command(request):
    """What starts each of the servers, to add options to."""
    return request.param


@pytest.fixture
def echo_server(servers):
    return servers["echo_server"]
