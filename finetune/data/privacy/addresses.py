"""Postal addresses: a street with its number, in the written forms of US/UK, DE/NL, FR, ES/PT, IT, Nordic and China."""

from __future__ import annotations

import re

from finetune.data.privacy.kinds import Found
from finetune.data.privacy.page import Page

_CAP = r"[A-ZÀ-ÖØ-ÞŁŚŽŠČ][\w'’.\-]{0,24}"
_TOWN = r"[A-ZÀ-ÖØ-ÞŁŚŽŠČ](?:[^\W\d]|['’.\-]){0,24}(?!\w)"
_CITY = rf"{_TOWN}(?:[ \-](?:{_TOWN}|am|an|der|de|la|le|les|sur|en|upon|del|sous|im|bei)){{0,4}}"
_STATE = (
    r"(?:A[LKZR]|C[AOT]|D[CE]|FL|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|"
    r"T[NX]|UT|V[AIT]|W[AIVY]|AP|AE|AA|"
    r"Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|"
    r"Illinois|Indiana|Iowa|"
    r"Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|"
    r"Nebraska|Nevada|"
    r"New (?:Hampshire|Jersey|Mexico|York)|(?:North|South) (?:Carolina|Dakota)|Ohio|Oklahoma|Oregon|"
    r"Pennsylvania|Rhode Island|"
    r"Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming)"
)
_UK_CODE = r"(?:[A-PR-UWYZ][A-HK-Y]?\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2})(?![A-Za-z0-9])"
_STREET_EN = (
    r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|"
    r"Ter|Way|Parkway|Pkwy|"
    r"Circle|Cir|Highway|Hwy|Trail|Trl|Close|Crescent|Cres|Gardens|Gdns|Grove|Mews|Row|Hill|Walk|Green|Alley|"
    r"Plaza|Pike|Turnpike|Loop|Rise|Vale|View|Wharf)"
)
_SEP = r"(?:, ?|\n| |，)"
_UNIT = r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Box|#)\.? ?#?[A-Z]?\d{1,5}[A-Z]?)"
_TAIL_EN = (
    rf"(?:{_SEP}{_UNIT})?(?:(?:, ?|\n|，){_CITY}| {_CITY}(?=,? {_STATE}(?![a-z])))?(?"
    rf":{_SEP}{{1,2}}(?:{_STATE}(?![a-z])))?(?:{_SEP}{{1,2}}(?:\d{{5}}(?:-\d{{4}})?(?!\d)|"
    rf"{_UK_CODE}))?"
)
# 1668 Glyn St, Apt. 4, Ruston, LA 71270: begins with the number
_NUMBER_FIRST = re.compile(
    rf"\d{{1,6}}[A-Za-z]?(?:-\d{{1,4}})? (?:[NSEW]\.?(?:[EW]\.?)? |North |South |East |West )?"
    rf"(?:(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th)|of|the) ){{1,4}}{_STREET_EN}(?![A-Za-z\-'’])|"
    rf"Broadway(?![A-Za-z]))(?: [NSEW][EW]?(?![A-Za-z]))?\.?{_TAIL_EN}"
)
_UNIT_BEFORE = re.compile(rf"{_UNIT},? $")
# Ruston, LA 71270: found from the postcode backwards
_STATE_CODE = re.compile(rf"(?<![\w\-]){_CITY}, ?(?:{_STATE}),? \d{{5}}(?:-\d{{4}})?(?![\d\-])")
# a British postcode stands for some fifteen households
_UK = re.compile(rf"(?<![A-Za-z0-9\-]){_UK_CODE}")
_BOX = re.compile(
    rf"(?:\b(?i:p\.? ?o\.? ?box|postfach|apartado(?: de correos)?|boîte postale|casella postale) ?#?\d{{1,6}}(?!\d)|"
    rf"\bUnit \d{{1,6}} Box \d{{1,6}}|\bPSC \d{{1,5}},? Box \d{{1,6}}){_TAIL_EN}"
)
# Lindenstraße 12a, 10969 Berlin; Hoofdstraat 5, 1234 AB Utrecht; Puruntie 82; Allégatan 3: ends of the street's name
_STREET_ENDS = (
    "straße", "strasse", "str.", "weg", "allee", "platz", "gasse", "ring", "ufer", "damm", "straat",
    "laan", "gracht", "plein", "gatan", "vägen", "veien", "vej", "vænget", "gade", "gaden", "tie", "katu",
    "gata", "chaussee", "steig", "markt", "hof",
)  # fmt: skip
_STREET_WORD = re.compile(
    r"(?:(?:Am|An|Auf|Im|In|Zum|Zur|Unter|Alte[rn]?|Neue[rn]?|Große[rn]?|Kleine[rn]?|Obere|Untere|St\.) (?:de[rmn] )?)?"
    r"(?<![\w\-])[A-ZÄÖÜÅÆØ][\wäöüß.\-]{1,34}(?: (?:Straße|Strasse|Str\.|Weg|Allee|Platz|Gasse|Ring|Ufer|"
    r"Damm|Chaussee))?$"
)
_HOUSE_AND_TOWN = re.compile(
    rf"\d{{1,4}} ?(?:[a-zA-Z](?![\w]))?(?![\w%])(?:-\d{{1,4}}(?!\d))?(?:{_SEP}{{1,2}}(?:[A-Z]{{1,2}}-)?\d{{4,"
    rf"5}}(?: [A-Z]{{2}}(?![A-Za-z]))? {_CITY})?"
)
_NO_STREET = frozenset((
    "during", "spring", "ring", "string", "bring", "tie", "weg", "hof", "markt", "platz", "hof.",
    "patientie",
))  # fmt: skip
# 14 bis, rue des Lilas, 69003 Lyon
_FRENCH = re.compile(
    r"\d{1,4}(?: ?(?:bis|ter|[A-D]))?,? (?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Cc]hemin|[Aa]llée|[Ii]mpasse|"
    r"[Qq]uai|[Ff]aubourg|(?:[Bb]d|[Pp]lace|[Cc]ours|[Ss]quare|[Rr]oute|[Pp]assage)(?= d))"
    rf" (?:(?:(?:de la|de l['’]|de|du|des|d['’]|la|le|les|l['’]) ?)[\w'’\-]{{2,24}}|{_CAP})(?:[ \-](?:(?:de|"
    rf"du|des|la|le|les|d['’]|l['’]|et|en) ?)?{_CAP}){{0,4}}(?:{_SEP}{{1,2}}\d{{5}} {_CITY})?"
)
_FRENCH_HINTS = (
    "rue ", "avenue ", "boulevard ", "place ", "chemin ", "allée ", "impasse ", "quai ", "cours ",
    "square ", "route ", "passage ", "faubourg ", "bd ",
)  # fmt: skip
# Calle de Alcalá, 45, 3.º B, 28014 Madrid; Rua das Flores 12; Via Garibaldi, 12, 20121 Milano
_SOUTHERN_HINTS = (
    "c/", "calle ", "avenida ", "avda", "plaza ", "paseo ", "carrer ", "ronda ", "camino ", "rua ",
    "travessa ", "praça ", "carretera ", "via ", "viale ", "piazza ", "piazzale ", "corso ", "vicolo ",
    "largo ", "strada ",
)  # fmt: skip
_SOUTHERN = re.compile(
    rf"(?<![\w\-])(?:C/|[Cc]alle|[Aa]venida|[Aa]vda\.?|[Pp]laza|[Pp]aseo|[Cc]arrer|[Rr]onda|[Cc]amino|[Rr]ua|"
    rf"[Tt]ravessa|[Pp]raça|[Cc]arretera|[Vv]iale|[Vv]ia|[Pp]iazzale|[Pp]iazza|[Cc]orso|[Vv]icolo|[Ll]argo|"
    rf"[Ss]trada)"
    rf" ?(?:(?:de los|de las|de la|del|de|das?|dos?|la|el|los|las|dei|degli|delle|della|dello|di|San|Santa|"
    rf"Sant['’]|d['’]|dell['’]) ?)?{_CAP}"
    rf"(?: (?:de |del |la |y |e |da |do |dos |das |di |"
    rf"dei )?{_CAP}){{0,4}},? (?:n\.?[º°o]?\.? ?)?\d{{1,4}}(?!\d)(?:/?[a-zA-Z](?!\w))?(?:, ?\d{{1,2}}\.?[º°ª]"
    rf"(?: ?[A-Z](?![a-z])|(?: ?(?:izq|dcha)\.?))?)?"
    rf"(?:,? (?:piso|planta) \d{{1,2}})?(?:{_SEP}{{1,2}}\d{{4,5}}(?:-\d{{3}})? {_CITY})?"
)
_TOKEN = r"(?:[A-ZÀ-ÞŁŚ#][\w'’.\-]{0,24}|\d[\w/\-.º°]{0,9}|de|la|le|der|den|del|du|of|u\.|ul\.)"
_LABELLED = re.compile(
    r"(?i:(?<![a-z])(?:(?:home|postal|mailing|street|residential|billing|shipping|my|current|his|her|"
    r"the) address(?: to the same)?|address|anschrift|wohnhaft in|adresse(?: postale)?|direcci[oó]n|"
    r"domicilio|indirizzo|lives at|living at|resides at|residing at|"
    r"located at(?= \d{1,6} (?-i:[A-Z])[a-z]{2}))(?: is| ist| est| es| è)?[ \t]*[:：]?\s{0,3})"
    rf"(?P<value>(?=[^;]{{0,60}}\d){_TOKEN}(?:(?:, ?| |\n {{0,8}}){_TOKEN}){{1,14}})"
)
_LABEL_HINTS = (
    "address", "anschrift", "wohnhaft", "adresse", "dirección", "direccion", "domicilio", "indirizzo",
    "lives at", "living at", "resides", "residing", "located at",
)  # fmt: skip
_CODE_LABELLED = re.compile(
    r"(?i:(?<![a-z])(?:zip(?: ?code)?|post ?code|postal code|plz|postleitzahl|code postal|c[oó]digo postal|"
    r"邮编|邮政编码)(?: is)?\s?[:：]?\s{0,2})(?P<value>[A-Z]?\d[A-Z\d]{2,5}(?:[ \-]\d?[A-Z\d]{2,4})?)(?![\w])"
)
_CODE_HINTS = (
    "zip", "zipcode", "postcode", "post code", "postal code", "plz", "postleitzahl", "code postal",
    "código postal", "codigo postal", "邮编", "邮政编码",
)  # fmt: skip
# 4844 Søndergade 52, Apt. 656, Brønderslev, Denmark 35018: any street, where a flat or suite is named
_WITH_UNIT = re.compile(
    rf"(?<![\w.])\d{{1,6}} (?:(?:ul\. )?{_CAP} ){{1,4}}(?:u\. )?(?:\d{{1,4}}\.?)?,?\s{{0,6}}(?:Apt|Suite|Ste|"
    rf"Unit)\.? \d{{1,5}}(?:(?:[ ,\n]{{1,6}}{_CAP}){{1,6}}[ ,\n]{{1,6}}\d{{4,6}}(?!\d))?"
)
_UNIT_HINTS = (
    "apt", "suite", "ste", "unit",
)  # fmt: skip
_POLISH = re.compile(
    rf"(?:ul\.|al\.|os\.) {_CAP}(?: {_CAP}){{0,2}} \d{{1,4}}[A-Za-z]?(?:/\d{{1,4}})?(?:, \d\d-\d{{3}} {_CITY})?"
)

# China: a number of a road or of a building is found first; what stands before and after is then read from there,
# within bounds, because Chinese has no spaces that would end an attempt early.
_H = r"[\u4e00-\u9fff]"
_D = r"[0-9０-９一二三四五六七八九十百]"
_CN_NUMBER = rf"{_D}{{1,5}}(?:[\-－之]{_D}{{1,4}})?"
_CN_ANCHOR = re.compile(
    rf"(?:路|街|大道|巷|弄|胡同){_H}{{0,3}}?{_CN_NUMBER}(?:号|弄|巷)|(?:小区|花园|公寓|家园|新村|苑|村|社区|大厦)(?:{_CN_NUMBER}|"
    rf"[A-Za-z])(?:号楼|幢|栋|座|号|组)"
)
_CN_REST = re.compile(
    rf"(?:号院|院|楼)?(?:{_H}{{0,8}}(?:小区|花园|公寓|大厦|广场|苑|城|家园))?(?:[A-Za-z]?{_CN_NUMBER}(?:号楼|幢|栋|座|楼|"
    rf"号))?(?:{_CN_NUMBER}单元)?(?:[A-Za-z]?{_CN_NUMBER}(?:室|号房|户|号|楼|层))?"
)
_CN_TOP = re.compile(
    r"(?:北京|上海|天津|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|"
    r"内蒙古|广西|西藏|宁夏|新疆|香港|澳门|广州|深圳|成都|杭州|武汉|西安|苏州|郑州|南京|长沙|东莞|沈阳|青岛|合肥|佛山|宁波|昆明|福州|无锡|厦门|济南|大连|"
    r"哈尔滨|温州|石家庄|泉州|南宁|长春|南昌|贵阳|金华|常州|惠州|嘉兴|南通|徐州|太原|珠海|中山|保定|兰州|台州|绍兴|烟台|廊坊|洛阳|乌鲁木齐)"
)
_CN_UNIT = re.compile(rf"{_H}{{2,5}}?(?:省|自治区|市|州|盟|区|县)")
_CN_STOP = "在住到于是址为家往去给从的了，搬我他她您你"
_CN_LABELLED = re.compile(
    rf"(?:家庭住址|家庭地址|联系地址|通讯地址|通信地址|现住址|户籍地址|居住地址|收货地址|住址|地址|家住|现住|住在)(?:是|"
    rf"为)?[:：]?\s?(?P<value>(?:{_H}{{2,8}}(?:省|自治区|市))?{_H}{{1,8}}(?:市|区|县|州|旗|镇|乡)(?:{_H}{{1,10}}(?:区|县|镇|乡|"
    rf"街道|村|路|街|小区|组|屯)){{0,4}}(?:{_CN_NUMBER}(?:号|栋|幢|单元|室|组)){{0,4}})"
)


def find(page: Page, found: list[Found]) -> None:
    """Appends postal addresses; the text holds a digit. Most forms are tried at the house number only."""
    text = page.text
    done = 0
    for start, end in page.digits:
        if start < done or end - start > 6:
            continue
        if end - start == 1 and text[end : end + 2].isupper() and text[start - 1 : start] == " ":
            code = _UK.search(text, max(0, start - 6), end + 3)
            if code:
                _take(text, *code.span(), 0.8, found)
        match = _at_number(text, start, end)
        if match:
            _take(text, *match, 0.8, found)
            done = match[1]
        elif end - start == 5 and text[max(0, start - 2) : start].endswith(" ") and text[max(0, start - 3)].isalpha():
            code = _STATE_CODE.search(text, max(0, start - 80), end + 5)
            if code and code.end() >= end:
                _take(text, *code.span(), 0.8, found)
    for hints, form in (
        (("p.o", "po box", "p. o", "unit", "psc", "postfach", "apartado", "boîte postale", "casella postale"), _BOX),
        (_FRENCH_HINTS, _FRENCH),
        (_SOUTHERN_HINTS, _SOUTHERN),
        (("ul.", "al.", "os."), _POLISH),
    ):
        for match in page.near(hints, form, before=12):
            if form is not _FRENCH or not text[max(0, match.start() - 1) : match.start()].strip(" (\n:"):
                _take(text, *match.span(), 0.8, found)
    for match in page.near(_UNIT_HINTS, _WITH_UNIT, before=70):
        _take(text, *match.span(), 0.85, found)
    for hints, form in ((_LABEL_HINTS, _LABELLED), (_CODE_HINTS, _CODE_LABELLED)):
        for match in page.near(hints, form):
            _take(text, *match.span("value"), 0.65, found)
    if page.has_chinese:
        _chinese(text, found)


def _at_number(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The address whose house number stands at `start`: number first (English), or after a street's name (German)."""
    before = text[start - 1] if start else " "
    if (before in ' (\n:,"' and text[end : end + 1] in (" ", "-")) or text[end : end + 2].endswith(" "):
        match = _NUMBER_FIRST.match(text, start) if before not in ".,-/$€£" and not before.isalnum() else None
        if match:
            unit = _UNIT_BEFORE.search(text, max(0, start - 20), start)
            return (unit.start() if unit else start), match.end()
    if before in " .\u00a0" or before.isalpha():
        street_end = start - 1 if before == " " else start
        if text.endswith(_STREET_ENDS, max(0, street_end - 12), street_end) or text.endswith(
            _STREET_OWN, max(0, street_end - 10), street_end
        ):
            street = _STREET_WORD.search(text, max(0, street_end - 60), street_end)
            house = _HOUSE_AND_TOWN.match(text, start)
            if street and house and street.group().lower() not in _NO_STREET:
                number = _NUMBER_BEFORE.search(text, max(0, street.start() - 8), street.start())
                return (number.start() if number else street.start()), house.end()
    return None


_NUMBER_BEFORE = re.compile(r"(?<![\w.,])\d{1,6} $")
_STREET_OWN = (
    "Straße", "Strasse", "Str.", "Weg", "Allee", "Platz", "Gasse", "Ring", "Ufer", "Damm", "Chaussee",
)  # fmt: skip


def _take(text: str, start: int, end: int, score: float, found: list[Found]) -> None:
    while end > start and text[end - 1] in " .,，\n-":
        end -= 1
    if end > start:
        found.append(Found("address", start, end, score))


def _chinese(text: str, found: list[Found]) -> None:
    if any(sign in text for sign in ("号", "栋", "幢", "座", "组", "弄")):
        for match in _CN_ANCHOR.finditer(text):
            start = _chinese_start(text, match.start())
            rest = _CN_REST.match(text, match.end(), match.end() + 40)
            end = rest.end() if rest else match.end()
            if match.start() - start >= 1:
                found.append(Found("address", start, end, 0.8))
    if any(sign in text for sign in ("址", "住")):
        for match in _CN_LABELLED.finditer(text):
            value = match.group("value")
            if sum(sign in "省市区县镇乡村路街号" for sign in value) >= 2:
                found.append(Found("address", *match.span("value"), 0.75))


def _chinese_start(text: str, anchor: int) -> int:
    """Where the address whose road word stands at `anchor` begins: at a province or city, else after a particle."""
    left = anchor
    while left > max(0, anchor - 36) and "\u4e00" <= text[left - 1] <= "\u9fff":
        left -= 1
    top = _CN_TOP.search(text, left, anchor)
    if top:
        return top.start()
    start = anchor
    while start > left and text[start - 1] not in _CN_STOP:
        start -= 1
    return start if _CN_UNIT.search(text, start, anchor) else max(start, anchor - 6)
