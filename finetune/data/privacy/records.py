"""What is personal only because of the words beside it: record, insurance, account, passport, licence and plate
numbers, dates of birth, and ages over 89."""

from __future__ import annotations

import re
from dataclasses import dataclass

from finetune.data.privacy.kinds import Found
from finetune.data.privacy.page import Page

# between a cue and its value: "number", "is", a colon
_NUMBER = (
    r"(?:[ \-]?(?:numbers?|no\.?|num\.?|nr\.?|nummer|num[eé]ro|n[uú]mero|n[uú]m\.?|id|code|#|n[°º]\.?|号码|编号|号))?"
)
_IS = r"(?:[ ](?:is|was|are|ist|lautet|est|es|è))?[ \t]{0,2}(?:[:：#=为是])?[ \t]{0,3}[\"'#]?"
_VALUE = r"(?P<value>[A-Z]{0,5}[\-/]?\d[A-Z0-9\-/]{2,22}[A-Z0-9])(?![A-Za-z0-9])"
_SPACED = r"(?P<value>[A-Z]{0,5}[ \-]?\d[A-Z0-9]{0,20}(?:[ \-/][A-Z0-9]{1,8}){0,5})(?![A-Za-z0-9])"


@dataclass(frozen=True)
class _Rule:
    kind: str
    hints: tuple[str, ...]  # one of these must stand in the lower-case text
    form: re.Pattern[str]
    min_digits: int = 4
    max_digits: int = 20


def _rule(kind: str, hints: str, words: str, value: str = _VALUE, **limits: int) -> _Rule:
    form = re.compile(rf"(?i:(?<![a-z])(?:{words}){_NUMBER}{_IS}){value}")
    return _Rule(kind, tuple(hints.split("|")), form, **limits)


_RULES = (
    _rule(
        "record_number",
        "mrn|record n|record #|record i|record:|chart n|chart #|chart i|chart:|patient n|patient i|patient "
        "record n|patient file|"
        "patient #|patientennummer|patienten-n|patienten-i|patientennr|fallnummer|fall-n|fallnr|"
        "aufnahmenummer|aufnahme-n|hospital n|"
        "hospital i|file n|case n|accession|admission n|encounter n|encounter i|dossier|historia c|historia "
        "n|historia:|expediente|"
        "cartella|ipp|specimen n|specimen:|specimen #|specimen i|unit n",
        r"mrn|(?:medical |health |hospital |clinic(?:al)? )?record|(?:medical |patient )?chart|"
        r"patient(?: record| file)?(?=[ \-]?(?:n|id|#))|"
        r"patienten-?(?:nummer|nr\.?|id)|fall-?(?:nummer|nr\.?)|aufnahme-?nummer|hospital(?=[ ](?:n|id))|"
        r"(?:patient )?file(?=[ ]n)|"
        r"case(?=[ ]n)|accession|admission(?=[ ]n)|encounter(?=[ ](?:n|id))|specimen|unit(?=[ ]n)|"
        r"(?:num[eé]ro (?:de |du )?)?dossier(?: (?:m[eé]dical|patient))?|"
        r"ipp|(?:n[uú]mero de )?historia(?: cl[ií]nica)?|expediente|(?:numero )?cartella clinica",
        min_digits=4,
    ),
    _rule(
        "record_number",
        "病历|病案|住院号|门诊|就诊|登记号|检查号|病人id|患者id|病人编号|患者编号|条码号|标本号|病理号|影像号|住院",
        r"病历|病案|住院|门诊(?:病历)?|就诊(?:卡)?|登记|检查|病人(?:编号|id)|患者(?:编号|id)|标本|病理|影像(?=号)",
        min_digits=4,
    ),
    _rule(
        "insurance_number",
        "insurance i|insurance n|insurance p|insurance c|insurance m|insurance:|insurance #|policy n|policy "
        "#|policy:|policy i|mbi|"
        "medicare|medicaid|member i|member n|subscriber|group n|versichertennummer|versicherten-n|versichertennr|"
        "krankenversicherungsnummer|krankenversichertennummer|krankenversicherten|versicherungsnummer|versicherungs-n|"
        "versicherungsschein|versicherungsscheinnummer|versicherungsnr|police n|police :|police:|adhérent|"
        "adherent|mutuelle|póliza|"
        "poliza|tarjeta sanitaria|afiliación|afiliacion|tessera|polizza|hicn|claim n",
        r"(?:health |medical )?insurance(?: policy| card| id| member)?|policy|medicare(?: beneficiary| mbi|"
        r" id| card)?|mbi|medicaid(?: id)?|(?:insurance )?member(?=[ ](?:id|n))|"
        r"subscriber(?=[ ](?:id|n))|group(?=[ ]n)|claim(?=[ ]n)|(?:kranken)?versicherten-?(?:nummer|nr\.?)|"
        r"(?:kranken)?versicherungs-?(?:nummer|nr\.?|schein(?:nummer)?)|"
        r"police|(?:num[eé]ro (?:d['’])?)?adh[eé]rent|mutuelle|p[oó]liza|tarjeta sanitaria|"
        r"(?:n[uú]mero de )?afiliaci[oó]n|tessera sanitaria|polizza|hicn",
        _SPACED,
        min_digits=5,
    ),
    _rule(
        "insurance_number",
        "医保|社保|社会保障|保单|保险",
        r"医保(?:卡|个人|电子凭证)?|社保(?:卡)?|社会保障(?:卡)?|保单|保险(?:单|合同|凭证)?",
        min_digits=5,
    ),
    _rule(
        "passport",
        "passport|reisepass|reisepassnummer|reisepassnr|passeport|pasaporte|passaporto|护照|paspoort",
        r"passport|reisepass(?:nummer|-?nr\.?)?|passeport|pasaporte|passaporto|paspoort|passaporte|护照",
        r"(?P<value>[A-Z]{0,3} ?\d[A-Z0-9]{5,9})(?![A-Za-z0-9])",
        min_digits=5,
        max_digits=10,
    ),
    _rule(
        "driving_licence",
        "driver's l|driver l|driver’s l|drivers l|drivers' l|driving l|license n|license #|license:|licence "
        "n|dl n|dl #|d.l.|"
        "führerschein|führerscheinnummer|fuehrerschein|fuehrerscheinnummer|permis de|permiso de|carnet de|"
        "patente|驾驶证|驾照|rijbewijs|"
        "rijbewijsnummer",
        r"driver['’]?s?['’]? licen[cs]e|driving licen[cs]e|d\.?l\.?(?=[ ](?:n|#))|führerschein(?:nummer|"
        r"-?nr\.?)?|fuehrerschein(?:nummer)?|permis de conduire|"
        r"(?:permiso|carnet) de conducir|patente(?: di guida)?|rijbewijs(?:nummer)?|驾驶证|驾照|license(?=[ ](?:n|#))",
        r"(?P<value>[A-Z]{0,5}[ \-]?\d[A-Z0-9]{0,18}(?:[ \-][A-Z0-9]{1,6}){0,4})(?![A-Za-z0-9])",
        min_digits=5,
    ),
    _rule(
        "bank_account",
        "account|acct|routing|sort code|konto|kontonummer|kontonr|compte|cuenta|conto|rekening|"
        "rekeningnummer|iban|aba ",
        r"(?:bank |checking |savings |current )?(?:account|acct\.?)|(?:aba )?routing|sort code|"
        r"konto(?:nummer|-?nr\.?)?|(?:num[eé]ro de )?compte(?: bancaire)?|"
        r"(?:n[uú]mero de )?cuenta(?: bancaria)?|conto(?: corrente)?|rekening(?:nummer)?|iban",
        r"(?P<value>[A-Z]{0,4}\d[\d]{1,17}(?:[ \-]\d{1,8}){0,5})(?![A-Za-z0-9])",
        min_digits=6,
    ),
    _rule(
        "bank_account",
        "账号|账户|卡号|帐号",
        r"(?:银行)?(?:账号|帐号|账户|卡号)|开户(?:账号|行账号)",
        r"(?P<value>\d[\d]{3,5}(?: ?\d{3,4}){2,4})(?![A-Za-z0-9])",
        min_digits=10,
    ),
    _rule(
        "vehicle_plate",
        "plate n|plate:|plate #|plate i|plate |registration n|registration:|registration p|kennzeichen|kfz|"
        "immatriculation|matrícula|"
        "matricula|targa|车牌",
        r"(?:license|licence|number|registration|vehicle) plate|plate|vehicle registration|"
        r"(?:kfz-)?kennzeichen|(?:plaque d['’])?immatriculation|matr[ií]cula|targa|车牌",
        r"(?P<value>(?=[A-ZÄÖÜ0-9 \-]{0,9}\d)[A-ZÄÖÜ0-9]{1,4}(?:[ \-][A-Z0-9]{1,4}){1,3}|"
        r"[A-Z]{1,3}\d{2,4}[A-Z]{0,3})(?![A-Za-z0-9])",
        min_digits=1,
    ),
)
_CN_PLATE = re.compile(
    r"(?<![A-Za-z0-9])[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·•\- ]?"
    r"(?=[A-HJ-NP-Z]{0,6}\d)(?:[A-HJ-NP-Z0-9]{5,6}|[A-HJ-NP-Z0-9]{4}[学警港澳挂])(?![A-Za-z0-9])"
)

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[eé]vrier|mar(?:ch|s|zo)?|märz|apr(?:il|ile)?|avril|abril|"
    r"may|mai|mayo|maggio|june?|juni|juin|junio|giugno|"
    r"july?|juli|juillet|julio|luglio|aug(?:ust)?|ao[uû]t|agosto|sept?(?:ember|embre)?|septiembre|settembre|"
    r"oct(?:ober|obre)?|octubre|okt(?:ober)?|ottobre|"
    r"nov(?:ember|embre|iembre)?|dec(?:ember)?|d[eé]cembre|dez(?:ember)?|diciembre|dicembre|enero|gennaio|"
    r"febrero|febbraio|aprile)\.?"
)
_DATE = (
    r"(?P<value>\d{1,2}[./\- ]\d{1,2}[./\- ](?:\d{4}|\d{2})(?!\d)|(?:1[89]|20)\d\d[./\-]\d{1,2}[./\-]\d{1,2}(?!\d)|"
    rf"(?i:\d{{1,2}}(?:st|nd|rd|th|er|\.)?[ \-](?:of |de |di )?{_MONTH},?[ \-](?:de |del )?\d{{4}})|"
    rf"(?i:{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})|"
    r"(?:1[89]|20)\d\d ?年 ?\d{1,2} ?月 ?\d{1,2} ?[日号]|(?:1[89]|20)\d\d[01]\d[0-3]\d(?!\d))"
)
_BIRTH = re.compile(
    r"(?i:(?<![a-z])(?:date of birth|birth ?date|birthday|d\.?o\.?b\.?|born(?: on| in)?|geburtsdatum|"
    r"geboren(?: am)?|geb\.?(?: am)?|geburtstag|"
    r"date de naissance|n[eé]e?(?: le)?|fecha de nacimiento|naci[oó](?: el)?|nacid[oa](?: el)?|nac[ií] el|"
    r"data di nascita|nat[oa](?: il)?|"
    r"data de nascimento|nascid[oa] (?:em|a)|geboortedatum|geboren op)|出生(?:日期|年月日|年月|于)?|生日|生于)"
    r"(?:[ ](?:is|was|ist|est|es|è))?[\s:：,，是为\-()*]{0,4}(?i:(?:on|am|le|el|il|the)[ ])?" + _DATE
)
_BORN_AFTER = re.compile(
    _DATE + r" ?(?:出生|日?生(?![产物化活病素长理育殖气动效命态日期存育])|\((?:DOB|dob|geb\.?|born)\))"
)
_BIRTH_HINTS = (
    "date of birth", "birth", "birthdate", "birthday", "dob", "d.o.b", "born", "geburtsdatum",
    "geburtstag", "geboren", "geb.", "geb ", "geb:", "naissance", "né ", "née", "nacimiento", "nació",
    "nacio", "nacido", "nacida", "nací ", "nascita", "nato ", "nata ", "nascimento", "nascido", "nascida",
    "geboortedatum", "出生", "生日", "生于", "日生", "号生",
)  # fmt: skip
_OLD_AFTER = re.compile(
    r"(?: ?\-? ?(?i:years?|yrs?\.?)[ \-]?(?i:of[ \-]age|old)|[ \-]?(?i:y/?o)\b|[ \-]?jährige?[rns]?\b|"
    r" Jahre alt| ans\b(?! de)| años(?: de edad)?\b| anni\b| ?(?:周)?岁)"
)
_OLD_BEFORE = re.compile(r"(?i:(?:\baged?:?|\bage of|\balter:?|\b[âa]ge:?|\bedad:?|\betà:?) |年龄[:：]? ?)$")
_AND_OLDER = re.compile(
    r"(?:[ \-]?(?:years?|yrs?)(?: of age| old)?|岁)? ?(?:(?:or|and|und|et|y|o) (?:older|over|above|more|up|"
    r"älter|mehr|plus|más)|\+|以上|及以上)"
)
_GENERAL = re.compile(
    r"(?:over|above|than|under|below|least|most|until|till|up to|between|to|and|or|[-–<>≥≤]|über|unter|bis|"
    r"plus de|moins de|más de|menos de|至|到|于|过|超|满|约|近|每|第|达)\s?$",
    re.I,
)


def find(page: Page, found: list[Found]) -> None:
    """Appends what the words beside it make personal; the text holds a digit."""
    text = page.text
    for rule in _RULES:
        for match in page.near(rule.hints, rule.form):
            value = match.group("value")
            num_digits = sum(char.isdigit() for char in value)
            if rule.min_digits <= num_digits <= rule.max_digits and (
                rule.kind == "bank_account" or not _is_year_or_date(value)
            ):
                found.append(Found(rule.kind, *match.span("value"), 0.85))
    for form in (_BIRTH, _BORN_AFTER):
        for match in page.near(_BIRTH_HINTS, form):
            found.append(Found("birth_date", *match.span("value"), 0.9))
    _ages(page, found)
    if any(
        "\u4e00" <= text[start - 3] <= "\u9fff" or "\u4e00" <= text[max(0, start - 2)] <= "\u9fff"
        for start, _ in page.digits
        if start >= 2
    ):
        for match in _CN_PLATE.finditer(text):
            found.append(Found("vehicle_plate", match.start(), match.end(), 0.9))


_YEAR_OR_DATE = re.compile(
    r"(?:19|20)\d\d(?:[\-/]\d{1,2}){0,2}|\d{1,2}[/\-]\d{1,2}[/\-](?:19|20)?\d\d|(?:19|20)\d\d[\-/](?:19|20)?\d\d"
)


def _is_year_or_date(value: str) -> bool:
    return _YEAR_OR_DATE.fullmatch(value) is not None


def _ages(page: Page, found: list[Found]) -> None:
    text = page.text
    for start, end in page.digits:
        if not (2 <= end - start <= 3 and 90 <= int(text[start:end]) <= 120):
            continue
        left, after = text[max(0, start - 24) : start], text[end : end + 2]
        if (
            left[-1:] in (".", ",", "-", "–", "/")
            or (after[:1] in ".,/%-–" and after[1:].isdigit())
            or after[:1] == "%"
        ):
            continue
        cue = _OLD_BEFORE.search(left)
        if _AND_OLDER.match(text, end):
            continue
        if (cue or _OLD_AFTER.match(text, end)) and not _GENERAL.search(left[: cue.start()] if cue else left):
            found.append(Found("age_over_89", start, end, 0.7))
