"""Charts as inline SVG: no script, no font file, no address; colours come from the page, so they follow its theme.

Drawn with matplotlib's SVG backend. Equal data give equal bytes: the salt of generated names is fixed and no date is
written. Numbers stay text, in the page's own font. No word stands in a drawing: the page says them beside it, in the
reader's language, and names the drawing by them.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Stand-ins that matplotlib draws with; each becomes a colour of the page.
INK, GRID, BASE, ADAPTER, WORSE = "#010101", "#010102", "#010103", "#010104", "#010105"
_THEME = {
    INK: "currentColor",
    GRID: "var(--line)",
    BASE: "var(--base)",
    ADAPTER: "var(--adapter)",
    WORSE: "var(--worse)",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "finetune-kit",
    "font.size": 12,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}
# Small, so that the text is still readable when a telephone shrinks the drawing to its width.
_SIZE_INCHES = (5.2, 3.0)
_HALF_INCHES = (5.2, 2.3)
_MAX_POINTS = 300


def loss_curve(metrics: Sequence[Mapping[str, Any]], kept_step: int | None = None) -> str | None:
    """Training loss by step, and the held-out points; None when there is nothing to draw.

    Args:
        metrics: lines of metrics.jsonl: "step", "loss", and now and then "held_out_loss".
        kept_step: the step whose adapter was kept: a dashed line, and a ring around its held-out point.
    """
    steps = _points(metrics, "loss")
    held_out = _points(metrics, "held_out_loss")
    if not steps and not held_out:
        return None

    def paint(axes: Any) -> None:
        shown = _averaged(steps)
        style = {"marker": "o", "markersize": 4} if len(shown) < 30 else {}
        if shown:
            axes.plot(*zip(*shown), color=BASE, linewidth=1.6, **style)
        if held_out:
            axes.plot(*zip(*held_out), color=ADAPTER, marker="D", markersize=6, linewidth=2)
        if kept_step is not None:
            axes.axvline(kept_step, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
            kept = [point for point in held_out if point[0] == kept_step]
            if kept:
                axes.plot(*zip(*kept), marker="o", markersize=13, markerfacecolor="none", markeredgecolor=INK)
        axes.xaxis.get_major_locator().set_params(integer=True)

    return _svg("loss", paint)


def metric_curve(name: str, metrics: Sequence[Mapping[str, Any]], key: str) -> str | None:
    """One figure of metrics.jsonl by step, as learning_rate or gradient_norm; None without at least two points."""
    points = _points(metrics, key)
    if len(points) < 2:
        return None

    def paint(axes: Any) -> None:
        axes.plot(*zip(*_averaged(points)), color=BASE, linewidth=1.6)
        axes.set_ylim(bottom=0, top=1.08 * max(value for _, value in points) or 1)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)

    return _svg(name, paint, _HALF_INCHES)


def row_changes(changes: Sequence[float]) -> str | None:
    """One bar a row, sorted: how much its loss fell (below zero) or rose. None without rows.

    Args:
        changes: sorted differences adapter minus base, nats per token.
    """
    if not changes:
        return None

    def paint(axes: Any) -> None:
        better = [(k, change) for k, change in enumerate(changes, 1) if change < 0]
        worse = [(k, change) for k, change in enumerate(changes, 1) if change >= 0]
        width = 0.8 if len(changes) <= 60 else 1.0
        for bars, colour in ((better, ADAPTER), (worse, WORSE)):
            if bars:
                places, heights = zip(*bars)
                axes.bar(places, heights, width=width, color=colour, linewidth=0)
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_xlim(0.2, len(changes) + 0.8)
        axes.set_xticks([])
        lowest, highest = min(0.0, *changes), max(0.0, *changes)
        axes.set_ylim(lowest - 0.08 * (highest - lowest or 1), highest + 0.08 * (highest - lowest or 1))

    return _svg("rows", paint)


def histogram(name: str, edges: Sequence[float], *counts: Sequence[int]) -> str | None:
    """How many are how long; None without any. Two series stand beside each other: base, then adapter.

    Args:
        name: of the drawing, for ids that stand once in a page.
        edges: (bins + 1,) lengths.
        counts: one or two, each (bins,).
    """
    series = [list(each) for each in counts if each and len(edges) == len(each) + 1]
    if not series or not any(map(sum, series)):
        return None

    def paint(axes: Any) -> None:
        widths = [right - left for left, right in itertools.pairwise(edges)]
        share = 0.92 / len(series)
        for number, each in enumerate(series):
            places = [edge + width * share * number for edge, width in zip(edges, widths)]
            sizes = [width * share for width in widths]
            axes.bar(places, each, width=sizes, align="edge", color=(BASE, ADAPTER)[number], linewidth=0)
        first = next(k for k in range(len(widths)) if any(each[k] for each in series))
        axes.set_xlim(edges[first], edges[-1])
        axes.yaxis.get_major_locator().set_params(integer=True)

    return _svg(name, paint, _HALF_INCHES)


def binned(*series: Sequence[float], num_bins: int = 24) -> tuple[list[float], list[list[int]]]:
    """Equal bins over all series: (edges, counts of each series); ([], []) where there is nothing to count."""
    values = [value for each in series for value in each]
    if not values:
        return [], []
    width = max(1, -(-int(max(values) + 1) // num_bins))
    num = int(max(values)) // width + 1
    counts = [[0] * num for _ in series]
    for row, each in zip(counts, series):
        for value in each:
            row[int(value) // width] += 1
    return [float(width * k) for k in range(num + 1)], counts


def _points(metrics: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    return [(m["step"], m[key]) for m in metrics if _is_number(m.get(key)) and _is_number(m.get("step"))]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and value == value and abs(value) < 1e12


def _averaged(points: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """At most _MAX_POINTS points: neighbours are averaged, so a long run stays a small page."""
    size = max(1, -(-len(points) // _MAX_POINTS))
    chunks = [points[k : k + size] for k in range(0, len(points), size)]
    return [(sum(x for x, _ in c) / len(c), sum(y for _, y in c) / len(c)) for c in chunks]


def _svg(name: str, paint: Callable[[Any], None], size: tuple[float, float] = _SIZE_INCHES) -> str:
    """Draw on fresh axes and turn the file into an element of the page, named by the element `about-NAME`."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        file = io.BytesIO()
        canvas.print_svg(file, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = file.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # A style element inside an SVG would apply to the whole page; the page's own style sheet says the same.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL)
    # Without an opaque sheet behind the drawing.
    text = re.sub(r'<g id="patch_[12]">.*?</g>\s*', "", text, count=2, flags=re.DOTALL)
    head = re.search(r'viewBox="[^"]*"', text)
    assert head is not None
    opening = f'<svg {head.group()} role="img" aria-labelledby="about-{name}">'
    text = opening + text[text.index(">") + 1 :]
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r"font-family: [^;\"]*(; )?", "", text)
    text = re.sub(r"font: (\S+) [^;\"]*", r"font-size: \1", text)
    for stand_in, colour in _THEME.items():
        text = text.replace(stand_in, colour)
    return text.strip()
