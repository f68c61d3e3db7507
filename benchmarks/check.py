"""Rows a second of reading and checking, beside `datasets.map` with the bare tokenizer as the floor, interleaved.

Run: python -m benchmarks.check [ROUNDS]

Rows: MedQuAD's 14,745 (JSON Lines) from the folder that FINETUNE_SHARED names; without it as many invented rows, and
the first line of the output says so. Each measurement is a process of its own that times its work without its imports.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

NUM_INVENTED = 14_745
RECIPE = "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl, max_length: 1024, leakage: warn%s}\n"
KINDS = {
    "check, everything": "",
    "check, no privacy search": ", privacy: off",
    "check, nothing but the rows' form": ", privacy: off, duplicates: keep, near_duplicates: keep",
}
CHECK = """
import sys, time
from finetune import data, recipe
import pyarrow, numpy
start = time.perf_counter()
splits = data.load(recipe.load("recipe.yaml"), num_processes=int(sys.argv[1]))
print(time.perf_counter() - start, splits.report.num_rows_read)
"""
FLOOR = """
import time
import datasets
from transformers import AutoTokenizer
from finetune.resources import starter_base
datasets.disable_progress_bars()
tokenizer = AutoTokenizer.from_pretrained(starter_base())
start = time.perf_counter()
rows = datasets.load_dataset("json", data_files="rows.jsonl", split="train", cache_dir="cache")
text = lambda row: "\\n".join(turn["content"] for turn in row["messages"])
rows = rows.map(
    lambda batch: tokenizer(["\\n".join(t["content"] for t in turns) for turns in batch["messages"]]), batched=True,
    load_from_cache_file=False)
print(time.perf_counter() - start, len(rows))
"""


def write_rows(folder: Path) -> str:
    """Write rows.jsonl; what the rows are."""
    target = folder / "rows.jsonl"
    shared = os.environ.get("FINETUNE_SHARED")
    source = Path(shared) / "data" / "medquad" / "medquad_train.jsonl.gz" if shared else None
    if source is not None and source.is_file():
        target.write_bytes(gzip.decompress(source.read_bytes()))
        return "MedQuAD, 14,745 rows"
    words = [f"{a}{b}" for a in ("ba", "ko", "ri", "mu", "ten", "sal") for b in ("lo", "dar", "vi", "nes", "pa", "tor")]
    draw = random.Random(0)
    with target.open("w", encoding="utf-8") as file:
        for number in range(NUM_INVENTED):
            question = f"What does number {number} say about {' '.join(draw.choices(words, k=8))}?"
            turns = [("user", question), ("assistant", " ".join(draw.choices(words, k=180)) + ".")]
            file.write(json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]}) + "\n")
    return f"{NUM_INVENTED:,} invented rows (FINETUNE_SHARED is not set)"


def seconds(code: str, words: list[str], folder: Path) -> tuple[float, int]:
    """(seconds, rows) as the measured process prints them."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    taken, rows = done.stdout.split()[-2:]
    return float(taken), int(rows)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        what = write_rows(folder)
        num_bytes = (folder / "rows.jsonl").stat().st_size
        times: dict[str, list[float]] = {}
        num_rows = 0
        for _ in range(rounds):
            for label, words in KINDS.items():
                (folder / "recipe.yaml").write_text(RECIPE % words, encoding="utf-8")
                for num_processes in (1, 2):
                    taken, num_rows = seconds(CHECK, [str(num_processes)], folder)
                    times.setdefault(f"{label}, {num_processes} process(es)", []).append(taken)
            times.setdefault("datasets.map, bare tokenizer (floor)", []).append(seconds(FLOOR, [], folder)[0])
    floor = statistics.median(times["datasets.map, bare tokenizer (floor)"])
    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, n = {rounds}"
    )
    print(f"{what}, {num_bytes / 1e6:.1f} MB")
    for label, values in times.items():
        middle = statistics.median(values)
        print(
            f"{label:<52} {num_rows / middle:9,.0f} rows/s {num_bytes / 1e6 / middle:7.2f} MB/s   "
            f"median {middle:6.2f} s [{min(values):.2f} - {max(values):.2f}]   {middle / floor:5.2f} x floor"
        )


if __name__ == "__main__":
    main()
