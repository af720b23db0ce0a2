"""HTTP/3 by aioquic, and WebSockets in its streams by the part of `websockets` that does no I/O.

Both roles are connections of one class, whose streams have events: a head, bytes, an end.
"""

import asyncio
import contextlib

import trustme
from aioquic.asyncio.client import connect as connect_quic
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (ConnectionTerminated, ProtocolNegotiated, StopSendingReceived,
                                 StreamReset)
from harness import HOST, binary
from talk import expect, run_beside
from websockets.frames import OP_CONT, OP_PING, OP_PONG, Opcode
from websockets.protocol import Protocol, Side

CA = trustme.CA()
ENABLE_CONNECT_PROTOCOL, GOAWAY = 0x08, 0x07
NO_ERROR, REQUEST_CANCELLED = 0x100, 0x10c


class Ended(Exception):
    """No more comes: with the code of a reset, or None after an end in order."""

    def __init__(self, code):
        super().__init__("the stream has ended: %s" % code)
        self.code = code


class Connection(QuicConnectionProtocol):
    """A connection of HTTP/3. `serve` is called with each request of a client, as a task."""

    def __init__(self, *arguments, serve=None, **options):
        super().__init__(*arguments, **options)
        self.http, self.streams, self.serve, self.tasks = None, {}, serve, set()
        self.terminated = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        elif isinstance(event, ConnectionTerminated):
            self.terminated.set_result(event.error_code)
            for stream in self.streams.values():
                stream.incoming.put_nowait(Ended("terminated"))
        elif isinstance(event, StreamReset):
            self.stream(event.stream_id).incoming.put_nowait(Ended(event.error_code))
        elif isinstance(event, StopSendingReceived):
            self.stream(event.stream_id).stopped = event.error_code
        for event in self.http.handle_event(event) if self.http else ():
            if isinstance(event, (HeadersReceived, DataReceived)):
                self.stream(event.stream_id).receive(event)

    def stream(self, number):
        if number not in self.streams:
            self.streams[number] = Stream(self, number)
        return self.streams[number]

    def request(self, *fields, end=False):
        """Sends the head of a request on a new stream."""
        stream = self.stream(self._quic.get_next_available_stream_id())
        stream.respond(*fields, end=end)
        return stream

    async def websocket(self, path="/", *fields, extensions=()):
        """Opens a WebSocket."""
        stream = self.request(*head(self, path), (b"sec-websocket-version", b"13"), *fields)
        got = await stream.head()
        expect(got[b":status"], b"200", "the status")
        return WebSocket(stream, Side.CLIENT, extensions)

    def go_away(self, number):
        """GOAWAY, for which aioquic has no call."""
        self._quic.send_stream_data(
            self.http._local_control_stream_id, bytes([GOAWAY, 1, number]))
        self.transmit()


def head(connection, path="/"):
    """What asks for a WebSocket (RFC 9220)."""
    return [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"https"),
            (b":authority", connection.authority.encode()), (b":path", path.encode())]


def extension_field(parameters):
    """The field that offers or accepts permessage-deflate with these parameters."""
    parts = ["permessage-deflate"] + [
        name if value is None else "%s=%s" % (name, value) for name, value in parameters]
    return b"sec-websocket-extensions", "; ".join(parts).encode()


def extension_parameters(fields):
    """The parameters of the first extension in the field, which is permessage-deflate."""
    first = fields[b"sec-websocket-extensions"].decode().split(",")[0]
    name, *parameters = [part.strip() for part in first.split(";")]
    expect(name, "permessage-deflate", "the extension")
    return [tuple(p.split("=")) if "=" in p else (p, None) for p in parameters]


class Stream:
    """A request and its response."""

    def __init__(self, connection, number):
        self.connection, self.number, self.stopped = connection, number, None
        self.incoming, self.fields = asyncio.Queue(), None

    def receive(self, event):
        if isinstance(event, HeadersReceived):
            self.fields = dict(event.headers)
            self.incoming.put_nowait(self.fields)
            if self.connection.serve:
                task = asyncio.ensure_future(self.connection.serve(self))
                self.connection.tasks.add(task)
                task.add_done_callback(self.connection.tasks.discard)
        elif event.data:
            self.incoming.put_nowait(event.data)
        if event.stream_ended:
            self.incoming.put_nowait(Ended(None))

    async def next(self):
        """A dictionary of fields, or bytes."""
        event = await self.incoming.get()
        if isinstance(event, Ended):
            self.incoming.put_nowait(event)     # and ever
            raise event
        return event

    async def head(self):
        return await self.next()

    async def rest(self):
        """All bytes to the end, which is in order."""
        data = b""
        try:
            while True:
                data += await self.next()
        except Ended as ended:
            expect(ended.code, None, "the end")
        return data

    def respond(self, *fields, end=False):
        """Sends a head."""
        self.connection.http.send_headers(self.number, list(fields), end)
        self.connection.transmit()

    def send(self, data, end=False):
        self.connection.http.send_data(self.number, data, end)
        self.connection.transmit()

    def reset(self, code=REQUEST_CANCELLED):
        self.connection._quic.reset_stream(self.number, code)
        self.connection.transmit()


class WebSocket:
    """A WebSocket over a stream."""

    def __init__(self, stream, side, extensions=()):
        self.stream, self.protocol = stream, Protocol(side, max_size=None)
        self.protocol.extensions = list(extensions)
        self.frames = []

    def flush(self):
        """Sends what the protocol has to send; it says the end by nothing."""
        for data in self.protocol.data_to_send():
            self.stream.send(data, end=not data)

    async def frame(self):
        """The next frame; None after the end of the stream."""
        while not self.frames:
            try:
                self.protocol.receive_data(await self.stream.next())
            except Ended as ended:
                if ended.code is not None:
                    raise
                self.protocol.receive_eof()
                self.flush()
                return None
            self.frames += self.protocol.events_received()
            self.flush()
        return self.frames.pop(0)

    async def recv(self):
        """The next message; None after a Close, or the end of the stream."""
        parts, binary = [], None
        while True:
            frame = await self.frame()
            if frame is None or frame.opcode is Opcode.CLOSE:
                return None
            if frame.opcode in (OP_PING, OP_PONG):
                continue
            if frame.opcode is not OP_CONT:
                binary = frame.opcode is Opcode.BINARY
            parts.append(bytes(frame.data))
            if frame.fin:
                message = b"".join(parts)
                return message if binary else message.decode()

    def send(self, message):
        if isinstance(message, str):
            self.protocol.send_text(message.encode())
        else:
            self.protocol.send_binary(message)
        self.flush()

    async def echo(self, message):
        self.send(message)
        expect(await self.recv(), message, "the echo")

    async def close(self, code=1000, reason=""):
        """Closes; returns the code that comes back."""
        self.protocol.send_close(code, reason)
        self.flush()
        return await self.closed()

    async def closed(self):
        """Waits for a Close, and for the end of the stream; returns (code, reason)."""
        while await self.frame():
            pass
        got = self.protocol.close_rcvd
        return got and (got.code, got.reason)


@contextlib.asynccontextmanager
async def connect(server):
    """A client's connection to one of our servers."""
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=True, server_name="localhost")
    configuration.load_verify_locations(cafile=server.ca)
    async with connect_quic(HOST, server.port, configuration=configuration,
                            create_protocol=Connection) as connection:
        connection.authority = "%s:%d" % (HOST, server.port)
        while connection.http is None or connection.http.received_settings is None:
            await asyncio.sleep(0.01)
        yield connection


class Host:
    """A server in Python, and what it was asked."""

    def __init__(self):
        self.connections, self.requests, self.url, self.ca = [], [], None, None


@contextlib.asynccontextmanager
async def aioquic_server(handler):
    """A server that opens a WebSocket for each request, unless `handler`, which is called with the stream, does more."""
    host = Host()

    async def request(stream):
        host.requests.append(stream.fields)
        await stream.head()
        with contextlib.suppress(Ended):    # our client tells how it ended
            await handler(stream)

    def connection(*arguments, **options):
        host.connections.append(Connection(*arguments, serve=request, **options))
        return host.connections[-1]

    certificate = CA.issue_cert(HOST)
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=False)
    with certificate.private_key_and_cert_chain_pem.tempfile() as pem, CA.cert_pem.tempfile() as ca:
        configuration.load_cert_chain(pem, pem)
        server = await serve(HOST, 0, configuration=configuration, create_protocol=connection)
        try:
            port = server._transport.get_extra_info("sockname")[1]
            host.url, host.ca = "wss://%s:%d" % (HOST, port), ca
            yield host
        finally:
            server.close()


async def run_client(host, path, *arguments, text):
    """Runs our client to its end; returns (exit status, stdout, stderr)."""
    return await run_beside(
        binary("http3"), "client", host.url + path, "--cafile", host.ca, *arguments, text=text)
