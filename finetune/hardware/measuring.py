"""What a CPU computes in which number format and with how many threads: short matrix products, timed once a process."""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# A product as it occurs in a pass: some hundred tokens through a matrix of a small model. More CPUs get more rows.
_ROWS_A_CPU, _MOST_ROWS, _WIDTH = 256, 2_048, 768
_BUDGET_SECONDS = 0.15  # for each of the two questions
_MOST_ROUNDS, _LEAST_ROUNDS = 15, 3
_TRIAL_WIDTH, _HOPELESS = 128, 4.0  # so much slower than the best in the first round: not looked at any further
_PAYS = 1.5  # so many times float32's speed, and bfloat16 is worth its rounding
_NEAR = 0.9  # of the best speed: fewer threads than the best are taken from there on


@dataclass(frozen=True)
class Speeds:
    """What was measured.

    Attributes:
        formats: dtype -> GFLOP/s of one thread at best, by the processor's own seconds, so that it does not matter who
            else is at work; empty where not looked at.
        threads: number of threads -> GFLOP/s in float32 as a rule (the median): threads that wait for busy cores are
            slow most of the time and fast by luck; empty where not looked at.
        seconds: that it all took.
    """

    formats: dict[str, float] = field(default_factory=dict)
    threads: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0

    def dtype(self) -> str:
        """bfloat16 where it is at least 1.5 times as fast as float32, else float32."""
        return (
            "bfloat16" if self.formats.get("bfloat16", 0.0) >= _PAYS * self.formats.get("float32", 1.0) else "float32"
        )

    def num_threads(self) -> int:
        """The fewest threads within a tenth of the best speed: where the cores are busy, more only wait for each other.

        Raises:
            ValueError: threads were not measured.
        """
        best = max(self.threads.values())
        return min(number for number, speed in self.threads.items() if speed >= _NEAR * best)

    def as_dict(self) -> dict[str, Any]:
        """As plan.json records it; a JSON object has texts for keys."""
        threads = {str(number): round(speed, 1) for number, speed in self.threads.items()}
        formats = {dtype: round(speed, 1) for dtype, speed in self.formats.items()}
        return {"gflops_by_dtype": formats, "gflops_by_threads": threads, "seconds": round(self.seconds, 2)}


def may_measure() -> bool:
    """Whether choices may depend on measurements; FINETUNE_MEASURE=0 asks for the same plan whatever else runs here."""
    return os.environ.get("FINETUNE_MEASURE", "").strip() != "0"


def wished_threads() -> int | None:
    """What OMP_NUM_THREADS says (OpenMP allows a list, one a level); None where it says nothing usable."""
    wished = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(wished) if wished.isdecimal() and int(wished) > 0 else None


@functools.cache
def measured(num_cpus: int, formats: bool = True, threads: bool = True) -> Speeds:
    """Time short matrix products (imports torch; below half a second); asked again, the same answer.

    Candidates take turns, so that what else happens on the machine meets all of them.

    Args:
        num_cpus: that this process may use.
        formats: whether to compare float32 and bfloat16.
        threads: whether to compare numbers of threads: all CPUs, half of them, a quarter, ..., 1.
    """
    import torch

    began, before = time.perf_counter(), torch.get_num_threads()
    try:
        by_threads = _by_threads(num_cpus) if threads and num_cpus > 1 else {}
        by_format = _by_format() if formats else {}
    finally:
        torch.set_num_threads(before)
    return Speeds(by_format, by_threads, time.perf_counter() - began)


def thread_counts(num_cpus: int) -> list[int]:
    """All CPUs, half of them, a quarter, ..., 1; the fewest first."""
    counts = []
    while num_cpus:
        counts.append(num_cpus)
        num_cpus //= 2
    return counts[::-1]


def _by_threads(num_cpus: int) -> dict[int, float]:
    import torch

    num_rows = min(_MOST_ROWS, _ROWS_A_CPU * num_cpus)
    product = _product(torch.float32, num_rows, _WIDTH, time.perf_counter)

    def with_threads(number: int) -> Callable[[], float]:
        def run() -> float:
            if torch.get_num_threads() != number:
                torch.set_num_threads(number)
                product()  # the threads are made at the first product
            return product()

        return run

    counts = thread_counts(num_cpus)
    times = _in_turns({number: with_threads(number) for number in counts})
    return {n: _gflops(num_rows, _WIDTH, statistics.median(taken)) for n, taken in times.items()}


def _by_format() -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    formats = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    # Without a unit for it, one product of full size could take a second: the tiny ones come first.
    for num_rows, width in ((_TRIAL_WIDTH, _TRIAL_WIDTH), (_ROWS_A_CPU, _WIDTH)):
        times = _in_turns({name: _product(dtype, num_rows, width, _own_clock()) for name, dtype in formats.items()})
        speeds = {name: _gflops(num_rows, width, min(taken)) for name, taken in times.items()}
        if speeds["bfloat16"] * _HOPELESS < speeds["float32"]:
            break
    return speeds


def _own_clock() -> Callable[[], float]:
    """Seconds that a processor spent on this thread, where they are counted finely; else seconds."""
    fine = time.get_clock_info("thread_time").resolution < 1e-4
    return time.thread_time if fine else time.perf_counter


def _product(dtype: Any, num_rows: int, width: int, clock: Callable[[], float]) -> Callable[[], float]:
    """A product (rows, width) x (width, width) that tells the seconds it took."""
    import torch

    left, right = torch.full((num_rows, width), 0.5, dtype=dtype), torch.full((width, width), 0.25, dtype=dtype)
    out = torch.empty(num_rows, width, dtype=dtype)

    def run() -> float:
        began = clock()
        torch.mm(left, right, out=out)
        return clock() - began

    return run


def _in_turns(runs: dict[Any, Callable[[], float]]) -> dict[Any, list[float]]:
    """The seconds that each of `runs` tells, round by round; those without a chance have no more than their first."""
    began = time.perf_counter()
    for run in runs.values():
        run()
    times = {name: [run()] for name, run in runs.items()}
    best = min(taken[0] for taken in times.values())
    alive = [name for name, taken in times.items() if taken[0] <= _HOPELESS * best]
    for done in range(1, _MOST_ROUNDS):
        if done >= _LEAST_ROUNDS and time.perf_counter() - began > _BUDGET_SECONDS:
            break
        for name in alive:
            times[name].append(runs[name]())
    return times


def _gflops(num_rows: int, width: int, seconds: float) -> float:
    return 2 * num_rows * width * width / max(seconds, 1e-9) / 1e9
