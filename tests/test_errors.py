"""How errors are told: one line a kind, with its first places and how many more there are."""

from __future__ import annotations

from finetune.errors import DataError, Problem, RecipeError, first_places, ranged


def test_rows_with_one_fault_are_one_line() -> None:
    rows = [Problem(f"a.jsonl:{k}", "", "no tools here", fix="set another template") for k in range(1, 31)]
    assert DataError(rows).lines() == [
        "a.jsonl:1, a.jsonl:2, a.jsonl:3, a.jsonl:4, a.jsonl:5 and 25 more: no tools here. Fix: set another template"
    ]
    named = [Problem(f"a.jsonl:{k}", f"row {k}, key answer", "the answer is empty") for k in (3, 9)]
    assert DataError(named).lines() == ["a.jsonl:3, a.jsonl:9: key answer: the answer is empty"]
    assert DataError(named[:1]).lines() == [str(named[0])], "one alone is told whole"
    long = [Problem(f"a.jsonl:{k}", "", f"{40 * k} tokens; data.max_length is 32") for k in (3, 1, 2)]
    assert DataError(long).lines() == ["a.jsonl:3, a.jsonl:1, a.jsonl:2: 40-120 tokens; data.max_length is 32"]


def test_what_differs_stays_apart() -> None:
    roles = [Problem(f"a.jsonl:{k}", f"row {k}", "role is unknown", got) for k, got in ((1, "x"), (2, "y"), (3, "x"))]
    assert len(DataError(roles).lines()) == 2
    words = [Problem(f"recipe.yaml:{k}:3", f"train.{k}", "unknown word", fix="correct it") for k in "ab"]
    assert RecipeError(words).lines() == [str(problem) for problem in words]
    files = [Problem("recipe.yaml:3:3", "data.train", "there is no such file", got) for got in ("'a'", "'b'")]
    assert RecipeError(files).lines() == [str(problem) for problem in files]
    leaks = [Problem(f"held.csv:{k}", "", f"is a training row (a.csv:{9 * k})") for k in (1, 2)]
    assert len(DataError(leaks).lines()) == 2, "each names its own row"
    kinds = [Problem(f"a.csv:{k}", "", f"fault {'x' * k}") for k in range(1, 41)]
    assert DataError(kinds).lines()[19:] == [str(kinds[19]), "... and 20 more"]


def test_an_ellipsis_is_followed_by_no_full_stop() -> None:
    assert str(Problem("a.csv", "", "columns found: a, b, ...", fix="name yours")) == (
        "a.csv: columns found: a, b, ... Fix: name yours"
    )


def test_first_places_and_ranges() -> None:
    assert first_places(["a:1", "a:2"]) == "a:1, a:2"
    assert first_places(["a:1", "a:2"], 9_000) == "a:1, a:2 and 8,998 more"
    assert ranged(["1,200 tokens of 32", "40 tokens of 32"]) == "40-1200 tokens of 32"
