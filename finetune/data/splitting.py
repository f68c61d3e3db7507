"""Duplicates, leakage and the split into training and held-out rows."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from finetune.data.shapes import Conversation, plural
from finetune.errors import Problem

FEW_ROWS = 20


def same(text: str) -> str:
    """A text as far as duplicates go: NFC, runs of white space as one space."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def row_key(conversation: Conversation) -> str:
    """sha256 (hex) of the normalised questions and answers; equal for rows that say exactly the same.

    The system turn does not enter it: the same answer under another system prompt is still seen in training.
    """
    return _key(conversation, with_answer=True)


def question_key(conversation: Conversation) -> str:
    """sha256 (hex) of all turns before the last answer, normalised as in `row_key`."""
    return _key(conversation, with_answer=False)


def _key(conversation: Conversation, *, with_answer: bool) -> str:
    digest = hashlib.sha256()
    messages = conversation.messages if with_answer else conversation.messages[:-1]
    for message in messages:
        if message.role != "system":
            text = same(message.content).encode("utf-8")
            digest.update(f"{message.role} {len(text)} ".encode("ascii"))
            digest.update(text)
    return digest.hexdigest()


def without_duplicates(conversations: Sequence[Conversation], rule: str) -> tuple[list[Conversation], int, list[str]]:
    """(rows to use, number of rows that repeat an earlier one, warnings) under `data.duplicates`.

    drop keeps the first of equal rows; warn and keep keep all. Equal questions with different answers are
    counted in a warning and always kept: which answer is right is not ours to say.
    """
    first: list[Conversation] = []
    seen: set[str] = set()
    answers: dict[str, int] = defaultdict(int)
    for conversation in conversations:
        key = row_key(conversation)
        if key not in seen:
            seen.add(key)
            first.append(conversation)
            answers[question_key(conversation)] += 1
    num_repeated = len(conversations) - len(first)
    warnings = []
    if rule == "warn" and num_repeated:
        warnings.append(
            f"{plural(num_repeated, 'row')} repeat an earlier row exactly; kept, as data.duplicates is warn"
        )
    num_conflicts = sum(1 for number in answers.values() if number > 1)
    if num_conflicts:
        verb = "has" if num_conflicts == 1 else "have"
        warnings.append(f"{plural(num_conflicts, 'question')} {verb} more than one answer; all are kept")
    return (first if rule == "drop" else list(conversations)), num_repeated, warnings


def units_of(conversations: Sequence[Conversation]) -> list[str]:
    """For each row the name of the unit that is never split: its group, or the rows that say the same.

    Groups that share a row are one unit, else its copies would straddle the split. A unit's name is the least
    of its parts' names, so it does not depend on the order of rows.
    """
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    nodes = []
    for conversation in conversations:
        node = f"row {row_key(conversation)}"
        if conversation.group is not None:
            copy, node = node, f"group {conversation.group}"
            a, b = sorted((root(node), root(copy)))
            parent[b] = a
        nodes.append(node)
    return [root(node) for node in nodes]


def held_out_units(sizes: dict[str, int], share: float, seed: int) -> set[str]:
    """The units to hold out: at least one, never all, about `share` of the rows.

    Units are taken in the order of a hash of their name and the seed, so that a new row moves few others.

    Args:
        sizes: unit -> number of rows; at least two units.
        share: between 0 and 1.
    """
    num_rows = sum(sizes.values())
    target = min(max(1, round(share * num_rows)), num_rows - 1)
    order = sorted(sizes, key=lambda unit: hashlib.sha256(f"{seed} {unit}".encode("utf-8", "replace")).digest())
    taken: set[str] = set()
    num_taken = 0
    for unit in order:
        if num_taken >= target or len(taken) == len(order) - 1:
            break
        # a large group is taken only where that comes nearer to the share than leaving it
        if num_taken + sizes[unit] / 2 <= target:
            taken.add(unit)
            num_taken += sizes[unit]
    return taken or {min(order, key=lambda unit: sizes[unit])}


def split_by_share(
    conversations: Sequence[Conversation], share: float, seed: int
) -> tuple[list[Conversation], list[Conversation], list[str]] | None:
    """(train, held_out, notes), each in the given order; None where there is only one unit."""
    units = units_of(conversations)
    sizes: dict[str, int] = defaultdict(int)
    for unit in units:
        sizes[unit] += 1
    if len(sizes) < 2:
        return None
    chosen = held_out_units(sizes, share, seed)
    train = [row for row, unit in zip(conversations, units) if unit not in chosen]
    held_out = [row for row, unit in zip(conversations, units) if unit in chosen]
    reached = len(held_out) / len(conversations)
    note = (
        f"held out {len(held_out):,} of {plural(len(conversations), 'row')} "
        f"(share {reached:.3f}, asked {share:g}, seed {seed})"
    )
    if any(row.group is not None for row in conversations):
        num_groups = len({row.group for row in held_out})
        note += f": whole groups only, {num_groups:,} of {len({row.group for row in conversations}):,}"
    return train, held_out, [note]


def overlap_problems(train: Sequence[Conversation], held_out: Sequence[Conversation], where: str) -> list[Problem]:
    """One problem per held-out row that is also trained on, and one for groups on both sides."""
    places = {}
    for row in train:
        places.setdefault(row_key(row), row.where)
    problems = []
    for row in held_out:
        place = places.get(row_key(row))
        if place:
            what = f"this held-out row is also a training row ({place})"
            problems.append(Problem(row.where, "", what, fix="remove it from one of the two"))
    shared = {row.group for row in train if row.group is not None} & {row.group for row in held_out}
    if shared:
        verb = "is" if len(shared) == 1 else "are"
        what = f"{plural(len(shared), 'group')} of data.group_by {verb} in the training and in the held-out rows"
        problems.append(Problem(where, "data.held_out", what, fix="keep each group on one side"))
    return problems
