"""From the report to what the page shows, in one language: words, tables, drawings. No row text comes near it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.checking import charts
from finetune.checking.sentences import told
from finetune.checking.verdict import (
    MAX_PLACES,
    Reason,
    copies_of,
    finding_fix,
    finding_title,
    kind_of,
    reasons,
    sentence,
    told_elsewhere,
)
from finetune.checking.words import LANGUAGE_NAMES, LANGUAGES, TEXTS, say
from finetune.data.findings import KINDS

_SIGNS = {"ready": "✓", "look": "!", "not_ready": "✗"}
_HTML_LANGUAGE = {"en": "en", "zh": "zh-Hans"}
_DRAWN = ("total", "answer", "prompt", "system")
_FIGURES = ("shortest", "median", "p90", "p99", "longest")
_FIRST_DROPPED = ("bad row", "disliked answer", "duplicate", "near duplicate")


def view(report: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Everything the template needs for one language of the page."""
    found = reasons(report, language)
    kind = kind_of(found)
    return {
        "language": language,
        "html_language": _HTML_LANGUAGE[language],
        "t": lambda key, **values: say(key, language, **values),
        "name": report["recipe"]["name"],
        "verdict": {
            "kind": kind, "sign": _SIGNS[kind], "head": say(kind, language), "why": sentence(report, found, language),
        },
        "reasons": [_reason(reason, language) for reason in found],
        "rows": _rows(report, language),
        "problems": _problems(report, language),
        "bad_stop": _bad_stop(report, language),
        "bad_rows": _bad_rows(report, language),
        "findings": _findings(report, language),
        "num_kinds": len(KINDS),
        "privacy": _privacy(report, language),
        "copies": _copies(report, language),
        "lengths": _lengths(report, language),
        "why_no_lengths": _why_no_lengths(report),
        "languages": _languages(report, language),
        "files": _files(report, language),
        "notes": [_line(line, language) for line in report["notes"] if not _file_of(line, report)],
        "about": _about(report, language),
    }  # fmt: skip


def _reason(reason: Reason, language: str) -> dict[str, Any]:
    spoken = None if reason.language == language else _HTML_LANGUAGE[reason.language]
    return {
        "stops": reason.stops,
        "num": reason.num,
        "what": reason.what,
        "fix": reason.fix,
        "section": reason.section,
        "spoken": spoken,
        "counted": _counted(reason),
    }


def _counted(reason: Reason) -> str:
    """What the number beside a reason counts; a line that sums up ("12 of 80 rows ...") says it by itself."""
    if reason.code.startswith("finding:"):
        return "rows"
    return "times" if reason.code == "problem" and reason.places and reason.num and reason.num > 1 else ""


def _line(line: str, language: str) -> dict[str, str | None]:
    text, spoken = told(line, language)
    return {"text": text, "spoken": None if spoken == language else _HTML_LANGUAGE[spoken]}


def share(number: int, total: int) -> str:
    """`12 %`, `0.4 %`, `< 0.1 %`; empty where there is nothing to divide by."""
    if not total:
        return ""
    percent = 100 * number / total
    if number and percent < 0.1:
        return "< 0.1 %"
    if number < total and percent >= 99.5:
        return "> 99 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == int(percent) else f"{percent:.1f} %"


# -- rows ------------------------------------------------------------------------------------------------------------


def _rows(report: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Where every row that was read went to; what is not accounted for is usable so far (a check that stopped)."""
    read, bad = report["num_rows_read"], report["bad_rows"].get("num", 0)
    stopped = not report["num_train"]
    dropped = {key: number for key, number in report["dropped"].items() if number}
    parts: list[dict[str, Any]] = []

    def add(kind: str, label: str, number: int) -> None:
        if number:
            parts.append({"kind": kind, "label": label, "num": number, "share": share(number, read)})

    add("train", say("train", language), report["num_train"])
    add("held", say("held_out", language), report["num_held_out"])
    if "bad row" not in dropped:
        add("out", say("bad_rows_now", language), bad)
    for key in [*(k for k in _FIRST_DROPPED if k in dropped), *(k for k in dropped if k not in _FIRST_DROPPED)]:
        add("out", dropped_label(key, language), dropped[key])
    rest = read - sum(part["num"] for part in parts)
    if rest > 0:
        parts.insert(0, {"kind": "held", "label": say("usable", language), "num": rest, "share": share(rest, read)})
    return {
        "read": read,
        "stopped": stopped,
        "more": -rest if rest < 0 else 0,
        "parts": parts,
        "svg": _safe(charts.flow([(part["kind"], part["num"]) for part in parts])),
        "row_pixels": charts.FLOW_ROW_PIXELS,
    }


def dropped_label(key: str, language: str) -> str:
    """Why rows were left out, in words."""
    known = f"dropped_{key.replace(' ', '_')}"
    if known in TEXTS:
        return say(known, language)
    kinds = [kind.removeprefix("data.checks.") for kind in key.split(" or ")]
    if all(kind in KINDS for kind in kinds):
        titles = (say("or", language)).join(finding_title(kind, language) for kind in kinds)
        return say("dropped_finding", language, title=titles)
    return say("dropped_other", language, reason=told(key.removeprefix("bad row: "), language)[0])


# -- places ----------------------------------------------------------------------------------------------------------


def places(found: Sequence[str], num: int, language: str) -> dict[str, Any] | None:
    """Row references by file: `train.csv: lines 3, 8`; None without any.

    Args:
        found: the first of them, as "file:line" or "file".
        num: how many there are in all.
    """
    by_file: dict[str, list[int]] = {}
    for place in found:
        file, colon, line = place.rpartition(":")
        if colon and line.isdigit():
            by_file.setdefault(file, []).append(int(line))
        else:
            by_file.setdefault(place, [])
    if not by_file:
        return None
    title = say("places", language)
    if len(found) < num:
        title = say("places_first", language, n=len(found), all=num)
    shown = {file: [f"{n:,}" if n > 9_999 else str(n) for n in sorted(lines)] for file, lines in by_file.items()}
    lines = [(file, _numbers(numbers, language)) for file, numbers in shown.items()]
    return {"title": title, "lines": lines, "folded": len(found) > 4}


def _numbers(numbers: Sequence[str], language: str) -> str:
    if not numbers:
        return ""
    if language == "zh":
        return f"第 {'、'.join(numbers)} 行"
    return f"{say('line' if len(numbers) == 1 else 'lines', language)} {', '.join(numbers)}"


# -- findings --------------------------------------------------------------------------------------------------------


def _problems(report: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    made = []
    for group in report["problems"]:
        if told_elsewhere(report, group):
            continue  # a section of its own tells more
        what, fix = _line(group["what"], language), _line(group["fix"], language)
        made.append({
            "what": what, "fix": fix, "num": group["num"], "got": group["got"], "keys": group["keys"],
            "counted": bool(group["places"]) and group["num"] > 1,
            "places": places(group["places"], group["num"], language),
        })  # fmt: skip
    return made


def _bad_rows(report: Mapping[str, Any], language: str) -> dict[str, Any] | None:
    """The rows left out as unusable; None where there are none, or where they stop the training and stand there."""
    bad = report["bad_rows"]
    if not bad.get("num") or "bad row" not in report["dropped"]:
        return None
    return {
        "num": bad["num"],
        "allowed": _allowed(bad),
        "reasons": [
            {"what": _line(reason["what"], language), "num": reason["num"],
             "places": places(reason["places"], reason["num"], language)}
            for reason in bad.get("reasons", [])
        ],
    }  # fmt: skip


def _bad_stop(report: Mapping[str, Any], language: str) -> str:
    """The sentence above the kinds of bad rows where there are more than allowed; else empty."""
    bad = report["bad_rows"]
    if not bad.get("num") or "bad row" in report["dropped"]:
        return ""
    return say("bad_stop", language, n=bad["num"], all=report["num_rows_read"], allowed=_allowed(bad))


def _allowed(bad: Mapping[str, Any]) -> str:
    """How many rows may be left out; of "0.05 (2 rows)" the number of rows."""
    return re.sub(r".*\((\S+) rows?\)", r"\1", bad["allowed"])


def _findings(report: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    usable = report["num_rows_read"] - report["bad_rows"].get("num", 0)
    which = LANGUAGES.index(language)
    made = []
    for kind, found in sorted(report["findings"].items(), key=lambda pair: -pair[1]["num_rows"]):
        about = KINDS.get(kind)
        made.append({
            "title": finding_title(kind, language),
            "num": found["num_rows"],
            "share": share(found["num_rows"], usable),
            "rule": _rule(found["rule"], language),
            "outcome": found["outcome"],
            "outcome_said": say(f"outcome_{found['outcome']}", language),
            "why": (about.why_en, about.why_zh)[which] if about else "",
            "fix": finding_fix(kind, language),
            "places": places(found["places"], found["num_rows"], language),
        })  # fmt: skip
    return made


def _rule(rule: str | float, language: str) -> str:
    if isinstance(rule, str):
        return say(f"rule_{rule}", language)
    return say("rule_share", language, share=f"{100 * rule:g} %")


def _privacy(report: Mapping[str, Any], language: str) -> dict[str, Any]:
    from finetune.data import privacy

    found = report["privacy"]
    rule = found.get("rule") or report["settings"]["privacy"]
    which = LANGUAGES.index(language)
    kinds = []
    for kind, counts in sorted(found.get("kinds", {}).items(), key=lambda pair: -pair[1]["num_rows"]):
        about = privacy.KINDS.get(kind)
        kinds.append({
            "title": (about.title_en, about.title_zh)[which] if about else kind.replace("_", " "),
            "num": counts["num"],
            "num_rows": counts["num_rows"],
            "places": places(counts["places"], counts["num_rows"], language),
        })  # fmt: skip
    return {"rule": rule, "num_rows": found.get("num_rows", 0), "kinds": kinds}


def _copies(report: Mapping[str, Any], language: str) -> dict[str, Any]:
    leakage = report["leakage"]
    own = []
    for found in copies_of(report["duplicates"]):
        for key in ("exact", "near", "same_question_other_answer", "repeated_answer"):
            if found.get(key):
                label = say(key, language)
                if found is not report["duplicates"]:
                    label += say("aside", language, words=say("held_out_rows", language))
                pairs = (found.get("places") or {}).get(key, [])
                own.append({"label": label, "num": found[key], "pairs": pairs, "leak": False})
    leaks = []
    for kind, counts in leakage.get("kinds", {}).items():
        if counts["num"]:
            known = f"leak_{kind}" in TEXTS
            label = say(f"leak_{kind}", language) if known else say("leak_other", language, reason=kind)
            leaks.append({"label": label, "num": counts["num"], "pairs": counts.get("places", []), "leak": True})
    if leakage.get("num_groups"):
        leaks.append({"label": say("leak_groups", language), "num": leakage["num_groups"], "pairs": [], "leak": True})
    return {"entries": [*leaks, *own], "rule": leakage.get("rule")}


# -- lengths, languages, files ---------------------------------------------------------------------------------------


def _lengths(report: Mapping[str, Any], language: str) -> dict[str, Any] | None:
    lengths = report["lengths"]
    if not lengths or not lengths["train"]["num_rows"]:
        return None
    train, unit, limit = lengths["train"], lengths["unit"], lengths["max_length"]
    word = say(f"unit_{unit}", language)
    drawings = []
    for part in _DRAWN:
        counted = train.get("histogram" if part == "total" else f"{part}_histogram")
        if not counted or not any(counted["counts"]) or counted["edges"][-1] <= 1:
            continue
        title = say(f"part_{part}", language)
        about = say("histogram_about", language, part=title, n=sum(counted["counts"]), most=counted["edges"][-1],
                    unit=word)  # fmt: skip
        mark = limit if part == "total" and unit == "tokens" else None
        svg = charts.histogram(counted["edges"], counted["counts"], about, word, mark)
        drawings.append({"title": title, "svg": _safe(svg)})
    sides = [side for side in (train, lengths["held_out"]) if side["num_rows"]]
    figures = [(say(key, language), [_figure(side.get(key)) for side in sides]) for key in _FIGURES]
    shares = [
        (say(f"part_{part}", language), [share(side["parts"].get(part, 0), side["sum"]) for side in sides])
        for part in ("system", "prompt", "answer", "template")
        if any(side["parts"].get(part) for side in sides)
    ]
    return {
        "unit": unit,
        "limit": limit,
        "drawings": drawings,
        "sides": [say(key, language) for key in ("training_rows", "held_out_rows")][: len(sides)],
        "figures": figures,
        "shares": shares,
        "num_over": train["num_over"],
        "keeps_99": train.get("keeps_99"),
        "keeps_100": train.get("keeps_100"),
        "supervised": share_of(train.get("supervised_share")),
        "places": places(train["over_places"][:MAX_PLACES], train["num_over"], language),
    }


def _why_no_lengths(report: Mapping[str, Any]) -> str:
    """The key of what stands in the place of lengths that were not counted."""
    if report["lengths"]:
        return "lengths_none_refused"
    return "lengths_none_stopped" if report["problems"] else "lengths_none_asked"


def _figure(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def share_of(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _languages(report: Mapping[str, Any], language: str) -> dict[str, Any]:
    counts = sorted(report["languages"].items(), key=lambda pair: (-pair[1], pair[0]))
    usable = report["num_rows_read"] - report["bad_rows"].get("num", 0)
    # Rows that are too short to be sure of are in no language's count.
    if (unclear := usable - sum(number for _, number in counts)) > 0:
        counts.append(("", unclear))
    total = sum(number for _, number in counts)
    return {
        "rows": [
            {"name": language_name(code, language), "num": number, "share": share(number, total),
             "percent": 100 * number / total}
            for code, number in counts if number
        ],
        "declared": [language_name(code, language) for code in report["settings"]["languages"]],
    }  # fmt: skip


def language_name(code: str, language: str) -> str:
    if code in ("", "unclear", "unknown", "other", "und"):
        return say("unclear", language)
    names = LANGUAGE_NAMES.get(code.split("-")[0])
    return names[LANGUAGES.index(language)] if names else code


def _files(report: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    return [
        {
            **file,
            "size": size_shown(file["num_bytes"]),
            "notes": [
                _line(line.removeprefix(f"{file['name']}: "), language)
                for line in report["notes"]
                if _file_of(line, report) == file["name"]
            ],
        }
        for file in report["files"]
    ]


def _file_of(line: str, report: Mapping[str, Any]) -> str | None:
    """The file that a note is about; None where it is about all of them."""
    return next((file["name"] for file in report["files"] if line.startswith(f"{file['name']}: ")), None)


def size_shown(num_bytes: int) -> str:
    """`812 bytes`, `34 kB`, `1.2 GB`; kilo is 1,000."""
    size, unit = float(num_bytes), "B"
    for bigger in ("kB", "MB", "GB"):
        if size < 1000:
            break
        size, unit = size / 1000, bigger
    return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"


def _about(report: Mapping[str, Any], language: str) -> list[tuple[str, str, bool]]:
    """(name, value, whether it is a fingerprint)."""
    facts = [
        ("recipe", report["recipe"]["name"], False),
        ("license", report["license"] or say("license_none", language), False),
        ("date", report["checked_at"].replace("T", " ").replace("Z", " UTC"), False),
        ("took", say("seconds", language, n=f"{report['seconds']:g}"), False),
        ("recipe_fingerprint", report["recipe"]["fingerprint"], True),
        ("data_fingerprint", report["fingerprint"], True),
        ("versions", ", ".join(f"{name} {version}" for name, version in report["versions"].items()), False),
    ]
    return [(say(key, language), value, code) for key, value, code in facts if value]


def _safe(svg: str) -> Any:
    """Our own drawing, which holds numbers and fixed words: the only text that the page does not escape again."""
    from markupsafe import Markup

    return Markup(svg)
