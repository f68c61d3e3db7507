"""A text as the rules look at it: its lower case, its runs of digits, and searching near words only.

Most text holds nothing personal, and looking for a word with `in` costs a hundredth of a pattern. So patterns are tried
only around the words and digits they need; that is what keeps a scan at several megabytes a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_DIGITS = re.compile(r"\d+", re.ASCII)
_WORDS = re.compile(r"[^\W\d_]+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class Page:
    """One text, and what all rules ask about it.

    Attributes:
        text: as given. low: in lower case, of the same length.
        digits: (start, end) of every run of ASCII digits, in order.
        words: its words in lower case, without digits.
        has_chinese: whether it holds Chinese characters.
        has_mixed: whether digits stand right beside Latin letters, as in keys and passwords.
    """

    __slots__ = ("digits", "has_chinese", "has_mixed", "low", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        low = text.lower()
        # A few letters (İ) grow in lower case; places would no longer agree.
        self.low = low if len(low) == len(text) else "".join(char.lower()[:1] or char for char in text)
        self.digits = [match.span() for match in _DIGITS.finditer(text)]
        self.words = frozenset(_WORDS.findall(self.low))
        self.has_chinese = not text.isascii() and _CHINESE.search(text) is not None
        self.has_mixed = any(
            _is_letter(text[start - 1 : start]) or _is_letter(text[end : end + 1]) for start, end in self.digits
        )

    def near(
        self, hints: tuple[str, ...], form: re.Pattern[str], before: int = 40, after: int = 160
    ) -> Iterator[re.Match[str]]:
        """The matches of `form` that begin within `before` characters before a hint; each part is searched once.

        Args:
            hints: lower-case texts, one of which stands near every match. One in Latin letters begins with a whole
                word, so that a look into `words` tells whether it can be there; a Chinese one is looked for as it is.
            after: how far behind the hint a match may end, in characters.
        """
        first_words, chinese = _sorted_out(hints)
        low = self.low
        present: list[str] = []
        for word in first_words.keys() & self.words if not self.words.isdisjoint(first_words) else ():
            present.extend(hint for hint in first_words[word] if hint in low)
        if self.has_chinese:
            present.extend(hint for hint in chinese if hint in low)
        if not present:
            return
        places = sorted(place for hint in present for place in _places(low, hint))
        begin, end = -1, -1
        for place in places:
            if place - before > end:
                if end >= 0:
                    yield from form.finditer(self.text, begin, end)
                begin = max(0, place - before)
            end = place + after
        yield from form.finditer(self.text, begin, min(end, len(self.text)))


def _is_letter(sign: str) -> bool:
    return sign.isascii() and (sign.isalpha() or sign == "_")


@lru_cache(maxsize=256)
def _sorted_out(hints: tuple[str, ...]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """First word -> the hints that begin with it; and the Chinese hints."""
    first_words: dict[str, list[str]] = {}
    for hint in hints:
        if not _CHINESE.search(hint):
            first_words.setdefault(_WORDS.findall(hint)[0], []).append(hint)
    return first_words, tuple(hint for hint in hints if _CHINESE.search(hint))


def _places(low: str, hint: str) -> Iterator[int]:
    place = low.find(hint)
    while place >= 0:
        yield place
        place = low.find(hint, place + len(hint))
