"""The split into training and held-out rows, where a share is held out: what is alike stays on one side.

Where it cannot (all rows are alike), what straddles is found and handed over, so that nobody measures memory unawares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.likeness.comparing import Groups, Near, find_near, first_of, without_near
from finetune.data.likeness.duplicates import MAX_PLACES, Marks, numbered
from finetune.data.likeness.leakage import FIRST, KINDS, Leaks
from finetune.data.shapes import Conversation, plural

FEW_ROWS = 20


@dataclass(frozen=True)
class ShareSplit:
    """Row numbers of both sides, (rows,) int64, each ascending; what was chosen; and what is on both sides.

    `leaks` numbers the held-out and the training rows within their sides.
    """

    train: np.ndarray
    held_out: np.ndarray
    notes: list[str]
    leaks: Leaks


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


def _units(marks: Marks, groups: Sequence[str | None] | None, near: Near, share: float) -> np.ndarray:
    """The unit of each row, with as many kinds of likeness as leave something to hold out.

    Likeness is a chain: where one answer is given to half of the questions, all of them would be one unit and little
    could be held out. Then units are made without the answers. Questions and rows that straddle are refused, so they
    are kept together as long as what is left beside the largest unit is half of the share (rows: anything at all).
    """
    num_rows = len(marks)
    rows = unit_labels(marks, groups, [near.row])
    bounds = (max(num_rows / 2, np.bincount(rows).max()), num_rows * (1 - share / 2), num_rows)
    kinds = [near.row, near.question, near.answer]
    for bound, num_kept in zip(bounds, (3, 2, 1)):
        labels = unit_labels(marks, groups, kinds[:num_kept]) if num_kept > 1 else rows
        if np.bincount(labels).max() <= bound and (labels != labels[0]).any():
            return labels
    return unit_labels(marks, groups, [])


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

    Groups and equal rows stay on one side; so do near rows, equal and near questions and (long) answers wherever that
    leaves something to hold out. What straddles all the same is in `ShareSplit.leaks`.

    Args:
        marks: of the rows, in their order; `rows` is read only where `near` is not given.
        groups: the group of each row; None where the recipe names no data.group_by.
        near: of `find_near`, for these rows.
    """
    if not len(marks):
        return None
    near = near or find_near(marks, rows)
    labels = _units(marks, groups, near, share)
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
    notes = [note]
    num_joined = len(np.unique(unit_labels(marks, groups, []))) - len(sizes)
    if num_joined:
        notes.append(f"rows with equal or near questions or answers stay on one side: {len(sizes):,} units")
    return ShareSplit(np.flatnonzero(~held), np.flatnonzero(held), notes, straddling(marks, rows, near, held))


def can_be_split(marks: Marks, groups: Sequence[str | None] | None, near: Near, share: float) -> bool:
    """Whether a share could be held out without a row or question on both sides, if near rows were dropped."""
    keep = without_near(near)
    groups = [group for group, stays in zip(groups, keep) if stays] if groups is not None else None
    less = near.take(keep)
    labels = unit_labels(marks.take(keep), groups, [less.row, less.question])
    return len(labels) - np.bincount(labels).max() >= max(1, len(labels) * share / 2)


def straddling(marks: Marks, rows: Sequence[Conversation], near: Near, held: np.ndarray) -> Leaks:
    """What stands on both sides of a split, each held-out row under the gravest kind that fits.

    Near is counted by the groups of `near`: a row that is near a held-out row that is near a trained one counts.

    Args:
        held: (rows,) bool, whether a row is held out.
    """
    sides = np.cumsum(~held) - 1, np.cumsum(held) - 1
    found: dict[str, np.ndarray] = {}
    for kind, labels in (("row", near.row), ("question", near.question), ("answer", near.answer)):
        labels = first_of(labels)
        # a short answer stands alone in `near`, equal or not
        found[f"near_{kind}"] = _trained(labels, held)
        keys = numbered(getattr(marks, "pair" if kind == "row" else kind))
        same = _trained(keys, held)
        found[f"same_{kind}"] = np.where(found[f"near_{kind}"] >= 0, same, -1)
    kinds: dict[str, np.ndarray] = {}
    places: dict[str, list[list[str]]] = {}
    taken = ~held
    for kind in KINDS:
        numbers = np.flatnonzero((found[kind] >= 0) & ~taken)
        taken[numbers] = True
        partners = found[kind][numbers]
        kinds[kind] = np.stack([sides[1][numbers], sides[0][partners]], axis=1)
        pairs = zip(numbers[:MAX_PLACES].tolist(), partners[:MAX_PLACES].tolist())
        places[kind] = [[rows[one].where, rows[other].where] for one, other in pairs]
    first = [(kind, one, other) for kind, pairs in places.items() for one, other in pairs[:FIRST]]
    return Leaks(kinds, places, first[:FIRST], 0, int(held.sum()))


def _trained(labels: np.ndarray, held: np.ndarray) -> np.ndarray:
    """(rows,) int64: the first training row with the label of each row, -1 where there is none.

    Args:
        labels: (rows,) int64, for each row the number of the first one of its group.
    """
    first = np.full(len(labels), len(labels), dtype=np.int64)
    trained = np.flatnonzero(~held)
    np.minimum.at(first, labels[trained], trained)
    return np.where(first[labels] < len(labels), first[labels], -1)
