"""Near rows: candidates by their signatures, each read again and compared before it is claimed.

"What are the symptoms of asthma?" and "... of anaemia?" share most of their shingles, and so do the answers where
somebody wrote them from one form letter. So the share of common shingles alone says little: those that stand in many
rows of these data are left out (`Judge.common`), and the rest must agree too. What is near:

- a row: NEAR_ROW of all shingles of question and answer together are common and NEAR_PART in each of the two; and so
  are RARE_ROW of the rare ones, of all and of those of the question, or no more than a word differs in each part; but
  not where the words exchanged in the question are exchanged in the answer too: that is another subject;
- an answer of at least LONG_ANSWER words: NEAR_ANSWER of all shingles are common, and so are RARE_ANSWER of the rare
  ones (and it is no other subject), or no more than a word differs;
- a question: the same words but for small ones (`near.wording`), or at least LONG_QUESTION words and RARE_QUESTION of
  the rare shingles are common.

The numbers are measured: docs/duplicates.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np

from finetune.data.likeness.duplicates import Marks, numbered, strong_parts
from finetune.data.likeness.near import (
    COMMON,
    LEAST_COMMON,
    SAMPLE,
    agreement,
    candidates,
    is_unspaced,
    length_of,
    shingles,
    units_of_text,
)
from finetune.data.shapes import Conversation

# Shorter answers are the same by chance: "Yes.", "The answer is B.", "No known cure."
LONG_ANSWER = 10
LONG_QUESTION = 30
NEAR_ROW, NEAR_PART, NEAR_ANSWER, NEAR_QUESTION = 0.6, 0.4, 0.8, 0.8
RARE_ROW, RARE_ANSWER, RARE_QUESTION = 0.5, 0.6, 0.8
FEW_WORDS = 4  # a shorter answer, or question, is another one when a word differs
# signatures estimate with a deviation of about 0.05; three of them below, nothing near is lost
SLACK = 0.15
MAX_READ = 16  # candidates of one row that are read
MAX_CACHED = 1_000  # rows whose shingles are held
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


@dataclass(frozen=True)
class Part:
    """A question or an answer as it is compared: its shingles and its units (words, Chinese characters)."""

    shingles: frozenset[str]
    units: frozenset[str]
    num_words: int


class Reader:
    """The parts of rows by number, read when asked and few held. Rows of several sets are numbered through."""

    def __init__(self, sets: Sequence[Sequence[Conversation]]) -> None:
        self._sets = sets
        self.parts = lru_cache(MAX_CACHED)(self._parts)

    def _parts(self, number: int) -> tuple[Part, Part]:
        """(question, answer)."""
        for rows in self._sets:
            if number < len(rows):
                turns, answer = strong_parts(rows[number])
                return _part(turns), _part([answer])
            number -= len(rows)
        raise IndexError(number)


def _part(turns: Sequence[str]) -> Part:
    units = [units_of_text(turn) for turn in turns]
    found = chain.from_iterable(map(shingles, units))
    return Part(frozenset(found), frozenset(chain.from_iterable(units)), sum(map(length_of, units)))


class Judge:
    """Whether a pair of rows is near in a lane, by the texts."""

    def __init__(self, reader: Reader, sample: Sequence[int]) -> None:
        """`sample`: rows by which the common shingles are known."""
        self._reader = reader
        self._sample = sample
        self._common: frozenset[str] | None = None

    def near(self, lane: str, one: int, other: int) -> bool:
        """Whether two rows are near, as the module says."""
        question, answer = pairs = list(zip(self._reader.parts(one), self._reader.parts(other)))
        if lane == "row":
            alike = _share(pairs) >= NEAR_ROW and all(_share([pair]) >= NEAR_PART for pair in pairs)
            if not alike or _is_other_subject(question, answer):
                return False
            of_one_thing = self._rare_share([question]) >= RARE_ROW
            return (of_one_thing and self._rare_share(pairs) >= RARE_ROW) or _is_retouched(pairs)
        if lane == "answer":
            if _share([answer]) < NEAR_ANSWER:
                return False
            rewritten = self._rare_share([answer]) >= RARE_ANSWER and not _is_other_subject(question, answer)
            return rewritten or _a_word_differs(*answer)
        fewest = min(len(part.shingles - self.common()) for part in pairs[0])
        return fewest >= LONG_QUESTION // 2 and self._rare_share(pairs[:1]) >= RARE_QUESTION

    def _rare_share(self, pairs: Sequence[tuple[Part, Part]]) -> float:
        return _share(pairs, self.common())

    def common(self) -> frozenset[str]:
        """The shingles that stand in many rows: those of everyday words and of form letters, which say little."""
        if self._common is None:
            counts: Counter[str] = Counter()
            for number in self._sample:
                question, answer = self._reader.parts(number)
                counts.update(question.shingles | answer.shingles)
            least = max(LEAST_COMMON, COMMON * len(self._sample))
            self._common = frozenset(shingle for shingle, count in counts.items() if count > least)
        return self._common


def _share(pairs: Sequence[tuple[Part, Part]], without: frozenset[str] = frozenset()) -> float:
    """Jaccard similarity over all parts together, each shingle known by its part; 0 where nothing is left."""
    num_shared = num_all = 0
    for one, other in pairs:
        a, b = (one.shingles - without, other.shingles - without) if without else (one.shingles, other.shingles)
        shared = len(a & b)
        num_shared += shared
        num_all += len(a) + len(b) - shared
    return num_shared / max(1, num_all)


def _changed(one: Part, other: Part) -> tuple[frozenset[str], frozenset[str]]:
    """The units that stand in one part only, for both."""
    return one.units - other.units, other.units - one.units


def _a_word_differs(one: Part, other: Part) -> bool:
    """Whether no more than a word does. One with a hyphen is two units here, a Chinese one up to three characters."""
    fewer, more = sorted(map(_num_words, _changed(one, other)))
    return fewer <= 1 and more <= 2


def _num_words(units: frozenset[str]) -> float:
    num_characters = sum(map(is_unspaced, units))
    return len(units) - num_characters + num_characters / 3


def _is_retouched(pairs: Sequence[tuple[Part, Part]]) -> bool:
    """Whether no more than a word differs in question and answer, and none of them is as short as a word.

    Where the answer is long that is said of the answer alone: the word in the question may be another subject.
    """
    lengths = [part.num_words for pair in pairs for part in pair]
    if min(lengths) < FEW_WORDS or min(lengths[2:]) >= 2 * LONG_ANSWER:
        return False
    return all(_a_word_differs(*pair) for pair in pairs)


def _is_other_subject(question: tuple[Part, Part], answer: tuple[Part, Part]) -> bool:
    """Whether the words that were exchanged in the question were so in the answer: another thing is spoken of."""
    changed = list(zip(_changed(*question), _changed(*answer)))
    return all(asked and asked <= told for asked, told in changed)


def sample_of(marks: Marks) -> list[int]:
    """SAMPLE rows, drawn by their keys: the same whatever the order of rows."""
    once = np.flatnonzero(numbered(marks.pair) == np.arange(len(marks)))
    order = np.lexsort(np.ascontiguousarray(marks.pair[once]).view(">u8").T[::-1])
    return once[order[:SAMPLE]].tolist()


def _lane(lane: str, sets: Sequence[Marks]) -> tuple[np.ndarray, np.ndarray, float]:
    """(keys (rows, 16) equal where the part is, rows that take part (rows,) bool, least agreement) of a lane."""
    if lane == "row":
        keys, least = np.concatenate([one.pair for one in sets]), NEAR_ROW
        return keys, np.ones(len(keys), dtype=bool), least - SLACK
    lengths = np.concatenate([getattr(one, f"{lane}_length") for one in sets])
    keys = np.concatenate([getattr(one, lane) for one in sets])
    bound, least = (LONG_ANSWER, NEAR_ANSWER) if lane == "answer" else (LONG_QUESTION, NEAR_QUESTION)
    return keys, lengths >= bound, least - SLACK


def _signatures(lane: str, sets: Sequence[Marks], numbers: np.ndarray) -> np.ndarray:
    parts, start = [], 0
    for one in sets:
        mine = numbers[(numbers >= start) & (numbers < start + len(one))] - start
        names = ("question_signature", "answer_signature") if lane == "row" else (f"{lane}_signature",)
        part = getattr(one, names[0])[mine]
        for name in names[1:]:
            np.minimum(part, getattr(one, name)[mine], out=part)  # the signature of both texts together
        parts.append(part)
        start += len(one)
    return np.concatenate(parts)


def pairs_to_read(lane: str, sets: Sequence[Marks]) -> tuple[np.ndarray, int]:
    """Candidate pairs of a lane, the most alike first; of one set within it, of two sets across them.

    Of rows equal in that part only the first of a set takes part. A row has at most MAX_READ pairs, the best ones.

    Returns:
        (pairs (pairs, 2) int64, numbered through the sets; number of rows with candidates left unread).
    """
    keys, taking, least = _lane(lane, sets)
    side = np.arange(len(keys)) >= len(sets[0])
    first = np.concatenate([numbered(keys[: len(sets[0])]), len(sets[0]) + numbered(keys[len(sets[0]) :])])
    if len(sets) > 1:  # across: what is equal on the other side is found already
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
    return numbers[pairs[best]], max(num_crowded, len(np.unique(pairs[~best])))


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
    judge = Judge(Reader([rows]), sample_of(marks))
    labels: dict[str, np.ndarray] = {}
    num_crowded = 0
    for lane in LANES:
        groups = Groups(len(marks))
        groups.join_equal(_equal(lane, marks))
        pairs, crowded = pairs_to_read(lane, [marks])
        num_crowded = max(num_crowded, crowded)
        for one, other in pairs.tolist():
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
    for one, other in pairs_to_read(lane, [train, held_out])[0].tolist():
        number = other - len(train)
        if not done[number] and judge.near(lane, one, other):
            done[number] = True
            yield number, one
