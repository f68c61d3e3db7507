"""Which chat template a base is trained with: its own where that trains exactly, one of ours where it does not.

Known by the tokens in the vocabulary and the words of the config, never by the name of a model. Whether a template
trains exactly, and whether ours asks in the same words, is not believed but tried, on small conversations.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from finetune.errors import ModelError
from finetune.models.templates import PLAIN, shipped_template
from finetune.models.templates.safety import check_template

_SHOWN = 8  # characters of a fingerprint in a note
_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")
_ONE_DAY = "it writes the day of asking into the prompt"
_NO_SYSTEM = "it refuses a system text"
_NO_QUICK = "it has no word for an answer without thoughts"
_DATE = re.compile(r"\bstrftime_now\b")
_DAY_IN_TEXT = re.compile(r"['\"](\d{1,2} [A-Z][a-z]{2} 20\d\d)['\"]")
_DAY = datetime(2025, 8, 5)
_DAY_SIGNS = ("%Y", "%y", "%m", "%d", "%B", "%b", "%A", "%a", "%H", "%I", "%M", "%S", "%p", "%j")
_OPTIONS: tuple[dict[str, Any], ...] = ({"enable_thinking": False}, {"enable_thinking": True})
_USER, _ANSWER, _SYSTEM = "probe of a question", "probe of an answer", "probe of a system text"


@dataclass(frozen=True)
class Choice:
    """A chat template, its name where it is one of ours, and why it was taken, as one line for the user."""

    text: str
    note: str
    name: str | None = None


@dataclass(frozen=True)
class _Family:
    """A template of ours: the control tokens it writes, what else must hold, and what it does otherwise."""

    name: str
    tokens: tuple[str, ...]
    also: Callable[[Any, frozenset[str]], bool] = lambda config, names: True
    # The family's own template leaves it to the user to write the sign for an answer without thoughts.
    quick_by_hand: bool = False
    differs: str = ""


_CHATML = ("<|im_start|>", "<|im_end|>")


def _kind(config: Any) -> str:
    return str(getattr(config, "model_type", "") or "")


def _number(config: Any, name: str) -> int:
    value = getattr(config, name, None)
    return value if isinstance(value, int) else 0


def _is_aquila_16k(config: Any) -> bool:
    stretched = getattr(config, "rope_scaling", None) or getattr(config, "rope_parameters", None)
    kind = (stretched.get("rope_type") or stretched.get("type")) if isinstance(stretched, dict) else None
    return _number(config, "max_position_embeddings") >= 16_384 or kind not in (None, "default")


def _is_aquila_70b(config: Any) -> bool:
    return _number(config, "hidden_size") >= 8_192 or _number(config, "num_hidden_layers") >= 80


def _shares_heads(config: Any) -> bool:
    shared = _number(config, "num_key_value_heads")
    return 0 < shared < _number(config, "num_attention_heads")


def _is_pangu(config: Any, tied: bool) -> bool:
    """An openPangu; only the smallest, which answers at once, shares its embedding with its head."""
    return "pangu" in _kind(config).lower() and bool(getattr(config, "tie_word_embeddings", False)) == tied


def _is_aquila(config: Any, names: frozenset[str]) -> bool:
    return _kind(config) == "aquila" or "<|LDWANG|>" in names


# The first that fits is taken where a base brings no template; all that fit are tried where its own cannot be trained.
_WRAPS = "wraps"  # the first of the family writes [CLS] and </s> around a plain text
_PIECES = ("<|startofpiece|>", "<|endofpiece|>", "</s>")
_FAMILIES = (
    _Family("gpt_oss", ("<|start|>", "<|channel|>", "<|message|>", "<|return|>", "<|call|>")),
    _Family(
        "llama3_1",
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        lambda config, names: bool(names & {"<|python_tag|>", "<|eom_id|>", "<|finetune_right_pad_id|>"}),
    ),
    _Family("llama3", ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    _Family("gemma", ("<start_of_turn>", "<end_of_turn>")),
    _Family(
        "glm4",
        ("[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|observation|>"),
        lambda config, names: "<think>" not in names,
    ),
    _Family("phi4_mini", ("<|user|>", "<|assistant|>", "<|end|>", "<|tool|>")),
    _Family("phi3", ("<|user|>", "<|assistant|>", "<|end|>"), lambda config, names: _kind(config) in ("phi3", "")),
    _Family("phi4", (*_CHATML, "<|im_sep|>")),
    _Family("ernie4_5", ("<|begin_of_sentence|>", "<|end_of_sentence|>")),
    _Family(
        "openpangu_plain",
        ("[unused9]", "[unused10]"),
        lambda config, names: _is_pangu(config, tied=True),
    ),
    _Family(
        "openpangu",
        ("[unused9]", "[unused10]", "[unused16]", "[unused17]"),
        lambda config, names: _is_pangu(config, tied=False),
        quick_by_hand=True,
        differs="thinking: off writes the family's sign for a quick answer behind each question",
    ),
    _Family("aquila", _PIECES, lambda config, names: _is_aquila(config, names) and _is_aquila_16k(config)),
    _Family("aquila_v2", _PIECES, lambda config, names: _is_aquila(config, names) and _is_aquila_70b(config)),
    _Family("aquila_legacy", _PIECES, lambda config, names: _is_aquila(config, names) and _shares_heads(config)),
    _Family("aquila", _PIECES, lambda config, names: _is_aquila(config, names) and _WRAPS in names),
    _Family("aquila_v1", _PIECES, _is_aquila),
    _Family(
        "qwen3_5",
        (*_CHATML, "<think>", "</think>", "<tool_call>"),
        lambda config, names: _kind(config).startswith(("qwen3_5", "qwen3_6")),
        differs="thinking: off keeps the empty think block before earlier answers, as it was when they were asked",
    ),
    _Family(
        "qwen3",
        (*_CHATML, "<think>", "</think>"),
        lambda config, names: _kind(config).startswith("qwen3"),
        differs="thinking: off keeps the empty think block before earlier answers, as it was when they were asked",
    ),
    _Family("smollm3", (*_CHATML, "<think>", "</think>"), lambda config, names: _kind(config) == "smollm3"),
    _Family("qwen2_5", _CHATML, lambda config, names: _kind(config).startswith("qwen2")),
    _Family("internlm", ("<s>", *_CHATML), lambda config, names: _kind(config).startswith("internlm")),
    _Family("chatml", _CHATML),
    _Family("mistral", ("[INST]", "[/INST]")),
    _Family("mixtral", ("<s>", "</s>"), lambda config, names: _kind(config) in ("mixtral", "mistral")),
    _Family("llama2", ("<s>", "</s>"), lambda config, names: _kind(config) == "llama"),
)
# Fits any tokenizer of Llama's first kind, chat or not: taken only where a template of the base's own agrees with it.
_ONLY_AGREEING = ("llama2",)


def choose_template(config: Any, tokenizer: Any) -> Choice:
    """The chat template to train and to ask with, where the recipe leaves it to the kit.

    Args:
        config: the base's config, or anything with its words as attributes; None where it is not known.
        tokenizer: with the base's own `chat_template`, if it has one.

    Raises:
        ModelError: the base's own template may not be run.
    """
    fitting = _fitting(config, tokenizer)
    own, head = _own(tokenizer)
    if own is None:
        return _of_ours([family.name for family in fitting])
    _check_own(own, fitting)
    pinned = _without_date(own)
    inexact = _why_not_exact(tokenizer, pinned)
    no_system = None if _takes_system(tokenizer, pinned) else _NO_SYSTEM
    for family in fitting:
        reason = inexact or (_ONE_DAY if pinned != own else no_system or (_NO_QUICK if family.quick_by_hand else None))
        text = shipped_template(family.name)
        if reason is None or _why_not_exact(tokenizer, text) is not None:
            continue
        if no_system and not _takes_system(tokenizer, text):
            continue
        options = _OPTIONS[1:] if family.quick_by_hand else _OPTIONS
        if _asks_alike(tokenizer, pinned, text, options, rewrites=inexact is not None):
            marks = f"fingerprints: base {_fingerprint(own)}, {family.name} {_fingerprint(text)}"
            note = f"chat template: the shipped '{family.name}' in place of {head}, because {reason}"
            return Choice(text, f"{note}; {_alike(family)} ({marks})", family.name)
    if inexact is None and pinned == own:
        return Choice(own, f"chat template: {head}")
    if inexact is None:
        return Choice(
            pinned, f"chat template: {head}, its clock stopped at {_day_of(own):%d %B %Y}, because {_ONE_DAY}"
        )
    no_other = "no shipped one asks in the same words" if fitting else "no shipped one has its tokens"
    return Choice(pinned, f"chat template: {head}, although {inexact}: {no_other}")


def _check_own(own: str, fitting: Sequence[_Family]) -> None:
    """See that the base's own template may be run; the user cannot mend it, but can take another.

    Raises:
        ModelError: with the name of the shipped one that fits the base's tokens.
    """
    try:
        check_template(own, "the base's own template")
    except ModelError as error:
        fix = f"set base.chat_template: {fitting[0].name if fitting else PLAIN}, or to a file"
        told = [replace(problem, fix=fix) for problem in error.problems if not isinstance(problem, str)]
        raise ModelError(told or error.problems) from None


def _alike(family: _Family) -> str:
    said = "both ask in the same words"
    return f"{said}, but {family.differs}" if family.differs else said


def _of_ours(fitting: Sequence[str]) -> Choice:
    """For a base without a template."""
    fitting = [name for name in fitting if name not in _ONLY_AGREEING]
    if fitting:
        name = fitting[0]
        others = f"; {', '.join(fitting[1:])} would fit them too" if len(fitting) > 1 else ""
        note = f"chat template: the base brings none; its tokens and config are those of the shipped '{name}'{others}"
        return Choice(shipped_template(name), note, name)
    note = (
        f"chat template: the base brings none, so the shipped '{PLAIN}' is used; `finetune preview` shows it, "
        "docs/templates.md has others"
    )
    return Choice(shipped_template(PLAIN), note, PLAIN)


def _fitting(config: Any, tokenizer: Any) -> list[_Family]:
    """Our templates that fit config and vocabulary, the likeliest first."""
    names = frozenset(token.content for token in tokenizer.added_tokens_decoder.values())
    if names >= set(_PIECES):
        ids = tokenizer.encode("a", add_special_tokens=True)
        if len(ids) > 1 and ids[0] in tokenizer.all_special_ids:
            names |= {_WRAPS}
    fitting = [family for family in _FAMILIES if names >= set(family.tokens) and family.also(config, names)]
    return list({family.name: family for family in reversed(fitting)}.values())[::-1]


def _own(tokenizer: Any) -> tuple[str | None, str]:
    """The base's own template, and what to call it."""
    own = tokenizer.chat_template
    if isinstance(own, dict):
        return own.get("default") or next(iter(own.values()), None), "the base's own (of several the default one)"
    return own or None, "the base's own"


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_SHOWN]


# -- the date ------------------------------------------------------------------------------------------------------


def _without_date(text: str) -> str:
    """The template with its clock stopped, by a line in front of it; itself where it does not look at the clock.

    A macro of that name hides the function, so the text of the template stays as it is, wherever it is rendered.
    """
    if not _DATE.search(text):
        return text
    day = _day_of(text)
    steps = "".join(f" | replace('{sign}', '{day.strftime(sign)}')" for sign in _DAY_SIGNS)
    return "{%- macro strftime_now(format) -%}{{- format" + steps + " -}}{%- endmacro -%}" + text


def _day_of(text: str) -> datetime:
    """The day that the template itself falls back on where there is no clock; another fixed one where it names none."""
    for found in _DAY_IN_TEXT.findall(text):
        with contextlib.suppress(ValueError):
            return datetime.strptime(found, "%d %b %Y")
    return _DAY


# -- trying --------------------------------------------------------------------------------------------------------


def _turns(*roles: str) -> list[dict[str, Any]]:
    texts = {"user": _USER, "assistant": _ANSWER, "system": _SYSTEM}
    return [{"role": role, "content": f"{texts[role]} {number}"} for number, role in enumerate(roles)]


_CALL = {"type": "function", "function": {"name": "probe_tool", "arguments": {"probe_key": "probe value"}}}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "probe_tool",
            "description": "A probe.",
            "parameters": {
                "type": "object",
                "properties": {
                    "probe_key": {"type": "string", "description": "A key."},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "many": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["probe_key"],
            },
        },
    }
]
_FIRST = (_turns("user"), _turns("system", "user"))
_LATER = (
    _turns("user", "assistant", "user"),
    _turns("system", "user", "assistant", "user"),
    [*_turns("user"), {"role": "assistant", "content": _ANSWER, "reasoning_content": "probe"}, *_turns("user")],
)
_CALLING = [*_turns("user"), {"role": "assistant", "content": "", "tool_calls": [_CALL]},
            {"role": "tool", "content": "probe result", "name": "probe_tool"}]  # fmt: skip


def _render(tokenizer: Any, template: str, turns: Any, ask: bool, tools: Any = None, **options: Any) -> str | None:
    """The template's text, None where it refuses."""
    try:
        text = tokenizer.apply_chat_template(
            turns, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=ask, **options
        )
    except Exception:  # a template is somebody's program; why it refuses is said when a row is rendered
        return None
    begin = tokenizer.bos_token
    return text.removeprefix(begin) if begin else text  # exactly one is written in the end, by whomever


def _why_not_exact(tokenizer: Any, template: str) -> str | None:
    """Why not every answer of a conversation can be trained as it is asked for; None where it can."""
    options = _OPTIONS[0]
    turns = _turns("user", "assistant", "user", "assistant")
    whole, first = (_render(tokenizer, template, turns[:number], False, **options) for number in (4, 2))
    prompts = [_render(tokenizer, template, turns[:number], True, **options) for number in (1, 3)]
    if whole is None or first is None or prompts[0] is None or prompts[1] is None:
        return "it refuses a plain conversation of two questions"
    if not first.startswith(prompts[0]):
        return "it asks for an answer in another form than it writes it down in"
    controls = tuple(token.content for token in tokenizer.added_tokens_decoder.values() if token.content.strip())
    if not whole.partition(turns[3]["content"])[2].lstrip().startswith(controls):
        return "it does not end an answer with a control token"
    # A template with marks may end a reply by a token that is gone once the conversation goes on.
    words = turns[1]["content"]
    kept = first.partition(words)[0] + words if _MARKS.search(template) else first
    if not (whole.startswith(prompts[0]) and whole.startswith(prompts[1]) and whole.startswith(kept)):
        return "it writes earlier answers differently once the conversation goes on"
    return None


def _asks_alike(tokenizer: Any, own: str, ours: str, options: Sequence[dict[str, Any]], rewrites: bool) -> bool:
    """Whether the model is asked in the same words by both.

    Where the base's own template rewrites earlier answers, an empty think block may stand before those: it must, or
    what is trained could not be asked for.
    """
    for words in options:
        silence = _silence(tokenizer, ours) if rewrites else ""
        for turns, tools in [*((t, None) for t in (*_FIRST, *_LATER)), *((t, _TOOLS) for t in (*_FIRST, _CALLING))]:
            theirs = _render(tokenizer, own, turns, True, tools, **words)
            if theirs is None or (tools and theirs == _render(tokenizer, own, turns, True, None, **words)):
                continue  # what the base's own refuses or leaves out, ours may have
            mine = _render(tokenizer, ours, turns, True, tools, **words)
            if mine is None:
                return False
            if silence and turns not in _FIRST:
                theirs, mine = theirs.replace(silence, ""), mine.replace(silence, "")
            if theirs != mine:
                return False
    return True


def _takes_system(tokenizer: Any, template: str) -> bool:
    return _render(tokenizer, template, _FIRST[1], True, **_OPTIONS[0]) is not None


def _silence(tokenizer: Any, template: str) -> str:
    """What the template writes before an answer without thoughts, beyond what stands before earlier answers."""
    silent = _render(tokenizer, template, _FIRST[0], True, **_OPTIONS[0]) or ""
    before = (_render(tokenizer, template, _LATER[0], True, **_OPTIONS[1]) or "").partition(_ANSWER)[0]
    return silent.removeprefix(before) if silent.startswith(before) else ""
