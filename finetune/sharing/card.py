"""README.md of a package: what the adapter is, what was measured, and whether a gate let it pass."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.recipe import Recipe

_HEADLINES = {
    "better": "better than its base", "worse": "worse than its base", "same": "about the same as its base",
    "not_enough_rows": "not enough rows to tell",
}  # fmt: skip
_OLD = {True: "better", False: "worse", None: "not_enough_rows"}
# What Markdown or a table would take for more than a sign.
_SIGNS = re.compile(r"([\\`*_\[\]|~#])")
_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")


def card(manifest: Mapping[str, Any], words: Recipe, evaluation: Mapping[str, Any], unproved: Sequence[str]) -> str:
    """The card as Markdown with the hub's metadata in front.

    Args:
        manifest: of the run.
        words: its recipe.
        evaluation: its evaluation; one of an older kit has no scorecard and no gate.
        unproved: why it was shared without a gate that passed, one clause each; empty where it passed.
    """
    title = words.share.title or words.name
    parts = [_front_matter(manifest, words, evaluation), f"# {_plain(title)}"]
    if unproved:
        parts.append(_warning(unproved))
    if words.description:
        parts.append(_plain(words.description))
    parts += [_what_for(words), _measured(evaluation), _gate(evaluation, unproved), _facts(manifest, words, evaluation)]
    parts.append(_use(manifest))
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(manifest: Mapping[str, Any], words: Recipe, evaluation: Mapping[str, Any]) -> str:
    base = (manifest.get("base") or {}).get("id") or evaluation["base"]["id"]
    facts: dict[str, Any] = {"library_name": "peft", "pipeline_tag": "text-generation"}
    if _HUB_ID.match(base):
        facts["base_model"] = base
    if words.share.license:
        facts["license"] = words.share.license
    if words.share.languages:
        facts["language"] = list(words.share.languages)
    facts["tags"] = ["finetune-kit", words.adapter.method, "lora"] if words.adapter.method != "lora" else [
        "finetune-kit", "lora"]  # fmt: skip
    # Every line of JSON is YAML, whatever signs a title holds.
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in facts.items()), "---"])


def _plain(text: str) -> str:
    """Text that shows as it is written, on one line a paragraph."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(_SIGNS.sub(r"\\\1", html.escape(part, quote=False)) for part in paragraphs if part)


def _warning(unproved: Sequence[str]) -> str:
    head = "> **Not let through, and shared all the same (`--ungated`).**"
    return "\n".join([head, *(f"> - {_plain(why)}" for why in unproved)])


def _what_for(words: Recipe) -> str:
    lines = []
    if words.share.intended_use:
        lines.append(f"**For:** {_plain(words.share.intended_use)}")
    if words.share.not_for:
        lines.append(f"**Not for:** {', '.join(map(_plain, words.share.not_for))}")
    return "\n\n".join(lines)


def _measured(evaluation: Mapping[str, Any]) -> str:
    verdict = evaluation["verdict"]
    result = verdict.get("result") or _OLD[verdict["better_than_base"]]
    why = _plain(verdict["why"])
    lines = ["## Measured against its base", "", f"**Verdict: {_HEADLINES[result]}** ({why})."]
    measures = evaluation.get("scorecard") or []
    if measures:
        lines += [
            "",
            "| measure | n | base | adapter | difference (95 % interval) | result |",
            "|---|--:|--:|--:|---|---|",
        ]
        lines += [_row(measure) for measure in measures]
    for suite in evaluation.get("suites") or ():
        passed = f"base {suite['base_passed']:,}, adapter {suite['adapter_passed']:,} of {suite['num_items']:,}"
        newly = len(suite["new_failures"])
        lines += ["", f"Suite {_plain(suite['name'])}: passed {passed}; {newly:,} newly failed."]
    learnt, judged = evaluation.get("memorisation"), evaluation.get("judge")
    if learnt:
        lines += ["", f"Learnt by heart: {_plain(learnt['why'])}."]
    if judged:
        lines += [
            "",
            f"Judged by {_plain(judged['model'])}: {judged['num_judged']:,} of {judged['num_pairs']:,} pairs.",
        ]
    lines += ["", "A lower loss is not truth, safety or completeness. Read answers before you rely on it."]
    return "\n".join(lines)


def _row(measure: Mapping[str, Any]) -> str:
    gap = measure["difference"]
    name = _plain(measure["name"].replace("_", " "))
    unit = "" if measure["unit"] in ("share", "score") else f", {measure['unit']}"
    sides = " | ".join(f"{measure[who]['mean']:.3f}" for who in ("base", "adapter"))
    between = f"{gap['mean']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
    result = (measure["result"] or "").replace("_", " ")
    return f"| {name}{unit} | {measure['num_rows']:,} | {sides} | {between} | {result} |"


def _gate(evaluation: Mapping[str, Any], unproved: Sequence[str]) -> str:
    gate = evaluation.get("gate") or {}
    if gate.get("passed") is None:
        return "## Gate\n\nNone was asked: nothing had to be proved before this adapter was shared."
    lines = ["## Gate", "", f"**{'Passed' if gate['passed'] else 'Failed'}**"]
    lines[-1] += ", and shared all the same." if not gate["passed"] and unproved else "."
    for check in gate["checks"]:
        lines.append(
            f"- {'passed' if check['passed'] else '**FAILED**'}: {_plain(check['name'])}: {_plain(check['why'])}"
        )
    return "\n".join([*lines[:3], "", *lines[3:]])


def _facts(manifest: Mapping[str, Any], words: Recipe, evaluation: Mapping[str, Any]) -> str:
    base, rows = manifest.get("base") or {}, manifest.get("data") or {}
    revision = f", revision {base['revision']}" if base.get("revision") else ""
    lines = [f"- Base: {_plain(base.get('id') or evaluation['base']['id'])}{revision}"]
    lines.append(f"- Adapter: {words.adapter.method}, rank {words.adapter.r}, alpha {words.adapter.alpha:g}")
    if rows.get("num_train") is not None:
        lines.append(
            f"- Rows: {rows['num_train']:,} trained on, {rows.get('num_held_out') or 0:,} held out; none is here"
        )
    if rows.get("license"):
        lines.append(f"- Licence of the rows: {_plain(rows['license'])}")
    lines.append(f"- Training: {words.train.epochs:g} passes, learning rate {words.train.learning_rate:g}, "
                 f"seed {words.train.seed}")  # fmt: skip
    lines.append(f"- Evaluated {evaluation['date']} with finetune-kit {evaluation['kit_version']}")
    lines.append("- The hash of each file: package.json")
    return "\n".join(["## Facts", "", *lines])


def _use(manifest: Mapping[str, Any]) -> str:
    base = (manifest.get("base") or {}).get("id") or ""
    more = f" --base {base}" if base and not _HUB_ID.match(base) and base != "starter" else ""
    return f"## Try it\n\n    finetune chat THIS_FOLDER{more}"
