"""Suites marked: replies held against their items' rules, choices against their right options; what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from finetune.errors import DataError
from finetune.evaluation.suites import Item, Suite, explain, grade, summary

SIDES = ("base", "adapter")
# Whether base and adapter passed an item.
Marks = tuple[bool, bool]


def mark_suites(
    suites: Sequence[Suite],
    lines: Sequence[dict[str, Any]],
    choices: Mapping[tuple[str, str], Marks],
    seed: int,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Mark all items; lines of suite items learn whether base and adapter passed, and why not.

    Args:
        suites: whose items were asked.
        lines: of samples.jsonl; those of suite items get "kind", "language", "why" (what the adapter's reply, or else
            the base's, failed at) and under "scores" {"passed": [base's, adapter's]}.
        choices: (suite, item) -> marks of the items that are scored by likelihood.
        seed: of the bootstrap.

    Returns:
        The entries of evaluation.json["suites"], in the order of `suites`, and what there is to say: an item whose
        patterns took too long on a reply is left out for both, so that one reply does not end an evaluation.
    """
    replies = {(line["source"], line["id"]): line for line in lines}

    def marks_of(suite: Suite, item: Item) -> Marks:
        if item.is_choice:
            return choices[suite.name, item.id]
        line = replies[f"suite:{suite.name}", item.id]
        base, adapter = (grade(item, line[side]) for side in SIDES)
        line["kind"], line["language"] = item.kind, item.language
        line.setdefault("scores", {})["passed"] = [base, adapter]
        failed = next((side for side, passed in (("adapter", adapter), ("base", base)) if not passed), None)
        line["why"] = explain(item, line[failed], item.language) if failed else ""
        return base, adapter

    found, notes = [], []
    for suite in suites:
        # A choice without marks is longer than the base can look at.
        items = tuple(item for item in suite.items if not item.is_choice or (suite.name, item.id) in choices)
        marks: dict[str, Marks] = {}
        for item in items:
            try:
                marks[item.id] = marks_of(suite, item)
            except DataError as error:
                notes.append(f"{suite.name}: {item.id} could not be graded and is left out: {error}")
        suite = replace(suite, items=tuple(item for item in items if item.id in marks))
        if suite.items:
            kept = [marks[item.id] for item in suite.items]
            found.append(summary(suite, [base for base, _ in kept], [adapter for _, adapter in kept], seed))
    return found, notes
