"""Closing handshakes through a proxy, started by either side."""

import signal
import struct

import pytest
from harness import start_echo
from proxy import start_proxy
from talk import (closing, connect, echo, expect, expect_failure, python_server, raw_connection,
                  run_client)


@pytest.mark.parametrize("code, reason", [
    (1000, ""), (1001, "going"), (3000, "å"), (4999, "x" * 123)], ids=lambda value: str(value)[:7])
async def test_the_client_closes(proxy, code, reason):
    ws = await connect(proxy)
    await echo(ws, "hello")
    await ws.close(code, reason)
    expect((ws.close_code, ws.close_reason), (code, reason), "the answer to Close")


async def test_the_client_closes_without_a_code(proxy):
    async with raw_connection(proxy) as (reader, writer):
        writer.write(b"\x88\x80\0\0\0\0")
        expect(await reader.read(), b"\x88\0", "the answer and then the end")


async def test_the_server_closes_for_an_unmasked_frame(proxy):
    async with raw_connection(proxy) as (reader, writer):
        writer.write(b"\x81\x02hi")
        rest = await reader.read()
        expect(rest[:1] + rest[2:4], b"\x88" + struct.pack(">H", 1002), "Close")


async def test_the_server_closes_for_text_that_is_no_utf8(proxy):
    async with raw_connection(proxy) as (reader, writer):
        writer.write(b"\x81\x82\0\0\0\0\xff\xff")
        rest = await reader.read()
        expect(rest[:1] + rest[2:4], b"\x88" + struct.pack(">H", 1007), "Close")


async def test_the_server_closes_for_a_message_over_the_limit(name):
    with start_echo("echo_server", "--max-message", "1000") as server:
        with start_proxy(name, server) as proxy:
            for message in ("x" * 1001, ["x" * 600, "x" * 600]):
                ws = await connect(proxy)
                await echo(ws, "x" * 1000)
                await ws.send(message)
                expect((await closing(ws) or [None])[0], 1009, "the close code")


async def test_the_server_stops(name):
    with start_echo("echo_server") as server, start_proxy(name, server) as proxy:
        ws = await connect(proxy)
        await echo(ws, "hello")
        server.signal(signal.SIGTERM)
        expect((await closing(ws) or [None])[0], 1001, "the close code")
        expect(server.wait(), 0, "its exit status")


async def test_our_client_closes(name):
    async with python_server() as server:
        with start_proxy(name, server) as proxy:
            expect(await run_client(proxy.url, text="hello\n"), (0, "hello\n", ""), "the run")
    expect(server.close, 1000, "the close code that the server saw")


@pytest.mark.parametrize("code", [1011, 4000])
async def test_our_client_is_closed(name, code):
    async def handler(ws):
        await ws.recv()
        await ws.close(code, "broken")
    async with python_server(handler) as server:
        with start_proxy(name, server) as proxy:
            await expect_failure(proxy.url, word=str(code))
    expect(server.close, code, "the answer to Close")
