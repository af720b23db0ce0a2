"""Messages in fragments, in either direction, with Pings between them."""

from talk import connect, expect, python_server, raw_connection, run_client


async def test_python_sends_fragments(server):
    async with connect(server) as ws:
        for parts in (["a", "", "日本", "c" * 70000], [b"\xe6\x97", b"\xa5", b""], ["", ""]):
            await ws.send(parts)
            expect(await ws.recv(), parts[0][:0].join(parts), "the echo")

        async def with_ping():
            yield "one, "
            await (await ws.ping(b"between"))
            yield "two"
        await ws.send(with_ping())
        expect(await ws.recv(), "one, two", "the echo")


async def test_a_character_is_cut_in_two(server):
    async with raw_connection(server) as (reader, writer):
        text = "日".encode()
        writer.write(b"\x01\x81\0\0\0\0" + text[:1] + b"\x80\x82\0\0\0\0" + text[1:])
        expect(await reader.readexactly(5), b"\x81\x03" + text, "the echo")


async def test_our_client_gets_fragments():
    async def handler(ws):
        await ws.recv()
        await ws.send(["one, ", "", "two"])
    async with python_server(handler) as server:
        expect(await run_client(server.url, text="hello\n"), (0, "one, two\n", ""), "the run")
