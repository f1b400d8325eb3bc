"""The compared programs: where they are, how they are built, what they are."""

import os
import platform
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.append(os.path.join(ROOT, "scripts"))

import pythons  # noqa: E402

# A relative path is one in ROOT, where Cargo is run.
TARGET = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR") or "target", "dist")

INTERPRETER, STOCK, CPYTHON, RAW = "interpreter", "stock", "cpython", "raw"
LOAD = "load"
ALL = [INTERPRETER, STOCK, CPYTHON, RAW]
TITLES = {
    INTERPRETER: "interpreter",
    STOCK: "RustPython's own socket",
    CPYTHON: "CPython 3.13",
    RAW: "system calls",
}


class Missing(Exception):
    """A program that cannot be found."""


def build():
    command = ["cargo", "build", "--profile", "dist", "--ignore-rust-version", "-p", "interpreter"]
    command += ["--bin", "interpreter", "--examples"]
    if subprocess.call(command, cwd=ROOT):
        raise Missing("the programs do not build")


def locate(name):
    if name == CPYTHON:
        return cpython()
    path = {
        INTERPRETER: os.path.join(TARGET, "interpreter"),
        STOCK: os.path.join(TARGET, "examples", "stock"),
        RAW: os.path.join(TARGET, "examples", "raw"),
        LOAD: os.path.join(TARGET, "examples", "load"),
    }.get(name)
    if not path:
        raise Missing(f"no program is called {name}; there are {', '.join(ALL)}")
    if not os.path.exists(path):
        raise Missing(f"{path} is not built")
    return path


def cpython():
    try:
        found = pythons.find()
    except pythons.Unsuitable as error:
        raise Missing(error) from None
    if not found:
        raise Missing("no CPython 3.13 here: give its path with --programs cpython=PATH")
    return found[0]


def version(path):
    """`sys.version` of a Python, or nothing of what is none."""
    try:
        run = subprocess.run(
            [path, "-c", "import sys; print(sys.version)"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return ""
    return " ".join(run.stdout.decode().split())


class Others:
    """The share of the machine that other programs than the benchmark use."""

    def __init__(self):
        self.start = self.spent()

    @staticmethod
    def spent():
        """Seconds of all cores, of those that were busy, and of this benchmark."""
        with open("/proc/stat") as file:
            ticks = [int(field) for field in file.readline().split()[1:9]]
        tick = 1 / os.sysconf("SC_CLK_TCK")
        total, idle = sum(ticks) * tick, (ticks[3] + ticks[4]) * tick
        return total, total - idle, sum(os.times()[:4])

    def percent(self):
        total, busy, own = (now - then for now, then in zip(self.spent(), self.start))
        return max(0, round(100 * (busy - own) / total)) if total else 0


def facts(paths):
    """Returns what a reader needs to evaluate the numbers."""
    model = ""
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024
    return {
        "processor": model or platform.machine(),
        "cores": os.cpu_count(),
        "memory_mib": memory,
        "kernel": platform.release(),
        "programs": {name: version(path) for name, path in paths.items() if name != RAW},
    }
