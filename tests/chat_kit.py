"""Tokenizers with the control tokens of each family, and the templates that TRL keeps copies of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny

_IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_LLAMA3 = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_PHI = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
_ENDS = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
_PIECES = ("<|startofpiece|>", "<|endofpiece|>", "<|LDWANG|>", "[MASK]", "[gMASK]", "[sMASK]", "[CLS]", "</s>")
_PANGU = ("[unused9]", "[unused10]", "[unused11]", "[unused12]", "[unused16]", "[unused17]")

# Template -> control tokens, tokens not called special, and the named ones.
_TOKENS: dict[str, tuple[tuple[str, ...], tuple[str, ...], dict[str, Any]]] = {
    "aquila": (("<|endoftext|>", *_PIECES), (), {"bos_token": "[CLS]", "eos_token": "</s>"}),
    "chatml": (_IM, ("<think>", "</think>"), _ENDS),
    "ernie4_5": (
        ("<unk>", "<s>", "</s>", "<|begin_of_sentence|>", "<|end_of_sentence|>"),
        (),
        {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<|begin_of_sentence|>", "adds_begin": True},
    ),
    "gemma": (
        ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        (),
        {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "adds_begin": True},
    ),
    "glm4": (
        ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
        (),
        {"eos_token": "<|endoftext|>"},
    ),
    "gpt_oss": (
        ("<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>",
         "<|message|>", "<|call|>"),
        (),
        {"bos_token": "<|startoftext|>", "eos_token": "<|return|>", "pad_token": "<|endoftext|>"},
    ),
    "internlm": (("<unk>", "<s>", "</s>", *_IM[1:]), (), {"bos_token": "<s>", "eos_token": "</s>", "adds_begin": True}),
    "llama2": (("<unk>", "<s>", "</s>"), (), {"bos_token": "<s>", "eos_token": "</s>", "adds_begin": True}),
    "llama3": (_LLAMA3, (), {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "adds_begin": True}),
    "llama3_1": (
        (*_LLAMA3, "<|eom_id|>", "<|python_tag|>", "<|finetune_right_pad_id|>"),
        (),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "adds_begin": True},
    ),
    "mistral": (
        ("<unk>", "<s>", "</s>", "[INST]", "[/INST]"),
        (),
        {"bos_token": "<s>", "eos_token": "</s>", "adds_begin": True},
    ),
    "openpangu": (
        ("<unk>", "<s>", "</s>", *_PANGU),
        (),
        {"bos_token": "<s>", "eos_token": "[unused10]", "pad_token": "<unk>", "adds_begin": True},
    ),
    "phi3": (_PHI, (), {"eos_token": "<|endoftext|>"}),
    "phi4": ((*_IM, "<|im_sep|>"), (), {"eos_token": "<|im_end|>"}),
    "phi4_mini": (
        (*_PHI, "<|tool|>", "<|/tool|>", "<|tool_call|>", "<|/tool_call|>", "<|tool_response|>"),
        (),
        {"eos_token": "<|endoftext|>"},
    ),
}  # fmt: skip
_LIKE = {
    **dict.fromkeys(("aquila_chat", "aquila_legacy", "aquila_v1", "aquila_v2"), "aquila"),
    **dict.fromkeys(("qwen2_5", "qwen3", "qwen3_5", "smollm2", "smollm3", "plain"), "chatml"),
    "mixtral": "llama2",
    "openpangu_plain": "openpangu",
}


def tokenizer_of(name: str, template: str | None = None) -> Any:
    """A tokenizer with the control tokens that a shipped template writes."""
    controls, more, named = _TOKENS[_LIKE.get(name, name)]
    return tiny.byte_level(controls, more, template, **named)


def trl_template(name: str) -> str:
    """A template of the hub's, as the installed TRL keeps it."""
    import trl

    path = Path(str(trl.__file__)).parent / "chat_templates" / f"{name}.jinja"
    return path.read_text(encoding="utf-8").rstrip("\n")
