#!/usr/bin/env python3
"""Says where the time of each call goes: the kernel, the interpreter, this module.

    python3 benches/profile.py [--rows TEXT ...] [--out FILE]

Runs the rows of measure.py in `interpreter` and in CPython 3.13 under perf(1),
which looks many times a second at what is running, and prints for each row what
share of its processor time was where. Build the programs first: run.py does.

Exit status: 0 done, 2 a program, or perf, is missing.
"""

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

import measuring
import programs
from suite import CALLS

KERNEL, VM, MODULE, MEMORY, LIBC = "kernel", "VM", "module", "memory", "libc"
PARTS = [KERNEL, VM, MODULE, MEMORY, LIBC]
# What the allocators' functions are called, and how such names begin.
MALLOC = {"malloc", "calloc", "realloc", "free", "cfree", "vfree"}
ALLOCATORS = ("mi_", "_mi_", "_int_", "operator ", "_PyObject_Malloc", "_PyObject_Free", "_PyObject_Realloc")
# Milliseconds of the start that are not looked at, and seconds of a pass.
START, PASS = 600, "1"


def part(program, symbol):
    """Returns the part of PARTS to which a function belongs."""
    if program.startswith("[") or symbol.startswith("[k]"):
        return KERNEL
    if "rustpython_socket" in symbol or program.startswith("_socket."):
        return MODULE
    name = symbol.removeprefix("[.] ")
    if name in MALLOC or name.startswith(ALLOCATORS):
        return MEMORY
    if program.startswith(("libc.", "ld-linux", "libm.", "libpthread")):
        return LIBC
    return VM


def shares(title, path):
    """Microseconds of a round, and each part's share of the processor time."""
    with tempfile.TemporaryDirectory() as directory:
        data = os.path.join(directory, "perf.data")
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "5000", "-D", str(START), "-o", data]
        program = [path, measuring.MEASURE, "--pass", PASS, title]
        took = json.loads(measuring.output([*record, "--", *program]).splitlines()[-1])[1]
        report = ["perf", "report", "-q", "-i", data, "--no-children", "--stdio"]
        report += ["-F", "overhead,dso,sym", "-t", "|"]
        found = collections.Counter()
        for line in measuring.output(report).splitlines():
            fields = [field.strip() for field in line.split("|", 2)]
            if len(fields) == 3 and fields[0].endswith("%"):
                found[part(fields[1], fields[2])] += float(fields[0].rstrip("%"))
    return took * 1e6, {name: found[name] for name in PARTS}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rows", nargs="+", default=[""])
    parser.add_argument("--out")
    chosen = parser.parse_args()
    try:
        if not shutil.which("perf"):
            raise programs.Missing("no perf here (linux-tools, linux-perf)")
        paths = {name: programs.locate(name) for name in (programs.INTERPRETER, programs.CPYTHON)}
    except programs.Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    lines = [
        "Where the processor time of each call goes, in percent: the kernel; the interpreter's loop,",
        "calls and objects (VM); the socket module itself; the allocator; the C library, which is mostly",
        "the way into the kernel and back. Of a file's readline() the module is this one's reader, and",
        "the VM's in CPython. Microseconds are those of a round under the profiler.",
        "",
        f"{'':44}{'':>12}{'us':>8}" + "".join(f"{name:>8}" for name in PARTS),
    ]
    for title, _target in CALLS:
        if not any(text in title for text in chosen.rows):
            continue
        for name, path in paths.items():
            print(f"{title}, {name}", file=sys.stderr, flush=True)
            took, found = shares(title, path)
            first = title if name == programs.INTERPRETER else ""
            lines.append(
                f"{first:44}{name:>12}{took:8.2f}" + "".join(f"{found[p]:8.0f}" for p in PARTS)
            )
    text = "\n".join(lines) + "\n"
    print(text)
    if chosen.out:
        with open(chosen.out, "w") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
