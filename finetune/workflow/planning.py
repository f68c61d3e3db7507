"""The plan of a run: what base, adapter and rows allow, handed to the room that knows the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from finetune import hardware, models, packing, prepare, recipe, training
from finetune.recipe import LoadedRecipe
from finetune.runs import Run

# What sharing saves is foreseen on so many steps, and so many rows at least.
_STEPS_LOOKED_AT, _ROWS_LOOKED_AT = 4, 256
_NAMED_ON_RESUME = (
    "device", "dtype", "attention", "packing", "packed_attention", "lean", "pass_tokens", "micro_batch",
    "activation_checkpointing", "num_threads",
)  # fmt: skip


def plan_for(
    loaded: LoadedRecipe,
    base: prepare.OpenedBase,
    splits: Sequence[prepare.RenderedSplit],
    before: Mapping[str, Any] | None = None,
) -> hardware.Plan:
    """How a recipe is carried out on this machine.

    Args:
        loaded: the recipe.
        base: with its config.
        splits: training and held-out rows.
        before: on resume the plan that the run began with; see `plan_before`.

    Raises:
        SurroundingsError: a wish that this machine cannot grant, or less memory than is needed.
    """
    words = loaded.recipe
    plan = hardware.make_plan(
        hardware.machine(),
        words.train.batch_size,
        splits[0].longest_tokens,
        words.hardware,
        models.sizes_of(base.config, words.adapter),
        words.base.quantization,
        max(prepare.most_image_tokens(base, split.conversations) for split in splits),
        ways=ways_of(loaded, base.config, splits[0]),
        before=before,
    )
    attention = models.attention_for(base.config, plan.attention)
    if attention == plan.attention:
        return plan
    return replace(
        plan, attention=attention, reasons={**plan.reasons, "attention": "this family is exact that way only"}
    )


def ways_of(loaded: LoadedRecipe, config: Any, split: prepare.RenderedSplit) -> hardware.Ways:
    """What base, adapter and rows allow."""
    words = loaded.recipe
    pairs = split.pairs()
    groups = [conversation.group for conversation in split.conversations]
    batch_size = words.train.batch_size

    @cache
    def sample() -> list[Any]:
        most = max(_ROWS_LOOKED_AT, _STEPS_LOOKED_AT * batch_size)
        order = training.foreseen_order(len(pairs), groups, words.train.order, words.train.seed, most)
        return [pairs[row] for row in order]

    def saved_share(pass_tokens: int) -> float:
        return packing.foresee(sample(), batch_size, pass_tokens).saved_share

    own = own_dropout(config)
    refusal = models.structure_of(config).packing_refusal
    if refusal is None and own:
        refusal = f"the base drops out at random by itself ({own})"
    return hardware.Ways(
        packing_refusal=refusal,
        dropout=words.adapter.dropout,
        best_attention=partial(_best_kind, config),
        saved_share=saved_share,
        most_step_tokens=partial(hardware.most_step_tokens, pairs, batch_size),
    )


def _best_kind(config: Any, device: str, dtype: str, sharing: bool) -> tuple[str, str]:
    from finetune.models.tree_attention import best_kind

    return best_kind(config, device, dtype, sharing)


def own_dropout(config: Any) -> str:
    """The first word of a config by which a base would drop out at random while it trains, with its value; or ""."""
    text = config.get_text_config(decoder=True).to_dict()
    for name, value in text.items():
        # Heads for classification and summaries are not there.
        if "drop" in name and not name.startswith(("classifier", "summary")) and isinstance(value, float) and value > 0:
            return f"{name} {value:g}"
    return ""


def plan_before(loaded: LoadedRecipe, current: Run) -> dict[str, Any] | None:
    """The plan that a run began with, for its resumption; None where the recipe's hardware section was changed.

    Call it before recipe.resolved.yaml is written anew.
    """
    plan = current.manifest["plan"]
    if not plan or not current.resolved_path.is_file() or not current.resolved_path.read_bytes():
        return None
    then = recipe.load(current.resolved_path, allow_outside=True, must_exist=False).recipe.hardware
    return plan if then == loaded.recipe.hardware else None


def changes(before: Mapping[str, Any] | None, plan: hardware.Plan) -> list[str]:
    """On resume: one line that names the choices of the machine that are others than the run began with; or []."""
    now, then = plan.as_dict(), before or {}
    changed = [f"{key} {then[key]} -> {now[key]}" for key in _NAMED_ON_RESUME if key in then and then[key] != now[key]]
    if not changed:
        return []
    return [f"the plan changed on resume, equality to the bit is not promised: {', '.join(changed)}"]


def computed_line(computed_tokens: int, row_tokens: int) -> str:
    """What a training computed, beside what its rows hold."""
    share = computed_tokens / row_tokens if row_tokens else 1.0
    line = f"computed {computed_tokens:,} tokens for rows of {row_tokens:,} tokens ({share:.0%})"
    return line if share <= 1 else f"{line}, the filling of short rows among them"


def training_facts(result: training.TrainResult) -> dict[str, Any]:
    """What the manifest holds of a training that has ended."""
    speed = result.tokens_seen / result.seconds if result.seconds else None
    return {
        "num_steps": result.num_steps,
        "final_loss": result.final_loss,
        "tokens_seen": result.tokens_seen,
        "trained_tokens_seen": result.trained_tokens_seen,
        "computed_tokens": result.computed_tokens,
        "seconds": round(result.seconds, 2),
        "tokens_per_second": round(speed, 1) if speed else None,
        "peak_memory_bytes": result.peak_memory_bytes,
        "best": result.best,
    }
