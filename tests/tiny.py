"""Tokenizers and models small enough to be written out by hand, with the real control tokens of the families.

Merges are spelled out instead of learnt, so that ids can stand as literals in the tests whatever the version of the
training code: control tokens first, then the alphabet, then for each word its growing beginnings (he, hel, hell,
hello), so that a listed word is one token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

# Words with their blank first, so that a blank would rather melt into a word than stand alone.
WORDS = (" hi", " hello", " kind", "hi", "hello", "user", "assistant", "system", "Assistant", "User", "Be")

CHATML = """\
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
CHATML_MARKED = """\
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' -}}
    {%- if message.role == 'assistant' -%}
        {%- generation -%}{{- message.content + '<|im_end|>' -}}{%- endgeneration -%}{{- '\\n' -}}
    {%- else -%}
        {{- message.content + '<|im_end|>\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
# Every exchange opens with its own begin token, and texts are stripped, as Llama 2's chat form has it.
LLAMA2 = """\
{%- set first = '' -%}
{%- set turns = messages -%}
{%- if messages[0].role == 'system' -%}
    {%- set first = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' -%}
    {%- set turns = messages[1:] -%}
{%- endif -%}
{%- for turn in turns -%}
    {%- if (turn.role == 'assistant') != (loop.index0 % 2 == 1) -%}
        {{- raise_exception('user and assistant must take turns') -}}
    {%- elif turn.role == 'user' -%}
        {{- bos_token + '[INST] ' + (first if loop.first else '') + turn.content.strip() + ' [/INST]' -}}
    {%- else -%}
        {{- ' ' + turn.content.strip() + ' ' + eos_token -}}
    {%- endif -%}
{%- endfor -%}
"""
LLAMA3 = """\
{{- bos_token -}}
{%- for message in messages -%}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + (message.content | trim) + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif -%}
"""
PHI3 = """\
{%- for message in messages -%}{{- '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' -}}{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}
"""
# Only the last answer keeps its think block, as in Qwen3.
FORGETS_THINKING = """\
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' -}}
    {%- if message.role == 'assistant' and loop.last -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}
    {{- message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}
"""
# Asks with a header that it does not write down.
REWRITES_LAST = CHATML.replace("assistant\\n' -}}{%- endif", "assistant (be brief)\\n' -}}{%- endif")
# The prompt ends in a blank, which melts into the first word of an answer.
BLANK_AT_BORDER = """\
{%- for message in messages -%}
    {{- message.role | capitalize + ': ' + message.content + (eos_token if message.role == 'assistant' else '\\n') -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'Assistant: ' -}}{%- endif -%}
"""
NEVER_ENDS = BLANK_AT_BORDER.replace("(eos_token if message.role == 'assistant' else '\\n')", "'\\n'")
BEGINS_TWICE = "{{- bos_token + bos_token -}}\n" + LLAMA3.split("\n", 1)[1]


def grown(words: Sequence[str]) -> list[tuple[str, str]]:
    """Merges that build each word from its left."""
    merges = [(word[:end], word[end]) for word in words for end in range(1, len(word))]
    return list(dict.fromkeys(merges))


def _control(names: Sequence[str], special: bool = True, swallows: bool = False) -> list[Any]:
    return [AddedToken(name, special=special, normalized=False, rstrip=swallows) for name in names]


def byte_level(
    controls: Sequence[str],
    more: Sequence[str] = (),
    template: str | None = None,
    adds_begin: bool = False,
    whole_words_first: bool = False,
    swallows: bool = False,
    **named: str,
) -> Any:
    """A byte-level tokenizer, as of Qwen and Llama 3.

    Args:
        controls: special tokens; they get the first ids.
        more: tokens added behind the vocabulary that are not called special, like <think>.
        template: chat template.
        adds_begin: whether plain encoding writes the begin token, as Llama 3's does.
        whole_words_first: look a whole word up before merging, as Llama 3's does.
        swallows: control tokens take the blanks behind them in, as Phi-3's do.
        named: bos_token, eos_token, pad_token, unk_token.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = grown([word.replace(" ", "Ġ") for word in WORDS])
    vocabulary = dict.fromkeys([*controls, *alphabet, *(a + b for a, b in merges)])
    bpe = models.BPE(
        vocab={text: k for k, text in enumerate(vocabulary)}, merges=merges, ignore_merges=whole_words_first
    )
    backend = Tokenizer(bpe)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(_control(controls, swallows=swallows))
    backend.add_tokens(_control(more, special=False))
    if adds_begin:
        _write_begin(backend, named["bos_token"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=512, **named)
    tokenizer.chat_template = template
    return tokenizer


def sentencepiece(template: str | None = None, prefix: str = "first", **named: str) -> Any:
    """A SentencePiece-like tokenizer with byte fallback that writes <s> itself, as of Llama 2.

    Args:
        template: chat template.
        prefix: where a blank is put before words: "first" as transformers does today, "legacy" as in old files.
        named: instead of bos <s>, eos </s>, unk and pad <unk>.
    """
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>", **named}
    alphabet = [chr(k) for k in range(33, 127)] + ["▁"]
    merges = grown([word.replace(" ", "▁") for word in (" [/INST]", " [INST]", *WORDS)])
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{k:02X}>" for k in range(256)), *alphabet, *(a + b for a, b in merges)]
    vocabulary = {text: k for k, text in enumerate(dict.fromkeys(pieces))}
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if prefix == "legacy":
        from tokenizers import normalizers

        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prefix, split=False)
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.add_special_tokens(_control(["<unk>", "<s>", "</s>"]))
    _write_begin(backend, "<s>")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=512, **named)
    tokenizer.chat_template = template
    return tokenizer


def _write_begin(backend: Any, begin: str) -> None:
    backend.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, backend.token_to_id(begin))]
    )


def chatml(template: str | None = CHATML_MARKED, **named: str) -> Any:
    """Qwen's control tokens: no begin token; <think> and </think> are added, but not called special."""
    words: dict[str, Any] = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", **named}
    controls = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    return byte_level(controls, ("<think>", "</think>"), template, **words)


def llama2(template: str | None = LLAMA2, **named: str) -> Any:
    return sentencepiece(template, **named)


def llama3(template: str | None = LLAMA3) -> Any:
    controls = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    named: dict[str, Any] = {
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>",
        "pad_token": "<|end_of_text|>",
    }
    return byte_level(controls, (), template, adds_begin=True, whole_words_first=True, **named)


def phi3() -> Any:
    controls = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
    return byte_level(controls, (), PHI3, swallows=True, eos_token="<|end|>", pad_token="<|endoftext|>")


def pad_is_end(template: str | None = CHATML_MARKED) -> Any:
    """The same token pads and ends, as in many bases that were published without a pad token."""
    return chatml(template, pad_token="<|im_end|>")


def save_base(folder: Path, tokenizer: Any = None, **changes: Any) -> Path:
    """Write a random Llama of about 30,000 parameters in Hub form, always the same one.

    Args:
        folder: made if it is not there.
        tokenizer: written beside it; the ChatML one when None.
        changes: of the config, e.g. max_position_embeddings.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = tokenizer if tokenizer is not None else chatml()
    words = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **changes,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(LlamaConfig(**words)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
