"""Where a base model is, what it is, and loading its weights (safetensors only, no remote code)."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.errors import ModelError, Problem
from finetune.models.sources import BaseSource, check_files, hub_errors, licence_of
from finetune.runs import sha256_of

_KEY = "base.model"
# Words of a config.json by which transformers can be made to fetch and run somebody's code, even where no remote code
# is trusted: the name of an attention kernel with a slash in it is looked for on the Hub.
_KERNEL_FIELDS = ("_attn_implementation", "_attn_implementation_internal", "attn_implementation")


def load_config(source: BaseSource) -> Any:
    """The transformers config of a base.

    Raises:
        ModelError: it is not readable, of an unknown kind, or wants to run code.
        SurroundingsError: it cannot be fetched.
    """
    from transformers import AutoConfig, PretrainedConfig

    with hub_errors(source):
        raw, _ = PretrainedConfig.get_config_dict(source.location, revision=source.revision)
        _refuse_code(raw, source)
        return AutoConfig.from_pretrained(source.location, revision=source.revision, trust_remote_code=False)


def _refuse_code(words: Any, source: BaseSource, path: str = "") -> None:
    """Refuse config words that bring code. `auto_map` may stay: it is not followed, and native kinds carry it too."""
    if isinstance(words, list):
        words = dict(enumerate(words))
    for key, value in words.items() if isinstance(words, dict) else ():
        where = f"{path}{key}"
        if (key in _KERNEL_FIELDS and "/" in str(value)) or (key == "trust_remote_code" and value):
            what = f"config.json asks for foreign code: {where}"
            fix = "remove it from config.json, or choose another base"
            raise ModelError(Problem("", _KEY, what, repr(source.label), fix))
        _refuse_code(value, source, f"{where}.")


def load_base(source: BaseSource, dtype: str, attention: str = "sdpa", device: str = "cpu") -> Any:
    """The base with its weights, in eval mode, on `device`.

    Args:
        source: from `find_base`.
        dtype: "float32", "bfloat16" or "float16".
        attention: "sdpa" or "eager".
        device: a torch device.

    Raises:
        ModelError: a file is missing or cut off, or does not hold every weight of the model.
        SurroundingsError: it cannot be fetched.
    """
    import torch
    from transformers import AutoModelForCausalLM

    if source.is_local:
        check_files(Path(source.location))
    config = load_config(source)
    with hub_errors(source), _no_progress_bar():
        outcome: Any = AutoModelForCausalLM.from_pretrained(
            source.location,
            config=config,
            revision=source.revision,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    model, info = outcome
    if missing := sorted(info["missing_keys"]):
        # transformers would go on with random numbers in their place.
        what = f"{len(missing)} weights are missing from its files, {missing[0]} the first"
        raise ModelError(Problem("", _KEY, what, repr(source.label), "fetch the base again"))
    return model.to(device).eval()


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep transformers' "Loading weights" bar off the user's screen."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def context_tokens(config: Any) -> int | None:
    """How many tokens the base can look at, None where its config does not say."""
    text_config = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(text_config, "max_position_embeddings", None)


def base_facts(source: BaseSource, config: Any) -> dict[str, Any]:
    """What the manifest records of a base: id, commit, licence, config hash, vocabulary, weights hash if local."""
    facts: dict[str, Any] = {
        "id": source.label,
        "revision": getattr(config, "_commit_hash", None) or source.revision,
        "is_local": source.is_local,
        "model_type": config.model_type,
        "vocab_size": getattr(config.get_text_config(), "vocab_size", None),
        "context_tokens": context_tokens(config),
        "config_sha256": _config_sha256(config),
        "licence": licence_of(source),
        "weights_sha256": None,
    }
    if source.is_local:
        facts["weights_sha256"] = sha256_of(*sorted(Path(source.location).glob("*.safetensors")))
    return facts


def _config_sha256(config: Any) -> str:
    """Hash of what shapes the model; versions and paths in a config do not count."""
    values = {
        k: v for k, v in config.to_diff_dict().items() if k not in ("_name_or_path", "transformers_version", "dtype")
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
