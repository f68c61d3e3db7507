"""The memory that a plan will need, part by part, before anything is loaded; what to change where it is too much."""

from __future__ import annotations

import gc
import importlib.util
from dataclasses import dataclass, replace
from typing import Any

from finetune.errors import Problem, SurroundingsError
from finetune.hardware import machines
from finetune.hardware.machines import Machine, spelled_bytes, spelled_count, where

# Counts come from models.sizes_of; these factors were measured (docs/quantised.md has the table).
WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2}
_BITS_PER_WEIGHT = {"8bit": 8.04, "4bit": 4.13}  # with their scales
_TRAINED_BYTES = 16  # a trained number: itself, its gradient and the optimizer's two, each in float32
_LOOSE = 1.1  # what an allocator holds beside what is asked of it
_NORM_COPIES = 3.4  # in 16-bit numbers: what peft's own forward keeps of what goes into a norm, in float32
_MASK_COPIES = 6  # of a mask over the pack, as numbers to be added to the scores
_SEEN_LOOSE = 1.2  # the same of the part that looks at images
# The vocabulary is scored chunk by chunk (models.frozen_head): logits of one chunk in float32.
_CHUNK_BYTES = {"cpu": 32 << 20, "cuda": 512 << 20}
_SCORED_TOKENS = 4_096  # in one pass over held-out rows (models.scoring)
_FIXED_BYTES = {"cpu": 200 << 20, "cuda": 700 << 20, "mps": 300 << 20}
# oneDNN, which multiplies 16-bit matrices on a CPU, keeps code for each of the last 1,024 shapes it met (0.7 MiB each),
# and every pass has another number of tokens.
_CODE_BYTES = 720 << 20
SHARE_OF_MEMORY = 0.9  # of all there is, that a plan may take
_LEAST_SAVED, _MOST_CHANGES = 0.1, 3  # a change that is named saves at least this share, or makes it fit
_LEAST_SHARE = 0.001  # of the base that would fit: below it, a smaller base is no advice
_LEAST_PASS_TOKENS = 256


@dataclass(frozen=True)
class Load:
    """What is to be held in memory at once.

    Attributes:
        sizes: of base and adapter (finetune.models.Sizes).
        pass_tokens: the budget of a pass; a longer row has a pass of its own.
        row_tokens: of the longest row.
        step_tokens: most tokens that a whole step may have; None: not bounded. A pass never holds more.
        attention: kind of the packed attention, or "own": the model's.
        lean: whether norms, MLPs and adapter are computed by finetune.models.lean.
        checkpointing: whether layers are computed twice instead of keeping what is in them.
        offloading: whether what is kept waits in the machine's memory instead of the GPU's.
        image_tokens: of the row whose images take the most; all rows are counted as if theirs took as many.
        micro_batch: rows with images in one pass.
        eager: whether attention holds a number for each pair of tokens in each head.
    """

    sizes: Any
    device: str
    dtype: str
    quantization: str = "none"
    pass_tokens: int = 4_096
    row_tokens: int = 1
    step_tokens: int | None = None
    attention: str = "own"
    lean: bool = False
    checkpointing: bool = False
    offloading: bool = False
    image_tokens: int = 0
    micro_batch: int = 1
    eager: bool = False

    @property
    def tokens(self) -> int:
        """Of the largest pass."""
        return max(self.row_tokens, min(self.pass_tokens, self.step_tokens or self.pass_tokens))

    def parts(self) -> dict[str, int]:
        """Estimated bytes: weights, adapter, activations, logits, and what is there anyway."""
        sizes, width = self.sizes, WIDTH[self.dtype]
        weights = sizes.num_parameters * width
        if self.quantization != "none":
            saved = width - _BITS_PER_WEIGHT[self.quantization] / 8
            weights += 2 * sizes.largest_layer * width - sizes.num_rounded * saved
        # Held-out rows are scored between steps: nothing is kept then, and the passes are other ones.
        scoring = sizes.working_per_token * max(_SCORED_TOKENS, self.row_tokens) * width
        activations = max(self._activations(), int(scoring * _LOOSE))
        # Images are looked at first, when nothing else is there yet.
        seen = sizes.seen_per_image_token * min(self.image_tokens, self.row_tokens) * self.micro_batch * 4
        return {
            "weights": int(weights),
            "adapter": sizes.num_trainable * _TRAINED_BYTES + sizes.copied_rows * width,
            "activations": max(activations, int(seen * _SEEN_LOOSE)),
            "logits": self._logits(),
            "fixed": _FIXED_BYTES.get(self.device, 0) + (_CODE_BYTES if self.device == "cpu" and width == 2 else 0),
        }

    def _activations(self) -> int:
        """What waits for the backward pass, and what the layer that is being computed has in hand."""
        in_hand = self.sizes.working_per_token * self.tokens * WIDTH[self.dtype]
        return self.kept_bytes() + int(in_hand * _LOOSE)

    def kept_bytes(self) -> int:
        """What layers keep of the largest pass for the backward pass."""
        sizes, width = self.sizes, WIDTH[self.dtype]
        whole = (self.lean and sizes.lean_per_token) or sizes.kept_per_token
        if self.attention in ("segmented", "flex", "varlen"):
            whole -= sizes.spread_per_token
        if width == 2 and not self.lean:  # norms compute in float32, whatever the rest does
            whole += int(_NORM_COPIES * sizes.normed_per_token)
        one_layer = whole // max(1, sizes.num_layers)
        kept = whole
        if self.checkpointing:
            kept = sizes.narrowest_per_token + one_layer
        elif self.offloading:
            kept = 2 * one_layer
        pairs = 0
        if self.attention == "mask":
            pairs = 1 + _MASK_COPIES * width
        if self.eager:
            layers = 1 if self.checkpointing else sizes.num_layers
            shares = 4 if width == 4 else 4 + width  # softmax computes in float32, and is kept before and after
            pairs += sizes.num_heads * (layers * shares + 3 * 4)
        return int((kept * self.tokens * width + pairs * self.tokens * self.tokens) * _LOOSE)

    def _logits(self) -> int:
        """A chunk of logits with its copies, and the hidden states that are scored with their gradient."""
        sizes, width = self.sizes, WIDTH[self.dtype]
        chunk = min(_CHUNK_BYTES.get(self.device, _CHUNK_BYTES["cpu"]), 4 * self.tokens * sizes.vocab_size)
        copies = 1 + (width / 4 if width < 4 else 0) + 1  # the last: where the class limits its logits
        return int(chunk * copies) + 3 * self.tokens * sizes.hidden_size * 4

    def total_bytes(self) -> int:
        return sum(self.parts().values())

    def gib(self) -> float:
        return self.total_bytes() / 2**30


def all_memory(here: Machine) -> int | None:
    """Bytes of the memory that the computation happens in; None: not known."""
    return here.gpu_memory_bytes if here.device == "cuda" else here.memory_bytes


def smaller_passes(load: Load) -> list[int]:
    """Budgets below this load's, the largest first, down to the longest row (a pass cannot be smaller)."""
    least = max(load.row_tokens, _LEAST_PASS_TOKENS)
    budgets, tokens = [], load.pass_tokens // 2
    while tokens > least:
        budgets.append(tokens)
        tokens //= 2
    return [*budgets, least] if least < load.pass_tokens else budgets


def fitted(load: Load, here: Machine, pass_is_wished: bool) -> Load:
    """Smaller passes until it fits into the machine's memory; then what is kept waits elsewhere (GPU); then layers are
    computed twice; where nothing fits, the smallest of all."""
    memory = all_memory(here)
    if memory is None:
        return load
    tries = [load, *([] if pass_is_wished else [replace(load, pass_tokens=tokens) for tokens in smaller_passes(load)])]
    if here.device == "cuda":
        tries.append(replace(tries[-1], offloading=True))
    tries.append(replace(tries[-1], offloading=False, checkpointing=True))
    return next((one for one in tries if one.total_bytes() <= SHARE_OF_MEMORY * memory), tries[-1])


def spelled_parts(parts: dict[str, int]) -> str:
    """Parts of a sum, all in one unit."""
    if sum(parts.values()) < 2**30:
        return "MiB: " + ", ".join(f"{name} {value / 2**20:.0f}" for name, value in parts.items())
    return "GiB: " + ", ".join(f"{name} {value / 2**30:.2f}" for name, value in parts.items())


def require_memory(load: Load, free_bytes: int | None, wished: str = "") -> None:
    """See that what is needed is free.

    Args:
        load: what is needed.
        free_bytes: what is free now; None: not known.
        wished: the word of the recipe that fixes the size of a pass ("hardware.pass_tokens"); "": none does.

    Raises:
        SurroundingsError: less is free; with the changes that help and their figures.
    """
    if free_bytes is None or load.total_bytes() <= free_bytes:
        return
    changes = [change for change in _changes(load, free_bytes, wished) if _helps(load, change[1], free_bytes)]
    changes.sort(key=lambda change: change[1].total_bytes())
    words = [f"{text} ({_needs(other, free_bytes)})" for text, other in changes[:_MOST_CHANGES]]
    fixed = load.parts()["fixed"]
    share = max(0, free_bytes - fixed) / max(1, load.total_bytes() - fixed)
    if share > _LEAST_SHARE:
        words.append(f"a base of at most {spelled_count(0.9 * share * load.sizes.num_parameters)} parameters")
    what = (
        f"needs about {spelled_bytes(load.total_bytes())} of memory, and {spelled_bytes(free_bytes)} are free "
        f"{where(load.device)} ({spelled_parts(load.parts())})"
    )
    got = f"{load.tokens:,} tokens a pass, a base of {spelled_count(load.sizes.num_parameters)} parameters"
    fix = "one or more of: " + "; ".join(words) if words else "end what else holds memory, or use a larger machine"
    raise SurroundingsError(Problem("", "hardware", what, got, fix))


def _changes(load: Load, free_bytes: int, wished: str) -> list[tuple[str, Load]]:
    """What a recipe could say instead, and what would be held then; whether it helps is seen afterwards."""
    changes = []
    least = max(load.row_tokens, _LEAST_PASS_TOKENS)
    if wished and load.tokens > least:
        word = "hardware.micro_batch: 1" if wished == "hardware.micro_batch" else f"{wished}: {least}"
        changes.append((word, replace(load, pass_tokens=least, micro_batch=1)))
    shorter = next(
        (n for n in (4096, 2048, 1024, 512, 256, 128) if n < load.row_tokens and _fits(load, n, free_bytes)), 0
    )
    tokens = shorter or max(32, min(128, load.row_tokens // 2))
    if tokens < load.row_tokens:
        changes.append((f"data.max_length: {tokens}", _with_rows(load, tokens)))
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


def _with_rows(load: Load, row_tokens: int) -> Load:
    """With shorter rows, and passes that are as much smaller as they then may be."""
    return replace(load, row_tokens=row_tokens, pass_tokens=max(row_tokens, _LEAST_PASS_TOKENS))


def _helps(load: Load, other: Load, free_bytes: int) -> bool:
    """Whether a change makes it fit, or saves enough to be named."""
    needed = other.total_bytes()
    return needed <= free_bytes or needed <= (1 - _LEAST_SAVED) * load.total_bytes()


def _fits(load: Load, row_tokens: int, free_bytes: int) -> bool:
    return _with_rows(load, row_tokens).total_bytes() <= free_bytes


def _needs(load: Load, free_bytes: int) -> str:
    enough = "" if load.total_bytes() <= free_bytes else ", not enough alone"
    return f"needs {spelled_bytes(load.total_bytes())}{enough}"


def too_large(here: Machine, sizes: Any, dtype: str, quantization: str = "none") -> Problem | None:
    """Why a base cannot be trained here whatever the rows: its weights and adapter alone need more than all memory.

    A rough bound, told before anything large is fetched; `make_plan` knows the rows and estimates all of it.

    Args:
        here: from `machine`.
        sizes: of base and adapter.
        dtype: of the computation.
        quantization: the recipe's base.quantization.
    """
    memory = all_memory(here)
    load = Load(sizes, here.device, dtype, quantization)
    needed = _standing(load)
    if memory is None or needed <= memory:
        return None
    fix = "choose a smaller base"
    rounded = _standing(replace(load, quantization="4bit"))
    if quantization != "4bit" and rounded <= memory:
        fix += f", or base.quantization: 4bit ({rounded / 2**30:.1f} GiB of weights and adapter)"
    place = "this GPU" if here.device == "cuda" else "this machine"
    what = (
        f"weights and adapter alone need {needed / 2**30:.1f} GiB of memory, and {place} has {memory / 2**30:.1f} GiB"
    )
    return Problem("", "base.model", what, f"{spelled_count(sizes.num_parameters)} parameters in {dtype}", fix)


def _standing(load: Load) -> int:
    """Bytes that are there whatever the rows."""
    parts = load.parts()
    return parts["weights"] + parts["adapter"]


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
    free_bytes = machines.free_memory(device)

    def needed(width: int, kind: str) -> int:
        rounded = num_rounded * _BITS_PER_WEIGHT[kind] / 8 if kind != "none" else num_rounded * width
        return int((num_parameters - num_rounded) * width + rounded) + _FIXED_BYTES.get(device, 0)

    total = needed(WIDTH[dtype], quantization)
    if free_bytes is not None and total > free_bytes:
        gc.collect()  # a model of before may still be held by circles of references
        free_bytes = machines.free_memory(device)
    if free_bytes is None or total <= free_bytes:
        return
    what = (
        f"its weights need about {spelled_bytes(total)} of memory, and {spelled_bytes(free_bytes)} are free "
        f"{where(device)}"
    )
    got = f"{spelled_count(num_parameters)} parameters in {dtype if quantization == 'none' else quantization}"
    fix = "end what else holds memory, use a machine with more of it, or take a smaller base"
    if WIDTH[dtype] > 2 and quantization == "none":
        fix += f" (a GPU that computes bfloat16 needs {spelled_bytes(needed(2, 'none'))})"
    raise SurroundingsError(Problem(label, "", what, got, fix))
