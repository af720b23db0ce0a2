"""TLS: certificates, names and versions, for our server and for our client."""

import asyncio
import datetime
import ssl

import pytest
import trustme
from harness import HOST, Server, binary
from talk import (TLS_VERSIONS, connect, echo, expect, expect_failure, lines_come_back,
                  python_server, run_client)

CA = trustme.CA()


@pytest.fixture
def ca():
    """The file with the certificate of our authority."""
    with CA.cert_pem.tempfile() as file:
        yield file


def trusting(ca, version=None):
    """For a client in Python: trusts what this authority has signed, and speaks this version only."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def presenting(certificate, version=None):
    """For a server in Python: has this certificate, and speaks this version only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


# --- Python's client, our server ------------------------------------------------------------

@pytest.mark.parametrize("options", [
    {"ssl": ssl.create_default_context()}, {"ssl": trusting(CA)},
    {"server_hostname": "other.example"}],
    ids=["the system's authorities", "another authority", "another name"])
@pytest.mark.parametrize("server", ["echo_tokio --tls"], indirect=True)
async def test_a_certificate_that_is_not_trusted(server, options):
    with pytest.raises(ssl.SSLCertVerificationError):
        async with connect(server, **options):
            pass
    async with connect(server) as ws:
        await echo(ws, "somebody else")


@pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda version: version.name)
async def test_a_certificate_from_files(version):
    certificate = CA.issue_cert(HOST)
    with certificate.private_key_and_cert_chain_pem.tempfile() as pem:
        # Each file may hold more than the server needs.
        command = [binary("echo_tokio"), HOST + ":0", "--tls", "--cert", pem, "--key", pem]
        with Server(command) as server:
            async with connect(server, ssl=trusting(CA, version)) as ws:
                await echo(ws, "hello")
                tls = ws.transport.get_extra_info("ssl_object")
                expect(tls.version().replace(".", "_"), version.name, "the version")
                expect(ssl.DER_cert_to_PEM_cert(tls.getpeercert(True)).split(),
                       certificate.cert_chain_pems[0].bytes().decode().split(),
                       "the certificate")


# --- our client, Python's server ------------------------------------------------------------

@pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda version: version.name)
async def test_lines(ca, version):
    context = presenting(CA.issue_cert(HOST), version)
    text = "hello\næ → 日本語 😀\n\n" + "x" * 70000 + "\n"
    await lines_come_back(text, "--cafile", ca, ssl=context)
    await lines_come_back("".join("line %d\n" % i for i in range(2000)),
                          "--cafile", ca, "--deflate", ssl=context)


async def test_the_name_of_the_server(ca):
    context, names = presenting(CA.issue_cert("localhost")), []
    context.sni_callback = lambda _tls, name, _context: names.append(name)
    async with python_server(ssl=context) as server:
        url = server.url.replace(HOST, "localhost")
        expect(await run_client(url, "--cafile", ca, text="hello\n"), (0, "hello\n", ""),
               "the run")
        expect(server.request.headers.get("Host"), url.split("/")[2], "Host")
    expect(names, ["localhost"], "the name in the TLS handshake")


async def test_what_the_system_trusts(ca):
    async with python_server(ssl=presenting(CA.issue_cert(HOST))) as server:
        expect(await run_client(server.url, text="hello\n", SSL_CERT_FILE=ca),
               (0, "hello\n", ""), "the run")


async def test_the_server_closes_with_1011(ca):
    async def handler(ws):
        await ws.recv()
        await ws.close(1011, "broken")
    async with python_server(handler, ssl=presenting(CA.issue_cert(HOST))) as server:
        await expect_failure(server.url, "--cafile", ca, word="1011")
    expect(server.close, 1011, "the answer to Close")


def days(number):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=number)


BAD_CERTIFICATES = {
    "of another authority": ("unknown issuer", trustme.CA().issue_cert(HOST)),
    "for another name": ("another name", CA.issue_cert("other.example")),
    "expired": ("has expired", CA.issue_cert(HOST, not_before=days(-9), not_after=days(-2))),
    "not valid yet": ("not valid yet", CA.issue_cert(HOST, not_before=days(2), not_after=days(9))),
}


@pytest.mark.parametrize("word, certificate", BAD_CERTIFICATES.values(), ids=BAD_CERTIFICATES)
async def test_our_client_refuses_a_certificate(ca, word, certificate):
    async with python_server(ssl=presenting(certificate)) as server:
        await expect_failure(server.url, "--cafile", ca, word=word)
    expect(server.request, None, "the request")


async def test_a_server_without_tls(ca):
    async def handle(reader, writer):
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
        writer.close()
    async with await asyncio.start_server(handle, HOST, 0) as server:
        url = "wss://%s:%d/" % server.sockets[0].getsockname()
        await expect_failure(url, "--cafile", ca, word="no TLS")
