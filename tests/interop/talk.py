"""How tests talk to servers and clients: with Python's websockets, bytes by hand, and our `client`.

A server is anything with `url`, `port` and `ssl`: a context that trusts it, or None.
"""

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import ssl
import struct

from harness import HOST, binary, run
from websockets.asyncio.client import connect as connect_with
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

TLS_VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def expect(got, wanted, what):
    """An assertion whose message is short, however long the values are."""
    if got != wanted:
        raise AssertionError("%s: %.200r instead of %.200r" % (what, got, wanted))


# --- clients --------------------------------------------------------------------------------

def connect(server, **options):
    """A client in Python."""
    return connect_with(server.url, **{"ssl": server.ssl, "proxy": None, **options})


async def echo(ws, message):
    await ws.send(message)
    expect(await ws.recv(), message, "the echo")


async def closing(ws):
    """Waits until the server closes; returns (code, reason), or None if no Close came."""
    try:
        while True:
            await ws.recv()
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None


def request(server, *fields, host=None):
    """The head of an opening handshake."""
    return "\r\n".join([
        "GET / HTTP/1.1", "Host: " + (host or "%s:%d" % (HOST, server.port)), "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + base64.b64encode(b"k" * 16).decode(), *fields, "", ""]).encode()


@contextlib.asynccontextmanager
async def raw_connection(server, opened=True):
    """Bytes to and from the server, after the opening handshake or before it."""
    reader, writer = await asyncio.open_connection(HOST, server.port, ssl=server.ssl)
    try:
        if opened:
            writer.write(request(server))
            head = await reader.readuntil(b"\r\n\r\n")
            expect(head.split(b"\r\n")[0][:13], b"HTTP/1.1 101 ", "the response")
        yield reader, writer
    finally:
        writer.close()


def reset(writer):
    """Ends the connection with a reset, at once."""
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# --- servers in Python ----------------------------------------------------------------------

class PythonServer:
    """The address of a server, and what it saw of the last connection."""
    request = subprotocol = close = None

    def __init__(self, sockets, scheme):
        self.port = sockets[0].getsockname()[1]
        self.url = "%s://%s:%d/" % (scheme, HOST, self.port)


@contextlib.asynccontextmanager
async def python_server(handler=None, **options):
    """A server with Python's websockets, by default an echo."""
    done = asyncio.Event()

    async def handle(ws):
        ours.request, ours.subprotocol = ws.request, ws.subprotocol
        try:
            if handler:
                await handler(ws)
            async for message in ws:
                await ws.send(message)
        except ConnectionClosed:
            pass
        await ws.wait_closed()
        ours.close = ws.protocol.close_rcvd and ws.protocol.close_rcvd.code
        done.set()

    async with serve(handle, HOST, 0, **options) as server:
        ours = PythonServer(server.sockets, "wss" if options.get("ssl") else "ws")
        yield ours
        if ours.request:
            await done.wait()


@contextlib.asynccontextmanager
async def raw_server(respond):
    """A server that answers with `respond(accept)`, given the right Sec-WebSocket-Accept."""
    async def handle(reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = re.search(r"(?i)\r\nsec-websocket-key: *(\S+)", head).group(1)
            digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
            writer.write(respond(base64.b64encode(digest.digest()).decode()))
            await reader.read(1000)  # a Close, or the end
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, HOST, 0)
    try:
        yield PythonServer(server.sockets, "ws")
    finally:
        server.close()


def switching(accept, *fields):
    """The head of a response that opens the WebSocket."""
    return "\r\n".join(["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket",
                        "Connection: Upgrade", "Sec-WebSocket-Accept: " + accept,
                        *fields, "", ""]).encode()


# --- our client -----------------------------------------------------------------------------

async def run_beside(*command, **options):
    """Runs a program to its end while the servers of the test keep running."""
    return await asyncio.get_running_loop().run_in_executor(
        None, lambda: run(*command, **options))


async def run_client(*arguments, **options):
    """Runs our `client` to its end; returns (exit status, stdout, stderr)."""
    return await run_beside(binary("client"), *arguments, **options)


async def lines_come_back(text, *arguments, handler=None, **options):
    """Our client sends these lines to a server in Python; returns what the server saw."""
    async with python_server(handler, **options) as server:
        status, out, err = await run_client(server.url, *arguments, text=text)
        expect((status, err), (0, ""), "exit status and stderr")
        expect(out, text, "stdout")
    expect(server.close, 1000, "the close code that the server saw")
    return server


async def expect_failure(url, *arguments, word=""):
    """Our client fails with one line on stderr, which contains the word."""
    status, out, err = await run_client(url, *arguments, text="hello\n", hold=True)
    assert status != 0, "stdout %r" % out
    assert err.endswith("\n") and err.count("\n") == 1 and word in err
