"""Looking at an adapter folder without loading it: what its config may say, and which tensors it may hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune.errors import IntegrityError, ModelError, Problem
from finetune.models.new_tokens import MAX_NEW_TOKENS
from finetune.models.weights import read_header
from finetune.recipe.adapter_words import MAX_RANK, MAX_SCALE, most_alpha

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# peft can carry base weights in an adapter file and writes them into the base on load; these names never do.
_LORA_TENSOR = re.compile(
    r"^base_model\.model\.[\w.]+?\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)(\.weight)?$"
)
# Rows of tokens, which stand in for rows of the base while the adapter is on; only those that the config lists.
_ROWS = ".token_adapter.trainable_tokens_delta"
_MAX_WEIGHT = 1e4
_MAX_HEADER_BYTES, _MAX_CONFIG_BYTES = 4 << 20, 1 << 20
# What an adapter's config may say. Everything else that peft knows either changes the base while it loads (pissa,
# loftq, layer_replication), imports names from the config (auto_mapping), or is not LoRA on linear layers.
_MODULE_WORDS = ("target_modules", "exclude_modules", "layers_pattern", "rank_pattern", "alpha_pattern")
_ACCEPTED_WORDS = {
    *_MODULE_WORDS,
    *("base_model_name_or_path", "revision", "peft_type", "peft_version", "task_type", "inference_mode"),
    *("r", "lora_alpha", "lora_dropout", "layers_to_transform", "fan_in_fan_out", "bias", "use_rslora", "use_dora"),
    *("init_lora_weights", "megatron_core", "qalora_group_size", "target_parameters", "trainable_token_indices"),
}
_PLAIN_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)
_NOT_ACCEPTED = "is not accepted in an adapter"


def check_adapter(folder: Path) -> dict[str, Any]:
    """Look at an adapter folder without loading it; gives its config.

    Raises:
        ModelError: files are missing or unreadable.
        IntegrityError: it holds tensors that would overwrite the base, patterns, or sizes that could take the machine.
    """
    config_path, weights_path = folder / CONFIG, folder / WEIGHTS
    for path in (config_path, weights_path):
        if not path.is_file() or path.is_symlink():
            raise ModelError(Problem(str(folder), "", f"has no {path.name}", fix="name a run or adapter folder"))
    try:
        config = json.loads(config_path.read_bytes()) if config_path.stat().st_size < _MAX_CONFIG_BYTES else None
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise ModelError(Problem(f"{folder.name}/{CONFIG}", "", "cannot be read", fix="fetch the adapter again"))
    where = f"{folder.name}/{CONFIG}"
    problems = [*_wrong_sizes(config, where), *_wrong_words(config, where)]
    where = f"{folder.name}/{WEIGHTS}"
    try:
        names = read_header(weights_path, _MAX_HEADER_BYTES)
    except ValueError as error:
        raise IntegrityError(Problem(where, "", str(error), fix="fetch the adapter again")) from None
    rows = {f"base_model.model.{name}{_ROWS}" for name in token_indices(config)}
    foreign = [name for name in names if not _LORA_TENSOR.match(name) and name not in rows]
    if foreign:
        what = f"{len(foreign)} tensors are not LoRA tensors and would overwrite the base"
        problems.append(Problem(where, repr(foreign[0])[:80], what))
    if problems:
        raise IntegrityError(problems)
    return config


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong_sizes(config: dict[str, Any], where: str) -> list[str | Problem]:
    """Ranks and scales that would take the machine or drown the base, also those given module by module."""
    problems: list[str | Problem] = []
    rank, alpha = config.get("r"), config.get("lora_alpha")
    patterns = {key: config.get(key) or {} for key in ("rank_pattern", "alpha_pattern")}
    for key, value in patterns.items():
        if not isinstance(value, dict):
            problems.append(Problem(where, key, "is not a table"))
            patterns[key] = {}
    ranks = {"r": rank, **{f"rank_pattern.{k}": v for k, v in patterns["rank_pattern"].items()}}
    alphas = {"lora_alpha": alpha, **{f"alpha_pattern.{k}": v for k, v in patterns["alpha_pattern"].items()}}
    for key, value in ranks.items():
        if not (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_RANK):
            problems.append(Problem(where, key[:60], f"outside 1..{MAX_RANK}", repr(value)[:40]))
    if problems:
        return problems
    most = most_alpha(min(ranks.values()), bool(config.get("use_rslora")))
    for key, value in alphas.items():
        if not (_is_number(value) and 0 < value <= most):
            what = f"alpha / {'sqrt(r)' if config.get('use_rslora') else 'r'} outside 0..{MAX_SCALE}"
            problems.append(Problem(where, key[:60], what, repr(value)[:40]))
    return problems


def _wrong_words(config: dict[str, Any], where: str) -> list[str | Problem]:
    """Kinds, patterns and settings that are not accepted in an adapter."""
    problems: list[str | Problem] = []
    if config.get("peft_type") != "LORA":
        problems.append(Problem(where, "peft_type", "only LoRA adapters are read", repr(config.get("peft_type"))[:40]))
    if config.get("task_type") not in (None, "CAUSAL_LM"):
        problems.append(Problem(where, "task_type", "only CAUSAL_LM is read", repr(config.get("task_type"))[:40]))
    if config.get("bias") not in (None, "none"):
        problems.append(Problem(where, "bias", "would overwrite the base's biases", repr(config.get("bias"))[:40]))
    if config.get("init_lora_weights") not in (None, True, False, "gaussian"):
        got = repr(config.get("init_lora_weights"))[:40]
        problems.append(Problem(where, "init_lora_weights", "would change the base while it loads", got))
    for key in _MODULE_WORDS:
        value = config.get(key)
        # A text instead of a list is a regular expression to peft.
        texts = list(value) if isinstance(value, (list, dict)) else [] if value in (None, "all-linear") else ["*"]
        if any(not isinstance(text, str) or re.search(r"[()*+?\\{}|\[\]^$]", text) for text in texts):
            problems.append(Problem(where, key, "regular expressions are not accepted"))
    for key, value in sorted(config.items()):
        if value and (key not in _ACCEPTED_WORDS or not _DECLARED.get(key, bool)(value)):
            problems.append(Problem(where, key[:60], _NOT_ACCEPTED))
    if config.get("target_parameters") and config.get("use_dora"):
        problems.append(Problem(where, "use_dora", "does not go with target_parameters"))
    return problems


def _names_parameters(value: Any) -> bool:
    """Whether it lists parameters by a module and a name; a name alone would catch half of the model."""
    return isinstance(value, list) and all(
        isinstance(name, str) and "." in name and _PLAIN_NAME.fullmatch(name) for name in value
    )


def _names_rows(value: Any) -> bool:
    """Whether it lists, module by module, a moderate number of tokens."""
    if not isinstance(value, dict) or len(value) > 2:
        return False
    for name, ids in value.items():
        if not _PLAIN_NAME.fullmatch(name) or not isinstance(ids, list) or not 0 < len(ids) <= MAX_NEW_TOKENS:
            return False
        if not all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in ids):
            return False
        if len(set(ids)) != len(ids):
            return False
    return True


_DECLARED = {"target_parameters": _names_parameters, "trainable_token_indices": _names_rows}


def token_indices(config: Mapping[str, Any]) -> dict[str, list[int]]:
    """Which rows of which modules an adapter brings; {} where it brings none, or its list is not accepted."""
    value = config.get("trainable_token_indices")
    return value if value and _names_rows(value) else {}


def rank_of(config: Mapping[str, Any], path: str) -> int:
    """The rank of the adapter on a module or parameter (full name), by its patterns as peft reads them."""
    for name, rank in (config.get("rank_pattern") or {}).items():
        if f".{path}".endswith(f".{name}"):
            return rank
    return config["r"]


def misfit(folder: Path, reason: str) -> ModelError:
    """The refusal of an adapter that was made for another base."""
    fix = "use the base it was trained on"
    return ModelError(Problem(folder.name, "", f"does not fit this base: {reason}", fix=fix))


def read_tensors(model: Any, folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Read a checked adapter's tensors and compare their numbers and shapes with the base, which is not touched.

    Args:
        model: the base, without an adapter.
        folder: of the adapter.
        config: from `check_adapter`.

    Raises:
        IntegrityError: they cannot be read, or hold numbers that are not finite or out of all proportion.
        ModelError: they do not fit the base.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    where = f"{folder.name}/{WEIGHTS}"
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise IntegrityError(Problem(where, "", "cannot be read", fix="fetch the adapter again")) from error
    modules = dict(model.named_modules())
    num_rows = model.get_input_embeddings().weight.shape[0]
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise IntegrityError(Problem(where, name[:80], "holds numbers that are not finite"))
        if tensor.numel() and tensor.abs().max() > _MAX_WEIGHT:
            raise IntegrityError(Problem(where, name[:80], f"holds numbers beyond {_MAX_WEIGHT:,.0f}"))
        name = name.removeprefix("base_model.model.")
        if name.endswith(_ROWS):
            path = name.removesuffix(_ROWS)
            ids = token_indices(config)[path]
            if max(ids) >= num_rows + MAX_NEW_TOKENS:
                raise misfit(folder, f"it has rows for {num_rows} tokens, and the adapter for token {max(ids)}")
            needed: dict[str, tuple[int, ...]] = {"": (len(ids), _width(modules, path))}
            kind = ""
        else:
            path, kind = re.split(r"\.(?=lora_)", name, maxsplit=1)
            # Two adapted parameters of one module are nested, the inner one under this name.
            stacked = path.removesuffix(".base_layer")
            needed = _shapes(modules.get(stacked), rank_of(config, path)) if path == stacked else {}
            path = stacked
        if path not in modules:
            raise misfit(folder, f"it has no module {path[:80]}")
        if tuple(tensor.shape) != needed.get(kind, tuple(tensor.shape)):
            raise misfit(folder, f"{path[:80]}.{kind} is {list(tensor.shape)}, needs {list(needed[kind])}")
    return tensors


def _shapes(module: Any, rank: int) -> dict[str, tuple[int, ...]]:
    """Shapes of an adapter's tensors on a linear module; others are seen to when they are put in place."""
    import torch

    if not isinstance(module, torch.nn.Linear):
        return {}
    return {"lora_A.weight": (rank, module.in_features), "lora_B.weight": (module.out_features, rank)}


def _width(modules: Mapping[str, Any], path: str) -> int:
    return modules[path].weight.shape[1] if path in modules else 0
