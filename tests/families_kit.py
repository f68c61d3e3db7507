"""Every family of models as a small folder laid out as the hub's: FAMILIES["aquila"](folder) writes one.

A folder holds config.json with the family's own keys, generation_config.json, the tokenizer's files with the family's
own special tokens, the chat template where the family ships one, and safetensors of the family's real class (two
layers, random, always the same). `folder_of(name, root)` writes each at most once below a root, several processes at
a time included; the fixture `family_folder` (conftest.py) gives it for the whole session.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import families_tokenizers as ft
from families_configs import CONFIGS, GENERATION
from families_templates import template_of
from families_words import TOKENIZERS

_SCALE = 0.1  # spread of the random weights: wider than a real start, so that likeliest tokens are clearly likeliest


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _with_ids(value: Any, ids: dict[str, int]) -> Any:
    """A config with "@TOKEN" replaced by the token's id."""
    if isinstance(value, dict):
        return {key: _with_ids(entry, ids) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_ids(entry, ids) for entry in value]
    return ids[value[1:]] if isinstance(value, str) and value.startswith("@") else value


# -- weights -----------------------------------------------------------------------------------------------------


def _save_native(config_words: dict[str, Any], folder: Path, shard_bytes: str | None = None) -> None:
    """Random weights of the class that transformers has for this config, as its publisher would save them."""
    import torch
    import transformers
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    for part in (config, *(getattr(config, name, None) for name in ("text_config", "vision_config"))):
        if part is not None:
            part.initializer_range = _SCALE
    kind = getattr(transformers, config_words["architectures"][0], None)
    text_words = config_words.get("text_config", config_words)
    dtype = getattr(torch, text_words.get("torch_dtype") or text_words.get("dtype"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config) if kind is not None else AutoModelForCausalLM.from_config(config)
        _save(model, dtype, folder, shard_bytes)


def _save_as_llama(config_words: dict[str, Any], folder: Path, shard_bytes: str | None = None) -> None:
    """Weights of a family that is a Llama under another name; old buffers lie among them, as in the hub's files."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    left_out = ("model_type", "architectures", "auto_map", "bias", "transformers_version", "torch_dtype")
    words = {key: value for key, value in config_words.items() if key not in left_out}
    config = LlamaConfig(**words, attention_bias=config_words.get("bias", False))
    config.initializer_range = _SCALE
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
        for name, tensor in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(tensor, std=_SCALE)  # zeros would hide a bias that is left out
        _save(model, getattr(torch, config_words["torch_dtype"]), folder, shard_bytes)
    if shard_bytes is None:
        path = folder / "model.safetensors"
        tensors = load_file(path)
        for layer in range(config.num_hidden_layers):
            tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = model.model.rotary_emb.inv_freq.clone()
        save_file(tensors, path, {"format": "pt"})


def _save(model: Any, dtype: Any, folder: Path, shard_bytes: str | None) -> None:
    """Weights only: the folder's own config stays."""
    import torch

    if "sinks" in "".join(name for name, _ in model.named_parameters()):
        for name, tensor in model.named_parameters():
            if name.endswith("sinks"):
                torch.nn.init.normal_(tensor)
    kept = {name: (folder / name).read_bytes() for name in ("config.json", "generation_config.json")}
    options = {"max_shard_size": shard_bytes} if shard_bytes else {}
    model.to(dtype).save_pretrained(folder, **options)
    for name, text in kept.items():
        (folder / name).write_bytes(text)


def _save_pangu_mixture(config_words: dict[str, Any], folder: Path) -> None:
    """openPangu Pro-MoE: no class of transformers writes it, so its tensors are spelled out by the hub's names."""
    import torch
    from safetensors.torch import save_file

    wide, vocabulary = config_words["hidden_size"], config_words["vocab_size"]
    head = wide // config_words["num_attention_heads"]
    narrow = head * config_words["num_key_value_heads"]
    draw = torch.Generator().manual_seed(0)
    tensors: dict[str, Any] = {}

    def add(name: str, *shape: int) -> None:
        tensors[name] = (torch.randn(*shape, generator=draw) * _SCALE).to(torch.bfloat16)

    def gated(name: str, size: int) -> None:
        add(f"{name}.gate_proj.weight", size, wide)
        add(f"{name}.up_proj.weight", size, wide)
        add(f"{name}.down_proj.weight", wide, size)

    add("model.embed_tokens.weight", vocabulary, wide)
    add("lm_head.weight", vocabulary, wide)
    tensors["model.norm.weight"] = torch.ones(wide, dtype=torch.bfloat16)
    for k in range(config_words["num_hidden_layers"]):
        layer = f"model.layers.{k}"
        for name, rows, columns in (("q", wide, wide), ("k", narrow, wide), ("v", narrow, wide), ("o", wide, wide)):
            add(f"{layer}.self_attn.{name}_proj.weight", rows, columns)
            add(f"{layer}.self_attn.{name}_proj.bias", rows)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{layer}.{name}.weight"] = torch.ones(wide, dtype=torch.bfloat16)
        add(f"{layer}.mlp.gate.weight", config_words["num_experts"], wide)
        scale = 1 + 0.5 * torch.rand(1, config_words["num_experts"], generator=draw)
        tensors[f"{layer}.mlp.router_scale"] = scale.to(torch.bfloat16)
        gated(f"{layer}.mlp.shared_expert", config_words["shared_expert_intermediate_size"])
        for expert in range(config_words["num_experts"]):
            gated(f"{layer}.mlp.experts.{expert}", config_words["moe_intermediate_size"])
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _save_packed(config_words: dict[str, Any], folder: Path) -> None:
    """gpt-oss with its experts in MXFP4: 4-bit numbers in blocks of 32, one power of two for each block."""
    import torch
    from safetensors.torch import load_file, save_file

    plain = {key: value for key, value in config_words.items() if key != "quantization_config"}
    _write_json(folder / "config.json", plain)
    _save_native(plain, folder)
    _write_json(folder / "config.json", config_words)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    draw = torch.Generator().manual_seed(1)
    for name in [name for name in tensors if name.endswith(("experts.gate_up_proj", "experts.down_proj"))]:
        experts, rows, columns = tensors.pop(name).shape  # kept transposed: (experts, in, out)
        shape = (experts, columns, rows // 32)
        tensors[f"{name}_blocks"] = torch.randint(0, 256, (*shape, 16), dtype=torch.uint8, generator=draw)
        tensors[f"{name}_scales"] = torch.randint(121, 124, shape, dtype=torch.uint8, generator=draw)
    save_file(tensors, path, {"format": "pt"})


# -- folders -----------------------------------------------------------------------------------------------------

_IMAGE_FILES = ("qwen2_5_vl", "qwen3_vl", "qwen3_5")


def _write_image_words(name: str, folder: Path) -> None:
    """preprocessor_config.json (and the video one) of the families that look at images."""
    patch = 14 if name == "qwen2_5_vl" else 16
    mean, spread = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    if name != "qwen2_5_vl":
        mean, spread = [0.5] * 3, [0.5] * 3
    words: dict[str, Any] = {
        "patch_size": patch,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": mean,
        "image_std": spread,
        "image_processor_type": "Qwen2VLImageProcessorFast",
    }
    if name == "qwen2_5_vl":
        words |= {"min_pixels": 3136, "max_pixels": 12845056, "processor_class": "Qwen2_5_VLProcessor"}
        words["image_processor_type"] = "Qwen2VLImageProcessor"
    else:
        words |= {"size": {"longest_edge": 16777216, "shortest_edge": 65536}, "processor_class": "Qwen3VLProcessor"}
    _write_json(folder / "preprocessor_config.json", words)
    if name != "qwen2_5_vl":
        size = {"longest_edge": 25165824, "shortest_edge": 4096}
        video = {**words, "size": size, "video_processor_type": "Qwen3VLVideoProcessor"}
        del video["image_processor_type"]
        _write_json(folder / "video_preprocessor_config.json", video)


def _write_code(folder: Path) -> None:
    """The Python files that the folder's auto_map names; nobody may run them."""
    for name in ("config.json", "tokenizer_config.json"):
        named = json.loads((folder / name).read_bytes()).get("auto_map", {}).values()
        texts = [text for entry in named for text in (entry if isinstance(entry, list) else [entry]) if text]
        for text in texts:
            if "/" not in text:
                code = 'raise SystemExit("the code of a base was run")\n'
                (folder / f"{text.partition('.')[0]}.py").write_text(code, encoding="utf-8")


@dataclass(frozen=True)
class Family:
    """How the folder of one family is written; calling it with a folder writes it there and gives it back."""

    name: str
    tokenizer: str
    generation: str
    save: Callable[..., None] = _save_native
    template_file: bool = False
    shard_bytes: str | None = None

    def __call__(self, folder: Path) -> Path:
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        template = template_of(self.name)
        ids = ft.write(folder, TOKENIZERS[self.tokenizer], template, self.template_file)
        rows = -(-(max(ids.values()) + 1) // 64) * 64  # publishers round the vocabulary up; some rows have no token
        config = _with_ids(CONFIGS[self.name], ids)
        config.get("text_config", config)["vocab_size"] = rows
        generation = {**_with_ids(GENERATION[self.generation], ids), "transformers_version": "4.50.0"}
        _write_json(folder / "config.json", config)
        _write_json(folder / "generation_config.json", generation)
        self.save(config, folder, **({"shard_bytes": self.shard_bytes} if self.shard_bytes else {}))
        _write_code(folder)
        if self.name in _IMAGE_FILES:
            _write_image_words(self.name, folder)
        return folder


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("aquila", "aquila", "aquila", _save_as_llama),
        Family("aquila2_34b", "aquila2", "aquila", _save_as_llama, shard_bytes="150KB"),
        Family("aquila2_16k", "aquila2", "aquila", _save_as_llama),
        Family("llama2", "llama2", "llama2"),
        Family("llama3_2", "llama3_2", "llama3_2"),
        Family("qwen2_5", "qwen2", "qwen"),
        Family("qwen3", "qwen3", "qwen"),
        Family("qwen3_5", "qwen3", "qwen", template_file=True),
        Family("qwen3_moe", "qwen3", "qwen"),
        Family("mixtral", "mixtral", "mixtral"),
        Family("ernie4_5", "ernie4_5", "ernie4_5"),
        Family("ernie4_5_moe", "ernie4_5_moe", "ernie4_5"),
        Family("pangu_embedded_1b", "pangu", "pangu", _save_as_llama),
        Family("pangu_embedded_7b", "pangu", "pangu", _save_as_llama),
        Family("pangu_pro_moe", "pangu", "pangu", _save_pangu_mixture),
        Family("gpt_oss", "gpt_oss", "gpt_oss", template_file=True),
        Family("gpt_oss_mxfp4", "gpt_oss", "gpt_oss", _save_packed, template_file=True),
        Family("smollm2", "smollm2", "smollm2"),
        Family("smollm3", "smollm3", "smollm3", template_file=True),
        Family("gemma2", "gemma", "gemma"),
        Family("gemma3", "gemma", "gemma"),
        Family("phi3", "phi3", "phi3"),
        Family("phi4_mini", "phi4_mini", "phi4_mini"),
        Family("phi", "phi", "phi"),
        Family("mistral", "mistral", "mixtral"),
        Family("internlm3", "internlm3", "internlm3"),
        Family("glm4", "glm4", "glm4", template_file=True),
        Family("granite", "granite", "granite"),
        Family("qwen2_5_vl", "qwen2", "qwen", template_file=True),
        Family("qwen3_vl", "qwen2", "qwen", template_file=True),
    )
}


def folder_of(name: str, root: Path) -> Path:
    """The folder of a family below `root`, written if it is not there yet. Read it, never write into it."""
    final = root / name
    if not final.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
        FAMILIES[name](staging)
        try:
            os.rename(staging, final)
        except OSError:  # another process was quicker
            shutil.rmtree(staging)
    return final
