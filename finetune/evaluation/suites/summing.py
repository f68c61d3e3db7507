"""What a suite says of base and adapter: shares passed, by kind, what is newly failed and what is mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune.evaluation.suites.loading import Suite


def summary(suite: Suite, base_passed: Sequence[bool], adapter_passed: Sequence[bool], seed: int) -> dict[str, Any]:
    """The suite's entry in evaluation.json: counts, kinds, ids and the paired measure; no text.

    Args:
        base_passed, adapter_passed: for each item in the suite's order; for a choice, whether the right option is
            the likeliest.
        seed: of the bootstrap.

    Returns:
        {"name", "category", "title", "sha256", "num_items", "base_passed", "adapter_passed",
         "kinds": [{"kind", "num", "base", "adapter"}], "new_failures": [ids], "mended": [ids], "measure"}.

    Raises:
        ValueError: there is not one mark of each side for each item.
    """
    if not len(suite.items) == len(base_passed) == len(adapter_passed):
        num = f"{len(base_passed)} and {len(adapter_passed)} marks for {len(suite.items)} items"
        raise ValueError(f"{suite.name}: {num}")
    kinds: dict[str, dict[str, Any]] = {}
    for item, base, adapter in zip(suite.items, base_passed, adapter_passed):
        kind = kinds.setdefault(item.kind, {"kind": item.kind, "num": 0, "base": 0, "adapter": 0})
        kind["num"] += 1
        kind["base"] += bool(base)
        kind["adapter"] += bool(adapter)
    rows = list(zip(suite.items, base_passed, adapter_passed))
    return {
        "name": suite.name,
        "category": suite.category,
        "title": suite.title,
        "sha256": suite.sha256,
        "num_items": len(suite.items),
        "base_passed": sum(map(bool, base_passed)),
        "adapter_passed": sum(map(bool, adapter_passed)),
        "kinds": list(kinds.values()),
        "new_failures": [item.id for item, base, adapter in rows if base and not adapter],
        "mended": [item.id for item, base, adapter in rows if adapter and not base],
        "measure": _measure(suite, base_passed, adapter_passed, seed),
    }


def _measure(suite: Suite, base: Sequence[bool], adapter: Sequence[bool], seed: int) -> dict[str, Any]:
    from finetune.evaluation.scorecard import measure

    name = f"{suite.category}:{suite.name}"
    return measure(name, [float(bool(mark)) for mark in base], [float(bool(mark)) for mark in adapter], seed=seed)
