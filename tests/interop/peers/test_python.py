"""Python's websockets as the client of our servers: messages of all kinds."""

import asyncio
import os

from talk import connect, echo, expect

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]


async def test_text(server):
    characters = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    async with connect(server, max_size=None) as ws:
        for message in ("plain", "", "æ → 日本語 😀 e\u0301", "\0\r\n\t\x7f\ufeff", characters):
            await echo(ws, message)


async def test_binary(server):
    async with connect(server) as ws:
        for message in (b"", bytes(range(256)), b"\xff\xfe" * 1000, b"\0" * 4096):
            await echo(ws, message)


async def test_sizes(server):
    async with connect(server) as ws:
        for size in SIZES:
            await echo(ws, "x" * size)
            await echo(ws, os.urandom(size))


async def test_many_messages_ahead_of_the_replies(server):
    async with connect(server) as ws:
        messages = ["message %d" % i for i in range(500)]
        for message in messages:
            await ws.send(message)
        expect([await ws.recv() for _ in messages], messages, "the echoes")


async def test_ping_and_pong(server):
    async with connect(server) as ws:
        for payload in (b"", b"payload", os.urandom(125)):
            await (await ws.ping(payload))
        await ws.pong(b"nobody asked")
        await echo(ws, "still here")


async def test_twenty_at_once(server):
    async def one(number):
        async with connect(server) as ws:
            for i in range(20):
                await echo(ws, "%d of %d " % (i, number) + "x" * i * 100)
            await ws.close()
            expect(ws.close_code, 1000, "the close code")
    await asyncio.gather(*map(one, range(20)))
