"""A chat client on Tornado: chat_tornado.py HOST:PORT NAME ROOM. Lines of stdin are said, and it ends with them."""
import asyncio, json, sys
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

async def chat(address, name, room):
    login = await AsyncHTTPClient().fetch(f"http://{address}/login", method="POST", body=json.dumps({"name": name}),
                                          headers={"Content-Type": "application/json"})
    headers = {"Authorization": "Bearer " + json.loads(login.body)["token"]}
    ws = await websocket_connect(HTTPRequest(f"ws://{address}/ws", headers=headers), subprotocols=["chat.v1"])
    await ws.write_message(json.dumps({"type": "enter", "room": room}))

    async def say():
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            await ws.write_message(json.dumps({"type": "say", "room": room, "text": line}))
        ws.close()

    saying = None
    while (event := await ws.read_message()) is not None:
        event = json.loads(event)
        for message in event.get("messages", []):
            print(f"{message['from']}: {message['text']}", flush=True)
        if event["type"] == "entered":
            saying = asyncio.create_task(say())

asyncio.run(chat(*sys.argv[1:]))
