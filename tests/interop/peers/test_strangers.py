"""Peers that vanish, stall or speak something else do not disturb others."""

import asyncio
import contextlib
import struct

import pytest
from harness import HOST
from talk import connect, echo, raw_connection, reset


async def test_resets(server):
    async with connect(server) as other:
        for i in range(5):
            async with raw_connection(server, opened=False) as (_, writer):
                reset(writer)
            async with raw_connection(server, opened=False) as (_, writer):
                writer.write(b"GET / HTTP/1.1\r\nHos")
                await writer.drain()
                reset(writer)
            async with raw_connection(server) as (_, writer):
                writer.write(b"\x82\xff" + struct.pack(">Q", 100000) + b"\0\0\0\0half")
                await writer.drain()
                reset(writer)
            await echo(other, "message %d" % i)
        async with connect(server) as ws:
            await echo(ws, "a new one")


async def test_stalled_handshakes(server):
    async with contextlib.AsyncExitStack() as stack:
        for start in (b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n") * 5:
            _, writer = await stack.enter_async_context(raw_connection(server, opened=False))
            writer.write(start)
        async with connect(server) as ws:
            await echo(ws, "hello")


@pytest.mark.parametrize("server", ["echo_tokio --tls"], indirect=True)
async def test_no_tls_or_half_of_its_handshake(server):
    async with contextlib.AsyncExitStack() as stack:
        for start in (b"", b"\x16", b"\x16\x03\x01\x02\0\x01\0\x01\xfc") * 5:
            _, writer = await asyncio.open_connection(HOST, server.port)
            stack.callback(writer.close)
            writer.write(start)
        reader, writer = await asyncio.open_connection(HOST, server.port)
        stack.callback(writer.close)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await reader.read()
        assert not answer.startswith(b"HTTP/"), "it answers without TLS"
        async with connect(server) as ws:
            await echo(ws, "hello")


@pytest.mark.after_all
async def test_still_alive_after_all_this(server):
    async with connect(server) as ws:
        await echo(ws, "hello")
