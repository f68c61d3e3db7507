"""Seconds to the first answer: help, a wrong recipe, a check of 10,000 rows; TRL's commands beside, interleaved.

Run: python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import csv
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

BIN = Path(sys.executable).parent
NUM_ROWS = 10_000

WRONG_OURS = """recipe: 1
base: {model: starter}
data:
  train: rows.csv
  max_lenght: 512
train:
  learning_rat: 1e-4
  epochs: many
  batch_size: -4
adapter: {r: 0, colour: red}
"""
WRONG_TRL = """model_name_or_path: starter
dataset_name: rows
learning_rat: 1e-4
num_train_epochs: many
"""


def write_inputs(folder: Path) -> None:
    """A wrong recipe for each tool, and 10,000 question/answer rows."""
    (folder / "wrong.yaml").write_text(WRONG_OURS, encoding="utf-8")
    (folder / "wrong_trl.yaml").write_text(WRONG_TRL, encoding="utf-8")
    (folder / "good.yaml").write_text("recipe: 1\nbase: {model: starter}\ndata: {train: rows.csv}\n", encoding="utf-8")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer"])
        for k in range(NUM_ROWS):
            writer.writerow([f"What is in box number {k}?", f"Box number {k} holds {k % 7} spoons and {k % 11} cups."])


def seconds(command: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    commands = {
        "finetune --help": [str(BIN / "finetune"), "--help"],
        "trl sft --help": [str(BIN / "trl"), "sft", "--help"],
        "finetune check, six faults": [str(BIN / "finetune"), "check", "wrong.yaml"],
        "finetune run, six faults": [str(BIN / "finetune"), "run", "wrong.yaml"],
        "trl sft, two faults": [str(BIN / "trl"), "sft", "--config", "wrong_trl.yaml"],
        f"finetune check, {NUM_ROWS:,} rows": [str(BIN / "finetune"), "check", "good.yaml"],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        times: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(rounds):
            for label, command in commands.items():
                times[label].append(seconds(command, folder))
    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, n = {rounds}"
    )
    for label, values in times.items():
        low, high = min(values), max(values)
        print(f"{label:<32} median {statistics.median(values):6.2f} s   [{low:.2f} - {high:.2f}]")


if __name__ == "__main__":
    main()
