"""Many conversations at once: ids, labels and spans equal those of one by one, for every template and every text."""

from __future__ import annotations

import functools
import random
from typing import Any

import pytest
import tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_render_texts import KINDS, PIECES, texts

from finetune.errors import ModelError
from finetune.render import Rendered, Renderer
from finetune.render.fast import FastRenderer
from finetune.render.looked_for import words_looked_for
from finetune.render.rows import RenderedRows, RowsBuilder, Tokens

# Thoughts of earlier answers are forgotten, and which turn is the last question depends on what the texts hold.
QWEN3 = """\
{%- set ns = namespace(last=messages|length - 1) -%}
{%- for message in messages[::-1] -%}
    {%- set index = (messages|length - 1) - loop.index0 -%}
    {%- if message.role == 'user' and not message.content.startswith('<tool_response>')
        and ns.last == messages|length - 1 -%}
        {%- set ns.last = index -%}
    {%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
    {%- if message.role != 'assistant' -%}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
    {%- else -%}
        {%- set content = message.content -%}
        {%- set thought = '' -%}
        {%- if '</think>' in content -%}
            {%- set thought = content.split('</think>')[0].split('<think>')[-1].strip('\\n') -%}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') -%}
        {%- endif -%}
        {{- '<|im_start|>assistant\\n' -}}
        {%- if loop.index0 > ns.last and (loop.last or thought) -%}
            {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' -}}
        {%- endif -%}
        {{- content + '<|im_end|>\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
    {%- if enable_thinking is defined and not enable_thinking -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}
{%- endif -%}
"""
# The system turn is written into the first question; roles have other names; texts are stripped.
GEMMA = """\
{{- bos_token -}}
{%- set first = '' -%}{%- set turns = messages -%}
{%- if messages[0].role == 'system' -%}
    {%- set first = messages[0].content + '\\n\\n' -%}{%- set turns = messages[1:] -%}
{%- endif -%}
{%- for message in turns -%}
    {%- set role = 'model' if message.role == 'assistant' else message.role -%}
    {{- '<start_of_turn>' + role + '\\n' + (first if loop.first else '') + (message.content | trim) -}}
    {{- '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}
"""
# A longer greeting for a long text: nothing that a shape could foretell.
LOOKS_AT_LENGTH = tiny.CHATML.replace(
    "message.role + '\\n'", "message.role + (' (long)' if message.content|length > 20 else '') + '\\n'"
)


def gemma() -> Any:
    controls = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
    return tiny.byte_level(
        controls, (), GEMMA, adds_begin=True, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    )


ALL: dict[str, Any] = {
    **{kind: make for kind, (make, _) in KINDS.items()},
    "qwen 3": lambda: tiny.chatml(QWEN3),
    "gemma": gemma,
    "think block forgotten later": lambda: tiny.chatml(tiny.FORGETS_THINKING),
    "looks at the length": lambda: tiny.chatml(LOOKS_AT_LENGTH),
}
# These cannot be fast: a control token takes in blanks; a token stretches across the border.
SLOW = {
    "control tokens that swallow blanks": "a control token of the tokenizer takes in what stands around it",
}
OPTIONS = {"qwen 3": {"enable_thinking": False}}
MANY = [*PIECES, "</think>", "<think>\n", "<tool_response>", "a much longer text than the others "]


@functools.cache
def fast_of(kind: str) -> FastRenderer:
    return FastRenderer(Renderer(ALL[kind](), OPTIONS.get(kind)))


def equal_to_one_by_one(fast: FastRenderer, conversations: list[list[dict[str, str]]]) -> None:
    renderer: Renderer = fast._renderer
    expected: list[Rendered] = []
    refused: dict[int, str] = {}
    num_control_texts = 0
    for place, messages in enumerate(conversations):
        try:
            expected.append(renderer.render(messages))
            num_control_texts += renderer.num_control_texts(messages)
        except ModelError as error:
            refused[place] = str(error)
    tokens, errors, num = fast.render([(messages, ()) for messages in conversations])
    assert list(RenderedRows(tokens, renderer.how)) == expected
    assert {place: str(error) for place, error in errors.items()} == refused
    assert num == num_control_texts
    for row, parts in zip(expected, tokens.parts.tolist()):
        assert sum(parts) == len(row.input_ids) and min(parts) >= 0
        assert parts[2] == row.num_trained


def conversation(turns: list[tuple[str, str]], system: str | None) -> list[dict[str, str]]:
    head = [("system", system)] if system is not None else []
    said = [turn for pair in turns for turn in zip(("user", "assistant"), pair)]
    return [{"role": role, "content": content} for role, content in [*head, *said]]


conversations = st.builds(conversation, st.lists(st.tuples(texts, texts), min_size=1, max_size=3), st.none() | texts)


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(many=st.lists(conversations, min_size=1, max_size=4))
def test_equal_to_one_by_one_whatever_the_texts_hold(kind: str, many: list[list[dict[str, str]]]) -> None:
    equal_to_one_by_one(fast_of(kind), many)


@pytest.mark.parametrize("kind", ALL)
def test_equal_to_one_by_one_on_a_fixed_set(kind: str) -> None:
    draw = random.Random(7)
    usual = [piece for piece in MANY if piece.strip() and "<" not in piece and "|" not in piece]
    rows = []
    for _ in range(60):
        pool = MANY if draw.random() < 0.3 else usual

        def text(pool: list[str] = pool) -> str:
            return "".join(draw.choices(pool, k=draw.randint(1, 5)))

        turns = [(text(), text()) for _ in range(draw.randint(1, 4))]
        rows.append(conversation(turns, text() if draw.random() < 0.5 else None))
    equal_to_one_by_one(fast_of(kind), rows)


@pytest.mark.parametrize("kind", ALL)
def test_usual_rows_go_the_fast_way(kind: str) -> None:
    fast = fast_of(kind)
    assert fast.reason == SLOW.get(kind)
    if fast.reason is not None:
        return
    before = fast.num_slow
    rows = [
        conversation([(f"多喝水 {k}.", f"Because {k} is so\n- yes")], "Be kind" * (k % 2) or None) for k in range(40)
    ]
    fast.render([(messages, ()) for messages in rows])
    slow = fast.num_slow - before
    assert slow == 0 or (kind.startswith("blank at the border") and slow == 40) or kind == "looks at the length"


def test_a_text_with_a_word_the_template_looks_for_takes_the_slow_way() -> None:
    assert words_looked_for(QWEN3) == {"<tool_response>", "</think>", "<think>"}
    assert fast_of("qwen 3")._guard.search("<tool_response>") is not None
    assert (
        words_looked_for(tiny.LLAMA2) == words_looked_for(tiny.LLAMA3) == words_looked_for(tiny.CHATML_MARKED) == set()
    )
    template = "{{ 'x y' if 'tools' in message.content else message['content'].replace(\"a b\", 'c d') }}"
    assert words_looked_for(template) == {"tools", "a b", "c d"}
    fast = fast_of("qwen 3")
    before = fast.num_slow
    fast.render([(conversation([("<tool_response> hi", "hello")], None), ())])
    assert fast.num_slow == before + 1


def test_a_word_that_changes_only_how_the_model_is_asked() -> None:
    """The whole conversation is written the same; only the guard tells that this row cannot be asked for."""
    template = tiny.CHATML.replace(
        "'<|im_start|>assistant\\n' -}}{%- endif",
        "'<|im_start|>assistant' + (' (brief)' if 'short' in messages[-1].content else '') + '\\n' -}}{%- endif",
    )
    assert template != tiny.CHATML
    fast = FastRenderer(Renderer(tiny.chatml(template)))
    assert fast.reason is None
    rows = [conversation([(question, "hello")], None) for question in ("hi", "in short", "hi")]
    equal_to_one_by_one(fast, rows)
    _, errors, _ = fast.render([(messages, ()) for messages in rows])
    assert list(errors) == [1] and "asks for turn 2 in another form" in str(errors[1])


def test_a_template_that_refuses_one_row_refuses_it_alone() -> None:
    fast = fast_of("llama 2")
    good = conversation([("hi", "hello")], None)
    bad = [good[0], good[0], good[1]]
    tokens, errors, _ = fast.render([(good, ()), (bad, ()), (good, ())])
    assert len(tokens) == 2
    assert {place: str(error) for place, error in errors.items()} == {
        1: "the chat template refuses this conversation: user and assistant must take turns"
    }


def test_parts_of_a_row_written_out() -> None:
    """<|im_start|> system \\n Be _kind <|im_end|> \\n: two tokens of text, five of the template, and so on."""
    for kind in ("chatml with marks", "chatml without marks"):
        fast = fast_of(kind)
        row = conversation([("hi", "hello"), ("x", "y")], "Be kind")
        exact = Tokens.of([(r := fast._slow(row, ()))])
        assert r[2] == (2, 2, 4, 23)
        tokens, _, _ = fast.render([(row, ())])
        assert tokens.parts.tolist() == exact.parts.tolist() == [[2, 2, 4, 23]]


def test_nothing_at_all() -> None:
    tokens, errors, num = fast_of("starter").render([])
    assert (len(tokens), errors, num) == (0, {}, 0)


# -- rows kept compactly -------------------------------------------------------------------------------------------


def some_tokens() -> Tokens:
    return Tokens.of(
        [([5, 6, 7, 2], [(1, 2), (3, 4)], (0, 1, 2, 1)), ([], [], (0, 0, 0, 0)), ([9, 2], [(1, 2)], (0, 1, 1, 0))]
    )


@pytest.mark.parametrize("max_bytes", [1 << 20, 20, 0], ids=["in memory", "file later", "file"])
def test_rows_come_back_as_they_were(max_bytes: int) -> None:
    builder = RowsBuilder(max_bytes)
    for _ in range(3):
        builder.add(some_tokens())
    rows = builder.rows("how")
    first = Rendered([5, 6, 7, 2], [-100, 6, -100, 2], [(1, 2), (3, 4)], "how")
    last = Rendered([9, 2], [-100, 2], [(1, 2)], "how")
    assert list(rows) == [first, Rendered([], [], [], "how"), last] * 3
    assert rows[-1] == last and rows[1:3] == [rows[1], last] and rows == list(rows)
    with pytest.raises(IndexError):
        rows[9]


def test_some_of_the_rows() -> None:
    tokens = some_tokens().take([0, 2])
    assert tokens.ids.tolist() == [5, 6, 7, 2, 9, 2] and tokens.spans.tolist() == [[1, 2], [3, 4], [1, 2]]
    assert some_tokens().take([]).ids.tolist() == []
