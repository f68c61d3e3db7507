"""What is trained, token by token: every id and every trained id of each kind of template, written out."""

from __future__ import annotations

from typing import Any

import pytest
import tiny

from finetune import resources
from finetune.errors import ModelError
from finetune.render import IGNORED, Renderer

MARKS, PREFIX = "generation marks", "prefix difference"


def talk(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


SINGLE = talk(("user", "hi"), ("assistant", "hello"))
LONG = talk(("system", "Be kind"), ("user", "hi"), ("assistant", "hello"), ("user", "x"), ("assistant", "y"))

# Single exchange: all ids, then the trained ones. One line of ids per turn.
SINGLES: dict[str, tuple[Any, str, list[int], list[int]]] = {
    "chatml with marks": (
        tiny.chatml,
        MARKS,
        # <|im_start|> user \n hi <|im_end|> \n, and so on
        [1, 276, 201, 269, 2, 201, 1, 284, 201, 273, 2, 201],
        [273, 2],  # hello <|im_end|>; the newline behind it is the template's
    ),
    "chatml without marks": (
        lambda: tiny.chatml(tiny.CHATML),
        PREFIX,
        [1, 276, 201, 269, 2, 201, 1, 284, 201, 273, 2, 201],
        [273, 2],
    ),
    "llama 2": (
        tiny.llama2,
        PREFIX,
        # <s> [ I N S T ] _hi _[/INST] _hello _ </s>
        [1, 317, 299, 304, 309, 310, 319, 367, 360, 371, 353, 2],
        [371, 353, 2],
    ),
    "llama 2, old tokenizer file": (
        lambda: tiny.sentencepiece(tiny.LLAMA2, prefix="legacy"),
        PREFIX,
        # the old form puts a blank behind every control token, so [INST] is met with one
        [1, 365, 367, 360, 371, 353, 2],
        [371, 353, 2],
    ),
    "llama 3": (
        tiny.llama3,
        PREFIX,
        # <|begin_of_text|>, then <|start_header_id|> user <|end_header_id|> \n \n hi <|eot_id|> and so on
        [0, 2, 278, 3, 203, 203, 271, 4, 2, 286, 3, 203, 203, 275, 4],
        [275, 4],
    ),
    "control tokens that swallow blanks": (
        tiny.phi3,
        PREFIX,
        # <|user|> hi <|end|> <|assistant|> hello <|end|>; the newlines are inside the control tokens
        [2, 271, 4, 3, 275, 4],
        [275, 4],
    ),
    "begin token from the tokenizer alone": (
        lambda: tiny.llama3(tiny.LLAMA3.split("\n", 1)[1]),
        PREFIX,
        [0, 2, 278, 3, 203, 203, 271, 4, 2, 286, 3, 203, 203, 275, 4],
        [275, 4],
    ),
    "think block forgotten later": (
        lambda: tiny.chatml(tiny.FORGETS_THINKING),
        PREFIX,
        # the empty block <think> \n \n </think> \n \n belongs to the prompt
        [1, 276, 201, 269, 2, 201, 1, 284, 201, 302, 201, 201, 303, 201, 201, 273, 2, 201],
        [273, 2],
    ),
    "blank at the border": (
        lambda: tiny.chatml(tiny.BLANK_AT_BORDER),
        PREFIX,
        # User : _hi \n Assistant : _ | hello <|im_end|>: 223 and 273, although _hello is one token, 264
        [300, 28, 260, 201, 297, 28, 223, 273, 2],
        [273, 2],
    ),
    "blank at the border, sentencepiece": (
        lambda: tiny.llama2(tiny.BLANK_AT_BORDER),
        PREFIX,
        # <s> _ User : _hi \n Assistant : _ | hello </s>, with no second blank before hello
        [1, 353, 407, 284, 367, 13, 404, 284, 353, 380, 2],
        [380, 2],
    ),
}

LONGS: dict[str, tuple[Any, list[int], list[list[int]]]] = {
    "chatml with marks": (
        tiny.chatml,
        [1, 289, 201, 301, 268, 2, 201]
        + [1, 276, 201, 269, 2, 201]
        + [1, 284, 201, 273, 2, 201]
        + [1, 276, 201, 90, 2, 201]
        + [1, 284, 201, 91, 2, 201],
        [[273, 2], [91, 2]],
    ),
    "chatml without marks": (
        lambda: tiny.chatml(tiny.CHATML),
        [1, 289, 201, 301, 268, 2, 201]
        + [1, 276, 201, 269, 2, 201]
        + [1, 284, 201, 273, 2, 201]
        + [1, 276, 201, 90, 2, 201]
        + [1, 284, 201, 91, 2, 201],
        [[273, 2], [91, 2]],
    ),
    "llama 2": (  # a begin token opens each exchange, as the family has it; the first one is not doubled
        tiny.llama2,
        [1, 317, 299, 304, 309, 310, 319, 353, 286, 286, 309, 315, 309, 288, 288, 13]  # <s>[INST] <<SYS>>\n
        + [408, 375, 13]  # Be _kind \n
        + [286, 286, 273, 309, 315, 309, 288, 288, 13, 13]  # <</SYS>>\n\n
        + [376, 360, 371, 353, 2]  # hi _[/INST] _hello _ </s>
        + [1, 317, 299, 304, 309, 310, 319, 353, 346, 360]  # <s>[INST] x [/INST]
        + [353, 347, 353, 2],  # _ y _ </s>
        [[371, 353, 2], [353, 347, 353, 2]],
    ),
    "llama 3": (
        tiny.llama3,
        [0, 2, 291, 3, 203, 203, 303, 270, 4]
        + [2, 278, 3, 203, 203, 271, 4]
        + [2, 286, 3, 203, 203, 275, 4]
        + [2, 278, 3, 203, 203, 92, 4]
        + [2, 286, 3, 203, 203, 93, 4],
        [[275, 4], [93, 4]],
    ),
    "blank at the border": (
        lambda: tiny.chatml(tiny.BLANK_AT_BORDER),
        [53, 91, 85, 86, 71, 79, 28, 223, 301, 268, 201]
        + [300, 28, 260, 201]
        + [297, 28, 223, 273, 2]
        + [300, 28, 223, 90, 201]
        + [297, 28, 223, 91, 2],
        [[273, 2], [91, 2]],
    ),
}


def check(tokenizer: Any, messages: list[dict[str, str]], how: str, ids: list[int], trained: list[list[int]]) -> None:
    renderer = Renderer(tokenizer)
    rendered = renderer.render(messages)
    assert rendered.input_ids == ids
    assert rendered.how == renderer.how == how
    assert [rendered.input_ids[start:end] for start, end in rendered.spans] == trained
    inside = {k for start, end in rendered.spans for k in range(start, end)}
    assert rendered.labels == [token_id if k in inside else IGNORED for k, token_id in enumerate(ids)]
    assert rendered.num_trained == sum(map(len, trained))
    answers = [k for k, message in enumerate(messages) if message["role"] == "assistant"]
    for index, (start, _) in zip(answers, rendered.spans):
        assert renderer.prompt(messages[:index]) == ids[:start]
    assert renderer.end_id == trained[-1][-1]
    assert renderer.end_id in renderer.stop_ids


@pytest.mark.parametrize("name", SINGLES)
def test_single_exchange(name: str) -> None:
    make, how, ids, trained = SINGLES[name]
    check(make(), SINGLE, how, ids, [trained])


@pytest.mark.parametrize("name", LONGS)
def test_every_answer_of_a_conversation_is_trained(name: str) -> None:
    make, ids, trained = LONGS[name]
    check(make(), LONG, SINGLES[name][1], ids, trained)


def test_starter_template() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resources.starter_base())
    turns = talk(("system", "w"), ("user", "x"), ("assistant", "y"), ("user", "w"), ("assistant", "z"))
    # <|begin|>, then <|role|> text <|end|>; single letters keep their ids however the starter is trained again
    ids = [1, 3, 92, 2, 4, 93, 2, 5, 94, 2, 4, 92, 2, 5, 95, 2]
    check(tokenizer, turns, MARKS, ids, [[94, 2], [95, 2]])


def test_fault_74_no_chat_template() -> None:
    with pytest.raises(ModelError) as caught:
        Renderer(tiny.chatml(template=None))
    assert str(caught.value) == "the tokenizer has no chat template. Fix: set base.chat_template in the recipe"


REWRITTEN = (
    "the template writes turn 3 differently once the conversation goes on, so what would be trained is not what is "
    "asked later. Fix: set base.chat_template to a template that leaves earlier turns as they are, or train on single "
    "exchanges"
)


def test_template_that_rewrites_earlier_turns_is_refused_for_training_on_several() -> None:
    renderer = Renderer(tiny.chatml(tiny.FORGETS_THINKING))
    with pytest.raises(ModelError) as caught:
        renderer.render(LONG)
    assert str(caught.value) == REWRITTEN


def test_marks_do_not_hide_that_earlier_turns_are_rewritten() -> None:
    marked = tiny.FORGETS_THINKING.replace(
        "{{- message.content + '<|im_end|>\\n' -}}",
        "{%- if message.role == 'assistant' -%}{%- generation -%}{{- message.content + '<|im_end|>' -}}"
        "{%- endgeneration -%}{{- '\\n' -}}{%- else -%}{{- message.content + '<|im_end|>\\n' -}}{%- endif -%}",
    )
    renderer = Renderer(tiny.chatml(marked))
    assert renderer.how == MARKS
    assert renderer.render(SINGLE).input_ids[-3:] == [273, 2, 201]
    with pytest.raises(ModelError) as caught:
        renderer.render(LONG)
    assert str(caught.value) == REWRITTEN


def test_chat_goes_on_with_a_template_that_rewrites_earlier_turns() -> None:
    renderer = Renderer(tiny.chatml(tiny.FORGETS_THINKING))
    # the earlier answer stands there without its think block, as the family wants it
    assert renderer.prompt(LONG[1:4]) == (
        [1, 276, 201, 269, 2, 201, 1, 284, 201, 273, 2, 201, 1, 276, 201, 90, 2, 201]
        + [1, 284, 201, 302, 201, 201, 303, 201, 201]
    )


def test_marks_that_begin_before_the_prompt_ends_are_cut_to_what_is_asked() -> None:
    thinking_trained = tiny.CHATML_MARKED.replace(
        "message.content + '<|im_end|>' -}}", "'<think>\\n\\n</think>\\n\\n' + message.content + '<|im_end|>' -}}"
    ).replace("assistant\\n' -}}{%- endif", "assistant\\n<think>\\n\\n</think>\\n\\n' -}}{%- endif")
    ids = [1, 276, 201, 269, 2, 201, 1, 284, 201, 302, 201, 201, 303, 201, 201, 273, 2, 201]
    check(tiny.chatml(thinking_trained), SINGLE, MARKS, ids, [[273, 2]])


def test_marks_that_begin_behind_what_is_asked_are_refused() -> None:
    no_header = tiny.CHATML_MARKED.rsplit("{%- if add", 1)[0]
    with pytest.raises(ModelError) as caught:
        Renderer(tiny.chatml(no_header))
    assert str(caught.value) == (
        "the template marks turn 2 as trained from another place than where the model is asked to go on. Fix: set "
        "base.chat_template to one whose generation prompt ends where {% generation %} begins"
    )


def test_template_whose_last_turn_is_rewritten() -> None:
    with pytest.raises(ModelError) as caught:
        Renderer(tiny.chatml(tiny.REWRITES_LAST))
    assert str(caught.value) == (
        "the template asks for turn 2 in another form than it writes it down in, so what is trained could not be asked "
        "for. Fix: set base.chat_template to another template"
    )


def test_template_that_never_ends_an_answer() -> None:
    with pytest.raises(ModelError) as caught:
        Renderer(tiny.chatml(tiny.NEVER_ENDS))
    assert str(caught.value) == (
        "the template does not end an answer with a control token, so the model could not learn to stop. "
        "Fix: set base.chat_template to one that does"
    )


def test_end_token_outside_the_marks_is_trained_all_the_same() -> None:
    narrow = tiny.CHATML_MARKED.replace(
        "{{- message.content + '<|im_end|>' -}}{%- endgeneration -%}{{- '\\n' -}}",
        "{{- message.content -}}{%- endgeneration -%}{{- '<|im_end|>\\n' -}}",
    )
    assert narrow != tiny.CHATML_MARKED
    _, _, ids, trained = SINGLES["chatml with marks"]
    check(tiny.chatml(narrow), SINGLE, MARKS, ids, [trained])


def test_begin_token_written_twice() -> None:
    with pytest.raises(ModelError) as caught:
        Renderer(tiny.llama3(tiny.BEGINS_TWICE))
    assert str(caught.value) == "the template writes the begin token twice. Fix: repair base.chat_template"


def test_blank_at_the_border_of_an_old_tokenizer_file() -> None:
    """The old form puts a blank before a word behind every control token; the answer goes on without a second one."""
    renderer = Renderer(tiny.sentencepiece(tiny.BLANK_AT_BORDER, prefix="legacy"))
    rendered = renderer.render(SINGLE)
    # <s> _ User : _hi \n Assistant : _ | hello </s>
    assert rendered.input_ids == [1, 353, 407, 284, 367, 13, 404, 284, 353, 380, 2]
    assert [rendered.input_ids[start:end] for start, end in rendered.spans] == [[380, 2]]
    assert renderer.prompt(SINGLE[:1]) == rendered.input_ids[:9]
    again = talk(("user", "hi"), ("assistant", "hello</s> x\n"), ("user", "x"), ("assistant", "y"))
    rendered = renderer.render(again)
    assert renderer.prompt(again[:1]) == rendered.input_ids[: rendered.spans[0][0]]
    assert renderer.prompt(again[:3]) == rendered.input_ids[: rendered.spans[1][0]]
    assert rendered.input_ids.count(2) == 2


def test_template_that_refuses_says_so_in_one_line() -> None:
    with pytest.raises(ModelError) as caught:
        Renderer(tiny.llama2()).render(talk(("user", "hi"), ("user", "hi"), ("assistant", "hello")))
    assert str(caught.value) == "the chat template refuses this conversation: user and assistant must take turns"


def test_conversation_without_an_answer_trains_nothing() -> None:
    rendered = Renderer(tiny.chatml()).render(talk(("user", "hi")))
    assert rendered.spans == []
    assert set(rendered.labels) == {IGNORED}


def test_empty_answer_trains_its_end() -> None:
    for template in (tiny.CHATML, tiny.CHATML_MARKED):
        rendered = Renderer(tiny.chatml(template)).render(talk(("user", "hi"), ("assistant", "")))
        assert [k for k in rendered.labels if k != IGNORED] == [2]


def test_template_options_reach_the_template_and_the_fingerprint() -> None:
    template = tiny.CHATML.replace("assistant\\n' -}}", "assistant\\n' + ('' if loud else '') -}}")
    tokenizer = tiny.chatml(
        template.replace("message.content +", "(message.content | upper if loud else message.content) +")
    )
    loud, quiet = Renderer(tokenizer, {"loud": True}), Renderer(tokenizer, {"loud": False})
    assert "HELLO" in tokenizer.decode(loud.render(SINGLE).input_ids)
    assert "HELLO" not in tokenizer.decode(quiet.render(SINGLE).input_ids)
    assert loud.template_fingerprint != quiet.template_fingerprint
    assert quiet.template_fingerprint == Renderer(tokenizer, {"loud": False}).template_fingerprint


def test_runs_of_blanks_among_the_added_tokens_are_text() -> None:
    """Some code models add blanks as tokens; they end no answer and are no role marker."""
    tokenizer = tiny.byte_level(
        ("<|endoftext|>",), ("    ",), tiny.BLANK_AT_BORDER.replace("'Assistant: '", "'Assistant:'"),
        eos_token="<|endoftext|>",
    )  # fmt: skip
    renderer = Renderer(tokenizer)
    four_blanks = len(tokenizer) - 1
    assert renderer.end_id == 0
    turns = talk(("user", "x    y"), ("assistant", "y    <|endoftext|>"))
    assert renderer.num_control_texts(turns) == 1
    rendered = renderer.render(turns)
    assert rendered.input_ids.count(four_blanks) == 2
    assert rendered.input_ids.count(0) == 1
