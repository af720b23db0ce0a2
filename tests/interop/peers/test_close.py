"""How connections end: close codes of either side, limits, broken rules."""

import struct

import pytest
from harness import start_echo
from talk import (closing, connect, echo, expect, expect_failure, python_server, raw_connection,
                  run_client)


@pytest.mark.parametrize("code, reason", [
    (1000, ""), (1001, "going"), (3000, "å"), (4999, "x" * 123)], ids=lambda value: str(value)[:7])
async def test_a_code_is_answered_with_itself(server, code, reason):
    ws = await connect(server)
    await echo(ws, "hello")
    await ws.close(code, reason)
    expect((ws.close_code, ws.close_reason), (code, reason), "the answer to Close")


async def test_no_code_is_answered_with_none(server):
    async with raw_connection(server) as (reader, writer):
        writer.write(b"\x88\x80\0\0\0\0")
        expect(await reader.read(), b"\x88\0", "the answer and then the end")


async def test_a_message_over_the_limit(command):
    with start_echo(*command, "--max-message", "1000") as server:
        for message in ("x" * 1001, b"x" * 100000, ["x" * 600, "x" * 600]):
            ws = await connect(server)
            await echo(ws, "x" * 1000)
            await ws.send(message)
            expect((await closing(ws) or [None])[0], 1009, "the close code")


async def test_an_unmasked_frame(server):
    async with connect(server) as other, raw_connection(server) as (reader, writer):
        await echo(other, "before")
        writer.write(b"\x81\x02hi")
        rest = await reader.read()
        expect(rest[:1] + rest[2:4], b"\x88" + struct.pack(">H", 1002), "Close")
        await echo(other, "after")


async def test_our_client_the_server_closes_with_1000():
    async def handler(ws):
        await ws.send("bye")
        await ws.close()
    async with python_server(handler) as server:
        expect(await run_client(server.url, hold=True), (0, "bye\n", ""), "the run")
    expect(server.close, 1000, "the answer to Close")


async def test_our_client_the_server_closes_with_1011():
    async def handler(ws):
        await ws.recv()
        await ws.close(1011, "broken")
    async with python_server(handler) as server:
        await expect_failure(server.url, word="1011")
    expect(server.close, 1011, "the answer to Close")
