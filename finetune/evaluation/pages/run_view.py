"""What the page says of the run itself: curves, data, facts, choices, and how to do it again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from markupsafe import Markup

from finetune.evaluation import charts
from finetune.evaluation.pages.said import Said, joined, say
from finetune.evaluation.pages.sentences import told
from finetune.evaluation.pages.words import TEXTS

# A path in a recipe that leads out of its folder.
_OUTSIDE = re.compile(r"""(?::\s|-\s|\[|,\s|['"])(?:\.\./|/)[^\s/]""")
_COMMA = Said(*TEXTS["comma"])


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(num_bytes: float) -> str:
    """`793 MiB`, `1.4 GiB`."""
    mebibytes = num_bytes / 2**20
    return f"{mebibytes:,.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"


# -- pictures --------------------------------------------------------------------------------------------------------


def picture(name: str, title: str, svg: str | None, **words: Any) -> dict[str, Any] | None:
    """A drawing with the words beside it; None without one.

    Args:
        words: "note", "across", "up" as Said; "legend": [(class of the mark, Said)].
    """
    if not svg:
        return None
    # The only text that is not escaped again: our own drawing, which holds numbers alone.
    made = {"name": name, "title": say(TEXTS, title), "svg": Markup(svg), "note": None, "across": None, "up": None}
    return {**made, "legend": [], **words}


def training_pictures(metrics: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Loss, learning rate and gradient norm by step, those there are numbers for."""
    metrics = _with_points(metrics, best)
    kept = _kept_step(best)
    legend = [("base", say(TEXTS, "training_rows"))]
    if any("held_out_loss" in entry for entry in metrics):
        legend.append(("adapter", say(TEXTS, "held_out_rows")))
    if kept is not None:
        legend.append(("kept", say(TEXTS, "kept_step")))
    step = say(TEXTS, "axis_step")
    pictures = [
        picture("loss", "curve_loss", charts.loss_curve(metrics, kept), legend=legend, across=step,
                up=say(TEXTS, "axis_loss"), note=say(TEXTS, "curve_loss_note")),
        picture("rate", "curve_rate", charts.metric_curve("rate", metrics, "learning_rate"), across=step),
        picture("norm", "curve_norm", charts.metric_curve("norm", metrics, "gradient_norm"), across=step,
                note=say(TEXTS, "curve_norm_note")),
    ]  # fmt: skip
    return [each for each in pictures if each]


def _kept_step(best: Mapping[str, Any]) -> int | None:
    """The step whose adapter was kept; None where nothing was chosen."""
    if not best:
        return None
    return best.get("last_step") if best.get("kept") == "last" else best.get("step")


def _with_points(metrics: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, and held-out points that only the manifest holds."""
    made = [dict(entry) for entry in metrics]
    known = {entry.get("step") for entry in made if "held_out_loss" in entry}
    for point in best.get("points") or ():
        if isinstance(point, Mapping) and point.get("step") not in known and "held_out_loss" in point:
            made.append({"step": point["step"], "held_out_loss": point["held_out_loss"]})
    return sorted(made, key=lambda entry: entry.get("step") or 0)


def row_picture(held_out: Mapping[str, Any]) -> dict[str, Any] | None:
    """The change of each held-out row."""
    changes = held_out.get("row_changes") or []
    note = say(TEXTS, "rowwise_all", n=held_out.get("num_rows", len(changes)), better=held_out.get("rows_better", 0))
    legend = [("adapter", say(TEXTS, "better")), ("worse", say(TEXTS, "worse"))]
    return picture("rows", "rowwise", charts.row_changes(changes), legend=legend, note=note,
                   up=say(TEXTS, "axis_change"))  # fmt: skip


def length_pictures(check: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How long the rows are: training and held-out."""
    found = []
    for side, title in (("train", "lengths_train"), ("held_out", "lengths_held")):
        counted = ((check.get("lengths") or {}).get(side) or {}).get("histogram")
        counted = counted or ((check.get("tokens") or {}).get(side) or {}).get("length_histogram") or {}
        svg = charts.histogram(f"lengths-{side}", counted.get("edges") or [], counted.get("counts") or [])
        found.append(picture(f"lengths-{side}", title, svg, across=say(TEXTS, "axis_tokens"),
                             up=say(TEXTS, "axis_rows"), note=say(TEXTS, "lengths_note")))  # fmt: skip
    return [each for each in found if each]


def reply_picture(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How long base and adapter answer: in tokens, or in words where an older kit did not count them."""
    counted = all("base_tokens" in line and "adapter_tokens" in line for line in lines)
    sides = [[line[f"{who}_tokens"] if counted else len((line.get(who) or "").split()) for line in lines]
             for who in ("base", "adapter")]  # fmt: skip
    if len(lines) < 2:
        return None
    edges, counts = charts.binned(*sides, num_bins=16)
    legend = [("base", say(TEXTS, "base")), ("adapter", say(TEXTS, "adapter"))]
    return picture("replies", "lengths_replies", charts.histogram("replies", edges, *counts), legend=legend,
                   across=say(TEXTS, "axis_reply" if counted else "axis_reply_words"),
                   up=say(TEXTS, "axis_answers"))  # fmt: skip


# -- tables ----------------------------------------------------------------------------------------------------------


def facts_view(manifest: Mapping[str, Any], evaluation: Mapping[str, Any], words: Any) -> list[tuple[Said, Any]]:
    """Names and values of the table of facts; what the run does not know is left out."""
    training, rows = manifest.get("training") or {}, manifest.get("data") or {}
    held_out = evaluation.get("held_out") or {}
    facts: list[tuple[str, Any]] = [("f_base", _base(evaluation.get("base") or {}))]
    if rows.get("num_train") is not None:
        facts.append(("f_train", f"{rows['num_train']:,}"))
    if held_out.get("num_rows") is not None:
        tokens = say(TEXTS, "f_answer_tokens", n=held_out.get("num_tokens", 0))
        num = f"{held_out['num_rows']:,}"
        facts.append(("f_held_out", joined([Said(num, num), say(TEXTS, "aside", words=tokens)], Said("", ""))))
    if training.get("num_steps"):
        num = f"{training['num_steps']:,}"
        each = say(TEXTS, "f_each", n=words.train.batch_size)
        facts.append(("f_steps", joined([Said(num, num), each], _COMMA)))
    facts.append(("f_epochs", f"{words.train.epochs:g}"))
    facts.append(("f_rate", f"{words.train.learning_rate:g}, {words.train.schedule}"))
    adapter = {"method": words.adapter.method, "r": words.adapter.r, "alpha": f"{words.adapter.alpha:g}"}
    facts.append(("f_adapter", say(TEXTS, "f_rank", **adapter)))
    facts += _parameters(evaluation.get("adapter") or {}, manifest.get("adapter") or {})
    facts.append(("f_seed", str(evaluation.get("seed", ""))))
    facts.append(("f_date", str(evaluation.get("date", "")).replace("T", " ").replace("Z", " UTC")))
    return [(say(TEXTS, key), value) for key, value in facts]


def _base(base: Mapping[str, Any]) -> Said:
    parts = [Said(str(base.get("id", "?")), str(base.get("id", "?")))]
    if base.get("revision"):
        short = base["revision"][:12]
        parts.append(Said(f"{TEXTS['f_revision'][0]} {short}", f"{TEXTS['f_revision'][1]} {short}"))
    if (base.get("quantization") or "none") != "none":  # evaluations of older kits do not say
        parts.append(say(TEXTS, "f_held_in", bits=base["quantization"]))
    return joined(parts, _COMMA)


def _parameters(measured: Mapping[str, Any], trained: Mapping[str, Any]) -> list[tuple[str, Any]]:
    num = measured.get("num_parameters") or trained.get("num_trainable")
    if not num:
        return []
    text = Said(f"{num:,}", f"{num:,}")
    if trained.get("num_total"):
        of_all = say(TEXTS, "f_of_all", share=f"{num / trained['num_total']:.1%}")
        text = joined([text, say(TEXTS, "aside", words=of_all)], Said("", ""))
    return [("f_parameters", text)]


def costs_view(
    manifest: Mapping[str, Any], evaluation: Mapping[str, Any], plan: Mapping[str, Any]
) -> list[tuple[Said, Any]]:
    """Time, memory and machine."""
    training, environment = manifest.get("training") or {}, manifest.get("environment") or {}
    facts: list[tuple[str, Any]] = []
    if training.get("seconds") is not None:
        facts.append(("f_train_time", duration(training["seconds"])))
    if evaluation.get("seconds") is not None:
        facts.append(("f_eval_time", duration(evaluation["seconds"])))
    if training.get("tokens_per_second"):
        facts.append(("f_speed", say(TEXTS, "f_per_second", n=round(training["tokens_per_second"]))))
    memory = []
    if training.get("peak_memory_bytes"):
        memory.append(Said(*[size(training["peak_memory_bytes"])] * 2))
    if plan.get("memory_gib"):
        memory.append(say(TEXTS, "f_estimated", n=size(plan["memory_gib"] * 2**30)))
    if memory:
        facts.append(("f_peak", joined(memory, _COMMA)))
    facts.append(("f_where", f"{evaluation.get('device', '?')}, {evaluation.get('dtype', '?')}"))
    if environment.get("system"):
        cpus = environment.get("num_cpus")
        parts = [Said(*[environment["system"]] * 2), *([say(TEXTS, "f_cpus", n=cpus)] if cpus else [])]
        facts.append(("f_machine", joined(parts, _COMMA)))
    return [(say(TEXTS, key), value) for key, value in facts]


def data_view(check: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the data, from check.json where it is there, else from the manifest; no text of a row."""
    known = {**(manifest.get("data") or {}), **{key: value for key, value in check.items() if value is not None}}
    facts: list[tuple[Said, Any]] = []
    for key, title in (("num_rows_read", "rows_read"), ("num_train", "rows_train"), ("num_held_out", "rows_held_out")):
        if known.get(key) is not None:
            facts.append((say(TEXTS, title), f"{known[key]:,}"))
    for reason, num in (known.get("dropped") or {}).items():
        if num:
            facts.append((say(TEXTS, "dropped_as", reason=reason.removeprefix("data.checks.").replace("_", " ")),
                          f"{num:,}"))  # fmt: skip
    for kind, finding in (known.get("findings") or {}).items():
        if finding.get("outcome") == "warn":
            facts.append((say(TEXTS, "warned", kind=kind.replace("_", " ")), f"{finding['num_rows']:,}"))
    for key, title in (("privacy", "private_rows"), ("leakage", "leaked_rows")):
        if (known.get(key) or {}).get("num_rows") is not None:
            facts.append((say(TEXTS, title), f"{known[key]['num_rows']:,}"))
    languages = known.get("languages") or {}
    if isinstance(languages, Mapping) and languages:
        most = sorted(languages.items(), key=lambda pair: -pair[1])[:6]
        facts.append((say(TEXTS, "languages"), ", ".join(f"{code} {num:,}" for code, num in most)))
    if known.get("license"):
        facts.append((say(TEXTS, "licence"), str(known["license"])))
    leaked = (known.get("leakage") or {}).get("num_rows") or 0
    return {
        "facts": facts,
        # The folders they lie in are nobody's business who reads the page.
        "files": [{"name": PurePath(file["name"]).name, "num_rows": file.get("num_rows"), "sha256": file["sha256"]}
                  for file in known.get("files") or ()],
        "warning": say(TEXTS, "leak_warning", n=leaked) if leaked else None,
        "pictures": length_pictures(check),
    }  # fmt: skip


def choices_view(manifest: Mapping[str, Any], plan: Mapping[str, Any], measured: Sequence[str] = ()) -> dict[str, Any]:
    """What the kit chose: notes of the run and of its evaluation, choices of the plan with value and reason."""
    reasons = plan.get("reasons") or {}
    return {
        "notes": [told(note) for note in (*(manifest.get("notes") or ()), *measured)],
        "plan": [(key.replace("_", " "), _value(plan.get(key)), told(reason)) for key, reason in reasons.items()],
    }


def _value(value: Any) -> Any:
    return say(TEXTS, "yes" if value else "no") if isinstance(value, bool) else str(value)


def again_view(manifest: Mapping[str, Any], evaluation: Mapping[str, Any], resolved: str) -> dict[str, Any]:
    """How to do it again: the commands, what must be equal, and by which hashes one sees it.

    Args:
        resolved: the text of recipe.resolved.yaml.
    """
    outside = bool(_OUTSIDE.search(resolved))
    name = "".join(c if c.isalnum() or c in "_-." else "_" for c in str(manifest.get("name") or "run"))
    option = " --allow-outside" if outside else ""
    environment = manifest.get("environment") or {}
    prints = [
        ("fp_adapter", (evaluation.get("adapter") or {}).get("weights_sha256")),
        ("fp_data", evaluation.get("data_fingerprint")),
        ("fp_template", evaluation.get("template_fingerprint")),
        ("fp_recipe", (manifest.get("recipe") or {}).get("fingerprint")),
        ("fp_base", (manifest.get("base") or {}).get("weights_sha256")),
    ]
    commit = environment.get("git_commit")
    return {
        "commands": [f"finetune run recipe.resolved.yaml{option} --output ../{name}-again", "finetune evaluate ."],
        "outside": outside,
        "fingerprints": [(say(TEXTS, key), value) for key, value in prints if value],
        "versions": ", ".join(f"{name} {version}" for name, version in (environment.get("versions") or {}).items()),
        "commit": commit,
    }
