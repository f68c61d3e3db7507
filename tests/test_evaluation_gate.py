"""The gate: what a recipe may ask, and what each check says about an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finetune import recipe
from finetune.errors import RecipeError
from finetune.evaluation.gate import gate_problems, judge_gate

GOOD: dict[str, Any] = {
    "verdict": {"better_than_base": True, "why": "the adapter is better than base"},
    "overfitting": {"found": False, "why": "", "kept_step": 40, "best_step": 40, "last_step": 40},
    "suites": [
        {"name": "general", "category": "general", "num_items": 200, "base_passed": 100, "adapter_passed": 97,
         "new_failures": ["g1", "g2", "g3"]},
        {"name": "medical_safety", "category": "safety", "num_items": 70, "base_passed": 40, "adapter_passed": 45,
         "new_failures": ["m7"]},
    ],
    "memorisation": {"num_given_away": 0},
}  # fmt: skip
ALL = {"better_than_base": True, "no_overfitting": True, "no_general_loss": 2, "safety": 1, "memorisation": 0}


def passed(gate: Any, **changes: Any) -> dict[str, bool]:
    return {check["name"]: check["passed"] for check in judge_gate(gate, {**GOOD, **changes})["checks"]}


def test_nothing_asked_is_neither_passed_nor_failed() -> None:
    assert judge_gate("none", GOOD) == {"asked": {}, "passed": None, "checks": []}
    assert judge_gate({"better_than_base": False}, GOOD)["passed"] is None


def test_all_checks_pass_a_good_adapter() -> None:
    verdict = judge_gate(ALL, GOOD)
    assert verdict["passed"] is True and [check["name"] for check in verdict["checks"]] == list(ALL)
    assert gate_problems({"gate": verdict}, "runs/x") == []


@pytest.mark.parametrize("better", [False, None])
def test_only_better_is_better(better: bool | None) -> None:
    gate = judge_gate("better_than_base", {**GOOD, "verdict": {"better_than_base": better, "why": "so it is"}})
    assert gate["passed"] is False
    (problem,) = gate_problems({"gate": gate}, "runs/x")
    assert str(problem) == (
        "runs/x: evaluate.gate, better_than_base: so it is. Fix: look at report.html in the run folder"
    )


def test_general_ability_may_fall_by_its_limit_and_not_by_more() -> None:
    assert passed({"no_general_loss": 1.5}) == {"no_general_loss": True}  # 3 of 200 are 1.5 %
    assert passed({"no_general_loss": 1.4}) == {"no_general_loss": False}
    assert passed({"no_general_loss": 5}, suites=[]) == {"no_general_loss": False}, "not measured is not passed"
    (check,) = judge_gate({"no_general_loss": 1}, GOOD)["checks"]
    assert check["why"] == "general: base 100, adapter 97 of 200, a loss of 1.5 % where 1 % are allowed"


def test_each_general_suite_is_held_to_the_limit() -> None:
    falling = {"name": "general_zh", "category": "general", "num_items": 100, "base_passed": 50, "adapter_passed": 40}
    rising = {**GOOD["suites"][0], "adapter_passed": 150}
    assert passed({"no_general_loss": 2}, suites=[rising, {**falling, "new_failures": []}]) == {
        "no_general_loss": False
    }


def test_safety_counts_new_failures_of_safety_suites_alone() -> None:
    assert passed({"safety": 1}) == {"safety": True}
    assert passed({"safety": 0}) == {"safety": False}
    (check,) = judge_gate({"safety": 0}, GOOD)["checks"]
    assert check["why"] == "1 of 70 safety items fail with the adapter and not with its base (m7); 0 allowed"
    assert passed({"safety": 5}, suites=[]) == {"safety": False}


def test_overfitting_passes_where_the_best_step_was_kept() -> None:
    parted = {"found": True, "why": "the held-out loss rose", "kept_step": 10, "best_step": 10, "last_step": 40}
    assert passed({"no_overfitting": True}, overfitting=parted) == {"no_overfitting": True}
    assert passed({"no_overfitting": True}, overfitting={**parted, "kept_step": 40}) == {"no_overfitting": False}
    assert passed({"no_overfitting": True}, overfitting=None) == {"no_overfitting": False}
    unsure = {**parted, "found": None, "why": "too few rows to tell"}
    assert passed({"no_overfitting": True}, overfitting=unsure) == {"no_overfitting": True}, "the best was kept"
    assert passed({"no_overfitting": True}, overfitting={**unsure, "kept_step": 40}) == {"no_overfitting": False}


def test_suites_that_a_command_ran_beside_open_no_gate_and_close_none() -> None:
    beside = {"name": "mine", "category": "safety", "num_items": 9, "base_passed": 9, "adapter_passed": 9,
              "new_failures": [], "of_recipe": False}  # fmt: skip
    assert passed({"safety": 0}, suites=[beside]) == {"safety": False}, "the recipe's own were not run"
    assert passed({"safety": 1}, suites=[*GOOD["suites"], {**beside, "new_failures": ["x"] * 5}]) == {"safety": True}


def test_memorisation_counts_texts() -> None:
    assert passed({"memorisation": 0}, memorisation={"num_given_away": 1}) == {"memorisation": False}
    assert passed({"memorisation": 1}, memorisation={"num_given_away": 1}) == {"memorisation": True}


def read(folder: Path, gate: str, suites: str = "[general, medical_safety]") -> Any:
    (folder / "rows.jsonl").write_text('{"question": "a", "answer": "b"}\n', encoding="utf-8")
    path = folder / "recipe.yaml"
    words = f"evaluate: {{suites: {suites}, gate: {gate}}}"
    path.write_text(f"recipe: 1\nbase: {{model: starter}}\ndata: {{train: rows.jsonl}}\n{words}\n", encoding="utf-8")
    return recipe.load(path).recipe.evaluate.gate


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("none", "none"),
        ("better_than_base", "better_than_base"),
        ("{no_general_loss: 2 %}", {"no_general_loss": 2.0}),
        ("{no_general_loss: 2.5}", {"no_general_loss": 2.5}),
        ("{safety: 0}", {"safety": 0}),
        ("{safety: 3 new failures, memorisation: 0 texts}", {"safety": 3, "memorisation": 0}),
        ("{better_than_base: true, no_overfitting: false}", {"better_than_base": True, "no_overfitting": False}),
    ],
)
def test_what_a_gate_means(tmp_path: Path, written: str, meant: Any) -> None:
    assert read(tmp_path, written) == meant
    resolved = tmp_path / "recipe.resolved.yaml"
    resolved.write_text(recipe.dump(recipe.load(tmp_path / "recipe.yaml").recipe), encoding="utf-8")
    assert recipe.load(resolved).recipe.evaluate.gate == meant, "recipe.resolved.yaml says the same"


@pytest.mark.parametrize(
    "written",
    ["better", "{}", "{better: true}", "{safety: -1}", "{safety: true}", "{safety: 1.5}", "{no_general_loss: 101}",
     "{no_general_loss: two}", "{better_than_base: 1}", "[better_than_base]"],
)  # fmt: skip
def test_a_gate_that_means_nothing_is_refused_with_its_place(tmp_path: Path, written: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        read(tmp_path, written)
    assert "recipe.yaml:4" in str(refusal.value) and "evaluate.gate" in str(refusal.value)


def test_a_gate_asks_only_for_what_is_measured(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as refusal:
        read(tmp_path, "{safety: 0, no_general_loss: 2}", suites="[]")
    text = str(refusal.value)
    assert "asks for safety" in text and "asks for no_general_loss" in text and "write suites: [general]" in text
