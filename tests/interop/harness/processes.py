"""Starts programs, waits for them with a deadline, and ends them.

Invariant: a process ends with the block that started it, together with its children.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections import namedtuple
from pathlib import Path

from .needs import BUILD, Missing, Problem, binary

HOST = "127.0.0.1"
LISTEN_TIME = 30    # seconds for a server to say where it listens
RUN_TIME = 45       # seconds for a program that must end by itself
LISTENING = re.compile(r"^listening on (wss?)://(\S+):(\d+)(/\S*)\s*$", re.M)

Result = namedtuple("Result", "status out err")


class NotListening(Problem):
    """A server does not say where it listens. `status` is None if it runs nevertheless."""

    def __init__(self, server):
        super().__init__("no `listening on URL`: " + server.last_words())
        self.status, self.said = server.status, server.output()


def clean_env():
    """The environment without variables that point a Python to another one's packages."""
    env = dict(os.environ, PYTHONIOENCODING="utf-8")
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "PYENV_VERSION"):
        env.pop(name, None)
    return env


def wait_until(condition, seconds, *processes):
    """Waits until the condition holds. False if the time or one of the processes ends first."""
    deadline = time.monotonic() + seconds
    while True:
        # Checked before the condition: the last output of a process counts.
        is_over = time.monotonic() > deadline or any(process.is_ended() for process in processes)
        if condition():
            return True
        if is_over:
            return False
        time.sleep(0.01)


class Process:
    """A program in a session of its own. Its output goes to files, so it never blocks on a pipe."""

    def __init__(self, command, log=None, **options):
        """With `log`, stdout and stderr go to the file of this name."""
        self.name = os.path.basename(command[0])
        self.out = open(str(log), "w+b") if log else tempfile.TemporaryFile()
        self.err = self.out if log else tempfile.TemporaryFile()
        options = {"stdin": subprocess.DEVNULL, **options}
        try:
            self.popen = subprocess.Popen(command, stdout=self.out, stderr=self.err,
                                          start_new_session=True, **options)
        except FileNotFoundError:
            raise Missing("missing: %s. If it is one of the examples, run:\n    %s"
                          % (command[0], BUILD))
        except OSError as error:
            raise Problem("cannot run %s: %s" % (command[0], error.strerror or error))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        for file in {self.out, self.err}:
            file.close()

    @property
    def pid(self):
        return self.popen.pid

    @property
    def status(self):
        """Its exit status; None while it runs."""
        return self.popen.poll()

    def is_ended(self):
        return self.status is not None

    def output(self):
        """Its stdout so far; with `log`, its stderr too."""
        return text_of(self.out)

    def errors(self):
        """Its stderr so far."""
        return text_of(self.err)

    def last_words(self):
        """How it ended, for a message."""
        said = self.output() + (self.errors() if self.err is not self.out else "")
        how = "runs" if self.status is None else "ended with status %s" % self.status
        return "\n    ".join(["%s %s" % (self.name, how)] + said.splitlines()[-15:])

    def wait(self, seconds=RUN_TIME):
        """Waits for its end; returns its exit status."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Problem("%s does not end within %s s" % (self.name, seconds))

    def signal(self, number):
        self.popen.send_signal(number)

    def stop(self, patience=0):
        """Ends it and its children; kills them if they do not end in this time (seconds)."""
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10)):
            if seconds:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.popen.wait(seconds)


def text_of(file):
    """Everything in a file to which another process writes. Both share its position."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode("utf-8", "replace")


def run(*command, text="", hold=False, seconds=RUN_TIME, **env):
    """Runs a program to its end with this text as its stdin; with `hold` its stdin does not end.
    What is left are variables of its environment."""
    with contextlib.ExitStack() as stack:
        if hold:
            stdin, writing = os.pipe()
            stack.callback(os.close, stdin)
            stack.callback(os.close, writing)
            os.write(writing, text.encode())
        else:
            stdin = stack.enter_context(tempfile.TemporaryFile())
            stdin.write(text.encode())
            stdin.seek(0)
        process = Process(command, stdin=stdin, env=dict(os.environ, **env))
        stack.enter_context(process)
        return Result(process.wait(seconds), process.output(), process.errors())


class Server(Process):
    """A server that prints `listening on URL`."""

    def __init__(self, command, **options):
        super().__init__(command, **options)
        self.ssl = None     # what a client in Python needs to trust it
        try:
            wait_until(lambda: LISTENING.search(self.output()), LISTEN_TIME, self)
            found = LISTENING.search(self.output())
            if not found:
                raise NotListening(self)
        except BaseException:
            self.__exit__()
            raise
        self.scheme, self.host, self.port = found.group(1), found.group(2), int(found.group(3))
        self.url = "%s://%s:%d%s" % (*found.groups()[:2], self.port, found.group(4))

    def files(self):
        """The number of files that it has open, its connections among them."""
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def resident(self):
        """The bytes of memory that it has."""
        status = Path("/proc/%d/status" % self.pid).read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10


@contextlib.contextmanager
def start_echo(name, *options):
    """Starts one of our servers, by its name and its command, if it has one. If it has TLS, `ca` is the file with the
    certificate to trust."""
    folder = tempfile.mkdtemp()
    try:
        program, *subcommand = name.split()
        command = [binary(program), *subcommand, HOST + ":0", *options]
        ca = os.path.join(folder, "ca.pem")
        has_tls = name in ("echo_tls", "http2 server", "http3 server") or "--tls" in options
        makes_certificate = has_tls and "--cert" not in options
        if makes_certificate:
            command += ["--write-ca", ca]
        with Server(command) as server:
            if makes_certificate:
                server.ca, server.ssl = ca, ssl.create_default_context(cafile=ca)
            yield server
    finally:
        shutil.rmtree(folder)


def is_listening(port):
    with socket.socket() as s:
        return s.connect_ex((HOST, port)) == 0


def free_port():
    """A port for a program that cannot pick one itself."""
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]
