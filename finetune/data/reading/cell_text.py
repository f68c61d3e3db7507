"""The value of a cell and its number format -> the text one sees: 0.5 under 0% is "50%", 1234.5 may be "1,234.50".

Applied are the plain formats: fixed and optional decimals, thousands separators, percent, leading zeros, and signs,
units and words before and behind the number. The others (fractions, exponents, scaled by thousands, conditions) are
told, never guessed. Formats as in ECMA-376, part 1, 18.8.31.
"""

from __future__ import annotations

import datetime
import decimal
import functools
import re
from typing import Any, NamedTuple

# what may stand in a section: a quoted text, an escaped sign, a sign's width, a fill, brackets, one sign
_PARTS = re.compile(r'"([^"]*)"|\\(.)|_(.)|\*(.)|\[([^\]]*)\]|(.)', re.DOTALL)
_COLOUR = re.compile(r"(?:black|blue|cyan|green|magenta|red|white|yellow|color ?\d+)", re.IGNORECASE)
_PLAIN_SIGNS = "$€£¥₹%+-()!^&'~{}<>:  "
_NUMBER = re.compile(r"(?P<whole>[#0]*|[#0]{1,3}(?:,[#0]{3})+|#,##0|#,###)(?:\.(?P<decimals>0*#*))?\Z")
_MOST_DIGITS = 15  # that a spreadsheet keeps


class Format(NamedTuple):
    """One section of a plain number format."""

    before: str
    behind: str
    num_whole: int
    has_thousands: bool
    min_decimals: int
    max_decimals: int
    num_percent: int
    is_plain: bool = False


_GENERAL = Format("", "", 0, False, 0, 0, 0, is_plain=True)


def as_shown(value: Any, number_format: str | None) -> tuple[str, str]:
    """(text, how it came about) of a cell.

    Args:
        value: as openpyxl gives it.
        number_format: of the cell.

    Returns:
        How: "" where the value says it, "date" for ISO 8601, "formatted" where the format was applied, "unknown"
        where it is none of the plain ones, and the text is that of the value.
    """
    if isinstance(value, (datetime.date, datetime.time)):
        return as_text(value), "date"
    if isinstance(value, datetime.timedelta):
        return as_text(value), "unknown"
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return as_text(value), ""
    number = decimal.Decimal(repr(value))
    sections = sections_of(number_format or "General")
    if sections is None or not number.is_finite():
        return as_text(value), "unknown"
    section, sign = sections[0], "-" if number < 0 else ""
    if number < 0 and len(sections) > 1:
        section, sign = sections[1], ""
    elif number == 0 and len(sections) > 2:
        section = sections[2]
    if section is None:
        return as_text(value), "unknown"
    if section.is_plain:
        plain = as_text(abs(value) if number < 0 else value)
        text = f"{section.before}{sign}{plain}{section.behind}".strip()
    else:
        text = _written(abs(number), section, sign)
    return text, "formatted" if text != as_text(value) else ""


def _written(number: decimal.Decimal, section: Format, sign: str) -> str:
    with decimal.localcontext() as context:
        context.prec = 400  # the largest number has 309 digits before the point
        number = number.scaleb(2 * section.num_percent)
        number = number.quantize(decimal.Decimal(1).scaleb(-section.max_decimals), decimal.ROUND_HALF_UP)
        whole, _, decimals = format(number, "f").partition(".")
    while len(decimals) > section.min_decimals and decimals.endswith("0"):
        decimals = decimals[:-1]
    whole = whole.lstrip("0").rjust(section.num_whole, "0")
    if section.has_thousands:
        # not by format(): leading zeros are grouped, too
        whole = re.sub(r"(?<=\d)(?=(?:\d{3})+\Z)", ",", whole)
    if not number:
        sign = ""
    return f"{sign}{section.before}{whole}{'.' if decimals else ''}{decimals}{section.behind}".strip()


@functools.lru_cache(maxsize=1024)
def sections_of(number_format: str) -> tuple[Format | None, ...] | None:
    """The sections for positive, negative and zero numbers; None in place of one that is not plain, or for all."""
    parts: list[list[re.Match[str]]] = [[]]
    for part in _PARTS.finditer(number_format):
        if part.group(6) == ";":
            parts.append([])
        else:
            parts[-1].append(part)
    if len(parts) > 4:
        return None
    return tuple(_section(part) for part in parts[:3])


def _section(parts: list[re.Match[str]]) -> Format | None:
    before, core, behind = "", "", ""
    num_percent = 0
    rest = "".join(part.group(0) for part in parts)
    is_general = "general" in rest.lower()
    if is_general:
        parts = list(_PARTS.finditer(re.sub("general", "#", rest, count=1, flags=re.IGNORECASE)))
    if rest == "@":
        return _GENERAL
    for part in parts:
        quoted, escaped, _, _, bracket, sign = part.groups()
        literal = ""
        if quoted is not None or escaped is not None:
            literal = quoted or escaped or ""
        elif bracket is not None:
            if bracket.startswith("$"):
                literal = bracket[1:].partition("-")[0]
            elif not _COLOUR.fullmatch(bracket):
                return None  # a condition, or hours beyond a day
        elif sign is not None and sign in "#0,.":
            if behind:
                return None  # a second number, as in telephone numbers and fractions
            core += sign
            continue
        elif sign is not None:
            if sign not in _PLAIN_SIGNS:
                return None
            num_percent += sign == "%"
            literal = sign
        if core:
            behind += literal
        else:
            before += literal
    if is_general:
        return Format(before, behind, 0, False, 0, 0, 0, is_plain=True) if core == "#" and not num_percent else None
    found = _NUMBER.match(core)
    if not core or not found or num_percent > 1:
        return None
    whole, decimals = found.group("whole") or "", found.group("decimals") or ""
    if len(decimals) > 2 * _MOST_DIGITS:
        return None
    min_decimals = decimals.count("0")
    return Format(before, behind, whole.count("0"), "," in whole, min_decimals, len(decimals), num_percent)


def as_text(value: Any) -> str:
    """A value as text: whole numbers without a point, dates as in ISO 8601, an empty cell as no text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return format(decimal.Decimal(repr(value)), "f")
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)
