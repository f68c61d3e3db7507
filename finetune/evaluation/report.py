"""report.html: one page that holds everything and loads nothing, for the user's own folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune import recipe
from finetune.errors import Problem, RunError
from finetune.evaluation import answers
from finetune.evaluation.pages import answers_view, run_view, scores
from finetune.evaluation.pages.said import Said, marked, say
from finetune.evaluation.pages.words import TEXTS
from finetune.runs import Run, read_json, write_text

_TEMPLATE = "report.html.jinja"


def environment(texts: Mapping[str, tuple[str, str]]) -> Any:
    """The templates of the pages, with `t` for a page's own words and the filter `both` for a text in two languages."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["both"] = marked
    made.globals["t"] = lambda key, **values: marked(say(texts, key, **values))
    return made


def write_report(run: Run) -> Path:
    """Write report.html of an evaluated run, from the files of its folder alone.

    Whatever the folder does not hold, the page leaves out: evaluations of older kits have a page too.

    Returns:
        The page.

    Raises:
        RunError: the run was not evaluated, or its evaluation.json cannot be read.
        RecipeError: recipe.resolved.yaml was changed and is no recipe any more.
        SurroundingsError: the page cannot be written.
    """
    evaluation = read_evaluation(run)
    words = recipe.load(run.resolved_path, allow_outside=True, must_exist=False).recipe
    page = environment(TEXTS).get_template(_TEMPLATE).render(**_view(run, evaluation, words))
    write_text(run.report_path, page.lstrip())
    return run.report_path


def read_evaluation(run: Run) -> dict[str, Any]:
    """evaluation.json of a run.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    try:
        value = json.loads(run.evaluation_path.read_bytes())
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        fix = "run `finetune evaluate` on it"
        raise RunError(Problem(str(run.path), run.evaluation_path.name, "is missing or cannot be read", fix=fix))
    return value


def shown_samples(run: Run) -> list[dict[str, Any]]:
    """The lines of a run's samples.jsonl that a page or a terminal may show, as its recipe's show_rows has it."""
    words = recipe.load(run.resolved_path, allow_outside=True, must_exist=False).recipe
    return answers.shown(answers.read(run.samples_path), words.evaluate.show_rows)


def _view(run: Run, evaluation: Mapping[str, Any], words: recipe.Recipe) -> dict[str, Any]:
    check = read_json(run.path / "check.json")
    plan = run.manifest.get("plan") or read_json(run.path / "plan.json")
    lines = answers.read(run.samples_path)
    show_rows = words.evaluate.show_rows
    suites = evaluation.get("suites") or []
    side_by_side = answers_view.answers_view(answers.shown(lines, show_rows), suites)
    best = (run.manifest.get("training") or {}).get("best") or {}
    held_out = evaluation.get("held_out") or {}
    pictures = run_view.training_pictures(run.read_metrics(), best)
    replies = run_view.reply_picture(lines)
    return {
        "title": words.share.title or run.manifest.get("name") or words.name,
        "page_title": say(TEXTS, "title"),
        "description": words.description,
        "first": "zh" if [*words.share.languages, "en"][0].split("-")[0] == "zh" else "en",
        "verdict": scores.verdict_view(evaluation),
        "overfitting": _overfitting(evaluation, best),
        "gate": scores.gate_view(evaluation),
        "glance": _glance(evaluation),
        "groups": scores.scorecard_view(scores.measures_of(evaluation)),
        "facts": run_view.facts_view(run.manifest, evaluation, words),
        "remarks": [say(TEXTS, key, n=held_out[name]) for name, key in
                    (("num_left_out", "left_out"), ("num_trimmed", "trimmed")) if held_out.get(name)],
        "row_picture": run_view.row_picture(held_out),
        "suites": answers_view.suites_view(suites, side_by_side["anchor_of"]),
        "answers": side_by_side,
        "answer_lines": _answer_lines(evaluation, lines, side_by_side, show_rows),
        "extras": _extras(evaluation),
        "pictures": pictures + ([replies] if replies else []),
        "kept": _kept(best),
        "costs": run_view.costs_view(run.manifest, evaluation, plan),
        "data": run_view.data_view(check, run.manifest),
        "choices": run_view.choices_view(run.manifest, plan, evaluation.get("notes") or ()),
        "again": run_view.again_view(run.manifest, evaluation, run.resolved_path.read_text(encoding="utf-8")),
        "not_for": words.share.not_for,
        "shows_rows": show_rows,
        "kit_version": evaluation.get("kit_version", ""),
    }  # fmt: skip


def _overfitting(evaluation: Mapping[str, Any], best: Mapping[str, Any]) -> Said | None:
    """What is said where the curves parted; the step from which is in the manifest alone."""
    facts = evaluation.get("overfitting") or best.get("overfit") or {}
    if not facts.get("found"):
        return None
    step = facts.get("from_step") or (best.get("overfit") or {}).get("from_step") or best.get("step")
    why = facts.get("why") or ""
    chinese = say(TEXTS, "overfits", step=step) if step is not None else Said(why, why)
    return Said(scores.sentence_of(why) or chinese.en, chinese.zh)


def _kept(best: Mapping[str, Any]) -> Said | None:
    if best.get("kept") != "best" or best.get("step") is None or best.get("last_step") in (None, best.get("step")):
        return None
    return say(TEXTS, "kept_best", step=best["step"], last=best["last_step"])


def _glance(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A few numbers under the verdict; those the evaluation has."""
    tiles: list[dict[str, Any]] = []
    change = (evaluation.get("held_out") or {}).get("loss_change_percent")
    if change is not None:
        tiles.append({"title": say(TEXTS, "glance_loss"), "value": f"{scores.signed(change, 1)} %", "small": None,
                      "bad": change > 0})  # fmt: skip
    likeness = next((m for m in evaluation.get("scorecard") or () if m["name"] == "rouge_l"), None)
    if likeness is not None:
        base, adapter = (likeness[who]["mean"] for who in ("base", "adapter"))
        tiles.append({"title": say(TEXTS, "glance_answers"), "value": f"{adapter:.2f}", "bad": adapter < base,
                      "small": say(TEXTS, "glance_from", base=f"{base:.2f}")})  # fmt: skip
    suites = evaluation.get("suites") or ()
    safety = [suite for suite in suites if suite.get("category") == "safety"]
    general = [suite for suite in suites if suite.get("category") == "general"]
    if safety:
        new, num = (sum(of(suite) for suite in safety) for of in (lambda s: len(s["new_failures"]),
                                                                  lambda s: s["num_items"]))  # fmt: skip
        tiles.append({"title": say(TEXTS, "glance_safety"), "value": f"{new:,}", "bad": new > 0,
                      "small": say(TEXTS, "glance_of", n=num)})  # fmt: skip
    if general:
        num = sum(suite["num_items"] for suite in general) or 1
        base, adapter = (100 * sum(suite[f"{who}_passed"] for suite in general) / num for who in ("base", "adapter"))
        tiles.append({"title": say(TEXTS, "glance_general"), "value": f"{adapter:.1f} %", "bad": adapter < base - 2,
                      "small": say(TEXTS, "glance_from", base=f"{base:.1f} %")})  # fmt: skip
    return tiles


def _answer_lines(
    evaluation: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], view: Mapping[str, Any], show_rows: bool
) -> list[Said]:
    samples = evaluation.get("samples") or {}
    if not lines and not samples.get("num"):
        return [say(TEXTS, "answers_none")]
    said = []
    if samples.get("max_new_tokens"):
        said.append(say(TEXTS, "answers_how", n=samples["max_new_tokens"]))
    if samples.get("num_left_out"):
        said.append(say(TEXTS, "answers_left_out", n=samples["num_left_out"]))
    num_rows = sum(line["source"] == "held_out" for line in lines)
    if num_rows and not show_rows:
        said.append(say(TEXTS, "answers_hidden", n=num_rows))
    if view["num"] > len(view["items"]):
        said.append(say(TEXTS, "answers_more", shown=len(view["items"]), n=view["num"]))
    return said


def _extras(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables of figures of the parts that not every evaluation has."""
    found = []
    for key, name in (("labels", "labels"), ("choices", "choices"), ("memorisation", "memory"), ("judge", "judge"),
                      ("benchmarks", "benchmarks")):  # fmt: skip
        rows = scores.figures_view(evaluation.get(key) or {})
        if rows:
            note = say(TEXTS, f"{name}_note") if f"{name}_note" in TEXTS else None
            found.append({"title": say(TEXTS, f"{name}_title"), "note": note, "rows": rows})
    return found
