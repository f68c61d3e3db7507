"""Large inputs for tests and benchmarks: rows without end, and the memory of a program with its workers."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from itertools import accumulate
from pathlib import Path
from typing import Any

CHECK = """
import json, sys, time
from finetune import data, recipe
began = time.perf_counter()
splits = data.load(recipe.load(sys.argv[1]), num_processes=int(sys.argv[2]) or None)
report = splits.report
print(json.dumps({"seconds": time.perf_counter() - began, "num_rows": report.num_rows_read,
                  "num_train": report.num_train, "num_held_out": report.num_held_out,
                  "fingerprint": report.fingerprint, "dropped": report.dropped}))
"""


def write_rows(path: Path, num_bytes: int, seed: int = 0) -> int:
    """Write question/answer rows until the file has this size; the number of rows.

    Their words are drawn from a vocabulary of 20,000 with the lengths and frequencies of English, so that rows are
    as different from each other as real ones. A row takes about 1.2 KB, as those of MedQuAD do.
    """
    draw = random.Random(seed)
    vowels, consonants = "aeiou", "bcdfghklmnprstvw"
    words = [
        "".join(draw.choice(consonants) + draw.choice(vowels) for _ in range(draw.randint(1, 4))) for _ in range(20_000)
    ]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    cumulative = list(accumulate(weights))
    num_rows = written = 0
    with open(path, "w", encoding="utf-8") as file:
        while written < num_bytes:
            said = draw.choices(words, cum_weights=cumulative, k=20_000)
            at = 0
            while at + 420 < len(said):
                length = 40 + draw.randrange(360)
                question = f"What is {' '.join(said[at : at + 12])}?"
                sentences = [
                    " ".join(said[start : start + 14]).capitalize() for start in range(at + 12, at + length, 14)
                ]
                row = {"question": question, "answer": ". ".join(sentences) + "."}
                written += file.write(json.dumps(row) + "\n")
                num_rows += 1
                at += length
                if written >= num_bytes:
                    break
    return num_rows


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += _family(int(child))
        except OSError:
            continue
    return found


def _memory(pid: int) -> dict[str, int]:
    """Bytes of one process: pss (shared pages divided among those who share them) and its private part."""
    sizes = {"pss": 0, "anonymous": 0}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                sizes["pss"] = int(line.split()[1]) * 1024
            elif line.startswith("Pss_Anon:"):
                sizes["anonymous"] = int(line.split()[1]) * 1024
    except OSError:
        pass
    return sizes


def check(folder: Path, num_processes: int = 0, words: dict[str, Any] | None = None) -> dict[str, Any]:
    """Load rows.jsonl in a program of its own; what it printed, and its peak memory in bytes, workers included.

    peak_pss counts pages of the mapped row files too; the system takes those back when memory is short, so
    peak_anonymous is what the program cannot do without.
    """
    text = {"recipe": 1, "base": {"model": "starter"}, "data": {"train": "rows.jsonl", **(words or {})}}
    (folder / "recipe.yaml").write_text(json.dumps(text))
    arguments = [sys.executable, "-c", CHECK, str(folder / "recipe.yaml"), str(num_processes)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    peak = {"pss": 0, "anonymous": 0}
    while process.poll() is None:
        found = [_memory(pid) for pid in _family(process.pid)]
        for kind in peak:
            peak[kind] = max(peak[kind], sum(one[kind] for one in found))
        time.sleep(0.2)
    assert process.stdout is not None
    told = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the check ended with {process.returncode}")
    return {**json.loads(told), "peak_pss": peak["pss"], "peak_anonymous": peak["anonymous"]}
