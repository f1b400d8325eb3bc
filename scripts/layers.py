#!/usr/bin/env python3
"""Checks that each layer of src/ uses only those below it, as CONTRIBUTING.md's map says.

    python3 scripts/layers.py

Prints FILE:LINE and the layer that is used there. Exit status: 0 nothing found, 1 something.
Tests may use any layer, and so may documentation.
"""

import pathlib
import re
import sys

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"

# The highest first; the last four do not know the VM.
LAYERS = ["embed", "module", "object", "address", "constants", "bridge", "state", "vm", "net", "sys", "policy", "sockaddr"]
# Layers that use others above them, as CONTRIBUTING.md explains.
EXCEPTIONS = {
    "state": {"constants", "object"},
    "vm": {"bridge", "constants", "object", "state"},
    "policy": {"sys"},
}
# Layers that reach system calls through `net` alone.
WITHOUT_SYS = {"object"}
TESTS = re.compile(r"#\[cfg\((all\()?test\b.*\n(#\[.*\n)*\s*(pub\(crate\) )?mod \w+ \{")
USE = re.compile(r"\b(?:crate|\$crate)::(\w+)")


def findings(layer, text):
    """Yields the line numbers of uses that the map does not have, with the layer used."""
    tests = TESTS.search(text)
    text = text[:tests.start()] if tests else text
    below = set(LAYERS[LAYERS.index(layer):]) | EXCEPTIONS.get(layer, set())
    if layer in WITHOUT_SYS:
        below.discard("sys")
    for number, line in enumerate(text.splitlines(), 1):
        for used in USE.findall(line.partition("//")[0]):
            if used in LAYERS and used not in below:
                yield number, used


def main():
    found = 0
    for path in sorted(SRC.rglob("*.rs")):
        name = path.relative_to(SRC)
        layer = name.parts[0].removesuffix(".rs")
        if layer not in LAYERS or "tests" in name.parts or name.stem in ("tests", "testing"):
            continue
        for number, used in findings(layer, path.read_text()):
            print(f"src/{name}:{number}: {layer} uses {used}")
            found += 1
    print(f"{found} uses that the map does not have" if found else "every layer uses only those below it")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
