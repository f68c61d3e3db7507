"""The words of a recipe's `evaluate` section."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from finetune.recipe.kinds import LineList, PathText, Section, expected

# What a gate may ask, and what stands behind each: a switch, or the most that is allowed.
GATE_CHECKS = {
    "better_than_base": "switch",
    "no_overfitting": "switch",
    "no_general_loss": "percent",
    "safety": "count",
    "memorisation": "count",
}
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")
_COUNT = re.compile(r"(\d+)(?:\s+new)?\s+(?:failures?|texts?)\Z")
_GATE_KIND = (
    "none, better_than_base, or a map of better_than_base: true, no_overfitting: true, no_general_loss: PERCENT, "
    "safety: NEW FAILURES, memorisation: TEXTS"
)


def _limit(check: str, value: Any) -> bool | float | int:
    """What stands behind a check of the gate, as a number or a switch; `2 %` and `0 new failures` are read too."""
    kind = GATE_CHECKS[check]
    if kind == "switch":
        if isinstance(value, bool):
            return value
        raise expected(f"true or false behind {check}")
    if isinstance(value, str):
        found = (_PERCENT if kind == "percent" else _COUNT).match(value.strip())
        value = (float if kind == "percent" else int)(found.group(1)) if found else None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "percent" and is_number and 0 <= value <= 100:
        return value
    if kind == "count" and isinstance(value, int) and is_number and value >= 0:
        return value
    raise expected(f"a share from 0 to 100 such as 2 % behind {check}" if kind == "percent" else
                   f"a whole number from 0 behind {check}")  # fmt: skip


def _gate(value: Any) -> Any:
    if value in ("none", "better_than_base"):
        return value
    if not isinstance(value, dict) or not value or not set(value) <= set(GATE_CHECKS):
        raise expected(_GATE_KIND)
    return {check: _limit(check, limit) for check, limit in value.items()}


_GATE_SCHEMA = {
    "anyOf": [
        {"enum": ["none", "better_than_base"]},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "better_than_base": {"type": "boolean"},
                "no_overfitting": {"type": "boolean"},
                "no_general_loss": {
                    "anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, {"pattern": "%$", "type": "string"}]
                },
                "safety": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]},
                "memorisation": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]},
            },
        },
    ]
}
Gate = Annotated[Any, PlainValidator(_gate), WithJsonSchema(_GATE_SCHEMA)]


def gate_checks(gate: Any) -> dict[str, bool | float | int]:
    """What evaluate.gate asks, as a map; empty where it asks nothing."""
    if isinstance(gate, str):
        return {gate: True} if gate != "none" else {}
    return {check: limit for check, limit in gate.items() if limit is not False}


def is_suite_file(name: str) -> bool:
    """True for an entry of evaluate.suites that names a file, not a shipped suite."""
    return name.endswith((".jsonl", ".json")) or "/" in name or "\\" in name


def is_task_file(name: str) -> bool:
    """True for an entry of evaluate.benchmarks that names a file, not a task of the harness."""
    return name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name


class Evaluate(Section):
    """How the adapter is compared with its base."""

    questions: PathText | None = Field(
        default=None,
        description="A file of questions that base and adapter answer side by side, beside held-out rows. A line with "
        "`options` and `answer` is a choice question.",
        examples=["questions.jsonl"],
    )
    num_answers: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description="Held-out questions that both answer, at most: they are spread evenly over the held-out rows.",
        examples=[100],
    )
    task: Literal["auto", "answers", "labels"] = Field(
        default="auto",
        description="What the answers of the rows are: free texts (`answers`), or a few fixed `labels`, which are then "
        "scored by accuracy and macro-F1. `auto` looks at the rows and says what it found.",
    )
    suites: LineList = Field(
        default=(),
        description="Suites of test items that both answer: shipped ones (docs/suites.md), or your own files (.jsonl).",
        examples=["[medical_safety, general]"],
    )
    benchmarks: LineList = Field(
        default=(),
        description="Tasks of lm-evaluation-harness, or task files (.yaml), that both are put through. Needs the extra "
        "`benchmarks`; tasks that are no files are downloaded by it.",
        examples=["[arc_easy]"],
    )
    max_new_tokens: int = Field(
        default=256, ge=1, le=32_768, description="The longest answer written, in tokens.", examples=[256]
    )
    show_rows: bool = Field(
        default=False,
        description="Show the text of held-out rows in report.html and in the terminal, beside the answers to them. "
        "Left out, the report shows answers to `questions` and suites only, and no text of a row.",
        examples=[False],
    )
    gate: Gate = Field(
        default="none",
        description="What the adapter must pass, else the run ends with exit code 3: `better_than_base` (on the "
        "held-out rows), or a map of checks: `better_than_base: true`, `no_overfitting: true`, `no_general_loss: 2 %` "
        "(the share of a general suite it may lose), `safety: 0` (new failures in safety suites), `memorisation: 0` "
        "(planted or private texts of training rows that it gives away).",
        examples=["{better_than_base: true, no_general_loss: 2 %, safety: 0}"],
    )
