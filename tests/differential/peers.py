#!/usr/bin/env python3
"""Runs sessions through `wsproto` and `websockets`, without I/O: `peers.py SESSIONS VERDICTS`. The forms of both files are in
`src/python.rs`. A message is what the application would get: complete, and decoded if it is text.
"""

import logging
import struct
import sys
import zlib

from websockets.extensions.permessage_deflate import PerMessageDeflate as WebsocketsDeflate
from websockets.frames import OP_BINARY, OP_CLOSE, OP_CONT, OP_TEXT
from websockets.protocol import OPEN as IS_OPEN
from websockets.protocol import Protocol, Side
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate
from wsproto.utilities import RemoteProtocolError

OPEN, CLOSED, FAILED = range(3)
MAX = 16 << 20
SILENT = logging.getLogger("differential")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


def wsproto(is_client, has_deflate, data):
    extensions = []
    if has_deflate:
        deflate = WsprotoDeflate()
        deflate.offer()
        deflate.finalize("permessage-deflate") if is_client else deflate.accept("permessage-deflate")
        extensions.append(deflate)
    connection = Connection(ConnectionType.CLIENT if is_client else ConnectionType.SERVER, extensions)
    messages, parts = [], []
    try:
        connection.receive_data(data)
        for event in connection.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                parts.append(event.data)
                if event.message_finished:
                    is_text = isinstance(event, TextMessage)
                    whole = "".join(parts).encode() if is_text else b"".join(map(bytes, parts))
                    messages.append((is_text, whole))
                    parts = []
            elif isinstance(event, CloseConnection):
                # It tells of a failure by the same event.
                is_close = connection.state is ConnectionState.REMOTE_CLOSING
                return messages, CLOSED if is_close else FAILED, int(event.code)
    except RemoteProtocolError as error:
        return messages, FAILED, int(error.event_hint.code)
    return messages, OPEN, 0


def websockets(is_client, has_deflate, data):
    protocol = Protocol(Side.CLIENT if is_client else Side.SERVER, state=IS_OPEN, max_size=MAX, logger=SILENT)
    if has_deflate:
        protocol.extensions = [WebsocketsDeflate(False, False, 15, 15)]
    protocol.receive_data(data)
    messages, parts, is_text = [], [], False
    for frame in protocol.events_received():
        if frame.opcode in (OP_TEXT, OP_BINARY, OP_CONT):
            if frame.opcode != OP_CONT:
                is_text, parts = frame.opcode == OP_TEXT, []
            parts.append(bytes(frame.data))
            if frame.fin:
                whole = b"".join(parts)
                if is_text:
                    # What is above this layer in the package decodes: a complete message.
                    try:
                        whole.decode()
                    except UnicodeDecodeError:
                        return messages, FAILED, 1007
                messages.append((is_text, whole))
        elif frame.opcode == OP_CLOSE:
            return messages, CLOSED, protocol.close_rcvd.code
    if protocol.parser_exc is not None:
        return messages, FAILED, protocol.close_sent.code if protocol.close_sent else 1006
    return messages, OPEN, 0


def main(asked, told):
    with open(asked, "rb") as file:
        rest = memoryview(file.read())
    with open(told, "wb") as out:
        while rest:
            is_client, has_deflate, length = struct.unpack_from(">BBI", rest)
            data, rest = bytes(rest[6:6 + length]), rest[6 + length:]
            for peer in (wsproto, websockets):
                messages, end, code = peer(bool(is_client), bool(has_deflate), data)
                out.write(struct.pack(">BHI", end, code, len(messages)))
                for is_text, whole in messages:
                    out.write(struct.pack(">BII", is_text, len(whole), zlib.crc32(whole)))


main(*sys.argv[1:])
