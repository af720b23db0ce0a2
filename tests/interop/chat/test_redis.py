"""Two servers on one real Redis: one is killed, Redis is killed and comes back."""

import asyncio
import contextlib
import shutil
import signal

import pytest
from pages import browser
from servers import Chat, log_in, redis_server, way
from talk_chat import Person


@pytest.fixture
def redis():
    with redis_server() as redis:
        yield redis


@contextlib.contextmanager
def two_servers(redis):
    with Chat("--redis", redis.url) as one, Chat("--redis", redis.url) as two:
        yield one, two


async def people(*places):
    """A person for each server, in the lobby."""
    made = []
    for number, chat in enumerate(places):
        name = "Person %d" % number
        person = Person(name, log_in(chat.port, name))
        await person.connect(chat.port)
        made.append(person)
    return made


async def test_people_on_two_servers_are_in_one_room(redis):
    with two_servers(redis) as (one, two):
        ada, bob = await people(one, two)
        # A name is one person's on all servers.
        with pytest.raises(OSError):
            log_in(two.port, "person 0")
        await ada.until(lambda: ada.here == {"Person 0", "Person 1"})
        # Who came first hears it from the other server, who came last asks.
        await bob.until(lambda: bob.here == {"Person 0", "Person 1"})
        await bob.send(type="typing", room="lobby")
        await ada.until_event(lambda event: event["type"] == "typing")

        async def talk(person):
            for number in range(30):
                await person.say("%s-%d" % (person.name[-1], number))
        await asyncio.gather(talk(ada), talk(bob))
        for person in (ada, bob):
            await person.until(lambda person=person: len(person.messages) == 60)
        assert ada.messages == bob.messages
        for name in "01":
            assert [key for key in ada.keys() if key[0] == name] == ["%s-%d" % (name, n) for n in range(30)]
        # Said again on another server, it is stored once.
        other = Person(ada.name, ada.token)
        await other.connect(two.port)
        await other.say("0-3")
        await other.until_event(lambda event: event["type"] == "messages" and event["messages"][0]["key"] == "0-3")
        await bob.say("last")
        await ada.until_key("last")
        assert len(ada.messages) == 61
        for person in (ada, bob, other):
            await person.close()


async def test_a_server_that_dies_takes_no_message_along(redis):
    with two_servers(redis) as (one, two):
        ada, bob = await people(one, two)
        keys = ["a-%d" % number for number in range(25)]
        for key in keys:
            await ada.say(key)
        one.signal(signal.SIGKILL)  # at once: some are stored, some are not
        with contextlib.suppress(Exception):
            while True:
                await ada.event()
        await ada.connect(two.port)
        for key in keys:
            if key not in ada.keys():
                await ada.say(key)
        await bob.until_key(keys[-1])
        await ada.until_key(keys[-1])
        assert ada.keys() == keys
        assert bob.messages == ada.messages
        # Nobody is taken for present who was on the dead server only.
        eve = Person("Person 1", bob.token)
        await eve.connect(two.port)
        await eve.until(lambda: eve.here == {"Person 0", "Person 1"})
        for person in (ada, bob, eve):
            await person.close()


async def test_people_of_a_dead_server_are_gone_after_a_while(redis):
    with two_servers(redis) as (one, two):
        _, bob = await people(one, two)
        await bob.until(lambda: bob.here == {"Person 0", "Person 1"})
        one.signal(signal.SIGKILL)
        await bob.until(lambda: bob.here == {"Person 1"})
        await bob.close()


async def test_redis_is_killed_and_comes_back(redis):
    with two_servers(redis) as (one, two):
        ada, bob, cy = await people(one, two, one)
        await ada.say("before")
        for person in (ada, bob, cy):
            await person.until_key("before")
        redis.kill()
        for person in (ada, bob, cy):
            await person.until_stored(False)
        # Those on one server go on, and are told that the rest does not see it.
        for number in range(5):
            await ada.say("a-%d" % number)
            await bob.say("b-%d" % number)
        await cy.until(lambda: len(cy.unstored) == 5)
        assert {key for _, key in cy.unstored} == {"a-%d" % n for n in range(5)}
        await bob.until(lambda: len(bob.unstored) == 5)
        # Whoever comes meanwhile sees it, too.
        dee = Person(cy.name, cy.token)
        await dee.connect(one.port)
        assert not dee.stored and len(dee.unstored) == 5 and dee.keys() == ["before"]
        redis.start()
        for person in (ada, bob, cy, dee):
            await person.until(lambda person=person: len(person.messages) == 11)
            assert person.unstored == {}
        assert ada.messages == bob.messages == cy.messages == dee.messages
        for name in "ab":
            assert [k for k in ada.keys() if k[0] == name and k != "before"] == ["%s-%d" % (name, n) for n in range(5)]
        for person in (ada, bob, cy):
            await person.until_stored(True)
        await bob.say("after")
        await ada.until_key("after")
        for person in (ada, bob, cy, dee):
            await person.close()


async def test_a_redis_that_hangs_is_lost_until_it_answers(redis):
    with two_servers(redis) as (one, two):
        ada, bob, cy = await people(one, two, one)
        await ada.say("before")
        for person in (ada, bob, cy):
            await person.until_key("before")
        redis.process.signal(signal.SIGSTOP)
        for number in range(5):
            await ada.say("a-%d" % number)
        for person in (ada, bob, cy):
            await person.until_stored(False)
        await cy.until(lambda: len(cy.unstored) == 5)
        # What Redis was sent before and does now, and what it is sent again, is one.
        redis.process.signal(signal.SIGCONT)
        for person in (ada, bob, cy):
            await person.until_stored(True)
        await bob.say("after")
        for person in (ada, bob, cy):
            await person.until_key("after")
            assert person.keys() == ["before", *("a-%d" % number for number in range(5)), "after"]
            assert person.unstored == {}
            await person.close()


async def test_servers_that_start_again_know_the_room_and_the_people(redis):
    with two_servers(redis) as (one, two):
        ada, bob = await people(one, two)
        await ada.say("before")
        await bob.until_key("before")
        await one.terminate()
        await two.terminate()
    with Chat("--redis", redis.url) as three:
        eve = Person("Eve", log_in(three.port, "Eve"))
        await eve.connect(three.port)
        assert eve.keys() == ["before"]
        # The token is still good.
        await ada.connect(three.port)
        assert ada.keys() == ["before"] and ada.epoch == eve.epoch
        await eve.close()
        await ada.close()


async def test_a_redis_without_its_data_starts_the_room_anew(redis):
    with Chat("--redis", redis.url) as chat:
        [ada] = await people(chat)
        await ada.say("before")
        await ada.until_key("before")
        redis.kill()
        shutil.rmtree(redis.folder + "/appendonlydir")
        redis.start()
        with contextlib.suppress(Exception):
            while True:
                await ada.event()
        assert ada.ws.close_code == 1012
        epoch = ada.epoch
        await ada.connect(chat.port)
        assert ada.epoch != epoch and ada.keys() == []
        await ada.say("after")
        await ada.until_key("after")
        await ada.close()


async def test_pages_whose_server_is_killed_go_on_at_the_other(redis):
    with two_servers(redis) as (one, two):
        async with browser() as b, way(one.port) as lead:
            ada, bob = await b.page(lead.url), await b.page("http://127.0.0.1:%d/" % two.port)
            await ada.enter("Ada")
            await bob.enter("Bob")
            await ada.say("one")
            await bob.until_text("#messages .text", "one")
            lead.lead(two.port)
            one.signal(signal.SIGKILL)
            await ada.say("two")
            await bob.say("three")
            await ada.until("document.querySelectorAll('#messages .text').length === 3")
            await bob.until("document.querySelectorAll('#messages .text').length === 3")
            assert await ada.messages() == await bob.messages()
            assert set(await ada.messages()) == {"one", "two", "three"}
            redis.kill()
            await ada.until_text("#banner", "lost its storage")
            await ada.say("four")
            await bob.until_text("#tail .text", "four")
            redis.start()
            await bob.until_text("#messages .text", "four")
            await ada.until("document.getElementById('banner').hidden")
            assert await ada.messages() == await bob.messages()
