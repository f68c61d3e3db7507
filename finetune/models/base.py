"""Where a base model is, what it is, and loading its weights (safetensors only, no remote code)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import hub, resources
from finetune.errors import FinetuneError, ModelError, Problem
from finetune.models.weights import read_header
from finetune.runs import sha256_of

_KEY = "base.model"
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
# Words of a config.json by which transformers can be made to fetch and run somebody's code, even where no remote code
# is trusted: the name of an attention kernel with a slash in it is looked for on the Hub.
_KERNEL_FIELDS = ("_attn_implementation", "_attn_implementation_internal", "attn_implementation")


@dataclass(frozen=True)
class BaseSource:
    """A base model that was found, before anything heavy is loaded.

    Attributes:
        label: what the manifest and the pages call it: the hub id, "starter", or a folder's own name.
        location: what transformers is given: a folder, or a hub id.
        revision: commit, tag or branch asked for; None for a folder.
        is_local: whether it is a folder.
    """

    label: str
    location: str
    revision: str | None
    is_local: bool


def find_base(model: str, revision: str | None = None, folder: Path | None = None) -> BaseSource:
    """What `base.model` means: "starter", a folder (`folder`, already resolved by the recipe), or a hub id.

    Raises:
        ModelError: a folder that does not exist or holds no model; it never falls through to the hub.
    """
    if model == resources.STARTER_ID:
        return BaseSource(resources.STARTER_ID, str(resources.starter_base()), None, True)
    path = (folder or Path(model)).expanduser()
    # `models/typo` reads like a hub id; where there is a folder `models`, a folder in it was meant.
    in_a_folder = "/" in model and path.parent.is_dir() and revision is None
    if _HUB_ID.fullmatch(model) and not in_a_folder and not (folder and folder.exists()):
        return BaseSource(model, model, revision, False)
    if not path.is_dir():
        fix = "check the path, or name a hub id like owner/name"
        if _HUB_ID.fullmatch(model):
            fix = f"check the path; if a hub id was meant, add base.revision, or rename the folder {path.parent.name}"
        raise ModelError(Problem("", _KEY, "no such folder", repr(model), fix))
    if not (path / "config.json").is_file():
        fix = "name a folder in Hub form: config.json, *.safetensors, tokenizer files"
        raise ModelError(Problem("", _KEY, "the folder has no config.json", repr(model), fix))
    if not any(path.glob("*.safetensors")):
        fix = "convert the weights to safetensors; the kit never unpickles"
        raise ModelError(Problem("", _KEY, "the folder has no safetensors weights", repr(model), fix))
    return BaseSource(path.resolve().name, str(path), None, True)


@contextlib.contextmanager
def hub_errors(source: BaseSource) -> Iterator[None]:
    """Turn whatever transformers and the hub raise into one plain message; see finetune.hub.errors."""
    instead = "a folder, or base.model: starter"
    with hub.errors(_KEY, source.label, ModelError, instead=instead, is_local=source.is_local):
        try:
            yield
        except (FinetuneError, ImportError):
            raise
        except Exception as error:
            if "trust_remote_code" in str(error) or "custom code" in str(error):
                fix = "choose a base that transformers knows itself"
                raise ModelError(Problem("", _KEY, "wants to run code of its own", repr(source.label), fix)) from error
            raise


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
        _check_files(Path(source.location))
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


def _check_files(folder: Path) -> None:
    """See that every weight file of a local base is there and whole, and name the one that is not."""
    problems: list[str | Problem] = []
    index = folder / "model.safetensors.index.json"
    names = {path.name for path in folder.glob("*.safetensors")}
    if index.is_file() and not (folder / "model.safetensors").is_file():
        try:
            names = set(json.loads(index.read_bytes())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            names = set()
            problems.append(Problem(f"{folder.name}/{index.name}", "", "cannot be read", fix="fetch the base again"))
    for name in sorted(map(str, names)):
        reason = "is missing"
        if "/" not in name and "\\" not in name and (folder / name).is_file():
            try:
                read_header(folder / name)
                continue
            except ValueError as error:
                reason = str(error)
        problems.append(Problem(f"{folder.name}/{name}", "", reason, fix="fetch the base again"))
    if problems:
        raise ModelError(problems)


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
        "licence": _licence(source),
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


def _licence(source: BaseSource) -> str | None:
    """`license:` of a local folder's README front matter, None where it does not say."""
    if not source.is_local:
        return None
    readme = Path(source.location) / "README.md"
    if readme.is_file():
        for line in readme.read_text(encoding="utf-8", errors="replace").splitlines()[:40]:
            if line.startswith("license:"):
                return line.split(":", 1)[1].strip() or None
    return None
