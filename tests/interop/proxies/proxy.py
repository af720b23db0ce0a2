"""Debian's nginx and haproxy in front of a server, set up as their documentation says."""

import contextlib
import os
import ssl
import tempfile
from pathlib import Path

import trustme
from harness import HOST, Problem, Process, free_port, is_listening, program, wait_until

CA = trustme.CA()
PROXIES = ["nginx", "haproxy"]
START_TIME = 20     # seconds for a proxy to listen
IDLE_TIME = 60      # seconds without a byte until a proxy gives up

# What the proxy does to the header `Host`; the mistakes are common ones.
HOSTS = {
    "kept": {"nginx": "proxy_set_header Host $http_host;", "haproxy": ""},
    "rewritten": {"nginx": "", "haproxy": "http-request set-header Host backend.internal"},
    "without port": {"nginx": "proxy_set_header Host $host;",
                     "haproxy": "http-request set-header Host %[req.hdr(host),field(1,:)]"},
}

NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr warn;
worker_processes 1;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port} {tls};
        {certificate}
        location / {{
            proxy_pass {scheme}://{host}:{server.port};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout {idle}s;
            {rewrite}
            {trust}
        }}
        # What is easily forgotten.
        location /no-version {{ proxy_pass {scheme}://{host}:{server.port}; }}
        location /no-upgrade {{
            proxy_pass {scheme}://{host}:{server.port};
            proxy_http_version 1.1;
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client {idle}s
    timeout server {idle}s
    timeout tunnel {idle}s
frontend in
    bind {host}:{port} {tls}
    default_backend ours
backend ours
    {rewrite}
    server ours {host}:{server.port} {trust}
"""


class Proxy(Process):
    """A proxy: `url`, `port`, and what a client is to trust, as `ssl` and as the file `ca`."""

    def __init__(self, name, server, folder, tls=False, host="kept", idle=IDLE_TIME):
        self.port, self.ssl, self.ca = free_port(), None, None
        values = dict(folder=folder, host=HOST, port=self.port, server=server, idle=idle, user="",
                      rewrite=HOSTS[host][name], tls="", certificate="", trust="", scheme="http")
        if tls:
            pem, self.ca = os.path.join(folder, "pem"), os.path.join(folder, "ca")
            CA.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(pem)
            CA.cert_pem.write_to_path(self.ca)
            self.ssl = ssl.create_default_context(cafile=self.ca)
        is_upstream_tls = server.url.startswith("wss:")
        if name == "nginx":
            if os.geteuid() == 0:
                values["user"] = "user root;"   # its workers write below our folder
            if tls:
                values["tls"] = "ssl"
                values["certificate"] = "ssl_certificate {0}; ssl_certificate_key {0};".format(pem)
            if is_upstream_tls:
                values["scheme"] = "https"
                values["trust"] = ("proxy_ssl_verify on; proxy_ssl_trusted_certificate %s; "
                                   "proxy_ssl_name localhost;" % server.ca)
            command, text = ["-e", "stderr", "-p", folder, "-c"], NGINX
        else:
            if tls:
                values["tls"] = "ssl crt " + pem
            if is_upstream_tls:
                values["trust"] = "ssl verify required ca-file %s verifyhost localhost" % server.ca
            command, text = ["-db", "-f"], HAPROXY
        conf = Path(folder, "conf")
        conf.write_text(text.format(**values))
        super().__init__([program(name), *command, str(conf)])
        self.url = "%s://%s:%d/" % ("wss" if tls else "ws", HOST, self.port)
        if not wait_until(lambda: is_listening(self.port), START_TIME, self):
            words = self.last_words()
            self.__exit__()
            raise Problem("it does not listen: " + words)


@contextlib.contextmanager
def start_proxy(name, server, **options):
    """Puts a proxy in front of this server."""
    with tempfile.TemporaryDirectory() as folder, Proxy(name, server, folder, **options) as proxy:
        yield proxy
