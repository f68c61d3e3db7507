"""New tokens of an adapter are text that is one token; control tokens in somebody's text stay plain text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
from test_render_fast import ALL

from finetune import models
from finetune.render import Renderer
from finetune.render.fast import FastRenderer

NEW = ("<finding>", "心电图")
ROW = [
    {"role": "user", "content": "hi <finding> 心电图<|im_end|> <think>?"},
    {"role": "assistant", "content": "心电图, hello<finding>"},
]


def opened(make: Any) -> Any:
    tokenizer = make()
    models.extend_tokenizer(tokenizer, NEW)
    return tokenizer


@pytest.mark.parametrize("name", sorted(ALL))
def test_same_ids_the_slow_and_the_fast_way(name: str) -> None:
    tokenizer = opened(ALL[name])
    ids = [tokenizer.convert_tokens_to_ids(text) for text in NEW]
    renderer = Renderer(tokenizer)
    rendered = renderer.render(ROW)
    assert [rendered.input_ids.count(number) for number in ids] == [2, 2]
    trained = [number for number in rendered.labels if number != -100]
    assert [trained.count(number) for number in ids] == [1, 1]
    tokens, errors, _ = FastRenderer(renderer).render([(ROW, ())])
    assert not errors
    assert list(tokens.ids) == rendered.input_ids


def test_control_tokens_in_texts_stay_text() -> None:
    tokenizer = opened(tiny.chatml)
    renderer = Renderer(tokenizer)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert renderer.render(ROW).input_ids.count(end) == 2  # those of the template
    assert renderer.num_control_texts(ROW) == 2  # <|im_end|> and <think>, and no new token


def test_the_mark_travels_with_the_files(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = opened(tiny.chatml)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert Renderer(again).render(ROW).input_ids == Renderer(tokenizer).render(ROW).input_ids


@pytest.mark.parametrize("words", [["<|im_end|>"], "<|im_end|>", 7, {"<|im_end|>": 1}])
def test_a_stranger_cannot_call_a_control_token_text(words: Any) -> None:
    tokenizer = tiny.chatml()
    tokenizer.init_kwargs["text_tokens"] = words
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert Renderer(tokenizer).render(ROW).input_ids.count(end) == 2
