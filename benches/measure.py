"""Measures rows of the benchmark in the interpreter that runs this file.

    PROGRAM benches/measure.py [--pass SECONDS | --turns SECONDS PASSES] ROW [ARGUMENT]
    PROGRAM benches/measure.py --calls

Prints a line of JSON for each row: its name and the value, in seconds unless the
row says otherwise. `--calls` measures all single calls. With `--turns` it prints
a line before each pass, and waits for one. Any Python that has sockets can run
this.
"""

import json
import sys

from rows import bulk, calls, memory, scaling, timing

ROWS = {**calls.ROWS, **bulk.ROWS, **memory.ROWS, **scaling.ROWS}


def main(arguments):
    if arguments[:1] == ["--pass"]:
        timing.settle(float(arguments[1]), 3)
        del arguments[:2]
    if arguments[:1] == ["--turns"]:
        timing.settle(float(arguments[1]), int(arguments[2]), turns=True)
        del arguments[:3]
    if arguments == ["--calls"]:
        runs = [(title,) for title in calls.ROWS]
    elif arguments:
        runs = [tuple(arguments)]
    else:
        sys.exit(__doc__)
    for title, *rest in runs:
        print(json.dumps([title, ROWS[title](*rest)]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
