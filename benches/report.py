"""Medians, ratios and their mean; as JSON, as text and in the README."""

import json
import math
import os
import statistics
import sys

from programs import CPYTHON, INTERPRETER, RAW, STOCK, TITLES
from suite import CALLS, CALLS_TARGET, TIMES

# Less is no difference between two medians.
NOISE = 1.02

BEGIN = "<!-- results: written by benches/run.py --readme -->"
END = "<!-- end of results -->"


def results(rows, names, values, failures, facts):
    """All that is known, as it goes into the JSON."""
    table = []
    for row in rows:
        entry = {
            "title": row.title,
            "group": row.group,
            "unit": row.unit,
            "target": row.target,
            "limit": row.limit,
            "values": {name: values[row.title, name] for name in names},
            "failures": {
                name: failures[row.title, name] for name in names if (row.title, name) in failures
            },
        }
        entry["medians"] = {
            name: statistics.median(measured) for name, measured in entry["values"].items() if measured
        }
        entry["ratios"] = ratios(entry["values"])
        table.append(entry)
    calls = [entry for entry in table if entry["group"] == "calls"]
    means = {}
    for name in names:
        of_name = [entry["ratios"][name]["median"] for entry in calls if name in entry["ratios"]]
        # Of all the calls or of none: a mean of some would not be comparable.
        if len(of_name) == len(CALLS):
            means[name] = math.exp(statistics.fmean(math.log(ratio) for ratio in of_name))
    return {
        "facts": facts,
        "names": names,
        "rows": table,
        "geometric_means": means,
        "target": CALLS_TARGET,
    }


def ratios(values):
    """For each program, its ratio to CPython: the median and the extremes of all runs."""
    found = {}
    base = values.get(CPYTHON) or []
    for name, measured in values.items():
        pairs = [one / other for one, other in zip(measured, base) if other > 0 and one > 0]
        if pairs and name != CPYTHON:
            found[name] = {"median": statistics.median(pairs), "least": min(pairs), "most": max(pairs)}
    return found


def write(found, directory):
    with open(os.path.join(directory, "results.json"), "w") as file:
        json.dump(found, file, indent=1, ensure_ascii=False)
        file.write("\n")
    with open(os.path.join(directory, "results.txt"), "w") as file:
        file.write(text(found) + "\n")


def text(found):
    """The whole table."""
    names = found["names"]
    facts = found["facts"]
    lines = [
        machine(facts) + ".",
        "Ratios are against CPython: below 1 is faster. In brackets their range over the runs.",
        "The last ratio is that of bare system calls, which block: the least that a program can take",
        "that waits as they do.",
    ]
    width = max([len(entry["title"]) for entry in found["rows"]] + [20])
    for group in ("calls", "programs", "start", "scaling"):
        entries = [entry for entry in found["rows"] if entry["group"] == group]
        if not entries:
            continue
        head = "".join(f"{TITLES[name].split()[0]:>13}" for name in names)
        lines += ["", f"{group:{width}} {'':5}{head}   ratio  [range]     target      own/CPython  system/CPython"]
        for entry in entries:
            lines.append(line(entry, names, width))
    means = found["geometric_means"]
    if INTERPRETER in means:
        own = f"{means[STOCK]:.2f}" if STOCK in means else ""
        lines += [
            "",
            f"geometric mean of the calls: {means[INTERPRETER]:.3f} (target {CALLS_TARGET})"
            + (f"; RustPython's own module {own}" if own else ""),
        ]
    for name, title, failure in failed(found):
        lines.append(f"failed: {title}, {TITLES[name]}: {failure}")
    missed = [
        f"{entry['title']} ({entry['ratios'][INTERPRETER]['median']:.2f} for {entry['target']}{floor(entry)})"
        for entry in missed_targets(found)
    ]
    always, sometimes = slower_than_own(found["rows"])
    lines += [
        "",
        *listed("targets missed:", missed),
        *listed("slower or larger than RustPython's own module in every run:", always),
        *listed("in the median by more than 2 %, not in every run:", sometimes),
    ]
    return "\n".join(lines)


def listed(title, items):
    return [title, *(f"    {item}" for item in items or ["none"])]


def missed_targets(found):
    """The calls that take longer than their target."""
    return [
        entry
        for entry in found["rows"]
        if entry["group"] == "calls"
        and INTERPRETER in entry["ratios"]
        and entry["ratios"][INTERPRETER]["median"] > entry["target"]
    ]


def machine(facts):
    sample = ""
    if facts["processes"] > 1:
        sample = (
            f"; in each, the fastest of {facts['processes']} processes × {facts['slices']} slices"
            " (server rows: the median)"
        )
    return (
        f"{facts['processor']}, {facts['cores']} cores, Linux {facts['kernel']}, "
        f"{facts['others']} % of it used by others; median of {facts['runs']} runs{sample}"
    )


def line(entry, names, width):
    cells = "".join(f"{figure(entry['medians'].get(name)):>13}" for name in names)
    ratio = entry["ratios"].get(INTERPRETER)
    shown = ""
    if entry["limit"]:
        own = entry["medians"].get(INTERPRETER)
        if own is not None:
            met = "met" if own <= entry["limit"] else "missed"
            shown = f"   at most {entry['limit']} {entry['unit']}: {met}"
    elif ratio and entry["unit"] != TIMES:
        mark = ""
        if entry["target"]:
            mark = "  met" if ratio["median"] <= entry["target"] else "  missed"
        span = f"[{ratio['least']:.2f}-{ratio['most']:.2f}]"
        target = f"{entry['target']:.2f}" if entry["target"] else ""
        shown = f"{ratio['median']:8.2f}  {span:<13}{target:>5}{mark:8}"
        own, floor = (entry["ratios"].get(name) for name in (STOCK, RAW))
        shown += f"{own['median']:8.2f}" if own else ""
        shown += f"{floor['median']:16.2f}" if floor else ""
    return f"{entry['title']:{width}} {entry['unit']:5}{cells}{shown}".rstrip()


def figure(value):
    """A number as a reader wants it: three digits that count, no more."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def failed(found):
    for entry in found["rows"]:
        for name, failure in entry["failures"].items():
            yield name, entry["title"], failure


def into_readme(found, path):
    """Puts the summary between the README's two marks."""
    with open(path) as file:
        before, begin, rest = file.read().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{path} has no lines {BEGIN}, {END}")
    with open(path, "w") as file:
        file.write(f"{before}{BEGIN}\n{summary(found)}\n{END}{after}")


def slower_than_own(rows):
    """Rows in which `interpreter` needs more than RustPython's own module: in every
    run, and only in the median of them. The programs of a run take turns, so their
    results are compared run by run."""
    always, sometimes = [], []
    for entry in rows:
        if entry["unit"] == TIMES or not {INTERPRETER, STOCK} <= set(entry["medians"]):
            continue
        pairs = zip(entry["values"][INTERPRETER], entry["values"][STOCK])
        ratios = sorted(ours / own for ours, own in pairs)
        median = statistics.median(ratios)
        if median > NOISE:
            told = f"{entry['title']} ({median:.2f}, runs from {ratios[0]:.2f} to {ratios[-1]:.2f})"
            (always if ratios[0] > 1 else sometimes).append(told)
    return always, sometimes


def summary(found):
    facts = found["facts"]
    calls = [entry for entry in found["rows"] if entry["group"] == "calls"]
    means = found["geometric_means"]
    lines = [
        "![Time of each call relative to CPython](benches/results/calls.svg)",
        "",
        machine(facts) + ". All rows, with their ranges: [results.txt](benches/results/results.txt).",
        "",
        "| | interpreter | RustPython's own | CPython 3.13 | interpreter / CPython |",
        "|---|---|---|---|---|",
        f"| {len(calls)} calls, geometric mean | | {means.get(STOCK, 0):.2f} × CPython | 1 "
        f"| **{means.get(INTERPRETER, 0):.2f}** |",
    ]
    for entry in found["rows"]:
        if entry["group"] in ("programs", "start"):
            ratio = entry["ratios"].get(INTERPRETER)
            last = f"{ratio['median']:.2f}" if ratio else ""
            if entry["limit"]:
                last = f"(at most {entry['limit']} {entry['unit']})"
            cells = " | ".join(
                quantity(entry["medians"].get(name), entry["unit"])
                for name in (INTERPRETER, STOCK, CPYTHON)
            )
            lines.append(f"| {entry['title']} | {cells} | {last} |")
    always, _ = slower_than_own(found["rows"])
    lines += [
        "",
        f"{len(always)} of all rows take more than with RustPython's own module in every run: results.txt names them.",
    ]
    return "\n".join(lines)


def floor(entry):
    """Returns a missed row's ratio of system calls alone, as a part of a sentence."""
    ratio = entry["ratios"].get(RAW)
    return f", system calls alone {ratio['median']:.2f}" if ratio else ""


def quantity(value, unit):
    return "" if value is None else f"{figure(value)} {unit}"
