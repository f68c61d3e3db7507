"""Rules applied to replies: whether one passes, and which check it failed, in a sentence of English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from finetune.errors import Problem, shown
from finetune.evaluation.suites.checks import CHECKS, Reply
from finetune.evaluation.suites.concepts import Concepts, shipped_concepts

if TYPE_CHECKING:
    from finetune.evaluation.suites.loading import Item

MAX_DEPTH = 8  # of rules within rules
_JOINED = ("all", "any")
_EXTRA = {"tolerance": "number"}  # words that stand beside a check


def grade(item: Item, reply: str) -> bool:
    """Whether a reply passes the rule of an item.

    Raises:
        ValueError: a choice item, which is scored by likelihood and has no reply.
        DataError: a pattern of the rule took too long on this reply.
    """
    return passes(_rule_of(item), Reply(reply, item.language, item.concepts))


def explain(item: Item, reply: str, language: str = "en") -> str:
    """Which check a reply failed, one sentence of `language` ("en" or "zh"); "" when it passes.

    Raises:
        ValueError, DataError: as in `grade`.
    """
    return _why(_rule_of(item), Reply(reply, item.language, item.concepts), language)


def _rule_of(item: Item) -> Mapping[str, Any]:
    if item.grade is None:
        raise ValueError(f"{item.id} is a choice: it is scored by the likelihood of its options, not by a reply")
    return item.grade


def passes(rule: Mapping[str, Any], reply: Reply) -> bool:
    """Whether a reply passes a rule that `problems_of` found nothing wrong with."""
    if "all" in rule:
        return all(passes(part, reply) for part in rule["all"])
    if "any" in rule:
        return any(passes(part, reply) for part in rule["any"])
    if "not" in rule:
        return not passes(rule["not"], reply)
    name = _check_of(rule)
    return CHECKS[name].passes(rule[name], reply, rule)


def _why(rule: Mapping[str, Any], reply: Reply, language: str) -> str:
    if passes(rule, reply):
        return ""
    chinese = language == "zh"
    if "all" in rule:
        return next(why for why in (_why(part, reply, language) for part in rule["all"]) if why)
    if "any" in rule:
        whys = [_why(part, reply, language) for part in rule["any"]]
        return ("；且" if chinese else "; and ").join(dict.fromkeys(whys))
    if "not" in rule:
        return ("不应：" if chinese else "it should not: ") + _said(rule["not"], language)
    name = _check_of(rule)
    look = CHECKS[name].seen
    seen = look(reply) if look else ""
    needed = ("应当" if chinese else "it should ") + _said(rule, language)
    return needed + (("；实际为 " if chinese else "; it has ") + seen if seen else "")


def _said(rule: Mapping[str, Any], language: str) -> str:
    """A rule in words, from "should" on."""
    chinese = language == "zh"
    for name, joint in (("all", "，并且" if chinese else " and "), ("any", "，或者" if chinese else " or ")):
        if name in rule:
            return joint.join(_said(part, language) for part in rule[name])
    if "not" in rule:
        return ("不" if chinese else "not ") + _said(rule["not"], language)
    name = _check_of(rule)
    return CHECKS[name].says[chinese].format(value=_plain(rule[name], chinese))


def _plain(value: Any, chinese: bool) -> str:
    if isinstance(value, list):
        return (" / " if chinese else ", or ").join("..." if part is None else str(part) for part in value)
    return str(value)


def _check_of(rule: Mapping[str, Any]) -> str:
    return next(word for word in rule if word not in _EXTRA)


def problems_of(
    rule: Any, where: str, key: str = "grade", concepts: Concepts | None = None, depth: int = 0
) -> list[Problem]:
    """Everything that is wrong with a rule as read from a file.

    Args:
        where: `file:line` of its item.
        key: path of the rule within the item.
        concepts: names that {"concept": ...} may use; the shipped ones when None.
    """
    if not isinstance(rule, dict) or not rule:
        return [Problem(where, key, "is not a rule", shown(rule), 'write {"contains": "Paris"}, say')]
    if depth > MAX_DEPTH:
        return [Problem(where, key, f"is more than {MAX_DEPTH} rules deep", "", "write it flatter")]
    known = shipped_concepts() if concepts is None else concepts
    words = [word for word in rule if word not in _EXTRA]
    unknown = [word for word in words if word not in (*_JOINED, "not") and word not in CHECKS]
    names = ", ".join((*_JOINED, "not", *CHECKS))
    problems = [Problem(where, key, f"has the unknown check {word!r}", "", f"use {names}") for word in unknown]
    problems += [
        Problem(where, f"{key}.{extra}", f"stands beside {check!r} only")
        for extra, check in _EXTRA.items()
        if extra in rule and check not in rule
    ]
    if "tolerance" in rule and (not isinstance(rule["tolerance"], (int, float)) or not 0 <= rule["tolerance"] < 1e12):
        problems.append(Problem(where, f"{key}.tolerance", "is not a number from 0 on", shown(rule["tolerance"])))
    if len(words) != 1:
        fix = 'join them: {"all": [{...}, {...}]}'
        return [*problems, Problem(where, key, f"has {len(words)} checks, where one belongs", "", fix)]
    if unknown:
        return problems
    word, value = words[0], rule[words[0]]
    if word in _JOINED:
        if not isinstance(value, list) or not value:
            return [*problems, Problem(where, f"{key}.{word}", "is not a list of rules", shown(value))]
        for index, part in enumerate(value):
            problems += problems_of(part, where, f"{key}.{word}[{index}]", known, depth + 1)
    elif word == "not":
        problems += problems_of(value, where, f"{key}.not", known, depth + 1)
    else:
        why = CHECKS[word].problem(value, known)
        if why:
            problems.append(Problem(where, f"{key}.{word}", why, shown(value)))
    return problems
