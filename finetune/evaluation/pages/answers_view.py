"""Answers side by side: differences marked, failures first, and what the reader can filter by."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from finetune.evaluation.pages.said import Said, say
from finetune.evaluation.pages.words import TEXTS

# Each answer is in one of these; the first come first.
STATES = ("new", "fail", "worse", "plain", "same", "good", "better", "mended")
SOURCES = ("questions", "held_out", "safety", "general", "suite")
MAX_SHOWN = 600
# Likeness by these, the first that is there; a smaller change of it is none.
_LIKENESS = ("rouge_l", "token_f1", "chrf")
_LEAST_CHANGE = 0.05
# Scripts that are written without blanks: each sign counts as a word.
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}]+(?:['’.,-][^\W{_SIGNS}]+)*")
# Where two texts share less than this, every word would be marked, which helps nobody.
_LEAST_ALIKE = 0.2
_MAX_COMPARED = 4_000_000


def answers_view(lines: Sequence[Mapping[str, Any]], suites: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page shows of the lines that may be shown.

    Args:
        lines: of samples.jsonl, see `shown`.
        suites: evaluation.json's, for the items that newly fail or are mended.

    Returns:
        items in their order, the filters that lead anywhere, and the pairs of filters that leave nothing.
    """
    facts = {suite["name"]: suite for suite in suites}
    items = [_item(line, facts) for line in lines]
    items.sort(key=lambda item: (STATES.index(item["state"]), item["change"]))
    kept = items[:MAX_SHOWN]
    for number, item in enumerate(kept):
        item["number"] = number + 1
        item.update(_texts(item.pop("line")))
    sources = [name for name in SOURCES if any(item["source"] == name for item in kept)]
    states = [name for name in STATES if any(item["state"] == name for item in kept)]
    held = {(item["source"], item["state"]) for item in kept}
    return {
        "items": kept,
        "num": len(items),
        "sources": _filters("source", "s", sources, kept),
        "states": _filters("state", "r", states, kept),
        "empty": [(source, state) for source in sources for state in states if (source, state) not in held],
        "anchor_of": {item["id"]: item["number"] for item in kept if item["id"]},
        "marked": any(item["compared"] in ("reference", "each_other") for item in kept),
    }


def _filters(key: str, prefix: str, names: Sequence[str], items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"id": name, "words": say(TEXTS, f"{prefix}_{name}"), "num": sum(item[key] == name for item in items)}
        for name in names
    ]


def _item(line: Mapping[str, Any], suites: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    suite = suites.get(line["source"].removeprefix("suite:")) if line["source"].startswith("suite:") else None
    source = line["source"]
    if source.startswith("suite:"):
        category = (suite or {}).get("category")
        source = category if category in ("safety", "general") else "suite"
    state, change = _state(line, suite)
    return {
        "line": line, "id": line.get("id"), "source": source, "state": state, "change": change,
        "suite": line["source"].removeprefix("suite:") if suite or source == "suite" else None,
    }  # fmt: skip


def _state(line: Mapping[str, Any], suite: Mapping[str, Any] | None) -> tuple[str, float]:
    """(how the adapter did against its base, the change of likeness): by the item's grade, else by its reference."""
    scores = line.get("scores") or {}
    passed = scores.get("passed") or line.get("passed")
    if not passed and suite is not None and line.get("id") is not None:
        if line["id"] in (suite.get("new_failures") or ()):
            passed = (True, False)
        elif line["id"] in (suite.get("mended") or ()):
            passed = (False, True)
    if passed:
        marks = (bool(passed[0]), bool(passed[1]))
        return {(True, False): "new", (False, False): "fail", (True, True): "good", (False, True): "mended"}[marks], 0.0
    for name in _LIKENESS:
        if name in scores:
            before, after = scores[name]
            change = (after - before) / (100 if max(before, after) > 1 else 1)
            return "worse" if change < -_LEAST_CHANGE else "better" if change > _LEAST_CHANGE else "same", change
    return "plain", 0.0


def _texts(line: Mapping[str, Any]) -> dict[str, Any]:
    """Question, reference and both answers, with the words marked that differ."""
    reference, base, adapter = line.get("reference"), line.get("base") or "", line.get("adapter") or ""
    made: dict[str, Any] = {"question": line["question"], "why": line.get("why"), "kind": line.get("kind"),
                            "language": line.get("language")}  # fmt: skip
    compared = None
    if reference:
        of_base, of_adapter = _other_words(base, reference), _other_words(adapter, reference)
        missing = _other_words(reference, adapter)
        compared = "reference" if (of_base, of_adapter) != (None, None) else "hardly"
        made["reference"] = _marked(reference, missing, "missing")
    else:
        of_base, of_adapter = _other_words(base, adapter), _other_words(adapter, base)
        compared = None if not base or not adapter else "each_other" if of_base is not None else "hardly"
        made["reference"] = None
    sides = (("base", base, of_base), ("adapter", adapter, of_adapter))
    made["sides"] = [
        {
            "who": who,
            "text": _marked(text, places, "other") if text.strip() else None,
            "num_tokens": line.get(f"{who}_tokens"),
            "cut": line.get(f"{who}_ended") is False,
        }
        for who, text, places in sides
    ]
    scores = (line.get("scores") or {}).items()
    made["scores"] = [
        (Said(*TEXTS[f"m_{name}"]) if f"m_{name}" in TEXTS else name, *(f"{value:.2f}" for value in pair))
        for name, pair in scores
        if name != "passed" and isinstance(pair, (list, tuple)) and len(pair) == 2
    ]
    return {**made, "compared": compared}


def _other_words(text: str, other: str) -> list[tuple[int, int]] | None:
    """(start, end) of the stretches of `text` that `other` has not, in order; None where they hardly share a word.

    Compared are words (signs, in Chinese and Japanese), whatever their case; blanks and marks are not.
    """
    mine, theirs = list(_TOKEN.finditer(text)), [match.group().lower() for match in _TOKEN.finditer(other)]
    words = [match.group().lower() for match in mine]
    if not words or not theirs or len(words) * len(theirs) > _MAX_COMPARED:
        return None
    matcher = difflib.SequenceMatcher(None, words, theirs, autojunk=False)
    if matcher.ratio() < _LEAST_ALIKE:
        return None
    found = []
    for kind, start, end, _, _ in matcher.get_opcodes():
        if kind in ("replace", "delete"):
            found.append((mine[start].start(), mine[end - 1].end()))
    return found


def _marked(text: str, places: Sequence[tuple[int, int]] | None, kind: str) -> Markup:
    """The escaped text with these stretches marked."""
    made, last = Markup(""), 0
    for start, end in places or ():
        made += escape(text[last:start])
        made += Markup('<mark class="{}">{}</mark>').format(kind, text[start:end])
        last = end
    return made + escape(text[last:])


def suites_view(suites: Sequence[Mapping[str, Any]], anchor_of: Mapping[str, int]) -> list[dict[str, Any]]:
    """Suites by category: counts, kinds, and the items that newly fail or are mended with the answer they lead to."""
    made = []
    for category in ("safety", "general", None):
        mine = [suite for suite in suites if (suite.get("category") if suite.get("category") in ("safety", "general")
                                              else None) == category]  # fmt: skip
        if mine:
            views = [_suite(suite, anchor_of) for suite in mine]
            views.sort(key=lambda view: -len(view["new"]))
            made.append({
                "id": category or "other", "title": say(TEXTS, f"{category or 'other_suites'}_title"),
                "note": say(TEXTS, f"{category}_note") if category else None, "suites": views,
            })  # fmt: skip
    return made


def _suite(suite: Mapping[str, Any], anchor_of: Mapping[str, int]) -> dict[str, Any]:
    title = suite.get("title") or suite["name"]
    if isinstance(title, Mapping):
        english = title.get("en") or title.get("zh") or suite["name"]
        title = Said(english, title.get("zh") or english)
    num = suite["num_items"]
    kinds = [
        {
            **kind,
            "name": kind["kind"].replace("_", " "),
            "base_share": _percent(kind["base"], kind["num"]),
            "adapter_share": _percent(kind["adapter"], kind["num"]),
        }
        for kind in suite.get("kinds") or ()
    ]
    # The kinds that lost most stand first.
    kinds.sort(key=lambda kind: (kind["adapter"] - kind["base"]) / max(1, kind["num"]))
    return {
        "title": title if isinstance(title, Said) else Said(title, title),
        "name": suite["name"],
        "line": say(TEXTS, "suite_line", base=suite["base_passed"], adapter=suite["adapter_passed"], n=num),
        "num": num,
        "base_share": _percent(suite["base_passed"], num),
        "adapter_share": _percent(suite["adapter_passed"], num),
        "kinds": kinds,
        "new": [(name, anchor_of.get(name)) for name in suite.get("new_failures") or ()],
        "mended": [(name, anchor_of.get(name)) for name in suite.get("mended") or ()],
    }


def _percent(num: int, total: int) -> float:
    return round(100 * num / total, 1) if total else 0.0
