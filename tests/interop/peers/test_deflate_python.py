"""permessage-deflate with Python's websockets, either side as the client."""

import asyncio

import pytest
from deflate import as_text, data_frames, exchange, judge, parameter_sets, record
from harness import binary, start_echo
from talk import (closing, connect, echo, expect, lines_come_back, python_server, run_beside,
                  run_client)
from websockets.extensions.permessage_deflate import (ClientPerMessageDeflateFactory,
                                                      ServerPerMessageDeflateFactory)


# --- Python's client, our server ------------------------------------------------------------

async def python_client(command, parameters, **offered):
    offer = ClientPerMessageDeflateFactory(**parameters, **offered)
    with start_echo(*command, "--deflate") as server:
        async with connect(server, compression=None, extensions=[offer], max_size=None) as ws:
            judge("server", parameters, *await exchange(ws))
            await ws.close()
            expect(ws.close_code, 1000, "the close code")


@pytest.mark.parametrize("parameters", parameter_sets("server"), ids=as_text)
async def test_python_client(parameters):
    await python_client(["echo_server"], parameters)


async def test_python_client_without_client_max_window_bits():
    await python_client(["echo_server"], {}, client_max_window_bits=None)


@pytest.mark.parametrize("command", [["echo_tokio"], ["echo_tokio", "--tls"]], ids=" ".join)
async def test_python_client_of_another_server(command):
    await python_client(command, {})


async def test_no_offer_no_deflate():
    with start_echo("echo_server", "--deflate") as server:
        async with connect(server, compression=None) as ws:
            expect(ws.response.headers.get("Sec-WebSocket-Extensions"), None, "the extensions")
            await echo(ws, "a" * 5000)


async def test_our_server_gets_a_message_over_the_limit():
    with start_echo("echo_server", "--deflate", "--max-message", "1000") as server:
        for message in ("x" * 1001, b"\0" * (64 << 20), ["x" * 600, "x" * 600]):
            ws = await connect(server)
            frames = data_frames(ws)
            await echo(ws, "x" * 1000)
            expect(frames[0][0], True, "is the echo compressed")
            await ws.send(message)
            expect((await closing(ws) or [None])[0], 1009, "the close code")


# --- our client, Python's server ------------------------------------------------------------

@pytest.mark.parametrize("parameters", parameter_sets("client"), ids=as_text)
async def test_python_server(parameters):
    outcome = asyncio.get_running_loop().create_future()

    async def handler(ws):  # as the Autobahn testsuite would, with one case
        if ws.request.path == "/getCaseCount":
            await ws.send("1")
        elif ws.request.path.startswith("/runCase?"):
            try:
                outcome.set_result(await exchange(ws))
            except Exception as error:
                outcome.set_exception(error)
        await ws.close()
    answer = ServerPerMessageDeflateFactory(**parameters)
    async with python_server(handler, compression=None, extensions=[answer],
                             max_size=None) as server:
        status, _, err = await run_beside(binary("autobahn_client"), server.url, "--deflate")
    if outcome.done():
        judge("client", parameters, *outcome.result())
    expect((status, err, outcome.done()), (0, "", True), "exit status, stderr, a case was run")


async def test_lines_of_our_client():
    frames = []

    async def handler(ws):
        frames.append(data_frames(ws))
    text = "".join(record(i) + "\n" for i in range(1000))
    await lines_come_back(text + "\na\n" + "æ → 日本語 😀" * 40000 + "\n", "--deflate",
                          handler=handler, max_size=None)
    records = frames[0][:1000]
    expect(all(compressed for compressed, _ in records), True, "are the records compressed")
    sent = sum(length for _, length in records)
    assert sent <= 0.2 * len(text), "%d bytes are sent as %d" % (len(text), sent)


async def test_our_client_gets_a_message_over_the_limit():
    async def handler(ws):
        data_frames(ws)
        await ws.send(b"\0" * (64 << 20))
    async with python_server(handler) as server:
        await run_client(server.url, "--deflate", hold=True)
    expect(server.close, 1009, "the close code that the server saw")
