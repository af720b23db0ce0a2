"""Runs tests that are coroutine functions, each with a deadline, and starts our servers for them."""

import asyncio
import inspect
import logging
import signal

import pytest

pytest.register_assert_rewrite("talk", "deflate")
logging.getLogger("websockets").setLevel(logging.CRITICAL)

CHECK_TIME = 60     # seconds for one test: none takes that long, however busy the machine is


def pytest_configure():
    """Whatever was started ends with pytest, also when a signal ends it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    asyncio.run(asyncio.wait_for(test, CHECK_TIME))
    return True


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("after_all") is not None)
