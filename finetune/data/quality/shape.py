"""The shape of an answer: loops, what is left open, where it ends, how short it is. All in linear time."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

_FENCE_LINE = re.compile(r"^[ \t>]*(`{3,}|~{3,})[^\n]*$", re.MULTILINE)
_CODE = re.compile(r"^[ \t>]*```.*?(?:^[ \t>]*```|\Z)|`[^`\n]{1,300}`", re.DOTALL | re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？；!?;\n]")
_RUN = re.compile(r"([^\s\d\-=_.*#~+|\\/<>·…─—━═.，,。、!！?？]|哈|啊)\1{40,}")
_PLAIN_WORDS = re.compile(r"[A-Za-z]{2,}")

MIN_SENTENCE_CHARS = 10
MIN_LOOP_CHARS = 120

_OPENERS = "([（【《"
_PAIR = {"(": "(", "（": "(", ")": "(", "）": "(", "[": "[", "]": "[", "【": "【", "】": "【", "《": "《", "》": "《"}
_BRACKET = re.compile(r"[()（）\[\]【】《》]")
# Smileys, "a)" and "1)" of lists, half-open intervals such as [0, 1): brackets that stand alone on purpose.
_ALONE = re.compile(
    r"[:;=8][-o^']?[()\[\]]|[()\[\]][-o^']?[:;=](?![\w/])|[(\[]\s?-?[\w.∞+-]{1,12}\s?,\s?-?[\w.∞+-]{1,12}\s?[)\]]"
)
_FORMULA = re.compile(r"\\(?:frac|sum|int|sqrt|alpha|beta|theta|pi|cdot|times|left|right|text|mathrm|mathbf)\b")
_MONEY = re.compile(r"\$\s?\d|\d\s?\$|US\$")
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([a-z]{1,20}\*?)\}")
_ABOUT_CODE = re.compile(
    r"code|program|function|script|regex|bracket|parenthes|quote|syntax|\bstring\b|\bsql\b|python|java|\bc\+\+|latex"
    r"|equation|formula|emoji|代码|程序|函数|括号|编写|脚本|语法|正则|公式|表情",
    re.IGNORECASE,
)

MIN_CUT_CHARS = 80
# Words that no English sentence ends with (with "of" and "to" a question may end).
_GOES_ON_WORDS = (
    "the a an and or than whose their its your our my because if when while although between including such very but"
)
_GOES_ON = frozenset(_GOES_ON_WORDS.split())
# A line that asks the reader for something may end with a colon.
_ASKS_BACK = re.compile(
    r"(?:请[^。\n]{0,30}|选择|输入|回答|命令|\b(?:please|enter|choose|select|type|pick|choice|option|answer|input|command)\b"
    r"[^.\n]{0,30})\s*[:：]\Z",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"([A-Za-z]+)\s*\Z")
_LONE_NUMBER = re.compile(r"\n[ \t]*\d{1,2}[.)、][ \t]*\Z")
_ENDED = re.compile(r"[.!?][\"')\]”’]?\s+\S")


def has_loop(text: str) -> bool:
    """Whether a sentence comes four times in a row, or most of a longer text is repetition, or one sign runs on."""
    if _has_run(text):
        return True
    if len(text) < MIN_LOOP_CHARS:
        return False
    sentences = [part.strip() for part in _SENTENCE_END.split(_CODE.sub("\n", text) if "`" in text else text)]
    sentences = [part for part in sentences if _is_sentence(part)]
    num_same = 1
    for before, this in pairwise(sentences):
        num_same = num_same + 1 if before == this else 1
        if num_same >= 4:
            return True
    if len(sentences) >= 8:
        num_repeated = sum(number - 1 for number in Counter(sentences).values() if number >= 3)
        if num_repeated * 2 > len(sentences):
            return True
    return _loops_at_end(text)


def _is_sentence(part: str) -> bool:
    least = MIN_SENTENCE_CHARS if part.isascii() else MIN_SENTENCE_CHARS // 2
    return len(part) >= least and not part.startswith("|")


def _has_run(text: str) -> bool:
    """Whether one sign runs on for more than forty; every twentieth place is looked at, which misses none."""
    for start, (first, last) in enumerate(zip(text[::20], text[19::20])):
        if first == last and text[20 * start : 20 * start + 20] == first * 20:
            return _RUN.search(text) is not None
    return False


def _loops_at_end(text: str) -> bool:
    """Whether the last 600 characters are one piece of 3 to 60 characters over and over, as a stuck model writes."""
    tail = text[-600:].rstrip()
    if len(tail) < 300:
        return False
    tail = tail[-300:]
    for period in range(3, 61):
        if tail[period:] == tail[:-period]:
            return len(_PLAIN_WORDS.findall(tail[-period:])) >= 2 or not tail[-period:].isascii()
    return False


def has_open_fence(text: str) -> bool:
    """Whether a block of code is opened and never closed."""
    if "```" not in text and "~~~" not in text:
        return False
    open_sign = ""
    hits = list(_FENCE_LINE.finditer(text))
    if len(hits) % 2 == 0:
        return False  # blocks within blocks: closed by their number, if not by the rules
    for hit in hits:
        sign = hit.group(1)
        if not open_sign:
            # "```code```" in one line opens nothing
            if sign[0] not in hit.group(0)[hit.end(1) - hit.start(0) :]:
                open_sign = sign
        elif sign[0] == open_sign[0] and len(sign) >= len(open_sign) and not hit.group(0).strip(" \t>`~"):
            open_sign = ""
    return bool(open_sign)


def has_open_bracket(text: str, question: str) -> bool:
    """Whether a bracket or formula of plain text is opened and never closed.

    Only openings count, not closings too many ("a)" is a list); texts about code, and smileys, do not.
    """
    if _has_open_formula(text):
        return True
    if text.count("(") + text.count("（") + text.count("[") + text.count("【") + text.count("《") <= (
        text.count(")") + text.count("）") + text.count("]") + text.count("】") + text.count("》")
    ):
        return False
    if _ABOUT_CODE.search(question) or _ABOUT_CODE.search(text[:2000]):
        return False
    plain = _ALONE.sub(" ", _CODE.sub(" ", text))
    return any(number > 0 for number in _left_open(plain).values())


def _left_open(text: str) -> dict[str, int]:
    """For each shape of bracket, openings without a closing after them."""
    depth: dict[str, int] = {}
    for sign in _BRACKET.findall(text):
        shape = _PAIR[sign]
        step = 1 if sign in _OPENERS else -1
        depth[shape] = max(0, depth.get(shape, 0) + step)
    return depth


def _has_open_formula(text: str) -> bool:
    if "\\" not in text and "$$" not in text:
        return False
    plain = _CODE.sub(" ", text)
    opened: Counter[str] = Counter()
    for which, name in _ENVIRONMENT.findall(plain):
        opened[name] += 1 if which == "begin" else -1
    if any(number > 0 for number in opened.values()):
        return True
    if not _FORMULA.search(plain):
        return False
    if plain.count("$$") % 2 or plain.count("\\[") > plain.count("\\]"):
        return True
    return plain.replace("$$", "").replace("\\$", "").count("$") % 2 == 1 and not _MONEY.search(plain)


def is_cut(answer: str, question: str) -> bool:
    """Whether an answer of some length surely stops before its end."""
    text = answer.rstrip()
    if len(text) < MIN_CUT_CHARS or text.endswith("```"):
        return False
    if _LONE_NUMBER.search("\n" + text[-40:]) and "\n" in text:
        return True
    last = text[-1]
    if last in "，、,：:（(“《" and not _ABOUT_CODE.search(question) and not _ASKS_BACK.search(text[-50:]):
        return True
    line = text[text.rfind("\n") + 1 :]
    word = _LAST_WORD.search(line[-40:])
    if word is None or len(line) < MIN_CUT_CHARS or not _ENDED.search(line):
        return False
    return word.group(1) in _GOES_ON


_SHORT_BUT_WHOLE_WORDS = "no ok ja si sí oui da là yes hi go 是 否 对 错 有 无 真 假 会 能 好 不 男 女 可"
_SHORT_BUT_WHOLE = frozenset(_SHORT_BUT_WHOLE_WORDS.split())


def is_short(answer: str) -> bool:
    """Whether an answer has hardly a letter: signs only, or one or two letters that are no word and no choice."""
    if len(answer) > 8:
        return False
    letters = [char for char in answer if char.isalnum()]
    if not letters:
        return True
    word = "".join(letters).lower()
    if any(char.isdigit() for char in letters) or word in _SHORT_BUT_WHOLE or (len(word) == 1 and word in "abcdefgh"):
        return False
    return word.isascii() and len(letters) <= 2  # one Chinese character can be an answer
