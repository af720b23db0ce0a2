"""A chat client on websockets: chat_websockets.py HOST:PORT NAME ROOM. Lines of stdin are said, and it ends with them."""
import asyncio, contextlib, json, sys, urllib.request
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

async def chat(address, name, room):
    login = urllib.request.Request(f"http://{address}/login", json.dumps({"name": name}).encode(),
                                   {"Content-Type": "application/json"})
    token = json.load(urllib.request.urlopen(login))["token"]
    seen, line, number, saying = None, None, 0, None

    async def say():    # one line at a time: the next one is read when this one has come back
        nonlocal line, number
        if line is None:
            line, number = (await asyncio.to_thread(sys.stdin.readline)).strip(), number + 1
        said = {"type": "say", "room": room, "key": f"{token[-6:].encode().hex()}-{number}", "text": line}
        with contextlib.suppress(ConnectionClosed):     # it is said again on the next connection
            await (ws.send(json.dumps(said)) if line else ws.close())

    async for ws in connect(f"ws://{address}/ws", subprotocols=["chat.v1"],
                            additional_headers={"Authorization": f"Bearer {token}"}):
        with contextlib.suppress(ConnectionClosed):
            await ws.send(json.dumps({"type": "enter", "room": room, "after": seen}))
            async for event in ws:
                event = json.loads(event)
                for message in event.get("messages", []):
                    seen = {"epoch": event["epoch"], "id": message["id"]}
                    print(f"{message['from']}: {message['text']}", flush=True)
                    line = None if message["from"] == name and message["key"].endswith(f"-{number}") else line
                if event["type"] in ("entered", "messages") and (saying is None or saying.done()):
                    saying = asyncio.create_task(say())
        if line == "":
            return

asyncio.run(chat(*sys.argv[1:]))
