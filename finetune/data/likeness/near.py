"""Near texts: what of a text counts, its shingles, MinHash signatures, and candidates by locality-sensitive hashing.

MinHash: Broder, "On the resemblance and containment of documents" (1997); the banding: Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3. The signatures are rensa's R-MinHash; the bands are sorted here with
numpy, as an index answers with whole buckets, and a form letter makes one as large as the data.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np

NUM_HASHES = 64
# 16 bands of 4: two texts that share 8 of 10 shingles become candidates with probability 0.9998, 7 of 10 with 0.988
NUM_BANDS = 16
BAND_WIDTH = NUM_HASHES // NUM_BANDS
WINDOW = 8  # neighbours that a row is compared with in one band, where many rows fall together
SAMPLE = 2_000  # rows of which the common shingles are counted
COMMON, LEAST_COMMON = 0.005, 5  # a shingle in more than this share of the rows, and in more rows than this, is common
PRIME = np.uint64(0x9E3779B97F4A7C15)
# writing without spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
UNITS = re.compile(f"[{UNSPACED}\U00020000-\U0003134f]|[^\\s{UNSPACED}\U00020000-\U0003134f]+")
# Words that a question can lose and stay the same question. Not here: question words, "not", pronouns ("my name"
# and "your name" are two questions), "can" and "should", "from" and "to".
SMALL_WORDS = frozenset(
    ["a", "an", "the", "is", "are", "was", "were", "be", "been", "of", "for", "in", "on", "at", "please"]
)
SMALL_CHARACTERS = re.compile("请问|您好|你好|一下|[的了吗呢啊呀吧请]")


@cache
def _signs() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(punctuation, invisible characters), each one character; between two digits a sign stays (1.5 is not 15)."""
    categories: dict[str, list[str]] = {"P": [], "Cf": []}
    for code in [*range(0xFFFF), *range(0xE0000, 0xE0080)]:
        category = unicodedata.category(chr(code))
        if category[0] == "P" or chr(code) in "`^~|":
            categories["P"].append(chr(code))
        elif category == "Cf" or 0xFE00 <= code <= 0xFE0F:
            categories["Cf"].append(chr(code))
    sign = f"[{re.escape(''.join(categories['P']))}]"
    # a minus sign before a number stays too, where no word stands before it; the sign comes first in the pattern, as
    # a search for a set of characters skips the rest of the text
    shown = re.compile(rf"{sign}(?:(?!\d)|(?<!\d.)(?:(?<=\w-)|(?<!-)))")
    return shown, re.compile(f"[{re.escape(''.join(categories['Cf']))}]")


def strong(text: str) -> str:
    """A text without what does not change what it says, words separated by one space.

    NFKC (width and composition), case folded; punctuation, white space and invisible characters left off.
    """
    signs, invisible = _signs()
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKC", invisible.sub("", text)).casefold()
    return " ".join(signs.sub(" ", text).split())


def units_of_text(strong_text: str) -> list[str]:
    """The words of a text that went through `strong`, and the single characters of writing without spaces."""
    return strong_text.split() if strong_text.isascii() else UNITS.findall(strong_text)


def is_unspaced(unit: str) -> bool:
    """Whether a unit is one character of writing without spaces between words."""
    return len(unit) == 1 and unit >= "\u0e00" and _is_unspaced(unit)


@lru_cache(8_192)
def _is_unspaced(character: str) -> bool:
    return UNITS.fullmatch(character) is not None and not _is_word(character)


@cache
def _word_pattern() -> re.Pattern[str]:
    return re.compile(f"[^\\s{UNSPACED}\U00020000-\U0003134f]+")


def _is_word(unit: str) -> bool:
    return _word_pattern().fullmatch(unit) is not None


def length_of(units: Sequence[str]) -> int:
    """The length in words: a word is one, and so are two characters of writing without spaces."""
    num_characters = sum(_is_unspaced(unit) for unit in units if len(unit) == 1 and unit >= "\u0e00")
    return len(units) - num_characters + num_characters // 2


def _words(units: Sequence[str]) -> list[str]:
    return [unit for unit in units if len(unit) > 1 or unit < "\u0e00" or not _is_unspaced(unit)]


def shingles(units: Sequence[str]) -> list[str]:
    """The pairs of neighbouring units, and each word; may repeat. Empty only for an empty text.

    A single Chinese character says too little, a word enough; so of the first only the pairs count.
    """
    return list(map(" ".join, pairwise(units))) + _words(units) or list(units)


def shingle_hashes(units: Sequence[str]) -> list[int]:
    """`shingles` as hashes of 64 bits, which are equal in this process only; much cheaper where no text is needed."""
    return list(map(hash, pairwise(units))) + list(map(hash, _words(units))) or list(map(hash, units))


def wording(units: Sequence[str]) -> str:
    """A question without its small words and characters, in its order; empty where fewer than two units are left."""
    joined = " ".join(unit for unit in units if unit not in SMALL_WORDS)
    if not joined.isascii():
        joined = SMALL_CHARACTERS.sub("", re.sub(f"(?<=[{UNSPACED}]) (?=[{UNSPACED}])", "", joined).replace("您", "你"))
    return joined.replace(" ", "") if len(units_of_text(joined)) > 1 else ""


def signatures(shingle_lists: Sequence[Sequence[str]]) -> np.ndarray:
    """MinHash signatures, (texts, NUM_HASHES) uint32. Of a union of texts: the smaller value in each place."""
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

    made = RMinHash.digests_from_token_sets(shingle_lists, NUM_HASHES, 42)
    return np.array(made, dtype=np.uint32).reshape(len(shingle_lists), NUM_HASHES)


def _band_hashes(found: np.ndarray, band: int) -> np.ndarray:
    """(rows,) uint64: equal where all values of a band are."""
    hashes = np.zeros(len(found), dtype=np.uint64)
    for column in range(band * BAND_WIDTH, (band + 1) * BAND_WIDTH):
        hashes = (hashes ^ found[:, column].astype(np.uint64)) * PRIME
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _in_runs(hashes: np.ndarray, side: np.ndarray | None) -> np.ndarray:
    """The rows that share their hash with another row, of the other side where there are two."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    shared = counts > 1
    if side is not None:
        num_second = np.bincount(inverse, weights=side, minlength=len(counts))
        shared &= (num_second > 0) & (num_second < counts)
    return np.flatnonzero(shared[inverse])


def candidates(
    found: np.ndarray, ties: np.ndarray, least: float, side: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """Pairs of rows whose signatures say that at least a share `least` of the shingles is common.

    In each band the rows with equal hashes are sorted by the next bands' hashes, which brings the most alike
    together, and each is compared with the WINDOW next ones: time is linear in the rows even where all are alike.
    Values that stand in many rows come from the words of a form letter: pairs that agree in these alone are left out.

    Args:
        found: (rows, NUM_HASHES) signatures.
        ties: (rows,) uint64 to order rows with equal signatures, so that the order of rows does not matter.
        side: (rows,) bool; given, only pairs of different sides are looked for.

    Returns:
        (pairs (pairs, 2) int64 with the smaller number first, sorted, each once; number of rows that had more
        neighbours than WINDOW in a band that is not all of common values).
    """
    kept: list[np.ndarray] = []
    crowded = np.zeros(len(found), dtype=bool)
    common = common_values(found[np.argsort(ties, kind="stable")[:SAMPLE]])
    for band in range(NUM_BANDS):
        hashes = _band_hashes(found, band)
        rows = _in_runs(hashes, side)
        if not len(rows):
            continue
        part = found[rows]
        nexts = [_band_hashes(part, (band + step) % NUM_BANDS) for step in (2, 1)]
        rows = rows[np.lexsort((ties[rows], *nexts, hashes[rows]))]
        columns = range(band * BAND_WIDTH, (band + 1) * BAND_WIDTH)
        for step, one, other in _neighbours(rows, hashes, side):
            kept.append(_alike(found, one, other, least))
            if step == WINDOW and len(one):
                crowded[one[~np.logical_and.reduce([among(found[one, at], common[at]) for at in columns])]] = True
    if not kept:
        return np.empty((0, 2), dtype=np.int64), 0
    packed = _distinct(kept)
    pairs = np.stack([packed >> np.uint64(32), packed & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)
    return pairs[agree_in_rare(found, pairs, common)], int(crowded.sum())


def common_values(sample: np.ndarray) -> list[np.ndarray]:
    """For each place of a signature the values that many rows have there, ascending: of shingles in many rows.

    Args:
        sample: (SAMPLE rows or fewer, NUM_HASHES) signatures.
    """
    least = max(LEAST_COMMON, COMMON * len(sample))
    made = []
    for column in sample.T:
        values, counts = np.unique(column, return_counts=True)
        made.append(values[counts > least])
    return made


def among(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """(values,) bool: which of the values stand in an ascending array."""
    if not len(ascending):
        return np.zeros(len(values), dtype=bool)
    places = np.searchsorted(ascending, values)
    return ascending[np.minimum(places, len(ascending) - 1)] == values


def agree_in_rare(found: np.ndarray, pairs: np.ndarray, common: Sequence[np.ndarray]) -> np.ndarray:
    """(pairs,) bool: whether a pair agrees in values that are not common, or has too few of these to tell."""
    num_rare = np.zeros(len(pairs), dtype=np.int16)
    num_agreeing = np.zeros(len(pairs), dtype=np.int16)
    for place, values in enumerate(common):
        column = np.ascontiguousarray(found[:, place])
        is_common = among(column, values)
        one, other = pairs.T
        rare = ~(is_common[one] & is_common[other])
        num_rare += rare
        num_agreeing += rare & (column[one] == column[other])
    # with half of the rare shingles in common and 12 rare values: lost are 3 pairs of 1,000; with 24: 2 of 100,000
    return (num_rare < 12) | (num_agreeing > num_rare // 10)


def _neighbours(
    rows: np.ndarray, hashes: np.ndarray, side: np.ndarray | None
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(step, rows, their neighbours at that step) of rows ordered so that those with equal hashes stand together.

    With sides, each row of the second side meets its neighbours of the first one, before and after it: however many
    of its own side stand between.
    """
    if side is None:
        for step in range(1, min(WINDOW, len(rows) - 1) + 1):
            one, other = rows[:-step], rows[step:]
            equal = hashes[one] == hashes[other]
            yield step, one[equal], other[equal]
        return
    second = side[rows]
    first_rows, second_rows = rows[~second], rows[second]
    at = np.cumsum(~second)[second]  # how many of the first side stand before
    for step in range(1, WINDOW + 1):
        for place in (at - step, at + step - 1):
            inside = (place >= 0) & (place < len(first_rows))
            one, other = second_rows[inside], first_rows[place[inside]]
            equal = hashes[one] == hashes[other]
            yield step, one[equal], other[equal]


def _alike(found: np.ndarray, one: np.ndarray, other: np.ndarray, least: float) -> np.ndarray:
    """The pairs whose signatures agree in at least a share `least`, each as one uint64, each once."""
    kept = []
    for start in range(0, len(one), 65_536):
        a, b = one[start : start + 65_536], other[start : start + 65_536]
        alike = (found[a] == found[b]).sum(axis=1) >= least * NUM_HASHES
        a, b = a[alike].astype(np.uint64), b[alike].astype(np.uint64)
        kept.append((np.minimum(a, b) << np.uint64(32)) | np.maximum(a, b))
    return _distinct(kept) if kept else np.empty(0, dtype=np.uint64)


def _distinct(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The different values of some arrays, ascending (np.unique takes several times as long)."""
    values = np.concatenate(parts)
    values.sort()
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def agreement(found: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(pairs,) float: the share of common shingles as the signatures estimate it."""
    made = np.empty(len(pairs))
    for start in range(0, len(pairs), 65_536):
        part = pairs[start : start + 65_536]
        made[start : start + len(part)] = (found[part[:, 0]] == found[part[:, 1]]).mean(axis=1)
    return made
