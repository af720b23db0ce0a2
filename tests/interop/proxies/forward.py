"""Debian's squid and tinyproxy, through which clients leave a network, set up as their documentation says."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from harness import HOST, Problem, Process, free_port, is_listening, program, wait_until

START_TIME = 20     # seconds for a proxy to listen
USER = "me"
FORBIDDEN = "forbidden.test"

SQUID = """
http_port {host}:{port}
pid_filename none
access_log none
cache_log stdio:{folder}/log
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname squid.test
# Nobody is asked for the names of this test.
dns_nameservers {host}
dns_timeout 1 second
cache deny all
auth_param basic program {helper} {folder}/passwords
auth_param basic children 1
acl known proxy_auth REQUIRED
acl forbidden dstdomain {forbidden}
http_access deny forbidden
http_access allow {allowed}
http_access deny all
"""
TINYPROXY = """
Listen {host}
Port {port}
MaxClients 100
Timeout 60
LogLevel Warning
Allow {host}
Filter "{folder}/filter"
{credentials}
"""


def squid(folder, password, needs_login, **values):
    """Its command."""
    values["allowed"] = "known" if needs_login else "all"
    values["helper"] = "/usr/lib/squid/basic_ncsa_auth"
    digest = hashlib.md5(password.encode()).hexdigest()
    Path(folder, "passwords").write_text("%s:%s\n" % (USER, digest))
    Path(folder, "conf").write_text(SQUID.format(folder=folder, **values))
    if os.geteuid() == 0:
        # It becomes another user, who must read and write here.
        os.chmod(folder, 0o777)
    return [program("squid"), "-N", "-d", "1", "-f", os.path.join(folder, "conf")]


def tinyproxy(folder, password, needs_login, forbidden, **values):
    """Its command."""
    values["credentials"] = "BasicAuth %s %s" % (USER, password) if needs_login else ""
    Path(folder, "filter").write_text("^%s$\n" % forbidden.replace(".", "\\."))
    Path(folder, "conf").write_text(TINYPROXY.format(folder=folder, **values))
    return [program("tinyproxy"), "-d", "-c", os.path.join(folder, "conf")]


# How each says no: its status without credentials, with wrong ones, for a host that is forbidden, and for a server that
# is not there.
SQUID_SAYS = {"no login": 407, "wrong login": 407, "forbidden": 403, "nobody there": 503}
TINYPROXY_SAYS = {"no login": 407, "wrong login": 401, "forbidden": 403, "nobody there": 500}
# A password of tinyproxy has only letters and digits.
FORWARD = {"squid": (squid, "se:s@me", SQUID_SAYS),
           "tinyproxy": (tinyproxy, "sesame", TINYPROXY_SAYS)}


class ForwardProxy(Process):
    """A proxy: `address` is its host and port, `says` how it says no."""

    def __init__(self, name, folder, needs_login):
        command, self.password, self.says = FORWARD[name]
        self.port, self.needs_login = free_port(), needs_login
        self.address = "%s:%d" % (HOST, self.port)
        super().__init__(command(folder, self.password, needs_login, forbidden=FORBIDDEN, host=HOST,
                                 port=self.port))
        if not wait_until(lambda: is_listening(self.port), START_TIME, self):
            words = self.last_words()
            self.__exit__()
            raise Problem("it does not listen: " + words)

    def url(self, user=USER):
        """How a client names it, with credentials if it needs some."""
        if not self.needs_login or user is None:
            return "http://" + self.address
        return "http://%s:%s@%s" % (user, quote(self.password, safe=""), self.address)


@contextlib.contextmanager
def start_forward(name, needs_login):
    """Starts a proxy."""
    with tempfile.TemporaryDirectory() as folder, ForwardProxy(name, folder, needs_login) as proxy:
        yield proxy
