"""Tokenizers: loading, the chat template, and a pad token that never hides the end of an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.errors import ModelError, Problem
from finetune.models.sources import BaseSource, hub_errors
from finetune.models.templates import PLAIN, read_template


def load_tokenizer(
    source: BaseSource, chat_template: str = "auto", template_file: Path | None = None
) -> tuple[Any, list[str]]:
    """The base's tokenizer, ready to render, and what was chosen for the user on the way (one line each).

    Args:
        source: from `find_base`.
        chat_template: "auto", the name of a shipped template, or the text the recipe holds for a file.
        template_file: that file, resolved.

    Raises:
        ModelError: no fast tokenizer, no such template.
    """
    from transformers import AutoTokenizer

    with hub_errors(source):
        tokenizer = AutoTokenizer.from_pretrained(
            source.location, revision=source.revision, trust_remote_code=False, use_fast=True
        )
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        fix = "choose a base with a tokenizer.json"
        raise ModelError(Problem("", "base.model", "has no fast tokenizer", repr(source.label), fix))
    return tokenizer, dress(tokenizer, chat_template, template_file)


def dress(tokenizer: Any, chat_template: str = "auto", template_file: Path | None = None) -> list[str]:
    """Give a tokenizer its chat template and its pad token; what was chosen for the user, one line each.

    Raises:
        ModelError: no such template, or no end token.
    """
    notes = []
    if chat_template != "auto":
        tokenizer.chat_template = read_template(chat_template, template_file)
        notes.append(f"chat template: {Path(chat_template).name}, as the recipe says")
    elif not tokenizer.chat_template:
        tokenizer.chat_template = read_template(PLAIN)
        notes.append(f"chat template: the base brings none, so the shipped template '{PLAIN}' is used")
    elif isinstance(tokenizer.chat_template, dict):
        tokenizer.chat_template = tokenizer.chat_template.get("default") or next(iter(tokenizer.chat_template.values()))
        notes.append("chat template: the base brings several; its default one is used")
    else:
        notes.append("chat template: the base's own")
    return notes + _choose_pad(tokenizer)


def _choose_pad(tokenizer: Any) -> list[str]:
    """Give the tokenizer a pad token if it has none. Labels go by length, so even pad = end trains the end."""
    if tokenizer.eos_token_id is None:
        fix = "choose a base whose tokenizer names an end token"
        raise ModelError(Problem("", "base.model", "the tokenizer has no end-of-text token", fix=fix))
    if tokenizer.pad_token_id is not None:
        if tokenizer.pad_token_id == tokenizer.eos_token_id:
            return ["pad token: the same as the end token; padding is masked by length, the end token is trained"]
        return []
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
        what = f"the tokenizer knows {len(tokenizer)} tokens, the model {rows}"
        raise ModelError(Problem("", "base.model", what, fix="use the tokenizer that came with the model"))
