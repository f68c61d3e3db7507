"""How many operations a second this machine does in one large matrix product: the roof of every share of the peak.

Run: python -m benchmarks.speed.matrix_peak [cpu|cuda]     one line of JSON

In float32 and in bfloat16 (on CPUs with matrix units for it several times as fast). On a CPU by CPU-seconds of the
process with as many threads as OMP_NUM_THREADS says, on a GPU by the clock. Medians after a warm-up.
"""

from __future__ import annotations

import functools
import json
import statistics
import sys
import time


def measure(device: str, repeats: int = 5) -> dict[str, float]:
    """Billions of operations a second by number format.

    Args:
        device: "cpu" or "cuda".
        repeats: products measured, after two that are not.
    """
    import torch

    side = 2_048 if device == "cpu" else 8_192
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        out = torch.empty(side, side, device=device, dtype=dtype)
        speeds = []
        for number in range(repeats + 2):
            start = time.process_time() if device == "cpu" else _now(torch)
            torch.mm(left, right, out=out)
            end = time.process_time() if device == "cpu" else _now(torch)
            if number >= 2:
                speeds.append(2 * side**3 / (end - start) / 1e9)
        found[str(dtype).removeprefix("torch.")] = round(statistics.median(speeds), 1)
    return found


@functools.cache
def faster_dtype(device: str) -> str:
    """The number format in which products are at least a fifth faster: "bfloat16", else "float32"."""
    found = measure(device, 3)
    return "bfloat16" if found["bfloat16"] > 1.2 * found["float32"] else "float32"


def _now(torch) -> float:  # type: ignore[no-untyped-def]
    torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1] if len(sys.argv) > 1 else "cpu")))
