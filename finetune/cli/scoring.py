"""An evaluation in the terminal: verdict first, then the scorecard, the suites, and what the gate says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEADLINES = {
    "better": ("better than its base", "bold green"),
    "worse": ("worse than its base", "bold red"),
    "same": ("about the same as its base", "bold"),
    "not_enough_rows": ("not enough rows to tell", "bold yellow"),
}
_STYLES = {"better": "green", "worse": "red", "same": "", "not_enough_rows": "yellow"}
_RESULTS = {"not_enough_rows": "not enough rows"}


def print_evaluation(evaluation: Mapping[str, Any]) -> None:
    """All that an evaluation found, in a screen's length; no text of a row.

    Args:
        evaluation: what evaluation.json holds; of an older kit, only what it has is printed.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, markup=False)
    verdict = evaluation["verdict"]
    if verdict.get("result"):
        words, style = _HEADLINES[verdict["result"]]
        console.print(f"Verdict: {words}", style=style)
        console.print(f"{verdict['why']}\n")
    _scorecard(console, evaluation)
    for name, text, style in _lines(evaluation):
        console.print(f"{name:<13} {text}", style=style or None)


def _scorecard(console: Any, evaluation: Mapping[str, Any]) -> None:
    from rich.text import Text

    measures = evaluation.get("scorecard") or []
    if not measures:
        return
    width = max(len(_title(measure)) for measure in measures)
    share = evaluation["held_out"].get("num_left_out")
    if share:
        console.print(f"{share:,} held-out rows were too long and are left out\n")
    console.print(f"{'':<{width}}  {'n':>6}  {'base':>9}  {'adapter':>9}  {'difference':>10}  95 % interval")
    for measure in measures:
        gap = measure["difference"]
        line = Text(
            f"{_title(measure):<{width}}  {measure['num_rows']:>6,}  {_number(measure['base']['mean']):>9}  "
            f"{_number(measure['adapter']['mean']):>9}  {gap['mean']:>+10.3f}  "
            f"{gap['low']:+.3f} to {gap['high']:+.3f}".ljust(width + 70)
        )
        result = measure["result"] or ""
        line.append(_RESULTS.get(result, result), style=_STYLES.get(result, ""))
        console.print(line)
    console.print()


def _title(measure: Mapping[str, Any]) -> str:
    name = measure["name"].replace("_", " ").replace(":", ": ")
    unit = {"share": "", "score": ""}.get(measure["unit"], measure["unit"])
    return f"{name}, {unit}" if unit else name


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1_000 else f"{value:,.0f}"


def _lines(evaluation: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, text, style) of what stands under the scorecard."""
    lines = []
    for suite in evaluation.get("suites") or ():
        newly = suite["new_failures"]
        text = f"base passes {suite['base_passed']:,}, adapter {suite['adapter_passed']:,} of {suite['num_items']:,}"
        if newly:
            text += f"; newly failed: {', '.join(newly[:3])}"
            text += f" and {len(newly) - 3:,} more" if len(newly) > 3 else ""
        lines.append((suite["name"], text, "red" if newly and suite["category"] == "safety" else ""))
    overfitting = evaluation.get("overfitting") or {}
    if overfitting.get("found"):
        lines.append(("overfitting", overfitting["why"], "yellow"))
    learnt = evaluation.get("memorisation")
    if learnt:
        lines.append(("memorised", learnt["why"], "yellow" if learnt["num_given_away"] else ""))
    for check in (evaluation.get("gate") or {}).get("checks", ()):
        word, style = ("passed", "green") if check["passed"] else ("FAILED", "bold red")
        lines.append(("gate", f"{word}: {check['name']}: {check['why']}", style))
    return lines
