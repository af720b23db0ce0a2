"""A fresh headless Chromium, and the public keys of certificates, by which it knows them.

Invariant: it trusts what the test names, and its profile ends with it.
"""

import base64
import contextlib
import hashlib
import os
import shutil
import ssl
import tempfile

from .needs import program
from .processes import Process


@contextlib.contextmanager
def chromium(url, trusted, *options):
    """Opens the page in a fresh Chromium, which trusts these public keys beside its own
    authorities; gives its process."""
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp()
        # The last output of its children does not matter.
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # No sandbox: root cannot have one, and the only page is ours. No proxy, nor anything else
        # that is not on this machine.
        command = [program("chromium"), "--headless", "--no-sandbox", "--user-data-dir=" + folder,
                   "--ignore-certificate-errors-spki-list=" + ",".join(trusted),
                   "--no-proxy-server", "--no-first-run", "--no-default-browser-check",
                   "--disable-background-networking", "--disable-component-update",
                   "--disable-sync", "--disable-extensions", "--disable-breakpad",
                   "--disable-gpu", "--disable-dev-shm-usage", *options, url]
        env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        yield stack.enter_context(Process(command, env=dict(env, HOME=folder)))


def key_of(pem):
    """The digest of the public key of a certificate, by which Chromium knows it."""
    digest = hashlib.sha256(public_key(ssl.PEM_cert_to_DER_cert(pem))).digest()
    return base64.b64encode(digest).decode()


def public_key(certificate):
    """The SubjectPublicKeyInfo of a certificate, both in DER."""
    def element(at):
        """(tag, start of the content, end) of the element at this place."""
        length, start = certificate[at + 1], at + 2
        if length >= 0x80:
            start += length - 0x80
            length = int.from_bytes(certificate[at + 2:start], "big")
        return certificate[at], start, start + length

    _, at, _ = element(0)     # Certificate
    _, at, _ = element(at)    # TBSCertificate
    tag, _, after = element(at)
    if tag == 0xa0:           # the version, which may be left out
        at = after
    for _ in range(5):        # serialNumber, signature, issuer, validity, subject
        _, _, at = element(at)
    _, _, after = element(at)
    return certificate[at:after]
