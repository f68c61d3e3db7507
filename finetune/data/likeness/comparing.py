"""Near rows: candidates by their signatures, each read again and compared before it is claimed (`judging`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.likeness.duplicates import Marks, numbered
from finetune.data.likeness.judging import (
    LONG_ANSWER,
    LONG_QUESTION,
    LONG_RETOUCHED,
    NEAR_ANSWER,
    NEAR_QUESTION,
    NEAR_ROW,
    Judge,
    Reader,
)
from finetune.data.likeness.near import NUM_HASHES, SAMPLE, agree_in_rare, agreement, candidates, common_values
from finetune.data.shapes import Conversation

# signatures estimate with a deviation of about 0.05; three of them below, nothing near is lost
SLACK = 0.15
MAX_READ = 16  # candidates of one row that are read
CHUNK_ROWS = 65_536  # whose signatures are put together at once
LANES = ("row", "answer", "question")


@dataclass(frozen=True)
class Near:
    """The near groups of one set of rows.

    Attributes:
        row, question, answer: (rows,) int64. For each row the number of the first row of its group, its own where
            nothing is near. Rows that are equal in that part (strongly normalised) are in one group too, but short
            answers stand alone.
        num_crowded: rows with so many candidates that not all were compared; 0 on usual data.
    """

    row: np.ndarray
    question: np.ndarray
    answer: np.ndarray
    num_crowded: int = 0

    def take(self, keep: np.ndarray) -> Near:
        """As it is for the kept rows alone: `keep` is (rows,) bool; numbers are those among the kept."""
        row, question, answer = (first_of(labels[keep]) for labels in (self.row, self.question, self.answer))
        return Near(row, question, answer, self.num_crowded)


def first_of(labels: np.ndarray) -> np.ndarray:
    """(rows,) int64: for each row the number of the first row with its label."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


class Groups:
    """Union-find over row numbers, the root being the least number of its group (path halving)."""

    def __init__(self, num_rows: int) -> None:
        self.parent = list(range(num_rows))

    def root(self, number: int) -> int:
        """The least number of the group."""
        parent = self.parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Make two groups one."""
        one, other = self.root(one), self.root(other)
        self.parent[max(one, other)] = min(one, other)

    def join_equal(self, labels: np.ndarray) -> None:
        """Join each row with the row whose number is its label."""
        for number in np.flatnonzero(labels != np.arange(len(labels))).tolist():
            self.join(number, int(labels[number]))

    def labels(self) -> np.ndarray:
        """(rows,) int64: the root of each row."""
        return np.array([self.root(number) for number in range(len(self.parent))], dtype=np.int64)


def components(pairs: np.ndarray) -> np.ndarray:
    """(pairs,) int64: equal for pairs that hang together, over any number of others."""
    values, places = np.unique(pairs, return_inverse=True)
    one, other = places.reshape(pairs.shape).T
    labels = np.arange(len(values))
    while True:
        before = labels.copy()
        least = np.minimum(labels[one], labels[other])
        # the label's own label too, so that a long chain takes few rounds
        for rows in (one, other, before[one], before[other]):
            np.minimum.at(labels, rows, least)
        labels = labels[labels]
        if (labels == before).all():
            return labels[one]


def sample_of(marks: Marks) -> list[int]:
    """SAMPLE rows, drawn by their keys: the same whatever the order of rows."""
    once = np.flatnonzero(numbered(marks.pair) == np.arange(len(marks)))
    order = np.lexsort(np.ascontiguousarray(marks.pair[once]).view(">u8").T[::-1])
    return once[order[:SAMPLE]].tolist()


def _lane(lane: str, sets: Sequence[Marks]) -> tuple[np.ndarray, np.ndarray, float]:
    """(keys (rows, 16) equal where the part is, rows that take part (rows,) bool, least agreement) of a lane."""
    if lane == "row":
        keys = _column("pair", sets)
        return keys, np.ones(len(keys), dtype=bool), NEAR_ROW - SLACK
    bound, least = (LONG_ANSWER, NEAR_ANSWER) if lane == "answer" else (LONG_QUESTION, NEAR_QUESTION)
    return _column(lane, sets), _column(f"{lane}_length", sets) >= bound, least - SLACK


def _column(name: str, sets: Sequence[Marks]) -> np.ndarray:
    """One of the marks of all sets; not copied where there is one set only."""
    columns = [getattr(one, name) for one in sets]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _signatures(lane: str, sets: Sequence[Marks], numbers: np.ndarray) -> np.ndarray:
    """(numbers, NUM_HASHES) uint32 of the rows with these ascending numbers."""
    names = ("question_signature", "answer_signature") if lane == "row" else (f"{lane}_signature",)
    made = np.empty((len(numbers), NUM_HASHES), dtype=np.uint32)
    start = 0
    for one in sets:
        begin, end = np.searchsorted(numbers, (start, start + len(one))).tolist()
        for at in range(begin, end, CHUNK_ROWS):
            mine = slice(at, min(at + CHUNK_ROWS, end))
            made[mine] = getattr(one, names[0])[numbers[mine] - start]
            for name in names[1:]:  # the signature of both texts together
                np.minimum(made[mine], getattr(one, name)[numbers[mine] - start], out=made[mine])
        start += len(one)
    return made


def pairs_to_read(lane: str, sets: Sequence[Marks], sample: Sequence[int]) -> tuple[np.ndarray, int]:
    """Candidate pairs of a lane, the most alike first; of one set within it, of two sets across them.

    Of rows equal in that part only the first of a set takes part. A row has at most MAX_READ pairs, the best ones.

    Args:
        sample: as for the judge.

    Returns:
        (pairs (pairs, 2) int64, numbered through the sets; number of rows with candidates left unread).
    """
    keys, taking, least = _lane(lane, sets)
    side = np.arange(len(keys)) >= len(sets[0])
    first = numbered(keys[: len(sets[0])])
    if len(sets) > 1:  # across: what is equal on the other side is found already
        first = np.concatenate([first, len(sets[0]) + numbered(keys[len(sets[0]) :])])
        everywhere = numbered(keys)
        known = np.isin(everywhere, everywhere[~side]) & side
        taking &= ~known
    numbers = np.flatnonzero(taking & (first == np.arange(len(keys))))
    ties = np.ascontiguousarray(keys[numbers, :8]).view(">u8").ravel().astype(np.uint64)
    found = _signatures(lane, sets, numbers)
    pairs, num_crowded = candidates(found, ties, least, side[numbers] if len(sets) > 1 else None)
    if not len(pairs):
        return pairs, num_crowded
    low, high = np.sort(ties[pairs], axis=1).T
    pairs = pairs[np.lexsort((high, low, -agreement(found, pairs)))]
    ranks = [_ranks(pairs[:, column]) for column in (0, 1)]
    best = (ranks[1] if len(sets) > 1 else np.minimum(*ranks)) < MAX_READ
    num_crowded = max(num_crowded, len(np.unique(pairs[~best])))
    del found
    pairs = numbers[pairs[best]]
    return (pairs[_may_ask_the_same(sets, pairs, sample)] if lane == "row" else pairs), num_crowded


def _may_ask_the_same(sets: Sequence[Marks], pairs: np.ndarray, sample: Sequence[int]) -> np.ndarray:
    """(pairs,) bool: False where the questions' signatures already say that these are no near rows.

    Half of what is rare in the questions of near rows is common, but where an answer is short (`judging`). Pairs from
    one form letter fall here, without their texts being read.
    """
    numbers, places = np.unique(pairs, return_inverse=True)
    common = common_values(_signatures("question", sets, np.sort(np.asarray(sample, dtype=np.int64))))
    agree = agree_in_rare(_signatures("question", sets, numbers), places.reshape(pairs.shape), common)
    return agree | (_column("answer_length", sets)[pairs].min(axis=1) < LONG_RETOUCHED)


def _ranks(values: np.ndarray) -> np.ndarray:
    """For each value how often it stood before."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values)) - np.repeat(starts, np.diff(np.append(starts, len(values))))
    return ranks


def find_near(marks: Marks, rows: Sequence[Conversation]) -> Near:
    """The near groups within one set of rows, in time linear in the rows.

    The groups do not depend on the order of rows nor on how they were read.

    Args:
        marks: of these rows, joined.
        rows: the same rows in the same order; only candidates are read, by `rows[number]`.
    """
    sample = sample_of(marks)
    judge = Judge(Reader([rows]), sample)
    labels: dict[str, np.ndarray] = {}
    num_crowded = 0
    for lane in LANES:
        groups = Groups(len(marks))
        groups.join_equal(_equal(lane, marks))
        judge.reader.forget()
        pairs, crowded = pairs_to_read(lane, [marks], sample)
        num_crowded = max(num_crowded, crowded)
        # rows that hang together by candidates one after the other, so that each is read once as long as it is held
        for one, other in pairs[np.lexsort((pairs[:, 0], components(pairs)))].tolist():
            if groups.root(one) != groups.root(other) and judge.near(lane, one, other):
                groups.join(one, other)
        labels[lane] = groups.labels()
    return Near(labels["row"], labels["question"], labels["answer"], num_crowded)


def _equal(lane: str, marks: Marks) -> np.ndarray:
    if lane == "row":
        return numbered(marks.pair)
    if lane == "question":
        return numbered(marks.wording)
    return np.where(marks.answer_length >= LONG_ANSWER, numbered(marks.answer), np.arange(len(marks)))


def without_near(near: Near) -> np.ndarray:
    """(rows,) bool: False for a row of which question and answer are equal or near to those of an earlier one.

    What `data.near_duplicates: drop` keeps: the first row of each group. Rows that share only the question or
    only the answer all stay: another wording or another answer is not a copy.
    """
    return near.row == np.arange(len(near.row))


def across(lane: str, train: Marks, held_out: Marks, judge: Judge, skip: np.ndarray) -> Iterator[tuple[int, int]]:
    """(held-out row, training row) for each held-out row that is near to a training row in a lane.

    Args:
        judge: over the training and the held-out rows, numbered through in that order.
        skip: (held-out rows,) bool: rows that need not be looked at.
    """
    done = skip.copy()
    judge.reader.forget()
    pairs, _ = pairs_to_read(lane, [train, held_out], judge.sample)
    pairs = pairs[~done[pairs[:, 1] - len(train)]]
    for one, other in pairs[np.lexsort((pairs[:, 1], components(pairs)))].tolist():
        number = other - len(train)
        if not done[number] and judge.near(lane, one, other):
            done[number] = True
            yield number, one
