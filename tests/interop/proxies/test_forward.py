"""Our `client` leaves a network through a proxy, by CONNECT: with credentials and without, for `ws` and `wss`."""

import contextlib

import pytest
from forward import FORBIDDEN, FORWARD, start_forward
from harness import HOST, free_port, start_echo
from talk import expect, expect_failure, run_client

TEXT = "hello\næ → 日本語 😀\n\n" + "x" * (1 << 20) + "\n"


@pytest.fixture(scope="module", params=[(name, login) for name in FORWARD for login in (False, True)],
                ids=lambda param: "%s, %s" % (param[0], "login" if param[1] else "open"))
def forward(request):
    """Each proxy, for everybody and for those with a password."""
    with start_forward(*request.param) as proxy:
        yield proxy
        assert proxy.status is None, proxy.last_words()


@pytest.fixture(scope="module", params=FORWARD)
def guarded(request):
    """Each proxy that wants a password."""
    with start_forward(request.param, True) as proxy:
        yield proxy


@pytest.fixture(scope="module", params=["echo_server", "echo_tls"], ids=["ws", "wss"])
def server(request):
    """A server without TLS, and one with it."""
    with start_echo(request.param) as server:
        yield server


def trust(server):
    return ["--cafile", server.ca] if server.ssl else []


async def test_lines_come_back(forward, server):
    arguments = [server.url, *trust(server), "--proxy", forward.url(), "--deflate"]
    expect(await run_client(*arguments, text=TEXT), (0, TEXT, ""), "the run")


async def test_the_environment_names_it(guarded, server):
    name = "HTTPS_PROXY" if server.ssl else "HTTP_PROXY"
    result = await run_client(server.url, *trust(server), text="hi\n", **{name: guarded.url()})
    expect(result, (0, "hi\n", ""), "the run")
    # Without the password it says no: so it was asked.
    asked = {name: guarded.url(None)}
    status, _, err = await run_client(server.url, *trust(server), text="hi\n", **asked)
    assert status != 0 and "the proxy refused with HTTP status 407" in err, err
    # Servers that need none, and the proxy of the other scheme.
    other = {"HTTP_PROXY" if server.ssl else "HTTPS_PROXY": guarded.url(None)}
    for direct in (dict(asked, NO_PROXY="a.test," + server.host), other):
        result = await run_client(server.url, *trust(server), text="hi\n", **direct)
        expect(result, (0, "hi\n", ""), "the run")


@pytest.mark.parametrize("user, case", [(None, "no login"), ("mallory", "wrong login")])
async def test_it_wants_other_credentials(guarded, server, user, case):
    named = guarded.url(user)
    await expect_failure(server.url, *trust(server), "--proxy", named,
                         word="the proxy refused with HTTP status %d" % guarded.says[case])


async def test_it_does_not_let_us_through(forward):
    for url, case in (("ws://%s/" % FORBIDDEN, "forbidden"),
                      ("ws://%s:%d/" % (HOST, free_port()), "nobody there")):
        await expect_failure(url, "--proxy", forward.url(),
                             word="the proxy refused with HTTP status %d" % forward.says[case])


async def test_a_refusal_of_the_server_is_told_from_one_of_the_proxy(forward):
    with contextlib.ExitStack() as stack:
        for name in ("echo_server", "echo_tls"):
            server = stack.enter_context(start_echo(name, "--same-origin"))
            await expect_failure(server.url, *trust(server), "--proxy", forward.url(),
                                 "--origin", "https://evil.example",
                                 word="the server refused with HTTP status 403")
