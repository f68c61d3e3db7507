"""Where a base model is, what it is, and loading its weights (safetensors only, no remote code)."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import resources
from finetune.errors import ModelError, Problem, SurroundingsError

_KEY = "base.model"


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
    looks_local = model.startswith((".", "/", "~", "\\")) or model.count("/") > 1 or (folder and folder.exists())
    if not looks_local:
        return BaseSource(model, model, revision, False)
    path = (folder or Path(model)).expanduser()
    if not path.is_dir():
        raise ModelError(
            Problem("", _KEY, "no such folder", repr(model), "check the path, or name a hub id like owner/name")
        )
    if not (path / "config.json").is_file():
        fix = "name a folder in Hub form: config.json, *.safetensors, tokenizer files"
        raise ModelError(Problem("", _KEY, "the folder has no config.json", repr(model), fix))
    if not any(path.glob("*.safetensors")):
        fix = "convert the weights to safetensors; the kit never unpickles"
        raise ModelError(Problem("", _KEY, "the folder has no safetensors weights", repr(model), fix))
    return BaseSource(path.resolve().name, str(path), None, True)


@contextlib.contextmanager
def hub_errors(source: BaseSource):
    """Turn what transformers and the hub raise into one plain message."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        yield
    except (ModelError, SurroundingsError):
        raise
    except GatedRepoError as error:
        fix = "accept its terms on the Hub, then set HF_TOKEN in the shell"
        raise SurroundingsError(Problem("", _KEY, "is gated", repr(source.label), fix)) from error
    except RepositoryNotFoundError as error:
        raise ModelError(Problem("", _KEY, "is not on the Hub", repr(source.label), "check the id")) from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        if source.is_local:
            raise ModelError(Problem("", _KEY, f"cannot be loaded: {reason}", repr(source.label))) from error
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            fix = "choose a base that transformers knows itself"
            raise ModelError(Problem("", _KEY, "wants to run code of its own", repr(source.label), fix)) from error
        fix = (
            "check the network; HF_ENDPOINT names a mirror, HF_TOKEN a token, HF_HUB_OFFLINE=1 uses what is cached; "
            "or use a folder, or base.model: starter"
        )
        raise SurroundingsError(
            Problem("", _KEY, f"cannot be fetched: {reason}", repr(source.label), fix)
        ) from error


def load_config(source: BaseSource) -> Any:
    """The transformers config of a base."""
    from transformers import AutoConfig

    with hub_errors(source):
        return AutoConfig.from_pretrained(source.location, revision=source.revision, trust_remote_code=False)


def load_base(source: BaseSource, dtype: str, attention: str = "sdpa", device: str = "cpu") -> Any:
    """The base with its weights, in eval mode, on `device`.

    Args:
        source: from `find_base`.
        dtype: "float32", "bfloat16" or "float16".
        attention: "sdpa" or "eager".
        device: a torch device.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with hub_errors(source):
        model = AutoModelForCausalLM.from_pretrained(
            source.location,
            revision=source.revision,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
        )
    return model.to(device).eval()


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
        digest = hashlib.sha256()
        for path in sorted(Path(source.location).glob("*.safetensors")):
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        facts["weights_sha256"] = digest.hexdigest()
    return facts


def _config_sha256(config: Any) -> str:
    """Hash of what shapes the model; versions and paths in a config do not count."""
    values = {
        k: v
        for k, v in config.to_diff_dict().items()
        if k not in ("_name_or_path", "transformers_version", "dtype")
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
