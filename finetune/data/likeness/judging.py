"""Whether two rows are near: their texts are read and compared.

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

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain

import numpy as np

from finetune.data.likeness.duplicates import said_parts, shown, strong_or_same
from finetune.data.likeness.near import (
    COMMON,
    LEAST_COMMON,
    among,
    is_unspaced,
    length_of,
    shingle_hashes,
    units_of_text,
)
from finetune.data.shapes import Conversation

# Shorter answers are the same by chance: "Yes.", "The answer is B.", "No known cure."
LONG_ANSWER = 10
LONG_QUESTION = 30
NEAR_ROW, NEAR_PART, NEAR_ANSWER, NEAR_QUESTION = 0.6, 0.4, 0.8, 0.8
RARE_ROW, RARE_ANSWER, RARE_QUESTION = 0.5, 0.6, 0.8
FEW_WORDS = 4  # a shorter answer, or question, is another one when a word differs
LONG_RETOUCHED = 2 * LONG_ANSWER  # from here on a row is no near one for a single word's difference alone
CACHE_BYTES = 128 * 1024**2  # of rows that were read and may be compared again
# about what a row takes there: its text, and 8 bytes for each of two shingles a word, all of them and the rare ones
BYTES_A_ROW, BYTES_A_CHARACTER = 1_500, 8


class Part:
    """A question or an answer as it is compared. Nothing is made of its text before it is asked for.

    Attributes:
        shingles: (shingles,) int64, the hashes of the different ones, ascending.
        shown: what tells a question's images.
    """

    def __init__(self, texts: Sequence[str], shown: str = "") -> None:
        self._said = texts
        self.shown = shown

    @cached_property
    def _strong(self) -> list[str]:
        return list(map(strong_or_same, self._said))

    def _units(self) -> list[list[str]]:
        return list(map(units_of_text, self._strong))

    @cached_property
    def shingles(self) -> np.ndarray:
        """See above."""
        return np.array(sorted(set(chain.from_iterable(map(shingle_hashes, self._units())))), dtype=np.int64)

    @cached_property
    def units(self) -> frozenset[str]:
        """The different words and Chinese characters."""
        return frozenset(chain.from_iterable(self._units()))

    @cached_property
    def num_words(self) -> int:
        """The length; two Chinese characters count as one word."""
        return sum(map(length_of, self._units()))

    @property
    def num_characters(self) -> int:
        """Of the text as it was written."""
        return sum(map(len, self._said))

    def rare(self, common: np.ndarray) -> np.ndarray:
        """The shingles that are not common; `common` is ascending, and the same at each call."""
        if self._rare is None:
            self._rare = self.shingles[~among(self.shingles, common)]
        return self._rare

    _rare: np.ndarray | None = None


class Reader:
    """The parts of rows by number, read when asked and few held. Rows of several sets are numbered through."""

    def __init__(self, sets: Sequence[Sequence[Conversation]]) -> None:
        self._sets = sets
        self._held: OrderedDict[int, tuple[Part, Part]] = OrderedDict()
        self._room_bytes = CACHE_BYTES

    def forget(self) -> None:
        """Hold no rows, as while candidates are looked for, which takes memory of its own."""
        self._held.clear()
        self._room_bytes = CACHE_BYTES

    def parts(self, number: int) -> tuple[Part, Part]:
        """(question, answer)."""
        parts = self._held.get(number)
        if parts is not None:
            self._held.move_to_end(number)
            return parts
        row = self._row(number)
        turns, answer = said_parts(row)
        parts = self._held[number] = Part(turns, shown(row)), Part([answer])
        self._room_bytes -= _size_bytes(parts)
        while self._room_bytes < 0 and len(self._held) > 2:
            self._room_bytes += _size_bytes(self._held.popitem(last=False)[1])
        return parts

    def _row(self, number: int) -> Conversation:
        for rows in self._sets:
            if number < len(rows):
                return rows[number]
            number -= len(rows)
        raise IndexError(number)


def _size_bytes(parts: tuple[Part, Part]) -> int:
    return BYTES_A_ROW + BYTES_A_CHARACTER * sum(part.num_characters for part in parts)


Pair = tuple[Part, Part]


class Judge:
    """Whether a pair of rows is near in a lane, by the texts."""

    def __init__(self, reader: Reader, sample: Sequence[int]) -> None:
        """`sample`: rows by which the common shingles are known."""
        self.reader = reader
        self.sample = sample

    def near(self, lane: str, one: int, other: int) -> bool:
        """Whether two rows are near, as the module says."""
        question, answer = zip(self.reader.parts(one), self.reader.parts(other))
        if question[0].shown != question[1].shown:
            return False  # what is asked about another image is another question, and what is answered another answer
        if lane == "row":
            return self._is_near_row(question, answer)
        if lane == "answer":
            if _share([answer]) < NEAR_ANSWER:
                return False
            rewritten = self._rare_share([answer]) >= RARE_ANSWER and not _is_other_subject(question, answer)
            return rewritten or _a_word_differs(*answer)
        fewest = min(len(part.rare(self.common)) for part in question)
        return fewest >= LONG_QUESTION // 2 and self._rare_share([question]) >= RARE_QUESTION

    def _is_near_row(self, question: Pair, answer: Pair) -> bool:
        pairs = [question, answer]
        # the question first: it is short, and most pairs from one form letter are told apart by it
        if _share([question]) < NEAR_PART:
            return False
        of_one_thing = self._rare_share([question]) >= RARE_ROW
        if not of_one_thing and not _is_retouched(pairs):
            return False
        if _share([answer]) < NEAR_PART or _share(pairs) < NEAR_ROW or _is_other_subject(question, answer):
            return False
        return (of_one_thing and self._rare_share(pairs) >= RARE_ROW) or _is_retouched(pairs)

    def _rare_share(self, pairs: Sequence[Pair]) -> float:
        return _share(pairs, lambda part: part.rare(self.common))

    @cached_property
    def common(self) -> np.ndarray:
        """The shingles that stand in many rows: those of everyday words and of form letters, which say little."""
        found = [np.empty(0, dtype=np.int64)]
        for number in sorted(self.sample):
            question, answer = self.reader.parts(number)
            found.append(np.union1d(question.shingles, answer.shingles))
        values, counts = np.unique(np.concatenate(found), return_counts=True)
        return values[counts > max(LEAST_COMMON, COMMON * len(self.sample))]


def _shingles(part: Part) -> np.ndarray:
    return part.shingles


def _share(pairs: Sequence[Pair], of: Callable[[Part], np.ndarray] = _shingles) -> float:
    """Jaccard similarity over all parts together, each shingle known by its part; 0 where nothing is left."""
    num_shared = num_all = 0
    for one, other in pairs:
        a, b = of(one), of(other)
        both = np.concatenate([a, b])
        both.sort()
        shared = int(np.count_nonzero(both[1:] == both[:-1]))
        num_shared += shared
        num_all += len(both) - shared
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


def _is_retouched(pairs: Sequence[Pair]) -> bool:
    """Whether no more than a word differs in question and answer, and none of them is as short as a word.

    Where the answer is long that is said of the answer alone: the word in the question may be another subject.
    """
    lengths = [part.num_words for pair in pairs for part in pair]
    if min(lengths) < FEW_WORDS or min(lengths[2:]) >= LONG_RETOUCHED:
        return False
    return all(_a_word_differs(*pair) for pair in pairs)


def _is_other_subject(question: Pair, answer: Pair) -> bool:
    """Whether the words that were exchanged in the question were so in the answer: another thing is spoken of."""
    changed = list(zip(_changed(*question), _changed(*answer)))
    return all(asked and asked <= told for asked, told in changed)
