"""Which number, and which letter of a choice, a reply states: digits, English and Chinese number words."""

from __future__ import annotations

import re

from finetune.evaluation.suites import texts

_UNITS = {"十": 10, "百": 100, "千": 1000, "拾": 10, "佰": 100, "仟": 1000}
_LARGE = {"万": 10_000, "萬": 10_000, "亿": 100_000_000, "億": 100_000_000}
_HAN_DIGITS = {
    **{sign: value for value, sign in enumerate("零一二三四五六七八九")},
    **{sign: value for value, sign in enumerate("零壹贰叁肆伍陆柒捌玖")},
    "〇": 0,
    "两": 2,
}
_ENGLISH_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_ENGLISH = {
    **{word: value for value, word in enumerate(_ENGLISH_ONES.split())},
    **{word: 20 + 10 * place for place, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"))},
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_WHOLE = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_DIGITS = re.compile(
    r"(?<![\d.])(?<!\d:)(?!\d{1,2}:\d\d)(?P<sign>(?<![A-Za-z0-9)\]])-\s?)?(?:(?P<mixed>\d+) (?=\d+/\d))?"
    rf"(?P<whole>{_WHOLE}(?:\.\d+)?|\.\d+)"
    r"(?:/(?P<under>\d+(?:\.\d+)?)(?![/\d]))?"
    r"(?:\s?(?P<large>[万亿萬億千百]|million\b|billion\b|thousand\b))?",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}")
_HAN_NUMBER = re.compile(f"(负)?([{''.join((*_HAN_DIGITS, *_UNITS, *_LARGE))}]+)(?:点([{''.join(_HAN_DIGITS)}]+))?")
_ONE_WORD = "|".join((*_ENGLISH, *_SCALES))
_WORDS = re.compile(rf"\b(?:(minus|negative) )?((?:{_ONE_WORD})(?:(?:-| and | |, )(?:{_ONE_WORD}))*)\b", re.IGNORECASE)
_MARK = re.compile(
    r"\\boxed\{|####|(?:final answer|the answer|answer|the result|the total|in total|altogether)\b(?: is| was| comes to"
    r"| would be| will be| equals)?\s*[:=]?"
    r"|(?:答案|结果|总共|一共|共计|合计|所以|因此)[^\d\n]{0,12}?(?:是|为|有|等于|[:：=])?",
    re.IGNORECASE,
)
# A result, not one more step: "29 = 7 x 4 + 1" has none.
_EQUAL = re.compile(r"=(?!\s*[\d.,]+\s*[-+*×x/÷])")
_OPENS = re.compile(
    r"\s?(?:[a-z]{1,15}|[\u4e00-\u9fff]{1,2})?\s?(?:[,;!(，；！（。\n]|\.(?!\d)\s+\D|because\b|since\b|as\b)", re.I
)
_LIST_MARK = re.compile(r"^\s*(\d{1,2})[.)、]\s", re.MULTILINE)
_SENTENCE_END = re.compile(r"[\n。!?！？]|\.\s")
_STEP = re.compile(r"\bstep\b|步骤|第.步", re.IGNORECASE)
_OPTION_SAID = re.compile(
    r"(?:answer|choice|option|choose|pick|select|答案|选项|选择|选|应选|正确的是)\s*"
    r"(?:is|would be|should be|是|为)?\s*[:：]?\s*"
    r"(?:option |选项)?[(（\"'【]?([A-H])(?![A-Za-z'])",
    re.IGNORECASE,
)
_OPTION_FIRST = re.compile(r"\A[(（【\"']?([A-Ha-h])(?:[)）】.:：、,，\"']|\s*\Z|\n|(?<=[B-H])\s)")
# "A dog" is no choice, "A or B" names two.
_OPTION_ALONE = re.compile(r"(?<![A-Za-z'])(?!A (?!or\b|and\b|is\b)[a-z])([A-H])(?![A-Za-z'])")


def numbers_in(text: str) -> list[tuple[float, int, int]]:
    """(value, start, end) of every number written in digits; where there is none, of every one written in words.

    1,234.5, 3/4, 1 1/2, 1.2万 and 3 million are one number each; a hyphen between two numbers is no sign.
    """
    digits = [(_value(match), match.start(), match.end()) for match in _DIGITS.finditer(text)]
    if digits:
        return digits
    han = [(_han_number(match), match.start(), match.end()) for match in _HAN_NUMBER.finditer(text)]
    english = [(_english_number(match), match.start(), match.end()) for match in _WORDS.finditer(text)]
    found = sorted([(value, start, end) for value, start, end in han + english if value is not None], key=_start)
    # "one" and 一 are articles more often than numbers: they count where they stand alone.
    others = [number for number in found if text[number[1] : number[2]].lower() not in ("one", "一")]
    return others or found


def _start(number: tuple[float, int, int]) -> int:
    return number[1]


def stated_number(reply: str) -> float | None:
    """The number a reply gives as its answer; None when it holds none.

    Where there are several: the one marked as the answer ("the answer is", a box, 答案是), else the last one in
    bold, else the one a reply opens with ("42, because 6 times 7"), else, of the last sentence with a number, the
    result after its last "=", else the last. Times of day (14:10) are no numbers.
    """
    marked = _FRACTION.sub(r"\1/\2", texts.visible(reply))
    bold = re.findall(r"\*\*([^*\n]{1,60})\*\*", marked)
    text = texts.without_emphasis(marked)
    if len(_LIST_MARK.findall(text)) > 1:
        text = _LIST_MARK.sub("", text)
    found = numbers_in(text)
    if len({value for value, _, _ in found}) <= 1:
        return found[0][0] if found else None
    for mark in reversed(list(_MARK.finditer(text))):
        after = _after(text, mark.end(), found)
        if after is not None:
            return after
    for piece in reversed([piece for piece in bold if not _STEP.search(piece)]):
        inside = numbers_in(piece)
        if len(inside) == 1:
            return inside[0][0]
    value, start, end = found[0]
    if not re.sub(r"[\s$€£¥￥约]", "", text[:start]) and _OPENS.match(text[end:]):
        return value
    last = found[-1][1]
    for equal in reversed(list(_EQUAL.finditer(text))):
        # Only of the sentence that comes last: an earlier one is a step on the way.
        if equal.end() > last or not _SENTENCE_END.search(text[equal.end() : last]):
            after = _after(text, equal.end(), found)
            if after is not None:
                return after
    return found[-1][0]


def stated_option(reply: str) -> str | None:
    """The letter A-H that a reply chooses; None when it chooses none, or more than one."""
    text = texts.without_emphasis(texts.visible(reply))
    first = _OPTION_FIRST.match(text)
    if first:
        return first.group(1).upper()
    said = [match.group(1).upper() for match in _OPTION_SAID.finditer(text) if match.group(1).isupper()]
    if said:
        return said[-1]
    alone = {match.group(1) for match in _OPTION_ALONE.finditer(text)}
    return alone.pop() if len(alone) == 1 else None


def _after(text: str, place: int, found: list[tuple[float, int, int]]) -> float | None:
    """The number next after a place, in the same clause; a calculation "6 x 7 = 42" there counts by its result."""
    for index, (value, start, end) in enumerate(found):
        if start < place:
            continue
        if start - place > 60 or _SENTENCE_END.search(text[place:start]):
            return None
        equal = re.match(r"[^\n=.。]{0,60}=", text[end:])
        if equal and index + 1 < len(found):
            return _after(text, end + equal.end(), found) or value
        return value
    return None


def _value(match: re.Match[str]) -> float:
    value = float(match["whole"].replace(",", ""))
    if match["under"] and float(match["under"]):
        value /= float(match["under"])
    if match["mixed"]:
        value += float(match["mixed"])
    large = (match["large"] or "").lower()
    value *= _UNITS.get(large) or _LARGE.get(large) or _SCALES.get(large) or 1
    return -value if match["sign"] else value


def _han_number(match: re.Match[str]) -> float | None:
    negative, whole, decimals = match.groups()
    if not any(sign in whole for sign in (*_UNITS, *_LARGE)):
        # 二〇二四, 一二三: digits read one by one; one sign alone is that digit.
        value = float("".join(str(_HAN_DIGITS[sign]) for sign in whole))
    else:
        total = section = digit = 0
        for sign in whole:
            if sign in _HAN_DIGITS:
                digit = _HAN_DIGITS[sign]
            elif sign in _UNITS:
                section += (digit or 1) * _UNITS[sign]
                digit = 0
            else:
                total = (total + section + digit) * _LARGE[sign] if sign in "亿億" else total + (
                    section + digit) * _LARGE[sign]  # fmt: skip
                section = digit = 0
        value = float(total + section + digit)
        if value == 0:
            return None
    if decimals:
        value += float("0." + "".join(str(_HAN_DIGITS[sign]) for sign in decimals))
    return -value if negative else value


def _english_number(match: re.Match[str]) -> float | None:
    negative, said = match.groups()
    total = section = 0
    for word in re.findall(r"[a-z]+", said.lower()):
        if word == "and":
            continue
        if word == "hundred":
            section = max(section, 1) * 100
        elif word in _SCALES:
            total, section = total + max(section, 1) * _SCALES[word], 0
        else:
            section += _ENGLISH[word]
    value = float(total + section)
    return -value if negative else value
