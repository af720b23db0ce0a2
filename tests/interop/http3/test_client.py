"""Our client over HTTP/3 with aioquic as the server."""

import pytest
from over_http3 import (NO_ERROR, Side, WebSocket, aioquic_server, extension_field,
                        extension_parameters, run_client)
from talk import expect
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


async def accept(stream, *fields, extensions=()):
    """Opens the WebSocket, with the first subprotocol that is offered."""
    offered = stream.fields.get(b"sec-websocket-protocol")
    chosen = [(b"sec-websocket-protocol", offered.split(b",")[0].strip())] if offered else []
    stream.respond((b":status", b"200"), *chosen, *fields)
    return WebSocket(stream, Side.SERVER, extensions)


async def echo(stream):
    """Echoes. Some messages are commands."""
    ws = await accept(stream)
    while True:
        message = await ws.recv()
        if message is None:
            return
        if message == "close":
            await ws.close(4321, "as you wish")
        elif message == "reset":
            stream.reset()
        elif message == "end":
            stream.send(b"", end=True)
        elif message == "drop":
            stream.connection.close(error_code=NO_ERROR)
        elif message == "go away":
            stream.connection.go_away(stream.number + 4)
            ws.send("gone")
        else:
            ws.send(message)


@pytest.mark.parametrize("text", [
    "hello\nworld\n", "æ → 日本語 😀\n\n" + "x" * 1000000 + "\n",
    "".join("line %d\n" % i for i in range(1000)), ""], ids=["short", "long", "many", "none"])
@pytest.mark.parametrize("streams", [1, 3])
async def test_lines(text, streams):
    async with aioquic_server(echo) as host:
        status, out, err = await run_client(
            host, "/path?query", "--streams", str(streams), "--subprotocol", "chat", text=text)
        expect((status, err), (0, ""), "exit status and stderr")
        expect(sorted(out.split("\n")), sorted(text.split("\n")), "stdout")
        expect(len(host.connections), 1, "connections")
        expect(len(host.requests), streams, "requests")
        for fields in host.requests:
            expect([fields[name] for name in (
                b":method", b":protocol", b":scheme", b":path", b"sec-websocket-version",
                b"sec-websocket-protocol")],
                [b"CONNECT", b"websocket", b"https", b"/path?query", b"13", b"chat"], "the request")


async def test_compression():
    async def deflate(stream):
        offered = extension_parameters(stream.fields)
        agreed, extension = ServerPerMessageDeflateFactory().process_request_params(offered, [])
        ws = await accept(stream, extension_field(agreed), extensions=[extension])
        while True:
            message = await ws.recv()
            if message is None:
                return
            ws.send(message)

    text = "".join("%s %d\n" % ("line" * 100, i) for i in range(100))
    for handler in (deflate, echo):     # accepted, and declined
        async with aioquic_server(handler) as host:
            status, out, err = await run_client(host, "/", "--deflate", text=text)
            expect((status, err), (0, ""), "exit status and stderr")
            expect(out, text, "stdout")
            assert host.requests[0][b"sec-websocket-extensions"].startswith(b"permessage-deflate")


@pytest.mark.parametrize("status", ["401", "403", "404", "429", "503"])
async def test_refusals(status):
    async def refuse(stream):
        stream.respond((b":status", status.encode()), (b"content-type", b"text/plain"))
        stream.send(b"not today\n", end=True)

    async with aioquic_server(refuse) as host:
        code, out, err = await run_client(host, "/", text="hello\n")
        assert code != 0 and not out and err.count("\n") == 1, err
        assert status in err and "not today" in err, err


@pytest.mark.parametrize("how, word", [
    ("close", "4321 as you wish"), ("reset", ""), ("end", ""), ("drop", "")])
async def test_ends(how, word):
    async with aioquic_server(echo) as host:
        status, out, err = await run_client(host, "/", text="first\n%s\n" % how)
        assert status != 0 and err.count("\n") == 1 and word in err, (status, err)
        if how in ("close", "end"):     # the others may overtake what was sent before
            expect(out, "first\n", "stdout")


async def test_goaway_leaves_what_is_open():
    async with aioquic_server(echo) as host:
        status, out, err = await run_client(host, "/", text="first\ngo away\nlast\n")
        expect((status, out, err), (0, "first\ngone\nlast\n", ""), "status, stdout, stderr")


async def test_it_closes_its_connection():
    async with aioquic_server(echo) as host:
        await run_client(host, "/", text="hello\n")
        expect(await host.connections[0].terminated, NO_ERROR, "the code")
