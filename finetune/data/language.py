"""Which language a text is in: sure, or silent.

Han, kana, Hangul and English prose are told by their characters and commonest words, which costs some microseconds
and no memory. All else goes to py3langid (97 languages, the model is in the wheel, numpy is all it needs), and
counts only when the text is long enough and the answer certain.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MAX_CHARS = 500  # of a text that are looked at
MIN_LETTERS = 50  # fewer letters of an alphabet say nothing for sure
MIN_HAN = 12
SURE = 0.999

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002a6df]")
_KANA = re.compile("[\u3041-\u30ff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_WORD = re.compile(r"[^\W\d_]+")
_NOT_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|www\.\S+|\S+@\S+", re.DOTALL)
_CODE = re.compile(
    r"\bdef \w+\(|\bfunction \w*\(|\bimport \w+\n|[{}]\n|</\w|#include|\bSELECT \*|^\s*\w+ = \w", re.MULTILINE
)
_ENGLISH_WORDS = (
    "the of and to in is that it for was on are as with be by this from or at have has had not an you "
    "which can will may your their if when these more who there been other what how they we i my he she "
    "his her but do does should about into also some such than then its our were would could"
)
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_ONLY_ENGLISH = frozenset("the and with you your are that this for have from which should they".split())  # noqa: SIM905
# Languages that are told apart: those many people write, and Latin, so that names of plants and bones are not Italian.
_TOLD = (
    "af ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko "
    "la lt lv mk ml mn mr ms my nb ne nl nn no pa pl ps pt ro ru si sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh"
)
# Languages that even long texts do not tell apart for certain; one declared covers the others.
_NEAR = (
    frozenset({"no", "nb", "nn", "da", "sv"}),
    frozenset({"id", "ms", "jv"}),
    frozenset({"hr", "sr", "bs", "sl"}),
    frozenset({"cs", "sk"}),
    frozenset({"gl", "pt", "es", "ca", "an", "oc"}),
    frozenset({"af", "nl", "li"}),
    frozenset({"hi", "mr", "ne"}),
    frozenset({"ru", "uk", "be", "bg", "mk"}),
    frozenset({"ar", "fa", "ur", "ps", "ug"}),
    frozenset({"zh", "yue", "wuu", "zha"}),
    frozenset({"lb", "de"}),
    frozenset({"az", "tr"}),
    frozenset({"la", "it"}),
)


def recognise(text: str) -> str:
    """Two-letter code of the language of a text, "" when it is not sure. Looks at the first MAX_CHARS characters."""
    text = text[: 2 * MAX_CHARS]
    if "`" in text or "://" in text or "www." in text or "@" in text:
        text = _NOT_PROSE.sub(" ", text)
    text = text[:MAX_CHARS]
    if not text.isascii():
        by_script = _by_script(text)
        if by_script is not None:
            return by_script
    words = _WORD.findall(text.lower())
    num_letters = sum(map(len, words))
    if num_letters < MIN_LETTERS or num_letters < 0.6 * len(text.replace(" ", "")):
        return ""
    share = sum(map(_ENGLISH.__contains__, words)) / len(words)
    if share >= 0.2 and not _ONLY_ENGLISH.isdisjoint(words):
        return "" if _CODE.search(text) else "en"
    if len(words) < 8:
        return ""  # one long word, a formula, a list of names
    if _CODE.search(text):
        return ""
    code, certainty = _classified(" ".join(words))
    if code != "en" and share >= 0.12:
        return ""  # so many of its commonest words: mixed with English at least
    if code == "en" and share < 0.03:
        return ""
    return code if certainty >= SURE else ""


def _by_script(text: str) -> str | None:
    """The language where the script says it; "" where it says only that it is mixed; None for other scripts."""
    num_han = len(_HAN.findall(text))
    if num_han == 0 and not _HANGUL.search(text) and not _KANA.search(text):
        return None
    num_kana, num_hangul = len(_KANA.findall(text)), len(_HANGUL.findall(text))
    num_wide = num_han + num_kana + num_hangul
    # A Chinese character is about as much text as three letters.
    num_letters = sum(map(len, _WORD.findall(text))) - num_wide
    if num_wide < MIN_HAN or num_wide * 3 < num_letters:
        return None if num_wide * 20 < num_letters else ""
    if num_kana * 4 > num_wide:
        return "ja"
    if num_hangul * 3 > num_wide:
        return "ko"
    return "zh" if num_kana * 50 <= num_wide and num_hangul * 50 <= num_wide else ""


def _classified(text: str) -> tuple[str, float]:
    """(language, certainty); where languages are near to one another, the certainty that it is one of them."""
    identifier = _identifier()
    code, certainty = identifier.classify(text)
    if certainty < SURE:
        near = [group for group in _NEAR if code in group]
        if near:
            certainty = sum(share for other, share in identifier.rank(text) if other in near[0])
    return code, float(certainty)


def covers(languages: tuple[str, ...] | list[str], code: str) -> bool:
    """Whether a recognised language is one of those declared, or too near to one of them to say."""
    declared = {language.split("-")[0].lower() for language in languages}
    if code in declared:
        return True
    return any(code in group and group & declared for group in _NEAR)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(sorted(set(_TOLD.split()) & set(identifier.labels)))
    return identifier


_ASKED_FOR = re.compile(
    r"translat|übersetz|tradui|traduc|traduz|vertaal|翻译|译成|译为|\blanguages?\b|Sprache|langue|idioma|lingua\b|语言"
    r"|\b(?:in|into|to|from|auf|en|speak|learn|write) (?:english|chinese|german|french|spanish|italian"
    r"|portuguese|dutch|russian|japanese"
    r"|korean|arabic|hindi|latin|greek|polish|turkish|deutsch|englisch|français|anglais|español|inglés)\b"
    r"|句子|例句|造句|单词|短语|一词|个词|拼写|\bwords?\b|\bsentences?\b|\bphrases?\b|\bpoems?\b|\blyrics\b|英文|英语|中文|汉语"
    r"|法语|德语|日语|俄语|西班牙语|韩语",
    re.IGNORECASE,
)


def is_asked_for(text: str) -> bool:
    """Whether a text speaks of languages or of translating, so that another language than usual is no slip."""
    return _ASKED_FOR.search(text[:4000]) is not None
