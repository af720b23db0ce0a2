"""Who is in without a browser: the clients of the example's folder, and our client for the terminal."""

import asyncio
import contextlib
import json

import pytest
from harness import HOST, PYTHON, ROOT, Process, binary
from servers import Chat, log_in, way
from talk_chat import Person

CLIENTS = ROOT / "examples" / "chat" / "clients"
PATIENCE = 30   # seconds for what a client prints


@pytest.fixture
def chat():
    with Chat() as chat:
        yield chat
        assert chat.status is None, chat.last_words()


@contextlib.contextmanager
def started(*command):
    """A program, and a pipe into its stdin."""
    with Process([str(part) for part in command], stdin=-1) as process:
        def type_line(line):
            process.popen.stdin.write(line.encode() + b"\n")
            process.popen.stdin.flush()
        yield process, type_line
        process.popen.stdin.close()


async def prints(process, line):
    async def wait():
        while line not in process.output().splitlines():
            await asyncio.sleep(0.02)
    try:
        await asyncio.wait_for(wait(), PATIENCE)
    except asyncio.TimeoutError:
        raise AssertionError("%r does not come: %s" % (line, process.last_words()))


async def ends(process):
    process.popen.stdin.close()
    status = await asyncio.get_running_loop().run_in_executor(None, process.wait)
    assert status == 0, process.last_words()


@pytest.mark.parametrize("client", ["chat_websockets.py", "chat_tornado.py"])
async def test_python(chat, client):
    ada = Person("Ada", log_in(chat.port, "Ada"))
    await ada.connect(chat.port)
    await ada.say("before")
    await ada.until_key("before")
    with started(PYTHON, CLIENTS / client, "%s:%d" % (HOST, chat.port), "Bob", "lobby") as (bob, type_line):
        await prints(bob, "Ada: before")
        type_line("from Python <b>")
        await ada.until(lambda: ada.messages[-1]["text"] == "from Python <b>")
        await prints(bob, "Bob: from Python <b>")
        await ada.say("hello")
        await prints(bob, "Ada: hello")
        await ends(bob)
    await ada.close()


async def test_python_comes_back(chat):
    async with way(chat.port) as cut:
        ada = Person("Ada", log_in(chat.port, "Ada"))
        await ada.connect(chat.port)
        with started(PYTHON, CLIENTS / "chat_websockets.py", "%s:%d" % (HOST, cut.port), "Bob", "lobby") as (bob, type_line):
            type_line("one")
            await ada.until(lambda: len(ada.messages) == 1)
            cut.lead(None)
            cut.cut()
            await ada.say("missed")
            await ada.until_key("missed")
            type_line("two")
            cut.lead(chat.port)
            await ada.until(lambda: len(ada.messages) == 3)
            await prints(bob, "Bob: two")
            assert bob.output().splitlines() == ["Bob: one", "Ada: missed", "Bob: two"]
            await ends(bob)
        await ada.close()


async def test_our_client(chat):
    ada = Person("Ada", log_in(chat.port, "Ada"))
    await ada.connect(chat.port)
    token = log_in(chat.port, "Bob")
    with started(binary("client"), "--subprotocol", "chat.v1", "--header", "Authorization: Bearer " + token,
                 "--deflate", "ws://%s:%d/ws" % (HOST, chat.port)) as (bob, type_line):
        type_line(json.dumps({"type": "enter", "room": "lobby"}))
        type_line(json.dumps({"type": "say", "room": "lobby", "text": "from the terminal"}))
        await ada.until(lambda: ada.messages and ada.messages[-1]["text"] == "from the terminal")
        await ada.say("hello")

        async def heard():
            while "hello" not in bob.output():
                await asyncio.sleep(0.02)
        await asyncio.wait_for(heard(), PATIENCE)
    await ada.close()
