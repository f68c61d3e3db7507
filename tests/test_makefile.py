"""The Makefile: what its targets would run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_make_bench_runs_the_benchmarks_once() -> None:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    # -o: as if the environment stood, so that only the benchmarks are left to run.
    words = ["make", "--dry-run", "--no-print-directory", "-o", ".venv/.dev", "bench"]
    lines = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [".venv/bin/python -m benchmarks"]
