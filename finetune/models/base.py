"""Where a base model is, what it is, and loading its weights (safetensors only, no remote code)."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.errors import ModelError, Problem, SurroundingsError
from finetune.models import native, quantized
from finetune.models.anatomy import auto_class_of
from finetune.models.shards import check_files, weights_digest
from finetune.models.sources import BaseSource, hub_errors, licence_of, refuse_broken
from finetune.models.structure import structure_of

_KEY = "base.model"
# Words of a config.json by which transformers can be made to fetch and run somebody's code, even where no remote code
# is trusted: the name of an attention kernel with a slash in it is looked for on the Hub.
_KERNEL_FIELDS = ("_attn_implementation", "_attn_implementation_internal", "attn_implementation")

# For the message alone: what is known is decided by transformers' own table and the native classes.
_FAMILIES = "Llama, Qwen, Aquila, openPangu, ERNIE, gpt-oss, Mistral, Mixtral, Gemma, Phi, GLM, InternLM, SmolLM"


def load_config(source: BaseSource) -> Any:
    """The transformers config of a base, without the words that would point to code.

    Raises:
        ModelError: it is not readable, of an unknown kind, or wants to run code.
        SurroundingsError: it cannot be fetched.
    """
    from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig

    refuse_broken(source)
    with hub_errors(source):
        raw, _ = PretrainedConfig.get_config_dict(source.location, revision=source.revision)
        refuse_code(raw, source)
        kind = raw.get("model_type")
        if kind not in CONFIG_MAPPING:
            native.register()  # here only: the classes need torch, and most configs are read without it
        if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
            raise _unknown_kind(kind, source)
        config = AutoConfig.from_pretrained(source.location, revision=source.revision, trust_remote_code=False)
    for part in (config, *(getattr(config, name, None) for name in config.sub_configs)):
        # It would be written into everything that is saved, and asked for where that is loaded.
        getattr(part, "__dict__", {}).pop("auto_map", None)
    return config


def _unknown_kind(kind: Any, source: BaseSource) -> ModelError:
    import transformers

    if not kind:
        what = "its config.json names no model_type"
        return ModelError(Problem("", _KEY, what, repr(source.label), "use the config.json that came with the model"))
    what = f"is of a kind that neither this kit nor transformers {transformers.__version__} knows"
    fix = f"choose a base of a known family ({_FAMILIES}; finetune models lists all), or one converted to such a layout"
    got = f"{str(kind)[:60]!r} of {source.label!r}"
    return ModelError(Problem("", _KEY, f"{what}, and code that comes with a model is never run", got, fix))


def refuse_code(words: Any, source: BaseSource, path: str = "") -> None:
    """Refuse config words that bring code. `auto_map` may stay: it is not followed, and native kinds carry it too.

    Raises:
        ModelError: names the word.
    """
    if isinstance(words, list):
        words = dict(enumerate(words))
    for key, value in words.items() if isinstance(words, dict) else ():
        where = f"{path}{key}"
        if (key in _KERNEL_FIELDS and "/" in str(value)) or (key == "trust_remote_code" and value):
            what = f"config.json asks for foreign code: {where}"
            fix = "remove it from config.json, or choose another base"
            raise ModelError(Problem("", _KEY, what, repr(source.label), fix))
        refuse_code(value, source, f"{where}.")


def base_notes(config: Any) -> list[str]:
    """What loading this base chooses for the user, one plain line each.

    Args:
        config: from `load_config`.

    Raises:
        ModelError: its weights are stored in a form that cannot be trained.
    """
    notes = []
    if stored_as(config) == "mxfp4":
        num_gib = structure_of(config).num_parameters * 2 / 2**30
        notes.append(f"weights: stored as MXFP4, which cannot be trained; unpacked, about {num_gib:,.0f} GiB in 16 bit")
    if hasattr(config.get_text_config(), "router_aux_loss_coef"):
        notes.append("experts: the router's balancing loss is off, because the router is not trained")
    return notes


def stored_as(config: Any) -> str | None:
    """In which packed form the base's files hold its weights ("mxfp4"); None for plain numbers.

    Raises:
        ModelError: a form that cannot be trained.
    """
    words = getattr(config, "quantization_config", None)
    if words is None:
        return None
    words = words if isinstance(words, dict) else words.to_dict()
    method = str(words.get("quant_method", "unknown"))
    if method != "mxfp4":
        what = "its weights are stored rounded, which is not trained here"
        fix = "choose the base's unrounded copy; base.quantization: 4bit rounds that while loading"
        raise ModelError(Problem("", _KEY, what, method[:40], fix))
    return method


def attention_for(config: Any, wanted: str) -> str:
    """`wanted` ("sdpa" or "eager"), or "eager" where the family's class has no other that is exact."""
    model_class = auto_class_of(config)._model_mapping[type(config)]
    return wanted if wanted != "sdpa" or getattr(model_class, "_supports_sdpa", True) else "eager"


def load_base(
    source: BaseSource, dtype: str, attention: str = "sdpa", device: str = "cpu", quantization: str = "none"
) -> Any:
    """The base with its weights, in eval mode, on `device`.

    Args:
        source: from `find_base`.
        dtype: "float32", "bfloat16" or "float16".
        attention: "sdpa" or "eager"; families without an exact sdpa get eager.
        device: a torch device.
        quantization: "none", "8bit" or "4bit"; see finetune.models.quantized.

    Raises:
        ModelError: a file is missing or cut off, or its weights and its config do not fit together.
        SurroundingsError: it cannot be fetched, or not be held in so few bits here.
    """
    import torch

    if source.is_local:
        check_files(Path(source.location), source.label if source.is_fetched else "")
    config = load_config(source)
    words = _packing_words(config, source, quantization)
    words |= quantized.loading_words(quantization, dtype, device, config)
    text = config.get_text_config()
    if hasattr(text, "router_aux_loss_coef"):
        # A loss on routers that are frozen has no effect but noise; trainers turn it on by themselves.
        text.router_aux_loss_coef, text.output_router_logits = 0.0, False
    with hub_errors(source), memory_errors(source, dtype), _quietly():
        outcome: Any = auto_class_of(config).from_pretrained(
            source.location,
            config=config,
            revision=source.revision,
            dtype=getattr(torch, dtype),
            attn_implementation=attention_for(config, attention),
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # refused below, with names and sizes
            output_loading_info=True,
            **words,
        )
    model, info = outcome
    _check_loaded(model, info, source)
    if quantization != "none":
        return quantized.settle(model).eval()
    with memory_errors(source, dtype):
        return model.to(device).eval()


# What allocators say: of torch on a CPU (Linux, Windows), of CUDA, of the system.
_NO_MEMORY = ("alloc_cpu", "not enough memory", "out of memory", "annot allocate memory", "can't allocate memory")


@contextlib.contextmanager
def memory_errors(source: BaseSource, dtype: str) -> Iterator[None]:
    """Tell of memory that ran out while a base was loaded; in the kit's own words, theirs are cut anywhere.

    Raises:
        SurroundingsError: it ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _NO_MEMORY):
            raise
        what = f"memory ran out while it was loaded in {dtype}"
        fix = "end what else holds memory, use a machine with more of it, or take a smaller base"
        raise SurroundingsError(Problem("", _KEY, what, repr(source.label), fix)) from error


def _packing_words(config: Any, source: BaseSource, quantization: str) -> dict[str, Any]:
    """What `from_pretrained` needs to unpack weights that are stored in a packed form."""
    if stored_as(config) is None:
        return {}
    if quantization != "none":
        raise ModelError(packed_and_rounded(quantization))
    from transformers.utils.quantization_config import Mxfp4Config

    return {"quantization_config": Mxfp4Config(dequantize=True)}


def packed_and_rounded(quantization: str) -> Problem:
    """Why a base stored as MXFP4 is not rounded again."""
    what = "its weights are stored as MXFP4 and are unpacked to 16 bit for training; they are not rounded again"
    return Problem("", "base.quantization", what, quantization, "write quantization: none")


def _check_loaded(model: Any, info: dict[str, Any], source: BaseSource) -> None:
    """See that every weight of the model came from the files, and that the files hold none that it should use.

    transformers goes on with random numbers for the first kind, and drops the second, with a table that nobody reads.
    """
    got, again = repr(source.label), "fetch the base again"
    if wrong := sorted(info["mismatched_keys"]):
        name, stored, needed = wrong[0]
        what = f"{len(wrong)} weights have another shape than its config says, {name} the first"
        got = f"{list(stored)} instead of {list(needed)}"
        raise ModelError(Problem("", _KEY, what, got, "use the config.json that came with the weights"))
    if missing := sorted(info["missing_keys"]):
        what = f"{len(missing)} weights are missing from its files, {missing[0]} the first"
        raise ModelError(Problem("", _KEY, what, got, again))
    modules = dict(model.named_modules())
    unused = [name for name in sorted(info["unexpected_keys"]) if _belongs(name, modules)]
    if unused:
        what = f"{len(unused)} weights in its files have no place in what its config describes, {unused[0]} the first"
        raise ModelError(Problem("", _KEY, what, got, "use the config.json that came with the weights"))


def _belongs(name: str, modules: dict[str, Any]) -> bool:
    """Whether a tensor is a parameter that a module of the model would have under another config, such as a bias."""
    module = modules.get(name.rpartition(".")[0])
    return module is not None and name.endswith((".weight", ".bias")) and any(True for _ in module.parameters(False))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep transformers' "Loading weights" bar, its LOAD REPORT and its remarks off the user's screen.

    What they would tell is judged by `_check_loaded` and said by `base_notes`.
    """
    import logging

    from transformers.utils import logging as theirs

    loading = logging.getLogger("transformers")
    was_on, level = theirs.is_progress_bar_enabled(), loading.level
    theirs.disable_progress_bar()
    loading.setLevel(logging.ERROR)
    try:
        yield
    finally:
        loading.setLevel(level)
        if was_on:
            theirs.enable_progress_bar()


def context_tokens(config: Any) -> int | None:
    """How many tokens the base can look at, None where its config does not say."""
    text_config = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(text_config, "max_position_embeddings", None)


def base_facts(source: BaseSource, config: Any) -> dict[str, Any]:
    """What the manifest records of a base: id, commit, licence, config hash, vocabulary, weights hash if local."""
    facts: dict[str, Any] = {
        "id": source.label,
        "revision": source.revision if source.is_fetched else getattr(config, "_commit_hash", None) or source.revision,
        "is_local": not source.is_of_a_hub,
        "model_type": config.model_type,
        "vocab_size": getattr(config.get_text_config(), "vocab_size", None),
        "context_tokens": context_tokens(config),
        "config_sha256": _config_sha256(config),
        "licence": licence_of(source),
        "weights_sha256": None,
    }
    if not source.is_of_a_hub:  # a hub's are known by their commit
        facts["weights_sha256"] = weights_digest(Path(source.location))
    return facts


def _config_sha256(config: Any) -> str:
    """Hash of what shapes the model; versions and paths in a config do not count."""
    values = {
        k: v for k, v in config.to_diff_dict().items() if k not in ("_name_or_path", "transformers_version", "dtype")
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
