"""Reports of checks, made by hand: one with a little of everything, one clean, one refused. No row text in them."""

from __future__ import annotations

import copy
from typing import Any

from finetune.checking import SCHEMA
from finetune.checking.verdict import verdict_of
from finetune.data import DataReport, FileFacts

A, B = "clinic/answers.csv", "clinic/letters.jsonl.gz"


def _counted(counts: list[int], width: int) -> dict[str, list[int]]:
    return {"edges": [width * k for k in range(len(counts) + 1)], "counts": counts}


def _side(num_rows: int, num_over: int = 0) -> dict[str, Any]:
    return {
        "num_rows": num_rows, "sum": 100 * num_rows,
        "parts": {"system": 10 * num_rows, "prompt": 40 * num_rows, "answer": 37 * num_rows, "template": 13 * num_rows},
        "supervised_share": 0.37, "shortest": 12, "median": 88, "p90": 301, "p99": 498, "longest": 655,
        "histogram": _counted([num_rows // 2, num_rows // 4, 0, 9, 1], 140),
        "answer_histogram": _counted([num_rows // 3, 4, 2], 140), "num_over": num_over,
        "prompt_histogram": _counted([num_rows // 2, 9, 3], 30), "system_histogram": _counted([num_rows], 1),
        "over_places": [f"{A}:9"] * num_over,
        "num_left_out": num_over, "num_trimmed": 0, "num_answer_over": 0, "answer_over_places": [], "keeps_99": 498,
        "keeps_100": 655, "num_control_texts": 0,
    }  # fmt: skip


def _finding(num_rows: int, rule: str | float, outcome: str, lines: range) -> dict[str, Any]:
    places = [f"{A}:{line}" for line in lines]
    return {
        "num_rows": num_rows,
        "rule": rule,
        "outcome": outcome,
        "places": places,
        "parts": ["message 2"] * len(places),
    }


def clean() -> dict[str, Any]:
    """5,000 rows of which nothing needs a look."""
    found = DataReport(
        files=[
            FileFacts(A, "9f" * 32, 812_345, 4_600, "question_answer", "utf-8 with byte-order mark"),
            FileFacts(B, "1c" * 32, 91_234, 400, "messages", "gb18030"),
        ],
        num_rows_read=5_000,
        num_train=4_500,
        num_held_out=500,
        notes=[f"{A}: question_answer, from columns question, answer", "a choice about all files"],
        privacy={"rule": "warn", "num_rows": 0, "kinds": {}},
        languages={"en": 4_900, "zh": 80},
        license="CC-BY-4.0",
        fingerprint="cd" * 32,
    )
    return finished({
        "schema": SCHEMA,
        "kit_version": "0.1.0",
        "verdict": {},
        "checked_at": "2026-11-23T14:00:00Z",
        "seconds": 2.3,
        "recipe": {"name": "clinic_answers", "fingerprint": "ab" * 32},
        "settings": {"privacy": "warn", "languages": ["en"]},
        "versions": {"python": "3.11.9", "finetune-kit": "0.1.0"},
        "problems": [],
        **found.as_dict(),
        "lengths": {"unit": "tokens", "exact": True, "how": "counted", "max_length": 512, "overlong": "drop",
                    "train": _side(4_500), "held_out": _side(500), "seconds": 0.4},
    })  # fmt: skip


def looked_at() -> dict[str, Any]:
    """Rows left out for three reasons, and each kind of thing that is only told of."""
    report = clean()
    report.update(
        num_train=4_380,
        num_held_out=500,
        dropped={"duplicate": 99, "bad row": 12, "data.checks.html_remains": 9},
        warnings=["a warning in other words"],
        bad_rows={"num": 12, "allowed": "20", "reasons": [
            {"what": "the answer is empty", "num": 9, "places": [f"{A}:{line}" for line in range(12, 21)]},
            {"what": "<b>odd</b>", "num": 3, "places": [f"{A}:5", f"{B}:3", f"{B}:9"]},
        ]},
        findings={
            "refusal": _finding(4, 0.01, "warn", range(4, 8)),
            "mojibake": _finding(312, "warn", "warn", range(100, 200)),
            "html_remains": _finding(9, "drop", "drop", range(70, 79)),
        },
        privacy={"rule": "warn", "num_rows": 23, "kinds": {
            "name": {"num": 30, "num_rows": 20, "places": [f"{B}:8"]},
            "email": {"num": 12, "num_rows": 11, "places": [f"{A}:{line}" for line in range(11, 22)]},
        }},
        duplicates={"exact": 99, "near": 14, "near_groups": 6, "same_question_other_answer": 3,
                    "places": {"near": [[f"{A}:99", f"{A}:12"]]}},
        leakage={"rule": "warn", "num_rows": 2, "num_groups": 1,
                 "kinds": {"same_row": {"num": 2, "places": [["held.csv:3", f"{A}:7"], ["held.csv:4", f"{A}:9"]]}}},
    )  # fmt: skip
    report["lengths"]["train"] = _side(4_380, num_over=7)
    return finished(report)


def refused() -> dict[str, Any]:
    """A check that stopped: bad rows, a finding by its rule, and leakage."""
    report = looked_at()
    bad = {"what": "the answer is empty", "fix": "fill it in, or remove the row", "keys": ["answer"], "got": "",
           "num": 9, "places": [f"{A}:{line}" for line in range(12, 21)]}  # fmt: skip
    finding = {**bad, "what": "312 of 5,000 rows: garbled", "keys": ["data.checks.mojibake"], "num": 1, "places": []}
    rule = {**bad, "what": "12 of 5,000 rows cannot be used, 0 are allowed", "keys": ["data.bad_rows"], "num": 1}
    report.update(problems=[rule, bad, finding], num_train=0, num_held_out=0, dropped={}, lengths=None, fingerprint="")
    report["findings"]["mojibake"]["outcome"] = "refuse"
    report["leakage"]["rule"] = "refuse"
    return finished(report)


def finished(report: dict[str, Any]) -> dict[str, Any]:
    """A copy with the verdict that fits it."""
    report = copy.deepcopy(report)
    report["verdict"] = verdict_of(report)
    return report
