"""Personal names: after a title or a phrase such as "my name is", and by word lists where nothing else tells."""

from __future__ import annotations

import re

from finetune.data.privacy.kinds import Found
from finetune.data.privacy.lexicon import (
    AMBIGUOUS,
    FAMILY,
    GIVEN,
    NOT_A_NAME,
    NOT_A_PERSON,
    PINYIN_FAMILY,
    PINYIN_SYLLABLES,
)
from finetune.data.privacy.page import Page

_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪİĶŁĽŃŇŌŐŘŚŞŠŤŪŮŰŹŻŽȘȚ"
_LETTER = r"[^\W\d_]"
_WORD = rf"[{_UPPER}]{_LETTER}{{0,24}}(?:['’\-]{_LETTER}{{1,24}}){{0,2}}"
_LINK = (
    r"(?:van der|van den|van de|von der|de la|de los|de las|van|von|de|da|di|du|del|della|dos|das|"
    r"den|der|ten|ter|la|le|bin|ibn|bint|al|el|zu|af|av|y|e)"
)
_NAME = rf"{_WORD}(?: (?:{_LINK} )?(?:[{_UPPER}]\.(?: ?[{_UPPER}]\.)?|{_WORD})){{0,4}}"
# Neighbouring capitalised words, with links and initials between them.
_CHAIN = re.compile(rf"(?<![\w'’\-@./#]){_WORD}(?: (?:{_LINK} )?(?:[{_UPPER}]\.(?! ?$)(?![\w'’])|{_WORD}))*")
_WORDS = re.compile(rf"{_LETTER}+(?:['’\-]{_LETTER}+)*\.?")
_TITLE = re.compile(
    r"(?<![\w'’\-])(?:(?:Mr|Mrs|Ms|Mx|Dr|Prof|Mme|Mlle|Sr|Sra|Srta|Dott|Sig|Hr|Fr|Dipl|Rev|Sgt|Capt|Lt|"
    r"Mag)\. ?|(?:Mr|Mrs|Ms|Dr|Mme|Mlle|Miss|Herrn?|Frau|Monsieur|Madame|"
    r"Mademoiselle|Señora?|Señorita|Signora?|Signorina|Professor|Professeur|Doktor|Docteur|Doctora?|"
    r"Dottoressa|Dottore?|Nurse|Sir|Dame|Pan|Pani|MR|MRS|MS|DR|señora?|señorita|signora|monsieur|madame|"
    r"doctora|docteur|dottoressa) )"
    rf"(?:(?:Dr|Prof|med|Dent|dent)\.? ){{0,2}}(?P<name>{_NAME})"
)
_TITLES = frozenset((
        "mr", "mrs", "ms", "mx", "dr", "prof", "mme", "mlle", "sr", "sra", "srta", "dott", "sig", "hr", "fr",
        "rev", "sgt", "capt", "lt", "mag", "dipl", "miss", "herr", "herrn", "frau", "monsieur", "madame",
        "mademoiselle", "señor", "señora", "señorita", "signor", "signora", "signorina", "professor", "professeur",
        "doktor", "docteur", "doctor", "doctora", "dottore", "dottor", "dottoressa", "nurse", "sir", "dame", "pan",
        "pani",
))  # fmt: skip
_FRENCH_WORDS = frozenset((
    "le", "la", "est", "et", "du", "les", "une",
))  # fmt: skip
_FRENCH_M = re.compile(rf"(?<![\w.\-])M\. (?P<name>(?!et\b){_NAME})(?! et al)")

# After these a name follows, whatever it looks like.
_STRONG = re.compile(
    r"(?i:(?<![\w'’])(?:my (?:full |first |last )?name(?: is|['’]s|:)|(?:his|her|their|patient|patient['’]s|"
    r"full|first|last|given|middle|maiden|family) name(?: is| was|:)|name ?[:：]|surname ?[:：]|"
    r"patients?['’]? name ?[:：]?|signed(?: by)? ?[:：]|i am called|i['’]m called|call me|this is my (?:son|"
    r"daughter|wife|husband),?|"
    r"mein name ist|ich hei(?:ß|ss)e|name der patientin|name des patienten|(?:vor|nach|familien)name ?[:：]|"
    r"gez\.|je m['’]appelle|mon nom est|nom ?[:：]|pr[eé]nom ?[:：]|signé ?[:：]|"
    r"me llamo|mi nombre es|nombre(?: del paciente)? ?[:：]|apellidos? ?[:：]|firmado(?: por)? ?[:：]|mi chiamo|"
    r"il mio nome [eè]|nome ?[:：]|cognome ?[:：]|firmato ?[:：]|"
    r"meu nome [eé]|chamo-me|mijn naam is|ik heet|naam ?[:：]))[ \t]{0,3}"
    rf"(?P<name>{_NAME})"
)
_STRONG_HINTS = (
    "name is", "name:", "name：", "name :", "name's", "name’s", "name was", "patient name",
    "patient's name", "patients name", "surname", "signed:", "signed by", "am called", "m called",
    "call me", "this is my", "name ist", "ich hei", "name de", "vorname", "nachname", "familienname",
    "gez.", "appelle", "nom est", "nom :", "nom:", "prénom", "prenom", "signé", "llamo", "nombre",
    "apellido", "apellidos", "firmado", "chiamo", "nome ", "nome:", "cognome", "firmato", "chamo", "naam",
    "ik heet",
)  # fmt: skip
# After these a name may follow: one of its words must be known, or it has two words, or a comma follows a greeting.
_WEAK = re.compile(
    r"(?i:(?<![\w'’])(?P<cue>(?:patient(?:in)?|patiente|paciente|paziente|contact(?: person)?|attn|"
    r"emergency contact|next of kin|mother|father|guardian|spouse|employee|"
    r"customer|client|caller|sender|from|doctor|physician|gp|kontakt|ansprechpartner|seen by|referred by|"
    r"reviewed by|dictated by|provider|therapist|directed by|"
    r"(?:last|first|full|maiden) name\?|name\?) ?[:：]?|i am|i['’]m|this is|ich bin|je suis|dear|hi|hello|hey|"
    r"hallo|lieber?|bonjour|ch[eè]re?|hola|"
    r"querid[oa]|estimad[oa]|car[oa]|gentile|ciao|named|called|is under|regards|sincerely|yours|cheers|"
    r"grüßen|grüße|cordialement|saludos|atentamente|saluti|"
    r"my (?:son|daughter|wife|husband|mother|father|brother|sister|friend|uncle|aunt|partner|colleague|kid|"
    r"boss)|(?:meine?|mein) (?:sohn|tochter|frau|mann|mutter|vater)|"
    r"mon (?:fils|mari|père|frère)|ma (?:fille|femme|mère|sœur)|mi (?:hijo|hija|esposa|esposo|marido|madre|"
    r"padre|mujer)|ask for|speak (?:to|with)|"
    r"(?:the|der|la|el|le) (?:patient|paciente|patiente)),?[ \t\n]{1,4})"
    rf"(?P<name>{_NAME})"
)
_WEAK_HINTS = (
    "patient", "patientin", "patiente", "paciente", "paziente", "contact:", "contact person", "attn",
    "emergency contact", "next of kin", "mother", "father", "guardian", "spouse", "employee", "customer",
    "client", "caller", "sender", "from:", "doctor:", "physician", "gp:", "kontakt", "ansprechpartner",
    "seen by", "referred by", "reviewed by", "dictated by", "provider:", "therapist:", "directed by",
    "name?", "i am ", "i'm ", "m ", "this is ", "ich bin ", "je suis ", "dear ", "hi ", "hi,", "hello",
    "hey", "hallo", "liebe", "lieber", "bonjour", "cher ", "chère", "hola", "querido", "querida",
    "estimado", "estimada", "caro ", "cara ", "gentile", "ciao", "named ", "called ", "is under",
    "regards", "sincerely", "yours", "cheers", "grüßen", "grüße", "cordialement", "saludos", "atentamente",
    "saluti", "my ", "mein ", "meine ", "mon ", "ma ", "mi ", "ask for", "speak to", "speak with",
)  # fmt: skip
_GREETING = frozenset((
    "dear", "hi", "hello", "hey", "hallo", "liebe", "lieber", "bonjour", "cher", "chère", "hola",
    "querido", "querida", "estimado", "estimada", "caro", "cara", "gentile", "ciao",
))  # fmt: skip
_CLOSING = frozenset((
    "regards", "sincerely", "yours", "cheers", "grüßen", "grüße", "cordialement", "saludos", "atentamente",
    "saluti", "name?", "name?:",
))  # fmt: skip
# The same phrases in careless writing: "my name is john smith".
_LOWER_HINTS = (
    "name is", "name's", "name’s", "i am ", "i'm ", "i’m ", "this is ", "call me ", "name ist", "ich hei",
    "appelle", "llamo", "chiamo",
)  # fmt: skip
_LOWER = re.compile(
    rf"(?i:(?<![\w'’])(?:my (?:full )?name is|my name['’]s|i am|i['’]m|this is|call me|mein name ist|"
    rf"ich hei(?:ß|ss)e|je m['’]appelle|me llamo|"
    rf"mi chiamo)) (?P<name>{_LETTER}{{2,20}}(?: {_LETTER}{{2,20}}){{0,2}})"
)


# "Werner syndrome", "the Ryan score": a finding named after somebody is no row about somebody.
_AFTER_EPONYM = re.compile(
    r"(?:['’]s?)?(?: |-|/)(?:(?:type|congenital|primary|familial|simplex|muscular|"
    r"hereditary) )?(?:[a-z]{3,12}['’]?s? )?(?:syndromes?|diseases?|disorders?|sequence|scores?|scale|"
    r"criteria|"
    r"sign|test|reaction|stain|staging|classification|gene|anomaly|malformation|tumou?r|cells?|type|"
    r"hypotrichosis|dystrophy|palsy|an[a]?emia|contracture|"
    r"procedure|operation|method|index|law|phenomenon|fever|paralysis|variant|technique|protein|pupil|oil|"
    r"lymphoma|deficiency|inventory|questionnaire|model|regression|correction|schedule|formula)\b",
    re.I,
)
_AFTER_SAINT = re.compile(
    r"\b(?:San|Santa|Saint|St\.?|Ste\.?|Sainte|Fort|Lake|Mount|Mt\.?|Port|Cape|Hôpital|Hospital|Queen|King|Pope) $"
)
_NO_ONE = frozenset((
    "xyz", "abc", "abcd", "xxx", "xx", "yyy", "zzz", "def", "xyzz",
))  # fmt: skip
# Titles that also stand in headings: what follows must be known, or end there.
_CAREFUL_TITLE = re.compile(r"(?:Doctor|Nurse|Pan|Pani|Sir|Dame|Professor) ")


def _bare(word: str) -> str:
    return word.rstrip(".").lower().removesuffix("'s").removesuffix("’s")


def _known(word: str) -> bool:
    low = word.lower().rstrip(".")
    return low in GIVEN or low in FAMILY


def find(page: Page, found: list[Found]) -> None:
    """Appends names written in Latin letters."""
    text = page.text
    if not page.words.isdisjoint(_TITLES):
        for match in _TITLE.finditer(text):
            if not _CAREFUL_TITLE.match(match.group()) or _is_careful(text, match):
                _cued(text, match, 1, 0.9, found)
    if "m" in page.words and "M. " in text and not page.words.isdisjoint(_FRENCH_WORDS):
        for match in _FRENCH_M.finditer(text):
            _cued(text, match, 1, 0.75, found)
    for match in page.near(_STRONG_HINTS, _STRONG):
        _cued(text, match, 1, 0.9, found)
    for match in page.near(_WEAK_HINTS, _WEAK, before=2, after=90):
        _weakly_cued(page, match, found)
    for match in page.near(_LOWER_HINTS, _LOWER):
        _lower_case(text, match, found)
    _chains(text, found)


def _is_careful(text: str, match: re.Match[str]) -> bool:
    words = match.group("name").split(" ")
    after = text[match.end() : match.end() + 1]
    return any(_known(word) for word in words) or (
        match.group()[:3] in ("Doc", "Pro") and after in ("", ".", ",", "!", "?", "'", "’", ":")
    )


def _cued(text: str, match: re.Match[str], num_needed: int, score: float, found: list[Found]) -> None:
    """Takes the words after a cue up to the first one that is no name; a cue followed by none finds nothing."""
    start, taken = match.start("name"), 0
    end = start
    for word in _WORDS.finditer(text, start, match.end("name")):
        low = word.group().rstrip(".").lower()
        if taken and low in _LINKS:
            continue
        if (low in NOT_A_NAME and not (taken and low in GIVEN)) or (low in NOT_A_PERSON and not _known(low)):
            if low in NOT_A_PERSON and taken and low not in _HARMLESS:
                return
            break
        if text[word.start()].isupper():
            taken += 1
            end = word.end() - (1 if word.group().endswith(".") and len(word.group()) > 2 else 0)
    written = text[start:end]
    if (
        taken >= num_needed
        and len(written) > 1
        and written.rstrip(".").lower() not in _NO_ONE
        and not _AFTER_EPONYM.match(text, end)
    ):
        end = _without_possessive(text, start, end)
        found.append(Found("name", start, end, score))


def _weakly_cued(page: Page, match: re.Match[str], found: list[Found]) -> None:
    words = [word for word in match.group("name").split(" ") if word[0].isupper()]
    lows = [word.rstrip(".").lower().removesuffix("'s").removesuffix("’s") for word in words]
    if lows[0] in NOT_A_NAME or any(low in NOT_A_PERSON and low not in FAMILY for low in lows) or words[0].isupper():
        return
    after = page.text[match.end() : match.end() + 1]
    cue = match.group("cue").strip().rstrip(",").lower()
    if lows[0] in GIVEN and not (lows[0] in AMBIGUOUS and len(words) == 1 and cue not in _GREETING | _CLOSING):
        score = 0.75
    elif len(words) >= 2 and (lows[-1] in FAMILY or lows[0] in FAMILY):
        score = 0.7
    elif _stands_alone(cue, len(words), after):
        score = 0.6
    else:
        return
    _cued(page.text, match, 1, score, found)


def _stands_alone(cue: str, num_words: int, after: str) -> bool:
    """Whether unknown words between this cue and this sign can only be a name: "Dear Rosalind," or a signature."""
    if cue in _GREETING:
        return num_words <= 2 and after in (",", "!", "，")
    if cue in _CLOSING:
        return num_words <= 3 and after in ("", "\n", ".")
    people = cue.split(" ")[-1].rstrip(":") in _PEOPLE_CUES
    return people and num_words in (2, 3) and after in ("", ",", ".", "\n", ":", ";")


_PEOPLE_CUES = frozenset((
        "patient", "patientin", "patiente", "paciente", "paziente", "person", "contact", "attn", "kin", "mother",
        "father", "guardian", "spouse", "employee", "customer", "client", "caller", "sender", "kontakt",
        "ansprechpartner", "named", "called", "under", "son", "daughter", "wife", "husband", "brother", "sister",
        "friend", "uncle", "aunt", "partner", "colleague", "kid", "boss", "by",
))  # fmt: skip
_HARMLESS = frozenset((
    "the", "st", "das", "du", "la", "le", "les", "college", "road", "street",
))  # fmt: skip


def _without_possessive(text: str, start: int, end: int) -> int:
    return end - 2 if end - start > 3 and text[end - 2 : end] in ("'s", "’s") else end


def _lower_case(text: str, match: re.Match[str], found: list[Found]) -> None:
    words = match.group("name").split(" ")
    first, start = words[0].lower(), match.start("name")
    if words[0][0].isupper() or first in NOT_A_NAME:
        return
    if first in AMBIGUOUS or first not in GIVEN:
        # "my name is vitoria.": nothing but a name can end the clause here
        if (
            len(words) == 1
            and _SURELY_NAME.match(match.group())
            and text[match.end() : match.end() + 1] in ("", ".", ",", "!", "\n")
        ):
            found.append(Found("name", start, match.end(), 0.6))
        return
    num_taken = 1
    while num_taken < len(words) and _known(words[num_taken]) and words[num_taken].lower() not in NOT_A_NAME:
        num_taken += 1
    found.append(Found("name", start, start + len(" ".join(words[:num_taken])), 0.7))


_SURELY_NAME = re.compile(r"my (?:full )?name|mein name|je m|me llamo|mi chiamo", re.I)


def _chains(text: str, found: list[Found]) -> None:
    """Capitalised neighbours that the word lists know: a given name and what follows it, or Chinese names in pinyin."""
    for match in _CHAIN.finditer(text):
        if " " in match.group():
            words = list(_WORDS.finditer(text, match.start(), match.end()))
            _chain(text, words, [_bare(word.group()) for word in words], found)
        else:
            _single(text, match, found)
    place = text.find(", ")
    while place >= 0:
        if text[place + 2 : place + 3].isupper():
            _family_first(text, place, found)
        place = text.find(", ", place + 2)


def _is_place(text: str, start: int) -> bool:
    return _AFTER_SAINT.search(text, max(0, start - 10), start) is not None


def _single(text: str, match: re.Match[str], found: list[Found]) -> None:
    """One capitalised word alone: a given name that is nothing else."""
    word = match.group()
    low = _bare(word)
    if low not in GIVEN or low in AMBIGUOUS or word.isupper():
        return
    if not _AFTER_EPONYM.match(text, match.end()) and not _is_place(text, match.start()):
        found.append(Found("name", match.start(), _without_possessive(text, match.start(), match.end()), 0.5))


_WORD_BEFORE = re.compile(rf"(?<![\w'’\-@./#]){_WORD}$")
_WORD_AFTER = re.compile(rf"{_WORD}(?: [{_UPPER}]\.)?(?![\w])")


def _family_first(text: str, comma: int, found: list[Found]) -> None:
    """Smith, John"""
    before = _WORD_BEFORE.search(text, max(0, comma - 26), comma)
    after = _WORD_AFTER.match(text, comma + 2)
    if before is None or after is None:
        return
    family, given = before.group().lower(), after.group().split(" ")[0].lower()
    if family in FAMILY and family not in GIVEN and given in GIVEN and given not in AMBIGUOUS:
        found.append(Found("name", before.start(), after.end(), 0.7))


def _chain(text: str, words: list[re.Match[str]], lows: list[str], found: list[Found]) -> None:
    first = 0
    while first < len(words) - 1:
        last = _end_of_name(words, lows, first)
        if last > first and (_AFTER_EPONYM.match(text, words[last].end()) or _is_place(text, words[first].start())):
            first = last
        elif last > first:
            end = _without_possessive(text, words[first].start(), words[last].end())
            sure = any(low in FAMILY for low in lows[first + 1 : last + 1])
            found.append(Found("name", words[first].start(), end, 0.75 if sure else 0.6))
        first = max(last, first) + 1


def _end_of_name(words: list[re.Match[str]], lows: list[str], first: int) -> int:
    """The index of the last word of the name that begins at `first`; `first` itself when none begins there."""
    if _is_pinyin_name(lows[first], lows[first + 1]):
        return first + 1
    if words[first].group().endswith("."):
        return first
    if lows[first] not in GIVEN:
        return first + 2 if _has_initial(words, lows, first) else first
    last = first
    for k in range(first + 1, min(len(words), first + 6)):
        low = lows[k]
        if low in NOT_A_PERSON and low not in FAMILY:
            return first
        if low in NOT_A_NAME and low not in FAMILY and low not in _LINKS:
            break
        if words[k].group()[0].isupper() and (len(low) > 1 or words[k].group().endswith(".")):
            last = k
    tail = lows[first + 1 : last + 1]
    nxt = lows[last + 1] if last + 1 < len(lows) else ""
    if (
        not tail
        or nxt in NOT_A_PERSON
        or (lows[last] in NOT_A_PERSON and last + 1 == len(lows) and lows[last] not in FAMILY)
    ):
        return first
    if len(lows[last].rstrip(".")) == 1:
        return first
    known_family = any(low in FAMILY for low in tail)
    has_initial = any(len(low) == 1 for low in tail[:-1]) and lows[last] not in NOT_A_NAME
    if lows[first] in AMBIGUOUS and not known_family and not has_initial:
        return first
    return last


def _has_initial(words: list[re.Match[str]], lows: list[str], first: int) -> bool:
    """Mohmad R. Vizirov: two unknown words with an initial and its full stop between them."""
    if first + 2 >= len(words) or not re.fullmatch(r"[^\W\d_]\.", words[first + 1].group()):
        return False
    around = (lows[first], lows[first + 2])
    return all(
        len(low) > 2 and low not in NOT_A_NAME and low not in NOT_A_PERSON and low not in _LETTERED_THINGS
        for low in around
    )


# Vitamin D. Calcium ...: words that a letter follows
_LETTERED_THINGS = frozenset((
        "vitamin", "vitamins", "hepatitis", "type", "grade", "class", "factor", "protein", "group", "stage",
        "influenza", "category", "phase", "table", "figure", "fig", "part", "section", "schedule", "plan",
        "appendix", "level", "chapter", "unit", "block", "ward", "room", "point", "step", "question", "option",
        "answer", "case", "item", "line", "line", "gate", "zone", "version", "model", "series", "form", "annex",
        "exhibit", "complex", "antigen", "blood",
))  # fmt: skip
_LINKS = frozenset((
    "van", "der", "den", "de", "von", "la", "los", "las", "da", "di", "du", "del", "della", "dos", "das",
    "ten", "ter", "le", "bin", "ibn", "bint", "al", "el", "zu", "af", "av", "y", "e",
))  # fmt: skip
_PINYIN_WORDS = frozenset((
    "he", "she", "ran", "long", "song", "fan", "may", "you", "pan", "tan", "hang", "gang", "can", "men",
    "sang", "sun", "wan", "fang", "lei", "cai",
))  # fmt: skip


def _is_pinyin_name(family: str, given: str) -> bool:
    english = family in _PINYIN_WORDS and given in _PINYIN_WORDS  # "He Can", "Long Song"
    return family in PINYIN_FAMILY and given not in NOT_A_NAME and not english and _is_pinyin(given)


def _is_pinyin(word: str) -> bool:
    """One or two syllables of pinyin, written together or with a hyphen."""
    word = word.replace("-", "").replace("’", "").replace("'", "")
    if word in PINYIN_SYLLABLES:
        return True
    return any(word[:k] in PINYIN_SYLLABLES and word[k:] in PINYIN_SYLLABLES for k in range(1, len(word)))
