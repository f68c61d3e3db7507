"""Floor 4: facts of the machine, and the Plan that follows from them, each choice with its reason."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

from finetune.errors import Problem, SurroundingsError

# Tokens in one forward pass that keep activations of a small model within a desktop's memory and caches.
_CPU_PASS_TOKENS = 4_096
_GPU_PASS_TOKENS = 16_384


@dataclass(frozen=True)
class Machine:
    """What this machine has. memory in bytes; gpu_name None without a GPU."""

    device: str
    num_cpus: int
    memory_bytes: int | None
    gpu_name: str | None
    gpu_memory_bytes: int | None
    bfloat16_gpu: bool


@dataclass(frozen=True)
class Plan:
    """How the recipe is carried out here. `reasons` says why, key by key."""

    device: str
    dtype: str
    attention: str
    micro_batch: int
    accumulation: int
    activation_checkpointing: bool
    num_threads: int
    reasons: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def machine() -> Machine:
    """Look at the machine (imports torch)."""
    import torch

    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        return Machine("cuda", _num_cpus(), memory, facts.name, facts.total_memory, torch.cuda.is_bf16_supported())
    if torch.backends.mps.is_available():
        return Machine("mps", _num_cpus(), memory, "Apple GPU", None, False)
    return Machine("cpu", _num_cpus(), memory, None, None, False)


def _num_cpus() -> int:
    """CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_plan(here: Machine, batch_size: int, longest_row_tokens: int, wishes: Any = None) -> Plan:
    """Choose device, dtype and how a batch is cut into passes.

    Args:
        here: from `machine`.
        batch_size: the recipe's, examples per optimizer step; it is kept whatever is chosen.
        longest_row_tokens: of the training rows.
        wishes: the recipe's `hardware` section, or None.

    Raises:
        SurroundingsError: a wish that this machine cannot grant.
    """
    reasons = {"device": here.gpu_name or "no GPU found: the CPU does the work"}
    dtype = getattr(wishes, "dtype", "auto") or "auto"
    if dtype == "auto":
        dtype = "bfloat16" if here.bfloat16_gpu else "float32"
        reasons["dtype"] = "this GPU computes bfloat16" if here.bfloat16_gpu else "exact, and the safe choice here"
    else:
        if dtype == "float16" and here.device == "cpu":
            problem = Problem("", "hardware.dtype", "training in float16 needs a GPU", "float16", "use float32 or auto")
            raise SurroundingsError(problem)
        reasons["dtype"] = "the recipe's hardware.dtype"
    attention = getattr(wishes, "attention", "auto") or "auto"
    reasons["attention"] = "the recipe's hardware.attention" if attention != "auto" else "torch's fused attention"
    attention = "sdpa" if attention == "auto" else attention
    micro = getattr(wishes, "micro_batch", None)
    if micro:
        reasons["micro_batch"] = "the recipe's hardware.micro_batch"
    else:
        budget = _CPU_PASS_TOKENS if here.device == "cpu" else _GPU_PASS_TOKENS
        micro = _largest_divisor(batch_size, max(1, budget // max(1, longest_row_tokens)))
        reasons["micro_batch"] = (
            f"the most rows of {longest_row_tokens} tokens within {budget} tokens a pass that divide batch_size"
        )
    accumulation = batch_size // micro
    reasons["accumulation"] = f"{micro} rows a pass, {accumulation} passes a step: batch_size {batch_size}"
    checkpointing = here.device == "cuda" and (here.gpu_memory_bytes or 0) < 12 << 30
    reasons["activation_checkpointing"] = "saves memory on a small GPU" if checkpointing else "memory suffices: faster"
    wished = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # OpenMP allows a list, one a level
    threads = int(wished) if wished.isdecimal() and int(wished) > 0 else max(1, _num_cpus())
    reasons["num_threads"] = "OMP_NUM_THREADS" if str(threads) == wished else "the CPUs this process may use"
    return Plan(here.device, dtype, attention, micro, accumulation, checkpointing, threads, reasons)


def _largest_divisor(number: int, limit: int) -> int:
    return max(k for k in range(1, min(number, limit) + 1) if number % k == 0)


def free_memory(device: str = "cpu") -> int | None:
    """Bytes that are free now: of the GPU, or of the machine within what its control group may use; None: not known."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    return None
