"""Charts as inline SVG: no script, no font file, no address; colours come from the page, so they follow its theme.

Drawn with matplotlib's SVG backend. Equal data give equal bytes: the salt of generated names is fixed and no date is
written. Text stays text, in the page's own font.
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
    "legend.frameon": False,
    "legend.fontsize": 12,
}
# Small, so that the text is still readable when a telephone shrinks the drawing to its width.
_SIZE_INCHES = (5.2, 3.0)
_MAX_POINTS = 300


def loss_curve(metrics: Sequence[Mapping[str, Any]]) -> str | None:
    """Training loss by step, and the held-out points; None when there is nothing to draw.

    Args:
        metrics: lines of metrics.jsonl: "step", "loss", and now and then "held_out_loss".
    """
    steps = [(m["step"], m["loss"]) for m in metrics if _is_number(m.get("loss")) and "step" in m]
    held_out = [(m["step"], m["held_out_loss"]) for m in metrics if _is_number(m.get("held_out_loss"))]
    if not steps:
        return None

    def paint(axes: Any) -> None:
        shown = _averaged(steps)
        style = {"marker": "o", "markersize": 4} if len(shown) < 30 else {}
        axes.plot(*zip(*shown), color=BASE, linewidth=1.6, label="training rows", **style)
        if held_out:
            axes.plot(*zip(*held_out), color=ADAPTER, marker="D", markersize=6, linewidth=2, label="held-out rows")
        axes.set_xlabel("step")
        axes.set_ylabel("loss, nats per token")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="upper right")

    about = f"Loss from step {steps[0][0]} to {steps[-1][0]}: training from {steps[0][1]:.2f} to {steps[-1][1]:.2f}"
    if held_out:
        about += f", held-out rows from {held_out[0][1]:.2f} to {held_out[-1][1]:.2f}"
    return _svg("loss", about, paint)


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
        for bars, colour, label in ((better, ADAPTER, "lower loss"), (worse, WORSE, "higher loss or equal")):
            if bars:
                places, heights = zip(*bars)
                axes.bar(places, heights, width=width, color=colour, linewidth=0, label=label)
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_xlim(0.2, len(changes) + 0.8)
        axes.set_xticks([])
        axes.set_xlabel("held-out rows, most improved first")
        axes.set_ylabel("change, nats per token")
        # Bars rise to the right, so this corner stays free unless all of them are alike.
        axes.legend(loc="lower right")
        lowest, highest = min(0.0, *changes), max(0.0, *changes)
        axes.set_ylim(lowest - 0.3 * (highest - lowest or 1), highest + 0.08 * (highest - lowest or 1))

    num_better = sum(change < 0 for change in changes)
    about = f"Change of loss per row, sorted: {num_better} of {len(changes)} bars show a lower loss with the adapter"
    return _svg("rows", about, paint)


def length_histogram(edges: Sequence[int], counts: Sequence[int]) -> str | None:
    """How long the training rows are; None without rows.

    Args:
        edges: (bins + 1,) tokens.
        counts: (bins,) rows.
    """
    if not counts or len(edges) != len(counts) + 1:
        return None

    def paint(axes: Any) -> None:
        widths = [right - left for left, right in itertools.pairwise(edges)]
        axes.bar(edges[:-1], counts, width=[w * 0.92 for w in widths], align="edge", color=BASE, linewidth=0)
        first = next((k for k, count in enumerate(counts) if count), 0)
        axes.set_xlim(edges[first], edges[-1])
        axes.set_xlabel("tokens in a row")
        axes.set_ylabel("training rows")
        axes.yaxis.get_major_locator().set_params(integer=True)

    return _svg("lengths", f"Lengths of {sum(counts):,} training rows, up to {edges[-1]:,} tokens", paint)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and value == value and abs(value) < 1e12


def _averaged(points: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """At most _MAX_POINTS points: neighbours are averaged, so a long run stays a small page."""
    size = -(-len(points) // _MAX_POINTS)
    chunks = [points[k : k + size] for k in range(0, len(points), size)]
    return [(sum(x for x, _ in c) / len(c), sum(y for _, y in c) / len(c)) for c in chunks]


def _svg(name: str, about: str, paint: Callable[[Any], None]) -> str:
    """Draw on fresh axes and turn the file into an element of the page."""
    from html import escape

    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
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
    opening = f'<svg {head.group()} role="img" aria-label="{escape(about, quote=True)}">'
    text = opening + text[text.index(">") + 1 :]
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r"font-family: [^;\"]*(; )?", "", text)
    text = re.sub(r"font: (\S+) [^;\"]*", r"font-size: \1", text)
    for stand_in, colour in _THEME.items():
        text = text.replace(stand_in, colour)
    return text.strip()
