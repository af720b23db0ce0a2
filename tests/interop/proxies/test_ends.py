"""Transports that end without a closing handshake, or fall silent: the other side of the proxy learns of it."""

import asyncio
import signal
import time

import pytest
from harness import start_echo
from proxy import PROXIES, start_proxy
from talk import (closing, connect, echo, expect, expect_failure, raw_connection, reset,
                  run_client)

LONG = 20   # seconds: a limit for what should happen at once


async def until(condition, what):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("end", ["reset", "end of TCP"])
async def test_the_client_vanishes(name, end):
    with start_echo("echo_server") as server, start_proxy(name, server) as proxy:
        files = server.files()
        async with raw_connection(proxy) as (_, writer):
            writer.write(b"\x82\xfe\xff\xff\0\0\0\0half")
            await writer.drain()
            await until(lambda: server.files() > files, "the server has no connection")
            reset(writer) if end == "reset" else writer.close()
            await until(lambda: server.files() == files, "the server keeps the connection")
        async with connect(proxy) as ws:
            await echo(ws, "a new one")


async def test_the_server_vanishes(name):
    with start_echo("echo_server") as server, start_proxy(name, server) as proxy:
        async with connect(proxy) as ws:
            await echo(ws, "hello")
            server.signal(signal.SIGKILL)
            expect(await asyncio.wait_for(closing(ws), LONG), None, "a Close")
            expect(ws.close_code, 1006, "the close code")


async def test_our_client_notices_that_the_server_vanishes(name):
    with start_echo("echo_server") as server, start_proxy(name, server) as proxy:
        files = server.files()

        async def kill():
            await until(lambda: server.files() > files, "the server has no connection")
            server.signal(signal.SIGKILL)
        killing = asyncio.ensure_future(kill())
        status, _, err = await run_client(proxy.url, text="hello\n", hold=True)
        await killing
    assert status != 0 and err.count("\n") == 1


async def test_there_is_no_server(name):
    with start_echo("echo_server") as server, start_proxy(name, server) as proxy:
        server.stop()
        await expect_failure(proxy.url, word={"nginx": "502", "haproxy": "503"}[name])


async def test_pings_keep_a_silent_connection():
    async def one(name):
        # Without Pings the proxy ends the connection after 3 s. The server pings after 30 s / 30.
        with start_echo("echo_server", "--hurry", "30") as server:
            with start_proxy(name, server, idle=3) as proxy:
                async with connect(proxy, ping_interval=None) as ws:
                    await asyncio.sleep(7)
                    await echo(ws, "still here")
    await asyncio.gather(*map(one, PROXIES))


async def test_pings_of_our_client_keep_a_silent_connection():
    async def one(name):
        with start_echo("echo_server") as server, start_proxy(name, server, idle=3) as proxy:
            files = server.files()
            running = asyncio.ensure_future(
                run_client(proxy.url, "--keepalive", "1", text="hello\n", hold=True))
            await until(lambda: server.files() > files, "the server has no connection")
            await asyncio.sleep(7)
            assert not running.done(), "the client has ended"
            server.signal(signal.SIGTERM)
            expect((await running).out, "hello\n", "stdout")
    await asyncio.gather(*map(one, PROXIES))


async def test_without_pings_the_proxy_ends_a_silent_connection(name):
    with start_echo("echo_server") as server, start_proxy(name, server, idle=1) as proxy:
        files = server.files()
        async with connect(proxy, ping_interval=None) as ws:
            await echo(ws, "hello")
            expect(await asyncio.wait_for(closing(ws), LONG), None, "a Close")
        await until(lambda: server.files() == files, "the server keeps the connection")
