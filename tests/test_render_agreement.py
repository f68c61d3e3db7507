"""The renderer against its neighbours: transformers' own mask, TRL's collator, and a real base without a template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny

from finetune import models, resources
from finetune.render import IGNORED, Renderer

LONG = [
    {"role": "system", "content": "Be kind"},
    {"role": "user", "content": "hi, 感冒了怎么办？"},
    {"role": "assistant", "content": "hello\n多喝水。"},
    {"role": "user", "content": " x "},
    {"role": "assistant", "content": "y 🌱"},
]


def _starter() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resources.starter_base())


@pytest.mark.parametrize("make", [tiny.chatml, tiny.pad_is_end, _starter], ids=["chatml", "pad is end", "starter"])
def test_agrees_with_transformers_on_marked_templates(make: Any) -> None:
    tokenizer = make()
    theirs = tokenizer.apply_chat_template(
        LONG, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, add_generation_prompt=False
    )
    rendered = Renderer(tokenizer).render(LONG)
    assert rendered.input_ids == list(theirs["input_ids"])
    assert [int(label != IGNORED) for label in rendered.labels] == list(theirs["assistant_masks"])
    asked = tokenizer.apply_chat_template(LONG[:-1], tokenize=True, return_dict=False, add_generation_prompt=True)
    assert Renderer(tokenizer).prompt(LONG[:-1]) == list(asked)


def test_fault_76_end_token_is_trained_where_it_also_pads() -> None:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    tokenizer = tiny.pad_is_end()
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 2
    renderer = Renderer(tokenizer)
    rows = [renderer.render(LONG), renderer.render(LONG[1:3])]
    assert len(rows[0].input_ids) > len(rows[1].input_ids)
    collate = DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id)
    batch = collate([{"input_ids": row.input_ids, "labels": row.labels} for row in rows])
    for k, row in enumerate(rows):
        length = len(row.input_ids)
        assert row.spans
        for _, end in row.spans:
            assert batch["input_ids"][k, end - 1] == batch["labels"][k, end - 1] == 2
            assert batch["attention_mask"][k, end - 1] == 1
        # and the very same id is not trained where it only pads
        assert batch["labels"][k, length:].eq(IGNORED).all()
        assert batch["input_ids"][k, length:].eq(2).all()
        assert batch["attention_mask"][k, length:].eq(0).all()
    assert batch["labels"].eq(2).sum() == 3  # the ends of three answers


def test_base_without_a_template_is_asked_in_plain_words(stories: Path) -> None:
    tokenizer, notes = models.load_tokenizer(models.find_base(str(stories), None, stories))
    assert notes[0].startswith("chat template: the base brings none, so the shipped 'plain' is used; ")
    renderer = Renderer(tokenizer)
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    rendered = renderer.render(turns)
    begin = tokenizer.bos_token_id
    assert begin == tokenizer.eos_token_id == renderer.end_id == 1  # <s> begins and ends in this family
    assert rendered.input_ids[0] == begin
    ((start, end),) = rendered.spans
    assert rendered.input_ids[1:start].count(begin) == 0
    assert rendered.labels[end - 1] == begin
    assert rendered.input_ids.count(begin) == 2
    assert tokenizer.decode(rendered.input_ids) == "<s>User: x\nAssistant: y<s>\n"
    assert tokenizer.decode(rendered.input_ids[start:end]).strip() == "y<s>"
    assert renderer.prompt(turns[:1]) == rendered.input_ids[:start]
    for text in ("<s>", "</s> [INST]", "感冒 <s>👩‍⚕️\n"):
        turns = [{"role": "user", "content": text}, {"role": "assistant", "content": text}] * 2
        rendered = renderer.render(turns)
        assert rendered.input_ids.count(begin) == 3
        assert rendered.input_ids.count(2) == 0
        assert renderer.prompt(turns[:3]) == rendered.input_ids[: rendered.spans[1][0]]
        assert text in tokenizer.decode(rendered.input_ids)
