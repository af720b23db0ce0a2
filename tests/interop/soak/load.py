"""The peers that a soak sends to an echo server.

Invariant: what each does is drawn from the seed, it ends by the deadline, and it notes a problem only if the server is to
blame.
"""

import asyncio
import contextlib
import time
from random import Random

from talk import connect, raw_connection, request, reset
from websockets.exceptions import WebSocketException

NOISE = Random(0).randbytes(1 << 20)
TEXT = "Grüße, 世界 𝄞 and more of it. " * 30000
PATIENCE = 60       # seconds for an answer of a server that shares the machine with all the others
DROP_TIME = 80      # seconds until a silent peer must have been dropped (55 by default), or one that takes nothing (30)
GREEDY = 24         # messages of 1 MiB, more than the buffers of both sockets hold
SLOW = 96 << 10     # bytes of the message that goes through slowly


def load(watched, end, random):
    """The coroutines of all peers of one server."""
    def peers(n, peer, *arguments):
        return [forever(watched, end, peer, Random(random.random()), *arguments)
                for _ in range(n)]

    return (peers(3, talks, None) + peers(3, talks, "deflate") + peers(2, comes_and_goes)
            + peers(1, silent) + peers(1, reads_nothing) + peers(1, reads_slowly))


async def forever(watched, end, peer, random, *arguments):
    while time.monotonic() < end and not watched.server.is_ended():
        try:
            await peer(watched, end, random, *arguments)
        except (AssertionError, OSError, EOFError, WebSocketException, asyncio.TimeoutError) as error:
            watched.problems.append("%s: %s %s" % (peer.__name__, type(error).__name__, error))
            await asyncio.sleep(1)


def any_message(random):
    length = random.choice([0, 5, 60, 125, 126, 500, 4000, 4000, 65535, 65536])
    if random.random() < 0.01:
        length = len(NOISE) - random.randrange(1000)
    start = random.randrange(1000)
    if random.random() < 0.5:
        return NOISE[start:start + length]
    return TEXT[start:start + length]


async def talks(watched, end, random, compression):
    """A well-behaved peer, which checks each echo."""
    ping = random.choice([None, 1])
    async with connect(watched.server, compression=compression, max_size=None, ping_interval=ping,
                       ping_timeout=PATIENCE, close_timeout=PATIENCE) as ws:
        for _ in range(random.randrange(1, 300)):
            message = any_message(random)
            if random.random() < 0.2:
                third = len(message) // 3
                await ws.send([message[:third], message[third:2 * third], message[2 * third:]])
            else:
                await ws.send(message)
            echo = await asyncio.wait_for(ws.recv(), PATIENCE)
            if echo != message:
                raise AssertionError("an echo of %d is not the message of %d" % (len(echo), len(message)))
            watched.count("messages")
            if random.random() < 0.1:
                await asyncio.wait_for(await ws.ping(), PATIENCE)
                watched.count("Pings")
            if time.monotonic() > end:
                break
            await asyncio.sleep(random.choice([0, 0.01, 0.05]))
    watched.count("connections")


async def comes_and_goes(watched, end, random):
    """Connections that break off at any point."""
    way = random.randrange(6)
    async with raw_connection(watched.server, opened=way > 2) as (_, writer):
        if way in (1, 2):
            head = request(watched.server)
            writer.write(head[:random.randrange(len(head))])
        elif way > 3:
            writer.write(frame_header(4000) + NOISE[:random.randrange(4000)])
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        if way % 2:
            reset(writer)
    watched.count("that break off")
    await asyncio.sleep(0.05)


async def silent(watched, end, _random):
    """A peer whose network is gone: it takes everything, and answers nothing."""
    async with raw_connection(watched.server) as (reader, _):
        await dropped(watched, reader, end)


async def reads_nothing(watched, end, _random):
    """A peer that wants much and takes nothing."""
    async with raw_connection(watched.server) as (reader, writer):
        writer.transport.pause_reading()
        message = frame_header(len(NOISE)) + NOISE
        for _ in range(GREEDY):
            writer.write(message)
        deadline = time.monotonic() + DROP_TIME
        while not writer.is_closing() and time.monotonic() < min(deadline, end):
            await asyncio.sleep(0.2)
        if time.monotonic() > end:
            return writer.transport.abort()
        writer.transport.resume_reading()
        taken = 0
        with contextlib.suppress(ConnectionError):
            while part := await asyncio.wait_for(reader.read(1 << 20), PATIENCE):
                taken += len(part)
        # What the system had taken before it was dropped still comes.
        if taken >= GREEDY * len(NOISE):
            raise AssertionError("it takes nothing, and was not dropped")
    watched.count("that read nothing")


async def reads_slowly(watched, end, random):
    """A peer that is slow and alive: it gets everything."""
    async with raw_connection(watched.server) as (reader, writer):
        message = NOISE[:SLOW]
        writer.write(frame_header(SLOW))
        echo = b""
        for start in range(0, SLOW, 4096):
            writer.write(message[start:start + 4096])
            await asyncio.sleep(random.choice([0.05, 0.3]))
        head = await asyncio.wait_for(reader.readexactly(10), PATIENCE)
        while head[0] != 0x82:  # a Ping, which waits for its answer
            writer.write(b"\x8a\x84\0\0\0\0" + head[2:6])
            head = head[6:] + await reader.readexactly(6)
        while len(echo) < SLOW:
            echo += await asyncio.wait_for(reader.readexactly(4096), PATIENCE)
            await asyncio.sleep(0.05)
        if echo != message:
            raise AssertionError("a slow echo was changed")
    watched.count("slow messages")


async def dropped(watched, reader, end):
    """Waits for the end of the transport, which must come in time."""
    deadline = min(time.monotonic() + DROP_TIME, end)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            if not await asyncio.wait_for(reader.read(65536), left):
                return watched.count("silent peers dropped")
        except asyncio.TimeoutError:
            break
        except ConnectionError:
            return watched.count("silent peers dropped")
    if deadline < end:
        raise AssertionError("a silent peer was not dropped")


def frame_header(length):
    """Of a binary message, with a key of zeros, so that its payload goes as it is."""
    kind = b"\xfe" + length.to_bytes(2, "big") if length < 65536 else b"\xff" + length.to_bytes(8, "big")
    return b"\x82" + kind + bytes(4)
