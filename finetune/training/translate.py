"""The one translator: the recipe's words and the plan -> the words of TRL's SFTConfig."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
_CHECKPOINTS_A_RUN = 10


def num_steps(num_rows: int, batch_size: int, epochs: float) -> int:
    """Optimizer steps of a run; the last step of an epoch may see fewer rows than batch_size."""
    steps_per_epoch = math.ceil(num_rows / batch_size)
    # Rounded first: 100 * 0.07 is 7.000000000000001, and a run of 8 steps would be one too many.
    return max(1, math.ceil(round(steps_per_epoch * epochs, 9)))


def optimizer_groups(model: Any, learning_rate: float, ratio: float) -> list[dict[str, Any]]:
    """Parameter groups of LoRA+: B matrices learn `ratio` times as fast as everything else that is trained.

    Source: LoRA+, Hayou et al. 2024 (arXiv 2402.12354). Sizes of DoRA and rows of new tokens keep the plain rate: the
    paper's argument is about B alone.

    Args:
        model: with its adapter.
        learning_rate: of the other parameters.
        ratio: adapter.learning_rate_ratio.
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    fast = [p for name, p in trained if ".lora_B." in name]
    slow = [p for name, p in trained if ".lora_B." not in name]
    return [{"params": slow, "lr": learning_rate}, {"params": fast, "lr": learning_rate * ratio}]


def _optimizer_for(plan: Any) -> str:
    """AdamW in one kernel for all parameters where torch has it and upstream's loss scaler can look into it."""
    # With float16, the fused kernel skips an overflow inside itself, and the learning rate would go on regardless.
    fused = plan.device in ("cpu", "cuda") and plan.dtype != "float16"
    return "adamw_torch_fused" if fused else "adamw_torch"


def sft_config_words(settings: Any, plan: Any, num_rows: int, folder: Path) -> dict[str, Any]:
    """Keyword arguments for SFTConfig.

    Args:
        settings: the recipe's `train` section.
        plan: from finetune.hardware.make_plan.
        num_rows: training rows.
        folder: the run's checkpoints folder.
    """
    steps = num_steps(num_rows, settings.batch_size, settings.epochs)
    return {
        "output_dir": str(folder),
        "num_train_epochs": float(settings.epochs),
        "max_steps": steps,
        # A batch of upstream's is a whole step, which is cut into passes by our own code (steps.py).
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": 1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": _SCHEDULES[settings.schedule],
        # Upstream's first warm-up step has rate 0: rounding down keeps a very short run from learning nothing.
        "warmup_steps": int(settings.warmup * steps),
        "optim": _optimizer_for(plan),
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "use_cpu": plan.device == "cpu",
        # The base is loaded in plan.dtype; float32 adapters on a bfloat16 base need autocast to meet.
        "bf16": plan.dtype == "bfloat16",
        "fp16": plan.dtype == "float16",
        "activation_checkpointing": plan.activation_checkpointing,
        # Streams of a GPU carry them to the machine's memory; elsewhere there is nowhere to carry them to.
        "activation_offloading": plan.activation_offloading and plan.device == "cuda",
        "save_strategy": "steps",
        "save_steps": settings.save_every or max(1, math.ceil(steps / _CHECKPOINTS_A_RUN)),
        # Rotation is the kit's own: upstream orders by file times, and a clock that jumps deletes the newest.
        "save_total_limit": None,
        "logging_strategy": "steps",
        "logging_steps": settings.log_every or 1,
        # With the filter on, a NaN loss is logged as 0.0 and the run goes on.
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": "none",
        "push_to_hub": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": plan.device == "cuda",
        "remove_unused_columns": False,
        # Rows arrive rendered, with labels, by our own renderer.
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
        "packing": False,
    }
