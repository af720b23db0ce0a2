"""Headless Chromium opens WebSockets over HTTP/2 (RFC 8441)."""

import contextlib
import http.server
import json
import queue
import re
import ssl
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from harness import HOST, chromium, key_of, start_echo

PAGE = Path(__file__).with_name("page.html")
PATIENCE = 60   # seconds for all of it
OPENED = re.compile(r"^(\S+) (\S+): opened over HTTP/2\.0, :protocol websocket$", re.M)


@contextlib.contextmanager
def page():
    """Serves the page over TLS; gives (its URL, the public key of its certificate, the queue of its results)."""
    results = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 30

        def answer(self, content):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            self.answer(PAGE.read_bytes())

        def do_POST(self):
            results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer(b"")

        def log_message(self, *_):
            pass

    certificate = trustme.CA().issue_cert(HOST)
    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as httpd:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(tls)
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        try:
            key = key_of(certificate.cert_chain_pems[0].bytes().decode())
            yield "https://%s:%d/" % httpd.server_address, key, results
        finally:
            httpd.shutdown()


@pytest.mark.parametrize("command", [
    ["axum_app", "--tls", "--deflate"], ["http2 server", "--deflate"]], ids=["axum_app", "http2"])
def test_two_websockets_in_one_connection(command):
    with start_echo(*command) as server, page() as (url, key, results):
        trusted = [key, key_of(Path(server.ca).read_text())]
        with chromium("%s?url=%s" % (url, quote(server.url)), trusted) as browser:
            try:
                result = results.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(browser.last_words() + server.last_words())
        assert result == [
            {"protocol": "echo", "extensions": "permessage-deflate",
             "echo": ["message %d" % i, True], "close": [4000 + i, True]} for i in range(2)]
        opened = OPENED.findall(server.errors())
        assert len(opened) == 2, server.errors()
        assert opened[0] == opened[1], "the same connection, which its port names"
