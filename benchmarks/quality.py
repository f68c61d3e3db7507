"""Rows a second that the look at rows takes, by file: all of it, without languages, and the mending.

Run: python -m benchmarks.quality FILE [FILE ...]     JSON or JSON Lines, messages, sharegpt, alpaca or question/answer
"""

from __future__ import annotations

import gzip
import json
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from finetune.data import language, quality
from finetune.data.fixing import clean
from finetune.data.shapes import Conversation, Message

ROUNDS = 5
_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}


def conversations(path: Path) -> list[Conversation]:
    """The rows of a file that are plain conversations."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        values = json.loads(data)
    except ValueError:
        values = [json.loads(line) for line in data.split(b"\n") if line.strip()]
    rows = [(number, turns(value)) for number, value in enumerate(values, 1) if isinstance(value, dict)]
    return [Conversation(tuple(made), f"{path.name}:{number}") for number, made in rows if made]


def turns(value: dict[str, Any]) -> list[Message]:
    listed = value.get("messages") or value.get("conversations")
    if listed:
        pairs = [(turn.get("role") or turn["from"], turn.get("content") or turn.get("value")) for turn in listed]
        return [Message(_ROLES.get(role, "tool"), text) for role, text in pairs if text]
    question = value.get("instruction") or value.get("question") or value.get("prompt")
    answer = value.get("output") or value.get("answer") or value.get("completion")
    return [Message("user", question), Message("assistant", answer)] if question and answer else []


def seconds(work: Callable[[Conversation], object], rows: list[Conversation]) -> float:
    """Median over the rounds, of this process's own time: other work on the machine does not count."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for row in rows:
            work(row)
        times.append(time.process_time() - start)
    return statistics.median(times)


def main() -> None:
    print(
        f"{platform.machine()} {platform.system()}, Python {platform.python_version()}, one process, median of {ROUNDS}"
    )
    print(datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"))
    print("| file | rows | characters a row | rows/s | rows/s without languages | ms a row without | mending, rows/s |")
    print("|---|---|---|---|---|---|---|")
    for name in sys.argv[1:]:
        rows = conversations(Path(name))
        size = sum(len(message.content) for row in rows for message in row.messages) // len(rows)
        every = seconds(quality.examine, rows)
        recognise = language.recognise
        language.recognise = lambda text: ""
        without = seconds(quality.examine, rows)
        language.recognise = recognise
        mending = seconds(clean, rows)
        print(
            f"| {Path(name).name} | {len(rows):,} | {size:,} | {len(rows) / every:,.0f} | {len(rows) / without:,.0f} "
            f"| {without / len(rows) * 1e3:.3f} | {len(rows) / mending:,.0f} |"
        )
        print(f"  found: {dict(Counter(kind for row in rows for kind, _ in quality.check(row)))}", file=sys.stderr)


if __name__ == "__main__":
    main()
