#!/usr/bin/env python3
"""Finds words and sentences in sources and documents that CONTRIBUTING.md's glossary has replaced.

    python3 scripts/words.py [FOLDER ...]

Prints FILE:LINE, the text, and what is wrong with it. A FOLDER is searched instead of all those
below. Exit status: 0 nothing found, 1 something.
"""

import io
import pathlib
import re
import sys
import tokenize

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Their .rs and .py files are searched.
FOLDERS = [
    "src", "interpreter/src", "examples", "tests", "models", "fuzz", "scripts", "conformance", "benches", "packages",
    "py_tests", "interpreter/tests"]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]

# An old word, and the glossary's. One in lower case is meant in any case, and as a part of a name.
WORDS = {
    "patience": "timeout, limit or deadline",
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
OLD = [
    (re.compile(rf"(?<![a-z])({old})(?![a-z])", re.I) if old.islower() else re.compile(rf"\b({old})\b"), new)
    for old, new in WORDS.items()
]
# A documentation's first line begins with a verb or with a noun.
DOC = re.compile(r"^\s*//[/!] ?(.*)$")
CLAUSE = re.compile(r"(What|When|Who|Whether|As|Of|That|Where|Which|Why|How|Whatever|Whoever) ")
IS_CLAUSE = "begins with a clause: say what it does, or name what it is"
# Rust's own strings, where Python code and messages may say anything.
STRING = re.compile(r'"(\\.|[^"\\])*"')
# The tokens after which a string of Python's is a statement, and so a docstring.
BEGINNINGS = {None, tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT}


def old_words(line):
    """Yields what the old words in a line are called now."""
    for old, new in OLD:
        if old.search(line):
            yield f"the word is: {new}"


def in_lines(text):
    """Yields the line numbers of what is wrong in a Rust file or a document, with the line and the reason."""
    is_doc = False
    for number, line in enumerate(text.splitlines(), 1):
        doc = DOC.match(line)
        if doc and not is_doc and CLAUSE.match(doc[1]):
            yield number, line, IS_CLAUSE
        is_doc = bool(doc)
        for why in old_words(STRING.sub("", line)):
            yield number, line, why


def in_python(text):
    """Yields as in_lines does what is wrong in names, comments and docstrings of Python. Other strings
    may say anything."""
    last = None
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_doc = token.type == tokenize.STRING and last in BEGINNINGS and not depth
        last = token.type
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        if is_doc and CLAUSE.match(token.string.lstrip("rR").strip("\"' \n")):
            yield token.start[0], token.string.splitlines()[0], IS_CLAUSE
        if is_doc or token.type in (tokenize.NAME, tokenize.COMMENT):
            for number, line in enumerate(token.string.splitlines(), token.start[0]):
                for why in old_words(line):
                    yield number, line, why


def main(folders):
    found = 0
    files = [path for folder in folders or FOLDERS for path in sorted((ROOT / folder).rglob("*.*"))]
    paths = [path for path in files if path.suffix in (".rs", ".py") and "target" not in path.parts]
    paths += [] if folders else [ROOT / name for name in DOCUMENTS]
    for path in paths:
        search = in_python if path.suffix == ".py" else in_lines
        for number, line, why in search(path.read_text()):
            print(f"{path.relative_to(ROOT)}:{number}: {line.strip()}\n    {why}")
            found += 1
    print(f"{found} to be rewritten" if found else "no old words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
