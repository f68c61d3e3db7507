"""LoRA adapters: attach, save, check, load. The only room that speaks to peft."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

from finetune.errors import IntegrityError, ModelError, Problem
from finetune.models.weights import read_header

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# peft can carry base weights in an adapter file and writes them into the base on load; these names never do.
_LORA_TENSOR = re.compile(
    r"^base_model\.model\.[\w.]+?\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)(\.weight)?$"
)
_MAX_RANK, _MAX_SCALE, _MAX_WEIGHT = 1024, 64, 1e4
_MAX_HEADER_BYTES, _MAX_CONFIG_BYTES = 4 << 20, 1 << 20
# What an adapter's config may say. Everything else that peft knows either changes the base while it loads (pissa,
# loftq, layer_replication), imports names from the config (auto_mapping), or is not LoRA on linear layers.
_MODULE_WORDS = ("target_modules", "exclude_modules", "layers_pattern", "rank_pattern", "alpha_pattern")
_ACCEPTED_WORDS = {
    *_MODULE_WORDS,
    *("base_model_name_or_path", "revision", "peft_type", "peft_version", "task_type", "inference_mode"),
    *("r", "lora_alpha", "lora_dropout", "layers_to_transform", "fan_in_fan_out", "bias", "use_rslora", "use_dora"),
    *("init_lora_weights", "megatron_core", "qalora_group_size"),
}


def attach_adapter(model: Any, settings: Any, seed: int) -> Any:
    """The base with a fresh adapter on it; only the adapter is trainable, and its first effect is zero.

    Args:
        model: from `load_base`.
        settings: the recipe's `adapter` section (method, r, alpha, dropout, target_modules).
        seed: fixes the random half of the adapter.

    Raises:
        ModelError: target_modules names modules that the model does not have (the candidates are listed).
    """
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    targets = settings.target_modules
    if targets != "all-linear":
        _check_targets(model, list(targets))
        targets = list(targets)
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        bias="none",
        use_rslora=settings.method == "rslora",
        use_dora=settings.method == "dora",
    )
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a name that will change
        return get_peft_model(model, config)


def _check_targets(model: Any, targets: list[str]) -> None:
    import torch
    from transformers.pytorch_utils import Conv1D

    names = [name for name, module in model.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D))]
    names = [name for name in names if not name.endswith("lm_head")]
    missing = [t for t in targets if not any(name == t or name.endswith(f".{t}") for name in names)]
    if missing:
        kinds = sorted({name.rsplit(".", 1)[-1] for name in names})
        fix = f"choose from {', '.join(kinds)}, or all-linear"
        raise ModelError(Problem("", "adapter.target_modules", "not in this model", ", ".join(missing), fix))


def trainable_facts(model: Any) -> dict[str, Any]:
    """Counts of parameters and the kinds of module that carry the adapter."""
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    modules = {name.split(".lora_A")[0].rsplit(".", 1)[-1] for name, _ in model.named_parameters() if ".lora_A" in name}
    total = sum(p.numel() for p in model.parameters())
    return {"num_trainable": trainable, "num_total": total, "modules": sorted(modules)}


def save_adapter(model: Any, folder: Path, base_label: str, revision: str | None) -> None:
    """Write adapter_config.json and adapter_model.safetensors, with the base's name instead of a local path.

    Raises:
        IntegrityError: the adapter changes nothing (every B matrix is zero), or holds a number that is not finite.
    """
    import torch

    state = {name: p for name, p in model.named_parameters() if "lora_" in name}
    if not all(torch.isfinite(p).all() for p in state.values()):
        raise IntegrityError("the adapter holds numbers that are not finite; it is not saved")
    if not any(p.abs().max() > 0 for name, p in state.items() if "lora_B" in name):
        raise IntegrityError("the adapter changes nothing: every lora_B matrix is zero; it is not saved")
    with warnings.catch_warnings():
        # peft looks a hub id up to see whether the vocabulary was resized; ours never is.
        warnings.simplefilter("ignore")
        model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty card, with a local path in it
    rewrite_config(folder / CONFIG, base_label, revision)


def rewrite_config(path: Path, base_label: str, revision: str | None) -> None:
    """Put the base's id and commit into an adapter_config.json, where peft writes the path it loaded from."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_label
    config["revision"] = revision
    for key in ("target_modules", "exclude_modules"):
        if isinstance(config.get(key), list):  # a set in peft, so in another order each time
            config[key].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


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
    foreign = [name for name in names if not _LORA_TENSOR.match(name)]
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
        if not (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_RANK):
            problems.append(Problem(where, key[:60], f"outside 1..{_MAX_RANK}", repr(value)[:40]))
    if problems:
        return problems
    smallest = min(ranks.values())
    divisor = smallest**0.5 if config.get("use_rslora") else smallest
    for key, value in alphas.items():
        if not (_is_number(value) and 0 < value <= _MAX_SCALE * divisor):
            what = f"alpha / {'sqrt(r)' if config.get('use_rslora') else 'r'} outside 0..{_MAX_SCALE}"
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
        if value and key not in _ACCEPTED_WORDS:
            problems.append(Problem(where, key[:60], "is not accepted in an adapter"))
    return problems


def load_adapter(model: Any, folder: Path, trainable: bool = False) -> Any:
    """Put a checked adapter on a base, and see that every one of its tensors found its place.

    Whatever is refused is refused before the base is touched, or is taken off it again.

    Raises:
        ModelError: the adapter does not fit this base.
        IntegrityError: see `check_adapter`; or it holds numbers that are not finite or out of all proportion.
    """
    config = check_adapter(folder)
    names = _check_tensors(model, folder, config)
    from peft import PeftModel, get_peft_model_state_dict

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft warns of here is counted below, and refused
        try:
            adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise _misfit(folder, (str(error).strip().splitlines() or [""])[0][:120]) from error
        placed = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    if placed != names:
        adapted.unload()
        missing, extra = len(placed - names), len(names - placed)
        raise _misfit(folder, f"{missing} tensors are missing and {extra} find no place, of {len(placed)}")
    adapted.train(trainable)
    return adapted


def _misfit(folder: Path, reason: str) -> ModelError:
    fix = "use the base it was trained on"
    return ModelError(Problem(folder.name, "", f"does not fit this base: {reason}", fix=fix))


def _check_tensors(model: Any, folder: Path, config: dict[str, Any]) -> set[str]:
    """Read the adapter's tensors, compare numbers and shapes with the base, and give their names."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    where = f"{folder.name}/{WEIGHTS}"
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise IntegrityError(Problem(where, "", "cannot be read", fix="fetch the adapter again")) from error
    modules = dict(model.named_modules())
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise IntegrityError(Problem(where, name[:80], "holds numbers that are not finite"))
        if tensor.numel() and tensor.abs().max() > _MAX_WEIGHT:
            raise IntegrityError(Problem(where, name[:80], f"holds numbers beyond {_MAX_WEIGHT:,.0f}"))
        path, kind = re.split(r"\.(?=lora_)", name.removeprefix("base_model.model."), maxsplit=1)
        module = modules.get(path)
        if module is None:
            raise _misfit(folder, f"it has no module {path[:80]}")
        if isinstance(module, torch.nn.Linear) and not config.get("rank_pattern"):
            shapes = {
                "lora_A.weight": (config["r"], module.in_features),
                "lora_B.weight": (module.out_features, config["r"]),
            }
            if tuple(tensor.shape) != shapes.get(kind, tuple(tensor.shape)):
                raise _misfit(folder, f"{path[:80]}.{kind} is {list(tensor.shape)}, needs {list(shapes[kind])}")
    return set(tensors)
