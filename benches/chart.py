"""The results as SVG, drawn by hand: readable on light and on dark pages."""

import math
import os
from html import escape

from programs import CPYTHON, INTERPRETER, RAW, STOCK, TITLES
from suite import STEPS, THREADS

# Colours that also differ for colour-blind eyes, and in lightness; shapes differ too.
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e } .title { font-size: 15px; font-weight: 600 }
.end { text-anchor: end } .middle { text-anchor: middle }
.page { fill: #ffffff } .band { fill: #f3f5f7 }
.grid { stroke: #d1d9e0 } .base { stroke: #59636e; stroke-width: 1.5 } .target { stroke: #1f2328; stroke-width: 2 }
.interpreter { fill: #0a62c9; stroke: #0a62c9 } .stock { fill: #d9730d; stroke: #d9730d }
.cpython { fill: #59636e; stroke: #59636e } .raw { fill: #1a7f5a; stroke: #1a7f5a }
.line { fill: none; stroke-width: 2 } .span { stroke-width: 3; opacity: .4 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 }
.page { fill: #0d1117 } .band { fill: #161b22 }
.grid { stroke: #30363d } .base { stroke: #9198a1 } .target { stroke: #e6edf3 }
.interpreter { fill: #58a6ff; stroke: #58a6ff } .stock { fill: #f0883e; stroke: #f0883e }
.cpython { fill: #9198a1; stroke: #9198a1 } .raw { fill: #3fb68b; stroke: #3fb68b }
}
"""


def write(found, directory):
    for name, draw in (("calls", ratios), ("programs", ratios), ("scaling", scaling)):
        drawing = draw(found, name)
        if drawing:
            with open(os.path.join(directory, name + ".svg"), "w") as file:
                file.write(drawing)


class Drawing:
    def __init__(self, width, height, description):
        self.labels = []
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(description)}</title>",
            f"<style>{STYLE}</style>",
        ]
        self.box(0, 0, width, height, "page")

    def box(self, x, y, width, height, kind):
        self.parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        )

    def line(self, x1, y1, x2, y2, kind):
        self.parts.append(
            f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
        )

    def path(self, points, kind):
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline class="line {kind}" style="fill:none" points="{way}"/>')

    def text(self, x, y, text, kind=""):
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>')

    def label(self, x, y, text):
        """A number under an axis, unless another one is in its place."""
        wide = 7 * len(text) + 6
        if all(abs(x - other) > (wide + others) / 2 or y != line for other, others, line in self.labels):
            self.labels.append((x, wide, y))
            self.text(x, y, text, "small middle")

    def mark(self, x, y, kind):
        """A point; each program has a shape of its own."""
        if kind == INTERPRETER:
            shape = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        elif kind == STOCK:
            way = f"{x - 5:.1f},{y:.1f} {x:.1f},{y - 5:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y + 5:.1f}"
            shape = f'<polygon class="{kind}" points="{way}"/>'
        elif kind == RAW:
            way = f"{x - 5:.1f},{y + 4:.1f} {x:.1f},{y - 5:.1f} {x + 5:.1f},{y + 4:.1f}"
            shape = f'<polygon class="{kind}" points="{way}"/>'
        else:
            shape = f'<rect class="{kind}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
        self.parts.append(shape)

    def legend(self, x, y, names, extra=()):
        for name in names:
            self.mark(x, y - 4, name)
            self.text(x + 10, y, TITLES[name])
            x += 26 + 7.3 * len(TITLES[name])
        for kind, title in extra:
            self.line(x, y - 11, x, y + 3, kind)
            self.text(x + 8, y, title)
            x += 26 + 7.3 * len(title)

    def done(self):
        return "\n".join([*self.parts, "</svg>", ""])


def ratios(found, group):
    """A line for each row, a point for each program's time relative to CPython's."""
    entries = [entry for entry in found["rows"] if entry["group"] == group and entry["ratios"]]
    names = [name for name in found["names"] if any(name in entry["ratios"] for entry in entries)]
    if not entries:
        return None
    values = [ratio[key] for entry in entries for ratio in entry["ratios"].values() for key in ratio]
    values += [entry["target"] for entry in entries if entry["target"]]
    low, high = min(values + [0.5]) / 1.15, max(values + [2]) * 1.15
    left, right, top, step = 350, 700, 76, 26
    means = found["geometric_means"] if group == "calls" else {}
    count = len(entries) + bool(means)
    drawing = Drawing(820, top + step * count + 46, f"{group}: cost relative to CPython 3.13")

    def place(value):
        return left + (right - left) * math.log(value / low) / math.log(high / low)

    bottom = top + step * count
    drawing.text(16, 26, "Cost relative to CPython 3.13", "title")
    drawing.text(right + 100, 26, "left of 1 is better; logarithmic", "small end")
    drawing.legend(
        24, 52, names,
        [("base", "CPython")] + [("target", "target")] * any(entry["target"] for entry in entries),
    )
    for index in range(count):
        if index % 2 == 0:
            drawing.box(8, top + step * index, 804, step, "band")
    for tick in (0.01, 0.1, 1, 10, 100, 0.2, 0.5, 2, 5, 20, 50):
        if low <= tick <= high:
            drawing.line(place(tick), top, place(tick), bottom, "base" if tick == 1 else "grid")
            drawing.label(place(tick), bottom + 18, f"{tick:g}")
    rows = [(entry["title"], entry["ratios"], entry["target"]) for entry in entries]
    if means:
        mean = {name: {"median": value} for name, value in means.items() if name != CPYTHON}
        rows.append(("geometric mean", mean, found["target"]))
    for index, (title, found_ratios, target) in enumerate(rows):
        y = top + step * (index + 0.5)
        drawing.text(left - 14, y + 4.5, title, "end")
        if target:
            drawing.line(place(target), y - 9, place(target), y + 9, "target")
        for name in reversed(names):
            ratio = found_ratios.get(name)
            if ratio:
                if "least" in ratio:
                    drawing.line(place(ratio["least"]), y, place(ratio["most"]), y, f"span {name}")
                drawing.mark(place(ratio["median"]), y, name)
        own = found_ratios.get(INTERPRETER)
        if own:
            drawing.text(right + 100, y + 4.5, f"{own['median']:.2f} ×", "end")
    return drawing.done()


PANELS = ["recv of n bytes", "sendmsg of n buffers", "n sockets opened and closed"]


def scaling(found, _):
    """A panel for each kind of growth, and one for what two threads gain."""
    entries = {entry["title"]: entry for entry in found["rows"]}
    names = [name for name in found["names"] if name != RAW]
    wanted = [title % count for title, counts in STEPS for count in counts] + THREADS
    if not all(title in entries for title in wanted):
        return None
    drawing = Drawing(820, 640, "How cost grows")
    drawing.text(16, 26, "How cost grows", "title")
    drawing.legend(24, 52, names)
    corners = [(70, 90), (480, 90), (70, 380)]
    for (x, y), heading, (title, counts) in zip(corners, PANELS, STEPS):
        curves = {
            name: [(count, entries[title % count]["medians"].get(name)) for count in counts]
            for name in names
        }
        growth(drawing, x, y, heading, curves)
    threads(drawing, 480, 380, entries, names)
    return drawing.done()


WIDE, HIGH = 300, 190


def growth(drawing, left, top, heading, curves):
    """Microseconds by count, both logarithmic: what is linear rises at 45 degrees in the end."""
    points = [(x, y) for curve in curves.values() for x, y in curve if y]
    if not points:
        return
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_low, x_high = min(xs), max(xs)
    y_low = 10 ** math.floor(math.log10(min(ys)))
    y_high = 10 ** math.ceil(math.log10(max(ys)))

    def place(x, y):
        return (
            left + WIDE * math.log(x / x_low) / math.log(x_high / x_low),
            top + 20 + HIGH * (1 - math.log(y / y_low) / math.log(y_high / y_low)),
        )

    drawing.text(left, top + 6, heading)
    tick = y_low
    while tick <= y_high * 1.01:
        _, y = place(x_low, tick)
        drawing.line(left, y, left + WIDE, y, "grid")
        drawing.text(left - 8, y + 4, duration(tick), "small end")
        tick *= 10
    for x in sorted(set(xs), reverse=True):
        drawing.label(place(x, y_low)[0], top + HIGH + 38, short(x))
    for name, curve in reversed(curves.items()):
        places = [place(x, y) for x, y in curve if y]
        drawing.path(places, name)
        for x, y in places:
            drawing.mark(x, y, name)


def threads(drawing, left, top, entries, names):
    """Draws the speed of two threads relative to one."""
    drawing.text(left, top + 6, "two threads at once, times as fast as one by one")
    step = HIGH / len(THREADS)
    for tick in (0, 0.5, 1, 1.5, 2):
        x = left + WIDE * tick / 2.2
        drawing.line(x, top + 20, x, top + 20 + HIGH, "base" if tick == 1 else "grid")
        drawing.text(x, top + HIGH + 38, f"{tick:g}", "small middle")
    for index, title in enumerate(THREADS):
        y = top + 20 + step * index
        drawing.text(left + 4, y + 16, title.replace("two threads ", ""), "small")
        for place, name in enumerate(names):
            value = entries[title]["medians"].get(name)
            if value:
                bar = y + 24 + place * 20
                drawing.box(left, bar, WIDE * min(value, 2.2) / 2.2, 14, name)
                drawing.text(left + WIDE * min(value, 2.2) / 2.2 + 6, bar + 11, f"{value:.2f}", "small")


def duration(microseconds):
    for limit, unit, divisor in ((1e3, "µs", 1), (1e6, "ms", 1e3)):
        if microseconds < limit:
            return f"{microseconds / divisor:g} {unit}"
    return f"{microseconds / 1e6:g} s"


def short(count):
    for unit, letter in ((1 << 20, "Mi"), (1 << 10, "Ki")):
        if count >= unit and count % unit == 0:
            return f"{count // unit}{letter}"
    return f"{count:,}"
