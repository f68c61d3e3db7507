"""How well the graders of the suites tell good replies from bad ones, beside labels set by hand.

Run: python -m benchmarks.graders [--wrong] [FOLDER]     FOLDER: tests/suite_replies when not given

Each FOLDER/<suite>.jsonl holds {"item", "reply", "good", "why"} and, where the graders were never tuned on the
reply, "held_back": true. "Passed" is what the grader says. Precision: of the replies passed, the share that is good.
Recall: of the good replies, the share passed. --wrong lists the replies on which grader and label differ (never those
held back: looking at them would be tuning on them).
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from finetune.evaluation import suites

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "suite_replies"


@dataclass(frozen=True)
class Marked:
    """One reply labelled by hand, and what the grader says of it."""

    suite: str
    kind: str
    held_back: bool
    good: bool
    passed: bool
    row: dict[str, Any]


def marked(folder: Path = FOLDER) -> list[Marked]:
    """Every labelled reply of a folder, graded.

    Raises:
        ValueError: a reply is labelled for an item that is not there, or is no reply to grade.
    """
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        items = {item.id: item for item in suites.load_suite(path.stem).items}
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            row = json.loads(text)
            item = items.get(row["item"])
            if item is None or item.is_choice or not isinstance(row["good"], bool):
                raise ValueError(f"{path.name}:{line}: {row['item']} is no item of {path.stem} that a rule grades")
            passed = suites.grade(item, row["reply"])
            found.append(Marked(path.stem, item.kind, bool(row.get("held_back")), row["good"], passed, row))
    return found


def figures(replies: Iterable[Marked]) -> dict[str, Any]:
    """{"num", "num_good", "precision", "recall", "agreement"}; a share of nothing is None."""
    rows = list(replies)
    both = sum(row.good and row.passed for row in rows)
    good, passed = sum(row.good for row in rows), sum(row.passed for row in rows)
    return {
        "num": len(rows),
        "num_good": good,
        "precision": both / passed if passed else None,
        "recall": both / good if good else None,
        "agreement": sum(row.good == row.passed for row in rows) / len(rows) if rows else None,
    }


def table(replies: list[Marked]) -> list[str]:
    """Lines of a Markdown table: each suite as a whole, tuned on and held back, then each of its kinds."""
    lines = [
        "| suite | kind | replies | good | precision | recall | agreement |",
        "|---|---|---|---|---|---|---|",
    ]
    for suite in sorted({row.suite for row in replies}):
        own = [row for row in replies if row.suite == suite]
        lines.append(_line(suite, "all, held back", [row for row in own if row.held_back]))
        lines.append(_line(suite, "all, tuned on", [row for row in own if not row.held_back]))
        kinds = list(dict.fromkeys(row.kind for row in own))
        lines += [_line(suite, kind, [row for row in own if row.kind == kind]) for kind in kinds]
    return lines


def _line(suite: str, kind: str, rows: list[Marked]) -> str:
    found = figures(rows)
    shares = " | ".join(
        "-" if found[name] is None else f"{found[name]:.2f}" for name in ("precision", "recall", "agreement")
    )
    return f"| {suite} | {kind} | {found['num']} | {found['num_good']} | {shares} |"


def main() -> None:
    names = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    replies = marked(Path(names[0]) if names else FOLDER)
    print(f"Python {platform.python_version()}, {datetime.now(timezone.utc):%Y-%m-%d}; no model, no chance in it")
    print("\n".join(table(replies)))
    if "--wrong" in sys.argv:
        for row in replies:
            if row.good != row.passed and not row.held_back:
                print(f"{row.row['item']}: labelled {'good' if row.good else 'bad'}: {row.row['reply']!r}")


if __name__ == "__main__":
    main()
