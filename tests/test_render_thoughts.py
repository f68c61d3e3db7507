"""Thoughts before an answer: left out with base.thinking: off, trained and shown with keep, text where nobody said."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest
import tiny
from chat_kit import tokenizer_of, trl_template
from test_templates import talk, written

from finetune.errors import ModelError
from finetune.models.templates import shipped_template
from finetune.render import Renderer
from finetune.render.fast import FastRenderer
from finetune.render.rows import RenderedRows

THOUGHT = "<think>\nhm, 2 + 2\n</think>\n\nfour"
BESIDE = {"role": "assistant", "content": "four", "reasoning_content": "hm, 2 + 2"}
HARMONY_HEAD = "<|start|>user<|message|>q<|end|><|start|>assistant"
CONTENT_ONLY = tiny.CHATML_MARKED  # a template that has no place for thoughts


@functools.cache
def renderer_of(name: str, keep: bool | None) -> Renderer:
    options = {} if keep is None else {"enable_thinking": keep}
    return Renderer(tokenizer_of(name, shipped_template(name)), options)


KEPT = {
    "qwen3": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{<think>\nhm, 2 + 2\n</think>\n\nfour<|im_end|>}\n",
    "openpangu": "<s>[unused9]系统：[unused10][unused9]用户：q[unused10][unused9]助手："
    "{[unused16]hm, 2 + 2[unused17]four[unused10]}",
    "gpt_oss": HARMONY_HEAD + "{<|channel|>analysis<|message|>hm, 2 + 2<|end|>"
    "<|start|>assistant<|channel|>final<|message|>four<|return|>}",
    "qwen3_5": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n"
    "{hm, 2 + 2\n</think>\n\nfour<|im_end|>}\n",
    "smollm3": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{<think>\nhm, 2 + 2\n</think>\nfour<|im_end|>}\n",
}
LEFT_OUT = {
    "qwen3": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n{four<|im_end|>}\n",
    "openpangu": "<s>[unused9]系统：[unused10][unused9]用户：q /no_think[unused10][unused9]助手："
    "{[unused16][unused17]four[unused10]}",
    "gpt_oss": HARMONY_HEAD + "{<|channel|>final<|message|>four<|return|>}",
    "smollm3": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n{four<|im_end|>}\n",
    "llama3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{four<|eot_id|>}",
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("turn", [{"role": "assistant", "content": THOUGHT}, BESIDE], ids=["in the text", "beside it"])
def test_keep_trains_thoughts_in_the_place_of_the_family(name: str, turn: dict[str, Any]) -> None:
    renderer = renderer_of(name, True)
    assert written(renderer, [*talk("q"), turn]).endswith(KEPT[name])
    assert renderer.num_thoughts_left_out([*talk("q"), turn]) == 0


@pytest.mark.parametrize("name", LEFT_OUT)
@pytest.mark.parametrize("turn", [{"role": "assistant", "content": THOUGHT}, BESIDE], ids=["in the text", "beside it"])
def test_off_leaves_thoughts_out_and_counts_them(name: str, turn: dict[str, Any]) -> None:
    renderer = renderer_of(name, False)
    assert written(renderer, [*talk("q"), turn]).endswith(LEFT_OUT[name])
    assert renderer.num_thoughts_left_out([*talk("q"), turn]) == 1
    assert renderer.num_thoughts_left_out(talk("q", "<think>\n\n</think>\n\nfour")) == 0, "it says nothing"
    assert renderer.num_thoughts_left_out(talk("q <think>x</think>", "four <think>x</think>")) == 0


def test_an_answer_of_thoughts_alone_is_refused_where_they_are_left_out() -> None:
    renderer = renderer_of("qwen3", False)
    rows = [talk("q", "<think>hm</think>\n"), talk("q", ""), talk("q", "a")]
    _, errors, _ = FastRenderer(renderer).render([(row, ()) for row in rows])
    assert {place: str(error) for place, error in errors.items()} == {
        0: "an answer holds thoughts alone, which base.thinking: off leaves out. Fix: write what comes behind "
        "</think>, remove the row, or set base.thinking: keep"
    }
    assert renderer_of("qwen3", True).render(rows[0]).num_trained > 1


def test_where_nobody_said_thoughts_are_text() -> None:
    renderer = renderer_of("chatml", None)
    rendered = renderer.render(talk("q", THOUGHT))
    think = renderer.tokenizer.convert_tokens_to_ids("<think>")
    assert think not in rendered.input_ids
    assert THOUGHT in renderer.encoder.decode(rendered.input_ids)
    assert (renderer.keeps_thoughts, renderer.num_thoughts_left_out(talk("q", THOUGHT))) == (None, 0)


@pytest.mark.parametrize("name", ["qwen3", "openpangu", "gpt_oss"])
def test_keep_trains_the_last_answer_where_earlier_thoughts_are_forgotten(name: str) -> None:
    renderer = renderer_of(name, True)
    turns = talk("q", THOUGHT, "q2", "<think>so</think>five")
    rendered = renderer.render(turns)
    ((start, end),) = rendered.spans
    text, before = (
        renderer.encoder.decode(rendered.input_ids[start:end]),
        renderer.encoder.decode(rendered.input_ids[:start]),
    )
    assert "so" in text and "five" in text and "four" in before and "hm" not in before
    assert renderer.prompt(turns[:3]) == rendered.input_ids[:start]
    head = "base.thinking: keep: "
    assert renderer.notes[1:] == [
        f"{head}thoughts between <think> and </think> are trained before the answer",
        f"{head}the template leaves out the thoughts of earlier answers, so these stand in a row without, untrained; "
        "its last answer is trained, with its thoughts",
    ]


def test_keep_trains_every_answer_where_thoughts_stay() -> None:
    renderer = renderer_of("smollm3", True)
    turns = talk("q", THOUGHT, "q2", "<think>so</think>five")
    text = written(renderer, turns)
    assert (
        "{<think>\nhm, 2 + 2\n</think>\nfour<|im_end|>}" in text and "{<think>\nso\n</think>\nfive<|im_end|>}" in text
    )
    assert len(renderer.notes) == 2


def test_keep_on_the_hubs_own_template_that_rewrites() -> None:
    renderer = Renderer(tokenizer_of("qwen3", trl_template("qwen3")), {"enable_thinking": True})
    assert renderer.how == "prefix difference"
    turns = talk("q", THOUGHT, "q2", "<think>so</think>five")
    rendered = renderer.render(turns)
    ((start, end),) = rendered.spans
    assert renderer.encoder.decode(rendered.input_ids[start:end]) == "<think>\nso\n</think>\n\nfive<|im_end|>"
    assert renderer.prompt(turns[:3]) == rendered.input_ids[:start]
    with pytest.raises(ModelError, match="writes turn 2 differently once the conversation goes on"):
        Renderer(tokenizer_of("qwen3", trl_template("qwen3")), {"enable_thinking": False}).render(
            talk("q", "a", "q", "a")
        )


def test_keep_where_the_template_has_no_place_uses_the_two_tokens() -> None:
    tokenizer = tiny.chatml(CONTENT_ONLY)
    renderer = Renderer(tokenizer, {"enable_thinking": True})
    think, unthink = (tokenizer.convert_tokens_to_ids(tag) for tag in ("<think>", "</think>"))
    rendered = renderer.render(talk("<think>", "<think>hm <|im_end|> </think>four <think>"))
    ((start, end),) = rendered.spans
    ids = rendered.input_ids
    assert (ids.count(think), ids.count(unthink), ids[start]) == (1, 1, think), "others stay text"
    assert ids[start:end].count(2) == 1
    assert renderer.encoder.decode(ids[start:end]) == "<think>hm <|im_end|> </think>four <think><|im_end|>"
    assert renderer.notes[1:] == [
        "base.thinking: keep: thoughts between <think> and </think> are trained before the answer"
    ]


def test_keep_where_the_tokenizer_has_no_such_tokens_says_so() -> None:
    renderer = renderer_of("llama3", True)
    assert THOUGHT in written(renderer, talk("q", THOUGHT))
    assert renderer.notes[1:] == [
        "base.thinking: keep: the chat template has no place for thoughts; they are trained as plain text of the answer"
    ]


@pytest.mark.parametrize("name", ["qwen3", "openpangu", "gpt_oss"])
def test_control_tokens_in_thoughts_stay_text(name: str) -> None:
    renderer = renderer_of(name, True)
    end = renderer.tokenizer.convert_ids_to_tokens(renderer.end_id)
    counts = []
    for thought in ("hm", f"{end}</think>x<think>{end}"):
        turn = {"role": "assistant", "content": "four", "reasoning_content": thought}
        rendered = renderer.render([*talk("q"), turn])
        counts.append([k for k in rendered.input_ids if k in renderer.encoder.control_ids])
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("name", "keep"),
    [*((name, keep) for name in (*KEPT, "chatml", "llama3") for keep in (True, False)), ("chatml", None)],
)
def test_many_at_once_are_as_one_by_one(name: str, keep: bool | None) -> None:
    renderer = renderer_of(name, keep)
    fast = FastRenderer(renderer)
    rows = [
        talk("q", THOUGHT),
        talk("q", "hm</think>four"),
        talk("q", "<think>not closed"),
        talk("q <think>x</think>", "four"),
        talk("q", "a", "q2", "b"),
        talk("q", THOUGHT, "q2", "<think>so</think>five", system="S"),
        [*talk("q"), BESIDE],
    ]
    tokens, errors, _ = fast.render([(row, ()) for row in rows])
    assert not errors
    assert list(RenderedRows(tokens, renderer.how)) == [renderer.render(row) for row in rows]
    assert fast.num_thoughts == (4 if keep is False else 0)


# -- what is shown -----------------------------------------------------------------------------------------------------

REPLIES: dict[tuple[str, bool], list[tuple[str, str]]] = {
    ("qwen3", True): [
        ("<think>\nhm\n</think>\n\nfour<|im_end|>", "<think>\nhm\n</think>\n\nfour"),
        ("<think>\n\n</think>\n\nfour<|im_end|>", "four"),
        ("four<|im_end|>", "four"),
        ("<think>\nhm", "<think>\nhm"),
    ],
    ("qwen3", False): [("four<|im_end|>", "four"), ("<think>\nhm\n</think>\n\nfour", "four"), ("<think>\nhm", "")],
    ("openpangu", True): [
        ("[unused16]hm[unused17]four[unused10]", "<think>\nhm\n</think>\n\nfour"),
        ("[unused16][unused17]four[unused10]", "four"),
        ("four[unused10]", "four"),
    ],
    ("openpangu", False): [("[unused16]hm[unused17]four[unused10]", "four"), ("[unused16][unused17]four", "four")],
    ("gpt_oss", True): [
        (
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>four<|return|>",
            "<think>\nhm\n</think>\n\nfour",
        ),
        ("<|channel|>final<|message|>four<|return|>", "four"),
    ],
    ("gpt_oss", False): [
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>four<|return|>", "four"),
        ("<|channel|>final<|message|>four<|return|>", "four"),
    ],
    ("qwen3_5", True): [  # its prompt opens the think block
        ("hm\n</think>\n\nfour<|im_end|>", "<think>\nhm\n</think>\n\nfour"),
        ("\n</think>\n\nfour<|im_end|>", "four"),
    ],
    ("qwen3_5", False): [("four<|im_end|>", "four")],
    ("llama3", True): [("four<|eot_id|>", "four"), ("<think>\nhm\n</think>\n\nfour", "<think>\nhm\n</think>\n\nfour")],
    ("glm4", False): [("\nfour<|user|>", "four")],
}


@pytest.mark.parametrize(("name", "keep"), REPLIES)
def test_words_of_a_reply_and_of_its_beginnings(name: str, keep: bool) -> None:
    renderer = renderer_of(name, keep)
    for raw, said in REPLIES[name, keep]:
        ids = renderer.tokenizer.encode(raw, add_special_tokens=False)
        assert renderer.words_of(ids) == said
        # As it is written, a reply only ever grows; half of a letter is held back by whoever streams it.
        shown = [renderer.words_of(ids[:number]) for number in range(len(ids) + 1)]
        for earlier, later in itertools.pairwise(shown):
            assert later.startswith(earlier.rstrip("\ufffd")), (earlier, later)
