"""The split into training and held-out rows, where a share is held out: nothing on one side is known from the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.likeness.comparing import Groups, Near, find_near, first_of
from finetune.data.likeness.duplicates import Marks, numbered
from finetune.data.shapes import Conversation, plural

FEW_ROWS = 20


@dataclass(frozen=True)
class ShareSplit:
    """Row numbers of both sides, (rows,) int64, each ascending; and what was chosen, and what to look at."""

    train: np.ndarray
    held_out: np.ndarray
    notes: list[str]
    warnings: list[str]


def unit_names(labels: np.ndarray, marks: Marks, groups: Sequence[str | None] | None) -> list[str]:
    """For each row the name of its unit: the least of its parts' names, which no order of rows changes.

    The parts are groups ("group ...") and rows ("row ...", `duplicates.row_key`).
    """
    words = np.ascontiguousarray(marks.row).view(">u8")
    ranks = np.empty(len(marks), dtype=np.int64)
    ranks[np.lexsort(words.T[::-1])] = np.arange(len(marks))
    least = np.full(len(marks), len(marks), dtype=np.int64)
    np.minimum.at(least, labels, ranks)
    by_rank = np.argsort(ranks)
    names: dict[int, str] = {}
    for number, label in enumerate(labels.tolist()):
        group = groups[number] if groups is not None else None
        if group is not None:
            name = f"group {group}"
            names[label] = min(names.get(label, name), name)
    for label in np.unique(labels).tolist():
        if label not in names:
            names[label] = f"row {marks.row[by_rank[least[label]]].tobytes().hex()}"
    return [names[label] for label in labels.tolist()]


def unit_labels(marks: Marks, groups: Sequence[str | None] | None, equal: Sequence[np.ndarray]) -> np.ndarray:
    """(rows,) int64: for each row the number of the first row of the unit that is never split.

    Rows of one group and rows that say the same are one unit, and so are rows with equal labels in any of `equal`;
    groups that share a row are one unit too, else its copies would straddle the split. Linear in the rows.
    """
    joined = Groups(len(marks))
    joined.join_equal(numbered(marks.row))
    for labels in equal:
        joined.join_equal(labels)
    first_of_group: dict[str, int] = {}
    for number, group in enumerate(groups or ()):
        if group is not None:
            joined.join(first_of_group.setdefault(group, number), number)
    return joined.labels()


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


def _units(
    marks: Marks, groups: Sequence[str | None] | None, near: Near
) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """(unit of each row, the kinds of likeness that could not be kept on one side, with their labels).

    Likeness is a chain: where one answer is given to half of the questions, all of them would be one unit and
    nothing could be held out. Then units are made without the answers, and if need be without the questions.
    """
    kinds = [("row", near.row), ("question", near.question), ("answer", near.answer)]
    least = unit_labels(marks, groups, [near.row])
    bound = max(len(marks) / 2, np.bincount(least).max())
    for num_kept in (3, 2, 1):
        labels = unit_labels(marks, groups, [found for _, found in kinds[:num_kept]])
        if np.bincount(labels).max() <= bound and (labels != labels[0]).any():
            return labels, kinds[num_kept:]
    return unit_labels(marks, groups, []), kinds


def split_by_share(
    marks: Marks,
    rows: Sequence[Conversation],
    share: float,
    seed: int,
    *,
    groups: Sequence[str | None] | None = None,
    near: Near | None = None,
) -> ShareSplit | None:
    """Hold out a share of the rows; None where there is only one unit.

    Groups, equal rows, near rows, equal and near questions and (long) answers stay on one side.

    Args:
        marks: of the rows, in their order; `rows` is read only where `near` is not given.
        groups: the group of each row; None where the recipe names no data.group_by.
        near: of `find_near`, for these rows.
    """
    if not len(marks):
        return None
    near = near or find_near(marks, rows)
    labels, left = _units(marks, groups, near)
    if (labels == labels[0]).all():
        return None
    names = unit_names(labels, marks, groups)
    sizes = {names[label]: size for label, size in enumerate(np.bincount(labels).tolist()) if size}
    chosen = held_out_units(sizes, share, seed)
    held = np.fromiter((name in chosen for name in names), dtype=bool, count=len(names))
    note = (
        f"held out {int(held.sum()):,} of {plural(len(marks), 'row')} "
        f"(share {held.mean():.3f}, asked {share:g}, seed {seed})"
    )
    if groups is not None and any(group is not None for group in groups):
        num_groups = len({group for group, out in zip(groups, held) if out})
        note += f": whole groups only, {num_groups:,} of {len(set(groups)):,}"
    notes, warnings = [note], [_left_apart(kind, found, held) for kind, found in left]
    num_joined = len(np.unique(unit_labels(marks, groups, []))) - len(sizes)
    if num_joined:
        notes.append(f"rows with equal or near questions or answers stay on one side: {len(sizes):,} units")
    return ShareSplit(np.flatnonzero(~held), np.flatnonzero(held), notes, [line for line in warnings if line])


def _left_apart(kind: str, labels: np.ndarray, held: np.ndarray) -> str:
    """What is said where a kind of likeness could not be kept on one side; empty where nothing straddles."""
    labels = first_of(labels)
    trained = np.zeros(len(labels), dtype=bool)
    trained[labels[~held]] = True
    num = int((trained[labels] & held).sum())
    if not num:
        return ""
    what = {"row": "rows are", "question": "questions are", "answer": "answers are"}[kind]
    return (
        f"{num:,} of {plural(int(held.sum()), 'held-out row')}: their {what} also trained, exactly or nearly. "
        "More than half of all rows hang together by them, so they could not be kept on one side: "
        "scores on these rows are too good"
    )
