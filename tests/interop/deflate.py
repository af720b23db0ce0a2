"""Messages for permessage-deflate, and checks of what was agreed on and of the bytes on the wire."""

import hashlib
import json
import random

from talk import expect


def parameter_sets(us):
    """What a peer offers or demands. Neither peer's own compressor supports 8 bits."""
    peer = "client" if us == "server" else "server"
    server, client = {"server_no_context_takeover": True}, {"client_no_context_takeover": True}
    yield from ({}, server, client, {**server, **client})
    yield from ({us + "_max_window_bits": bits} for bits in (8, 9, 10, 12, 15))
    yield from ({peer + "_max_window_bits": bits} for bits in (9, 10, 12, 15))
    yield {**server, **client, "server_max_window_bits": 9, "client_max_window_bits": 9}


def as_text(parameters):
    return "; ".join(["deflate"] + [name if value is True else "%s=%d" % (name, value)
                                    for name, value in parameters.items()])


def record(number):
    """A message of 1 KiB like the one before, as from a client that reports once a second."""
    fields = {"field %d" % i: hashlib.md5(b"%d" % i).hexdigest() for i in range(21)}
    return json.dumps({"number": number, **fields})


def messages():
    """All messages of an exchange, as (kind, is it binary, fragments)."""
    dice = random.Random(7692)

    def complete(kind, message):
        binary = isinstance(message, bytes)
        return kind, binary, [message if binary else message.encode()]

    for message in ("", b"", "a", "", b"\0", "å", b"tiny" * 10):
        yield complete("tiny", message)
    for i in range(50):
        yield complete("record", record(i))
    yield complete("noise", dice.randbytes(100 << 10))
    yield complete("tiny", "after the noise")
    characters = [*range(0x61, 0x7b), *range(0x3b1, 0x3ca), *range(0x4e00, 0x4e80),
                  *range(0x1f600, 0x1f640)]
    words = ["".join(map(chr, dice.choices(characters, k=dice.randrange(2, 9))))
             for _ in range(500)]
    text = " ".join(dice.choices(words, k=80000)).encode()[:1 << 20]
    yield complete("text", text.decode(errors="ignore"))
    yield complete("zeros", b"\0" * (1 << 20))
    # For each window, bytes that repeat just beyond its reach: a compressor that looks further
    # back than was agreed on sends what the peer cannot inflate.
    for bits in range(8, 15):
        for message in [dice.randbytes(150).hex() for _ in range(1 << bits - 8)] * 2:
            yield complete("recurring", message)
    text = "日本語 😀 ".encode() * 100  # cut inside its characters
    for binary, parts in ((True, [b"", record(0).encode(), b"", b"tail", b""]),
                          (False, [text[i:i + 100] for i in range(0, len(text), 100)]),
                          (False, [b"", b""]), (True, [b"\xff" * 70000] * 3)):
        yield "fragments", binary, parts
    yield complete("record", record(50))


MESSAGES = list(messages())


def judge(us, parameters, header, lengths):
    """The right parameters were agreed on, and our messages, with these lengths on the wire in bytes,
    were as small as that makes them."""
    name, *agreed = [part.strip() for part in (header or "").split(";")]
    expect(name, "permessage-deflate", "the extension")
    agreed = dict(part.partition("=")[::2] for part in agreed)
    for name, value in parameters.items():
        if us == "client" or name.startswith("server"):  # a client's value about itself is a hint
            expect(agreed.get(name), "" if value is True else str(value), name)

    bits = int(agreed.get(us + "_max_window_bits", 15))
    recurs = us + "_no_context_takeover" not in agreed and bits > 10
    most = {"record": 0.2 if recurs else 0.85, "noise": 1.01, "text": 0.6, "zeros": 0.05,
            "recurring": 1.02, "fragments": 0.5}
    expect(len(lengths), len(MESSAGES), "the number of replies")
    for kind, limit in most.items():
        sizes = [(size, sum(map(len, parts)))
                 for size, (name, _, parts) in zip(lengths, MESSAGES) if name == kind]
        got, full = map(sum, zip(*sizes))
        assert got <= limit * full, "%s: %d bytes are sent as %d" % (kind, full, got)


def data_frames(ws):
    """What arrives on this connection from now on: (is it compressed, its length in bytes) of each
    frame."""
    assert ws.protocol.extensions, "no extension was agreed on"
    extension, frames = ws.protocol.extensions[0], []
    decode = extension.decode

    def watched(frame, **options):
        if frame.opcode < 8:
            frames.append((frame.rsv1, len(frame.data)))
        return decode(frame, **options)

    extension.decode = watched
    return frames


async def exchange(ws):
    """Sends the messages; each must come back. Returns what was agreed on, and the bytes of each
    reply on the wire."""
    async def with_pings(parts):
        yield parts[0]
        for part in parts[1:]:
            await (await ws.ping())
            yield part

    frames, lengths = data_frames(ws), []
    for _, binary, parts in MESSAGES:
        await ws.send(with_pings(parts) if len(parts) > 1 else parts[0], text=not binary)
        message = b"".join(parts)
        expect(await ws.recv(), message if binary else message.decode(), "the echo")
        lengths.append(sum(length for _, length in frames))
        frames.clear()
    return ws.response.headers.get("Sec-WebSocket-Extensions"), lengths
