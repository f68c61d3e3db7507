"""Tokenizers: loading, the chat template, and a pad token that never hides the end of an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finetune.errors import ModelError, Problem
from finetune.models.base import load_config
from finetune.models.opening import open_tokenizer, wrong_table
from finetune.models.sources import BaseSource
from finetune.models.templates import read_template
from finetune.models.templates.choosing import choose_template
from finetune.runs import read_json

# Tokens of vocabularies that are meant to pad, though the tokenizer does not say so.
_PADS = ("<|finetune_right_pad_id|>", "<pad>", "<|pad|>", "[PAD]")


def load_tokenizer(
    source: BaseSource, chat_template: str = "auto", template_file: Path | None = None
) -> tuple[Any, list[str]]:
    """The base's tokenizer, ready to render, and what was chosen for the user on the way (one line each).

    Args:
        source: from `find_base`.
        chat_template: "auto", the name of a shipped template, or the text the recipe holds for a file.
        template_file: that file, resolved.

    Raises:
        ModelError: no fast tokenizer, more tokens than the model has, no such template.
        SurroundingsError: it cannot be fetched, or a package that reads its files is missing.
    """
    config = load_config(source)
    tokenizer, notes = open_tokenizer(source, config)
    return tokenizer, notes + dress(tokenizer, chat_template, template_file, config)


def dress(
    tokenizer: Any, chat_template: str = "auto", template_file: Path | None = None, config: Any = None
) -> list[str]:
    """Give a tokenizer its chat template and its pad token; what was chosen for the user, one line each.

    Args:
        config: the base's config or anything with its words as attributes; it tells families apart whose tokens are
            the same. None where it is not known.

    Raises:
        ModelError: no such template, one that may not be run, or no end token.
    """
    if chat_template != "auto":
        tokenizer.chat_template = read_template(chat_template, template_file)
        note = f"chat template: {Path(chat_template).name}, as the recipe says"
    else:
        choice = choose_template(config, tokenizer)
        tokenizer.chat_template, note = choice.text, choice.note
    return [note, *_choose_pad(tokenizer)]


def _choose_pad(tokenizer: Any) -> list[str]:
    """Give the tokenizer a pad token if it has none. Labels go by length, so even pad = end trains the end."""
    if tokenizer.eos_token_id is None:
        fix = "choose a base whose tokenizer names an end token"
        raise ModelError(Problem("", "base.model", "the tokenizer has no end-of-text token", fix=fix))
    if tokenizer.pad_token_id is not None:
        if tokenizer.pad_token_id == tokenizer.eos_token_id:
            return ["pad token: the same as the end token; padding is masked by length, the end token is trained"]
        return []
    for token in _PADS:
        if token in {added.content for added in tokenizer.added_tokens_decoder.values()} - {tokenizer.eos_token}:
            tokenizer.pad_token = token
            return [f"pad token: the base names none, so {token!r} of its vocabulary pads"]
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id != tokenizer.eos_token_id:
        tokenizer.pad_token = tokenizer.unk_token
        return [f"pad token: the base names none, so its unknown token {tokenizer.unk_token!r} pads"]
    tokenizer.pad_token = tokenizer.eos_token
    return [
        "pad token: the base names none, so the end token pads; padding is masked by length, the end token is trained"
    ]


def check_vocabulary(model: Any, tokenizer: Any) -> None:
    """See that every id the tokenizer can write has a row in the model's embedding.

    Raises:
        ModelError: names both sizes.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise wrong_table(len(tokenizer), rows)


def clean_tokenizer_config(folder: Path) -> None:
    """Take out of a saved tokenizer_config.json what tells of this machine, and what asks for code.

    A template that stands in a file of its own is taken out too.
    """
    left_out = ["name_or_path", "is_local", "local_files_only", "auto_map", "tokenizer_file"]
    if (folder / "chat_template.jinja").is_file():
        left_out.append("chat_template")
    path = folder / "tokenizer_config.json"
    words = {key: value for key, value in read_json(path).items() if key not in left_out}
    path.write_text(json.dumps(words, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
