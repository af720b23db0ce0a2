"""Our `client` with a server in Python: lines are messages, and messages are lines."""

import os
import struct

import pytest
from talk import expect, lines_come_back, raw_server, run_client, switching


@pytest.mark.parametrize("text", [
    "hello\nworld\n", "æ → 日本語 😀\n\n \t\n" + "x" * 70000 + "\n",
    "".join("line %d\n" % i for i in range(2000)), ""],
    ids=["short", "of all kinds", "many", "none"])
async def test_lines(text):
    await lines_come_back(text)


async def test_the_server_pings():
    async def handler(ws):
        for payload in (b"", b"payload", os.urandom(125)):
            await (await ws.ping(payload))
    await lines_come_back("hello\n", handler=handler)


async def test_a_frame_in_one_piece_with_the_response():
    def respond(accept):
        return switching(accept) + b"\x81\x05early\x88\x02" + struct.pack(">H", 1000)
    async with raw_server(respond) as server:
        expect(await run_client(server.url, hold=True), (0, "early\n", ""), "the run")
