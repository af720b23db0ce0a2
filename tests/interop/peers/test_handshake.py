"""The opening handshake: what our client asks for, and what either side refuses."""

import re
import socket

import pytest
from harness import HOST
from talk import (connect, echo, expect, expect_failure, lines_come_back, python_server,
                  raw_connection, raw_server, run_client, switching)


async def test_our_server_declines_extensions(server):
    async with connect(server, compression="deflate") as ws:
        expect(ws.response.headers.get("Sec-WebSocket-Extensions"), None, "the extensions")
        await echo(ws, "a" * 5000)


async def test_our_server_gets_plain_http(server):
    async with raw_connection(server, opened=False) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = (await reader.read()).split(b"\r\n\r\n")[0].decode().lower()
        expect(head.split()[1], "426", "the status")
        assert re.search(r"\r\nupgrade: *websocket(\r\n|$)", head)


async def test_url_from_the_environment():
    async with python_server() as server:
        expect(await run_client(text="hello\n", WS_URL=server.url), (0, "hello\n", ""), "the run")
    expect(server.close, 1000, "the close code that the server saw")


async def test_path_and_query():
    async with python_server() as server:
        expect((await run_client(server.url + "a/b?c=d%20e"))[0], 0, "exit status")
    expect(server.request.path, "/a/b?c=d%20e", "the path")


@pytest.mark.parametrize("offered", [["chat"], ["other", "chat"]], ids=" ".join)
async def test_subprotocol(offered):
    arguments = [argument for name in offered for argument in ("--subprotocol", name)]
    seen = await lines_come_back("hello\n", *arguments, subprotocols=["chat"])
    expect(seen.subprotocol, "chat", "the subprotocol")


async def test_origin_and_header_fields():
    seen = await lines_come_back("hello\n", "--origin", "https://app.example",
                                 "--header", "Authorization: Bearer abc",
                                 "--header", "X-Name: some value")
    for name, value in (("Origin", "https://app.example"), ("Authorization", "Bearer abc"),
                        ("X-Name", "some value")):
        expect(seen.request.headers.get(name), value, name)


@pytest.mark.parametrize("status", [404, 401, 302, 503])
async def test_our_client_is_refused(status):
    def process_request(connection, _request):
        response = connection.respond(status, "no\n")
        if status == 302:
            response.headers["Location"] = "ws://127.0.0.1:1/elsewhere"
        if status == 401:
            response.headers["WWW-Authenticate"] = "Basic"
        return response
    async with python_server(process_request=process_request) as server:
        await expect_failure(server.url, word=str(status))


@pytest.mark.parametrize("word, respond, arguments", [
    pytest.param("Sec-WebSocket-Accept", lambda accept: switching(accept[::-1]), [],
                 id="wrong Sec-WebSocket-Accept"),
    pytest.param("subprotocol",
                 lambda accept: switching(accept, "Sec-WebSocket-Protocol: chat"), [],
                 id="subprotocol that was not asked for"),
    pytest.param("subprotocol",
                 lambda accept: switching(accept, "Sec-WebSocket-Protocol: chat"),
                 ["--subprotocol", "other"], id="another subprotocol than was asked for"),
    pytest.param("extension",
                 lambda accept: switching(accept, "Sec-WebSocket-Extensions: permessage-deflate"),
                 [], id="extension that was not asked for"),
    pytest.param("", lambda _: b"SSH-2.0-OpenSSH_9.6\r\n\r\n", [], id="no HTTP"),
    pytest.param("mask", lambda accept: switching(accept) + b"\x81\x82\0\0\0\0hi", [],
                 id="masked frame"),
])
async def test_our_client_refuses(word, respond, arguments):
    async with raw_server(respond) as server:
        await expect_failure(server.url, *arguments, word=word)


async def test_nobody_listens():
    with socket.socket() as s:
        s.bind((HOST, 0))
        await expect_failure("ws://%s:%d/" % s.getsockname())
