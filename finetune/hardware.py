"""Floor 4: facts of the machine, and the Plan that follows from them, each choice with its reason."""

from __future__ import annotations

import contextlib
import ctypes
import gc
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
_LEAST_SAVED, _MOST_CHANGES = 0.1, 3  # a change that is named saves at least this share, or makes it fit
_LEAST_SHARE = 0.001  # of the base that would fit: below it, a smaller base is no advice
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

    def lines(self) -> list[str]:
        """Each choice with its reason, as a person is told."""
        told = {key: getattr(self, key, "") for key in self.reasons if key != "memory_gib"}
        lines = [f"{key}: {value} - {self.reasons[key]}" for key, value in told.items()]
        if self.memory:
            lines.append(f"memory: about {spelled_bytes(sum(self.memory.values()))} - {self.reasons['memory_gib']}")
        return lines


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
    dtype = dtype_for(here, wishes)
    if (getattr(wishes, "dtype", "auto") or "auto") == "auto":
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
    free = "not known how much is free" if free_bytes is None else f"{spelled_bytes(free_bytes)} are free"
    reasons["memory_gib"] = f"estimated ({_spelled(fitted.parts())}); {free}"
    return replace(plan, memory_gib=round(fitted.gib(), 2), memory=fitted.parts())


def dtype_for(here: Machine, wishes: Any = None) -> str:
    """What is computed in: the recipe's hardware.dtype, or what suits the machine."""
    wished = getattr(wishes, "dtype", "auto") or "auto"
    return wished if wished != "auto" else "bfloat16" if here.bfloat16_gpu else "float32"


def too_large(here: Machine, sizes: Any, wishes: Any = None, quantization: str = "none") -> Problem | None:
    """Why a base cannot be trained here whatever the rows: its weights and adapter alone need more than all memory.

    A rough bound, told before anything large is fetched; `make_plan` knows the rows and estimates all of it.

    Args:
        as of `make_plan`.
    """
    memory = here.gpu_memory_bytes if here.device == "cuda" else here.memory_bytes
    dtype = dtype_for(here, wishes)
    needed = _standing(Load(sizes, here.device, dtype, quantization, 1, 1, True))
    if memory is None or needed <= memory:
        return None
    fix = "choose a smaller base"
    rounded = _standing(Load(sizes, here.device, dtype, "4bit", 1, 1, True))
    if quantization != "4bit" and rounded <= memory:
        fix += f", or base.quantization: 4bit ({rounded / 2**30:.1f} GiB of weights and adapter)"
    where = "this GPU" if here.device == "cuda" else "this machine"
    what = (
        f"weights and adapter alone need {needed / 2**30:.1f} GiB of memory, and {where} has {memory / 2**30:.1f} GiB"
    )
    return Problem("", "base.model", what, f"{_parameters(sizes.num_parameters)} parameters in {dtype}", fix)


def _standing(load: Load) -> int:
    """Bytes that are there whatever the rows."""
    parts = load.parts()
    return parts["weights"] + parts["adapter"]


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
    """Parts of a sum, all in one unit."""
    if sum(parts.values()) < 2**30:
        return "MiB: " + ", ".join(f"{name} {value / 2**20:.0f}" for name, value in parts.items())
    return "GiB: " + ", ".join(f"{name} {value / 2**30:.2f}" for name, value in parts.items())


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
    """Raises SurroundingsError, with the changes that help and their figures, where less is free than is needed."""
    if free_bytes is None or load.total_bytes() <= free_bytes:
        return
    changes = [change for change in _changes(load, free_bytes, micro_is_wished) if _helps(load, change[1], free_bytes)]
    changes.sort(key=lambda change: change[1].total_bytes())
    words = [f"{text} ({_needs(other, free_bytes)})" for text, other in changes[:_MOST_CHANGES]]
    fixed = load.parts()["fixed"]
    share = max(0, free_bytes - fixed) / max(1, load.total_bytes() - fixed)
    if share > _LEAST_SHARE:
        words.append(f"a base of at most {_parameters(0.9 * share * load.sizes.num_parameters)} parameters")
    what = (
        f"needs about {spelled_bytes(load.total_bytes())} of memory, and {spelled_bytes(free_bytes)} are free "
        f"{_where(load.device)} ({_spelled(load.parts())})"
    )
    rows = "1 row" if load.micro_batch == 1 else f"{load.micro_batch} rows"
    got = f"{rows} of {load.row_tokens:,} tokens a pass, a base of {_parameters(load.sizes.num_parameters)} parameters"
    fix = "one or more of: " + "; ".join(words) if words else "end what else holds memory, or use a larger machine"
    raise SurroundingsError(Problem("", "hardware", what, got, fix))


def _changes(load: Load, free_bytes: int, micro_is_wished: bool) -> list[tuple[str, Load]]:
    """What a recipe could say instead, and what would be held then; whether it helps is seen afterwards."""
    changes = []
    if micro_is_wished and load.micro_batch > 1:
        changes.append(("hardware.micro_batch: 1", replace(load, micro_batch=1)))
    shorter = next(
        (n for n in (4096, 2048, 1024, 512, 256, 128) if n < load.row_tokens and _fits(load, n, free_bytes)), 0
    )
    tokens = shorter or max(32, min(128, load.row_tokens // 2))
    if tokens < load.row_tokens:
        changes.append((f"data.max_length: {tokens}", replace(load, row_tokens=tokens)))
    has_library = importlib.util.find_spec("bitsandbytes") is not None
    if load.quantization != "4bit" and (has_library or load.device == "cuda"):
        extra = "" if has_library else " (with pip install 'finetune-kit[qlora]')"
        changes.append((f"base.quantization: 4bit{extra}", replace(load, quantization="4bit")))
    if load.device == "cpu" and load.dtype == "float32":
        changes.append(("hardware.dtype: bfloat16", replace(load, dtype="bfloat16")))
    sizes = load.sizes
    if load.parts()["adapter"] < _LEAST_SAVED * load.total_bytes():
        return changes

    def with_adapter(num_trainable: int) -> Load:
        return replace(load, sizes=replace(sizes, num_trainable=num_trainable))

    if sizes.num_on_attention and sizes.num_on_attention < sizes.num_trainable:
        changes.append(("adapter.target_modules: attention", with_adapter(sizes.num_on_attention)))
    smaller = [(rank, with_adapter(sizes.num_trainable * rank // sizes.rank)) for rank in (64, 32, 16, 8, 4) if
               rank < sizes.rank]  # fmt: skip
    if smaller:
        rank, other = next((pair for pair in smaller if pair[1].total_bytes() <= free_bytes), smaller[-1])
        changes.append((f"adapter.r: {rank}", other))
    return changes


def _helps(load: Load, other: Load, free_bytes: int) -> bool:
    """Whether a change makes it fit, or saves enough to be named."""
    needed = other.total_bytes()
    return needed <= free_bytes or needed <= (1 - _LEAST_SAVED) * load.total_bytes()


def _fits(load: Load, row_tokens: int, free_bytes: int) -> bool:
    return replace(load, row_tokens=row_tokens).total_bytes() <= free_bytes


def _needs(load: Load, free_bytes: int) -> str:
    enough = "" if load.total_bytes() <= free_bytes else ", not enough alone"
    return f"needs {spelled_bytes(load.total_bytes())}{enough}"


def _where(device: str) -> str:
    return "on this GPU" if device == "cuda" else "in this machine"


def require_room(
    num_parameters: int, num_rounded: int, dtype: str, device: str, quantization: str = "none", *, label: str = ""
) -> None:
    """See, before a base is loaded to answer or to be merged, that its weights fit into what is free.

    Args:
        num_parameters: of the base.
        num_rounded: of them, those that 8bit and 4bit hold in fewer bits.
        dtype: of the computation.
        device: "cpu", "cuda" or "mps".
        quantization: how it is held.
        label: of the base, for the message.

    Raises:
        SurroundingsError: less is free than is needed; with both figures and what to do.
    """
    free_bytes = free_memory(device)

    def needed(width: int, kind: str) -> int:
        rounded = num_rounded * _BITS_PER_WEIGHT[kind] / 8 if kind != "none" else num_rounded * width
        return int((num_parameters - num_rounded) * width + rounded) + _FIXED_BYTES.get(device, 0)

    total = needed(_WIDTH[dtype], quantization)
    if free_bytes is not None and total > free_bytes:
        gc.collect()  # a model of before may still be held by circles of references
        free_bytes = free_memory(device)
    if free_bytes is None or total <= free_bytes:
        return
    what = (
        f"its weights need about {spelled_bytes(total)} of memory, and {spelled_bytes(free_bytes)} are free "
        f"{_where(device)}"
    )
    got = f"{_parameters(num_parameters)} parameters in {dtype if quantization == 'none' else quantization}"
    fix = "end what else holds memory, use a machine with more of it, or take a smaller base"
    if _WIDTH[dtype] > 2 and quantization == "none":
        fix += f" (a GPU that computes bfloat16 needs {spelled_bytes(needed(2, 'none'))})"
    raise SurroundingsError(Problem(label, "", what, got, fix))


def spelled_bytes(number: int) -> str:
    """A size for people: in GiB, below a tenth of one in MiB."""
    return f"{number / 2**30:.1f} GiB" if number >= 0.1 * 2**30 else f"{number / 2**20:.0f} MiB"


def _parameters(count: float) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{max(1, count / 1e6):.0f} million"


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
