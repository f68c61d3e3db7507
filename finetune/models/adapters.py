"""Saving and loading adapters; every tensor is accounted for."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from finetune.errors import IntegrityError, ModelError
from finetune.models import new_tokens, starts
from finetune.models.adapter_check import CONFIG, check_adapter, misfit, read_tensors, token_indices


def save_adapter(model: Any, folder: Path, base_label: str, revision: str | None) -> None:
    """Write adapter_config.json and adapter_model.safetensors, with the base's name instead of a local path.

    Raises:
        IntegrityError: the adapter changes nothing (every B matrix is zero), or holds a number that is not finite.
    """
    check_trained(model)
    with warnings.catch_warnings():
        # peft looks a hub id up to see whether the vocabulary was resized; ours never is.
        warnings.simplefilter("ignore")
        model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty card, with a local path in it
    rewrite_config(folder, base_label, revision)


def check_trained(model: Any) -> None:
    """See that an adapter holds numbers and does something, before it is written.

    Raises:
        IntegrityError: it changes nothing, or holds a number that is not finite.
    """
    import torch

    state = {name: p for name, p in model.named_parameters() if "lora_" in name or "trainable_tokens_delta" in name}
    if not all(torch.isfinite(p).all() for p in state.values()):
        raise IntegrityError("the adapter holds numbers that are not finite; it is not saved")
    pairs = [(state[name.replace("lora_B", "lora_A")], b) for name, b in state.items() if "lora_B" in name]
    if not any(b.abs().max() > 0 for _, b in pairs):
        raise IntegrityError("the adapter changes nothing: every lora_B matrix is zero; it is not saved")
    if all(starts.is_unmoved(a, b) for a, b in pairs):
        raise IntegrityError("the adapter changes nothing: every matrix is as it was at the start; it is not saved")


def rewrite_config(folder: Path, base_label: str, revision: str | None) -> None:
    """Put the base's id and commit into a folder's adapter_config.json, where peft writes the path it loaded from."""
    path = folder / CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_label
    config["revision"] = revision
    for key in ("target_modules", "exclude_modules", "target_parameters"):
        if isinstance(config.get(key), list):  # a set in peft, so in another order each time
            config[key].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_adapter(model: Any, folder: Path, trainable: bool = False) -> Any:
    """Put a checked adapter on a base, and see that every one of its tensors found its place.

    Where the adapter brings new tokens, the base is given room for them. Whatever is refused is refused before the
    base is touched, or is taken off it again.

    Raises:
        ModelError: the adapter does not fit this base.
        IntegrityError: see `check_adapter`; or it holds numbers that are not finite or out of all proportion.
    """
    config = check_adapter(folder)
    tensors = read_tensors(model, folder, config)
    from peft import LoraConfig, PeftModelForCausalLM, get_peft_model_state_dict, set_peft_model_state_dict

    num_rows = model.get_input_embeddings().weight.shape[0]
    indices = token_indices(config)
    new_tokens.make_room(model, 1 + max((max(ids) for ids in indices.values()), default=0))
    adapted = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft warns of here is counted below, and refused
        try:
            words = LoraConfig.from_pretrained(str(folder))
            words.inference_mode = not trainable
            adapted = PeftModelForCausalLM(model, words)
            set_peft_model_state_dict(adapted, tensors)
            placed = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
            if placed != set(tensors):
                missing, extra = len(placed - set(tensors)), len(set(tensors) - placed)
                raise misfit(folder, f"{missing} tensors are missing and {extra} find no place, of {len(placed)}")
        except (RuntimeError, ValueError, KeyError, TypeError, ModelError) as error:
            if adapted is not None:
                adapted.unload()
            new_tokens.take_room_back(model, num_rows)
            if isinstance(error, ModelError):
                raise
            raise misfit(folder, (str(error).strip().splitlines() or [""])[0][:120]) from error
    adapted.train(trainable)
    return adapted
