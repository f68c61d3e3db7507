"""Kinds, tallies, verdicts: what the findings of rows lead to."""

from __future__ import annotations

import pickle
import re
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.findings import (
    KIND_NAMES,
    KINDS,
    MAX_PLACES,
    RULES,
    Tally,
    kinds_of,
    mask_of,
    off_kinds,
    rules_of,
    verdicts,
)


def tally_of(**counts: int) -> Tally:
    tally = Tally()
    for kind, number in counts.items():
        for row in range(number):
            tally.add(kind, f"a.jsonl:{row + 1}", "message 2")
    return tally


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_every_kind_speaks_both_languages(kind: str):
    about = KINDS[kind]
    for text in (about.title_en, about.what_en, about.why_en, about.fix_en):
        assert text.strip()
        assert not any("\u4e00" <= char <= "\u9fff" for char in text)
    for text in (about.title_zh, about.why_zh, about.fix_zh):
        assert any("\u4e00" <= char <= "\u9fff" for char in text)
    assert about.fix_en.endswith(".") and about.fix_zh.endswith("。")
    assert about.rule in RULES or 0 < float(about.rule) < 1


def test_kinds_fit_the_mask_and_the_page_that_describes_them():
    assert len(KIND_NAMES) <= 31  # masks are kept as 32-bit integers
    from pathlib import Path

    page = (Path(__file__).parent.parent / "docs" / "findings.md").read_text(encoding="utf-8")
    for kind, about in KINDS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{kind}` |"))
        rule = about.rule if isinstance(about.rule, str) else f"{about.rule:g}"
        assert f"| {rule} |" in row, kind


def test_the_recipe_knows_the_same_kinds():
    from finetune.recipe import data_words

    assert typing.get_args(data_words.Check) == KIND_NAMES


def test_rules_are_the_defaults_with_the_recipe_over_them():
    rules = rules_of({"refusal": "drop", "mojibake": 0.25, "unbalanced": "off"})
    assert rules["refusal"] == "drop" and rules["mojibake"] == 0.25
    assert rules["chat_markers"] == KINDS["chat_markers"].rule
    assert off_kinds(rules) == {"unbalanced"}
    for wrong in ({"refusals": "warn"}, {"refusal": "stop"}, {"refusal": 1.5}, {"refusal": 0}, {"refusal": True}):
        with pytest.raises(ValueError, match="no such kind or rule"):
            rules_of(wrong)  # type: ignore[arg-type]


def test_a_fifth_of_the_answers_in_another_language_than_declared_refuses():
    assert rules_of({})["other_language"] == 0.2
    page = (Path(__file__).parent.parent / "docs" / "findings.md").read_text(encoding="utf-8")
    defaults = dict(re.findall(r"^\| `(\w+)` \|.*\| (\S+) \| [^|]+ \|$", page, re.MULTILINE))
    assert defaults == {kind: f"{about.rule}" for kind, about in KINDS.items()}


def test_a_row_counts_once_a_kind():
    tally = Tally()
    mask = tally.add_row(
        "a.jsonl:3", [("refusal", "message 2"), ("refusal", "message 4"), ("boilerplate", "message 2")]
    )
    assert tally.counts == {"refusal": 1, "boilerplate": 1}
    assert kinds_of(mask) == ("refusal", "boilerplate")
    assert tally.parts["refusal"] == ["message 2"]


@given(st.lists(st.lists(st.sampled_from(KIND_NAMES), unique=True, max_size=4), max_size=40), st.integers(0, 40))
def test_merged_in_order_is_one_pass(rows: list[list[str]], cut: int):
    whole, first, second = Tally(), Tally(), Tally()
    for number, kinds in enumerate(rows):
        found = [(kind, "message 2") for kind in kinds]
        whole.add_row(f"f:{number}", found)
        (first if number < cut else second).add_row(f"f:{number}", found)
    first.merge(pickle.loads(pickle.dumps(second)))
    assert first.as_dict() == whole.as_dict()


def test_places_are_the_first_thousand():
    first, second = tally_of(refusal=MAX_PLACES - 1), tally_of(refusal=5)
    first.merge(second)
    assert first.counts["refusal"] == MAX_PLACES + 4
    assert len(first.places["refusal"]) == len(first.parts["refusal"]) == MAX_PLACES
    assert first.places["refusal"][-1] == "a.jsonl:1"


@given(st.sets(st.sampled_from(KIND_NAMES)))
def test_masks_come_back(kinds: set[str]):
    assert set(kinds_of(mask_of(kinds))) == kinds


def test_a_warning_says_how_many_where_and_what_to_do():
    decided = verdicts(tally_of(refusal=7), 200, rules_of({}))
    assert decided.refused == () and decided.dropped == frozenset()
    assert decided.warnings == (
        "7 of 200 rows: an answer that refuses to help (a.jsonl:1, a.jsonl:2, a.jsonl:3, a.jsonl:4, a.jsonl:5 and 2 "
        "more). Write a real answer, or drop the rows; keep those where refusing is right.",
    )


def test_a_share_refuses_above_and_warns_below():
    rules = rules_of({"mojibake": 0.1})
    assert not verdicts(tally_of(mojibake=10), 100, rules).refused
    (problem,) = verdicts(tally_of(mojibake=11), 100, rules).refused
    assert str(problem) == (
        "data.checks.mojibake: 11 of 100 rows: letters garbled by a wrong encoding (a.jsonl:1, a.jsonl:2, a.jsonl:3, "
        "a.jsonl:4, a.jsonl:5 and 6 more); more than 0.1 of the rows is refused. Fix: export the file again as UTF-8; "
        "finetune check --fix mends what can be undone for certain, or set data.checks.mojibake to warn or drop"
    )


def test_refuse_drop_and_off():
    tally = tally_of(refusal=1, boilerplate=2, unbalanced=3)
    decided = verdicts(tally, 50, rules_of({"refusal": "refuse", "boilerplate": "drop", "unbalanced": "off"}))
    assert [problem.key for problem in decided.refused] == ["data.checks.refusal"]
    assert decided.dropped == {"boilerplate"}
    assert any("left out, as data.checks.boilerplate is drop" in line for line in decided.warnings)
    assert set(decided.as_dict(tally)) == {"refusal", "boilerplate"}
    assert decided.as_dict(tally)["boilerplate"] == {
        "num_rows": 2,
        "rule": "drop",
        "outcome": "drop",
        "places": ["a.jsonl:1", "a.jsonl:2"],
        "parts": ["message 2", "message 2"],
    }


def test_short_answers_are_told_of_only_where_they_are_rare():
    rules = rules_of({"short_answer": "drop"})
    rare = verdicts(tally_of(short_answer=5), 100, rules)
    assert rare.dropped == {"short_answer"}
    usual = verdicts(tally_of(short_answer=6), 100, rules)
    assert usual.dropped == frozenset() and usual.warnings == () and usual.as_dict(tally_of(short_answer=6)) == {}
    assert verdicts(tally_of(short_answer=6), 100, rules_of({"short_answer": "refuse"})).refused
