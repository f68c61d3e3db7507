"""Several runs side by side: what differs between their recipes, and how each did against its base; numbers only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune import __version__, recipe
from finetune.errors import FinetuneError, Problem, RunError
from finetune.evaluation.pages import scores
from finetune.evaluation.pages.compare_words import TEXTS
from finetune.evaluation.pages.said import Said, say
from finetune.evaluation.report import environment, read_evaluation
from finetune.runs import Run, write_text

SCHEMA = 1
_TEMPLATE = "compare.html.jinja"
# By this beginning a page is known as one that an earlier comparison wrote.
PAGE_START = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="finetune compare">
"""


def compare_runs(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Read runs and lay them beside each other.

    Args:
        paths: at least two run folders that were evaluated.

    Returns:
        {"schema", "runs": [facts], "differences": [{"key", "values"}] of the recipes, dotted keys, "measures":
        [{"name", "group", "unit", "higher_is_better", "runs": [measure or None]}], "warnings": [{"code", "en", "zh"}]
        why they are not to be compared as they are}. No text of a row.

    Raises:
        RunError: fewer than two folders, one named twice, no run, not evaluated; all problems at once.
        RecipeError: a recipe.resolved.yaml was changed and is no recipe any more.
    """
    _check_paths(paths)
    problems: list[str | Problem] = []
    opened = []
    for path in paths:
        try:
            run = Run.open(path)
            words = recipe.load(run.resolved_path, allow_outside=True, must_exist=False).recipe
            opened.append((run, read_evaluation(run), words))
        except FinetuneError as error:
            problems += error.problems
    if problems:
        raise RunError(problems)
    labels = _labels([run.path for run, _, _ in opened])
    runs = [_facts(label, *entry) for label, entry in zip(labels, opened)]
    return {
        "schema": SCHEMA,
        "kit_version": __version__,
        "runs": runs,
        "differences": _differences([words for _, _, words in opened]),
        "measures": _measures([evaluation for _, evaluation, _ in opened]),
        "warnings": _warnings(runs),
    }


def _check_paths(paths: Sequence[str | Path]) -> None:
    if len(paths) < 2:
        raise RunError(Problem("", "RUN", "at least two runs are compared", str(len(paths)), "name another run folder"))
    seen: set[Path] = set()
    problems: list[str | Problem] = []
    for path in map(Path, paths):
        if path.resolve() in seen:
            problems.append(Problem(str(path), "", "is named twice", fix="name each run once"))
        seen.add(path.resolve())
    if problems:
        raise RunError(problems)


def _labels(paths: Sequence[Path]) -> list[str]:
    """Folder names; with the folder around them where two are equal."""
    names = [path.resolve().name for path in paths]
    return [f"{path.resolve().parent.name}/{name}" if names.count(name) > 1 else name
            for path, name in zip(paths, names)]  # fmt: skip


def _facts(label: str, run: Run, evaluation: Mapping[str, Any], words: recipe.Recipe) -> dict[str, Any]:
    base, held_out = evaluation.get("base") or {}, evaluation.get("held_out") or {}
    gate = evaluation.get("gate") or {}
    verdict = evaluation.get("verdict") or {}
    return {
        "label": label,
        "name": words.name,
        "status": run.manifest.get("status"),
        "date": evaluation.get("date", ""),
        "base": base.get("id", "") + (f" @{base['revision'][:12]}" if base.get("revision") else ""),
        "quantization": base.get("quantization") or "none",
        "verdict": {"result": scores.verdict_view(evaluation)["kind"], "why": verdict.get("why", "")},
        "gate_passed": gate.get("passed"),
        "num_train": (run.manifest.get("data") or {}).get("num_train"),
        "num_held_out": held_out.get("num_rows"),
        "data_fingerprint": evaluation.get("data_fingerprint"),
        "template_fingerprint": evaluation.get("template_fingerprint"),
        "adapter_sha256": (evaluation.get("adapter") or {}).get("weights_sha256"),
        "suites": {suite["name"]: suite.get("sha256") for suite in evaluation.get("suites") or ()},
    }


def _differences(recipes: Sequence[recipe.Recipe]) -> list[dict[str, Any]]:
    """Dotted keys whose values are not equal in all recipes, in their order; None: no such key there."""
    flat = [dict(_flat(words.model_dump(mode="json"))) for words in recipes]
    keys = list(dict.fromkeys(key for each in flat for key in each))
    found = [{"key": key, "values": [each.get(key) for each in flat]} for key in keys]
    return [entry for entry in found if any(value != entry["values"][0] for value in entry["values"])]


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """(dotted key, value) of nested maps; lists are values."""
    if isinstance(value, dict) and value:
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{path}.{key}" if path else str(key))]
    return [(path, value)]


def _measures(evaluations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every measure that any of them has, in the order of the first that has it."""
    tables = [{m["name"]: m for m in scores.measures_of(evaluation)} for evaluation in evaluations]
    found = []
    for name in dict.fromkeys(name for table in tables for name in table):
        entries = [table.get(name) for table in tables]
        first = next(entry for entry in entries if entry is not None)
        words = {key: first.get(key) for key in ("name", "group", "unit", "higher_is_better")}
        found.append({**words, "runs": entries})
    return found


def _warnings(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    def differ(key: str) -> bool:
        return any(run[key] != runs[0][key] for run in runs)

    found = []
    if differ("data_fingerprint"):
        found.append(("data", say(TEXTS, "warn_data")))
    if differ("num_held_out"):
        found.append(("rows", say(TEXTS, "warn_rows", words=", ".join(f"{r['num_held_out'] or 0:,}" for r in runs))))
    if differ("base") or differ("quantization"):
        held = [r["base"] + (f" ({r['quantization']})" if r["quantization"] != "none" else "") for r in runs]
        found.append(("base", say(TEXTS, "warn_base", words=", ".join(held))))
    if differ("template_fingerprint"):
        found.append(("template", say(TEXTS, "warn_template")))
    for name in sorted({name for run in runs for name in run["suites"]}):
        if len({run["suites"][name] for run in runs if name in run["suites"]}) > 1:
            found.append(("suites", say(TEXTS, "warn_suites", words=name)))
    return [{"code": code, "en": said.en, "zh": said.zh} for code, said in found]


# -- the page --------------------------------------------------------------------------------------------------------


def check_target(path: Path) -> None:
    """See that the page may be written there: nothing is there, or an earlier comparison.

    Raises:
        RunError: something else is there.
    """
    if not os.path.lexists(path):
        return
    try:
        # Only a plain file is opened: reading from a pipe would wait for ever.
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(PAGE_START)) == PAGE_START.encode():
                    return
    except OSError:
        pass  # what cannot be read is nothing of ours
    what = "exists, and is no page that this command wrote"
    raise RunError(Problem(str(path), "--html", what, fix="name another file"))


def write_comparison(paths: Sequence[str | Path], target: Path) -> dict[str, Any]:
    """Compare runs and write the page; an earlier comparison is replaced, nothing else.

    Returns:
        See `compare_runs`.

    Raises:
        RunError: see `compare_runs` and `check_target`.
        SurroundingsError: the page cannot be written.
    """
    check_target(target)
    found = compare_runs(paths)
    write_text(target, render(found))
    return found


def render(found: Mapping[str, Any]) -> str:
    """The page of a comparison: self-contained, English and Chinese, no script."""
    runs = []
    for run in found["runs"]:
        kind = run["verdict"]["result"]
        date = run["date"][:16].replace("T", " ")
        runs.append({**run, "kind": kind, "sign": scores.SIGNS[kind], "said": say(TEXTS, kind), "date": date})
    page = environment(TEXTS).get_template(_TEMPLATE).render(
        page_title=say(TEXTS, "compare_title"),
        first="en",
        runs=runs,
        warnings=[Said(warning["en"], warning["zh"]) for warning in found["warnings"]],
        differences=[{**entry, "values": [_written(value) for value in entry["values"]]}
                     for entry in found["differences"]],
        groups=[_group(measure, [run["label"] for run in found["runs"]]) for measure in found["measures"]],
        kit_version=found["kit_version"],
    )  # fmt: skip
    return PAGE_START + page.lstrip()


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _group(measure: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """One measure as a table of runs, all drawn on one scale."""
    entries = [(label, entry) for label, entry in zip(labels, measure["runs"]) if entry is not None]
    ends = [entry[side].get(key) for _, entry in entries for side in ("base", "adapter") for key in
            ("mean", "low", "high")]  # fmt: skip
    ends = [end for end in ends if end is not None]
    gaps = [abs(entry["difference"].get(key) or 0) for _, entry in entries for key in ("mean", "low", "high")]
    rows = []
    for label, entry in entries:
        row = scores.measure_view(entry, max(gaps, default=0) or 1.0, (min(ends), max(ends)) if ends else None)
        rows.append({**row, "name": Said(label, label)})
    return {"title": scores.measure_name(measure["name"]), "rows": rows}


# -- the terminal ----------------------------------------------------------------------------------------------------


def comparison_lines(found: Mapping[str, Any]) -> list[str]:
    """The comparison as lines for a terminal: runs, warnings, differences, scorecards."""
    runs = found["runs"]
    labels = [run["label"] for run in runs]
    gate = {True: "passed", False: "NOT passed", None: "not set"}
    lines = _table([["run", "against its base", "gate", "trained on", "measured on", "base"],
                    *([run["label"], run["verdict"]["result"].replace("_", " "), gate[run["gate_passed"]],
                       _counted(run["num_train"]), _counted(run["num_held_out"]), run["base"]]
                      for run in runs)])  # fmt: skip
    lines += [f"warning: {warning['en']}" for warning in found["warnings"]]
    lines += ["", "what differs between their recipes"]
    if found["differences"]:
        lines += _table([["setting", *labels], *([entry["key"], *map(_written, entry["values"])]
                                                 for entry in found["differences"])])  # fmt: skip
    else:
        lines.append("nothing: the recipes are equal")
    lines += ["", "adapter (and its difference from its base) on each measure"]
    table = [["measure", *labels]]
    for measure in found["measures"]:
        cells = [scores.measure_view(entry) if entry else None for entry in measure["runs"]]
        words = [
            f"{c['adapter']['mean']} ({c['difference']['mean']}) {c['sign']}".rstrip() if c else "-" for c in cells
        ]
        table.append([measure["name"], *words])
    return [*lines, *_table(table), "", "✓ better, ✗ worse, = same, ? not enough rows to tell"]


def _counted(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
