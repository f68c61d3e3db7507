"""Small models, rows that share beginnings, and packs that are wrong on purpose: for the tests of packed training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import training_kit as kit

from finetune.packing import Pack
from finetune.training.steps import ComputePath

VOCAB = 97
PREFIX = ComputePath("prefix", "segmented", True)
PACKED = {"packing": "prefix", "packed_attention": "segmented", "lean": True, "pass_tokens": 160}


def config_of(name: str) -> Any:
    import transformers

    words: dict[str, Any] = {
        "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 16,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "initializer_range": 0.1, "pad_token_id": 0,
    }  # fmt: skip
    mixture = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "decoder_sparse_step": 1}
    return {
        "llama": lambda: transformers.LlamaConfig(**words),
        "qwen3": lambda: transformers.Qwen3Config(**words, tie_word_embeddings=False),
        "gemma": lambda: transformers.GemmaConfig(**words, tie_word_embeddings=True),
        "mixture": lambda: transformers.Qwen3MoeConfig(**{**words, **mixture}),
        "mistral": lambda: transformers.MistralConfig(**words, sliding_window=16),
    }[name]()


def adapted(name: str) -> Any:
    """A model of a family, small and random, with an adapter whose B is not zero."""
    from transformers import AutoModelForCausalLM

    from finetune import models
    from finetune.recipe.words import Adapter

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config_of(name), attn_implementation="sdpa")
    choice = "attention" if name == "mixture" else "auto"
    model = models.attach_adapter(model, Adapter(r=4, alpha=8.0, dropout=0.0, target_modules=choice), 0, None)
    with torch.no_grad():
        for word, p in model.named_parameters():
            if "lora_B" in word:
                p.normal_(0, 0.1)
    return model.train()


def shared_rows(num: int, seed: int = 0) -> list[kit.Pair]:
    """Rows behind one long system prompt, of the tiny base's vocabulary."""
    prompt = kit.ragged_rows(1, 300, 99, 40, 40)[0][0]
    return [([*prompt, *ids], [-100] * len(prompt) + labels) for ids, labels in kit.ragged_rows(num, 300, seed)]


SHARED = list(range(3, 40))
BRANCHES = [([*SHARED, *tail], [-100] * len(SHARED) + tail) for tail in ([50, 51, 52, 2], [60, 61, 2], [50, 70, 71, 2])]


def without_borders(pack: Pack) -> Pack:
    ends = pack.ends.copy()
    ends[:] = len(ends)
    return replace(pack, ends=ends, segments=((0, len(ends), len(ends)),))


def restarting(pack: Pack) -> Pack:
    positions = pack.positions.copy()
    for start, stop, _ in pack.segments:
        positions[start:stop] -= positions[start]
    return replace(pack, positions=positions)
