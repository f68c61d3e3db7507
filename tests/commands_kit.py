"""The command `finetune` as a user has it: a process of its own, from a folder of its own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


def finetune(*words: str | Path, cwd: Path, stdin: str = "", **environment: str) -> Ended:
    """Run one command without colours or a terminal, offline, on one thread.

    Args:
        words: the command line behind `finetune`.
        cwd: folder it is run in.
        stdin: what is typed.
        environment: variables added or, with an empty text, taken away.
    """
    variables = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")}
    variables |= {"TERM": "dumb", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment}
    start = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", "finetune", *map(str, words)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={k: v for k, v in variables.items() if v},
        timeout=300,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return Ended(result.returncode, result.stdout, result.stderr, time.perf_counter() - start)


def median_seconds(run: Callable[[], Ended], num_rounds: int = 5) -> float:
    """Median wall-clock seconds of a command."""
    return statistics.median(run().seconds for _ in range(num_rounds))
