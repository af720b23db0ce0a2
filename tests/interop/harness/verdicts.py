"""The lines that a script prints, and its exit status.

Invariant: the last line of a script that ran is `N passed, N failed`.
"""

import os
import signal
import sys

from .needs import Missing, Problem

PASSED, FAILED, NOT_RUN, MISSING = range(4)     # exit statuses


class Verdicts:
    """Counts the checks, and prints a line for each."""

    def __init__(self):
        self.passed = self.failed = 0

    def tell(self, name, problem=None):
        """A check has passed, or has this problem."""
        if problem is None:
            self.passed += 1
            print("ok %s" % name, flush=True)
        else:
            self.failed += 1
            print("FAILED %s: %s" % (name, " ".join(str(problem).split())), flush=True)

    def end(self):
        """Prints the last line; returns the exit status. If nothing ran, nothing has passed."""
        print("%d passed, %d failed" % (self.passed, self.failed), flush=True)
        return FAILED if self.failed or not self.passed else PASSED


def main(function):
    """Runs a script to its end, which is told to end by a signal like by an exception: what it has
    started ends with it."""
    name = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    try:
        sys.exit(function())
    except Problem as problem:
        print("%s: %s" % (name, problem), file=sys.stderr)
        sys.exit(MISSING if isinstance(problem, Missing) else NOT_RUN)
