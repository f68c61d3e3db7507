"""A list of turns -> messages, and the order that every conversation keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from finetune.data.converting import pictures, tool_turns
from finetune.data.converting.pictures import Pictures
from finetune.data.converting.texts import Say, Seen, is_empty, message, type_name
from finetune.data.shapes import IMAGE_MARK, ROLES, ImageRef, Message, name_shown

MAX_ROW_BYTES = 1024**2
ALIASES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "ipython": "tool",
    "function_call": "call",
    "tool_call": "call",
}
_USUAL = "human, gpt, system, function_call, observation"
_STRICT = {name: name for name in ROLES}
_STYLES = (("role", "content"), ("from", "value"))
_ROLE_KEYS = ("role", "from", "speaker", "author", "sender")
_TEXT_KEYS = ("content", "value", "text", "utterance", "message")
# keys of a turn that are used, or that say nothing which could be trained
_USED_KEYS = frozenset({"tool_calls", "function_call", "tool_call_id", "weight"})
_TEXT_PARTS = ("text", "input_text", "output_text")


@dataclass(frozen=True)
class Speaking:
    """How turns are read.

    Attributes:
        roles: the recipe's `data.roles`: the user's word for a speaker -> role.
        lenient: also the words of sharegpt files are roles; else only the kit's own.
        mend: the recipe's `data.turns` is mend.
        pictures: finds the images of turns; None where they are ignored.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    lenient: bool = True
    mend: bool = False
    pictures: Pictures | None = None


def messages_of(value: Any, part: str, how: Speaking, seen: Seen, say: Say) -> list[Message]:
    """The turns of a list. What is wrong goes to `say`; the turns returned then do not count.

    A turn is an object with a role and a text under one of the usual names, or a pair [speaker, text].
    """
    if not isinstance(value, list):
        say(part, f"a list of turns is due, found {type_name(value)}", "", "write a list of turns")
        return []
    if not value:
        say(part, "holds no turns", "", "add the turns, or remove the row")
        return []
    turns: list[Message] = []
    ids: dict[str, str] = {}
    answers: dict[int, str] = {}
    for number, turn in enumerate(value, 1):
        made = turn_of(turn, f"message {number}", how, seen, say)
        if made and isinstance(turn, dict):
            if made[0].role == "tool" and isinstance(turn.get("tool_call_id"), str):
                answers[len(turns)] = turn["tool_call_id"]
            if made[0].tool_calls and isinstance(turn.get("tool_calls"), list):
                for call, raw in zip(made[0].tool_calls, turn["tool_calls"]):
                    if isinstance(raw, dict) and isinstance(raw.get("id"), str):
                        ids[raw["id"]] = call.name
        turns += made
    return tool_turns.named(turns, ids, answers) if answers else turns


def turn_of(turn: Any, part: str, how: Speaking, seen: Seen, say: Say) -> list[Message]:
    """One turn as a list of one message; empty after saying what is wrong with it."""
    if isinstance(turn, list) and len(turn) == 2 and isinstance(turn[0], str):
        turn, keys = {"role": turn[0], "content": turn[1]}, ("role", "content")
    elif isinstance(turn, dict):
        keys = _keys(turn, how, part, say)
    else:
        due = "role and content" if not how.lenient else "from and value"
        say(part, f"an object with {due} is due, found {type_name(turn)}", "", "write it as one")
        return []
    if keys is None:
        return []
    role_key, text_key = keys
    role = _role(turn[role_key], role_key != "role" or how.lenient, how, part, seen, say)
    content = turn.get(text_key)
    if len(turn) > 2:
        extra = [key for key, value in turn.items() if value is not None and key not in keys and key not in _USED_KEYS]
        seen.turn_keys.update(key for key in extra if key != "name" or role != "tool")
        if role in ("assistant", "call") and not _is_trained(turn, part, say):
            return []
    shown: tuple[ImageRef, ...] = ()
    if isinstance(content, list) and role != "tool":
        joined = _joined_parts(content, part, how, seen, say)
        if joined is None:
            return []
        content, shown = joined
    if role == "call":
        return tool_turns.called(content, part, seen, say)
    if role == "assistant" and (turn.get("tool_calls") or turn.get("function_call")):
        return tool_turns.calling(turn, content, part, seen, say)
    if role == "tool":
        return tool_turns.answered(turn, content, part, say)
    made = message(role, content, part, say) if role else []
    return [replace(one, images=shown) for one in made] if shown else made


def _is_trained(turn: Mapping[str, Any], part: str, say: Say) -> bool:
    """Whether the weight of an assistant's turn lets it be trained; False after saying that it does not.

    A weight of 0 keeps a turn out of the loss where OpenAI's fine-tuning takes the file. Here every answer of a row
    is trained, so the row cannot be used as it is meant.
    """
    weight = turn.get("weight", 1)
    if weight is None or (isinstance(weight, (int, float)) and weight == 1):
        return True
    if isinstance(weight, (int, float)) and weight == 0:
        what = "has weight 0: it must not be trained, and every answer of a row is"
    else:
        what = "has a weight that is neither 0 nor 1"
    say(part, what, "", "remove the row, or the question with this answer; or set the weight to 1 to train it")
    return False


def _joined_parts(
    parts: list[Any], part: str, how: Speaking, seen: Seen, say: Say
) -> tuple[str, tuple[ImageRef, ...]] | None:
    """The text of a turn written as a list of parts, and its images; None after saying which part is neither.

    Texts are joined by a line end; an image stands right beside the text before and behind it.
    """
    texts: list[str] = []
    shown: list[ImageRef] = []
    for one in parts:
        kind = one.get("type") if isinstance(one, dict) else None
        text = one.get("text") if isinstance(one, dict) else one
        if isinstance(one, dict) and kind in pictures.PART_TYPES:
            if how.pictures is None:
                seen.counts["images_ignored"] += 1
                continue
            found = how.pictures.of_part(one, part, say)
            if found is None:
                return None
            shown += found
            texts.append(IMAGE_MARK)
            continue
        if isinstance(text, str) and (kind in _TEXT_PARTS or not isinstance(kind, str)):
            texts.append(text)
            continue
        what = f"text is due for every part of a turn, found {type_name(one)}"
        if isinstance(kind, str):
            what = f"holds a part of type {name_shown(kind)}; only texts and images are read"
        say(part, what, "", "remove the part, or the row")
        return None
    seen.counts["texts"] += 1
    joined = "".join(
        text if not before or IMAGE_MARK in (text, before) else f"\n{text}" for before, text in zip(["", *texts], texts)
    )
    return joined, tuple(shown)


def _keys(turn: Mapping[str, Any], how: Speaking, part: str, say: Say) -> tuple[str, str] | None:
    """(key of the role, key of the text) of a turn; None after saying which is missing."""
    for style in _STYLES:
        if style[0] in turn and style[1] in turn:
            return style
    role_key = next((key for key in _ROLE_KEYS if key in turn), None)
    text_key = next((key for key in _TEXT_KEYS if key in turn), None)
    if role_key and text_key:
        return role_key, text_key
    if role_key and (turn.get("tool_calls") or turn.get("function_call")):
        return role_key, "content"
    usual = _STYLES[1] if role_key == "from" or (role_key is None and how.lenient) else _STYLES[0]
    absent = usual[0] if role_key is None else usual[1]
    say(part, f"key {absent} is missing", "", f"write every turn as {{{usual[0]}, {usual[1]}}}")
    return None


def _role(word: Any, lenient: bool, how: Speaking, part: str, seen: Seen, say: Say) -> str | None:
    """The kit's role for a speaker ("call" for a turn that is only a call); None after saying it is unknown."""
    if not isinstance(word, str):
        say(part, "role is unknown", type_name(word), f"use one of {', '.join(ROLES)}")
        return None
    if how.roles and (word in how.roles or word.strip() in how.roles):
        seen.counts["mapped"] += 1
        return how.roles.get(word) or how.roles[word.strip()]
    role = _STRICT.get(word)
    if role is None and lenient:
        role = ALIASES.get(word) or ALIASES.get(word.strip().casefold())
        seen.counts["aliased"] += role is not None
    if role is None:
        got = name_shown(word)
        name = got if got == word.strip() else "..."
        if word in ALIASES and ALIASES[word] in ROLES:
            fix = f"write {ALIASES[word]}"
        else:
            fix = f"use one of {_USUAL if lenient else ', '.join(ROLES)}"
        say(part, "role is unknown", got, f"{fix}, or say who it is in data.roles: {{{name}: user or assistant}}")
    return role


def mended(turns: list[Message], seen: Seen) -> list[Message]:
    """Under `data.turns: mend`: neighbouring turns of one speaker joined by a line end, answers before the first
    question and turns after the last answer left off. Every row that was changed is counted.
    """
    joined: list[Message] = []
    for turn in turns:
        last = joined[-1] if joined else None
        if last and last.role == turn.role and turn.role in ("user", "assistant"):
            content = "\n".join(text for text in (last.content, turn.content) if text)
            calls, shown = last.tool_calls + turn.tool_calls, last.images + turn.images
            joined[-1] = Message(turn.role, content, calls, images=shown)
        else:
            joined.append(turn)
    system = [turn for turn in joined[:1] if turn.role == "system"]
    body = joined[len(system) :]
    first = next((index for index, turn in enumerate(body) if turn.role in ("user", "system")), len(body))
    last_answer = max((index for index, turn in enumerate(body) if turn.role == "assistant"), default=-1)
    seen.counts["mend_joined"] += len(joined) < len(turns)
    seen.counts["mend_start"] += first > 0
    seen.counts["mend_end"] += last_answer + 1 < len(body)
    return system + body[first : last_answer + 1]


def in_order(turns: list[Message], say: Say) -> bool:
    """The order of turns and the size of a row; True when sound. One problem a row: the first rule broken."""
    roles = [turn.role for turn in turns]
    num_system = roles.count("system")
    body = turns[1:] if roles and roles[0] == "system" else turns
    if num_system > 1:
        say("", f"holds {num_system} system turns", "", "keep one, as the first turn")
    elif any(turn.role == "system" for turn in body):
        say("", "the system turn is not the first", "", "put it first")
    elif not body or body[0].role != "user":
        fix = "start with a question, or remove the row (data.turns: mend leaves such turns off)"
        say("", "the first turn is not the user's", "", fix)
    elif not _alternate(body, say):
        pass
    elif body[-1].role != "assistant":
        who = "the user's" if body[-1].role == "user" else "a tool's"
        fix = "add the answer, or remove the turn (data.turns: mend leaves it off)"
        say("", f"the last turn is {who}, so there is nothing to learn", "", fix)
    elif _num_bytes(turns) > MAX_ROW_BYTES:
        what = f"holds {_num_bytes(turns):,} bytes of text, the limit is {MAX_ROW_BYTES:,}"
        say("", what, "", "cut the row")
    else:
        return True
    return False


def _alternate(body: list[Message], say: Say) -> bool:
    """User and assistant by turns; a call is followed by the tool, a tool by the assistant or a further tool."""
    for first, second in pairwise(body):
        if first.role == second.role != "tool":
            fix = "join neighbouring turns of one speaker (data.turns: mend does it)"
            say("", "user and assistant do not alternate", "", fix)
            return False
        if second.role == "tool" and first.role != "tool" and not first.tool_calls:
            say("", "a tool answers where none was called", "", "put the call before it, or remove the turn")
            return False
        if first.role == "tool" and second.role == "user":
            say("", "a tool's answer is followed by the user", "", "put the assistant's turn between them")
            return False
        if first.tool_calls and second.role != "tool":
            say("", "a tool is called and does not answer", "", "put its answer after the call")
            return False
    return True


def _num_bytes(turns: list[Message]) -> int:
    texts = [turn.content for turn in turns]
    texts += [call.arguments for turn in turns for call in turn.tool_calls]
    num_chars = sum(map(len, texts))
    if num_chars * 4 <= MAX_ROW_BYTES:
        return num_chars  # cannot pass the limit: exact counting is not needed
    return sum(len(text.encode("utf-8")) for text in texts)


def is_blank(value: Any) -> bool:
    """True for an optional cell that holds nothing: null, an empty list, text without a visible character."""
    return value is None or value == [] or (isinstance(value, str) and is_empty(value))
