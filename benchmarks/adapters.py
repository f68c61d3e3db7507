"""Kinds of adapters side by side: losses, time and size on the starter base at the same settings.

Run: OMP_NUM_THREADS=1 python -m benchmarks.adapters [EPOCHS]     whole runs of the quickstart recipe, kind by kind

Times are the process's own, so that other work on the machine does not count; they hold loading, saving and the proof.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

from finetune import workflow
from finetune.talk import Talk

RATES = (1e-3, 4e-3)
KINDS = {
    "lora": (),
    "LoRA+, ratio 4": ("adapter.learning_rate_ratio=4",),
    "LoRA+, ratio 16": ("adapter.learning_rate_ratio=16",),
    "rslora": ("adapter.method=rslora",),
    "dora": ("adapter.method=dora",),
    "pissa": ("adapter.method=pissa",),
    "olora": ("adapter.method=olora",),
}
SAME = (
    "adapter.r=16",
    "adapter.alpha=32",
    "train.seed=0",
    "evaluate.questions=null",
    "evaluate.max_new_tokens=1",
    "train.save_every=1000",
)
RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "quickstart" / "recipe.yaml"


class Clock(Talk):
    """Seconds of this process's own time that the stage "train" took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._start = "", 0.0

    def stage(self, name: str) -> None:
        now = time.process_time()
        self.seconds[self._stage] = now - self._start
        self._stage, self._start = name, now


def line(kind: str, words: tuple[str, ...], rate: float, epochs: str, folder: Path) -> str:
    """One run, as a row of the table."""
    overrides = (*SAME, *words, f"train.learning_rate={rate}", f"train.epochs={epochs}")
    clock = Clock()
    run = workflow.run(RECIPE, folder, overrides=overrides, allow_outside=True, talk=clock)
    losses = [entry["loss"] for entry in run.read_metrics()]
    held_out = json.loads(run.evaluation_path.read_bytes())["held_out"]["adapter"]["loss"]
    facts, trained = run.manifest["adapter"], run.manifest["training"]
    size = (run.adapter_dir / "adapter_model.safetensors").stat().st_size
    return (
        f"| {kind} | {rate:g} | {losses[0]:.3f} | {statistics.mean(losses[-8:]):.3f} | {held_out:.3f} "
        f"| {clock.seconds['train'] / trained['num_steps'] * 1e3:.0f} | {facts['num_trainable']:,} | {size / 1e6:.1f} "
        f"| {facts['proof']['seconds']:.1f} |"
    )


def main() -> None:
    epochs = sys.argv[1] if len(sys.argv) > 1 else "1"
    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, one thread"
    )
    print(f"quickstart recipe, starter base, r 16, alpha 32, batch 8, epochs {epochs}")
    print("| kind | rate | first loss | last losses | held out | ms a step | trained | MB | proof, s |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for rate in RATES:
            for kind, words in KINDS.items():
                folder = Path(name) / f"{kind} {rate}".replace(" ", "-").replace(",", "")
                print(line(kind, words, rate, epochs, folder), flush=True)


if __name__ == "__main__":
    main()
