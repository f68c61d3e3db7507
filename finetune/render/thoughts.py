"""Thoughts before an answer: told from it, left out or handed to the template in the place it has for them.

In data and in chats they stand between <think> and </think> at the start of an answer, or beside it under a key of
their own. base.thinking says what becomes of them; where a renderer is told neither, they are text like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# Names under which a message holds its thoughts; chat templates read the first two.
KEYS = ("reasoning_content", "thinking", "reasoning")
OPENS, CLOSES = "<think>", "</think>"
BLOCK = re.compile(r"(\s*)<think>(.*?)</think>(\s*)", re.DOTALL)
NOTHING_LEFT = (
    "an answer holds thoughts alone, which base.thinking: off leaves out. Fix: write what comes behind </think>, "
    "remove the row, or set base.thinking: keep"
)


def parted(message: Mapping[str, Any]) -> tuple[str | None, str]:
    """Thoughts and answer of an assistant's turn; None where it has none. An empty block is a thought of nothing."""
    beside = next((message[key] for key in KEYS if isinstance(message.get(key), str)), None)
    content = message["content"]
    found = BLOCK.match(content) if isinstance(content, str) else None
    if found is None:
        return beside, content
    inside = found.group(2).strip()
    return (f"{beside}\n{inside}".strip() if beside else inside), content[found.end() :]


def has_thoughts(message: Mapping[str, Any]) -> bool:
    """Whether an assistant's turn holds thoughts, in its text or beside it."""
    if message["role"] != "assistant":
        return False
    return message["content"].lstrip().startswith(OPENS) or any(key in message for key in KEYS)


def is_all_thought(message: Mapping[str, Any]) -> bool:
    """Whether nothing is left of an assistant's turn without its thoughts."""
    return has_thoughts(message) and not message.get("tool_calls") and not parted(message)[1].strip()


def settled(messages: Sequence[Mapping[str, Any]], keep: bool) -> list[Mapping[str, Any]]:
    """The turns with thoughts left out, or moved to the keys that templates read. Settled turns stay as they are."""
    made: list[Mapping[str, Any]] = []
    for message in messages:
        if not has_thoughts(message):
            made.append(message)
            continue
        thought, answer = parted(message)
        turn = {key: value for key, value in message.items() if key not in KEYS}
        turn["content"] = answer
        if keep and thought is not None:
            turn["reasoning_content"] = turn["thinking"] = thought
        made.append(turn)
    return made


def num_left_out(messages: Sequence[Mapping[str, Any]]) -> int:
    """Answers whose thoughts say something, and would be left out."""
    return sum(1 for message in messages if has_thoughts(message) and (parted(message)[0] or "").strip())
