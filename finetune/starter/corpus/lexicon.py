"""The lexicon of the starter corpus: parsed word tables and small helpers for articles, plurals and verb forms."""

from __future__ import annotations

from typing import NamedTuple

from . import lexicon_nature, lexicon_people, lexicon_tables, lexicon_things, lexicon_verbs


class Noun(NamedTuple):
    """A noun with its kind; ``form`` is "" (countable), "~" (mass noun) or "+" (always plural)."""

    word: str
    kind: str
    definition: str
    form: str


class Verb(NamedTuple):
    """A verb, its simple past, and a definition that follows "to"."""

    word: str
    past: str
    definition: str


class Adjective(NamedTuple):
    """An adjective, its meaning and its opposite ("" when there is none)."""

    word: str
    definition: str
    opposite: str


def rows(text: str) -> list[list[str]]:
    """Lines of fields that are separated by a bar."""
    return [[f.strip() for f in line.split("|")] for line in text.strip().splitlines() if line.strip()]


def pairs(text: str) -> list[tuple[str, str]]:
    """Comma-separated pairs of two words; an underscore stands for a space inside a word."""
    out = []
    for item in " ".join(text.split()).split(","):
        left, right = item.split()
        out.append((left.replace("_", " "), right.replace("_", " ")))
    return out


def groups(text: str) -> list[tuple[str, list[str]]]:
    """Lines ``name: word, word``; a line that starts with a blank continues the one before."""
    joined: list[str] = []
    for line in text.strip("\n").splitlines():
        if line.startswith(" "):
            joined[-1] += " " + line.strip()
        elif line.strip():
            joined.append(line.strip())
    out = []
    for line in joined:
        name, _, rest = line.partition(":")
        out.append((name.strip(), [w.strip() for w in rest.split(",") if w.strip()]))
    return out


def _nouns() -> list[Noun]:
    out: list[Noun] = []
    seen: set[str] = set()
    for module in (lexicon_nature, lexicon_things, lexicon_people):
        for kind, text in module.TABLES.items():
            for word, definition in rows(text):
                form = word[0] if word[0] in "~+" else ""
                word = word.lstrip("~+")
                if word not in seen:
                    seen.add(word)
                    out.append(Noun(word, kind, definition, form))
    return out


NOUNS: list[Noun] = _nouns()
NOUN: dict[str, Noun] = {n.word: n for n in NOUNS}
BY_KIND: dict[str, list[Noun]] = {}
for _n in NOUNS:
    BY_KIND.setdefault(_n.kind, []).append(_n)
VERBS: list[Verb] = [Verb(*r) for r in rows(lexicon_verbs.VERBS)]
ADJECTIVES: list[Adjective] = [Adjective(w, d, "" if o == "-" else o) for w, d, o in rows(lexicon_verbs.ADJECTIVES)]
ADVERBS: list[tuple[str, str]] = [(r[0], r[1]) for r in rows(lexicon_verbs.ADVERBS)]
IRREGULAR_PLURALS: dict[str, str] = dict(pairs(lexicon_tables.PLURALS))

_OPP: dict[str, str] = {a.word: a.opposite for a in ADJECTIVES if a.opposite}
for _l, _r in pairs(lexicon_verbs.OPPOSITES):
    _OPP.setdefault(_l, _r)
    _OPP.setdefault(_r, _l)
OPPOSITES: list[tuple[str, str]] = sorted(_OPP.items())

_AN = ("hour", "honest", "honour", "heir", "x-ray")
_A = ("uni", "use", "usu", "euro", "one", "once", "ufo", "uk")


def article(word: str) -> str:
    """The indefinite article that fits before ``word``."""
    low = word.lower()
    if low.startswith(_AN):
        return "an"
    if low.startswith(_A) and not low.startswith(("unim", "unin")):
        return "a"
    return "an" if low[0] in "aeiou" else "a"


def is_plural(word: str) -> bool:
    """Whether the noun is always plural, such as scissors."""
    n = NOUN.get(word)
    return n is not None and n.form == "+"


def is_mass(word: str) -> bool:
    """Whether the noun is a mass noun, such as water."""
    n = NOUN.get(word)
    return n is not None and n.form == "~"


_THE = frozenset("sun moon sky sea ocean internet future past horizon weekend".split())


def phrase(word: str) -> str:
    """The noun with the article it needs: a dog, an hour, water, scissors, the sun."""
    if word in _THE:
        return f"the {word}"
    if is_plural(word) or is_mass(word):
        return word
    return f"{article(word)} {word}"


def be(word: str) -> str:
    """The form of "to be" that agrees with the noun."""
    return "are" if is_plural(word) else "is"


def plural(word: str) -> str:
    """The plural of a countable noun; in a compound the last part changes."""
    if word in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[word]
    head, _, last = word.rpartition(" ")
    if last in IRREGULAR_PLURALS:
        last = IRREGULAR_PLURALS[last]
    elif last.endswith(("s", "x", "ch", "sh", "z")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{head} {last}" if head else last


def third(verb: str) -> str:
    """The form of the verb used with he, she or it."""
    if verb in ("go", "do"):
        return verb + "es"
    if verb.endswith(("s", "x", "ch", "sh", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


_DOUBLE = frozenset(
    "get run swim sit stop plan win cut put dig hit drop stir hop step slip rub beat_ begin forget travel wrap chat scrub"
    " cancel spin let set reset knit forbid grab nod hug jog shop fit pat rob".split()
)
_ONCE = {"lie": "lying", "tie": "tying", "die": "dying", "see": "seeing", "agree": "agreeing", "be": "being"}


def ing(verb: str) -> str:
    """The -ing form of the verb."""
    if verb in _ONCE:
        return _ONCE[verb]
    if verb in _DOUBLE:
        return verb + verb[-1] + "ing"
    if verb.endswith("e"):
        return verb[:-1] + "ing"
    return verb + "ing"


_CV_DOUBLE = frozenset("cruel big hot wet sad thin fit dim flat".split())
_COMPARED = frozenset(
    "big small tall short long wide narrow thick thin deep shallow heavy light hot cold warm cool wet dry new old"
    " young fast slow early late happy sad angry brave shy bold kind cruel rude polite clever wise lazy busy strong"
    " weak hard soft rough smooth sharp clean dirty tidy messy full empty loud quiet bright dark easy safe cheap rich"
    " poor near high low fresh ripe sweet sour hungry thirsty ugly funny strange rare proud lonely round steep tight"
    " loose noisy friendly salty healthy simple".split()
)


def compared(adjective: str) -> tuple[str, str] | None:
    """The comparative and superlative of a short adjective, or None."""
    if adjective not in _COMPARED:
        return None
    stem = adjective
    if stem in _CV_DOUBLE:
        stem += stem[-1]
    elif stem.endswith("e"):
        stem = stem[:-1]
    elif stem.endswith("y") and stem not in ("shy", "dry"):
        stem = stem[:-1] + "i"
    elif stem == "dry":
        stem = "dri"
    return stem + "er", stem + "est"


ANIMAL_FACTS: dict[str, tuple[str, str, str, int]] = {
    r[0]: (r[1], r[2], r[3], int(r[4])) for r in rows(lexicon_tables.ANIMAL_FACTS)
}
COLOURS: list[tuple[str, str]] = [(w, c) for c, ws in groups(lexicon_tables.COLOURS) for w in ws]
COLOUR: dict[str, str] = dict(COLOURS)
WHERE: list[tuple[str, str]] = [(w, p) for p, ws in groups(lexicon_tables.WHERE) for w in ws]
WHERE_IS: dict[str, str] = dict(WHERE)
JOBS: list[tuple[str, str]] = [(r[0], r[1]) for r in rows(lexicon_tables.JOBS)]
JOB: dict[str, str] = dict(JOBS)
FIXERS: list[tuple[str, str]] = [(r[0], r[1]) for r in rows(lexicon_tables.FIXERS)]
USES: list[tuple[str, str]] = [(r[0], r[1]) for r in rows(lexicon_tables.USES)]
USE: dict[str, str] = dict(USES)
CAPITALS: list[tuple[str, str]] = pairs(lexicon_tables.CAPITALS)
UNITS: list[tuple[str, str]] = [(r[0], r[1]) for r in rows(lexicon_tables.UNITS)]
WHY: list[tuple[str, str]] = [(r[0], r[1]) for r in rows(lexicon_tables.WHY)]
HOW_TO: list[tuple[str, list[str]]] = [(r[0], r[1].split(" / ")) for r in rows(lexicon_tables.HOW_TO)]
SCALES: list[tuple[str, list[str]]] = [(k, v.split(", ")) for k, v in lexicon_tables.SCALES.items()]
MONTHS, DAYS, SEASONS = lexicon_tables.MONTHS, lexicon_tables.DAYS, lexicon_tables.SEASONS
ALL_WORDS: list[str] = sorted(
    {n.word for n in NOUNS}
    | {v.word for v in VERBS}
    | {v.past for v in VERBS}
    | {a.word for a in ADJECTIVES}
    | {a for a, _ in ADVERBS}
    | {o for o, _ in OPPOSITES}
    | {plural(n.word) for n in NOUNS if not n.form}
    | {f(v.word) for v in VERBS for f in (third, ing)}
    | {f for a in ADJECTIVES for f in compared(a.word) or ()}
)
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def number_word(n: int) -> str:
    """The number from 0 to 100 in words."""
    if n == 100:
        return "one hundred"
    if n < 20:
        return _ONES[n]
    return _TENS[n // 10] + ("-" + _ONES[n % 10] if n % 10 else "")
