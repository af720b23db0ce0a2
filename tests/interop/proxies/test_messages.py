"""Messages through a proxy, without TLS and with it, from Python and from our client."""

import asyncio
import os

from talk import connect, echo, expect, run_client

MEGABYTE = 1 << 20


async def test_text(proxy):
    async with connect(proxy) as ws:
        for message in ("plain", "", "æ → 日本語 😀", "\0\r\n", "x" * 65536):
            await echo(ws, message)


async def test_binary(proxy):
    async with connect(proxy) as ws:
        for message in (b"", bytes(range(256)), os.urandom(65535), os.urandom(65536)):
            await echo(ws, message)


async def test_a_megabyte_both_ways(proxy):
    async with connect(proxy, max_size=None) as ws:
        await echo(ws, os.urandom(MEGABYTE))
        await echo(ws, "日" * (MEGABYTE // 3))


async def test_fragments_with_pings_between(proxy):
    async def parts():
        yield "one, "
        await (await ws.ping(b"between"))
        yield "two"
    async with connect(proxy) as ws:
        await ws.send(parts())
        expect(await ws.recv(), "one, two", "the echo")


async def test_many_messages_ahead_of_the_replies(proxy):
    async with connect(proxy) as ws:
        messages = ["message %d" % i for i in range(500)]
        for message in messages:
            await ws.send(message)
        expect([await ws.recv() for _ in messages], messages, "the echoes")


async def test_twenty_at_once(proxy):
    async def one(number):
        async with connect(proxy) as ws:
            for i in range(10):
                await echo(ws, "%d of %d " % (i, number) + "x" * i * 1000)
    await asyncio.gather(*map(one, range(20)))


async def test_our_client(proxy):
    trust = ["--cafile", proxy.ca] if proxy.ca else []
    text = "hello\næ → 日本語 😀\n\n" + "x" * MEGABYTE + "\n"
    expect(await run_client(proxy.url, *trust, text=text), (0, text, ""), "the run")
