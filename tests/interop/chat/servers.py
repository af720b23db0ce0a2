"""Chat servers, a Redis, and a way between browser and server that can be cut.

Invariant: whatever is started ends with its block.
"""

import asyncio
import contextlib
import json
import re
import shutil
import signal
import tempfile
import urllib.request

from harness import HOST, Problem, Process, binary, free_port, is_listening, program, wait_until

OPEN = re.compile(r"^open http://(\S+):(\d+)/$", re.M)
START_TIME = 30     # seconds for a server to say where it listens


class Chat(Process):
    """A chat server."""

    def __init__(self, *options, port=0):
        super().__init__([binary("chat"), "%s:%d" % (HOST, port), *options])
        try:
            wait_until(lambda: OPEN.search(self.output()), START_TIME, self)
            found = OPEN.search(self.output())
            if not found:
                raise Problem("no `open URL`: " + self.last_words())
        except BaseException:
            self.__exit__()
            raise
        self.port, self.is_stopped = int(found.group(2)), False

    async def terminate(self):
        """Tells it to stop, and waits until it has."""
        self.is_stopped = True
        self.signal(signal.SIGTERM)
        status = await asyncio.get_running_loop().run_in_executor(None, self.wait)
        assert status == 0, self.last_words()


class Redis:
    """A Redis server, which can be killed and started again with what it has stored."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        self.url = "redis://%s:%d/" % (HOST, self.port)

    def start(self):
        # Every answer comes after the message is in the file: a killed Redis loses nothing.
        self.process = Process([
            program("redis-server"), "--port", str(self.port), "--bind", HOST, "--dir", self.folder,
            "--appendonly", "yes", "--save", ""])
        assert wait_until(lambda: is_listening(self.port), START_TIME, self.process), \
            self.process.last_words()

    def kill(self):
        if self.process:
            self.process.__exit__()
            self.process = None


@contextlib.contextmanager
def redis_server():
    folder = tempfile.mkdtemp()
    redis = Redis(folder)
    try:
        redis.start()
        yield redis
    finally:
        redis.kill()
        shutil.rmtree(folder)


class Way:
    """What lies between clients and a server, as a balancer does: it leads to one server, can be cut, and can be led to another."""

    def __init__(self, port):
        self.to, self.writers = port, set()

    async def serve(self, reader, writer):
        if self.to is None:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.to)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self.writers |= both

        async def copy(reader, writer):
            with contextlib.suppress(OSError):
                while data := await reader.read(1 << 16):
                    writer.write(data)
                    await writer.drain()
            writer.close()
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        self.writers -= both

    def cut(self):
        """Ends every connection, without a goodbye."""
        for writer in list(self.writers):
            writer.transport.abort()

    def lead(self, port):
        """New connections go to the server at this port; with None they are refused."""
        self.to = port


@contextlib.asynccontextmanager
async def way(port):
    made = Way(port)
    server = await asyncio.start_server(made.serve, HOST, 0)
    made.port = server.sockets[0].getsockname()[1]
    made.url = "http://%s:%d/" % (HOST, made.port)
    try:
        yield made
    finally:
        server.close()
        made.cut()


def log_in(port, name):
    """The token of this name."""
    request = urllib.request.Request(
        "http://%s:%d/login" % (HOST, port), json.dumps({"name": name}).encode(),
        {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return json.load(answer)["token"]
