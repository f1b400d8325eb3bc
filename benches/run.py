#!/usr/bin/env python3
"""Compares `interpreter` with CPython 3.13, RustPython's own socket module and bare system calls.

    python3 benches/run.py [--runs N] [--rows TEXT ...] [--programs NAME[=PATH],...]
                           [--quick] [--no-build] [--out DIRECTORY] [--readme]

Builds what it needs, measures every row in all programs, which take turns, several
times, and prints medians, ratios against CPython and their geometric mean. The same
goes as JSON, text and charts into --out.

--rows      only rows whose title or group (calls, programs, start, scaling) contains a TEXT
--programs  the programs to compare: interpreter, stock, cpython, raw; NAME=PATH says where one is
--quick     runs each row once, to see that it works; the times mean nothing
--readme    puts the results into benches/results and the README, unless a row failed or other
            programs used much of the machine

Exit status: 0 all rows ran, 1 some failed or --readme was refused, 2 a program is missing.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

import chart
import measuring
import programs
import report
import suite


# Percent of the machine that others may use without a warning.
BUSY = 10


def options():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", nargs="+", default=[""])
    parser.add_argument("--programs", default=",".join(programs.ALL))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--out", default=os.path.join(programs.ROOT, "target", "benchmark"))
    parser.add_argument("--readme", action="store_true")
    chosen = parser.parse_args()
    if chosen.readme:
        if chosen.quick or chosen.rows != [""] or chosen.programs != ",".join(programs.ALL):
            parser.error("--readme takes all rows and programs, and no --quick")
    if chosen.quick:
        chosen.runs = 1
    return chosen


def main():
    chosen = options()
    try:
        if not chosen.no_build:
            programs.build()
        paths = {}
        for program in chosen.programs.split(","):
            name, _, path = program.partition("=")
            paths[name] = path or programs.locate(name)
        load = paths.pop(programs.LOAD, None) or programs.locate(programs.LOAD)
    except programs.Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    rows = [
        row
        for row in suite.rows()
        if any(text == row.group or text in row.title for text in chosen.rows)
    ]
    # For 10,000 sockets at once; children inherit it.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    facts = programs.facts(paths)
    facts["runs"] = chosen.runs
    facts["processes"] = measuring.processes(chosen.quick)
    facts["slices"] = measuring.slices(chosen.quick)
    others = programs.Others()
    values, failures = measure(rows, paths, load, chosen)
    facts["others"] = others.percent()
    results = report.results(rows, list(paths), values, failures, facts)
    print(report.text(results))
    is_busy = facts["others"] > BUSY
    if is_busy:
        print("\nOther programs took much of this machine: do not trust these numbers.")
    refused = chosen.readme and (is_busy or failures)
    if refused:
        print("\nThe README keeps its results, because " + (
            "rows failed." if failures else "other programs took much of this machine."))
    if chosen.readme and not refused:
        chosen.out = os.path.join(programs.HERE, "results")
    os.makedirs(chosen.out, exist_ok=True)
    report.write(results, chosen.out)
    chart.write(results, chosen.out)
    if chosen.readme and not refused:
        report.into_readme(results, os.path.join(programs.ROOT, "README.md"))
    print(f"\nJSON, text and charts: {chosen.out}")
    return 1 if failures or refused else 0


def measure(rows, paths, load, chosen):
    """The values of each row and program, and what failed."""
    values = {(row.title, name): [] for row in rows for name in paths}
    failures = {}
    progress = Progress(len(rows) * chosen.runs)
    for run in range(chosen.runs):
        for row in rows:
            progress.step(f"run {run + 1} of {chosen.runs}: {row.title}")
            well = {name: path for name, path in paths.items() if (row.title, name) not in failures}
            measured, failed = measuring.values(row, well, load, chosen.quick)
            for name, value in measured.items():
                values[row.title, name].append(value)
            for name, failure in failed.items():
                failures[row.title, name] = failure
    progress.end()
    return values, failures


class Progress:
    """A line on standard error that says how far the run is."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.start = time.monotonic()
        self.alive = sys.stderr.isatty()

    def step(self, what):
        spent = time.monotonic() - self.start
        left = spent / self.done * (self.total - self.done) if self.done > 5 else 0
        about = f", {left / 60:.0f} min left" if left else ""
        line = f"[{self.done}/{self.total}{about}] {what}"
        if self.alive:
            print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)
        elif self.done % max(1, self.total // 20) == 0:
            print(line, file=sys.stderr, flush=True)
        self.done += 1

    def end(self):
        if self.alive:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
