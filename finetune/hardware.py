"""Floor 4: facts of the machine, and the Plan that follows from them, each choice with its reason."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from finetune.errors import Problem, SurroundingsError

# Tokens in one forward pass that keep activations of a small model within a desktop's memory and caches.
_CPU_PASS_TOKENS = 4_096
_GPU_PASS_TOKENS = 16_384

# The memory estimate. Counts come from models.sizes_of; these factors were measured (docs/quantised.md has the table).
_WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2}
_BITS_PER_WEIGHT = {"8bit": 8.04, "4bit": 4.13}  # with their scales
_TRAINED_BYTES = 16  # a trained number: itself, its gradient and the optimizer's two, each in float32
_LOOSE = 1.2  # what an allocator holds beside what is asked of it
# Copies of the logits in float32 that upstream's loss holds at once; cutting the last token off copies them anew where
# a pass has several rows.
_LOGIT_COPIES = {"one row": 4.0, "rows": 7.5}
_SCORED_LOGITS, _SCORE_COPIES = 1 << 26, 3  # a pass over held-out rows (models.scoring)
_FIXED_BYTES = {"cpu": 150 << 20, "cuda": 700 << 20, "mps": 300 << 20}
_SHARE_OF_MEMORY = 0.9  # of all there is, that a plan may take
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


@dataclass(frozen=True)
class Plan:
    """How the recipe is carried out here. `reasons` says why, key by key.

    memory_gib is an estimate of the peak, `memory` its parts in bytes; None and empty where nothing was estimated.
    """

    device: str
    dtype: str
    attention: str
    micro_batch: int
    accumulation: int
    activation_checkpointing: bool
    num_threads: int
    memory_gib: float | None = None
    memory: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def machine() -> Machine:
    """Look at the machine (imports torch)."""
    import torch

    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = min([memory, *(limit for limit, _ in _group_limits())])
    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        return Machine("cuda", _num_cpus(), memory, facts.name, facts.total_memory, torch.cuda.is_bf16_supported())
    if torch.backends.mps.is_available():
        return Machine("mps", _num_cpus(), memory, "Apple GPU", None, False)
    return Machine("cpu", _num_cpus(), memory, None, None, False)


def _num_cpus() -> int:
    """CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_plan(
    here: Machine,
    batch_size: int,
    longest_row_tokens: int,
    wishes: Any = None,
    sizes: Any = None,
    quantization: str = "none",
    image_tokens: int = 0,
) -> Plan:
    """Choose device, dtype and how a batch is cut into passes; with `sizes`, so that it fits into memory.

    What is chosen depends on all memory there is, not on what happens to be free: a resumption plans the same.

    Args:
        here: from `machine`.
        batch_size: the recipe's, examples per optimizer step; it is kept whatever is chosen.
        longest_row_tokens: of the training rows.
        wishes: the recipe's `hardware` section, or None.
        sizes: of base and adapter (finetune.models.sizes_of); None: memory is not looked at.
        quantization: the recipe's base.quantization.
        image_tokens: of the row whose images take the most; data.max_image_pixels bounds those of one image.

    Raises:
        SurroundingsError: a wish that this machine cannot grant, or less memory than is needed.
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
    wished_micro = getattr(wishes, "micro_batch", None)
    micro, checkpointing = wished_micro, here.device == "cuda" and (here.gpu_memory_bytes or 0) < 12 << 30
    if micro:
        reasons["micro_batch"] = "the recipe's hardware.micro_batch"
    else:
        budget = _CPU_PASS_TOKENS if here.device == "cpu" else _GPU_PASS_TOKENS
        micro = _largest_divisor(batch_size, max(1, budget // max(1, longest_row_tokens)))
        reasons["micro_batch"] = (
            f"the most rows of {longest_row_tokens} tokens within {budget} tokens a pass that divide batch_size"
        )
    reasons["activation_checkpointing"] = "saves memory on a small GPU" if checkpointing else "memory suffices: faster"
    load = Load(sizes, here.device, dtype, quantization, longest_row_tokens, micro, checkpointing, image_tokens)
    fitted = _fitted(load, here, batch_size, bool(wished_micro)) if sizes is not None else load
    if fitted.micro_batch != micro:
        reasons["micro_batch"] = f"{micro} rows would need {load.gib():.1f} GiB of memory"
    if fitted.checkpointing != checkpointing:
        reasons["activation_checkpointing"] = "computes layers twice instead of keeping them: else memory is too small"
    micro, checkpointing = fitted.micro_batch, fitted.checkpointing
    accumulation = batch_size // micro
    reasons["accumulation"] = f"{micro} rows a pass, {accumulation} passes a step: batch_size {batch_size}"
    wished = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # OpenMP allows a list, one a level
    threads = int(wished) if wished.isdecimal() and int(wished) > 0 else max(1, _num_cpus())
    reasons["num_threads"] = "OMP_NUM_THREADS" if str(threads) == wished else "the CPUs this process may use"
    plan = Plan(here.device, dtype, attention, micro, accumulation, checkpointing, threads, reasons=reasons)
    if sizes is None:
        reasons["memory_gib"] = "not estimated"
        return plan
    free_bytes = free_memory(here.device)
    _require_memory(fitted, free_bytes, bool(wished_micro))
    free = "not known how much is free" if free_bytes is None else f"{free_bytes / 2**30:.1f} GiB are free"
    reasons["memory_gib"] = f"estimated: {_spelled(fitted.parts())}; {free}"
    return replace(plan, memory_gib=round(fitted.gib(), 2), memory=fitted.parts())


def _largest_divisor(number: int, limit: int) -> int:
    return max(k for k in range(1, min(number, limit) + 1) if number % k == 0)


@dataclass(frozen=True)
class Load:
    """What is to be held in memory at once.

    Attributes:
        sizes: of base and adapter (finetune.models.Sizes).
        row_tokens: of the longest row; a pass is counted as if all its rows were so long.
        image_tokens: of the row whose images take the most; all rows are counted as if theirs took as many.
    """

    sizes: Any
    device: str
    dtype: str
    quantization: str
    row_tokens: int
    micro_batch: int
    checkpointing: bool
    image_tokens: int = 0

    def parts(self) -> dict[str, int]:
        """Estimated bytes: weights, adapter, activations, logits, and what is there anyway."""
        sizes, width = self.sizes, _WIDTH[self.dtype]
        tokens = self.row_tokens * self.micro_batch
        weights = sizes.num_parameters * width
        if self.quantization != "none":
            saved = width - _BITS_PER_WEIGHT[self.quantization] / 8
            weights += 2 * sizes.largest_layer * width - sizes.num_rounded * saved
        kept = sizes.kept_per_token
        if self.checkpointing:
            kept = sizes.narrowest_per_token + kept // max(1, sizes.num_layers)
        if width == 2:  # norms compute in float32, whatever the rest does
            kept += 2 * sizes.hidden_size * (1 if self.checkpointing else sizes.num_layers)
        copies = _LOGIT_COPIES["rows" if self.micro_batch > 1 else "one row"]
        scored = _SCORE_COPIES * min(_SCORED_LOGITS, max(4_096, self.row_tokens) * sizes.vocab_size)
        activations = int(kept * tokens * width * _LOOSE)
        logits = int(copies * tokens * sizes.vocab_size * 4)
        if scored * 4 > activations + logits:  # held-out rows are looked at between steps, without activations
            activations, logits = 0, scored * 4
        # Images are looked at first, when nothing else is there yet.
        seen = sizes.seen_per_image_token * min(self.image_tokens, self.row_tokens) * self.micro_batch * 4
        activations = max(activations, int(seen * _LOOSE))
        return {
            "weights": int(weights),
            "adapter": sizes.num_trainable * _TRAINED_BYTES + sizes.copied_rows * width,
            "activations": activations,
            "logits": logits,
            "fixed": _FIXED_BYTES.get(self.device, 0),
        }

    def total_bytes(self) -> int:
        return sum(self.parts().values())

    def gib(self) -> float:
        return self.total_bytes() / 2**30


def _spelled(parts: dict[str, int]) -> str:
    return ", ".join(f"{name} {value / 2**30:.2f}" for name, value in parts.items())


def _fitted(load: Load, here: Machine, batch_size: int, micro_is_wished: bool) -> Load:
    """Fewer rows a pass until it fits into the machine's memory; then layers computed twice; else as it was."""
    memory = here.gpu_memory_bytes if here.device == "cuda" else here.memory_bytes
    if memory is None:
        return load
    rows = [k for k in range(load.micro_batch, 0, -1) if batch_size % k == 0]
    tries = [load] if micro_is_wished else [replace(load, micro_batch=k) for k in rows]
    tries += [replace(one, checkpointing=True) for one in tries]
    return next((one for one in tries if one.total_bytes() <= _SHARE_OF_MEMORY * memory), tries[-1])


def _require_memory(load: Load, free_bytes: int | None, micro_is_wished: bool) -> None:
    """Raises SurroundingsError, with three changes that help and their figures, where less is free than is needed."""
    if free_bytes is None or load.total_bytes() <= free_bytes:
        return
    changes = []
    if micro_is_wished and load.micro_batch > 1:
        changes.append(("hardware.micro_batch: 1", replace(load, micro_batch=1)))
    else:
        shorter = next(
            (n for n in (4096, 2048, 1024, 512, 256, 128) if n < load.row_tokens and _fits(load, n, free_bytes)), 0
        )
        tokens = shorter or max(32, min(128, load.row_tokens // 2))
        changes.append((f"data.max_length: {tokens}", replace(load, row_tokens=tokens)))
    has_library = importlib.util.find_spec("bitsandbytes") is not None
    if load.quantization != "4bit" and (has_library or load.device == "cuda"):
        extra = "" if has_library else " (with pip install 'finetune-kit[qlora]')"
        changes.append((f"base.quantization: 4bit{extra}", replace(load, quantization="4bit")))
    else:
        tokens = max(32, load.row_tokens // 4)
        changes.append((f"rows of {tokens} tokens (data.max_length)", replace(load, row_tokens=tokens)))
    words = [f"{text} ({_needs(other, free_bytes)})" for text, other in changes]
    fixed = load.parts()["fixed"]
    share = max(0, free_bytes - fixed) / max(1, load.total_bytes() - fixed)
    words.append(f"a base of at most {_parameters(0.9 * share * load.sizes.num_parameters)} parameters")
    where = "on this GPU" if load.device == "cuda" else "in this machine"
    what = (
        f"needs about {load.gib():.1f} GiB of memory, and {free_bytes / 2**30:.1f} GiB are free {where} "
        f"(GiB: {_spelled(load.parts())})"
    )
    rows = "1 row" if load.micro_batch == 1 else f"{load.micro_batch} rows"
    got = f"{rows} of {load.row_tokens:,} tokens a pass, a base of {_parameters(load.sizes.num_parameters)} parameters"
    raise SurroundingsError(Problem("", "hardware", what, got, "one or more of: " + "; ".join(words)))


def _fits(load: Load, row_tokens: int, free_bytes: int) -> bool:
    return replace(load, row_tokens=row_tokens).total_bytes() <= free_bytes


def _needs(load: Load, free_bytes: int) -> str:
    return f"needs {load.gib():.1f} GiB" + ("" if load.total_bytes() <= free_bytes else ", not enough alone")


def _parameters(count: float) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{max(1, count / 1e6):.0f} million"


def free_memory(device: str = "cpu") -> int | None:
    """Bytes that are free now: of the GPU, or of the machine within its control groups' limits; None: not known."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
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
