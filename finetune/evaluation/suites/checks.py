"""The checks a rule is made of. Each says what is wrong with its value, whether a reply passes, and itself in words.

{"contains": "Paris"}  {"contains": ["Paris", "巴黎"]}   one of the texts stands in the reply, as whole words
{"contains_all": ["red", "blue"]}                        every one of them
{"equals": ["yes", "correct"]}                           the reply is that and nothing else (case, final stop aside)
{"starts": "Dear"}  {"ends": "Thank you."}               first and last words; one of several
{"order": ["spring", "summer"]}                          they stand in this order (first places counted)
{"count": {"text": "rain", "times": 2}}                  how often a text stands there; times as in "lines"
{"matches": "regex"}  {"matches": ["a", "b"]}            one of the patterns (patterns.py says which are taken)
{"number": 42, "tolerance": 0.5}                         the number the reply states (numbers.py)
{"option": "B"}                                          the letter it chooses
{"json": {"keys": [...], "values": {...}, "only": true, "alone": true, "length": 3}}
{"lines": 3}  {"lines": [2, 4]}  {"lines": [null, 4]}    so too: words, characters, sentences, paragraphs, bullets,
                                                         numbered (list lines)
{"case": "upper"}  {"language": "zh"}
{"concept": "urgent_care"}  {"concept": ["a", "b"]}      one of the concepts is found (concepts.py)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from finetune.evaluation.suites import numbers, patterns, texts
from finetune.evaluation.suites.concepts import Concepts, concept_found

_BULLET = re.compile(r"[-*•·‣–+]\s+\S")
_NUMBERED = re.compile(r"\(?\d{1,3}(?:[.)）、．]|\s*:)\s*\S")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")


class Reply:
    """One reply, and what the checks want to know of it, each found out once."""

    def __init__(self, text: str, language: str, concepts: Concepts | None = None) -> None:
        self.text = texts.visible(text)[: patterns.MAX_REPLY_CHARS]
        self.language = language
        self.concepts = concepts

    @cached_property
    def plain(self) -> str:
        """Without the signs of bold, italics and code."""
        return texts.without_emphasis(self.text).strip()

    @cached_property
    def bare(self) -> str:
        """For `equals`: no case, no quotes around it, no full stop."""
        return _bare(self.plain)

    @cached_property
    def json(self) -> tuple[Any, bool]:
        """(the first JSON object or list in it, whether it stands alone); (None, False) when there is none."""
        inner = texts.without_fence(self.text)
        for start, sign in enumerate(inner):
            if sign in "{[":
                try:
                    value, end = json.JSONDecoder().raw_decode(inner, start)
                except (ValueError, RecursionError):
                    continue
                around = self.text.replace(inner, "", 1) if inner != self.text else ""
                alone = not inner[:start].strip() and not inner[end:].strip()
                return value, alone and not re.sub(r"```\w*|\s", "", around)
        return None, False


@dataclass(frozen=True)
class Check:
    """One kind of check.

    Attributes:
        problem: (value, concepts) -> what is wrong with the value, one clause; "" when nothing is.
        passes: (value, reply, the whole rule) -> whether the reply passes.
        says: in English and in Chinese, what comes after "should".
        seen: what the reply has instead, where that is short.
    """

    problem: Callable[[Any, Concepts], str]
    passes: Callable[[Any, Reply, Mapping[str, Any]], bool]
    says: tuple[str, str]
    seen: Callable[[Reply], str] | None = None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _texts_problem(value: Any, _: Concepts) -> str:
    good = _listed(value) and all(isinstance(text, str) and text.strip() for text in _listed(value))
    return "" if good else "is not a text or a list of texts"


def _text_list_problem(value: Any, concepts: Concepts) -> str:
    return _texts_problem(value, concepts) if isinstance(value, list) else "is not a list of texts"


def _patterns_problem(value: Any, _: Concepts) -> str:
    whys = [
        patterns.problem_of(texts.alike(pattern) if isinstance(pattern, str) else pattern) for pattern in _listed(value)
    ]
    return next((why for why in whys if why), "" if whys else "has no pattern")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count_problem(value: Any, _: Concepts) -> str:
    if _is_count(value):
        return ""
    is_pair = isinstance(value, list) and len(value) == 2 and value != [None, None]
    if not is_pair or not all(end is None or _is_count(end) for end in value):
        return "is neither a number nor [least, most]"
    low, high = value
    return "" if low is None or high is None or low <= high else "has its ends the wrong way round"


def _in_range(value: Any, count: int) -> bool:
    if isinstance(value, int):
        return count == value
    low, high = value
    return (low is None or count >= low) and (high is None or count <= high)


def _literal(text: str) -> re.Pattern[str]:
    """A literal text as whole words: "Paris" does not stand in "comparison", nor 12 in 12.5 or 1,200."""
    text = texts.alike(text.strip())
    before = r"(?<![A-Za-z0-9])(?<!\d[.,])" if re.match(r"[A-Za-z0-9]", text) else ""
    after = r"(?![A-Za-z0-9]|[.,]\d)" if re.search(r"[A-Za-z0-9]\Z", text) else ""
    return re.compile(before + r"\s+".join(map(re.escape, text.split())) + after, re.IGNORECASE)


def _place(text: str, reply: Reply) -> int:
    found = _literal(text).search(reply.plain) or _literal(text).search(reply.text)
    return found.start() if found else -1


def _bare(text: str) -> str:
    return re.sub(r"^[\"'“”「『(\s]+|[\"'“”」』).。!！\s]+$", "", " ".join(texts.alike(text).split())).casefold()


def _starts(value: Any, reply: Reply, _: Mapping[str, Any]) -> bool:
    opening = reply.plain.lstrip("\"'“「 ").casefold()
    return any(opening.startswith(texts.alike(text).strip().casefold()) for text in _listed(value))


def _ends(value: Any, reply: Reply, _: Mapping[str, Any]) -> bool:
    closing = reply.plain.rstrip("\"'”」 ").casefold()
    return any(closing.endswith(texts.alike(text).strip().casefold()) for text in _listed(value))


def _order(value: Any, reply: Reply, _: Mapping[str, Any]) -> bool:
    places = [_place(text, reply) for text in value]
    return -1 not in places and places == sorted(places)


def _times_problem(value: Any, concepts: Concepts) -> str:
    if not isinstance(value, dict) or set(value) != {"text", "times"}:
        return 'is not {"text": ..., "times": n}'
    return _texts_problem(value["text"], concepts) or _count_problem(value["times"], concepts)


def _times(value: Any, reply: Reply, _: Mapping[str, Any]) -> bool:
    return _in_range(value["times"], sum(len(_literal(text).findall(reply.plain)) for text in _listed(value["text"])))


def _number_problem(value: Any, _: Concepts) -> str:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15
    return "" if good else "is not a number"


def _number(value: Any, reply: Reply, rule: Mapping[str, Any]) -> bool:
    stated = numbers.stated_number(reply.text)
    return stated is not None and abs(stated - value) <= rule.get("tolerance", 0) + 1e-9 * max(1.0, abs(value))


def _number_seen(reply: Reply) -> str:
    stated = numbers.stated_number(reply.text)
    return "" if stated is None else f"{stated:.12g}"


def _option_problem(value: Any, _: Concepts) -> str:
    return "" if isinstance(value, str) and re.fullmatch("[A-H]", value) else "is not a letter from A to H"


def _json_problem(value: Any, _: Concepts) -> str:
    known = {"keys": list, "values": dict, "only": bool, "alone": bool, "length": int}
    if not isinstance(value, dict):
        return 'is not a map, {} at least, such as {"keys": ["name"]}'
    wrong = [word for word in value if word not in known or not isinstance(value[word], known[word])]
    return f"has {wrong[0]!r}, which is unknown or of the wrong type" if wrong else ""


def _json(value: Any, reply: Reply, _: Mapping[str, Any]) -> bool:
    read, alone = reply.json
    if read is None or (value.get("alone") and not alone):
        return False
    if "length" in value and (not isinstance(read, (list, dict)) or len(read) != value["length"]):
        return False
    if not value.get("keys") and not value.get("values"):
        return True
    if not isinstance(read, dict) or not set(value.get("keys", ())) | set(value.get("values", ())) <= set(read):
        return False
    if value.get("only") and set(read) != set(value.get("keys", ())) | set(value.get("values", ())):
        return False
    return all(_same(read[key], wanted) for key, wanted in value.get("values", {}).items())


def _same(read: Any, wanted: Any) -> bool:
    """Equal as JSON values; texts without regard to case and ends; 3 and 3.0 are one, 1 and true are not."""
    if isinstance(read, str) and isinstance(wanted, str):
        return _bare(read) == _bare(wanted)
    if isinstance(read, list) and isinstance(wanted, list):
        return len(read) == len(wanted) and all(map(_same, read, wanted))
    if isinstance(read, bool) != isinstance(wanted, bool):
        return False
    return read == wanted


def _case(value: Any, reply: Reply, _: Mapping[str, Any]) -> bool:
    letters = [letter for letter in reply.plain if letter.isalpha() and letter.upper() != letter.lower()]
    return bool(letters) and all(letter.isupper() if value == "upper" else letter.islower() for letter in letters)


def _language(value: Any, reply: Reply, _: Mapping[str, Any]) -> bool:
    num_han, num_latin = len(_HAN.findall(reply.plain)), len(_LATIN.findall(reply.plain))
    # A Chinese character is about as much text as three letters.
    return 3 * num_han > num_latin if value == "zh" else num_latin > 3 * num_han


def _concept_problem(value: Any, concepts: Concepts) -> str:
    if _texts_problem(value, concepts):
        return "is not the name of a concept"
    unknown = [name for name in _listed(value) if name not in concepts]
    near = get_close_matches(unknown[0], concepts, 1, 0.5) if unknown else []
    return f"names an unknown concept{f', {near[0]} perhaps' if near else ''}" if unknown else ""


def _one_of(*known: str) -> Callable[[Any, Concepts], str]:
    return lambda value, _: "" if value in known else f"is not one of {', '.join(known)}"


def _num_marked(mark: re.Pattern[str]) -> Callable[[Reply], int]:
    return lambda reply: sum(bool(mark.match(line)) for line in texts.lines(reply.text))


def _num_paragraphs(reply: Reply) -> int:
    return len([block for block in re.split(r"\n\s*\n", reply.text) if block.strip()])


def _counted(count: Callable[[Reply], int], english: str, chinese: str) -> Check:
    return Check(
        _count_problem,
        lambda value, reply, _: _in_range(value, count(reply)),
        (f"have {{value}} {english}", f"有 {{value}} {chinese}"),
        lambda reply: str(count(reply)),
    )


CHECKS: dict[str, Check] = {
    "contains": Check(
        _texts_problem,
        lambda value, reply, _: any(_place(text, reply) >= 0 for text in _listed(value)),
        ("contain {value}", "包含 {value}"),
    ),
    "contains_all": Check(
        _text_list_problem,
        lambda value, reply, _: all(_place(text, reply) >= 0 for text in value),
        ("contain all of: {value}", "全部包含：{value}"),
    ),
    "equals": Check(
        _texts_problem,
        lambda value, reply, _: reply.bare in map(_bare, _listed(value)),
        ("be exactly {value}", "恰好是 {value}"),
    ),
    "starts": Check(_texts_problem, _starts, ("start with {value}", "以 {value} 开头")),
    "ends": Check(_texts_problem, _ends, ("end with {value}", "以 {value} 结尾")),
    "order": Check(_text_list_problem, _order, ("hold in this order: {value}", "依次包含：{value}")),
    "count": Check(_times_problem, _times, ("hold a text so often: {value}", "含某词的次数符合：{value}")),
    "matches": Check(
        _patterns_problem,
        lambda value, reply, _: any(
            patterns.found(texts.alike(pattern), text)
            for pattern in _listed(value)
            for text in (reply.plain, reply.text)
        ),
        ("match {value}", "符合模式 {value}"),
    ),
    "number": Check(_number_problem, _number, ("state the number {value}", "给出数字 {value}"), _number_seen),
    "option": Check(
        _option_problem,
        lambda value, reply, _: numbers.stated_option(reply.text) == value,
        ("choose {value}", "选择 {value}"),
        lambda reply: numbers.stated_option(reply.text) or "",
    ),
    "json": Check(_json_problem, _json, ("be JSON of this form: {value}", "是如下形式的 JSON：{value}")),
    "lines": _counted(lambda reply: len(texts.lines(reply.text)), "lines", "行"),
    "words": _counted(lambda reply: len(texts.words(reply.plain)), "words", "个词"),
    "characters": _counted(lambda reply: len("".join(reply.plain.split())), "characters", "个字符"),
    "sentences": _counted(lambda reply: len(texts.sentences(reply.plain)), "sentences", "句"),
    "paragraphs": _counted(_num_paragraphs, "paragraphs", "段"),
    "bullets": _counted(_num_marked(_BULLET), "bullet points", "个项目符号行"),
    "numbered": _counted(_num_marked(_NUMBERED), "numbered lines", "个编号行"),
    "case": Check(_one_of("upper", "lower"), _case, ("be all in {value} case", "全部为 {value} 大小写")),
    "language": Check(_one_of("en", "zh"), _language, ("be written in the language {value}", "用 {value} 语言书写")),
    "concept": Check(
        _concept_problem,
        lambda value, reply, _: any(concept_found(name, reply.text, None, reply.concepts) for name in _listed(value)),
        ("show: {value}", "体现：{value}"),
    ),
}
