"""`chat.v1` in Python: a client that keeps to PROTOCOL.md, and remembers what it has seen.

Invariant: it fails if an id comes twice with another content, or out of order.
"""

import asyncio
import contextlib
import json

from harness import HOST
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

PATIENCE = 30       # seconds for an event


class Person:
    """One person in one room."""

    def __init__(self, name, token, room="lobby"):
        self.name, self.token, self.room = name, token, room
        self.epoch, self.messages, self.unstored, self.here = None, [], {}, set()
        self.ws = self.stored = None

    @property
    def last(self):
        return self.messages[-1]["id"] if self.messages else 0

    async def connect(self, port):
        """Connects and enters, and catches up."""
        self.ws = await connect("ws://%s:%d/ws" % (HOST, port), subprotocols=["chat.v1"], proxy=None,
                                additional_headers={"Authorization": "Bearer " + self.token})
        after = None if self.epoch is None else {"epoch": self.epoch, "id": self.last}
        await self.send(type="enter", room=self.room, after=after)
        await self.until_event(lambda event: event["type"] == "entered")

    async def send(self, **request):
        await self.ws.send(json.dumps(request))

    async def say(self, key, text=None):
        await self.send(type="say", room=self.room, key=key, text=text or key)

    async def event(self):
        event = json.loads(await asyncio.wait_for(self.ws.recv(), PATIENCE))
        kind = event["type"]
        if kind == "messages":
            if event["reset"]:
                self.messages = []
            elif event["epoch"] != self.epoch:
                return event
            self.epoch = event["epoch"]
            for message in event["messages"]:
                if message["id"] > self.last:
                    assert not self.messages or message["id"] == self.last + 1, (message, self.last)
                    self.messages.append(message)
                else:
                    assert message in self.messages, "the same id, something else: %r" % message
                self.unstored.pop((message["from"], message["key"]), None)
        elif kind == "unstored":
            self.unstored[event["message"]["from"], event["message"]["key"]] = event["message"]
        elif kind == "entered":
            self.here = set(event["here"])
        elif kind == "here":
            self.here = self.here.union(event["joined"]).difference(event["left"])
        elif kind in ("welcome", "storage"):
            self.stored = event["stored"]
        return event

    async def until_event(self, condition):
        """Takes events until one of them meets this condition."""
        async def wait():
            while not condition(await self.event()):
                pass
        await asyncio.wait_for(wait(), PATIENCE)

    async def until(self, condition):
        """Takes events until what is known meets this condition."""
        async def wait():
            while not condition():
                await self.event()
        await asyncio.wait_for(wait(), PATIENCE)

    async def until_key(self, key):
        """Waits until a message with this key has an id."""
        await self.until(lambda: key in self.keys())

    async def until_stored(self, stored):
        """Waits until the server has lost its storage, or has it again."""
        await self.until(lambda: self.stored == stored)

    def keys(self):
        return [message["key"] for message in self.messages]

    async def close(self):
        with contextlib.suppress(ConnectionClosed):
            await self.ws.close()
