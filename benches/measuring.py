"""Measures one row in all programs."""

import contextlib
import json
import os
import random
import statistics
import subprocess
import tempfile
import threading

from programs import HERE, RAW
from rows.timing import TURN
from suite import MICROSECONDS, NO_SYSTEM_CALL

MEASURE = os.path.join(HERE, "measure.py")
SERVICES = os.path.join(HERE, "services.py")
# Each program runs a row in PROCESSES processes. Each of them measures slices of some seconds: the
# seconds and the number of slices of a call row, and those of a server row.
PROCESSES = 3
TURNS = ("0.03", "4")
LOADED = ("0.3", 2)
# How often a program is started to see what an import adds.
STARTS = 15
# No row takes this long, unless its program hangs.
LIMIT = 120
PAGE = b"<!DOCTYPE html>\n" + b"." * 4080

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
}
ENVIRONMENT["PYTHONDONTWRITEBYTECODE"] = "1"


class Failed(Exception):
    """A program that did not do its row."""


def applies(row, name):
    """Tells whether a program can do a row."""
    return name != RAW or (row.group == "calls" and row.title not in NO_SYSTEM_CALL)


def values(row, paths, load, quick):
    """Measures the row in each program; returns the values, in its unit, and the reasons of failures.

    The programs run in alternating slices of about 30 ms where the row allows, so that
    background load affects all of them. Where a process lands, in memory and on which
    processor, can make it 1.5 times as slow, so each program runs in a few processes.
    """
    names = [name for name in paths if applies(row, name)]
    if row.unit == MICROSECONDS:
        names *= processes(quick)
    random.shuffle(names)  # So that the order favours none.
    measure = {"call": call, "peer": peer, "load": loaded, "start": start}[row.how]
    running = [(name, measure(row, name, paths[name], load, quick)) for name in names]
    found, failures = {name: [] for name in names}, {}
    try:
        while running:
            for entry in list(running):
                name, turns = entry
                try:
                    next(turns)
                    continue
                except StopIteration as done:
                    found[name] += done.value
                except (Failed, subprocess.TimeoutExpired, ValueError) as failure:
                    failures[name] = str(failure)
                running.remove(entry)
    finally:
        for _, turns in running:
            turns.close()
    # Server times vary in both directions, so their median counts.
    choose = statistics.median if row.how == "load" else min
    scale = 1e6 if row.unit == MICROSECONDS else 1
    well = [name for name in found if name not in failures]
    return {name: choose(found[name]) * scale for name in well}, failures


def processes(quick):
    return 1 if quick else PROCESSES


def slices(quick):
    return 1 if quick else int(TURNS[1])


# What follows are generators: each goes on with the next turn, and returns the
# values that it found.


def call(row, name, path, load, quick, *arguments):
    command = [path] if name == RAW else [path, MEASURE]
    command += ["--turns", *(("0.002", "1") if quick else TURNS)]
    with Program([*command, row.title, *arguments]) as program:
        while (line := program.line()) == TURN:
            yield
            program.go()
        return [json.loads(line)[1]]


def peer(row, name, path, load, quick):
    from rows.bulk import LARGE, MIB

    with Service(path, *row.arguments, str(LARGE * MIB)) as port:
        return (yield from call(row, name, path, load, quick, port))


def loaded(row, name, path, load, quick):
    kind, service, *arguments = row.arguments
    with tempfile.TemporaryDirectory() as directory:
        if service == "http":
            with open(os.path.join(directory, "page.html"), "wb") as page:
                page.write(PAGE)
            arguments = [directory]
        with Service(path, service, *arguments) as port:
            seconds, turns = ("0.05", 1) if quick else LOADED
            found = []
            for _ in range(turns):
                yield
                found.append(float(output([load, kind, port, seconds])))
            return found


# The whole start takes so long, and differs so much from one to the next, that the
# import would not show: it is timed where it happens, in a program just started.
TIME = """
import time
begin = time.perf_counter()
import socket
print((time.perf_counter() - begin) * 1e3)
"""
# At its largest, in KiB.
MEMORY = """
with open('/proc/self/status') as status:
    print([line.split()[1] for line in status if line.startswith('VmHWM:')][0])
"""


def start(row, name, path, load, quick):
    """Measures what an import adds to the start: the median of its milliseconds, or the fewest MiB."""
    (what,) = row.arguments

    def said(script):
        return float(output([path, "-c", script]))

    with_it, without = [], []
    for _ in range(1 if quick else STARTS):
        yield
        if what == "time":
            with_it.append(said(TIME))
        else:
            without.append(said(MEMORY))
            with_it.append(said("import socket" + MEMORY))
    if what == "time":
        return [statistics.median(with_it)]
    return [(min(with_it) - min(without)) / 1024]


def output(command):
    run = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        timeout=LIMIT,
    )
    if run.returncode:
        raise failed(run.returncode, run.stderr.decode(errors="replace"))
    return run.stdout.decode()


def failed(status, errors):
    return Failed(" ".join([f"status {status}", *errors.strip().splitlines()[-1:]]))


class Program:
    """Runs measure.py --turns, which prints a line before each pass and waits for an answer."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
        )
        self.limit = threading.Timer(LIMIT, self.process.kill)
        self.limit.start()

    def __enter__(self):
        return self

    def line(self):
        line = self.process.stdout.readline().strip()
        if not line:
            errors = self.process.stderr.read()
            raise failed(self.process.wait(), errors)
        return line

    def go(self):
        with contextlib.suppress(BrokenPipeError):  # Then line() has the reason.
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def __exit__(self, *_):
        self.limit.cancel()
        self.process.kill()
        self.process.communicate()


class Service:
    """A service of services.py in a process of its own, for as long as its port is needed."""

    def __init__(self, path, *arguments):
        self.command = [path, SERVICES, *arguments]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        port = self.process.stdout.readline().decode().strip()
        if not port:
            self.__exit__()
            raise Failed("the service did not start")
        return port

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
