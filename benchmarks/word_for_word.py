"""How many held-out questions of a quickstart run get their answer word for word, from base and from adapter.

Run: python -m benchmarks.word_for_word RUN
"""

from __future__ import annotations

import csv
import sys

from finetune import resources
from finetune.generation import Engine


def main(run: str) -> None:
    engine = Engine.open(run)
    path = resources.shipped("data_templates") / "medical" / "held_out.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for who in ("base", "adapter"):
        equal = 0
        for row in rows:
            messages = [{"role": "user", "content": row["question"]}]
            equal += engine.reply(messages, adapter=who == "adapter", max_new_tokens=96) == row["answer"]
        print(f"{who:<8} {equal} of {len(rows)} answers word for word")


if __name__ == "__main__":
    main(sys.argv[1])
