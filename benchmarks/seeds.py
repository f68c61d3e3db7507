"""Held-out loss after whole runs, packed and plainly padded, over some seeds: what packing may not change.

Run: python -m benchmarks.seeds [--seeds 3] [--out FOLDER] RECIPE [--set KEY=VALUE ...]

Each seed is run twice by `finetune run`, with hardware.packing auto and off, in a shuffled order. The difference of the
two ways at one seed is set against what seeds alone change (the standard deviation over them).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = ("auto", "off")


def held_out_loss(recipe: str, words: list[str], seed: int, way: str, out: Path) -> tuple[float, float]:
    """The adapter's held-out loss in nats a token, and the seconds of training."""
    command = [sys.executable, "-m", "finetune", "run", recipe, "--output", str(out), "--allow-outside"]
    for word in (*words, f"train.seed={seed}", f"hardware.packing={way}"):
        command += ["--set", word]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2_000:])
    loss = json.loads((out / "evaluation.json").read_bytes())["held_out"]["adapter"]["loss"]
    return loss, json.loads((out / "manifest.json").read_bytes())["training"]["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--set", action="append", default=[], dest="words")
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp(prefix="seeds-"))
    runs = [(seed, way) for seed in range(arguments.seeds) for way in WAYS]
    random.Random(0).shuffle(runs)
    found: dict[tuple[int, str], float] = {}
    for seed, way in runs:
        began = time.monotonic()
        found[seed, way], seconds = held_out_loss(arguments.recipe, arguments.words, seed, way, out / f"{seed}-{way}")
        took = time.monotonic() - began
        print(f"seed {seed}, {way:4}  {found[seed, way]:.6f}  training {seconds:.0f} s, whole {took:.0f} s", flush=True)
    for way in WAYS:
        losses = [found[seed, way] for seed in range(arguments.seeds)]
        spread = statistics.stdev(losses) if len(losses) > 1 else float("nan")
        print(f"{way:4}  mean {statistics.mean(losses):.6f}, standard deviation over seeds {spread:.6f}")
    apart = [found[seed, "auto"] - found[seed, "off"] for seed in range(arguments.seeds)]
    print("auto - off at the same seed: " + ", ".join(f"{one:+.6f}" for one in apart))


if __name__ == "__main__":
    main()
