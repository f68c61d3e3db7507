"""Families whose own code upstream wants to run, as native classes of the same structure; that code never runs.

Aquila and openPangu Embedded are Llama under other names: the same modules, the same numbers (the tests compare
logits). openPangu Pro-MoE has a feed-forward block of its own, written here. Hub folders load as they are.
"""

from __future__ import annotations

import copy
from typing import Any


def register() -> None:
    """Make Aquila, openPangu Embedded and openPangu Pro-MoE known to transformers' Auto classes. May be repeated."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from finetune.models.native.aquila import AquilaConfig, AquilaForCausalLM
    from finetune.models.native.pangu import PanguEmbeddedConfig, PanguEmbeddedForCausalLM
    from finetune.models.native.pangu_moe import PanguProMoEConfig, PanguProMoEForCausalLM

    for config, model in (
        (AquilaConfig, AquilaForCausalLM),
        (PanguEmbeddedConfig, PanguEmbeddedForCausalLM),
        (PanguProMoEConfig, PanguProMoEForCausalLM),
    ):
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModelForCausalLM.register(config, model, exist_ok=True)


def plain_config(config: Any) -> Any | None:
    """The Llama config under which the same weights give the same logits; None for what is no Llama underneath.

    For merged folders: written so, they load anywhere that knows Llama, without this kit and without remote code.
    """
    from transformers import LlamaConfig

    from finetune.models.native.aquila import AquilaConfig
    from finetune.models.native.pangu import PanguEmbeddedConfig

    if not isinstance(config, (AquilaConfig, PanguEmbeddedConfig)):
        return None
    words = copy.deepcopy(config.to_dict())
    for word in ("model_type", "architectures", "auto_map", "bias"):
        words.pop(word, None)
    return LlamaConfig(**words, architectures=["LlamaForCausalLM"])
