"""Characters that should not be there: which they are, and where they are right after all.

Sources: Unicode Standard 16, chapter 23 (format and control characters); UTS #51 (emoji joined by U+200D, flags of
tag characters); UTR #36 (direction overrides); "ftfy" for letters garbled by a wrong encoding.
"""

from __future__ import annotations

import re

# C0 without tab and line ends, DEL, C1. A carriage return is a line end.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
REPLACEMENT = re.compile("\ufffd|锟斤拷")  # the second is U+FFFD twice, read as GBK

# Scripts that shape their letters by U+200C and U+200D, and scripts that mark word borders by U+200B.
_JOINING = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc"
_SPACELESS = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
_EMOJI = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
_HAN = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")

# Any character that may be hidden: the cheap look that nearly every text passes.
_SUSPECT = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufe00-\ufe0f\U000e0000-\U000e01ef]"
)
_HIDDEN = re.compile(
    "[\u00ad\u180e\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb]"
    f"|(?<![{_SPACELESS}])\u200b(?![{_SPACELESS}])"
    f"|(?<![{_JOINING}])[\u200c\u200d](?![{_JOINING}])(?:(?<![{_EMOJI}\ufe0f]\u200d)|(?![{_EMOJI}]))"
    "|(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]+"
    f"|(?<![{_HAN}])[\U000e0100-\U000e01ef]+|(?<=[\U000e0100-\U000e01ef])[\U000e0100-\U000e01ef]+"
    "|[\U000e0000-\U000e001f\U000e0080-\U000e00ff]"
)
# Tag characters spell the flags of regions after a black flag; anywhere else they are hidden text.
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]{2,6}\U000e007f)|[\U000e0020-\U000e007f]+")

NEVER_SEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufe00-\ufe0f\U000e0000-\U000e01ef]"
)

# First letters of two and three byte sequences read as Windows-1252, before what their next byte became; the same
# for Windows-1251; UTF-8 Chinese read as GBK.
_GARBLED = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
    "\u2013\u2014\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]"
    "|[РС][\u00a0-\u00bf\u0402-\u040f\u0452-\u045f\u201a-\u2030]|\u221a[\u00a0-\u00ff\u2020]"
)
# A capital Ã or Â at the end of a word in quotes is none: “MANHÃ” would become “MANHÔ.
_QUOTED = re.compile(
    "(?<=[A-Z\u00c0-\u00de\u201c\u2018\u00ab\"'])[\u00c2\u00c3][\u201d\u2019\u00bb\u2026\u2013\u2014](?!\\w)"
)
# UTF-8 Chinese read as GBK becomes rare characters; these come in nearly every such sentence, and in few others.
_GARBLED_CHINESE = re.compile("[锛銆鐨鏄鍦鎴浠璇鎮鍚鍙涓杩]")
# What stays of a garbled letter when one of its bytes was lost: no language puts these beside each other. A capital
# right behind a small letter, or as a word of its own before two blanks, is the first half of a letter and no more.
_HALF = re.compile("[\u00c2\u00c3\u00e2\u00ef\u00f0]")
_HALF_LETTERS = re.compile(
    "\u00e2[\u20ac\u201a\u02c6]|\u00ef\u00bf\u00bd|\u00ef\u00bb\u00bf|\u00f0\u0178"
    "|(?<=[a-z\u00df-\u00ff])[\u00c2\u00c3](?![A-Z\u00c0-\u00de])|(?<![^\\s])\u00c3  (?=[a-z])"
    "|(?<=[0-9.,;:!?%)])\u00c2(?![^\\s.,;:!?()])"
)
# The same where other letters of the text were garbled for sure: there, also at the begin of a word. Not among
# capitals (MANHÃ, PÂTÉ), and no Â that begins one (Âge, Ân).
_HALF_AMONG_GARBLED = re.compile("(?<![A-Z\u00c0-\u00de])(?:\u00c3(?![A-Z\u00c0-\u00de])|\u00c2(?![^\\W\\d_]))")
# A lost last byte before a blank: far more often a quote or a smile than the dagger or the angry face whose last
# byte is a blank that does not break the line.
_LOST_BEFORE_BLANK = re.compile("(?:\u00e2\u20ac|\u00f0\u0178.?)\\s")
_NOT_ASCII = re.compile("[^\x00-\x7f]+")
_FILLERS = ("烫烫烫", "屯屯屯")  # memory that was never written, read as GBK
MIN_RECOVERED = 4


def has_control(text: str) -> bool:
    """Whether control characters other than tab and line ends are in it."""
    return CONTROL.search(text) is not None


def has_hidden(text: str) -> bool:
    """Whether characters that nobody sees are where no script and no emoji needs them."""
    if text.isascii() or not _SUSPECT.search(text):
        return False
    return without_hidden(text) != text


def without_hidden(text: str) -> str:
    """The text without them."""
    if text.isascii() or not _SUSPECT.search(text):
        return text
    if _DIRECTION.search(text) and not _RIGHT_TO_LEFT.search(text):
        text = _DIRECTION.sub("", text)
    return _HIDDEN.sub("", _TAGS.sub(lambda hit: hit.group(1) or "", text))


def has_mojibake(text: str) -> bool:
    """Whether letters are garbled by a wrong encoding, as far as that is sure."""
    if text.isascii():
        return False
    if any(filler in text for filler in _FILLERS):
        return True
    if _GARBLED_CHINESE.search(text) and _is_garbled_chinese(text):
        return True
    if has_half_letters(text):
        return True
    return _GARBLED.search(text) is not None and without_mojibake(text) != text


def has_half_letters(text: str, *, among_garbled: bool = False) -> bool:
    """Whether halves of garbled letters stand in it, whose other bytes were lost, so that nothing can undo them.

    Args:
        among_garbled: other letters of the text are known to have been garbled; then less is needed to be sure.
    """
    if text.isascii() or not _HALF.search(text):
        return False
    return bool(_HALF_LETTERS.search(text) or (among_garbled and _HALF_AMONG_GARBLED.search(text)))


def _is_garbled_chinese(text: str) -> bool:
    """Whether the characters, written as GBK and read as UTF-8, give Chinese again, but for a few lost bytes.

    Chinese in order, written as GBK, is hardly ever valid UTF-8.
    """
    data = "".join(_NOT_ASCII.findall(text)).encode("gb18030", "ignore")
    recovered = data.decode("utf-8", "ignore")
    num_han = sum("\u4e00" <= char <= "\u9fff" for char in recovered)
    return num_han >= MIN_RECOVERED and len(recovered.encode("utf-8")) >= 0.75 * len(data)


def without_mojibake(text: str) -> str:
    """The text with garbled letters put right where that is sure, line by line; else as it was."""
    if text.isascii() or not (_GARBLED.search(text) or _GARBLED_CHINESE.search(text)):
        return text
    return "\n".join(_mended_line(line) for line in text.split("\n"))


def _mended_line(line: str) -> str:
    if line.isascii():
        return line
    if _GARBLED_CHINESE.search(line) and _is_garbled_chinese(line):
        try:
            return line.encode("gb18030").decode("utf-8")
        except UnicodeError:
            pass
    if not _GARBLED.search(_QUOTED.sub("", line)) or _LOST_BEFORE_BLANK.search(line):
        return line
    from ftfy import TextFixerConfig, fix_encoding

    # Only whole, lossless undoing: what ftfy would put in the place of lost bytes is a guess.
    mended = fix_encoding(line, TextFixerConfig(replace_lossy_sequences=False))
    lost = "\ufffd" in mended and "\ufffd" not in line
    return line if lost or not mended.strip() or (CONTROL.search(mended) and not CONTROL.search(line)) else mended
