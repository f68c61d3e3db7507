"""Small drawings as inline SVG, written by hand: no library to wait for, no script, colours of the page's theme.

Equal figures give equal bytes. Drawings that must stay readable at every width hold shapes only; their words are
HTML beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

FLOW_ROW_PIXELS = 58
_WIDTH, _HEIGHT, _BASELINE, _LEFT = 340, 168, 132, 6


def flow(parts: Sequence[tuple[str, int]]) -> str:
    """One bar on the left that divides into bands to the right, one for each part, from the top.

    Args:
        parts: (class of the band, number of rows); its words stand beside it, FLOW_ROW_PIXELS high each.
    """
    total = sum(number for _, number in parts)
    if not total:
        return ""
    height = FLOW_ROW_PIXELS * len(parts)
    bands, top = [], 0.0
    for place, (kind, number) in enumerate(parts):
        left = height * number / total
        # A band keeps its thickness, up to what its line of words leaves room for.
        right = min(left, FLOW_ROW_PIXELS - 14)
        middle = FLOW_ROW_PIXELS * (place + 0.5)
        high, low = middle - max(right, 1.5) / 2, middle + max(right, 1.5) / 2
        bottom = top + max(left, 1.5)
        bands.append(
            f'<path class="band {kind}" d="M4 {top:.1f}C50 {top:.1f} 50 {high:.1f} 100 {high:.1f}'
            f'L100 {low:.1f}C50 {low:.1f} 50 {bottom:.1f} 4 {bottom:.1f}Z"/>'
        )
        top += left
    return (
        f'<svg class="flow-bands" viewBox="0 0 100 {height}" height="{height}" preserveAspectRatio="none" '
        f'aria-hidden="true" focusable="false"><rect class="trunk" width="4" height="{height}"/>{"".join(bands)}</svg>'
    )


def histogram(edges: Sequence[int], counts: Sequence[int], about: str, axis: str, limit: int | None = None) -> str:
    """Bars of how many rows are how long, with the limit as a dashed line when it lies within; "" without rows.

    Args:
        edges: (bins + 1,) lengths.
        counts: (bins,) rows.
        about: what a reader who sees no picture is told.
        axis: the word under the axis.
        limit: a length to mark.
    """
    if not counts or len(edges) != len(counts) + 1 or not any(counts):
        return ""
    low, high, most = edges[0], edges[-1], max(counts)
    reach = max(high, limit) if limit is not None and limit <= high * 1.6 else high
    width = _WIDTH - 2 * _LEFT

    def across(value: float) -> float:
        return _LEFT + width * (value - low) / max(1, reach - low)

    drawn = [f'<line class="axis" x1="{_LEFT}" y1="{_BASELINE}" x2="{_WIDTH - _LEFT}" y2="{_BASELINE}"/>']
    for k, count in enumerate(counts):
        if count:
            left, right = across(edges[k]), across(edges[k + 1])
            tall = max(1.0, 104.0 * count / most)
            over = " over" if limit is not None and edges[k] > limit else ""
            drawn.append(
                f'<rect class="bar{over}" x="{left + 0.4:.1f}" y="{_BASELINE - tall:.1f}" '
                f'width="{max(0.8, right - left - 0.8):.1f}" height="{tall:.1f}"/>'
            )
    ticks = [(low, "start"), ((low + reach) // 2, "middle"), (reach, "end")]
    for value, anchor in ticks:
        drawn.append(f'<text x="{across(value):.1f}" y="{_BASELINE + 16}" text-anchor="{anchor}">{value:,}</text>')
    drawn.append(f'<text class="soft" x="{_WIDTH / 2}" y="{_HEIGHT - 3}" text-anchor="middle">{escape(axis)}</text>')
    drawn.append(f'<text class="soft" x="{_LEFT}" y="12">{most:,}</text>')
    if limit is not None and low <= limit <= reach:
        x = across(limit)
        anchor, shift = ("end", -4) if x > _WIDTH / 2 else ("start", 4)
        drawn.append(f'<line class="limit" x1="{x:.1f}" y1="18" x2="{x:.1f}" y2="{_BASELINE}"/>')
        drawn.append(f'<text class="limit-word" x="{x + shift:.1f}" y="27" text-anchor="{anchor}">{limit:,}</text>')
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(about, quote=True)}">'
        + "".join(drawn)
        + "</svg>"
    )
