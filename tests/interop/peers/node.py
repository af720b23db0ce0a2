"""Starts peer.js, with Node's ws."""

import contextlib
import json
import os
import re
import tempfile
from base64 import b64encode
from pathlib import Path

from deflate import MESSAGES
from harness import NODE_MODULES, Server, program, run
from talk import expect

PEER = str(Path(__file__).with_name("peer.js"))


def run_peer(*arguments):
    """Runs it to its end, without a failure; returns its stdout."""
    status, out, err = run(program("node"), PEER, *arguments, NODE_PATH=str(NODE_MODULES))
    expect((status, err), (0, ""), "exit status and stderr")
    return out


def start_server(*arguments):
    return Server([program("node"), PEER, "server", *arguments],
                  env=dict(os.environ, NODE_PATH=str(NODE_MODULES)))


@contextlib.contextmanager
def exchange_with(parameters):
    """The arguments for an exchange of the messages."""
    options = {re.sub("_(.)", lambda found: found.group(1).upper(), name): value
               for name, value in parameters.items()}
    with tempfile.NamedTemporaryFile("w") as file:
        json.dump([[binary, [b64encode(part).decode() for part in parts]]
                   for _, binary, parts in MESSAGES], file)
        file.flush()
        yield json.dumps(options), file.name
