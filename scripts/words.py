#!/usr/bin/env python3
"""Finds words and sentences in sources and documents that CONTRIBUTING.md's glossary has replaced.

    python3 scripts/words.py

Prints FILE:LINE, the text, and what is wrong with it. Exit status: 0 nothing found, 1 something.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ["src", "interpreter/src", "examples", "tests"]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]

# An old word, and the glossary's.
WORDS = {
    "patience": "timeout or deadline",
    "Clock": "Deadline",
    "bell|rung": "notify",
    "glance": "short poll",
    "persist": "retry",
    "Woken": "Wake",
    "Learned": "ResolvedNames",
    "Question": "AccessRequest",
    "Fault": "ParseError",
    "judge[ds]?": "evaluate or check",
    "Ahead": "ReadBuffer",
    "Outgoing": "SendQueue",
    "Turn": "WriteLock",
    "Watch": "Observer",
    "unusual": "slow",
}
OLD = [(re.compile(rf"\b({old})\b"), new) for old, new in WORDS.items()]
# A documentation's first line begins with a verb or with a noun.
DOC = re.compile(r"^\s*//[/!] ?(.*)$")
CLAUSE = re.compile(r"(What|When|Who|Whether|As|Of|That|Where|Which|Why|How|Whatever|Whoever) ")
# Rust's own strings, where Python code and messages may say anything.
STRING = re.compile(r'"(\\.|[^"\\])*"')


def findings(text):
    """Yields the line numbers of what is wrong in a file, with the reason."""
    is_doc = False
    for number, line in enumerate(text.splitlines(), 1):
        doc = DOC.match(line)
        if doc and not is_doc and CLAUSE.match(doc[1]):
            yield number, line, "begins with a clause: say what it does, or name what it is"
        is_doc = bool(doc)
        for old, new in OLD:
            if old.search(STRING.sub("", line)):
                yield number, line, f"the word is: {new}"


def main():
    found = 0
    paths = [path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.rs"))]
    paths += [ROOT / name for name in DOCUMENTS]
    for path in paths:
        for number, line, why in findings(path.read_text()):
            print(f"{path.relative_to(ROOT)}:{number}: {line.strip()}\n    {why}")
            found += 1
    print(f"{found} to be rewritten" if found else "no old words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
