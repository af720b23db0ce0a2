"""Judges the suite's reports: anything but OK fails.

Invariant: a case without a result fails, and so does a result without a case.
"""

import html
import json
import os
import re

SECTIONS = {
    "1": "Framing", "2": "Pings/Pongs", "3": "Reserved Bits", "4": "Opcodes",
    "5": "Fragmentation", "6": "UTF-8 Handling", "7": "Close Handling",
    "9": "Limits/Performance", "10": "Auto-Fragmentation",
    "12": "Compression (payloads)", "13": "Compression (parameters)",
}
# The suite gives these this result whatever the peer does.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}


def read_results(folder):
    """{case: result} from the suite's reports, and the number of all results."""
    try:
        with open(os.path.join(folder, "index.json")) as f:
            agents = json.load(f)
    except (OSError, ValueError):
        agents = {}
    results = {}
    for of_agent in agents.values():
        results.update(of_agent)
    return results, sum(map(len, agents.values()))


def failure(case, result):
    """Why the case fails; None if it passes."""
    if result is None:
        return "no result"
    accepted = {"OK", "INFORMATIONAL"} if case in INFORMATIONAL else {"OK"}
    behavior, close = result["behavior"], result["behaviorClose"]
    if behavior in accepted and close in accepted:
        return None
    return "behavior %s, close %s" % (behavior, close)


def words(folder, result):
    """What the suite says about the result."""
    try:
        with open(os.path.join(folder, result["reportfile"]), encoding="utf-8") as f:
            report = json.load(f)
    except (OSError, ValueError, TypeError, KeyError):
        return
    for name in ("description", "result", "resultClose"):
        text = html.unescape(re.sub(r"<[^>]*>", " ", str(report.get(name) or "")))
        if text.strip():
            yield "    %-12s %s" % (name, " ".join(text.split())[:300])


def judge(mode, cases, folder, problems):
    """Prints the table, the failures and the last line; returns the exit status."""
    results, judged = read_results(folder)
    failures = {c: failure(c, results.get(c)) for c in cases}
    print("%-28s %6s %6s %6s" % ("section", "cases", "passed", "failed"))
    for section in sorted({c.split(".")[0] for c in cases}, key=int):
        whys = [why for c, why in failures.items() if c.split(".")[0] == section]
        failed = sum(why is not None for why in whys)
        title = "%2s %s" % (section, SECTIONS.get(section, ""))
        print("%-28s %6d %6d %6d" % (title, len(whys), len(whys) - failed, failed))
    missing = [c for c in cases if c not in results]
    if missing:
        print("FAILED, no result: " + " ".join(missing))
    for case in cases:
        if failures[case] and case in results:
            print("FAILED %s: %s" % (case, failures[case]))
            for line in words(folder, results[case]):
                print(line)
    if judged != len(cases) - len(missing):
        problems = problems + ["%d results for %d cases" % (judged, len(cases))]
    for problem in problems:
        print("FAILED: " + problem)
    failed = sum(why is not None for why in failures.values())
    print("reports: " + os.path.relpath(folder))
    # A problem outside the cases is a failure, too.
    print("autobahn %s: %d passed, %d failed"
          % (mode, len(cases) - failed, failed + len(problems)), flush=True)
    return 1 if failed or problems else 0
