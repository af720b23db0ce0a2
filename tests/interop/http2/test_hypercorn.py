"""Our client over HTTP/2 with Python's hypercorn as the server."""

import asyncio
import contextlib
import json

import pytest
import trustme
from harness import HOST, binary, free_port, is_listening
from hypercorn.asyncio import serve
from hypercorn.config import Config
from talk import expect, run_beside

CA = trustme.CA()


class Application:
    """Echoes. It keeps what it is asked for."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                event = (await receive())["type"]
                await send({"type": event + ".complete"})
                if event == "lifespan.shutdown":
                    return
        assert scope["type"] == "websocket", scope
        self.scopes.append(scope)
        assert (await receive())["type"] == "websocket.connect"
        if scope["path"] == "/refused":
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return  # its code is 1006 after any Close of a client; our client tells how it ended
            if event["text"] == "close":
                await send({"type": "websocket.close", "code": 4321, "reason": "as you wish"})
            else:
                await send({"type": "websocket.send", "text": event["text"]})


@contextlib.asynccontextmanager
async def hypercorn():
    """Gives (the application, its URL, the file with the certificate to trust)."""
    application, stop, port = Application(), asyncio.Event(), free_port()
    config = Config()
    config.bind, config.errorlog, config.accesslog = ["%s:%d" % (HOST, port)], None, None
    config.websocket_max_message_size = 16 << 20
    certificate = CA.issue_cert(HOST)
    with certificate.private_key_and_cert_chain_pem.tempfile() as pem, CA.cert_pem.tempfile() as ca:
        config.certfile = config.keyfile = pem
        server = asyncio.create_task(serve(application, config, shutdown_trigger=stop.wait))
        try:
            while not is_listening(port):
                await asyncio.sleep(0.01)
            yield application, "wss://%s:%d" % (HOST, port), ca
        finally:
            stop.set()
            await server


async def run_client(url, ca, *arguments, text):
    return await run_beside(binary("http2"), "client", url, "--cafile", ca, *arguments, text=text)


@pytest.mark.parametrize("text", [
    "hello\nworld\n", "æ → 日本語 😀\n\n" + "x" * 1000000 + "\n",
    "".join("line %d\n" % i for i in range(1000)), ""], ids=["short", "long", "many", "none"])
@pytest.mark.parametrize("streams", [1, 3])
async def test_lines(text, streams):
    async with hypercorn() as (application, url, ca):
        status, out, err = await run_client(
            url + "/path?query", ca, "--streams", str(streams), "--subprotocol", "chat", text=text)
        expect((status, err), (0, ""), "exit status and stderr")
        expect(sorted(out.split("\n")), sorted(text.split("\n")), "stdout")
        scopes = application.scopes
        expect([(scope["http_version"], scope["path"], scope["query_string"]) for scope in scopes],
               [("2", "/path", b"query")] * streams, "the requests")
        expect(len({json.dumps(scope["client"]) for scope in scopes}), 1, "connections")


async def test_ends():
    async with hypercorn() as (_, url, ca):
        status, _, err = await run_client(url, ca, text="close\n")
        assert status != 0 and "4321 as you wish" in err, err
        status, _, err = await run_client(url + "/refused", ca, text="")
        assert status != 0 and "403" in err and err.count("\n") == 1, err
