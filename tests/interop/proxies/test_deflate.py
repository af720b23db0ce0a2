"""permessage-deflate through a proxy: what is agreed on arrives, and so do compressed frames."""

from deflate import exchange, judge, record
from harness import start_echo
from proxy import start_proxy
from talk import connect, expect, python_server, run_client
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


async def test_python_client(name):
    offer = ClientPerMessageDeflateFactory(server_max_window_bits=12)
    with start_echo("echo_server", "--deflate") as server, start_proxy(name, server) as proxy:
        async with connect(proxy, compression=None, extensions=[offer], max_size=None) as ws:
            judge("server", {"server_max_window_bits": 12}, *await exchange(ws))


async def test_our_client(name):
    with start_echo("echo_server", "--deflate") as server, start_proxy(name, server) as proxy:
        text = "".join(record(i) + "\n" for i in range(100)) + "x" * (1 << 20) + "\n"
        expect(await run_client(proxy.url, "--deflate", text=text), (0, text, ""), "the run")


async def test_our_client_with_a_server_in_python(name):
    agreed = []

    async def handler(ws):
        agreed.append(ws.response.headers.get("Sec-WebSocket-Extensions") or "")
    async with python_server(handler) as server:
        with start_proxy(name, server) as proxy:
            expect(await run_client(proxy.url, "--deflate", text="hello\n"), (0, "hello\n", ""),
                   "the run")
    assert agreed[0].startswith("permessage-deflate")
