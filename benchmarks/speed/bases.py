"""Bases of random weights, always the same ones, with the tokenizer of the bundled starter base beside them.

Speed and memory do not depend on what a base has learnt. The vocabulary of the weights is as large as that of the
published models it stands for; the tokenizer uses its first 4,096 entries, so every tool renders the same tokens.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from finetune import models

# LLAMA: 58 million parameters, 33 of them in embedding and head. QWEN3: grouped queries, norms of q and k, tied head.
_LLAMA = {
    "family": "llama",
    "hidden_size": 512,
    "intermediate_size": 1_376,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "vocab_size": 32_000,
    "tie_word_embeddings": False,
}
_QWEN3 = {"family": "qwen3", "hidden_size": 1_024, "intermediate_size": 3_072, "num_hidden_layers": 6,
          "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936,
          "tie_word_embeddings": True}  # fmt: skip
BASES: dict[str, dict[str, Any]] = {
    "A": _LLAMA,
    "B": _QWEN3,
    "tiny": {**_LLAMA, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 4_096},
    # Of the published size, for GPUs; drawn on the device, in bfloat16 (benchmarks/gpu_shapes.py writes it).
    "8B": {**_QWEN3, "hidden_size": 4_096, "intermediate_size": 12_288, "num_hidden_layers": 36,
           "num_attention_heads": 32, "tie_word_embeddings": False},
}  # fmt: skip
LONGEST_ROW_TOKENS = 4_096


def base_folder(name: str, home: Path, seed: int, device: str) -> Path:
    """The folder of a base, written on first use.

    Args:
        name: of BASES.
        home: bases lie in it, each in a folder of its own.
        seed: of the weights.
        device: "cpu" writes float32; "cuda" writes bfloat16, as published bases come.
    """
    folder = home / f"base-{name}-{seed}"
    if (folder / "complete").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    _write_weights(name, folder, seed, device)
    source = Path(models.find_base("starter").location)
    for file in ("tokenizer.json", "chat_template.jinja"):
        shutil.copy(source / file, folder / file)
    words = json.loads((source / "tokenizer_config.json").read_bytes()) | {"model_max_length": LONGEST_ROW_TOKENS}
    (folder / "tokenizer_config.json").write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    (folder / "complete").touch()
    return folder


def num_parameters(folder: Path) -> int:
    """Parameters of a base, tied ones once, read from the headers of its weight files."""
    total = 0
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as handle:
            header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
        for key, about in header.items():
            if key != "__metadata__":
                size = 1
                for side in about["shape"]:
                    size *= side
                total += size
    return total


def _write_weights(name: str, folder: Path, seed: int, device: str) -> None:
    if name == "8B":
        from benchmarks import gpu_shapes

        gpu_shapes.write_base("Qwen3-8B", folder, device)
        _speak_like_the_tokenizer(folder)
        return
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config
    from transformers.utils import logging

    logging.disable_progress_bar()
    words = dict(BASES[name])
    kind: Any = {"llama": LlamaConfig, "qwen3": Qwen3Config}[words.pop("family")]
    config = kind(**words, max_position_embeddings=LONGEST_ROW_TOKENS, **_SPECIAL)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32 if device == "cpu" else torch.bfloat16)
    model.save_pretrained(folder)


_SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def _speak_like_the_tokenizer(folder: Path) -> None:
    """Put the tokenizer's special tokens into a config that was written without them."""
    path = folder / "config.json"
    config = json.loads(path.read_bytes()) | _SPECIAL
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
