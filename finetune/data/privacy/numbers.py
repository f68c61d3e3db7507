"""Runs of digits: telephone numbers, national ids, payment cards. Only runs of seven digits and more are looked at."""

from __future__ import annotations

import re
from functools import lru_cache

from finetune.data.privacy import identities
from finetune.data.privacy.kinds import Found
from finetune.data.privacy.page import Page

_SEPARATORS = frozenset(" .-/()\u2010\u2011\u2012\u2013\u00a0")
_LETTER = re.compile(r"[^\W\d_]")
_MAX_WINDOW_GROUPS = 8
_LEFT_SIGNS = 48  # how far before a number a word may say what it is
_MAX_NOTHINGS = 4096

_PHONE_CUE = re.compile(
    r"(?:(?:\btele?(?:ph(?:one)?|fono|foon|fon(?:nummer)?)?|\bt[eé]l[eé]phone|\bt[eé]l|\btel[eé]fono|"
    r"\bphones?|\bcall(?:ing|ed)?|"
    r"\bfax|\bmobile|\bm[oó]vil|\bmobil|\bhandy(?:nummer)?|\bportable|\bcell(?:ulare|phone)?|\bring|\btext|"
    r"\bsms|\bwhats ?app|\bhotline|"
    r"\bcontact|\breach(?:ed)?|\bdial|\bpager|\brufen|\bappelez|\bllam[ae]|\bchiama(?:re|te)?|\bph|\btoll[- ]free)\b|"
    r"电话|手机|手提|致电|拨打|热线|联系方式|传真|座机|来电|短信|微信)[^\d\n]{0,22}$",
    re.I,
)
# What stands right before a number that is none of ours.
_OTHER_NUMBER = re.compile(
    r"(?:\bisbn|\bissn|\bpm(?:c ?)?id|\bpmc|\bdoi|\bnct|\brs|\bomim|\bmim|\bec|\bcas|\barticle|"
    r"\bref(?:erence)?|\bgene ?id|"
    r"\binvoice|\btracking|\border|\btransaction|\bversion|\bpatent|\bbarcode|\bgrant|\btrial|\bserial|\bticket|\bcase|"
    r"\bvol(?:ume)?|\bpages?|\bpp|\bsku|\bart(?:ikel|icle)?|\bbuild|订单号?|单号|货号|编号|批号|文号|准字[a-z]?|专利号?)"
    r"(?: ?(?:no|number|nr|id|#|-?1[03]))?[.:# ：]{0,3}$",
    re.I,
)
_EXTENSION = re.compile(r" ?(?:x|ext\.?|extension|转|分机)[ .:]?\d{1,5}(?!\d)", re.I)
_LEFT_BARRED = frozenset(".#$€£¥=_%±<>≤≥~^*&?")
_REGIONS = {
    "en": ("US", "GB", "AU", "IE"),
    "zh": ("CN", "TW", "HK"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH"),
    "es": ("ES", "MX", "AR"),
    "it": ("IT",),
    "nl": ("NL", "BE"),
    "pl": ("PL",),
    "pt": ("PT", "BR"),
    "sv": ("SE",),
    "da": ("DK",),
    "no": ("NO",),
    "nb": ("NO",),
    "fi": ("FI",),
    "ja": ("JP",),
    "ko": ("KR",),
    "ru": ("RU",),
    "hi": ("IN",),
    "cs": ("CZ",),
}
_COMMON = ("US", "GB", "CN", "DE", "FR", "ES", "IT")


@lru_cache(maxsize=64)
def regions_of(languages: tuple[str, ...]) -> tuple[str, ...]:
    """The regions whose plans are tried, those of the declared languages first."""
    first = [region for code in languages for region in _REGIONS.get(code.lower()[:2], ())]
    every = list(_COMMON) + [region for regions in _REGIONS.values() for region in regions]
    return tuple(dict.fromkeys(first + every))


@lru_cache(maxsize=4096)
def _valid(digits: str, region: str | None) -> bool:
    import phonenumbers

    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number)


@lru_cache(maxsize=4096)
def _possible(digits: str) -> bool:
    """A country code and a length that its plan knows: a number that is not given to anyone, or mistyped."""
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(digits, None))
    except phonenumbers.NumberParseException:
        return False


def find(page: Page, languages: tuple[str, ...], found: list[Found]) -> None:
    """Appends telephone numbers, ids and cards; they may overlap. Digit groups with up to three separators between
    them are looked at together, and only where they hold seven digits or more."""
    text, spans = page.text, page.digits
    first, num_spans = 0, len(spans)
    while first < num_spans:
        last = first
        num_digits = spans[first][1] - spans[first][0]
        while last + 1 < num_spans:
            gap = text[spans[last][1] : spans[last + 1][0]] if spans[last + 1][0] - spans[last][1] <= 3 else "x"
            if not _SEPARATORS.issuperset(gap):
                break
            last += 1
            num_digits += spans[last][1] - spans[last][0]
        if num_digits >= 7:
            _windows(text, spans[first : last + 1], languages, found)
        first = last + 1


def _windows(text: str, groups: list[tuple[int, int]], languages: tuple[str, ...], found: list[Found]) -> None:
    """Tries neighbouring groups together, longest first; a group belongs to one number at most."""
    first = 0
    nothings: set[str] = set()  # in long tables the same few digits stand again and again
    while first < len(groups):
        taken = first + 1
        num_digits = 0
        fitting = []
        for last in range(first, min(len(groups), first + _MAX_WINDOW_GROUPS)):
            num_digits += groups[last][1] - groups[last][0]
            if num_digits > 19:
                break
            if num_digits >= 7:
                fitting.append(last)
        start = groups[first][0]
        is_amid = start - groups[0][0] >= _LEFT_SIGNS  # no letter is near then, and nothing but these signs counts
        for last in reversed(fitting):
            signs = text[start - 3 : groups[last][1] + 2] if is_amid and last + 1 < len(groups) else ""
            if signs in nothings:
                continue
            one = _number(text, groups[first : last + 1], languages)
            if one is None and signs and len(nothings) < _MAX_NOTHINGS:
                nothings.add(signs)
            if one is not None:
                found.append(one)
                taken = last + 1
                break
        first = taken


def _number(text: str, groups: list[tuple[int, int]], languages: tuple[str, ...]) -> Found | None:
    start, end = groups[0][0], groups[-1][1]
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    joined = before.isascii() and (before.isalnum() or before in _LEFT_BARRED)
    if joined or (after.isascii() and after.isalpha() and after not in "xX"):
        return None
    if after in ".,-/" and end + 1 < len(text) and text[end + 1].isdigit():
        return None
    shape = tuple([stop - begin for begin, stop in groups])
    if len(shape) > 5 and before != "+" and shape not in identities.LONG_SHAPES:
        return None
    gaps = [text[groups[k][1] : groups[k + 1][0]] for k in range(len(groups) - 1)]
    digits = "".join(text[begin:stop] for begin, stop in groups)
    left = text[max(0, start - _LEFT_SIGNS) : start]
    if not _LETTER.search(left):
        left = left[-3:]  # no cue without a letter; tables of numbers are passed over quickly
    one = identities.by_shape(text, start, end, digits, shape, gaps, left)
    if one is not None:
        return one
    if after in "xX" and not _EXTENSION.match(text, end):
        return None
    return _phone(text, start, end, digits, shape, gaps, left, languages)


def _phone(
    text: str,
    start: int,
    end: int,
    digits: str,
    shape: tuple[int, ...],
    gaps: list[str],
    left: str,
    languages: tuple[str, ...],
) -> Found | None:
    """A telephone number: with a country code, in a country's usual groups, or after a word such as "phone"."""
    if len(digits) > 15 or _is_date(digits, shape, gaps):
        return None
    plus = left.endswith(("+", "(+"))
    begin = start
    while begin and text[begin - 1] in "+(":
        begin -= 1
    cue = _PHONE_CUE.search(left[: len(left) - (start - begin)])
    score = 0.0
    if plus and len(digits) >= 8:
        dialled = "+" + _without_trunk_zero(digits, gaps, text, start)
        score = 0.95 if _valid(dialled, None) else (0.7 if _possible(dialled) else 0.0)
    elif digits.startswith("00") and len(digits) >= 10:
        score = 0.9 if _valid("+" + digits[2:], None) else 0.0
    if not score and not plus and (cue or not _OTHER_NUMBER.search(left)):
        score = _national(digits, shape, gaps, bool(cue), languages)
    if not score:
        return None
    tail = _EXTENSION.match(text, end)
    if text[begin:start].count("(") > text[start:end].count(")"):
        begin += text[begin:start].index("(") + 1
    return Found("phone", begin, tail.end() if tail else end, score)


def _without_trunk_zero(digits: str, gaps: list[str], text: str, start: int) -> str:
    """+44 (0)20 ...: the zero in brackets is not dialled from abroad."""
    place = text.find("(0)", start, start + 8)
    return digits if place < 0 else digits.replace("0", "", 1) if digits.index("0") <= 3 else digits


_US_GAPS = (
    {"-"},
    {"."},
    {" "},
    {") ", "-"},
    {")", "-"},
    {")-", "-"},
    {") "},
    {" ", "-"},
    {") ", "."},
    {" (", ") ", "-"},
)


def _national(digits: str, shape: tuple[int, ...], gaps: list[str], cue: bool, languages: tuple[str, ...]) -> float:
    """The score of a number without country code."""
    if any(_valid(digits, region) for region in _usual_form(digits, shape, set(gaps))):
        return 0.9 if cue or len(shape) > 1 else 0.8
    if not cue or len(digits) > 13:
        return 0.0
    if any(_valid(digits, region) for region in regions_of(languages)):
        return 0.85
    return 0.6 if len(shape) <= 5 and len(digits) >= 7 and set("".join(gaps)) <= set(" -.()/") else 0.0


def _usual_form(digits: str, shape: tuple[int, ...], gaps: set[str]) -> list[str]:
    """The regions in whose usual written form the groups stand."""
    regions: list[str] = []
    if shape in ((3, 3, 4), (1, 3, 3, 4)):
        if digits[0] == "0" and gaps <= {" "}:
            regions.append("GB" if digits.startswith("02") else "IT")
        elif digits[:3] == "400" and gaps == {"-"} and len(shape) == 3:
            regions.append("CN")
        elif gaps in _US_GAPS and (len(shape) == 3 or digits[0] == "1"):
            regions.append("US")
    if (
        digits[0] == "1"
        and len(digits) == 11
        and digits[1] in "3456789"
        and shape in ((11,), (3, 4, 4))
        and gaps <= {" ", "-"}
    ):
        regions.append("CN")
    if shape == (2, 2, 2, 2, 2) and digits[0] == "0" and len(gaps) == 1 and gaps <= {" ", ".", "-"}:
        regions.append("FR")
    if shape in ((3, 3, 3), (3, 2, 2, 2)) and digits[0] in "679" and gaps == {" "}:
        regions.append("ES")
    if digits[0] == "3" and shape in ((3, 7), (3, 3, 4), (3, 6)) and gaps == {" "}:
        regions.append("IT")
    if digits[0] == "0" and len(shape) > 1:
        regions += _trunk_zero_forms(digits, shape, gaps)
    return regions


def _trunk_zero_forms(digits: str, shape: tuple[int, ...], gaps: set[str]) -> list[str]:
    """Numbers with the 0 of a call within the country: area code, then the subscriber in up to four groups."""
    regions: list[str] = []
    if len(shape) == 2 and gaps == {"-"} and shape[0] in (3, 4) and shape[1] in (7, 8):
        regions.append("CN")
    if gaps <= {" ", ") ", "-"} and shape in ((5, 6), (4, 3, 4), (3, 4, 4), (5, 3, 3), (5, 5), (4, 4, 3), (4, 7)):
        regions.append("GB")
    area_first = shape[0] in (3, 4, 5) and len(shape) <= 5 and min(shape) >= 2
    if 8 <= len(digits) <= 13 and area_first and gaps & {"/", "-", " / ", "/ ", " "}:
        regions.append("DE")
    return regions


def _is_date(digits: str, shape: tuple[int, ...], gaps: list[str]) -> bool:
    if shape in ((4, 2, 2), (2, 2, 4), (1, 2, 4), (2, 1, 4), (1, 1, 4), (4, 1, 2), (4, 2, 1), (4, 4), (4, 1, 1)):
        return any("1900" <= digits[k : k + 4] <= "2099" for k in (0, len(digits) - 4))
    if len(shape) > 3 and shape[0] == 4 and "1900" <= digits[:4] <= "2099" and shape[1] <= 2 and shape[2] <= 2:
        return True
    return shape == (8,) and "19000101" <= digits <= "20991231" and digits[4:6] <= "12" and digits[6:] <= "31"
