"""Measures one row in one program."""

import json
import os
import statistics
import subprocess
import tempfile
import time

from programs import HERE, RAW
from suite import MICROSECONDS, NO_SYSTEM_CALL

MEASURE = os.path.join(HERE, "measure.py")
SERVICES = os.path.join(HERE, "services.py")
# No row takes this long, unless its program hangs.
PATIENCE = 120
PAGE = b"<!DOCTYPE html>\n" + b"." * 4080

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
}
ENVIRONMENT["PYTHONDONTWRITEBYTECODE"] = "1"


class Failed(Exception):
    """A program that did not do its row."""


def applies(row, name):
    """Whether a program can do a row."""
    return name != RAW or (row.group == "calls" and row.title not in NO_SYSTEM_CALL)


def value(row, name, path, load, quick):
    """What the row comes to, in its unit."""
    measured = {"call": call, "peer": peer, "load": loaded, "start": start}[row.how](
        row, name, path, load, quick
    )
    return measured * 1e6 if row.unit == MICROSECONDS else measured


def call(row, name, path, load, quick, *arguments):
    command = [path] if name == RAW else [path, MEASURE]
    if quick:
        command.append("--quick")
    return json.loads(output([*command, row.title, *arguments]))[1]


def peer(row, name, path, load, quick):
    from rows.bulk import LARGE, MIB

    with Service(path, *row.arguments, str(LARGE * MIB)) as port:
        return call(row, name, path, load, quick, port)


def loaded(row, name, path, load, quick):
    kind, service, *arguments = row.arguments
    with tempfile.TemporaryDirectory() as directory:
        if service == "http":
            with open(os.path.join(directory, "page.html"), "wb") as page:
                page.write(PAGE)
            arguments = [directory]
        with Service(path, service, *arguments) as port:
            return float(output([load, kind, port, "0.05" if quick else "0.7"]))


# What the two starts have in common; the second imports first.
STARTS = {
    "time": "pass",
    "memory": "print([line for line in open('/proc/self/status') if line.startswith('VmHWM:')][0])",
}


def start(row, name, path, load, quick):
    """How much more the start takes with the import, the median of some pairs."""
    (what,) = row.arguments
    without = [path, "-c", STARTS[what]]
    with_it = [path, "-c", "import socket\n" + STARTS[what]]
    read = started if what == "time" else occupied
    pairs = 1 if quick else 15
    return statistics.median(read(with_it) - read(without) for _ in range(pairs))


def started(command):
    """Milliseconds from start to end."""
    begin = time.perf_counter()
    output(command)
    return (time.perf_counter() - begin) * 1e3


def occupied(command):
    """The MiB of memory that a program said it had at most."""
    return int(output(command).split()[1]) / 1024


def output(command):
    run = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        timeout=PATIENCE,
    )
    if run.returncode:
        last = run.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise Failed(" ".join([f"status {run.returncode}", *last]))
    return run.stdout.decode()


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
