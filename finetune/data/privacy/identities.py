"""Numbers given by states and banks: national ids, cards, IBANs, proved by their checksums (python-stdnum)."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from types import ModuleType

from finetune.data.privacy.kinds import Found
from finetune.data.privacy.page import Page


@cache
def _module(name: str) -> ModuleType:
    return import_module(f"stdnum.{name}")


def _is(name: str, number: str) -> bool:
    return _is_resident(number) if name == "cn.ric" else bool(_module(name).is_valid(number))


def _is_resident(number: str) -> bool:
    """A Chinese resident id: birth date and check digit (GB 11643-1999).

    stdnum's is_valid also looks the county up: it refuses those that have been merged since, and raises KeyError on a
    few codes (2.2), so its parts are used.
    """
    ric = _module("cn.ric")
    if len(number) != 18 or number[0] not in "12345678" or ric.calc_check_digit(number) != number[-1].upper():
        return False
    try:
        return ric.get_birth_date(number).year >= 1880
    except ValueError:
        return False


# Words before a number -> the checks (modules of stdnum) and how many digits it has. Where the words stand, a wrong
# check digit lowers the score only: a mistyped number is still somebody's.
_CUES: tuple[tuple[str, tuple[str, ...], tuple[int, ...]], ...] = (
    (r"ssn|soc(?:ial)?\.? ?sec(?:urity)?\.?", ("us.ssn",), (9,)),
    (r"itin|individual taxpayer|tax ?payer id", ("us.itin", "us.ssn"), (9,)),
    (r"nhs", ("gb.nhs",), (10,)),
    (r"身份证|公民身份|居民身份|证件|identity card|resident id", ("cn.ric",), (18,)),
    (
        r"steuer-?id(?:entifikationsnummer)?|steuerliche identifikationsnummer|idnr\.?|steuernummer",
        ("de.idnr",),
        (10, 11),
    ),
    (r"nir|s[eé]curit[eé] sociale|s[eé]cu", ("fr.nir",), (13, 15)),
    (r"num[eé]ro fiscal|spi", ("fr.nif",), (13,)),
    (r"bsn|burgerservicenummer|sofinummer", ("nl.bsn",), (9,)),
    (r"pesel", ("pl.pesel",), (11,)),
    (r"cnp|cod numeric personal", ("ro.cnp",), (13,)),
    (r"nif|contribuinte|n[uú]mero de identifica[cç][aã]o fiscal", ("pt.nif",), (9,)),
    (r"egn|егн", ("bg.egn",), (10,)),
    (r"oib", ("hr.oib",), (11,)),
    (r"em[sš]o|jmbg", ("si.emso",), (13,)),
    (r"amka|αμκα", ("gr.amka",), (11,)),
    (r"isikukood|asmens kodas|personal code", ("ee.ik", "lt.asmens"), (11,)),
    (r"f[øo]dselsnummer|personnummer", ("no.fodselsnummer", "se.personnummer"), (10, 11, 12)),
    (r"cpr(?:-?n(?:umme)?r\.?)?|personal identification number", ("dk.cpr", "se.personnummer"), (10, 12)),
    (r"rijksregister(?:nummer)?|num[eé]ro national|registre national|niss|insz", ("be.nn",), (11,)),
    (r"rodn[eé] [cč][ií]slo|r\. ?[cč]\.", ("cz.rc",), (9, 10)),
    (r"ahv(?:-nr\.?)?|avs", ("ch.ssn",), (13,)),
    (r"sozialversicherungsnummer|svnr|sv-nr\.?", ("at.vnr",), (10,)),
    (r"aadhaar|aadhar|uidai", ("in_.aadhaar",), (12,)),
    (r"social insurance(?: number)?|sin", ("ca.sin",), (9,)),
    (r"tfn|tax file", ("au.tfn",), (8, 9)),
    (r"cpf", ("br.cpf",), (11,)),
    (
        r"national (?:id(?:entity)?|insurance)|tax id(?:entification)?|citizen id|id card",
        (),
        (8, 9, 10, 11, 12, 13, 14),
    ),
)
_GLUE = (
    r"(?:[ -]?(?:number|no\.?|nr\.?|num(?:ber|[eé]ro)?|code|#|n[°º]))?(?: ?\([A-Za-z ]{1,20}\))?(?"
    r": (?:is|was|ist|est|es))?[\s:：#=是为号码]{0,5}$"
)
_CUE = re.compile("|".join(rf"(?P<c{k}>(?<![a-z]){words}{_GLUE})" for k, (words, _, _) in enumerate(_CUES)), re.I)
_CARD_CUE = re.compile(
    r"(?:\bcards?|\bvisa|\bmaster ?card|\bamex|\bkarte|\bkartennummer|\bcarte|\btarjeta|\bcarta|\bdiscover|"
    r"\bunionpay|信用卡|银行卡|银联)[^\d\n]{0,30}$",
    re.I,
)
_CARD_SHAPES = frozenset([(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (6, 13), (6, 10), (4, 4, 5), (8, 8)])


# ids that are written in more than five groups
LONG_SHAPES = frozenset([(1, 2, 2, 2, 3, 3, 2)])


def by_shape(
    text: str, start: int, end: int, digits: str, shape: tuple[int, ...], gaps: list[str], left: str
) -> Found | None:
    """The id or card whose written form these digit groups have. `left` is the text before, for cues.

    Args:
        digits: the digits alone; shape: the length of each group; gaps: what stands between the groups.
    """
    count, even = len(digits), len(set(gaps)) <= 1
    after = text[end : end + 1]
    if count == 17 and after in ("x", "X") and text[end + 1 : end + 2] not in ("x", "X"):
        return Found("national_id", start, end + 1, 0.98) if _is("cn.ric", digits + "X") else None
    if count == 18 and even and _is("cn.ric", digits):
        return Found("national_id", start, end, 0.98)
    if 13 <= count <= 19 and (len(shape) == 1 or (shape in _CARD_SHAPES and even)):
        one = _card(digits, start, end, left)
        if one is not None:
            return one
    if _formal_id(digits, shape, gaps, text[start:end]):
        return Found("national_id", start, end, 0.95)
    if 8 <= count <= 18 and len(shape) <= 7:
        return _with_cue(digits, start, end, left)
    return None


def _card(digits: str, start: int, end: int, left: str) -> Found | None:
    issuer = digits[0] in "3456" or digits[:2] in ("22", "23", "24", "25", "26", "27") or digits[:4] in ("1800", "2131")
    if not issuer or len(set(digits)) < 2:
        return None
    if _is("luhn", digits):
        # A bare run of digits passes by luck one time in ten, so it must also have an issuer's usual length.
        usual = len(digits) in (15, 16, 19) or (len(digits) in (13, 14) and digits[0] in "34")
        return Found("payment_card", start, end, 0.95) if usual or _CARD_CUE.search(left) else None
    return Found("payment_card", start, end, 0.9) if _CARD_CUE.search(left) and len(digits) >= 15 else None


def _formal_id(digits: str, shape: tuple[int, ...], gaps: list[str], written: str) -> bool:
    """Forms that show by their groups which id they are; all have a checksum or a plan behind them."""
    kind = "".join(gaps)
    if shape == (3, 2, 4) and kind == "--":
        return _is("us.ssn", digits) or _is("us.itin", digits)
    if shape in ((1, 2, 2, 2, 3, 3, 2), (13, 2)) and kind.strip() == "" and digits[0] in "123478":
        return _is("fr.nir", digits)
    if shape == (15,) and digits[0] in "12":
        return _is("fr.nir", digits)
    if shape in ((6, 4), (8, 4)) and kind in ("-", "+"):
        return _is("se.personnummer", written) or _is("fi.hetu", written)
    if shape == (2, 2, 2, 3, 2) and kind in ("..-.", "..--"):
        return _is("be.nn", digits)
    if shape == (3, 4, 4, 2) and kind == "..." and digits.startswith("756"):
        return _is("ch.ssn", digits)
    if shape == (6, 4) and kind == "/":
        return _is("cz.rc", digits)
    if shape == (3, 3, 3, 2) and kind == "..-":
        return _is("br.cpf", digits)
    return False


def _with_cue(digits: str, start: int, end: int, left: str) -> Found | None:
    cue = _CUE.search(left)
    if cue is None or cue.lastgroup is None:
        return None
    _, modules, lengths = _CUES[int(cue.lastgroup[1:])]
    if len(digits) not in lengths:
        return None
    proved = any(_is(module, digits) for module in modules)
    return Found("national_id", start, end, 0.95 if proved else 0.6)


# Numbers with letters in them. Fixed lengths or bounded parts only.
_IBAN = r"(?P<iban>[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)"
_NINO = (
    r"(?P<nino>(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?P<gap>[ -]?)\d\d(?"
    r"P=gap)\d\d(?P=gap)\d\d(?P=gap)[A-D])"
)
_CODICE = r"(?P<codice>[A-Z]{6}\d[0-9L-NP-V][A-EHLMPRST]\d[0-9L-NP-V][A-Z]\d[0-9L-NP-V]{2}[A-Z])"
_NIE = r"(?P<nie>[XYZ]-?\d{7}-?[A-Z])"
_MBI = (
    r"(?P<mbi>[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?"
    r"[AC-HJKMNP-RT-Y]{2}\d\d)"
)
_DNI = r"(?P<dni>\d{8}-?[A-Z])"
_HETU = r"(?P<hetu>\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y])"
_LETTERED = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_IBAN}|{_NINO}|{_CODICE}|{_NIE}|{_MBI}|{_DNI}|{_HETU})(?![A-Za-z0-9])",
    re.ASCII,
)
_CHECKS = {"codice": "it.codicefiscale", "nie": "es.nie", "dni": "es.dni", "hetu": "fi.hetu"}


def find_lettered(page: Page, found: list[Found]) -> None:
    """Appends ids and accounts that hold letters: IBAN, NINO, codice fiscale, NIE, DNI, Medicare MBI, HETU."""
    text = page.text
    tried = 0
    for first, last in page.digits:
        # a capital letter stands right beside the digits, at most a space or a hyphen between
        if first < tried or not (_beside(text, first - 1, -1) or _beside(text, last, 1)):
            continue
        match = _LETTERED.search(text, max(tried, first - 7), last + 44)
        if match is None or match.start() > first:
            continue
        tried = match.end()
        kind, start, end = match.lastgroup, match.start(), match.end()
        if kind == "gap":
            kind = "nino"
        if kind == "iban":
            end = _iban_end(match.group("iban"), start)
            if end:
                found.append(Found("bank_account", start, end, 0.98))
        elif kind == "mbi":
            found.append(Found("insurance_number", start, end, 0.85))
        elif kind == "nino":
            found.append(Found("national_id", start, end, 0.85))
        elif kind in _CHECKS and _is(_CHECKS[kind], match.group(kind)):
            found.append(Found("national_id", start, end, 0.95))


def _beside(text: str, place: int, step: int) -> bool:
    sign = text[place : place + 1] if place >= 0 else ""
    if sign in (" ", "-", "+") and place + step >= 0:
        sign = text[place + step : place + step + 1]
    return "A" <= sign <= "Z"


def _iban_end(written: str, start: int) -> int:
    """Where a valid IBAN that begins at `start` ends; 0 when there is none. It may hold a word too many."""
    parts = written.split(" ")
    for num_parts in range(len(parts), 0, -1):
        tried = " ".join(parts[:num_parts])
        compact = tried.replace(" ", "")
        if len(compact) >= 15 and _mod_97(compact) == 1:
            return start + len(tried)
    return 0


def _mod_97(compact: str) -> int:
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97
