"""Our server over HTTP/3 with aioquic as the client."""

import asyncio
import signal

import pytest
from harness import start_echo
from over_http3 import (ENABLE_CONNECT_PROTOCOL, NO_ERROR, REQUEST_CANCELLED, Ended, Side, WebSocket, connect,
                        extension_field, extension_parameters, head)
from talk import expect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode

VERSION = (b"sec-websocket-version", b"13")


@pytest.fixture(scope="module")
def server():
    with start_echo("http3 server", "--deflate", "--same-origin") as server:
        yield server
        assert server.status is None, server.last_words()


async def test_messages(server):
    async with connect(server) as http:
        expect(http.http.received_settings.get(ENABLE_CONNECT_PROTOCOL), 1, "the setting")
        ws = await http.websocket("/path?query")
        for message in ("", b"", "hello", b"\0\xff", "æ → 日本語 😀", "x" * 1000000, b"y" * 1000000):
            await ws.echo(message)
        # Fragments, with a Ping between.
        ws.protocol.send_text("日本".encode()[:4], fin=False)
        ws.protocol.send_ping(b"between")
        ws.protocol.send_continuation("日本".encode()[4:], fin=True)
        ws.flush()
        pong = await ws.frame()
        expect((pong.opcode, bytes(pong.data)), (Opcode.PONG, b"between"), "the Pong")
        expect(await ws.recv(), "日本", "the echo")
        expect(await ws.close(), (1000, ""), "the Close that comes back")


async def test_compression(server):
    async with connect(server) as http:
        factory = ClientPerMessageDeflateFactory()
        stream = http.request(*head(http), VERSION, extension_field(factory.get_request_params()))
        agreed = extension_parameters(await stream.head())
        ws = WebSocket(stream, Side.CLIENT, [factory.process_response_params(agreed, [])])
        for message in ("x" * 100000, "small", bytes(range(256)) * 100):
            await ws.echo(message)
        await ws.close()


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_close_codes(server, code):
    async with connect(server) as http:
        ws = await http.websocket()
        expect(await ws.close(code, "bye"), (code, "bye"), "the Close that comes back")


async def test_broken_rules(server):
    async with connect(server) as http:
        witness = await http.websocket()
        masked = b"\x80\0\0\0\0"
        for bad, code in ((b"\x81\x81\0\0\0\0\xff", 1007),     # no UTF-8
                          (b"\x88\x82\0\0\0\0\x03\xed", 1002),  # a Close with 1005
                          (b"\xa1" + masked, 1002), (b"\x83" + masked, 1002), (b"\x81\0", 1002)):
            ws = await http.websocket()
            ws.stream.send(bad)
            expect((await ws.closed())[0], code, "the Close")
        await witness.echo("still there")


async def test_two_websockets_in_one_connection(server):
    async with connect(server) as http:
        both = [await http.websocket(), await http.websocket()]
        for i, ws in enumerate(both):
            ws.send("message %d" % i)
        expect([await ws.recv() for ws in both], ["message 0", "message 1"], "the echoes")
        expect(await both[0].close(4000), (4000, ""), "the first Close")
        await both[1].echo("still there")
        expect(await both[1].close(4001), (4001, ""), "the second Close")


async def test_a_reset_ends_one_stream(server):
    async with connect(server) as http:
        witness = await http.websocket()
        for code in (REQUEST_CANCELLED, NO_ERROR, 0x102):
            ws = await http.websocket()
            ws.stream.send(b"\x81\xfe")     # a part of a frame
            ws.stream.reset(code)
            with pytest.raises(Ended) as ended:
                await ws.recv()
            expect(ended.value.code, REQUEST_CANCELLED, "what comes back")
            await witness.echo("after %d" % code)
        # An end in the middle of a message.
        ws = await http.websocket()
        ws.stream.send(b"\x81\xfe", end=True)
        expect(await ws.stream.rest(), b"", "what comes back")
        await witness.echo("after an end")


@pytest.mark.parametrize("status, change", [
    (400, {b":protocol": None}), (501, {b":protocol": b"webtransport"}),
    (400, {b":scheme": None}), (400, {b":path": None}), (400, {b":path": b"nothing"}),
    (400, {b":method": b"GET"}), (400, {b"sec-websocket-version": None}),
    (400, {b"sec-websocket-version": b"12"}), (403, {b"origin": b"https://evil.example"}),
    (403, {b"origin": b"null"}),
], ids=str)
async def test_refusals(server, status, change):
    async with connect(server) as http:
        fields = {**dict(head(http)), VERSION[0]: VERSION[1], **change}
        stream = http.request(*[(name, value) for name, value in fields.items() if value is not None])
        expect((await stream.head())[b":status"], b"%d" % status, "the status")
        assert await stream.rest(), "a word on why"
        await (await http.websocket()).echo("the connection is there")


async def test_pages(server):
    async with connect(server) as http:
        for path, status in ((b"/", b"200"), (b"/nothing", b"404")):
            stream = http.request((b":method", b"GET"), (b":scheme", b"https"),
                                  (b":authority", http.authority.encode()), (b":path", path), end=True)
            expect((await stream.head())[b":status"], status, "the status")
            assert (await stream.rest()).endswith(b"\n")


async def test_stop():
    with start_echo("http3 server") as server:
        async with connect(server) as http:
            ws = await http.websocket()
            await ws.echo("before")
            server.signal(signal.SIGTERM)
            expect(await ws.closed(), (1001, "the server stops"), "the Close")
            expect(await asyncio.wait_for(http.terminated, 10), NO_ERROR, "the end of the connection")
        expect(server.wait(), 0, "exit status")
