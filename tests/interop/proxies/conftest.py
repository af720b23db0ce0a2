"""The proxies, and the ways through them to our servers."""

import contextlib
from collections import namedtuple

import pytest
from harness import start_echo
from proxy import PROXIES, start_proxy

# Where TLS is used: nowhere, on the way to the proxy, or on both ways.
WAYS = {"ws": (["echo_server"], False), "wss": (["echo_server"], True),
        "wss, wss": (["echo_tls"], True)}
Route = namedtuple("Route", "proxy server")


@pytest.fixture(params=PROXIES)
def name(request):
    """Each proxy, to be started by the test."""
    return request.param


@pytest.fixture(scope="session", params=[(name, way) for name in PROXIES for way in WAYS],
                ids=lambda param: "%s, %s" % param)
def route(request):
    """A proxy before one of our servers, both as they are by default."""
    name, way = request.param
    command, tls = WAYS[way]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(start_echo(*command))
        yield Route(stack.enter_context(start_proxy(name, server, tls=tls)), server)


@pytest.fixture
def proxy(route):
    """Both still run after the test."""
    yield route.proxy
    for process in route:
        assert process.status is None, process.last_words()
