"""Held-out rows that are also trained on: a score on them says what was learnt by heart, not what was understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finetune.data.likeness.comparing import across, sample_of
from finetune.data.likeness.duplicates import MAX_PLACES, Marks, numbered
from finetune.data.likeness.judging import LONG_ANSWER, Judge, Reader
from finetune.data.shapes import Conversation, plural
from finetune.errors import Problem

# the gravest first: a held-out row is counted under the first that fits
KINDS = {
    "same_row": "this held-out row is also a training row",
    "near_row": "this held-out row is nearly a training row",
    "same_question": "the question of this held-out row is also trained",
    "near_question": "the question of this held-out row is nearly one that is trained",
    "same_answer": "the answer of this held-out row is also trained",
    "near_answer": "the answer of this held-out row is nearly one that is trained",
}
SHORT = {
    "same_row": "the row itself",
    "near_row": "nearly the row",
    "same_question": "its question",
    "near_question": "nearly its question",
    "same_answer": "its answer",
    "near_answer": "nearly its answer",
}
FIRST = 20
REMEDY = "remove it from one of the two (finetune check --fix does), or set data.leakage: warn"


@dataclass(frozen=True)
class Leaks:
    """Held-out rows found in the training rows.

    Attributes:
        kinds: kind (each of KINDS) -> (rows, 2) int64 [held-out row number, training row number], in the order of
            the held-out rows; a held-out row stands under one kind only, the gravest that fits.
        places: kind -> [[place held out, place trained], ...] of the first 100.
        first: [(kind, place held out, place trained)] of the first 20 rows.
        num_groups: groups (data.group_by) that stand on both sides.
        num_held_out: held-out rows looked at.
    """

    kinds: dict[str, np.ndarray]
    places: dict[str, list[list[str]]]
    first: list[tuple[str, str, str]]
    num_groups: int
    num_held_out: int

    @property
    def num_rows(self) -> int:
        """Held-out rows that leak, each counted once."""
        return sum(map(len, self.kinds.values()))

    def __bool__(self) -> bool:
        return bool(self.num_rows or self.num_groups)

    def as_dict(self, rule: str) -> dict[str, Any]:
        """`DataReport.leakage`: {"rule", "num_rows", "num_groups", "kinds": {kind: {"num", "places"}}}."""
        kinds = {
            kind: {"num": len(rows), "places": self.places[kind]} for kind, rows in self.kinds.items() if len(rows)
        }
        return {"rule": rule, "num_rows": self.num_rows, "num_groups": self.num_groups, "kinds": kinds}

    def numbers(self) -> np.ndarray:
        """The held-out rows that leak, ascending: what `finetune check --fix` leaves out of the held-out file."""
        return np.sort(np.concatenate([rows[:, 0] for rows in self.kinds.values()]))

    def problems(self, where: str) -> list[Problem]:
        """For `data.leakage: refuse`: the first 20 rows by place, the count of the rest, and the groups.

        Args:
            where: where data.held_out stands in the recipe (`loaded.where("data.held_out")`).
        """
        problems = [Problem(place, "", f"{KINDS[kind]} ({other})", fix=REMEDY) for kind, place, other in self.first]
        num_rest = self.num_rows - len(problems)
        if num_rest:
            verb = "is" if num_rest == 1 else "are"
            of = plural(self.num_held_out, "held-out row")
            what = f"{num_rest:,} more of {of} {verb} trained on; in all: {self._counts()}"
            problems.append(Problem(where, "data.held_out", what, fix=REMEDY.replace("it ", "them ", 1)))
        if self.num_groups:
            problems.append(Problem(where, "data.held_out", self._groups(), fix="keep each group on one side"))
        return problems

    def warnings(self) -> list[str]:
        """For `data.leakage: warn`: the counts, and the groups."""
        lines = []
        if self.num_rows:
            lines.append(
                f"{self.num_rows:,} of {plural(self.num_held_out, 'held-out row')} "
                f"{'is' if self.num_rows == 1 else 'are'} also trained on ({self._counts()}): "
                "scores on them are too good; kept, as data.leakage is warn"
            )
        if self.num_groups:
            lines.append(f"{self._groups()}; kept, as data.leakage is warn")
        return lines

    def _counts(self) -> str:
        return ", ".join(f"{SHORT[kind]} {len(rows):,}" for kind, rows in self.kinds.items() if len(rows))

    def _groups(self) -> str:
        verb = "is" if self.num_groups == 1 else "are"
        return f"{plural(self.num_groups, 'group')} of data.group_by {verb} in the training and in the held-out rows"


def leaks(
    train: Marks,
    held_out: Marks,
    train_rows: Sequence[Conversation],
    held_out_rows: Sequence[Conversation],
    train_groups: Sequence[str | None] | None = None,
    held_out_groups: Sequence[str | None] | None = None,
) -> Leaks:
    """Held-out rows (of a file) that stand in the training rows, exactly or nearly; linear in the rows.

    Marks and rows of one side are in the same order. Groups: None where the recipe names no data.group_by.
    An answer counts from ten words on only: "Yes." is the same by chance.
    """
    partner = _partners(train, held_out, train_rows, held_out_rows)
    kinds: dict[str, np.ndarray] = {}
    places: dict[str, list[list[str]]] = {}
    taken = np.zeros(len(held_out), dtype=bool)
    for kind in KINDS:
        numbers = np.flatnonzero((partner[kind] >= 0) & ~taken)
        taken[numbers] = True
        kinds[kind] = np.stack([numbers, partner[kind][numbers]], axis=1)
        places[kind] = [
            [held_out_rows[one].where, train_rows[other].where] for one, other in kinds[kind][:MAX_PLACES].tolist()
        ]
    earliest = sorted((one, kind, other) for kind, rows in kinds.items() for one, other in rows[:FIRST].tolist())
    first = [(kind, held_out_rows[one].where, train_rows[other].where) for one, kind, other in earliest[:FIRST]]
    shared = {group for group in train_groups or () if group is not None} & set(held_out_groups or ())
    return Leaks(kinds, places, first, len(shared), len(held_out))


def _partners(
    train: Marks, held_out: Marks, train_rows: Sequence[Conversation], held_out_rows: Sequence[Conversation]
) -> dict[str, np.ndarray]:
    """Kind -> (held-out rows,) the number of a training row that fits, or -1."""
    # the first of equal rows in both sets numbered through: it stands in the training rows, or nowhere there
    found = {kind: _first_in_train(train, held_out, name) for kind, name in (
        ("same_row", "pair"), ("same_question", "question"), ("near_question", "wording"), ("same_answer", "answer")
    )}  # fmt: skip
    found["same_answer"][held_out.answer_length < LONG_ANSWER] = -1
    judge = Judge(Reader([train_rows, held_out_rows]), sample_of(train))
    for kind, lane in (("near_row", "row"), ("near_question", "question"), ("near_answer", "answer")):
        partner = found.setdefault(kind, np.full(len(held_out), -1, dtype=np.int64))
        for number, other in across(lane, train, held_out, judge, skip=(found["same_row"] >= 0) | (partner >= 0)):
            partner[number] = other
        # rows equal in that part to one that was read are near to the same row
        equal = numbered(getattr(held_out, "pair" if lane == "row" else lane))
        partner[:] = np.where(partner < 0, partner[equal], partner)
    return found


def _first_in_train(train: Marks, held_out: Marks, name: str) -> np.ndarray:
    first = numbered(np.concatenate([getattr(train, name), getattr(held_out, name)]))[len(train) :]
    return np.where(first < len(train), first, -1)
