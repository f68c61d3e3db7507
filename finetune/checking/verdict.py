"""The verdict over a check: ready, ready but look first, not ready; and each reason with what to do about it.

Everything here is derived from the report alone (what check.json holds), so that the page, the file and the terminal
can never disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.checking.sentences import told
from finetune.checking.words import LANGUAGES, say
from finetune.data.findings import KINDS
from finetune.errors import Problem

MAX_PLACES = 100
FEW_ROWS = 20
_NUMBER = re.compile(r"\d[\d,]*")
# By these words a warning is known, and the reason that tells it; a warning that no reason tells is one by itself.
_TOLD_BY = (
    ("as data.leakage is warn", "leakage"),
    ("their answers are also trained", "shared_answers"),
    ("may hold personal data", "privacy"),
    (" left out: ", "bad_rows"),
    ("an earlier row exactly", "duplicates"),
    ("nearly repeat", "near_duplicates"),
    (": none of its ", "unused_file"),
    ("more than one answer; all are kept", "other_answers"),
    ("longer than data.max_length", "overlong"),
    ("will be encoded as plain text", "control_tokens"),
    ("teach little", "few_rows"),
)


@dataclass(frozen=True)
class Reason:
    """One thing that stops the training, or that somebody should look at.

    Attributes:
        code: "finding:mojibake", "privacy", "leakage", "problem", ...
        stops: whether it stops the training.
        num: how many rows (or other things) it is about; None where nothing is counted.
        what, fix: in the language asked for.
        section: the part of the page that tells more.
        language: the language of `what` and `fix`; English where no translation is at hand.
        places: the first row references.
    """

    code: str
    stops: bool
    num: int | None
    what: str
    fix: str
    section: str
    language: str
    places: tuple[str, ...] = ()


def grouped(problems: Sequence[str | Problem], bad_rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Problems by kind: what, fix, keys, got, how many, and their first places; in the order they first came.

    Args:
        problems: of an error; of bad rows perhaps only the first.
        bad_rows: of the report, which counts all of them.
    """
    from finetune.data.converting.conversion import reason_of

    counted = {reason["what"]: reason for reason in bad_rows.get("reasons", ())}
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for problem in problems:
        if isinstance(problem, str):
            problem = Problem("", "", problem)
        reason = counted.get(reason_of(problem)) if counted else None
        # Numbers are what sets problems of one kind apart.
        what, fix = (reason["what"], "") if reason else (problem.what, problem.fix)
        got = "" if reason else problem.got
        new = {"what": what, "fix": problem.fix, "keys": [], "got": got, "num": 0, "places": []}
        group = groups.setdefault((_NUMBER.sub("N", what), fix), new)
        if group["what"] != what:
            group["what"] = _NUMBER.sub("N", what)
        if reason:
            group.update(num=reason["num"], places=reason["places"][:MAX_PLACES])
            continue
        group["num"] += 1
        key = re.sub(r"\brow \d+(,\d{3})*(, )?", "", problem.key)
        if key and key not in group["keys"] and len(group["keys"]) < 5:
            group["keys"].append(key)
        if group["got"] != problem.got:
            group["got"] = ""
        if problem.where and len(group["places"]) < MAX_PLACES:
            group["places"].append(problem.where)
    return list(groups.values())


def verdict_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """{"kind": ready | look | not_ready, "sentence": English, "reasons": [{"code", "stops", "num", "what", "fix"}]}."""
    found = reasons(report, "en")
    kind = kind_of(found)
    return {
        "kind": kind,
        "sentence": f"{say(kind, 'en')}: {sentence(report, found, 'en')}",
        "reasons": [
            {"code": reason.code, "stops": reason.stops, "num": reason.num, "what": reason.what, "fix": reason.fix}
            for reason in found
        ],
    }


def kind_of(found: Sequence[Reason]) -> str:
    if any(reason.stops for reason in found):
        return "not_ready"
    return "look" if found else "ready"


def sentence(report: Mapping[str, Any], found: Sequence[Reason], language: str) -> str:
    """What stands behind the verdict's few words."""
    kind = kind_of(found)
    number = sum(reason.stops for reason in found) if kind == "not_ready" else len(found)
    return say(f"{kind}_why", language, n=number, train=report["num_train"], held=report["num_held_out"])


def reasons(report: Mapping[str, Any], language: str) -> list[Reason]:
    """What stops the training first, then what should be looked at, the gravest first."""
    found = [*_problems(report, language), *_looks(report, language)]
    found += _other_warnings(report, found, language)
    return sorted(found, key=lambda reason: not reason.stops)


def _problems(report: Mapping[str, Any], language: str) -> Iterator[Reason]:
    leaks = False
    for group in report["problems"]:
        kind = told_elsewhere(report, group)
        if kind == "leakage":
            if not leaks:
                leaks = True
                yield _leak(report, group, language)
        elif kind == "privacy":
            number = report["privacy"]["num_rows"]
            what, fix = say("privacy_reason", language, n=number), say("privacy_do_refuse", language)
            yield Reason("privacy", True, number, what, fix, "privacy", language)
        elif kind and kind != "bad_rows":
            yield _finding(report, kind, language, stops=True)
        elif not kind:
            yield _problem(group, language)


def _problem(group: Mapping[str, Any], language: str) -> Reason:
    what, spoken = told(group["what"], language)
    fix, fix_spoken = told(group["fix"], language)
    if not spoken == fix_spoken == language:
        what, fix, spoken = group["what"], group["fix"], "en"
    if group["got"]:
        what += say("aside", spoken, words=group["got"])
    fix = _sentence(fix, spoken)
    return Reason("problem", True, group["num"], what, fix, "problems", spoken, tuple(group["places"]))


def _leak(report: Mapping[str, Any], group: Mapping[str, Any], language: str) -> Reason:
    """Held-out rows that are trained; of a share the fix is that of the problem: there are no two files to mend."""
    number = num_leaking(report) or num_groups(report)
    what, fix, spoken = say("leak_reason", language, n=number), say("leak_do", language), language
    if of_share(report):
        fix, spoken = told(group["fix"], language)
        what, fix = say("leak_reason", spoken, n=number), _sentence(fix, spoken)
    return Reason("leakage", True, number, what, fix, "copies", spoken)


def of_share(report: Mapping[str, Any]) -> bool:
    """Whether the held-out rows are a share of the training files."""
    return report["leakage"].get("by") == "share"


def num_shared_answers(report: Mapping[str, Any]) -> int:
    """Held-out rows of a share of which the answer alone is trained: told of, never refused."""
    kinds = report["leakage"].get("kinds", {}) if of_share(report) else {}
    return sum(kinds.get(kind, {}).get("num", 0) for kind in ("same_answer", "near_answer"))


def num_leaking(report: Mapping[str, Any]) -> int:
    """Held-out rows that data.leakage is about."""
    return report["leakage"].get("num_rows", 0) - num_shared_answers(report)


def told_elsewhere(report: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    """What tells more of a group of problems than its line does: leakage, privacy, bad_rows or a kind of finding.

    Empty where its line is all there is.
    """
    for key in group["keys"]:
        kind = key.removeprefix("data.checks.")
        if kind != key and kind in report["findings"]:
            return kind
        if key == "data.privacy" and report["privacy"].get("num_rows"):
            return "privacy"
        if key == "data.bad_rows" and report["bad_rows"].get("reasons"):
            return "bad_rows"
    leaking = report["leakage"].get("rule") == "refuse" and num_leaking(report) + num_groups(report)
    of_leaks = "data.leakage" in group["fix"] or "keep each group" in group["fix"]
    return "leakage" if leaking and of_leaks else ""


def num_groups(report: Mapping[str, Any]) -> int:
    """Groups of data.group_by on both sides."""
    return report["leakage"].get("num_groups", 0)


def _looks(report: Mapping[str, Any], language: str) -> Iterator[Reason]:
    def look(code: str, number: int, reason: str, remedy: str, section: str, **values: Any) -> Reason:
        what = say(reason, language, n=number, **values)
        return Reason(code, False, number, what, say(remedy, language), section, language)

    leakage, privacy, duplicates = report["leakage"], report["privacy"], report["duplicates"]
    if leakage.get("rule") == "warn":
        if number := num_leaking(report):
            yield look("leakage", number, "leak_reason", "leak_do_share" if of_share(report) else "leak_do", "copies")
        elif number := num_groups(report):
            yield look("leakage", number, "leak_groups_reason", "leak_groups_do", "copies")
    if number := num_shared_answers(report):
        yield look("shared_answers", number, "leak_answers_reason", "leak_answers_do", "copies")
    if privacy.get("num_rows") and privacy.get("rule") == "warn":
        yield look("privacy", privacy["num_rows"], "privacy_reason", "privacy_do", "privacy")
    bad = report["bad_rows"].get("num", 0)
    if bad and "bad row" in report["dropped"]:
        yield look("bad_rows", bad, "bad_reason", "bad_do", "problems")
    yield from _finding_looks(report, language)
    exact = sum(found.get("exact", 0) for found in copies_of(duplicates))
    if exact and any("an earlier row exactly" in line for line in report["warnings"]):
        remedy = "exact_do_dropped" if report["dropped"].get("duplicate") else "exact_do"
        yield look("duplicates", exact, "exact_reason", remedy, "copies")
    near = sum(found.get("near", 0) for found in copies_of(duplicates))
    if near:
        remedy = "near_do_dropped" if "near duplicate" in report["dropped"] else "near_do"
        yield look("near_duplicates", near, "near_reason", remedy, "copies")
    if others := sum(found.get("same_question_other_answer", 0) for found in copies_of(duplicates)):
        yield look("other_answers", others, "other_answer_reason", "other_answer_do", "copies")
    for line in report["warnings"]:
        if ": none of its " in line:
            what, spoken = told(line, language)
            yield Reason("unused_file", False, None, what, say("unused_file_do", spoken), "files", spoken)
    yield from _length_looks(report, language)
    few = [line for line in report["warnings"] if "teach little" in line]
    # counted before their weights: ten rows taken twice are still ten
    number = int(_NUMBER.search(few[0])[0]) if few else report["num_train"]  # type: ignore[index]
    if 0 < number < FEW_ROWS:
        what, fix = say("few_reason", language, n=number), say("few_do", language, few=FEW_ROWS)
        yield Reason("few_rows", False, number, what, fix, "rows", language)


def _other_warnings(report: Mapping[str, Any], found: Sequence[Reason], language: str) -> Iterator[Reason]:
    """Warnings that no other reason tells, each in its own words: none of them is left out of the verdict."""
    codes = {reason.code for reason in found}
    if any("data.max_length" in group["keys"] for group in report["problems"]):
        codes.add("overlong")
    known = [
        *_TOLD_BY,
        *((f": {KINDS[kind].what_en} (", f"finding:{kind}") for kind in report["findings"] if kind in KINDS),
    ]
    for line in report["warnings"]:
        if any(words in line and code in codes for words, code in known):
            continue
        what, spoken = told(line, language)
        yield Reason("warning", False, None, what, say("warning_do", spoken), "notes", spoken)


def _finding(report: Mapping[str, Any], kind: str, language: str, stops: bool) -> Reason:
    found = report["findings"][kind]
    title, fix = finding_title(kind, language), finding_fix(kind, language)
    places = tuple(found["places"])
    return Reason(f"finding:{kind}", stops, found["num_rows"], title, fix, "findings", language, places)


def copies_of(duplicates: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What repeats in the training rows, and in held-out files of their own."""
    return [duplicates, *([duplicates["held_out"]] if duplicates.get("held_out") else [])]


def _finding_looks(report: Mapping[str, Any], language: str) -> Iterator[Reason]:
    for kind, found in sorted(report["findings"].items(), key=lambda pair: -pair[1]["num_rows"]):
        if found["outcome"] in ("warn", "drop"):
            yield _finding(report, kind, language, stops=False)


def _length_looks(report: Mapping[str, Any], language: str) -> Iterator[Reason]:
    """Rows over the limit that a run leaves out or trims; where it would stop at them, they are problems already."""
    lengths = report["lengths"]
    if not lengths or any("data.max_length" in group["keys"] for group in report["problems"]):
        return
    for side, words in (("train", "over_reason"), ("held_out", "over_reason_held_out")):
        if number := lengths[side]["num_over"]:
            what = say(words, language, n=number, limit=lengths["max_length"])
            fix = say(f"over_do_{lengths['overlong']}", language)
            yield Reason("overlong", False, number, what, fix, "lengths", language)
    if number := sum(lengths[side]["num_control_texts"] for side in ("train", "held_out")):
        what, fix = say("control_reason", language, n=number), say("control_do", language)
        yield Reason("control_tokens", False, number, what, fix, "findings", language)


def finding_title(kind: str, language: str) -> str:
    """The heading of a finding; its key where the kind is not known here."""
    about = KINDS.get(kind)
    return (about.title_en, about.title_zh)[LANGUAGES.index(language)] if about else kind.replace("_", " ")


def finding_fix(kind: str, language: str) -> str:
    about = KINDS.get(kind)
    return (about.fix_en, about.fix_zh)[LANGUAGES.index(language)] if about else ""


def _sentence(clause: str, language: str) -> str:
    """A clause as a sentence: `raise it` -> `Raise it.`"""
    if not clause:
        return ""
    stop = "。" if language == "zh" else "."
    return clause[:1].upper() + clause[1:] + ("" if clause[-1] in ".。!?" else stop)
