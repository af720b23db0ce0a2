"""permessage-deflate with Node's ws, either side as the client."""

import json

import pytest
from deflate import as_text, judge, parameter_sets
from harness import binary, run, start_echo, wait_until
from node import exchange_with, run_peer, start_server
from talk import expect


@pytest.mark.parametrize("parameters", parameter_sets("server"), ids=as_text)
def test_node_client(parameters):
    with exchange_with(parameters) as arguments, start_echo("echo_server", "--deflate") as server:
        out = run_peer("exchange", server.url, *arguments)
    judge("server", parameters, *json.loads(out))


@pytest.mark.parametrize("parameters", parameter_sets("client"), ids=as_text)
def test_node_server(parameters):
    with exchange_with(parameters) as arguments, start_server(*arguments) as server:
        status, _, err = run(binary("autobahn_client"), server.url, "--deflate")
        expect((status, err), (0, ""), "exit status and stderr")
        wait_until(lambda: server.output().count("\n") == 2, 5, server)
        said = server.output().splitlines()[1:]
    assert len(said) == 1 and said[0].startswith("["), said
    judge("client", parameters, *json.loads(said[0]))
