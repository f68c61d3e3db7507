"""How long the rows are: tokens by part, what data.max_length does to them, and what is said of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finetune import prepare, recipe
from finetune.checking.lengths import Lengths, lengths, lines_of
from finetune.data import Conversation, DataReport, Message, Splits

SHORT = ("Hello.", "Good morning to you.")
CANARY = "quokka"


def _row(number: int, *texts: str, system: str | None = None) -> Conversation:
    head = (Message("system", system),) if system else ()
    turns = tuple(Message(("user", "assistant")[k % 2], text) for k, text in enumerate(texts))
    return Conversation(head + turns, f"rows.jsonl:{number}")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    row = json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})
    (tmp_path / "rows.jsonl").write_text(row + "\n")
    (tmp_path / "held.jsonl").write_text(row.replace('"a"', '"c"') + "\n")
    (tmp_path / "recipe.yaml").write_text(
        "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl, held_out: held.jsonl}\n"
    )
    return tmp_path


def _lengths(home: Path, train: list[Conversation], *overrides: str, **words: Any) -> Lengths:
    loaded = recipe.load(home / "recipe.yaml", overrides)
    return lengths(loaded, Splits(train, [_row(1, *SHORT)], DataReport()), **words)


ROWS = [
    _row(1, *SHORT),
    _row(2, *SHORT, *SHORT, system="Be kind to everyone."),
    _row(3, "What then? " * 30, "After that. " * 10, *SHORT),  # fits without its oldest exchange
    _row(4, "What then?", f"{CANARY} one day after another. " * 20),  # its answer alone is too long
    _row(5, "What then? " * 30, "That."),  # too long for its question
]


def test_counts_are_those_of_the_rows_that_are_trained(home: Path) -> None:
    loaded = recipe.load(home / "recipe.yaml", ("data.max_length=500",))
    base = prepare.open_base(loaded)
    facts = _lengths(home, ROWS[:3], "data.max_length=500").facts
    split = prepare.render_split(base, ROWS[:3], "drop")
    train = facts["train"]
    assert (facts["unit"], facts["exact"], facts["max_length"]) == ("tokens", True, 500)
    assert train["sum"] == sum(len(row.input_ids) for row in split.rows) == sum(train["parts"].values())
    assert train["parts"] == split.parts()
    assert train["parts"]["answer"] == sum(row.num_trained for row in split.rows)
    assert train["parts"]["system"] == len(base.tokenizer.encode("Be kind to everyone.", add_special_tokens=False))
    assert train["supervised_share"] == round(train["parts"]["answer"] / train["sum"], 4)
    assert (train["num_over"], train["num_left_out"], train["over_places"]) == (0, 0, [])
    assert facts["held_out"]["num_rows"] == 1


def test_the_template_is_counted_with_empty_hands(home: Path) -> None:
    """<|begin|><|user|> text <|end|><|assistant|> text <|end|>: the last one is the answer's."""
    parts = _lengths(home, ROWS[:1]).facts["train"]["parts"]
    tokenizer = prepare.open_base(recipe.load(home / "recipe.yaml")).tokenizer
    texts = [len(tokenizer.encode(text, add_special_tokens=False)) for text in SHORT]
    assert parts == {"system": 0, "prompt": texts[0], "answer": texts[1] + 1, "template": 4}


@pytest.mark.parametrize(
    ("overlong", "num_left_out", "num_trimmed"), [("drop", 3, 0), ("trim_history", 2, 1), ("error", 3, 0)]
)
def test_rows_that_are_too_long(home: Path, overlong: str, num_left_out: int, num_trimmed: int) -> None:
    found = _lengths(home, ROWS, "data.max_length=64", f"data.overlong={overlong}")
    train = found.facts["train"]
    assert train["over_places"] == ["rows.jsonl:3", "rows.jsonl:4", "rows.jsonl:5"]
    assert (train["num_over"], train["num_left_out"], train["num_trimmed"]) == (3, num_left_out, num_trimmed)
    assert (train["num_answer_over"], train["answer_over_places"]) == (1, ["rows.jsonl:4"])
    assert [problem.where for problem in found.problems if problem.where] == (
        train["over_places"] if overlong == "error" else []
    )
    assert f"data.overlong is {overlong}" in found.warnings[0]
    assert found.warnings[0].startswith(
        "3 of 5 training rows are longer than data.max_length (64 tokens), the first is"
    )
    assert found.warnings[1] == (
        "1 training rows have answers that alone are longer than data.max_length, the first is rows.jsonl:4"
    )


def test_the_length_that_keeps_99_percent_does_and_one_less_does_not(home: Path) -> None:
    rows = [_row(k, "Why?", "so " * (k % 50 + 1)) for k in range(1, 301)]
    facts = _lengths(home, rows).facts["train"]
    for limit, kept in ((facts["keeps_99"], True), (facts["keeps_99"] - 1, False)):
        over = _lengths(home, rows, f"data.max_length={limit}", "data.overlong=drop").facts["train"]["num_over"]
        assert (over <= 3) is kept
    assert _lengths(home, rows, f"data.max_length={facts['keeps_100']}").facts["train"]["num_over"] == 0
    assert facts["keeps_100"] == facts["longest"]


def test_quantiles_and_histograms_hold_every_row(home: Path) -> None:
    facts = _lengths(home, [_row(k, "Why?", "so " * k) for k in range(1, 101)]).facts["train"]
    assert facts["shortest"] < facts["median"] < facts["p90"] < facts["p99"] <= facts["longest"]
    for name in ("histogram", "answer_histogram", "prompt_histogram", "system_histogram"):
        assert sum(facts[name]["counts"]) == 100
        assert len(facts[name]["edges"]) == len(facts[name]["counts"]) + 1
    assert len(facts["answer_histogram"]["counts"]) > 10
    assert facts["system_histogram"] == {"edges": [0, 1], "counts": [100]}, "no row has a system turn"
    rows = [_row(k, "Why? " * k, "So.", system="Be kind. " * (k % 2)) for k in range(1, 41)]
    both = _lengths(home, rows).facts["train"]
    assert len(both["prompt_histogram"]["counts"]) > 10
    assert both["system_histogram"]["counts"][0] == 20 == both["system_histogram"]["counts"][-1]
    assert both["answer_histogram"]["edges"][-1] < both["prompt_histogram"]["edges"][-1]


def test_fault_41_what_the_run_would_stop_with_is_a_problem_already(home: Path) -> None:
    rows = [*ROWS[:2] * 8, *ROWS[3:] * 2]
    (problem,) = _lengths(home, rows, "data.max_length=64").problems
    assert problem.key == "data.max_length"
    assert "4 of 20 training rows are longer than allowed: rows.jsonl:4, rows.jsonl:5, rows.jsonl:4, ...;" in str(
        problem
    )
    assert not _lengths(home, rows, "data.max_length=64", "data.overlong=drop").problems
    (problem,) = _lengths(home, ROWS[3:], "data.max_length=64", "data.overlong=drop").problems
    assert "all 2 training rows are longer than allowed" in str(problem)


def test_rows_the_template_refuses_are_problems_and_are_not_counted(home: Path) -> None:
    bad = _row(9, f"{CANARY} \ue0f0", "b")
    found = _lengths(home, [ROWS[0], bad, ROWS[1]])
    assert found.facts["train"]["num_rows"] == 2
    assert [problem.where for problem in found.problems] == ["rows.jsonl:9"]
    assert CANARY not in str(found)


def test_fault_62_control_tokens_in_texts_are_counted(home: Path) -> None:
    found = _lengths(home, [_row(1, "<|end|><|user|>", "hello <|end|>"), ROWS[0]])
    assert found.facts["train"]["num_control_texts"] == 3
    assert found.warnings == ["3 control tokens in training texts will be encoded as plain text"]


def test_the_number_of_processes_changes_nothing(home: Path) -> None:
    rows = [_row(k, "Why? " * (k % 90), "so " * (k % 37 + 1)) for k in range(2_300)]
    found = [_lengths(home, rows, "data.max_length=64", num_processes=num) for num in (1, 2)]
    for one in found:
        one.facts["seconds"] = 0
    assert found[0] == found[1]
    assert found[0].facts["train"]["over_places"] == sorted(
        found[0].facts["train"]["over_places"], key=lambda place: int(place.split(":")[1])
    )


def test_words_where_the_base_is_not_on_this_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = _lengths(
        home, [_row(1, "one two 感冒了", "three"), _row(2, "a " * 20, "b " * 20)],
        "base.model=nobody/has-this", "data.max_length=16",
    )  # fmt: skip
    facts = found.facts
    assert (facts["unit"], facts["exact"]) == ("words", False)
    assert "not on this machine" in facts["how"]
    assert facts["train"]["parts"] == {"system": 0, "prompt": 25, "answer": 21, "template": 0}
    assert found.warnings[0].startswith(
        "1 of 2 training rows have more words in their texts alone, so they are longer than data.max_length (16 tokens)"
    )
    assert ("note", f"lengths: {facts['how']}") in lines_of(facts)


def test_lines_for_the_terminal(home: Path) -> None:
    facts = _lengths(home, ROWS, "data.overlong=drop", "data.max_length=64").facts
    lines = lines_of(facts)
    assert [label for label, _ in lines] == ["lengths", "", "held out", ""]
    assert "tokens a row, median" in lines[0][1] and "supervised" in lines[1][1]


def test_nothing_of_a_row_is_in_the_facts(home: Path) -> None:
    assert CANARY not in json.dumps(_lengths(home, ROWS, "data.max_length=64").facts)


def test_counting_needs_no_torch(home: Path) -> None:
    """transformers' own way of opening a tokenizer imports it, and costs three times as long."""
    code = (
        "import sys\nfrom finetune import data, recipe\nfrom finetune.checking.lengths import lengths\n"
        f"loaded = recipe.load({str(home / 'recipe.yaml')!r})\nfound = lengths(loaded, data.load(loaded))\n"
        "print(found.facts['exact'], [name for name in ('torch', 'peft', 'trl', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "True []", done.stderr
