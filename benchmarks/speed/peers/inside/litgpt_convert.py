"""Runs in litgpt's own Python: describe a Llama or Qwen3 base to litgpt and convert its weights with litgpt's code.

Usage: python litgpt_convert.py BASE FOLDER
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def described(config: Mapping[str, Any]) -> dict[str, Any]:
    """litgpt's words for a config.json of transformers (its older and its newer place for the rotary base)."""
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or {}
    return {
        "name": "Qwen3-base" if config["model_type"] == "qwen3" else "base",
        "hf_config": {},
        "block_size": config["max_position_embeddings"],
        "vocab_size": config["vocab_size"],
        "padded_vocab_size": config["vocab_size"],
        "n_layer": config["num_hidden_layers"],
        "n_head": heads,
        "n_embd": config["hidden_size"],
        "n_query_groups": config.get("num_key_value_heads") or heads,
        "head_size": config.get("head_dim") or config["hidden_size"] // heads,
        "rotary_percentage": 1.0,
        "parallel_residual": False,
        "bias": False,
        "norm_class_name": "RMSNorm",
        "norm_eps": config["rms_norm_eps"],
        "norm_qk": config["model_type"] == "qwen3",
        "mlp_class_name": "LLaMAMLP",
        "intermediate_size": config["intermediate_size"],
        "rope_base": int(config.get("rope_theta") or rope.get("rope_theta") or 10000),
    }


def main(base: Path, folder: Path) -> None:
    """Fill the folder with model_config.yaml, lit_model.pth and the tokenizer."""
    import torch
    from litgpt.config import Config
    from litgpt.scripts.convert_hf_checkpoint import copy_weights_hf_llama, copy_weights_qwen_3
    from litgpt.utils import save_config
    from safetensors.torch import load_file

    words = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config = Config(**described(words))
    save_config(config, folder)
    weights = {key: value for path in base.glob("*.safetensors") for key, value in load_file(path).items()}
    copy = copy_weights_qwen_3 if words["model_type"] == "qwen3" else copy_weights_hf_llama
    state: dict[str, torch.Tensor] = {}
    # With debug_mode it needs no progress bar handed in.
    copy(config, {}, state, weights, debug_mode=True)
    # A tied head: litgpt has no tying, so the head is a frozen copy of the embedding.
    state.setdefault("lm_head.weight", state["transformer.wte.weight"])
    torch.save(state, folder / "lit_model.pth")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"):
        if (base / name).exists():
            shutil.copy(base / name, folder / name)
    template = base / "chat_template.jinja"
    if template.exists() and "bos_token" in template.read_text(encoding="utf-8"):
        # Without this litgpt's tokenizer takes the token away that a rendered prompt begins with.
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"add_bos_token": True}), encoding="utf-8")
    if not (folder / "generation_config.json").exists():
        keys = ("bos_token_id", "eos_token_id")
        (folder / "generation_config.json").write_text(
            json.dumps({key: words.get(key) for key in keys}), encoding="utf-8"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
