"""Pages in headless Chromium, driven by its DevTools protocol.

Invariant: each page has a person of its own (cookies, storage), and every wait has a limit.
"""

import asyncio
import base64
import contextlib
import json
import re

from harness import chromium, wait_until
from websockets.asyncio.client import connect

PATIENCE = 30       # seconds until what a test waits for is on the page
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")


class Browser:
    """A Chromium, and its pages."""

    def __init__(self, ws):
        self.ws, self.number, self.answers, self.problems = ws, 0, {}, []

    async def read(self):
        async for message in self.ws:
            message = json.loads(message)
            if "id" in message:
                future = self.answers.pop(message["id"])
                if not future.done():
                    future.set_result(message)
            elif message.get("method") == "Runtime.exceptionThrown":
                self.problems.append(message["params"]["exceptionDetails"])

    async def call(self, method, session=None, **params):
        self.number += 1
        future = self.answers[self.number] = asyncio.get_running_loop().create_future()
        request = {"id": self.number, "method": method, "params": params}
        if session:
            request["sessionId"] = session
        await self.ws.send(json.dumps(request))
        answer = await asyncio.wait_for(future, PATIENCE)
        assert "error" not in answer, answer
        return answer["result"]

    async def page(self, url, width=1100, height=700, phone=False, dark=False):
        """Opens a page for a new person."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, session)
        await page.call("Runtime.enable")
        await page.call("Page.enable")
        await page.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                        deviceScaleFactor=2 if phone else 1, mobile=phone)
        # Each page is seen: what is on it is read.
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        await page.call("Page.navigate", url=url)
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    async def call(self, method, **params):
        return await self.browser.call(method, self.session, **params)

    async def run(self, script):
        """The value of an expression."""
        result = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, condition, seconds=PATIENCE):
        """Waits until an expression is true."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            with contextlib.suppress(AssertionError):   # the page may be on its way
                if await self.run("Boolean(%s)" % condition):
                    return
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError("%s does not become true; the page says: %.1500s" % (
                    condition, await self.run("document.body.innerText")))
            await asyncio.sleep(0.03)

    async def until_text(self, selector, text):
        await self.until("[...document.querySelectorAll(%s)].some(e => e.textContent.includes(%s))"
                         % (json.dumps(selector), json.dumps(text)))

    async def texts(self, selector):
        return await self.run("[...document.querySelectorAll(%s)].map(e => e.textContent)" % json.dumps(selector))

    async def click(self, selector):
        await self.run("document.querySelector(%s).click()" % json.dumps(selector))

    async def type(self, text):
        """Types where the focus is."""
        await self.call("Input.insertText", text=text)

    async def key(self, key, code=None, modifiers=0):
        number = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38}[key]
        extra = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key,
                            windowsVirtualKeyCode=number, modifiers=modifiers, **(extra if kind == "keyDown" else {}))

    async def log_in(self, name):
        """Types a name, and presses Enter."""
        await self.until("!document.getElementById('login').hidden")
        await self.run("document.getElementById('name').focus()")
        await self.type(name)
        await self.key("Enter")

    async def enter(self, name):
        await self.log_in(name)
        await self.until_open()

    async def until_open(self):
        await self.until("document.getElementById('state').dataset.state === 'open'")
        await self.until_text("#people li", "(you)")

    async def say(self, text):
        """Types a message, and presses Enter."""
        await self.run("document.getElementById('text').focus()")
        await self.type(text)
        await self.key("Enter")

    async def messages(self):
        """The texts of the messages that have ids."""
        return await self.texts("#messages .text")

    async def screenshot(self, path):
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))


@contextlib.asynccontextmanager
async def browser():
    """A fresh Chromium. No page of it may have thrown anything."""
    with chromium("about:blank", [], "--remote-debugging-port=0") as process:
        assert wait_until(lambda: LISTENING.search(process.errors()), PATIENCE, process), process.last_words()
        url = LISTENING.search(process.errors()).group(1)
        async with connect(url, max_size=None, proxy=None) as ws:
            made = Browser(ws)
            reading = asyncio.create_task(made.read())
            try:
                yield made
            finally:
                reading.cancel()
            assert made.problems == []
