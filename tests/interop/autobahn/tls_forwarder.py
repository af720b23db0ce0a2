#!/usr/bin/env python3
"""Stands between a client without TLS and a server with it, so that the suite, in its old Python,
needs none.

  tls_forwarder.py HOST PORT CAFILE   prints `listening on ws://HOST:PORT/`

Each connection that comes becomes one to the server, whose certificate has to hold for HOST with
CAFILE as the only authority. What comes from either side goes to the other, unchanged and in
order, and then its end:

- an end (of TCP, or of TLS by close_notify) as one of that direction only; the other goes on;
- a reset as a reset.

It reads nothing from a side before all that it read there is handed on, so that a side that does
not read is felt at the other one. Where TLS fails, or there is no server, it ends with status 1:
that is no matter of a single case. Ends of TLS without close_notify it notes on stderr.
"""

import os
import select
import socket
import ssl
import struct
import sys
import threading
import traceback

HOST = "127.0.0.1"
CHUNK = 1 << 16     # bytes read at once
SETUP_TIME = 30     # seconds for the server's next message of the TLS handshake


class Side:
    """One of the two connections of a pair, not blocking."""

    def __init__(self, sock):
        self.sock = sock
        self.out = bytearray()      # the bytes to write
        self.has_ended = False      # nothing more can be read
        self.is_reset = False
        self.is_told = False        # it knows that the other side has ended
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # sends every write at once
        sock.setblocking(False)

    def receive(self):
        """The next bytes; none if nothing has arrived or this was the end."""
        try:
            data = self.sock.recv(CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            self.is_reset = True
            data = b""
        self.has_ended = not data
        return data

    def send(self, data):
        self.out += data

    def send_end(self):
        """Appends the bytes, if any, that say that nothing more will be sent."""

    def write(self):
        try:
            del self.out[:self.sock.send(self.out)]
        except BlockingIOError:
            pass
        except OSError:
            # What the side sent before can still be read; then comes its end.
            self.is_reset = True
            self.out.clear()

    def end_writing(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.is_reset = True

    def reset(self):
        try:
            # No time to linger: closing it is a reset.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # It is gone already.


class TlsSide(Side):
    """The side with TLS, as its client. TLS runs in memory: an `SSLSocket` cannot end only
    one direction."""

    def __init__(self, sock, context, host):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        while not self.shake_hands():
            sock.sendall(self.outgoing.read())
            data = sock.recv(CHUNK)
            if not data:
                raise ConnectionError("the server ended within the TLS handshake")
            self.incoming.write(data)
        super().__init__(sock)
        self.out += self.outgoing.read()

    def shake_hands(self):
        """Whether the handshake is complete."""
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    def receive(self):
        self.incoming.write(super().receive())
        if self.has_ended:
            print("the server ended without close_notify" + ", by a reset" * self.is_reset,
                  file=sys.stderr, flush=True)
        return self.decrypt()

    def decrypt(self):
        """Decrypts everything, so that nothing is left in memory while the socket is awaited."""
        data = bytearray()
        try:
            while True:
                part = self.tls.read(CHUNK)
                if not part:
                    raise ssl.SSLZeroReturnError
                data += part
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_ended = True  # by close_notify
        self.out += self.outgoing.read()  # messages of TLS itself
        return data

    def send(self, data):
        data = memoryview(data)
        while data:
            data = data[self.tls.write(data):]
        self.out += self.outgoing.read()

    def send_end(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # It said close_notify; the server's own comes to `receive`, after all its data.
        self.out += self.outgoing.read()


def hand_on(client, server):
    """Runs until both sides know of the other's end."""
    ways = (client, server), (server, client)
    client.send(server.decrypt())  # what came with the end of the handshake
    while True:
        for source, sink in ways:
            if source.has_ended and not sink.out:
                if source.is_reset:
                    sink.reset()
                    return
                if not sink.is_told:
                    sink.end_writing()
                    sink.is_told = True
        if client.is_told and server.is_told or client.is_reset and server.is_reset:
            return
        # For a side that takes nothing more, nothing is read; its own end will come.
        readers = [source.sock for source, sink in ways
                   if not (source.has_ended or sink.out or sink.is_reset)]
        writers = [side.sock for side in (client, server) if side.out]
        readable, writable, _ = select.select(readers, writers, [])
        for source, sink in ways:
            if sink.sock in writable:
                sink.write()
            if source.sock in readable:
                data = source.receive()
                if data:
                    sink.send(data)
                if source.has_ended and not source.is_reset:
                    sink.send_end()


def serve(client, address, context):
    """Serves one connection to its end."""
    try:
        with client, socket.create_connection(address, SETUP_TIME) as server:
            hand_on(Side(client), TlsSide(server, context, address[0]))
    except OSError as error:
        fail("tls_forwarder: TLS with the server failed: %s" % error)
    except Exception:
        fail(traceback.format_exc())


def fail(why):
    """Ends the process, whatever its other threads do."""
    print(why, file=sys.stderr, flush=True)
    os._exit(1)


def main():
    host, port, cafile = sys.argv[1:]
    # It checks the certificate and the name.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile)
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        print("listening on ws://%s:%d/" % listener.getsockname(), flush=True)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, (host, int(port)), context),
                             daemon=True).start()


if __name__ == "__main__":
    main()
