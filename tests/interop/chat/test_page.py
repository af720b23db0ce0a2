"""The page in headless Chromium, on one server."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from harness import ROOT
from pages import browser
from servers import Chat, way

PICTURES = ROOT / "examples" / "chat" / "docs"


@pytest.fixture
def chat():
    with Chat() as chat:
        yield chat
        assert chat.is_stopped or chat.status is None, chat.last_words()


def url(chat):
    return "http://127.0.0.1:%d/" % chat.port


async def test_two_windows(chat):
    async with browser() as b:
        ada, bob = await b.page(url(chat)), await b.page(url(chat))
        await ada.enter("Ada")
        await ada.say("Is anybody here?")
        await ada.until_text("#messages .text", "Is anybody here?")
        await bob.enter("Bob")
        # What was said before he came.
        await bob.until_text("#messages .text", "Is anybody here?")
        await ada.until_text("#people li", "Bob")
        # Who types.
        await bob.run("document.getElementById('text').focus()")
        await bob.type("I am")
        await ada.until_text("#typing", "Bob is typing")
        await bob.key("Enter")
        await ada.until_text("#messages .text", "I am")
        await ada.until("document.getElementById('typing').textContent === ''")
        # Nothing that a user writes becomes markup.
        script = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>&amp;"
        await bob.say(script)
        await ada.until_text("#messages .text", script)
        assert await ada.run("document.querySelectorAll('#messages img, #messages script').length") == 0
        # What is said is read to those who cannot see it.
        assert ("Bob: " + script) in await ada.texts("#announce p")
        # A day, and a time that a machine can read.
        assert len(await ada.texts("#messages .day")) == 1
        assert await ada.run("!isNaN(new Date(document.querySelector('#messages .message time').dateTime))")
        # Whoever closes the window has left.
        await bob.call("Page.close")
        await ada.until("document.getElementById('people-count').textContent === '1'")


async def test_unread_messages_are_counted(chat):
    async with browser() as b:
        ada, bob = await b.page(url(chat)), await b.page(url(chat))
        await ada.enter("Ada")
        await bob.enter("Bob")
        # With the keyboard alone.
        await ada.run("document.getElementById('room-name').focus()")
        await ada.type("Garden")
        await ada.key("Enter")
        await ada.until("document.getElementById('room-title').textContent === 'garden'")
        for number in range(3):
            await bob.say("message %d" % number)
        await ada.until_text("#rooms .badge", "3 unread")
        assert (await ada.run("document.title")).startswith("(3)")
        await ada.key("ArrowDown", modifiers=1)
        await ada.until("document.getElementById('room-title').textContent === 'lobby'")
        await ada.until_text("#messages .text", "message 2")
        await ada.until("document.querySelectorAll('#rooms .badge').length === 0")
        assert not (await ada.run("document.title")).startswith("(")


async def test_a_login_that_is_refused_says_why(chat):
    async with browser() as b:
        ada, other = await b.page(url(chat)), await b.page(url(chat))
        await ada.enter("Ada")
        await other.log_in("ada")
        await other.until_text("#login-error", "Somebody has this name")
        await other.run("document.getElementById('name').value = ''")
        await other.log_in("<b>")
        await other.until_text("#login-error", "A name has")
        await other.run("document.getElementById('name').value = ''")
        await other.enter("Eve")
        # Without the cookie there is no WebSocket, and the page takes the name again by itself.
        await other.call("Network.clearBrowserCookies")
        assert await other.run("fetch('/me').then(answer => answer.status)") == 401
        await other.call("Page.reload")
        # The name is kept for whoever has the cookie.
        await other.until_text("#login-error", "Somebody has this name")


async def test_a_connection_that_is_cut_comes_back_with_what_was_missed(chat):
    async with browser() as b, way(chat.port) as cut:
        ada, bob = await b.page(cut.url), await b.page(url(chat))
        await ada.enter("Ada")
        await bob.enter("Bob")
        await bob.say("before")
        await ada.until_text("#messages .text", "before")
        cut.lead(None)
        cut.cut()
        await ada.until("document.getElementById('state').dataset.state === 'waiting'")
        await ada.until_text("#state-text", "reconnecting in")
        await ada.until_text("#problem-text", "not running, or cannot be reached")
        await ada.say("written offline")
        await ada.until_text("#tail .note", "waiting to be sent")
        for number in range(5):
            await bob.say("missed %d" % number)
        await bob.until_text("#messages .text", "missed 4")
        cut.lead(chat.port)
        await ada.click("#retry")
        await ada.until_open()
        wanted = ["before"] + ["missed %d" % number for number in range(5)] + ["written offline"]
        for page in (ada, bob):
            await page.until_text("#messages .text", "written offline")
            assert await page.messages() == wanted
        assert await ada.texts("#tail li") == []
        assert await ada.run("document.getElementById('problem').hidden")


async def test_a_restart_under_load(chat):
    """The server is restarted while people talk. It has no Redis, so what it knew is gone; what they write is not."""
    async with browser() as b, way(chat.port) as lead:
        pages = [await b.page(lead.url) for _ in range(2)]
        for page, name in zip(pages, ("Ada", "Bob")):
            await page.enter(name)
        said = []

        async def talk(page, name):
            for number in range(12):
                said.append("%s says %d" % (name, number))
                await page.say(said[-1])
                await asyncio.sleep(0.15)
        talking = asyncio.gather(*map(talk, pages, ("Ada", "Bob")))
        await asyncio.sleep(0.5)
        await chat.terminate()
        with Chat() as other:
            lead.lead(other.port)
            await talking
            for page in pages:
                await page.until_open()
                await page.until("document.querySelectorAll('#tail li').length === 0")
            last = {name: [text for text in said if text.startswith(name)][-1] for name in ("Ada", "Bob")}
            for page in pages:
                for text in last.values():
                    await page.until_text("#messages .text", text)
            # Everybody sees the same, and nothing twice.
            seen = await pages[0].messages()
            assert seen == await pages[1].messages()
            assert len(seen) == len(set(seen)) and set(seen) <= set(said)
            for name in ("Ada", "Bob"):
                of_one = [text for text in seen if text.startswith(name)]
                assert of_one == [text for text in said if text in of_one]


async def test_a_phone(chat):
    async with browser() as b:
        phone, ada = await b.page(url(chat), 390, 780, phone=True, dark=True), await b.page(url(chat))
        await ada.enter("Ada")
        await ada.say("x" * 300 + " " + "long words and a\nnew line")
        await phone.enter("Bob")
        await phone.until_text("#messages .text", "long words")
        # Nothing is wider than the screen, and what one needs is on it.
        assert await phone.run("document.documentElement.scrollWidth <= innerWidth")
        box = json.loads(await phone.run("JSON.stringify(document.getElementById('text').getBoundingClientRect())"))
        assert box["left"] >= 0 and box["right"] <= 390 and box["bottom"] <= 780
        await phone.click("#show-rooms")
        await phone.until("document.activeElement.classList.contains('room')")
        await phone.key("Escape")
        await phone.until("document.activeElement.id === 'text'")
        await phone.say("from the phone")
        await ada.until_text("#messages .text", "from the phone")


async def test_screenshots(chat, tmp_path):
    """A conversation, as the README shows it. `run --screenshots` makes the pictures there anew."""
    pictures = PICTURES if "CHAT_SCREENSHOTS" in os.environ else tmp_path
    pictures.mkdir(exist_ok=True)
    async with browser() as b:
        ada, grace = await b.page(url(chat), 1100, 680), await b.page(url(chat), 1100, 680, dark=True)
        linus = await b.page(url(chat), 390, 680, phone=True)
        for page, name in ((ada, "Ada"), (grace, "Grace"), (linus, "Linus")):
            await page.enter(name)
        for page in (grace, ada):
            await page.run("document.getElementById('room-name').focus()")
            await page.type("music")
            await page.key("Enter")
            await page.until_text("#room-title", "music")
        await grace.key("ArrowDown", modifiers=1)
        await ada.say("Has anybody heard the new one?")
        await grace.until_text("#rooms .badge", "1 unread")
        await ada.key("ArrowDown", modifiers=1)
        for page, text in (
                (ada, "Good morning! Is the new server up?"), (grace, "Since seven. Restarted it twice while you slept."),
                (ada, "I did not notice a thing."), (grace, "That was the plan: every window came back by itself."),
                (linus, "On the train, through three tunnels. Nothing is missing."),
                (grace, "And in the right order?"), (linus, "And in the right order.")):
            await page.say(text)
            for other in (ada, grace, linus):
                await other.until_text("#messages .text", text)
        await linus.run("document.getElementById('text').focus()")
        await linus.type("I am")
        await ada.until_text("#typing", "Linus is typing")
        await ada.screenshot(pictures / "light.png")
        await grace.screenshot(pictures / "dark.png")
        await linus.run("document.getElementById('text').value = ''")
        await linus.screenshot(pictures / "phone.png")
        await chat.terminate()
        await ada.until_text("#state-text", "reconnecting")
        await ada.until_text("#problem-text", "not running")
        await ada.say("Written while the server is away.")
        await ada.until_text("#tail .note", "waiting to be sent")
        await ada.screenshot(pictures / "away.png")
    assert all((pictures / name).stat().st_size > 10_000 for name in ("light.png", "dark.png", "phone.png"))
    assert Path(pictures / "away.png").exists()
