"""A reply as the checks see it: signs made alike, thoughts taken away, cut into sentences and words."""

from __future__ import annotations

import re
import unicodedata

_ALIKE = {
    **{ord(wide): narrow for wide, narrow in zip("‘’‛′“”„″", "''''\"\"\"\"")},
    **{code: code - 0xFEE0 for code in [*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)]},
    **{ord(sign): " " for sign in "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"},
    **{ord(sign): None for sign in "\u200b\u200c\u200d\u2060\ufeff\u00ad"},
    **{ord(sign): "-" for sign in "\u2010\u2011\u2212"},
}
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_EMPHASIS = re.compile(r"\*\*|__|(?<![*\w])\*(?=\S)|(?<=\S)\*(?![*\w])|`")
_ABBREVIATION = re.compile(
    r"\b(?:dr|mr|mrs|ms|prof|st|vs|etc|approx|no|fig|inc|ltd|e\.g|i\.e|a\.m|p\.m|u\.s|u\.k|[a-z])\.\Z", re.IGNORECASE
)
_STOP = re.compile(r"[.!?]+[\"')\]]*(?=\s|\Z)|[。！？]+[”’」』）]*|\n+")
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+(?:['\-][^\W_{_HAN}]+)*")
_FENCE = re.compile(r"```[\w-]*\n(.*?)(?:```|\Z)", re.DOTALL)


def alike(text: str) -> str:
    """The text with curly quotes, full-width letters and digits, odd spaces and hyphens as their plain forms.

    Chinese punctuation stays as it is. Patterns and literal texts of rules go through this too.
    """
    return unicodedata.normalize("NFC", text).translate(_ALIKE)


def visible(reply: str) -> str:
    """What a reader sees of a reply: no thoughts in front, signs alike, no space at the ends."""
    return alike(_THOUGHT.sub("", reply, count=1)).strip()


def without_emphasis(text: str) -> str:
    """The text without the signs of bold, italics and code."""
    return _EMPHASIS.sub("", text)


def without_fence(text: str) -> str:
    """What stands in the first fenced block of a text, or the text itself."""
    fenced = _FENCE.search(text)
    return (fenced.group(1) if fenced else text).strip()


def sentences(text: str) -> list[str]:
    """The sentences and list lines of a text, in order; "Dr." and "3.5" end none."""
    found, start = [], 0
    for stop in _STOP.finditer(text):
        piece = text[start : stop.end()]
        if stop.group().startswith(".") and (_ABBREVIATION.search(piece) or re.fullmatch(r"\s*\d+\.", piece)):
            continue
        found.append(piece)
        start = stop.end()
    found.append(text[start:])
    return [piece.strip() for piece in found if re.search(r"\w", piece)]


def lines(text: str) -> list[str]:
    """The lines of a text that are not empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def words(text: str) -> list[str]:
    """Words; a Chinese character counts as one. Signs, and the marks of a list, count as none."""
    return _WORD.findall(text)
