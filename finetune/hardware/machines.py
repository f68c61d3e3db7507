"""Facts of the machine: device, CPUs, memory in all and free, within the limits of its control groups."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_ALLOCATOR_BYTES = 1 << 20
_NO_LIMIT = 1 << 60  # control groups write a number near 2^63 where there is no limit


@dataclass(frozen=True)
class Machine:
    """What this machine has. memory in bytes; gpu_name None without a GPU."""

    device: str
    num_cpus: int
    memory_bytes: int | None
    gpu_name: str | None
    gpu_memory_bytes: int | None
    bfloat16_gpu: bool


def machine() -> Machine:
    """Look at the machine (imports torch)."""
    import torch

    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = min([memory, *(limit for limit, _ in _group_limits())])
    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        return Machine("cuda", num_cpus(), memory, facts.name, facts.total_memory, torch.cuda.is_bf16_supported())
    if torch.backends.mps.is_available():
        return Machine("mps", num_cpus(), memory, "Apple GPU", None, False)
    return Machine("cpu", num_cpus(), memory, None, None, False)


def num_cpus() -> int:
    """CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory(device: str = "cpu") -> int | None:
    """Bytes that are free now: of the GPU, or of the machine within its control groups' limits; None: not known."""
    if device == "cuda":
        import torch

        # What torch keeps for itself without a tensor in it is free for the next one.
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0]) + kept
    available = None
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    free = [limit - used for limit, used in _group_limits()]
    return min(([available] if available is not None else []) + [max(0, room) for room in free], default=None)


def _group_limits(root: Path = Path("/sys/fs/cgroup")) -> list[tuple[int, int]]:
    """(limit, used) in bytes of every control group above this process that has a limit (containers, Slurm).

    Pages of files do not count as used: the system gives them back when memory is asked for.
    """
    found = []
    with contextlib.suppress(OSError, ValueError):
        entries = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
        for _, kinds, name in entries:
            top, words = (root, ("memory.max", "memory.current")) if not kinds else (
                root / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
            )  # fmt: skip
            if kinds and "memory" not in kinds.split(","):
                continue
            inside = top / name.lstrip("/")
            for folder in [inside, *inside.parents]:
                limit = _read_group(folder, *words)
                found += [limit] if limit is not None else []
                if folder == top:
                    break
    return found


def _read_group(folder: Path, limit_file: str, used_file: str) -> tuple[int, int] | None:
    try:
        limit = int((folder / limit_file).read_text(encoding="ascii"))
        used = int((folder / used_file).read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max": no limit
        return None
    with contextlib.suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines():
            word, number = line.split()
            if word in ("inactive_file", "active_file"):
                used -= int(number)
    return (limit, max(0, used)) if 0 < limit < _NO_LIMIT else None


def give_memory_back() -> None:
    """Let the C library return large blocks to the system when they are freed (Linux with glibc; elsewhere a no-op).

    By itself it learns to keep them, in ever smaller pieces: a training pass on a CPU then holds twice what it needs.
    Call it before the model is loaded. Costs no time that could be measured.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(-3, _ALLOCATOR_BYTES)  # -3: M_MMAP_THRESHOLD


def spelled_bytes(number: int) -> str:
    """A size for people: in GiB, below a tenth of one in MiB."""
    return f"{number / 2**30:.1f} GiB" if number >= 0.1 * 2**30 else f"{number / 2**20:.0f} MiB"


def spelled_count(count: float) -> str:
    """A number of parameters for people."""
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{max(1, count / 1e6):.0f} million"


def where(device: str) -> str:
    """Where memory is looked for, in a message."""
    return "on this GPU" if device == "cuda" else "in this machine"
