"""From machine, recipe, base and rows to the Plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from finetune.errors import ModelError, Problem, SurroundingsError
from finetune.hardware import machines, measuring, memory
from finetune.hardware.machines import Machine, spelled_bytes
from finetune.hardware.memory import Load
from finetune.hardware.plan import Plan, Ways

# The budget of a pass. On a CPU passes of 2,048 tokens are as fast as larger ones for each token (docs/speed.md), and
# hold less; larger ones only compute a shared prefix less often. A GPU wants large ones to be busy.
_PASS_TOKENS = {"cpu": 4_096, "cuda": 16_384, "mps": 8_192}
_CPU_BUDGETS = (2_048, 4_096, 8_192, 16_384, 32_768)
_MUCH_MORE = 1.1  # so many times the tokens of the largest budget, and a smaller one no longer does
# Below this width of the residual stream, other work outweighs matrix products: bfloat16 was no faster (docs/speed.md).
_LEAST_WIDTH = 512
_LEAST_SHARED_TOKENS = 64  # a prefix shorter than this is not counted on: packing leaves short ones alone
_LEAST_SHARED = 0.01  # of the rows' tokens: below it nothing is gained by looking for common prefixes


@dataclass
class _Choices:
    """What is decided step by step, and why."""

    here: Machine
    wishes: Any
    ways: Ways | None
    before: Mapping[str, Any]
    reasons: dict[str, str] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    def wish(self, word: str) -> Any:
        """What the recipe's hardware section says; None for `auto` and for nothing."""
        wished = getattr(self.wishes, word, None)
        return None if wished == "auto" else wished

    def said(self, key: str, value: Any, reason: str) -> Any:
        self.reasons[key] = reason
        return value

    def wished_or_before(self, key: str) -> Any:
        """The recipe's wish, else what the run began with; None where neither says anything."""
        wished = self.wish(key)
        if wished is not None:
            return self.said(key, wished, f"the recipe's hardware.{key}")
        if self.before.get(key) is not None:
            return self.said(key, self.before[key], "as this run began")
        return None


def make_plan(
    here: Machine,
    batch_size: int,
    longest_row_tokens: int,
    wishes: Any = None,
    sizes: Any = None,
    quantization: str = "none",
    image_tokens: int = 0,
    *,
    ways: Ways | None = None,
    before: Mapping[str, Any] | None = None,
) -> Plan:
    """Choose device, dtype, threads and how a batch is cut into passes; with `sizes`, so that it fits into memory.

    How a batch is cut depends on all memory there is, not on what happens to be free: a resumption plans the same.
    dtype and threads of a CPU are measured (finetune.hardware.measuring).

    Args:
        here: from `machine`.
        batch_size: the recipe's, examples per optimizer step; it is kept whatever is chosen.
        longest_row_tokens: of the training rows.
        wishes: the recipe's `hardware` section, or None.
        sizes: of base and adapter (finetune.models.sizes_of); None: memory is not looked at.
        quantization: the recipe's base.quantization.
        image_tokens: of the row whose images take the most; data.max_image_pixels bounds those of one image.
        ways: what base, adapter and rows allow; None: nothing is packed.
        before: on resume the plan that the run began with, as `Plan.as_dict` gave it: its dtype, threads, packing and
            pass_tokens are taken again where the device is the same, so that bits stay equal; wishes go before it.

    Raises:
        ModelError: a wish that base or adapter cannot be trained by.
        SurroundingsError: a wish that this machine cannot grant, or less memory than is needed.
    """
    same = before if before and before.get("device") == here.device else {}
    choices = _Choices(here, wishes, ways, same)
    choices.said("device", here.device, here.gpu_name or "no GPU found: the CPU does the work")
    dtype = _dtype(choices, sizes)
    attention = _attention(choices)
    packing = _packing(choices)
    pass_tokens = _pass_tokens(choices, longest_row_tokens, packing)
    packing = _only_where_it_saves(choices, packing, pass_tokens)
    micro = choices.wish("micro_batch") or batch_size
    kind = _packed_attention(choices, packing, dtype, attention)
    lean = _lean(choices)
    planned = Plan(
        here.device, dtype, attention, micro, 1, False, 1, pass_tokens=pass_tokens, packed_attention=kind, lean=lean
    )
    step_tokens = _step_tokens(ways, packing, batch_size, longest_row_tokens)
    load = load_of(planned, sizes, step_tokens, longest_row_tokens, quantization, image_tokens)
    is_wished = bool(choices.wish("pass_tokens") or choices.wish("micro_batch"))
    found = memory.fitted(load, here, is_wished) if sizes is not None else load
    _say_passes(choices, load, found, packing, batch_size)
    plan = Plan(
        here.device, dtype, attention, *_rows_a_pass(choices, batch_size, longest_row_tokens, found.pass_tokens),
        found.checkpointing, _threads(choices), reasons=choices.reasons, packing=packing, lean=lean,
        pass_tokens=found.pass_tokens, packed_attention=kind, activation_offloading=found.offloading,
        measured=choices.measured,
    )  # fmt: skip
    return _with_memory(choices, plan, found)


def load_of(
    plan: Plan,
    sizes: Any,
    step_tokens: int,
    longest_row_tokens: int,
    quantization: str = "none",
    image_tokens: int = 0,
) -> Load:
    """What a plan holds in memory.

    Args:
        plan: whose memory need not have been estimated yet.
        step_tokens: that no step computes more of.
        sizes, longest_row_tokens, quantization, image_tokens: as of `make_plan`.
    """
    rows = min(plan.micro_batch, max(1, plan.pass_tokens // max(1, longest_row_tokens)))
    return Load(
        sizes, plan.device, plan.dtype, quantization, plan.pass_tokens, longest_row_tokens, step_tokens,
        plan.packed_attention, plan.lean, plan.activation_checkpointing, plan.activation_offloading, image_tokens,
        rows, plan.attention == "eager",
    )  # fmt: skip


def _step_tokens(ways: Ways | None, packing: str, batch_size: int, longest_row_tokens: int) -> int:
    most = batch_size * longest_row_tokens
    if packing == "off" or ways is None or ways.most_step_tokens is None:
        return most
    return min(most, ways.most_step_tokens(packing == "prefix"))


def most_step_tokens(rows: Sequence[tuple[Sequence[int], Any]], batch_size: int, sharing: bool) -> int:
    """Tokens that no step computes more of, whichever rows meet in it: those of the longest rows, side by side; what
    all rows begin with alike counts once where prefixes are shared.

    Args:
        rows: (ids, labels) of all training rows.
        batch_size: rows of a step.
        sharing: whether a common prefix is computed once.
    """
    import numpy as np

    longest = sorted((len(ids) for ids, _ in rows), reverse=True)[:batch_size]
    if not sharing or len(longest) < 2:
        return sum(longest)
    common = np.asarray(rows[0][0])
    for ids, _ in rows:
        other = np.asarray(ids[: len(common)])
        common = common[: len(other)]
        differs = np.flatnonzero(common != other)
        common = common[: differs[0]] if len(differs) else common
        if len(common) < _LEAST_SHARED_TOKENS:
            return sum(longest)
    return sum(longest) - (len(longest) - 1) * len(common)


def dtype_for(here: Machine, wishes: Any = None, before: Mapping[str, Any] | None = None, sizes: Any = None) -> str:
    """What is computed in: the recipe's hardware.dtype, or what the run began with, or what suits machine and base.

    Args:
        as of `make_plan`; sizes None: not known yet, as if the base were a large one.
    """
    same = before if before and before.get("device") == here.device else {}
    return _dtype(_Choices(here, wishes, None, same), sizes)


def _dtype(choices: _Choices, sizes: Any) -> str:
    here, chosen = choices.here, choices.wished_or_before("dtype")
    if chosen is not None:
        if chosen == "float16" and here.device == "cpu":
            problem = Problem("", "hardware.dtype", "training in float16 needs a GPU", "float16", "use float32 or auto")
            raise SurroundingsError(problem)
        return chosen
    if here.device != "cpu":
        if here.bfloat16_gpu:
            return choices.said("dtype", "bfloat16", "this GPU computes bfloat16")
        return choices.said("dtype", "float32", "exact, and the safe choice here")
    if not measuring.may_measure():
        return choices.said("dtype", "float32", "exact, and the safe choice here (FINETUNE_MEASURE=0)")
    if sizes is not None and sizes.hidden_size < _LEAST_WIDTH:
        reason = f"exact, and as fast as bfloat16 in a base of width {sizes.hidden_size}"
        return choices.said("dtype", "float32", reason)
    speeds = _speeds(choices)
    narrow, wide = speeds.formats["bfloat16"], speeds.formats["float32"]
    told = f"measured: bfloat16 {narrow:,.0f} GFLOP/s, float32 {wide:,.0f}"
    if speeds.dtype() == "bfloat16":
        return choices.said("dtype", "bfloat16", f"{told}; hardware.dtype: float32 is slower and exact")
    return choices.said("dtype", "float32", f"{told}: bfloat16 would not pay")


def _speeds(choices: _Choices) -> measuring.Speeds:
    """Measured once a process, whoever asks first."""
    speeds = measuring.measured(choices.here.num_cpus, threads=measuring.wished_threads() is None)
    choices.measured = speeds.as_dict()
    return speeds


def _threads(choices: _Choices) -> int:
    wished, num_cpus = measuring.wished_threads(), max(1, choices.here.num_cpus)
    if wished is not None:
        return choices.said("num_threads", wished, "OMP_NUM_THREADS")
    began = choices.before.get("num_threads")
    if began is not None:
        return choices.said("num_threads", began, "as this run began")
    if choices.here.device != "cpu" or num_cpus == 1 or not measuring.may_measure():
        return choices.said("num_threads", num_cpus, "the CPUs this process may use")
    speeds = _speeds(choices).threads
    told = ", ".join(f"{number}: {speed:,.0f}" for number, speed in speeds.items())
    reason = f"measured, GFLOP/s by number of threads: {told}; the fewest within a tenth of the best"
    return choices.said("num_threads", _speeds(choices).num_threads(), reason)


def _attention(choices: _Choices) -> str:
    wished = choices.wish("attention")
    if wished is not None:
        return choices.said("attention", wished, "the recipe's hardware.attention")
    return choices.said("attention", "sdpa", "torch's fused attention")


def _packing(choices: _Choices) -> str:
    """What can be packed; whether it saves anything is seen once the size of a pass is known.

    Raises:
        ModelError: packing is asked for where it is not exact.
    """
    ways, wished = choices.ways, choices.wish("packing")
    if wished in ("prefix", "plain"):
        refusal = ways.packing_refusal if ways is not None else "nothing is known of this base"
        fix = "write packing: off, or leave it to the kit"
        if refusal is None and wished == "prefix" and ways is not None and ways.dropout > 0:
            refusal = f"adapter.dropout is {ways.dropout:g}: a shared prefix has one pattern for all its rows"
            fix = "write packing: plain, or dropout: 0"
        if refusal is not None:
            raise ModelError(Problem("", "hardware.packing", f"is not exact here: {refusal}", wished, fix))
    chosen = choices.wished_or_before("packing")
    if chosen is not None and (chosen == "off" or ways is not None):
        return chosen
    if ways is None:
        return choices.said("packing", "off", "not known whether rows of this base can share a pass")
    if ways.packing_refusal is not None:
        return choices.said("packing", "off", ways.packing_refusal)
    if ways.dropout > 0:
        reason = "adapter.dropout draws for each row: a shared prefix would have one pattern for all its rows"
        return choices.said("packing", "plain", reason)
    return choices.said("packing", "prefix", "what rows of a step begin with alike is computed once")


def _only_where_it_saves(choices: _Choices, packing: str, pass_tokens: int) -> str:
    """Rows side by side where no prefix is shared: the same result, and a simpler attention; else how much it saves."""
    ways = choices.ways
    if packing != "prefix" or ways is None or ways.saved_share is None:
        return packing
    share = ways.saved_share(pass_tokens)
    told = f"{share:.0%} of the rows' tokens need not be computed" if share >= _LEAST_SHARED else ""
    if told or choices.reasons["packing"].startswith(("the recipe's", "as this run")):
        choices.reasons["packing"] += f"; {told}" if told else ""
        return packing
    return choices.said("packing", "plain", "rows of a step share no prefix: side by side, without padding")


def _usual_pass_tokens(choices: _Choices, packing: str) -> int:
    """On a CPU the smallest budget that shares prefixes about as often as the largest."""
    device, ways = choices.here.device, choices.ways
    if device != "cpu":
        reason = "enough to keep a GPU busy"
        return choices.said("pass_tokens", _PASS_TOKENS.get(device, _PASS_TOKENS["cuda"]), reason)
    if packing != "prefix" or ways is None or ways.saved_share is None:
        return choices.said("pass_tokens", _PASS_TOKENS[device], "larger passes are no faster on a CPU")
    computed = {tokens: 1 - ways.saved_share(tokens) for tokens in _CPU_BUDGETS}
    smallest, largest = _CPU_BUDGETS[0], _CPU_BUDGETS[-1]
    chosen = next(tokens for tokens in _CPU_BUDGETS if computed[tokens] <= _MUCH_MORE * computed[largest])
    other = largest if chosen == smallest else smallest
    reason = f"computes {computed[chosen]:.0%} of the rows' tokens; passes of {other:,} would {computed[other]:.0%}"
    return choices.said("pass_tokens", chosen, reason)


def _pass_tokens(choices: _Choices, longest_row_tokens: int, packing: str) -> int:
    wished, micro = choices.wish("pass_tokens"), choices.wish("micro_batch")
    if wished is None and micro is not None:
        reason = f"the recipe's hardware.micro_batch: {micro} rows of {longest_row_tokens:,} tokens"
        return choices.said("pass_tokens", micro * longest_row_tokens, reason)
    chosen = choices.wished_or_before("pass_tokens")
    if chosen is None:
        chosen = _usual_pass_tokens(choices, packing)
    if chosen < longest_row_tokens:
        choices.reasons["pass_tokens"] += (
            f"; longer rows (up to {longest_row_tokens:,} tokens) have a pass of their own"
        )
    return chosen


def _rows_a_pass(choices: _Choices, batch_size: int, longest_row_tokens: int, pass_tokens: int) -> tuple[int, int]:
    """(micro_batch, accumulation): rows of a pass at most with packing off, and passes of a step then at most."""
    wished = choices.wish("micro_batch")
    micro = min(wished or batch_size, batch_size)
    fitting = max(1, min(micro, pass_tokens // max(1, longest_row_tokens)))
    passes = -(-batch_size // fitting)
    told = "the recipe's hardware.micro_batch" if wished else "tokens alone decide: rows of like length share a pass"
    choices.said("micro_batch", micro, told)
    choices.said("accumulation", passes, f"passes a step at most, for the {batch_size} examples of batch_size")
    return micro, passes


def _packed_attention(choices: _Choices, packing: str, dtype: str, attention: str) -> str:
    if packing == "off":
        return choices.said("packed_attention", "own", "the model's own: rows are not packed")
    if attention == "eager":
        return choices.said("packed_attention", "mask", "hardware.attention: eager takes a mask")
    if choices.ways is None or choices.ways.best_attention is None:
        return choices.said("packed_attention", "mask", "works everywhere")
    kind, reason = choices.ways.best_attention(choices.here.device, dtype, packing == "prefix")
    return choices.said("packed_attention", kind, reason)


def _lean(choices: _Choices) -> bool:
    ways = choices.ways
    if ways is None:
        return choices.said("lean", False, "not known whether it applies to this base")
    if ways.lean_refusal is not None:
        return choices.said("lean", False, ways.lean_refusal)
    return choices.said("lean", True, "the adapter beside its base in one step: the same result, less to keep")


def _say_passes(choices: _Choices, load: Load, found: Load, packing: str, batch_size: int) -> None:
    """Reasons of what memory decided."""
    reasons = choices.reasons
    if found.pass_tokens != load.pass_tokens:
        reasons["pass_tokens"] = f"{load.pass_tokens:,} tokens would need {load.gib():.1f} GiB of memory"
    suffices = "memory suffices: faster"
    reasons["activation_offloading"] = (
        "what layers keep waits in the machine's memory: else the GPU's is too small" if found.offloading else suffices
    )
    if choices.here.device != "cuda":
        reasons["activation_offloading"] = "for GPUs only"
    reasons["activation_checkpointing"] = (
        "computes layers twice instead of keeping them: else memory is too small" if found.checkpointing else suffices
    )


def _with_memory(choices: _Choices, plan: Plan, load: Load) -> Plan:
    """See that the memory is free, and tell the estimate."""
    if load.sizes is None:
        choices.said("memory_gib", None, "not estimated")
        return plan
    free_bytes = machines.free_memory(plan.device)
    wished = next((f"hardware.{word}" for word in ("pass_tokens", "micro_batch") if choices.wish(word)), "")
    memory.require_memory(load, free_bytes, wished)
    free = "not known how much is free" if free_bytes is None else f"{spelled_bytes(free_bytes)} are free"
    choices.said("memory_gib", None, f"estimated ({memory.spelled_parts(load.parts())}); {free}")
    return replace(plan, memory_gib=round(load.gib(), 2), memory=load.parts())


def too_large(here: Machine, sizes: Any, wishes: Any = None, quantization: str = "none") -> Problem | None:
    """Why a base cannot be trained here whatever the rows; see finetune.hardware.memory.too_large.

    Args:
        as of `make_plan`.
    """
    return memory.too_large(here, sizes, dtype_for(here, wishes, sizes=sizes), quantization)
