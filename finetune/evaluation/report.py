"""report.html: one page that holds everything and loads nothing, for the user's own folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune import recipe
from finetune.errors import Problem, RunError
from finetune.evaluation import answers, charts
from finetune.evaluation.comparison import count_of
from finetune.runs import Run, write_text

_TEMPLATE = "report.html.jinja"
# Words, a sign and a class each: nobody has to tell colours apart.
_VERDICTS = {
    True: ("better", "✓", "Better than its base"),
    False: ("worse", "✗", "Worse than its base"),
    None: ("open", "?", "Not clearly different from its base"),
}


def write_report(run: Run) -> Path:
    """Write report.html of an evaluated run, from the files of its folder alone.

    Returns:
        The page.

    Raises:
        RunError: the run was not evaluated, or its evaluation.json cannot be read.
        RecipeError: recipe.resolved.yaml was changed and is no recipe any more.
        SurroundingsError: the page cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    evaluation = _read_json(run.evaluation_path)
    if evaluation is None:
        fix = "run `finetune evaluate` on it"
        raise RunError(Problem(str(run.path), run.evaluation_path.name, "is missing or cannot be read", fix=fix))
    check = _read_json(run.path / "check.json") or {}
    plan = run.manifest.get("plan") or _read_json(run.path / "plan.json") or {}
    words = recipe.load(run.resolved_path, allow_outside=True, must_exist=False).recipe
    kind, sign, headline = _VERDICTS[evaluation["verdict"]["better_than_base"]]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template(_TEMPLATE).render(
        title=words.share.title or run.manifest.get("name") or words.name,
        description=words.description,
        verdict={"kind": kind, "sign": sign, "headline": headline, "why": _sentence(evaluation["verdict"]["why"])},
        facts=_facts(run, evaluation, words),
        fingerprints=_fingerprints(evaluation),
        measures=_measures(evaluation["held_out"]),
        interval=_interval(evaluation["held_out"]),
        row_picture=_row_picture(evaluation["held_out"]),
        pictures=_pictures(run, check),
        samples=answers.shown(answers.read(run.samples_path), words.evaluate.show_rows),
        sample_line=_sample_line(evaluation["samples"], words.evaluate.show_rows),
        choices=_choices(run, plan),
        held_out=evaluation["held_out"],
        not_for=words.share.not_for,
        kit_version=evaluation["kit_version"],
    )
    write_text(run.report_path, page)
    return run.report_path


def shown_samples(run: Run) -> list[dict[str, Any]]:
    """The lines of a run's samples.jsonl that a page or a terminal may show, as its recipe's show_rows has it."""
    words = recipe.load(run.resolved_path, allow_outside=True, must_exist=False).recipe
    return answers.shown(answers.read(run.samples_path), words.evaluate.show_rows)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _facts(run: Run, evaluation: Mapping[str, Any], words: recipe.Recipe) -> list[tuple[str, str]]:
    """Names and values of the table at the top; what the run does not know is left out."""
    manifest = run.manifest
    training, rows = manifest.get("training") or {}, manifest.get("data") or {}
    base, adapter = evaluation["base"], manifest.get("adapter") or {}
    held_out, num_parameters = evaluation["held_out"], evaluation["adapter"]["num_parameters"]
    revision = f", revision {base['revision'][:12]}" if base["revision"] else ""
    share = f" ({num_parameters / adapter['num_total']:.1%} of all)" if adapter.get("num_total") else ""
    rounding = base.get("quantization", "none")  # evaluations of older kits do not say
    held = "" if rounding == "none" else f", held in {rounding}"
    facts = [("Base", base["id"] + revision + held)]
    if rows.get("num_train") is not None:
        facts.append(("Training rows", f"{rows['num_train']:,}"))
    facts.append(("Held-out rows measured", f"{held_out['num_rows']:,} ({held_out['num_tokens']:,} answer tokens)"))
    if training.get("num_steps"):
        facts.append(("Steps", f"{training['num_steps']:,}, each of {count_of(words.train.batch_size, 'row')}"))
    facts.append(("Passes over the rows", f"{words.train.epochs:g}"))
    facts.append(("Learning rate", f"{words.train.learning_rate:g}, {words.train.schedule}"))
    if training.get("seconds") is not None:
        facts.append(("Training time", duration(training["seconds"])))
    facts.append(("Evaluation time", duration(evaluation["seconds"])))
    facts.append(("Adapter", f"{words.adapter.method}, rank {words.adapter.r}, alpha {words.adapter.alpha:g}"))
    facts.append(("Trained parameters", f"{num_parameters:,}{share}"))
    facts.append(("Seed", str(evaluation["seed"])))
    facts.append(("Computed on", f"{evaluation['device']}, {evaluation['dtype']}"))
    facts.append(("Date", evaluation["date"].replace("T", " ").replace("Z", " UTC")))
    return facts


def _fingerprints(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("adapter", evaluation["adapter"]["weights_sha256"]),
        ("data", evaluation["data_fingerprint"]),
        ("template", evaluation["template_fingerprint"]),
    ]


def _measures(held_out: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    base, adapter = held_out["base"], held_out["adapter"]
    return [
        ("Loss, nats per token", f"{base['loss']:.4f}", f"{adapter['loss']:.4f}"),
        ("Perplexity", f"{base['perplexity']:,.2f}", f"{adapter['perplexity']:,.2f}"),
        ("Rows it is better on", f"{held_out['num_rows'] - held_out['rows_better']:,}",
         f"{held_out['rows_better']:,}"),
    ]  # fmt: skip


def _interval(held_out: Mapping[str, Any]) -> dict[str, str]:
    gap = held_out["difference"]
    signed = {key: _signed(gap[key]) for key in ("mean", "low", "high")}
    return {**signed, "percent": _signed(held_out["loss_change_percent"], 1), "unit": f"{gap['unit']}s"}


def _signed(number: float, digits: int = 3) -> str:
    return f"{number:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _row_picture(held_out: Mapping[str, Any]) -> dict[str, Any] | None:
    num_bars = len(held_out["row_changes"])
    which = "One bar a row" if num_bars == held_out["num_rows"] else f"{num_bars} of {held_out['num_rows']:,} rows"
    caption = f"{which}, sorted. Below zero: the adapter expects the right answer more than the base does."
    return _picture("Row by row", caption, charts.row_changes(held_out["row_changes"]))


def _pictures(run: Run, check: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The charts of the training, those there are numbers for."""
    histogram = ((check.get("tokens") or {}).get("train") or {}).get("length_histogram") or {}
    learnt = (
        "Held-out points are taken on at most the first 64 held-out rows. When they rise while training falls, the "
        "adapter learns by heart: train for fewer epochs."
    )
    lengths = charts.length_histogram(histogram.get("edges", []), histogram.get("counts", []))
    pictures = [
        _picture("Loss while training", learnt, charts.loss_curve(run.read_metrics())),
        _picture("Length of the training rows", "Question, answer and template together.", lengths),
    ]
    return [picture for picture in pictures if picture]


def _picture(title: str, caption: str, svg: str | None) -> dict[str, Any] | None:
    from markupsafe import Markup

    # The only text that is not escaped again: our own drawing, which holds numbers and fixed words.
    return {"title": title, "caption": caption, "svg": Markup(svg)} if svg else None


def _sample_line(samples: Mapping[str, Any], show_rows: bool) -> str:
    if not samples["num"]:
        return "No question was short enough to be answered within what the base can look at."
    words = samples["mean_words"]
    line = (
        f"{count_of(samples['num'], 'question')}, the likeliest word each time, at most "
        f"{count_of(samples['max_new_tokens'], 'token')} an answer. Ended by itself: "
        f"base {samples['base_stopped']}, adapter {samples['adapter_stopped']} of {samples['num']}. "
        f"Words an answer: base {words['base']:.0f}, adapter {words['adapter']:.0f}."
    )
    if samples["num_left_out"]:
        line += f" {count_of(samples['num_left_out'], 'question')} left out: too long to leave room for an answer."
    if samples["num_held_out"] and not show_rows:
        line += (
            f" The texts of {count_of(samples['num_held_out'], 'held-out row')} and the answers to them are in "
            "samples.jsonl only; evaluate.show_rows: true shows them here."
        )
    return line


def _choices(run: Run, plan: Mapping[str, Any]) -> dict[str, Any]:
    """What the kit chose: notes of the run as they are, choices of the plan with value and reason."""
    reasons = plan.get("reasons") or {}
    return {
        "notes": list(run.manifest.get("notes") or []),
        "plan": [(key.replace("_", " "), _value(plan.get(key)), reason) for key, reason in reasons.items()],
    }


def _value(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
