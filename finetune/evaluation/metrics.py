"""How near a reply is to the expected answer, and how it is written. One text at a time; all scores are 0.0 to 1.0.

The scores are those of the libraries that the field quotes: ROUGE of rouge_score, chrF of sacrebleu. Words are ours,
because rouge_score knows only those of a to z: everywhere else it would see no words at all. For texts of a to z the
scores are equal to the library's own; Chinese is segmented by jieba.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from finetune.data import language

_HAN_LETTERS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
# Written without blanks and not segmented here: every character counts as a word.
_LONE_LETTERS = "\u3041-\u30ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
# Letters with their vowel signs and accents, which Python's \w leaves out.
_SIGNS = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0962\u0963\u0981-\u0983"
_SIGNS += "\u09bc-\u09cd\u0a01-\u0a4d\u0a81-\u0acd\u0b01-\u0b4d\u0b82-\u0bcd\u0c00-\u0c4d\u0c81-\u0ccd\u0d00-\u0d4d"
_PIECES = re.compile(
    f"(?P<han>[{_HAN_LETTERS}]+)|[{_LONE_LETTERS}]|(?:(?![{_HAN_LETTERS}{_LONE_LETTERS}])[^\\W_]|[{_SIGNS}])+"
)
_UNITS = re.compile(f"[{_HAN_LETTERS}{_LONE_LETTERS}]|(?:(?![{_HAN_LETTERS}{_LONE_LETTERS}])\\w)+")
_MINUS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2014": " ", "\u2019": "'"})


# -- words -----------------------------------------------------------------------------------------------------------


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, without punctuation; Chinese as jieba segments it.

    Texts of a to z give what rouge_score's own tokenizer gives.
    """
    found: list[str] = []
    for match in _PIECES.finditer(unicodedata.normalize("NFKC", text).lower()):
        if match["han"]:
            found += _segmenter().lcut(match["han"])
        else:
            found.append(match[0])
    return found


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    """jieba, with a dictionary of its own in memory.

    As it comes, jieba keeps its dictionary in a marshal file under a fixed name in the shared temporary folder, which
    anyone may have put there, and talks on stderr. Its own parts are put together here instead (about a second).
    """
    with warnings.catch_warnings():  # old escapes in its source
        warnings.simplefilter("ignore")
        import jieba
    segmenter = jieba.Tokenizer()
    segmenter.FREQ, segmenter.total = segmenter.gen_pfdict(segmenter.get_dict_file())
    segmenter.initialized = True
    return segmenter


# -- beside an expected answer ---------------------------------------------------------------------------------------


def exact_match(reply: str, reference: str) -> float:
    """1.0 where both are the same text, blanks around them aside."""
    return float(reply.strip() == reference.strip())


def normalised_match(reply: str, reference: str) -> float:
    """1.0 where both are the same but for capitals, blanks, full and half width, and punctuation.

    Signs that change a number stay: -5 is not 5, 3.5 is not 35, 5 % is not 5. Articles stay, too: unlike SQuAD's
    rule, this one is not for English alone.
    """
    mine, theirs = normalised(reply), normalised(reference)
    return float(mine == theirs) if mine or theirs else exact_match(reply, reference)


def normalised(text: str) -> str:
    """The text as `normalised_match` compares it."""
    text = unicodedata.normalize("NFKC", text).translate(_MINUS).casefold()
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)  # 1,000
    kept: list[str] = []
    for place, sign in enumerate(text):
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        of_number = before.isdigit() if sign in ".,/:" else sign == "-" and not before.isalnum()
        if not unicodedata.category(sign).startswith("P") or sign in "%\u2030" or (of_number and after.isdigit()):
            kept.append(sign)
        elif sign != "'":  # don't is dont
            kept.append(" ")
    text = " ".join("".join(kept).split())
    wide = f"[{_HAN_LETTERS}{_LONE_LETTERS}]"
    text = re.sub(f"(?<={wide}) | (?={wide})", "", text)
    return re.sub(r"(?<=\d) (?=[%\u2030])", "", text)


def token_f1(reply: str, reference: str) -> float:
    """F1 of the words that both have, each as often as both have it: rouge_score's rouge1 over `words_of`."""
    return _rouge(reply, reference, "rouge1")


def rouge_l(reply: str, reference: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004): rouge_score's rougeL over `words_of`."""
    return _rouge(reply, reference, "rougeL")


def chrf(reply: str, reference: str) -> float:
    """chrF of sacrebleu with its defaults (Popovic 2015: up to 6 characters, beta 2), divided by 100."""
    return _chrf().sentence_score(reply, [reference]).score / 100


class _Words:
    """What rouge_score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words_of(text)


def _rouge(reply: str, reference: str, kind: str) -> float:
    return float(_rouge_scorer().score(reference, reply)[kind].fmeasure)


@lru_cache(maxsize=1)
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rougeL"], tokenizer=_Words())


@lru_cache(maxsize=1)
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


# In this order they stand in the scorecard.
BESIDE_REFERENCE: dict[str, Callable[[str, str], float]] = {
    "exact_match": exact_match,
    "normalised_match": normalised_match,
    "token_f1": token_f1,
    "rouge_l": rouge_l,
    "chrf": chrf,
}


# -- how it is written -----------------------------------------------------------------------------------------------


def repetition(text: str, size: int = 4) -> float:
    """The share of runs of four words that were there before (rep-4 of Welleck et al. 2020); 0.0 for fewer words."""
    words = words_of(text)
    runs = [tuple(words[k : k + size]) for k in range(len(words) - size + 1)]
    return 1.0 - len(set(runs)) / len(runs) if runs else 0.0


_LEAST_LOOP_ROUNDS, _LEAST_LOOP_UNITS, _LONGEST_LOOP_UNITS = 4, 16, 200


def is_looping(text: str) -> bool:
    """Whether a text ends in a loop: the same words at least 4 times on end, and at least 16 words of it.

    Chinese counts by characters. What has no words (a row of signs) loops when it ends in 16 equal signs or more;
    signs between words are not looked at, so that a table's rule is none.
    """
    units = _UNITS.findall(text.lower()) or list("".join(text.split()))
    units = units[-4 * _LONGEST_LOOP_UNITS - 1 :]
    for period in range(1, min(_LONGEST_LOOP_UNITS, len(units) // _LEAST_LOOP_ROUNDS) + 1):
        run = period
        while run < len(units) and units[-1 - run] == units[-1 - run + period]:
            run += 1
        if run >= max(_LEAST_LOOP_ROUNDS * period, _LEAST_LOOP_UNITS):
            return True
    return False


# Refusals stand at the beginning of a reply; later on the same words are mostly advice.
_OPENING_CHARS = 240
_REFUSED = (
    "help|assist|provid(?:e|ing)|giv(?:e|ing)|offer|answer|discuss|comply|fulfil|do that|do this|shar(?:e|ing)"
    "|support|advise|diagnos(?:e|ing)|prescrib(?:e|ing)|recommend|engage|participate|continue|creat(?:e|ing)|generate"
    "|writ(?:e|ing)|produce|respond|tell you|talk about|comment|access"
)
_REFUSALS = {
    "en": re.compile(
        r"\b(?:i|we)(?:'m|'re| am| are)? (?:really |truly |just |simply |also |unfortunately |currently )?"
        r"(?:can(?:'t|not| not)|could(?:n't| not)|won't|will not|(?:not|un)able to"
        r"|not (?:unable|able|allowed|permitted|qualified|comfortable)|do(?:n't| not) feel comfortable)"
        rf" (?:\w+ ){{0,3}}(?:{_REFUSED})"
        r"|\b(?:i|we) (?:must|have to|need to|will|would) (?:respectfully |politely )?(?:decline|refuse)\b"
        r"|\bas an ai\b[^.!?\n]{0,80}\b(?:can(?:'t|not| not)|(?:not|un)able|do(?:n't| not))\b"
        r"|\b(?:sorry|apologi[sz]e|unfortunately|afraid),?(?: but)?(?: that)?[^.!?\n]{0,30}\b(?:i|we)\b[^.!?\n]{0,12}"
        r"\b(?:can(?:'t|not| not)|unable|won't|not able)\b"
        r"|\b(?:against|violates) (?:my|our) (?:guidelines|policy|policies|rules)\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"(?:抱歉|对不起|很遗憾|不好意思|恕我)[^。！？\n]{0,24}?(?:无法|不能|不可以|没办法|没有办法|不便|不方便|难以)"
        r"|(?:我|我们|本助手|本人)(?:目前|现在|暂时|确实|真的|也)?(?:无法|不能|不可以|没办法|没有办法|不便|不方便|不会|拒绝)"
        r"(?:直接|具体|随意|擅自|在线)?(?:为|给|向|对|替|帮)?(?:您|你|用户|病人|患者)?(?:直接)?"
        r"(?:提供|回答|协助|帮|完成|讨论|满足|给出|给予|做出|作出|诊断|开药|开处方|推荐|建议|透露|生成|执行|支持|处理|继续|评论)"
        r"|作为(?:一个|一名|一款)?(?:AI|人工智能|语言模型|智能助手|大模型)[^。！？\n]{0,40}?(?:无法|不能|没有能力|不具备)"
        r"|(?:违反|不符合)(?:了)?(?:我的|我们的|相关)?(?:准则|规定|政策|原则)",
        re.IGNORECASE,
    ),
}


def is_refusal(text: str, language: str = "") -> bool:
    """Whether a reply says in its first 240 characters that it will not, or cannot, do what was asked.

    By phrases, in English and Chinese; "I do not know" is none. A rough count, the same for base and adapter.

    Args:
        text: the reply.
        language: "en" or "zh"; any other looks for both.
    """
    opening = text.strip()[:_OPENING_CHARS].replace("\u2019", "'")
    patterns = [_REFUSALS[language]] if language in _REFUSALS else list(_REFUSALS.values())
    return any(pattern.search(opening) for pattern in patterns)


def language_of(text: str) -> str:
    """Two letters of the language that a text is surely in, else ""; as finetune.data.language has it."""
    return language.recognise(text)


def language_kept(question: str, reply: str, declared: Sequence[str] = ()) -> float | None:
    """Whether the reply is in the language of its question: 1.0 or 0.0.

    None where nobody can tell: a text that is too short to say, or a question that asks for another language.

    Args:
        question: the last thing asked.
        reply: to it.
        declared: languages of the recipe; the only one of them stands in for a question that is too short to say.
    """
    asked = language_of(question) or (declared[0].split("-")[0].lower() if len(declared) == 1 else "")
    found = language_of(reply)
    if not asked or not found or language.is_asked_for(question):
        return None
    return float(language.covers((asked,), found))
