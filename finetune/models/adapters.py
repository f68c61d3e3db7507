"""LoRA adapters: attach, save, check, load. The only room that speaks to peft."""

from __future__ import annotations

import contextlib
import json
import re
import struct
import warnings
from pathlib import Path
from typing import Any

from finetune.errors import IntegrityError, ModelError, Problem

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# peft can carry base weights in an adapter file and writes them into the base on load; these names never do.
_LORA_TENSOR = re.compile(
    r"^base_model\.model\.[\w.]+?\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)(\.weight)?$"
)
_MAX_RANK, _MAX_SCALE, _MAX_HEADER_BYTES = 1024, 64, 4 << 20


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
    return get_peft_model(model, config)


def _check_targets(model: Any, targets: list[str]) -> None:
    import torch

    linear = sorted(
        {name.rsplit(".", 1)[-1] for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    )
    linear = [name for name in linear if name != "lm_head"]
    missing = [target for target in targets if target.rsplit(".", 1)[-1] not in linear]
    if missing:
        fix = f"choose from {', '.join(linear)}, or all-linear"
        raise ModelError(Problem("", "adapter.target_modules", "not in this model", ", ".join(missing), fix))


def trainable_facts(model: Any) -> dict[str, Any]:
    """Counts of parameters and the kinds of module that carry the adapter."""
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    modules = {
        name.split(".lora_A")[0].rsplit(".", 1)[-1] for name, _ in model.named_parameters() if ".lora_A" in name
    }
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
        config = json.loads(config_path.read_bytes()) if config_path.stat().st_size < 1 << 20 else None
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise ModelError(Problem(f"{folder.name}/{CONFIG}", "", "cannot be read", fix="fetch the adapter again"))
    problems: list[str | Problem] = []
    where = f"{folder.name}/{CONFIG}"
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if config.get("peft_type") != "LORA":
        problems.append(Problem(where, "peft_type", "only LoRA adapters are read", repr(config.get("peft_type"))))
    if not (isinstance(rank, int) and 1 <= rank <= _MAX_RANK):
        problems.append(Problem(where, "r", f"outside 1..{_MAX_RANK}", repr(rank)[:40]))
    elif not isinstance(alpha, (int, float)) or not 0 < alpha / rank <= _MAX_SCALE:
        problems.append(Problem(where, "lora_alpha", f"alpha / r outside 0..{_MAX_SCALE}", repr(alpha)[:40]))
    for key in ("target_modules", "exclude_modules", "layers_pattern", "rank_pattern", "alpha_pattern"):
        value = config.get(key)
        texts = [value] if isinstance(value, str) else list(value or [])
        if any(re.search(r"[()*+?\\{}|\[\]^$]", str(text)) for text in texts):
            problems.append(Problem(where, key, "regular expressions are not accepted"))
    for key in (
        "layer_replication",
        "megatron_config",
        "auto_mapping",
        "modules_to_save",
        "trainable_token_indices",
    ):
        if config.get(key):
            problems.append(Problem(where, key, "is not accepted in an adapter"))
    foreign = [name for name in _tensor_names(weights_path) if not _LORA_TENSOR.match(name)]
    if foreign:
        what = f"{len(foreign)} tensors are not LoRA tensors and would overwrite the base"
        problems.append(Problem(f"{folder.name}/{WEIGHTS}", foreign[0][:80], what))
    if problems:
        raise IntegrityError(problems)
    return config


def _tensor_names(path: Path) -> list[str]:
    """Names in a safetensors header, read without loading anything."""
    where = f"{path.parent.name}/{path.name}"
    with path.open("rb") as file:
        head = file.read(8)
        size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= size <= min(_MAX_HEADER_BYTES, path.stat().st_size - 8):
            raise IntegrityError(Problem(where, "", "is cut off or damaged", fix="fetch the adapter again"))
        try:
            header = json.loads(file.read(size))
        except ValueError:
            raise IntegrityError(Problem(where, "", "is damaged", fix="fetch the adapter again")) from None
    names = [name for name in header if name != "__metadata__"]
    if not names:
        raise IntegrityError(Problem(where, "", "holds no tensors", fix="fetch the adapter again"))
    return names


def load_adapter(model: Any, folder: Path, trainable: bool = False) -> Any:
    """Put a checked adapter on a base, and see that every one of its tensors found its place.

    Raises:
        ModelError: the adapter does not fit this base.
        IntegrityError: see `check_adapter`.
    """
    check_adapter(folder)
    from peft import PeftModel

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = (str(error).strip().splitlines() or [""])[0][:120]
            fix = "use the base it was trained on"
            raise ModelError(Problem(str(folder.name), "", f"does not fit this base: {reason}", fix=fix)) from error
    if any("missing" in str(w.message).lower() and "adapter" in str(w.message).lower() for w in caught):
        fix = "use the base it was trained on"
        raise ModelError(Problem(folder.name, "", "some of its tensors found no place in this base", fix=fix))
    with contextlib.suppress(AttributeError):
        adapted.eval() if not trainable else adapted.train()
    return adapted
