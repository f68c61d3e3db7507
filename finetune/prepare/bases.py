"""A base whose config and tokenizer are read, and how long a row may be; its weights are not touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from finetune import models
from finetune.errors import ModelError, Problem
from finetune.recipe import LoadedRecipe
from finetune.render import Renderer
from finetune.runs import read_json
from finetune.talk import Talk

# Kind of model and class of tokenizer for which transformers' AutoTokenizer is known to take that very class (a test
# compares them): these open without torch, which takes a quarter of the time.
_QUICK = {
    ("llama", "TokenizersBackend"): "transformers.tokenization_utils_tokenizers",
    ("llama", "PreTrainedTokenizerFast"): "transformers.tokenization_utils_tokenizers",
    ("qwen2", "Qwen2Tokenizer"): "transformers.models.qwen2.tokenization_qwen2",
    ("qwen2", "Qwen2TokenizerFast"): "transformers.models.qwen2.tokenization_qwen2",
    ("qwen3", "Qwen2Tokenizer"): "transformers.models.qwen2.tokenization_qwen2",
    ("qwen3", "Qwen2TokenizerFast"): "transformers.models.qwen2.tokenization_qwen2",
}


@dataclass(frozen=True)
class OpenedBase:
    """A base whose config and tokenizer are read; its weights are not.

    Attributes:
        max_length: the longest row, in tokens: data.max_length, at most what the base can look at.
        notes: choices made, one plain line each.
        overlong_chosen: whether the recipe itself says what becomes of rows that are too long.
    """

    source: models.BaseSource
    config: Any
    tokenizer: Any
    renderer: Renderer
    max_length: int
    notes: list[str]
    overlong_chosen: bool = True


def fetch_base(
    loaded: LoadedRecipe, *, talk: Talk | None = None, weights: bool = False, commit: str | None = None
) -> models.BaseSource:
    """The recipe's base on this machine; see `finetune.models.fetch`.

    Args:
        loaded: the recipe.
        talk: is told what is fetched.
        weights: whether its weights are needed too.
        commit: the one a run began with, where the recipe names a branch that may have moved since.

    Raises:
        ModelError, IntegrityError, SurroundingsError: it cannot be had, or not used.
    """
    return models.fetch(find_source(loaded, commit), talk, weights)


def find_source(loaded: LoadedRecipe, commit: str | None = None) -> models.BaseSource:
    """What base.model means; nothing is fetched, see `finetune.models.find_base`. `commit` as in `fetch_base`."""
    base = loaded.recipe.base
    source = models.find_base(base.model, base.revision, loaded.path_of("base.model", base.model))
    return replace(source, revision=commit) if commit and not source.is_local else source


def open_base(
    loaded: LoadedRecipe, *, talk: Talk | None = None, weights: bool = False, commit: str | None = None
) -> OpenedBase:
    """Find and fetch the recipe's base, read its config and tokenizer, and settle the length limit.

    Args:
        loaded: the recipe.
        talk: see `fetch_base`, as the others.

    Raises:
        ModelError: see finetune.models; also when data.max_length is beyond what the base can look at.
    """
    return _open(loaded, fetch_base(loaded, talk=talk, weights=weights, commit=commit))


def _open(loaded: LoadedRecipe, source: models.BaseSource) -> OpenedBase:
    base = loaded.recipe.base
    config = models.load_config(source)
    template_file = loaded.path_of("base.chat_template", base.chat_template)
    tokenizer, notes = models.load_tokenizer(source, base.chat_template, template_file)
    return _opened(loaded, source, config, tokenizer, [*models.base_notes(config), *notes])


def open_quickly(loaded: LoadedRecipe) -> OpenedBase | None:
    """The same without torch and without the network; None where the base is not at hand on this machine.

    Renders exactly as `open_base` does, says the same and refuses the same. Kinds of bases that cannot be opened
    without torch are opened with it.

    Raises:
        ModelError: as `open_base`.
    """
    base = loaded.recipe.base
    source = models.find_fetched(find_source(loaded))
    if source is None:
        return None
    folder = Path(source.location)
    # What is missing or no JSON object is told by opening it the long way.
    config, words = read_json(folder / "config.json"), read_json(folder / "tokenizer_config.json")
    context = _context_of(config)
    kind = (config.get("model_type"), words.get("tokenizer_class"))
    is_plain = "auto_map" not in words and "quantization_config" not in config and context is not None
    module = _QUICK.get(kind) if is_plain else None  # type: ignore[arg-type]
    if module is None:
        return _open(loaded, source)
    import importlib

    models.refuse_broken(source)
    models.refuse_code(config, source)
    found = importlib.import_module(module)
    tokenizer_class = getattr(found, "Qwen2Tokenizer", None) or found.TokenizersBackend
    with models.hub_errors(source):
        tokenizer = tokenizer_class.from_pretrained(str(folder))
    words_of_config = SimpleNamespace(**config)
    models.check_table(words_of_config, tokenizer)
    template_file = loaded.path_of("base.chat_template", base.chat_template)
    notes = models.dress(tokenizer, base.chat_template, template_file, words_of_config)
    return _opened(loaded, source, SimpleNamespace(max_position_embeddings=context), tokenizer, notes)


def _opened(
    loaded: LoadedRecipe, source: models.BaseSource, config: Any, tokenizer: Any, notes: list[str]
) -> OpenedBase:
    """Settle renderer and length limit."""
    data = loaded.recipe.data
    notes = [*notes, *_new_tokens(tokenizer, loaded.recipe.adapter.new_tokens)]
    images = models.image_input(source, config, data.max_image_pixels)
    renderer = _renderer(loaded, source, tokenizer, images)
    notes = [*notes, *renderer.notes]
    max_length, context = data.max_length, models.context_tokens(config)
    if context is not None and max_length > context:
        if ("data", "max_length") in loaded.marks:
            fix = f"set it to {context} or less"
            what = f"this base can look at {context} tokens only"
            raise ModelError(Problem(loaded.where("data.max_length"), "data.max_length", what, str(max_length), fix))
        notes.append(f"data.max_length: {context} instead of {max_length}, as much as this base can look at")
        max_length = context
    chosen = ("data", "overlong") in loaded.marks
    return OpenedBase(source, config, tokenizer, renderer, max_length, notes, chosen)


def _renderer(loaded: LoadedRecipe, source: models.BaseSource, tokenizer: Any, images: Any) -> Renderer:
    """The renderer of the recipe's words.

    Raises:
        ModelError: the template cannot be trained with; the shipped ones are named.
    """
    base = loaded.recipe.base
    options = {"enable_thinking": base.thinking == "keep"}
    try:
        return Renderer(tokenizer, options, images, models.stop_ids_of(source, tokenizer))
    except ModelError as error:
        what = str(error).partition(". Fix: ")[0]
        known = ", ".join(models.shipped_templates())
        fix = f"set base.chat_template to one of {known}, or to a file"
        where = loaded.where("base.chat_template")
        raise ModelError(Problem(where, "base.chat_template", what, repr(base.chat_template), fix)) from error


def _new_tokens(tokenizer: Any, new_tokens: Sequence[str]) -> list[str]:
    """Make the recipe's new tokens tokens, before anything is rendered; one line on it."""
    num_before = len(tokenizer)
    ids = models.extend_tokenizer(tokenizer, new_tokens)
    if not ids:
        return []
    num_new = len(tokenizer) - num_before
    known = f"; {len(ids) - num_new} were tokens of the base already" if num_new < len(ids) else ""
    return [f"new tokens: {len(ids)} texts are one token each, with a trained row{known}"]


def _context_of(config: dict[str, Any]) -> int | None:
    value = config.get("max_position_embeddings")
    return value if isinstance(value, int) and "text_config" not in config else None
