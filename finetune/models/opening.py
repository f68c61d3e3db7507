"""Opening a base's tokenizer without any code of its own, and what else its folder says of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.errors import ModelError, Problem
from finetune.models.pieces import read_pieces, require_sentencepiece
from finetune.models.sources import BaseSource, hub_errors
from finetune.runs import read_json

_KEY = "base.model"
# Beside tokenizer.json and tokenizer.model: what transformers makes fast tokenizers of.
_OTHER_TOKENIZERS = ("vocab.json", "vocab.txt", "spiece.model", "tekken.json")


def open_tokenizer(source: BaseSource, config: Any) -> tuple[Any, list[str]]:
    """The tokenizer as its files describe it, and what was chosen on the way (one plain line each).

    Where the folder asks for a Python class of its own, that class is not run: its tokenizer.json is read as it stands,
    or else its SentencePiece file. `auto_map`, the pointer to that class, is dropped, so that nothing saved from here
    asks for it again.

    Args:
        source: from `find_base`.
        config: from `load_config`.

    Raises:
        ModelError: no fast tokenizer can be made of its files.
        SurroundingsError: it cannot be fetched, or the extra that reads SentencePiece files is missing.
    """
    from transformers import AutoTokenizer
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    with hub_errors(source):
        path = file_of(source, "tokenizer_config.json")
        words = read_json(path) if path else {}
        whole, pieces = file_of(source, "tokenizer.json"), file_of(source, "tokenizer.model")
        name = words.get("tokenizer_class")
        is_foreign = isinstance(name, str) and not any(
            tokenizer_class_from_name(known) for known in (name, name.removesuffix("Fast"), f"{name}Fast")
        )
        notes = []
        if is_foreign and whole is None and pieces is not None:
            tokenizer = read_pieces(pieces, words, source.label)
            tokenizer.name_or_path = source.location
            _take_template(tokenizer, source)
            notes.append(f"tokenizer: its own code ({name}) is not run; tokenizer.model gives SentencePiece's own ids")
        elif is_foreign and whole is not None:
            from transformers import PreTrainedTokenizerFast

            tokenizer = PreTrainedTokenizerFast.from_pretrained(source.location, revision=source.revision or "main")
            if "auto_map" in words:
                notes.append(f"tokenizer: its own code ({name}) is not run; tokenizer.json is read as it stands")
        elif is_foreign and "auto_map" in words:
            what = (
                f"its tokenizer is code of its own ({name}), which is never run, and it brings neither tokenizer.json"
            )
            fix = "choose a copy of this base that has a tokenizer.json"
            raise ModelError(Problem("", _KEY, f"{what} nor tokenizer.model", repr(source.label), fix))
        elif whole is None and pieces is None and not any(file_of(source, name) for name in _OTHER_TOKENIZERS):
            looked_for = ", ".join(("tokenizer.json", "tokenizer.model", *_OTHER_TOKENIZERS))
            what, fix = (
                f"has no tokenizer: none of {looked_for} is there",
                "put the files that came with the model there",
            )
            raise ModelError(Problem("", _KEY, what, repr(source.label), fix))
        else:
            if whole is None and pieces is not None:
                require_sentencepiece(source.label)
            tokenizer = AutoTokenizer.from_pretrained(
                source.location, revision=source.revision, config=config, trust_remote_code=False, use_fast=True
            )
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        fix = "choose a base with a tokenizer.json"
        raise ModelError(Problem("", _KEY, "has no fast tokenizer", repr(source.label), fix))
    tokenizer.init_kwargs.pop("auto_map", None)
    check_table(config, tokenizer)
    return tokenizer, notes


def _take_template(tokenizer: Any, source: BaseSource) -> None:
    """Newer folders keep the chat template in a file of its own."""
    if path := file_of(source, "chat_template.jinja"):
        tokenizer.chat_template = path.read_text(encoding="utf-8")


def file_of(source: BaseSource, name: str) -> Path | None:
    """A file of the base on this machine, fetched if need be; None where the base has none."""
    if source.is_local:
        path = Path(source.location) / name
        return path if path.is_file() else None
    from transformers.utils import cached_file

    found = cached_file(
        source.location,
        name,
        revision=source.revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(found) if found else None


def check_table(config: Any, tokenizer: Any) -> None:
    """See, before any weights are loaded, that every id of the tokenizer has a row in the embedding.

    Raises:
        ModelError: names both sizes.
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    rows = getattr(text, "vocab_size", None)
    needed = max(len(tokenizer), 1 + max(tokenizer.get_vocab().values(), default=-1))
    if isinstance(rows, int) and needed > rows:
        raise wrong_table(needed, rows)


def wrong_table(num_tokens: int, num_rows: int) -> ModelError:
    """The tokenizer has more tokens than the embedding has rows."""
    what = f"the tokenizer knows {num_tokens} tokens, the model {num_rows}"
    return ModelError(Problem("", _KEY, what, fix="use the tokenizer that came with the model"))


def stop_ids_of(source: BaseSource, tokenizer: Any) -> list[int]:
    """Ids at which the base itself stops: what generation_config.json names, else config.json; sorted, may be empty.

    A chat template may end its answers with yet another token; a renderer adds that one. Ids that the tokenizer does
    not have are left out.

    Raises:
        SurroundingsError: it cannot be fetched.
    """
    with hub_errors(source):
        for name in ("generation_config.json", "config.json"):
            path = file_of(source, name)
            named = read_json(path).get("eos_token_id") if path else None
            ids = named if isinstance(named, list) else [named]
            known = {k for k in ids if isinstance(k, int) and not isinstance(k, bool) and 0 <= k < len(tokenizer)}
            if known:
                return sorted(known)
    return []
