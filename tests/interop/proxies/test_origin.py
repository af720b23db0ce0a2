"""The check of origins behind a proxy: it needs the `Host` that the browser sent."""

import contextlib

import pytest
from harness import HOST, start_echo, wait_until
from proxy import start_proxy
from talk import connect, echo, expect_failure, raw_connection, request
from websockets.exceptions import InvalidStatus


@contextlib.contextmanager
def site(name, host, tls=False):
    """(A server that takes only its own pages, the proxy before it)."""
    with start_echo("echo_server", "--same-origin") as server:
        with start_proxy(name, server, host=host, tls=tls) as proxy:
            yield server, proxy


def origin_of(proxy):
    return proxy.url.rstrip("/").replace("ws", "http", 1)


def refusal(server):
    """The operator's log."""
    wait_until(lambda: "\n" in server.errors(), 5, server)
    return server.errors()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_host_is_kept(name, tls):
    with site(name, "kept", tls) as (server, proxy):
        async with connect(proxy, origin=origin_of(proxy)) as ws:
            await echo(ws, "hello")
        assert server.errors() == ""


async def test_host_is_kept_and_the_page_is_of_another_site(name):
    with site(name, "kept") as (server, proxy):
        with pytest.raises(InvalidStatus) as refused:
            await connect(proxy, origin="https://evil.example")
        assert refused.value.response.status_code == 403
        said = refusal(server)
        assert "https://evil.example" in said and "%s:%d" % (HOST, proxy.port) in said


@pytest.mark.parametrize("host", ["rewritten", "without port"])
async def test_host_is_not_kept(name, host):
    with site(name, host) as (server, proxy):
        with pytest.raises(InvalidStatus) as refused:
            await connect(proxy, origin=origin_of(proxy))
        assert refused.value.response.status_code == 403
        # The log tells the operator what the proxy did.
        seen = {"without port": HOST, "nginx": "%s:%d" % (HOST, server.port),
                "haproxy": "backend.internal"}[name if host == "rewritten" else host]
        said = refusal(server)
        assert "pages of %s may not connect to %s (" % (origin_of(proxy), seen) in said


async def test_host_is_rewritten_and_there_is_no_origin(name):
    with site(name, "rewritten") as (_, proxy):
        async with connect(proxy) as ws:
            await echo(ws, "no browser")


async def test_our_client(name):
    with site(name, "rewritten") as (server, proxy):
        await expect_failure(proxy.url, "--origin", origin_of(proxy), word="403")
        assert origin_of(proxy) in refusal(server)


@pytest.mark.parametrize("path, status, why", [
    ("/no-version", b"505", "the HTTP version must be 1.1, not 1.0"),
    ("/no-upgrade", b"426", "Upgrade")])
async def test_nginx_without_what_an_upgrade_needs(path, status, why):
    with site("nginx", "kept") as (server, proxy):
        async with raw_connection(proxy, opened=False) as (reader, writer):
            writer.write(request(proxy).replace(b"GET / ", b"GET %s " % path.encode()))
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ")[1] == status
        assert why in refusal(server)
