"""Runs in torchtune's own Python: a tokenizer for text that is already rendered, special tokens included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RenderedText:
    """torchtune's ModelTokenizer over a tokenizer.json.

    Args:
        folder: of a base in Hugging Face's form.
        max_seq_len: tokens of a pack; None where nothing is packed. Rows are not cut.
    """

    def __init__(self, folder: str, max_seq_len: int | None = None) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        settings = json.loads((Path(folder) / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.special_tokens = self.tokenizer.get_vocab()
        self.eos_id: int = self.special_tokens[settings["eos_token"]]
        self.pad_id: int = self.special_tokens[settings["pad_token"]]
        self.max_seq_len = max_seq_len

    def tokenize_messages(self, messages: list[Any], add_end_tokens: bool = True) -> tuple[list[int], list[bool]]:
        """(tokens, whether each is masked): the contents one after the other, the end token behind the last."""
        tokens: list[int] = []
        masked: list[bool] = []
        for message in messages:
            ids = self.tokenizer.encode(message.text_content, add_special_tokens=False).ids
            tokens += ids
            masked += [message.masked] * len(ids)
        if add_end_tokens:
            tokens.append(self.eos_id)
            masked.append(messages[-1].masked)
        return tokens, masked

    def __call__(self, sample: Mapping[str, Any], inference: bool = False) -> Mapping[str, Any]:
        """A sample with "messages" as one with "tokens" and "mask"."""
        tokens, masked = self.tokenize_messages(sample["messages"], add_end_tokens=not inference)
        return {**{key: value for key, value in sample.items() if key != "messages"}, "tokens": tokens, "mask": masked}
