"""The shipped templates, letter by letter: single and later turns, system texts, tools, and what of them is trained."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from chat_kit import tokenizer_of, trl_template

from finetune.models.templates import shipped_template, shipped_templates
from finetune.models.templates.choosing import _without_date
from finetune.render import IGNORED, Renderer
from finetune.render.fast import FastRenderer
from finetune.render.rows import RenderedRows

SYS = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the human's questions."
)
_QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
_HARMONY = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
    "Current date: 2025-08-05\n\nReasoning: medium\n\n"
    "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>"
)
_DAY = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
_SMOL = (
    "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: 05 August 2025\n"
    "Reasoning Mode: /no_think\n\n## Custom Instructions\n\n{}\n\n<|im_end|>\n"
)
EMPTY = "<think>\n\n</think>\n\n"
# Every template: two exchanges without a system text and with S. {...} encloses what is trained.
EXACT: dict[str, tuple[str, str]] = {
    "aquila": (
        SYS + "###Human: q###Assistant:{ a</s>}Human: q2###Assistant:{ 是</s>}",
        "S###Human: q###Assistant:{ a</s>}Human: q2###Assistant:{ 是</s>}",
    ),
    "aquila_chat": (
        SYS + "###Human: q###Assistant:{ a###}Human: q2###Assistant:{ 是###</s>}",
        "S###Human: q###Assistant:{ a###}Human: q2###Assistant:{ 是###</s>}",
    ),
    "aquila_legacy": (
        SYS + "\n\n### Human: q\n### Assistant:{ a</s>}### Human: q2\n### Assistant:{ 是</s>}",
        "S\n\n### Human: q\n### Assistant:{ a</s>}### Human: q2\n### Assistant:{ 是</s>}",
    ),
    "aquila_v1": (
        "<|startofpiece|>q<|endofpiece|>{a</s>}<|startofpiece|>q2<|endofpiece|>{是</s>}",
        "S\n\n<|startofpiece|>q<|endofpiece|>{a</s>}<|startofpiece|>q2<|endofpiece|>{是</s>}",
    ),
    "aquila_v2": (
        SYS + "\n\n<|startofpiece|>q<|endofpiece|>{a</s>}<|startofpiece|>q2<|endofpiece|>{是</s>}",
        "S\n\n<|startofpiece|>q<|endofpiece|>{a</s>}<|startofpiece|>q2<|endofpiece|>{是</s>}",
    ),
    "chatml": (
        "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n{是<|im_end|>}\n",
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n{是<|im_end|>}\n",
    ),
    "ernie4_5": (
        "<|begin_of_sentence|>User: q\nAssistant: {a<|end_of_sentence|>}User: q2\nAssistant: {是<|end_of_sentence|>}",
        "<|begin_of_sentence|>S\nUser: q\nAssistant: {a<|end_of_sentence|>}"
        "User: q2\nAssistant: {是<|end_of_sentence|>}",
    ),
    "gemma": (
        "<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\n{a<end_of_turn>}\n"
        "<start_of_turn>user\nq2<end_of_turn>\n<start_of_turn>model\n{是<end_of_turn>}\n",
        "<bos><start_of_turn>user\nS\n\nq<end_of_turn>\n<start_of_turn>model\n{a<end_of_turn>}\n"
        "<start_of_turn>user\nq2<end_of_turn>\n<start_of_turn>model\n{是<end_of_turn>}\n",
    ),
    "glm4": (
        "[gMASK]<sop><|user|>\nq<|assistant|>{\na<|user|>}\nq2<|assistant|>{\n是<|user|>}",
        "[gMASK]<sop><|system|>\nS<|user|>\nq<|assistant|>{\na<|user|>}\nq2<|assistant|>{\n是<|user|>}",
    ),
    "gpt_oss": (
        _HARMONY + "<|start|>user<|message|>q<|end|><|start|>assistant{<|channel|>final<|message|>a}<|end|>"
        "<|start|>user<|message|>q2<|end|><|start|>assistant{<|channel|>final<|message|>是<|return|>}",
        _HARMONY + "<|start|>developer<|message|># Instructions\n\nS\n\n<|end|>"
        "<|start|>user<|message|>q<|end|><|start|>assistant{<|channel|>final<|message|>a}<|end|>"
        "<|start|>user<|message|>q2<|end|><|start|>assistant{<|channel|>final<|message|>是<|return|>}",
    ),
    "internlm": (
        "<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n{是<|im_end|>}\n",
        "<s><|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n{是<|im_end|>}\n",
    ),
    "llama2": (
        "<s>[INST] q [/INST]{ a </s>}<s>[INST] q2 [/INST]{ 是 </s>}",
        "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nq [/INST]{ a </s>}<s>[INST] q2 [/INST]{ 是 </s>}",
    ),
    "llama3": (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{a<|eot_id|>}"
        "<|start_header_id|>user<|end_header_id|>\n\nq2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{是<|eot_id|>}",
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{a<|eot_id|>}"
        "<|start_header_id|>user<|end_header_id|>\n\nq2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{是<|eot_id|>}",
    ),
    "llama3_1": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n" + _DAY + "<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{a<|eot_id|>}"
        "<|start_header_id|>user<|end_header_id|>\n\nq2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{是<|eot_id|>}",
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n" + _DAY + "S<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{a<|eot_id|>}"
        "<|start_header_id|>user<|end_header_id|>\n\nq2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{是<|eot_id|>}",
    ),
    "mistral": (
        "<s>[INST] q[/INST]{ a</s>}[INST] q2[/INST]{ 是</s>}",
        "<s>[INST] S\n\nq[/INST]{ a</s>}[INST] q2[/INST]{ 是</s>}",
    ),
    "mixtral": (
        "<s> [INST] q [/INST]{ a</s>} [INST] q2 [/INST]{ 是</s>}",
        "<s> [INST] S\n\nq [/INST]{ a</s>} [INST] q2 [/INST]{ 是</s>}",
    ),
    "openpangu": (
        "<s>[unused9]系统：[unused10]"
        "[unused9]用户：q /no_think[unused10][unused9]助手：{[unused16][unused17]a[unused10]}"
        "[unused9]用户：q2 /no_think[unused10][unused9]助手：{[unused16][unused17]是[unused10]}",
        "<s>[unused9]系统：S[unused10]"
        "[unused9]用户：q /no_think[unused10][unused9]助手：{[unused16][unused17]a[unused10]}"
        "[unused9]用户：q2 /no_think[unused10][unused9]助手：{[unused16][unused17]是[unused10]}",
    ),
    "openpangu_plain": (
        "<s>[unused9]系统：[unused10][unused9]用户：q[unused10][unused9]助手：{a[unused10]}"
        "[unused9]用户：q2[unused10][unused9]助手：{是[unused10]}",
        "<s>[unused9]系统：S[unused10][unused9]用户：q[unused10][unused9]助手：{a[unused10]}"
        "[unused9]用户：q2[unused10][unused9]助手：{是[unused10]}",
    ),
    "phi3": (
        "<|user|>\nq<|end|>\n<|assistant|>\n{a<|end|>}\n<|user|>\nq2<|end|>\n<|assistant|>\n{是<|end|>}\n",
        "<|system|>\nS<|end|>\n<|user|>\nq<|end|>\n<|assistant|>\n{a<|end|>}\n"
        "<|user|>\nq2<|end|>\n<|assistant|>\n{是<|end|>}\n",
    ),
    "phi4": (
        "<|im_start|>user<|im_sep|>q<|im_end|><|im_start|>assistant<|im_sep|>{a<|im_end|>}"
        "<|im_start|>user<|im_sep|>q2<|im_end|><|im_start|>assistant<|im_sep|>{是<|im_end|>}",
        "<|im_start|>system<|im_sep|>S<|im_end|><|im_start|>user<|im_sep|>q<|im_end|>"
        "<|im_start|>assistant<|im_sep|>{a<|im_end|>}"
        "<|im_start|>user<|im_sep|>q2<|im_end|><|im_start|>assistant<|im_sep|>{是<|im_end|>}",
    ),
    "phi4_mini": (
        "<|user|>q<|end|><|assistant|>{a<|end|>}<|user|>q2<|end|><|assistant|>{是<|end|>}",
        "<|system|>S<|end|><|user|>q<|end|><|assistant|>{a<|end|>}<|user|>q2<|end|><|assistant|>{是<|end|>}",
    ),
    "plain": (
        "User: q\nAssistant:{ a<|im_end|>}\nUser: q2\nAssistant:{ 是<|im_end|>}\n",
        "S\n\nUser: q\nAssistant:{ a<|im_end|>}\nUser: q2\nAssistant:{ 是<|im_end|>}\n",
    ),
    "qwen2_5": (
        f"<|im_start|>system\n{_QWEN}<|im_end|>\n<|im_start|>user\nq<|im_end|>\n"
        "<|im_start|>assistant\n{a<|im_end|>}\n<|im_start|>user\nq2<|im_end|>\n"
        "<|im_start|>assistant\n{是<|im_end|>}\n",
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n"
        "<|im_start|>assistant\n{a<|im_end|>}\n<|im_start|>user\nq2<|im_end|>\n"
        "<|im_start|>assistant\n{是<|im_end|>}\n",
    ),
    "qwen3": (
        "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n" + EMPTY + "{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n" + EMPTY + "{是<|im_end|>}\n",
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n" + EMPTY
        + "{a<|im_end|>}\n<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n" + EMPTY + "{是<|im_end|>}\n",
    ),
    "qwen3_5": (
        "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n" + EMPTY + "{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n" + EMPTY + "{是<|im_end|>}\n",
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n" + EMPTY
        + "{a<|im_end|>}\n<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n" + EMPTY + "{是<|im_end|>}\n",
    ),
    "smollm2": (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n{是<|im_end|>}\n",
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n{是<|im_end|>}\n",
    ),
    "smollm3": (
        _SMOL.format("You are a helpful AI assistant named SmolLM, trained by Hugging Face.")
        + "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n{是<|im_end|>}\n",
        _SMOL.format("S") + "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n{a<|im_end|>}\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n{是<|im_end|>}\n",
    ),
}  # fmt: skip
QUIET = {"enable_thinking": False}


def talk(*contents: str, system: str | None = None) -> list[dict[str, Any]]:
    turns = [{"role": ("user", "assistant")[k % 2], "content": content} for k, content in enumerate(contents)]
    return [{"role": "system", "content": system}, *turns] if system else turns


def written(renderer: Renderer, turns: list[dict[str, Any]], tools: Any = ()) -> str:
    """What a conversation is for the model, with {...} around what is trained; prompts are seen to be its beginning."""
    rendered = renderer.render(turns, tools)
    ids = rendered.input_ids
    inside = {k for start, end in rendered.spans for k in range(start, end)}
    assert rendered.labels == [token_id if k in inside else IGNORED for k, token_id in enumerate(ids)]
    answers = [k for k, turn in enumerate(turns) if turn["role"] == "assistant"][-len(rendered.spans) :]
    for index, (start, _) in zip(answers, rendered.spans):
        assert renderer.prompt(turns[:index], tools) == ids[:start]
    pieces, last = [], 0
    for start, end in rendered.spans:
        pieces += [renderer.encoder.decode(ids[last:start]), "{", renderer.encoder.decode(ids[start:end]), "}"]
        last = end
    return "".join([*pieces, renderer.encoder.decode(ids[last:])])


@functools.cache
def renderer_of(name: str) -> Renderer:
    return Renderer(tokenizer_of(name, shipped_template(name)), QUIET)


def test_every_shipped_template_is_written_out_here() -> None:
    assert sorted(EXACT) == shipped_templates()


@pytest.mark.parametrize("name", EXACT)
def test_exact_text_and_what_is_trained(name: str) -> None:
    renderer = renderer_of(name)
    assert renderer.how == "generation marks"
    without, with_system = EXACT[name]
    assert written(renderer, talk("q", "a", "q2", "是")) == without
    assert written(renderer, talk("q", "a", "q2", "是", system="S")) == with_system


@pytest.mark.parametrize("name", EXACT)
def test_many_at_once_are_as_one_by_one(name: str) -> None:
    renderer = renderer_of(name)
    fast = FastRenderer(renderer)
    assert fast.reason is None
    texts = ("hi", "hello, 你好", "- a\n- b", "<think>x</think> y", "<|im_end|></s>[unused10]", "a  b ")
    rows = [
        talk(*(texts[(k + 2 * n) % len(texts)] for n in range(2 * (1 + k % 3))), system="Be kind" if k % 2 else None)
        for k in range(24)
    ]
    tokens, errors, _ = fast.render([(row, ()) for row in rows])
    assert not errors
    assert list(RenderedRows(tokens, renderer.how)) == [renderer.render(row) for row in rows]
    if name != "ernie4_5":  # its header ends in a blank, which an answer in Latin letters would melt into
        assert fast.num_slow < len(rows)


# -- against the hub's own, as TRL keeps them --------------------------------------------------------------------------

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Looks it up.",
            "parameters": {
                "type": "object",
                "properties": {
                    "for": {"type": "string", "description": "What."},
                    "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
                    "limit": {"type": "integer", "default": 3},
                    "share": {"type": "number"},
                    "deep": {"type": "boolean"},
                    "names": {"type": "array", "items": {"type": "string"}, "nullable": True},
                    "boxes": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
                    "any": {"type": "array"},
                    "either": {"type": ["string", "null"]},
                    "one": {"oneOf": [{"type": "string", "description": "t", "default": "q"}, {"type": "integer"}]},
                    "box": {
                        "type": "object",
                        "properties": {"x": {"type": "string"}, "y": {"type": "array", "items": {"type": "number"}}},
                        "required": ["x"],
                    },
                    "free": {"description": "Anything."},
                },
                "required": ["for", "either"],
            },
        },
    },
    {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object"}}},
]
CALL = {"type": "function", "function": {"name": "look", "arguments": {"for": "感冒", "limit": 2}}}
CALLS: list[dict[str, Any]] = [
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "rest", "name": "look"},
]
# Ours -> TRL's copies of the hub's, and the words handed to the template.
COPIES = {
    "llama3": ("llama3", {}),
    "llama3_1": ("llama3_2", {}),
    "qwen2_5": ("qwen2_5", {}),
    "qwen3": ("qwen3", {}),
    "gpt_oss": ("gptoss", {}),
    "gemma": ("gemma3", {}),
    "phi3": ("phi3_5", {}),
}
PROMPTS = [
    talk("q"),
    talk("q", system="S"),
    talk("q", "a", "q2"),
    talk("q", "a", "q2", "a2", "q3", system="S\n\nmore"),
]


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("thinking", [None, True, False])
def test_prompts_are_those_of_the_hub(name: str, thinking: bool | None) -> None:
    copy, words = COPIES[name]
    words = words if thinking is None else {**words, "enable_thinking": thinking}
    tokenizer = tokenizer_of(name)
    offers = [None, TOOLS] if name in ("llama3_1", "qwen2_5", "qwen3", "gpt_oss") else [None]
    asked = [(turns, tools) for tools in offers for turns in (*PROMPTS, *([CALLS] if tools else []))]
    texts = {
        kind: [
            tokenizer.apply_chat_template(
                turns, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=True, **words
            )
            for turns, tools in asked
        ]
        for kind, template in (("ours", shipped_template(name)), ("theirs", _without_date(trl_template(copy))))
    }
    if name == "gpt_oss":
        assert "Current date: 2025-08-05" in texts["theirs"][0]
    if name == "qwen3" and thinking is False:  # told of in the note: earlier answers keep their empty block
        texts["ours"] = [text.replace(EMPTY + "a", "a").replace(EMPTY + "<tool", "<tool") for text in texts["ours"]]
    assert texts["ours"] == texts["theirs"]


@pytest.mark.parametrize("name", ["llama3", "llama3_1", "qwen2_5", "qwen3", "gemma"])
def test_whole_conversations_are_those_of_the_hub(name: str) -> None:
    tokenizer = tokenizer_of(name)
    copy, words = COPIES[name]
    for turns in (
        talk("q", "a"),
        talk("q", "a", "q2", "a2", system="S"),
        [*CALLS, {"role": "assistant", "content": "b"}],
    ):
        if name in ("llama3", "gemma") and turns[0] is CALLS[0]:
            continue
        ours, theirs = (
            tokenizer.apply_chat_template(turns, chat_template=template, tokenize=False, **words)
            for template in (shipped_template(name), _without_date(trl_template(copy)))
        )
        assert ours == theirs


def test_whole_conversation_of_gpt_oss_with_thoughts_and_a_tool() -> None:
    tokenizer = tokenizer_of("gpt_oss")
    for turns in (
        talk("q", "a"),
        [*talk("q", "a", "q2"), {"role": "assistant", "content": "a2", "thinking": "hm"}],
        [CALLS[0], {**CALLS[1], "thinking": "hm"}, CALLS[2]],
        [CALLS[0], {**CALLS[1], "thinking": "hm"}, CALLS[2], {"role": "assistant", "content": "b", "thinking": "so"}],
    ):
        ours, theirs = (
            tokenizer.apply_chat_template(turns, tools=TOOLS, chat_template=template, tokenize=False)
            for template in (shipped_template("gpt_oss"), _without_date(trl_template("gptoss")))
        )
        assert ours == theirs


# -- tools -------------------------------------------------------------------------------------------------------------

CALLED: dict[str, tuple[str, str]] = {
    # what is trained of the call, and how its answer is written down
    "qwen2_5": (
        '{<tool_call>\n{"name": "look", "arguments": {"for": "感冒", "limit": 2}}\n</tool_call><|im_end|>}',
        "<|im_start|>user\n<tool_response>\nrest\n</tool_response><|im_end|>\n",
    ),
    "qwen3": (
        '{<tool_call>\n{"name": "look", "arguments": {"for": "感冒", "limit": 2}}\n</tool_call><|im_end|>}',
        "<|im_start|>user\n<tool_response>\nrest\n</tool_response><|im_end|>\n",
    ),
    "llama3_1": (
        '{{"name": "look", "parameters": {"for": "感冒", "limit": 2}}<|eot_id|>}',
        '<|start_header_id|>ipython<|end_header_id|>\n\n"rest"<|eot_id|>',
    ),
    "gpt_oss": (
        '{ to=functions.look<|channel|>commentary json<|message|>{"for": "感冒", "limit": 2}<|call|>}',
        '<|start|>functions.look to=assistant<|channel|>commentary<|message|>"rest"<|end|>',
    ),
    "openpangu": (
        '{[unused16][unused17][unused11][{"name": "look", "arguments": {"for": "感冒", "limit": 2}}][unused12]'
        "[unused10]}",
        "[unused9]工具：rest[unused10]",
    ),
    "openpangu_plain": (
        '{[unused11][{"name": "look", "arguments": {"for": "感冒", "limit": 2}}][unused12][unused10]}',
        "[unused9]工具：rest[unused10]",
    ),
    "glm4": ('{look\n{"for": "感冒", "limit": 2}<|observation|>}', "\nrest"),
    "phi4_mini": (
        '{<|tool_call|>[{"name": "look", "arguments": {"for": "感冒", "limit": 2}}]<|/tool_call|><|end|>}',
        "<|tool_response|>rest<|end|>",
    ),
    "smollm3": (
        '{<tool_call>\n{"name": "look", "arguments": {"for": "感冒", "limit": 2}}\n</tool_call><|im_end|>}',
        "<|im_start|>user\nrest<|im_end|>\n",
    ),
}


@pytest.mark.parametrize("name", CALLED)
def test_calls_are_trained_and_answers_of_tools_are_not(name: str) -> None:
    renderer = renderer_of(name)
    text = written(renderer, [*CALLS, {"role": "assistant", "content": "b"}], TOOLS)
    call, answer = CALLED[name]
    before, found, after = text.partition(call)
    assert found and before.count("{" + call[1:]) == 0
    assert answer in after and after.count("{") == 1
    rendered = renderer.render(CALLS[:2], TOOLS)
    assert rendered.input_ids[rendered.spans[0][1] - 1] in renderer.end_ids <= set(renderer.stop_ids)
