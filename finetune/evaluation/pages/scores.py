"""The verdict, the gate and the scorecard of evaluation.json as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.evaluation.pages.said import Said, joined, say
from finetune.evaluation.pages.sentences import told
from finetune.evaluation.pages.words import FIGURES, TEXTS

# A sign each, so that nobody has to tell colours apart.
SIGNS = {"better": "✓", "worse": "✗", "same": "=", "not_enough_rows": "?", "open": "?"}
GROUPS = ("held_out", "answers", "labels", "choices", "style", "general", "safety", "benchmarks", "judge")
# Drawn from nought to one, so that their rows can be laid beside each other.
_SHARES = ("share", "score")
MINUS = "\N{MINUS SIGN}"


def verdict_view(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Kind, sign, headline and reason; the reason is the evaluation's own sentence, in both languages."""
    found = evaluation.get("verdict") or {}
    kind = found.get("result") or _kind_of(found.get("better_than_base"))
    kind = kind if kind in SIGNS else "open"
    lines = [told(sentence_of(line)) for line in found.get("lines") or () if line != found.get("why")]
    return {
        "kind": kind,
        "sign": SIGNS[kind],
        "head": say(TEXTS, f"{kind}_head"),
        "why": _why(evaluation, found.get("why") or ""),
        "lines": lines,
    }


def _kind_of(better: bool | None) -> str:
    return "open" if better is None else "better" if better else "worse"


def sentence_of(clause: str) -> str:
    """A clause as a sentence: `it is so` -> `It is so.`"""
    clause = clause.strip()
    return clause if not clause else f"{clause[:1].upper()}{clause[1:]}" + ("" if clause[-1] in ".!?" else ".")


def _why(evaluation: Mapping[str, Any], why: str) -> Said:
    """The evaluation's own reason; where its Chinese is not known, the figures of the held-out rows say it."""
    said = told(sentence_of(why))
    held_out = evaluation.get("held_out") or {}
    gap = held_out.get("difference") or {}
    if said.zh != said.en or not gap:
        return said
    low, high = gap["low"], gap["high"]
    key = "lower" if high < 0 else "higher" if low > 0 else "apart"
    values = [gap["mean"], low, high] if key == "apart" else sorted_sizes(gap)
    mean, low, high = (signed(value) if key == "apart" else f"{value:.3f}" for value in values)
    percent = signed(held_out.get("loss_change_percent", 0.0), 1)
    figures = say(TEXTS, key, n=held_out["num_rows"], mean=mean, low=low, high=high, percent=percent)
    return Said(said.en or figures.en, figures.zh)


def sorted_sizes(gap: Mapping[str, float]) -> list[float]:
    """Size of a difference, then the smaller and the larger end of its interval, all without a sign."""
    return [abs(gap["mean"]), *sorted((abs(gap["low"]), abs(gap["high"])))]


def signed(number: float, digits: int = 3) -> str:
    """`+0.125`, or with a true minus sign."""
    return f"{number:+.{digits}f}".replace("-", MINUS)


def gate_view(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The gate, its checks with their reasons, the failed ones first; None for an evaluation that knows of none."""
    gate = evaluation.get("gate")
    if gate is None:
        return None
    checks = [
        {
            "name": say(TEXTS, f"gate_{check['name']}") if f"gate_{check['name']}" in TEXTS else check["name"],
            "state": {True: "passed", False: "failed"}.get(check["passed"], "not_judged"),
            "why": told(sentence_of(check.get("why") or "")),
        }
        for check in gate.get("checks") or ()
    ]
    checks.sort(key=lambda check: ("failed", "not_judged", "passed").index(check["state"]))
    if not checks:
        return {"state": "none", "head": say(TEXTS, "gate_none"), "checks": []}
    state = {True: "passed", False: "failed"}.get(gate.get("passed"), "open")
    return {"state": state, "head": say(TEXTS, f"gate_{state}"), "checks": checks}


# -- scorecard -------------------------------------------------------------------------------------------------------


def measures_of(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The measures of an evaluation; an older one, which has no scorecard, gives that of its held-out rows."""
    if evaluation.get("scorecard"):
        return list(evaluation["scorecard"])
    held_out = evaluation.get("held_out") or {}
    gap = held_out.get("difference")
    if not gap:
        return []
    better = (evaluation.get("verdict") or {}).get("better_than_base")
    return [{
        "name": "loss", "group": "held_out", "unit": "nats per token", "higher_is_better": False,
        "num_rows": held_out["num_rows"], "num_units": gap.get("num_units", held_out["num_rows"]),
        "unit_of_draw": gap.get("unit", "row"), "base": {"mean": held_out["base"]["loss"]},
        "adapter": {"mean": held_out["adapter"]["loss"]}, "difference": gap,
        "result": {True: "better", False: "worse", None: "open"}[better],
    }]  # fmt: skip


def scorecard_view(measures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Groups of rows, in the order a reader asks for them."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for measure in measures:
        group = measure.get("group")
        groups.setdefault(group if group in GROUPS else "other", []).append(measure)
    reach = max(
        (abs(m["difference"][end]) for m in measures if m.get("unit") in _SHARES for end in ("low", "high")
         if abs(m["difference"].get(end) or 0) <= 1), default=1.0,
    )  # fmt: skip
    return [
        {"title": say(TEXTS, f"group_{name}"), "rows": [measure_view(m, max(reach, 0.05)) for m in groups[name]]}
        for name in (*GROUPS, "other")
        if name in groups
    ]


def measure_view(
    measure: Mapping[str, Any], reach: float = 1.0, span: tuple[float, float] | None = None
) -> dict[str, Any]:
    """One measure: its words and figures, and where its dots and lines lie, in percent of the drawing's width.

    Args:
        reach: the largest difference of shares and scores that is drawn.
        span: from where to where values are drawn, for measures of several runs beside each other; then `reach` holds
            for differences of all units.
    """
    base, adapter, gap = (measure.get(key) or {} for key in ("base", "adapter", "difference"))
    unit, up = measure.get("unit", ""), measure.get("higher_is_better")
    digits = _digits(unit, base, adapter, gap)
    result = measure.get("result")
    size = reach if span is not None or (unit in _SHARES and _within_one(base, adapter)) else _largest(gap)
    return {
        "name": measure_name(measure.get("name", "")),
        "about": _about(measure),
        "base": _figure(base, unit, digits),
        "adapter": _figure(adapter, unit, digits),
        "difference": _figure(gap, unit, digits, difference=True),
        "result": result,
        "kind": result if result in SIGNS else "none",
        "sign": SIGNS.get(result or "", ""),
        "result_said": say(TEXTS, result if result in SIGNS else "no_direction"),
        "values": _values_drawn(base, adapter, unit, span),
        "gap": _gap_drawn(gap, size, flip=up is False),
        "directed": up is not None,
    }


def measure_name(name: str) -> Said:
    """The words for a measure: `safety:medical_safety` -> what it measures, and of which suite."""
    head, _, tail = name.partition(":")
    known = TEXTS.get(f"m_{head}")
    said = Said(*known) if known else Said(head.replace("_", " "), head.replace("_", " "))
    if not tail:
        return said
    tail = tail.replace("_", " ")
    return joined([said, Said(tail, tail)], Said(*TEXTS["colon"]))


def _about(measure: Mapping[str, Any]) -> Said:
    """What stands small under a measure's name: unit, direction, how many rows."""
    unit = measure.get("unit", "")
    parts = []
    if unit not in _SHARES and unit:
        parts.append(say(TEXTS, f"unit_{unit}") if f"unit_{unit}" in TEXTS else Said(unit, unit))
    if measure.get("higher_is_better") is not None:
        parts.append(say(TEXTS, "better_higher" if measure["higher_is_better"] else "better_lower"))
    num, units, drawn = measure.get("num_rows"), measure.get("num_units"), measure.get("unit_of_draw", "row")
    if num is not None:
        drawn = drawn if drawn in ("row", "item", "group") else "row"
        parts.append(say(TEXTS, f"num_{drawn}", n=num, units=num if units is None else units))
    return joined(parts, Said(*TEXTS["comma"]))


def _digits(unit: str, *figures: Mapping[str, Any]) -> int:
    ends = [figure.get(key) for figure in figures for key in ("mean", "low", "high")]
    largest = max((abs(end) for end in ends if isinstance(end, (int, float))), default=0)
    if unit == "share":
        return 1
    return 1 if unit == "tokens" or largest >= 100 else 2 if largest >= 20 else 3


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _figure(figure: Mapping[str, Any], unit: str, digits: int, difference: bool = False) -> dict[str, Any]:
    """A mean, and its interval as words; None where there is none."""

    def written(value: float, bare: bool = False) -> str:
        value = 100 * value if unit == "share" else value
        text = signed(value, digits) if difference else f"{value:,.{digits}f}".replace("-", MINUS)
        return text if unit != "share" or difference or bare else f"{text} %"

    if not _is_number(figure.get("mean")):
        return {"mean": "–", "unit": None, "interval": None}
    has_interval = _is_number(figure.get("low")) and _is_number(figure.get("high"))
    return {
        "mean": written(figure["mean"]),
        "unit": say(TEXTS, "points") if unit == "share" and difference else None,
        "interval": f"{written(figure['low'], True)} … {written(figure['high'], True)}" if has_interval else None,
    }


def _within_one(*figures: Mapping[str, Any]) -> bool:
    return all(-1e-9 <= value <= 1 + 1e-9 for figure in figures for value in figure.values() if _is_number(value))


def _largest(gap: Mapping[str, Any]) -> float:
    return max((abs(gap[key]) for key in ("low", "high", "mean") if _is_number(gap.get(key))), default=1.0) or 1.0


def _values_drawn(
    base: Mapping[str, Any], adapter: Mapping[str, Any], unit: str, span: tuple[float, float] | None = None
) -> list[dict[str, Any]]:
    """Dots and lines of base and adapter on one axis: from 0 to 1 for shares, else from what was measured."""
    ends = [value for figure in (base, adapter) for value in figure.values() if _is_number(value)]
    if not ends or not (_is_number(base.get("mean")) and _is_number(adapter.get("mean"))):
        return []
    if unit in _SHARES and _within_one(base, adapter):
        span = (0.0, 1.0)
    low, high = span or (min(ends), max(ends))
    width = (high - low) or 1.0

    def at(value: float) -> float:
        return round(min(100.0, max(0.0, 4 + 92 * (value - low) / width)), 2)

    return [
        {"who": who, "dot": at(figure["mean"]), **_line(at(figure.get("low", figure["mean"])),
                                                        at(figure.get("high", figure["mean"])))}
        for who, figure in (("base", base), ("adapter", adapter))
    ]  # fmt: skip


def _gap_drawn(gap: Mapping[str, Any], size: float, *, flip: bool) -> dict[str, Any] | None:
    """The difference's dot and line; the middle is zero, and right of it is better where a direction is known."""
    if not _is_number(gap.get("mean")):
        return None
    sense = -1 if flip else 1

    def at(value: float) -> float:
        return round(min(100.0, max(0.0, 50 + 46 * sense * value / size)), 2)

    low, high = sorted((at(gap.get("low", gap["mean"])), at(gap.get("high", gap["mean"]))))
    return {"dot": at(gap["mean"]), **_line(low, high)}


def _line(low: float, high: float) -> dict[str, float]:
    return {"left": low, "width": round(max(0.0, high - low), 2)}


# -- tables of figures -----------------------------------------------------------------------------------------------


def figures_view(facts: Any, path: tuple[str, ...] = ()) -> list[tuple[Said, ...]]:
    """Nested figures as rows of a table: (name, value), or (name, base's, adapter's) where both sides have one.

    Lists are left out, and what is no number, switch or short name: a page of figures shows no text of a row.
    """
    if not isinstance(facts, Mapping):
        return []
    rows: list[tuple[Said, ...]] = []
    sides: list[Any] = [facts.get(who) for who in ("base", "adapter")]
    if all(map(_is_plain, sides)):
        rows.append((_named(path), *(_plain(side) for side in sides)))
    elif all(isinstance(side, Mapping) for side in sides):
        for key in sides[0]:
            pair = [side.get(key) for side in sides]
            if all(map(_is_plain, pair)):
                rows.append((_named((*path, key)), *(_plain(side) for side in pair)))
    else:
        sides = []
    for key, value in facts.items():
        if sides and key in ("base", "adapter"):
            continue
        here = (*path, str(key))
        if isinstance(value, Mapping):
            rows += figures_view(value, here)
        elif _is_plain(value):
            rows.append((_named(here), _plain(value)))
    return rows


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool) or _is_number(value) or (isinstance(value, str) and len(value) <= 80)


def _plain(value: Any) -> Said:
    if isinstance(value, bool):
        return Said(*TEXTS["yes" if value else "no"])
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if isinstance(value, float) else value
    return Said(text, text)


def _named(path: tuple[str, ...]) -> Said:
    parts = []
    for key in path:
        bare = key.removeprefix("num_").replace("_", " ")
        parts.append(Said(*FIGURES[key]) if key in FIGURES else Said(bare, bare))
    return joined(parts, Said(" · ", " · "))
