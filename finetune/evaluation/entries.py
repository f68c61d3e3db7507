"""Entries of the scorecard for measures that bring their own name, unit and direction: benchmarks and judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from finetune.statistics import paired, result_of


def entry(
    name: str,
    group: str,
    unit: str,
    base: Sequence[float],
    adapter: Sequence[float],
    *,
    higher_is_better: bool | None,
    least_effect: float,
    seed: int,
    bounds: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """A measure over items that base and adapter were both put through, with paired intervals.

    Args:
        name, group, unit: as the scorecard shows them.
        base: (items,) values of each item.
        adapter: (items,) of the same items in the same order.
        higher_is_better: None where neither is; then nothing is called better or worse.
        least_effect: the smallest difference that counts.
        seed: of the draws.
        bounds: the least and greatest value that the measure can have.
    """
    found = paired(base, adapter, seed=seed, bounds=bounds)
    result = None
    if higher_is_better is not None:
        result = result_of(found, higher_is_better=higher_is_better, least_effect=least_effect)
    return {
        "name": name,
        "group": group,
        "unit": unit,
        "higher_is_better": higher_is_better,
        "num_rows": found.num_rows,
        "num_units": found.num_units,
        "unit_of_draw": "item",
        "base": asdict(found.base),
        "adapter": asdict(found.adapter),
        "difference": asdict(found.difference),
        "result": result,
    }
