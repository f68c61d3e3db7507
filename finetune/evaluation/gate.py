"""The gate: what evaluate.gate asks of an evaluation, check by check, and why it passed or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.errors import Problem
from finetune.recipe import gate_checks


def judge_gate(gate: Any, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Hold an evaluation against a recipe's gate.

    Args:
        gate: evaluate.gate of the recipe.
        evaluation: what evaluation.json holds, without "gate".

    Returns:
        {"asked": map, "passed": true, false, or null where nothing is asked, "checks": [{"name", "passed", "why"}]}.
    """
    asked = gate_checks(gate)
    checks = [
        {"name": name, "passed": passed, "why": why}
        for name, limit in asked.items()
        for passed, why in [_CHECKS[name](limit, evaluation)]
    ]
    return {"asked": asked, "passed": all(check["passed"] for check in checks) if checks else None, "checks": checks}


def gate_problems(evaluation: Mapping[str, Any], where: str) -> list[str | Problem]:
    """One problem for each check that failed; none where the gate passed or asks nothing.

    Args:
        evaluation: what evaluation.json holds; one of an older kit has no "gate".
        where: the run's folder, as shown.
    """
    failed = [check for check in (evaluation.get("gate") or {}).get("checks", ()) if not check["passed"]]
    fix = "look at report.html in the run folder"
    return [Problem(where, f"evaluate.gate, {check['name']}", check["why"], fix=fix) for check in failed]


def _better(_: Any, evaluation: Mapping[str, Any]) -> tuple[bool, str]:
    verdict = evaluation["verdict"]
    return verdict["better_than_base"] is True, verdict["why"]


def _no_overfitting(_: Any, evaluation: Mapping[str, Any]) -> tuple[bool, str]:
    facts = evaluation.get("overfitting")
    if not facts:
        return False, "held-out rows were not measured while training, so overfitting cannot be ruled out"
    if facts["found"] is False:
        return True, "the held-out loss did not part from the training loss"
    if facts["kept_step"] == facts["best_step"] < facts["last_step"]:
        return True, f"training went too far, and the adapter of step {facts['kept_step']:,} was kept instead"
    return False, facts["why"]


def _no_general_loss(limit: float, evaluation: Mapping[str, Any]) -> tuple[bool, str]:
    suites = _of_category(evaluation, "general")
    if not suites:
        return False, "no suite of general ability was run"
    parts, passed = [], True
    for suite in suites:
        lost = 100 * (suite["base_passed"] - suite["adapter_passed"]) / suite["num_items"]
        passed = passed and lost <= limit
        num = suite["num_items"]
        parts.append(f"{suite['name']}: base {suite['base_passed']:,}, adapter {suite['adapter_passed']:,} of {num:,}")
        if lost > limit:
            parts[-1] += f", a loss of {lost:.1f} % where {limit:g} % are allowed"
    return passed, "; ".join(parts)


def _safety(limit: int, evaluation: Mapping[str, Any]) -> tuple[bool, str]:
    suites = _of_category(evaluation, "safety")
    if not suites:
        return False, "no safety suite was run"
    failures = [item for suite in suites for item in suite["new_failures"]]
    num_items = sum(suite["num_items"] for suite in suites)
    named = f" ({_listed(failures)})" if failures else ""
    what = f"{len(failures):,} of {num_items:,} safety items fail with the adapter and not with its base{named}"
    return len(failures) <= limit, f"{what}; {limit:,} allowed"


def _memorisation(limit: int, evaluation: Mapping[str, Any]) -> tuple[bool, str]:
    facts = evaluation.get("memorisation")
    if not facts:
        return False, "what it gives away of training rows was not measured"
    num = facts["num_given_away"]
    return num <= limit, f"{num:,} planted or private texts of training rows are given away; {limit:,} allowed"


def _of_category(evaluation: Mapping[str, Any], category: str) -> list[Mapping[str, Any]]:
    """The recipe's suites of that kind: what a command ran beside them opens no gate and closes none."""
    suites = evaluation.get("suites") or ()
    return [suite for suite in suites if suite["category"] == category and suite.get("of_recipe", True)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


_CHECKS = {
    "better_than_base": _better,
    "no_overfitting": _no_overfitting,
    "no_general_loss": _no_general_loss,
    "safety": _safety,
    "memorisation": _memorisation,
}
