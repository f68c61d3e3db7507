"""Kill a training at random moments, resume it, compare: `python tests/kill_rounds.py --rounds 100` (`make kill`).

Each round trains in a forked child that saves after every step, kills it with SIGKILL at a random moment (every
second time at the next beginning of a save), resumes in another child, and compares the adapter with the one of an
uninterrupted run, bit by bit.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
for _name, _value in {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}.items():
    os.environ.setdefault(_name, _value)

import tiny  # noqa: E402
import training_kit as kit  # noqa: E402
import trl.trainer.sft_trainer  # noqa: E402 - imported here, so that no child has to

from finetune import training  # noqa: E402
from finetune.runs import Run  # noqa: E402
from finetune.training import checkpoints as ck  # noqa: E402

_ROWS = kit.ragged_rows(24, 260)
_WORDS = kit.settings(epochs=1.5, save_every=1)  # 9 steps; the last epoch is a part of one


def _whole(folder: Path, base: Path) -> dict[str, Any]:
    """An uninterrupted run, or the rest of one: hash of the adapter, and the steps of its metrics."""
    resume = folder.is_dir()
    run = Run.open(folder) if resume else kit.new_run(folder)
    if resume and not ck.checkpoints(run.checkpoints_dir):
        run.metrics_path.unlink(missing_ok=True)
        resume = False
    model, result = kit.train(run, base, _ROWS, _WORDS, dropout=0.1, resume=resume)
    return {
        "hash": kit.adapter_hash(model),
        "loss": result.final_loss,
        "steps": kit.steps_of(run),
        "tokens": result.tokens_seen,
    }


def _round(folder: Path, base: Path, answer: Path, seconds: float, aimed: bool) -> tuple[bool, dict[str, Any]]:
    """One kill and one resumption; gives whether the kill landed inside a save, and what the resumed run gave.

    Args:
        seconds: how long the child is left alone.
        aimed: wait then for the beginning of a save: on a busy machine few kills would hit one by chance.
    """
    pid = kit.fork(lambda: _whole(folder, base), answer)
    deadline = time.monotonic() + 60
    while not (folder / "checkpoints").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(seconds)  # a child that has ended by then waits to be collected: its pid is not another's
    while aimed and not kit.leftovers(folder / "checkpoints") and time.monotonic() < deadline and not _ended(pid):
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    kit.wait(pid)
    in_save = bool(kit.leftovers(folder / "checkpoints"))
    return in_save, kit.in_child(lambda: _whole(folder, base), answer)


def _ended(pid: int) -> bool:
    """Whether a child has ended, without collecting it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def rounds(num: int, seed: int, folder: Path, tell: Any = lambda line: None) -> tuple[Counter[str], int]:
    """Do `num` rounds; gives how many ended how, and how many kills landed inside a save."""
    base, answer = tiny.save_base(folder / "base"), folder / "answer.json"
    assert trl.trainer.sft_trainer and training  # the imports are for the children
    kit.in_child(lambda: _whole(folder / "warm", base), answer)
    began = time.monotonic()
    expected = kit.in_child(lambda: _whole(folder / "whole", base), answer)["value"]
    duration = time.monotonic() - began
    draw, outcomes, num_in_save = random.Random(seed), Counter[str](), 0
    for number in range(num):
        in_save, got = _round(folder / "run", base, answer, draw.uniform(0, duration), bool(number % 2))
        num_in_save += in_save
        left = kit.leftovers(folder / "run" / "checkpoints")
        if got.get("value") == expected and not left:
            outcome = "equal"
        elif "value" in got:
            outcome = f"other result: {[key for key in expected if got['value'][key] != expected[key]]}, left {left}"
        else:
            outcome = f"error: {got.get('error')}: {got.get('text', '')[:200]}"
        outcomes[outcome] += 1
        tell(f"round {number + 1}/{num}: {outcome}{', killed inside a save' if in_save else ''}")
        shutil.rmtree(folder / "run")
    return outcomes, num_in_save


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes, num_in_save = rounds(
            arguments.rounds, arguments.seed, Path(folder), lambda line: print(line, flush=True)
        )
    print(f"{arguments.rounds} kills, {num_in_save} inside a save, seed {arguments.seed}: {dict(outcomes)}")
    return 0 if set(outcomes) == {"equal"} else 1


if __name__ == "__main__":
    sys.exit(main())
