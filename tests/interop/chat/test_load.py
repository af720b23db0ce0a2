"""The load program, with few members: it fails if a message is lost, double or out of order."""

import asyncio

from harness import binary, run
from servers import redis_server

LOAD = ["--members", "400", "--room", "50", "--seconds", "3"]


async def load(*options):
    result = await asyncio.get_running_loop().run_in_executor(None, lambda: run(binary("chat_load"), *LOAD, *options))
    assert result.status == 0, result.err
    assert "| 400 | 24 | 1200 | 0 | 0 |" in result.out, result.out


async def test_one_server():
    await load()


async def test_two_servers():
    with redis_server() as redis:
        await load("--servers", "2", "--redis", redis.url)
