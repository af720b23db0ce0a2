"""Node's ws as the client of our server, and as the server of our client."""

import pytest
from harness import binary, run, wait_until
from node import run_peer, start_server
from talk import expect


@pytest.mark.parametrize("check", ["messages", "fragments", "ping", "close", "declined"])
def test_client(echo_server, check):
    run_peer(check, echo_server.url)


def test_server():
    seen = []
    with start_server() as server:
        for arguments, agreed in (([], ""), (["--subprotocol", "chat"], " chat"),
                                  (["--deflate"], " permessage-deflate")):
            text = "hello\næ → 日本語 😀\n\n" + "x" * 70000 + "\n"
            expect(run(binary("client"), server.url, *arguments, text=text), (0, text, ""), "the run")
            seen += ["pong are you there?", "closed 1000" + agreed]
            wait_until(lambda: server.output().count("\n") > len(seen), 5, server)
            expect(server.output().splitlines()[1:], seen, "what the server saw")
