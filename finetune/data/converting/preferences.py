"""Two answers to one prompt, one of them liked more; and answers that were rated."""

from __future__ import annotations

from typing import Any

from finetune.data.converting.layouts import LABELS, rating_of
from finetune.data.converting.texts import Say, Seen, message, type_name, under
from finetune.data.converting.turns import Speaking, in_order, mended, messages_of, turn_of
from finetune.data.shapes import Message, name_shown


def answer_of(value: Any, part: str, how: Speaking, seen: Seen, say: Say) -> list[Message]:
    """An answer as text, as one turn, or as a list of turns."""
    if isinstance(value, dict) and ("role" in value or "from" in value):
        return turn_of(value, part, how, seen, say)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return messages_of(value, part, how, seen, under(say, part))
    return message("assistant", value, part, say)


def pair_of(
    prompt: list[Message], values: dict[str, Any], how: Speaking, seen: Seen, say: Say
) -> tuple[list[Message], list[Message]]:
    """(the conversation with the chosen answer, the turns of the rejected one that stand in its place).

    Args:
        prompt: the turns before the answers; empty where both answers are whole conversations.
        values: column -> value, the chosen answer first, then the rejected one.

    Returns:
        Both lists are empty after `say` was told what is wrong.
    """
    sides = []
    for column, value in values.items():
        part = f"key {name_shown(column, named=True)}"
        if not prompt and not isinstance(value, list):
            what = f"a list of turns is due where the row has no prompt, found {type_name(value)}"
            say(part, what, "", "write the prompt into a column of its own, or both answers as lists of turns")
            return [], []
        turns = answer_of(value, part, how, seen, say)
        if not turns:
            return [], []
        whole = not prompt or turns[0].role in ("user", "system")
        sides.append(turns if whole else [*prompt, *turns])
    if how.mend:
        sides = [mended(side, seen) for side in sides]
    for column, side in zip(values, sides):
        if not in_order(side, under(say, f"key {name_shown(column, named=True)}")):
            return [], []
    chosen, rejected = sides
    common = 0
    while common < min(len(chosen), len(rejected)) and chosen[common] == rejected[common]:
        common += 1
    if common == len(rejected) or common == len(chosen):
        what = "the chosen and the rejected answer are the same"
        if len(chosen) != len(rejected):
            what = "one of the two conversations is only the beginning of the other"
        say("", what, "", "correct one of them, or remove the row")
        return [], []
    if chosen[common].role != "assistant" or rejected[common].role != "assistant":
        what = "the chosen and the rejected conversation differ before the answer"
        say("", what, "", "let both begin with the same turns, up to the answer that was compared")
        return [], []
    return chosen, rejected[common:]


def rating(value: Any, column: str, say: Say) -> bool | None:
    """Whether the answer was liked; None after saying that the value tells neither."""
    rated = rating_of(value)
    if rated is None:
        say(f"key {name_shown(column, named=True)}", f"no rating, found {type_name(value)}", "", f"write {LABELS}")
    return rated
