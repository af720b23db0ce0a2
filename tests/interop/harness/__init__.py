"""What the scripts and tests of this folder share. Python 3.8 and the standard library are enough.

- `needs`: what must be there, where it is, and the command that brings it; nothing installs anything
- `browser`: Chromium, and what it needs to trust a certificate
- `processes`: starting programs, waiting with a deadline, and ending all of them, after a failure too
- `verdicts`: the line of each check and the last line, exit statuses
"""

from .browser import chromium, key_of
from .needs import (AUTOBAHN, HERE, NODE_MODULES, PYTHON, ROOT, TARGET, Missing, Problem, binary,
                    need, program, run_pytest)
from .processes import (HOST, NotListening, Process, Result, Server, clean_env, free_port,
                        is_listening, run, start_echo, wait_until)
from .verdicts import Verdicts, main

__all__ = [
    "AUTOBAHN", "HERE", "HOST", "NODE_MODULES", "PYTHON", "ROOT", "TARGET", "Missing", "NotListening",
    "Problem", "Process", "Result", "Server", "Verdicts", "binary", "chromium", "clean_env",
    "free_port", "is_listening", "key_of", "main", "need",
    "program", "run", "run_pytest", "start_echo", "wait_until",
]
