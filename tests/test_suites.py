"""The suites: every shipped item, the files' faults told all at once, and the graders' checks one by one."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import graders
from finetune.errors import DataError, RecipeError
from finetune.evaluation.suites import (
    Item,
    explain,
    grade,
    grading,
    load_suite,
    numbers,
    patterns,
    shipped_concepts,
    shipped_suites,
    summary,
    texts,
)
from finetune.evaluation.suites import concepts as concepts_room
from finetune.evaluation.suites.checks import CHECKS, Reply

LEAST_ITEMS = {
    "general": 200, "general_zh": 100, "medical_safety": 60, "medical_safety_zh": 60, "legal_safety": 60,
    "finance_safety": 60, "customer_support_safety": 60, "prompt_injection": 40,
}  # fmt: skip
GENERAL_KINDS = {"arithmetic", "facts", "choice", "instruction", "reading", "format", "memory"}
# Below these the graders would not be worth running; docs/suites.md has the figures measured.
LEAST_HELD_BACK = {"precision": 0.8, "recall": 0.8}


def passes(rule: dict[str, Any], reply: str, language: str = "en") -> bool:
    assert grading.problems_of(rule, "here:1") == []
    return grading.passes(rule, Reply(reply, language))


def write(tmp_path: Path, *rows: Any, name: str = "mine.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def item(**words: Any) -> dict[str, Any]:
    return {"id": "a", "kind": "k", "question": "Why?", "grade": {"contains": "sun"}, **words}


def problems(path: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_suite(str(path))
    return [str(problem) for problem in caught.value.problems]


# What is shipped


@pytest.mark.parametrize("name", sorted(LEAST_ITEMS))
def test_every_shipped_suite_loads_with_enough_items(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    assert len(suite.items) >= LEAST_ITEMS[name]
    assert suite.category == ("general" if name.startswith("general") else "safety")
    assert suite.title["en"] and suite.title["zh"] and suite.about
    assert re.fullmatch("[0-9a-f]{64}", suite.sha256)


def test_ids_are_unique_over_all_suites_and_no_two_questions_are_alike() -> None:
    items = [item for name in shipped_suites() for item in load_suite(name).items]
    assert len({item.id for item in items}) == len(items)
    asked = [" ".join(message["content"] for message in item.messages).casefold() for item in items]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("name", sorted(LEAST_ITEMS))
def test_written_replies_are_graded_as_written_and_an_empty_one_passes_nowhere(name: str) -> None:
    labelled: dict[str, set[bool]] = {}
    for row in graders.marked():
        labelled.setdefault(row.row["item"], set()).add(row.good)
    for item in load_suite(name).items:
        if item.is_choice:
            assert item.options is not None and item.answer is not None and len(item.options) >= 3
            continue
        marks = {True for _ in item.good} | {False for _ in item.bad} | labelled.get(item.id, set())
        # Items of one kind share their concepts in a safety suite: there a kind has its labelled replies, below.
        assert marks == {True, False} or not name.startswith("general"), f"{item.id} lacks a written reply"
        for reply in item.good:
            assert grade(item, reply), f"{item.id}: {explain(item, reply)}"
            assert explain(item, reply) == ""
        for reply in item.bad:
            assert not grade(item, reply), item.id
            assert explain(item, reply).strip() and explain(item, reply, "zh").strip()
        assert not grade(item, ""), f"{item.id} passes an empty reply"


@pytest.mark.parametrize("name", ["general", "general_zh"])
def test_the_general_suites_hold_every_kind_and_right_options_stand_everywhere(name: str) -> None:
    items = load_suite(name).items
    assert {item.kind for item in items} == GENERAL_KINDS
    answers = [item.answer for item in items if item.is_choice]
    # Always the first option would be right in a quarter of them.
    assert max(answers.count(place) for place in range(4)) <= len(answers) * 0.3 + 1


def test_a_parrot_and_a_babbler_pass_few_general_items() -> None:
    """What is no answer must fail: the question said again, and words about nothing."""
    items = [item for item in load_suite("general").items if not item.is_choice]
    parrot = sum(grade(item, item.messages[-1]["content"]) for item in items) / len(items)
    babble = sum(grade(item, "It is what it is, as they say, and so on and so forth.") for item in items) / len(items)
    assert parrot < 0.2, "too many questions hold their own answer"
    assert babble < 0.05


def test_every_shipped_concept_is_well_formed() -> None:
    for name in shipped_concepts():
        assert concepts_room.shipped_concept_problems(name) == ()


def test_graders_agree_with_labels_set_by_hand() -> None:
    """Above all on the replies that no grader was tuned on."""
    rows = graders.marked()
    for name in LEAST_ITEMS:
        held_back = graders.figures(row for row in rows if row.suite == name and row.held_back)
        assert held_back["num"] >= 10, name
        for word, least in LEAST_HELD_BACK.items():
            assert held_back[word] >= least, (name, word, held_back)
    kinds = {(item.suite, item.kind) for name in LEAST_ITEMS for item in load_suite(name).items if not item.is_choice}
    for suite, kind in kinds:
        own = [row.good for row in rows if (row.suite, row.kind) == (suite, kind)]
        assert own.count(True) >= 2 and own.count(False) >= 2, (suite, kind)


def test_figures_of_graders() -> None:
    def row(good: bool, passed: bool) -> graders.Marked:
        return graders.Marked("s", "k", False, good, passed, {})

    found = graders.figures([row(True, True), row(True, False), row(True, False), row(False, True), row(False, False)])
    assert found["precision"] == 0.5 and found["recall"] == pytest.approx(1 / 3) and found["agreement"] == 0.4
    assert graders.figures([])["precision"] is None


# A user's own file


def test_a_users_own_suite_loads_by_path_relative_to_the_recipe(tmp_path: Path) -> None:
    header = {"suite": "mine", "title": "Ours", "language": "zh", "concepts": {"sunny": {"en": {"any": ["sun+y"]}}}}
    rows = [
        item(id="one", language="en", grade={"concept": "sunny"}, system="Be brief."),
        item(id="two", grade={"not": {"contains": "rain"}}),
        {"id": "three", "question": "Which?", "options": ["x", "y"], "answer": 1},
    ]
    write(tmp_path, header, "", *rows)
    suite = load_suite("mine.jsonl", tmp_path)
    assert (suite.name, suite.category, suite.title) == ("mine", "general", {"en": "Ours", "zh": "Ours"})
    one, two, three = suite.items
    assert [message["role"] for message in one.messages] == ["system", "user"]
    assert grade(one, "A sunny day") and not grade(one, "A grey day")
    assert (one.language, two.language) == ("en", "zh")
    assert three.is_choice and three.options == ("x", "y") and three.answer == 1
    with pytest.raises(ValueError, match="likelihood"):
        grade(three, "y")


def test_the_hash_changes_with_the_file_and_with_a_concept_it_uses(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path, item(grade={"concept": "refusal"}))
    first = load_suite(str(path)).sha256
    assert load_suite(str(path)).sha256 == first
    changed = {**shipped_concepts(), "refusal": {"en": {"any": ["no"]}}}
    with monkeypatch.context() as patched:
        patched.setattr(concepts_room, "shipped_concepts", lambda: changed)
        assert load_suite(str(path)).sha256 != first
    write(tmp_path, item(grade={"concept": "refusal"}, note="other"))
    assert load_suite(str(path)).sha256 != first


def test_all_faults_of_a_file_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"suite": "a b", "category": "funny", "colour": 1},
        "{not json",
        "[1]",
        item(),
        item(),
        item(id="b", question=" ", langauge="en"),
        item(id="c", messages=[{"role": "user", "content": "x"}]),
        {"id": "d", "messages": [{"role": "assistant", "content": "x"}], "grade": {"contains": "x"}},
        {"id": "e", "question": "x"},
        {"id": "f", "question": "x", "options": ["a", "a"], "answer": 0},
        {"id": "g", "question": "x", "options": ["a", "b"], "answer": 2},
        item(id="h", grade={"contians": "x"}),
        item(id="i", grade={"contains": "x", "number": 3}),
        item(id="j", grade={"all": []}),
        item(id="k", grade={"matches": "(a+)+$"}),
        item(id="l", grade={"words": [5, 2]}),
        item(id="m", grade={"concept": "no_such"}),
        item(id="n", good="the moon"),
        item(id="o", bad="the sun"),
        '{"id": "p", "id": "q", "question": "x", "grade": {"contains": "x"}}',
        item(id="r", grade={"contains": "x", "tolerance": 1}),
        item(id="s", language="fr"),
    )
    told = problems(path)
    lines = {int(match.group(1)) for match in (re.match(r"mine\.jsonl:(\d+)", text) for text in told) if match}
    assert lines == {*range(1, 23)} - {4}, "every faulty line is told, and no sound one"
    text = "\n".join(told)
    for words in (
        "mine.jsonl:1: suite", "mine.jsonl:1: category", "mine.jsonl:1: colour", "mine.jsonl:5: id: stands on line 4",
        "did you mean language?", "mine.jsonl:6: messages", "either a question or messages", "order no chat has",
        "either a rule (grade) or options", "holds one text twice", "count from 0: 0 to 1", "unknown check 'contians'",
        "has 2 checks", "is not a list of rules", "itself repeats without end", "wrong way round", "unknown concept",
        "the good reply fails its own rule", "the bad reply passes its own rule", "stands twice",
        "beside 'number' only",
    ):  # fmt: skip
        assert words in text, words


def test_what_is_no_suite_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean general"):
        load_suite("generall")
    with pytest.raises(RecipeError, match="no such file"):
        load_suite("none.jsonl", tmp_path)
    assert "no item" in problems(write(tmp_path, ""))[0]
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "a"}\n\xff\xfe')
    assert "latin.jsonl:2: is not UTF-8" in problems(tmp_path / "latin.jsonl")[0]


def test_a_broken_concept_is_told_with_its_pattern(tmp_path: Path) -> None:
    broken = {
        "mine": {"en": {"any": ["[", "fine"], "also": []}},
        "yours": {"fr": {}},
        "refusal": {"en": {"any": ["x"]}},
    }
    told = "\n".join(problems(write(tmp_path, {"suite": "m", "concepts": broken}, item())))
    for words in (
        "concepts.mine.en.any[0]: it is not a regular",
        "mine.en.also",
        "yours: has no language",
        "a shipped",
    ):
        assert words in told, words


# Patterns


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", r"(\w+\s?)*$", "(a|ab)*c", "(a?){300}b", "(.*,){20}x", r"(a)\1", "[", "(?P<x>a)(?P=x)", "a" * 5000, ""],
)
def test_hostile_patterns_are_refused(pattern: str) -> None:
    assert patterns.problem_of(pattern)


@pytest.mark.parametrize(
    "pattern", [r"call (?:911|999)", r"(?:\w+ ){0,3}doctor", "拨打.{0,10}120", r"\bnot? (?:a|the)\b"]
)
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    assert patterns.problem_of(pattern) == ""


def test_what_the_look_lets_through_is_bounded_in_time() -> None:
    pattern = r"(?:x{1,30}){1,30}y"
    assert patterns.problem_of(pattern) == "", "choose another pattern: this one never reaches the time limit"
    started = time.monotonic()
    with pytest.raises(DataError, match="took longer"):
        patterns.found(pattern, "x" * 5000)
    assert time.monotonic() - started < 10 * patterns.TIME_LIMIT_SECONDS


# Checks


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ({"contains": "Paris"}, "It is **Paris**.", "a comparison"),
        ({"contains": "12"}, "12 of them", "12.5 or 1,200 or 112"),
        ({"contains": ["don't"]}, "I don’t know", "do"),
        ({"contains_all": ["red", "blue"]}, "blue and red", "red"),
        ({"equals": "yes"}, "“Yes.”", "yes, I do"),
        ({"starts": "Dear"}, "**Dear** Ann", "My dear"),
        ({"ends": ["over."]}, "Fine, over.", "over. Fine"),
        ({"order": ["one", "two"]}, "one, two", "two, one"),
        ({"count": {"text": "rain", "times": 2}}, "rain, Rain", "rain, rainy"),
        ({"matches": "^b.d$"}, "a\nbed", "bread"),
        ({"number": 3.5, "tolerance": 0.1}, "about 3.45", "3.7"),
        ({"number": -4}, "x = -4", "x = 4"),
        ({"option": "B"}, "The answer is (B) because A is wrong.", "A or B"),
        ({"option": "C"}, "c)", "I think so."),
        ({"json": {"keys": ["a"], "values": {"b": 1}}}, 'Here:\n```json\n{"a": [], "b": 1}\n```', '{"a": 1}'),
        ({"json": {"alone": True}}, "```\n[1]\n```", "Well: [1]"),
        ({"json": {"values": {"a": True}}}, '{"a": true}', '{"a": 1}'),
        ({"json": {"keys": ["a"], "only": True}}, '{"a": 0}', '{"a": 0, "b": 0}'),
        ({"lines": 2}, "a\n\nb", "a"),
        ({"words": [None, 3]}, "one two-fold three", "one two three four"),
        ({"words": 4}, "今天晴朗", "今天"),
        ({"characters": [1, 3]}, "a b c", "abcd"),
        ({"sentences": 2}, "Dr. Lee paid 3.5 dollars. Fine!", "One. Two. Three."),
        ({"sentences": 2}, "你好。再见！", "你好"),
        ({"paragraphs": 2}, "a\n\nb", "a\nb"),
        ({"bullets": 2}, "- a\n* b", "1. a\n2. b"),
        ({"numbered": 2}, "1. a\n2) b", "- a"),
        ({"case": "upper"}, "YES 1!", "Yes"),
        ({"case": "lower"}, "yes", "12"),
        ({"language": "zh"}, "用 Python 写程序很有趣", "Hello 你好 and welcome everybody"),
        ({"language": "en"}, "Hello", "你好"),
        ({"concept": "refusal"}, "I'm sorry, but I can't help with that.", "Of course I can help."),
        ({"not": {"contains": "x"}}, "y", "x"),
        ({"any": [{"contains": "x"}, {"contains": "y"}]}, "y", "z"),
    ],
)
def test_each_check_can_pass_and_fail(rule: dict[str, Any], good: str, bad: str) -> None:
    assert passes(rule, good)
    assert not passes(rule, bad)


def test_every_check_is_tried_above_and_says_itself_in_both_languages() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for name, check in CHECKS.items():
        assert f'({{"{name}"' in source, f"{name} is not tried in test_each_check_can_pass_and_fail"
        assert all("{value}" in said for said in check.says)


def test_thoughts_in_front_of_a_reply_are_not_graded() -> None:
    assert passes({"equals": "no"}, "<think>They want yes. Yes?</think>\nNo.")
    assert not passes({"contains": "yes"}, "<think>yes")


def test_explain_names_the_check_that_failed() -> None:
    one = Item(
        "a", "k", "en", ({"role": "user", "content": "?"},), {"all": [{"number": 4}, {"words": 1}]}, None, None, "s"
    )
    assert explain(one, "4") == ""
    assert explain(one, "It is 5") == "it should state the number 4; it has 5"
    assert explain(one, "It is 4") == "it should have 1 words; it has 3"
    assert explain(one, "It is 5", "zh") == "应当给出数字 4；实际为 5"


def test_concepts_look_sentence_by_sentence() -> None:
    concepts = {"call": {"en": {"any": ["call 911"], "unless": ["no need to"], "unless_anywhere": ["just joking"]}}}

    def found(text: str) -> bool:
        return concepts_room.concept_found("call", text, "en", concepts)

    assert found("Stay calm. **Call 911** now.")
    assert not found("There is no need to call 911.")
    assert found("There is no need to wait. Call 911.")
    assert not found("Call 911. I am just joking.")


# Numbers


@given(st.integers(-(10**9), 10**9))
def test_every_integer_is_read_in_every_form(number: int) -> None:
    for text in (
        f"{number}",
        f"{number:,}",
        f"It is {number:,}.",
        f"答案是{number}。",
        f"**{number}**",
        f"x = {number}",
    ):
        assert numbers.stated_number(text) == number, text


@given(st.decimals(0, 10**6, places=3))
def test_every_decimal_is_read(number) -> None:
    assert numbers.stated_number(f"It weighs {number} kg.") == pytest.approx(float(number))


def in_han(number: int) -> str:
    """A number from 1 to 99,999,999 in Chinese, written here a second way: digit by digit with its unit."""
    if number >= 10_000:
        high, low = divmod(number, 10_000)
        return in_han(high) + "万" + ("零" if 0 < low < 1000 else "") + (in_han(low) if low else "")
    text, gap = "", False
    for unit, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + sign
            gap = False
        else:
            gap = True
    return text


@given(st.integers(1, 99_999_999))
def test_every_chinese_number_is_read(number: int) -> None:
    assert numbers.stated_number(f"共{in_han(number)}") == number


def in_english(number: int) -> str:
    ones = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    ones += ["thirteen", "fourteen", "fifteen", "sixteen"]
    ones += ["seventeen", "eighteen", "nineteen"]
    tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    if number >= 1000:
        rest = f" {in_english(number % 1000)}" if number % 1000 else ""
        return in_english(number // 1000) + " thousand" + rest
    if number >= 100:
        return ones[number // 100] + " hundred" + (f" and {in_english(number % 100)}" if number % 100 else "")
    if number >= 20:
        return tens[number // 10] + (f"-{ones[number % 10]}" if number % 10 else "")
    return ones[number]


@given(st.integers(0, 999_999))
def test_every_english_number_is_read(number: int) -> None:
    assert numbers.stated_number(f"There are {in_english(number)} of them.") == number


@given(st.text(max_size=300))
def test_no_text_breaks_a_check(text: str) -> None:
    numbers.stated_number(text)
    numbers.stated_option(text)
    texts.sentences(text)
    for rule in (
        {"json": {}},
        {"lines": 1},
        {"bullets": 1},
        {"language": "zh"},
        {"equals": "x"},
        {"concept": "refusal"},
    ):
        passes(rule, text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12 + 30 = 42", 42), ("42, because 6 times 7", 42), ("The answer is 15, as 3 x 5 = 15 and not 8.", 15),
        ("You had 5 and ate 2, so 3 remain", 3), ("\\boxed{\\frac{3}{4}}", 0.75), ("1 1/2 cups", 1.5),
        ("1.2万", 12_000), ("3 million", 3e6), ("二〇二四年", 2024), ("5-7", 7), ("3 minutes are 180 seconds", 180),
        ("一年有四个季节", 4),
        ("There are four of them in one box", 4),
        ("1. Add 3 + 4 = 7\n2. Double it: 14", 14), ("The train of 14:10 takes 95 minutes", 95),
        ("29 = 7 x 4 + 1, so the rest is 1", 1), ("no number", None),
    ],
)  # fmt: skip
def test_which_number_a_reply_states(text: str, number: float | None) -> None:
    assert numbers.stated_number(text) == number


# The summing up


def test_a_summary_counts_by_kind_and_names_what_changed(tmp_path: Path) -> None:
    rows = [item(id=f"i{place}", kind="ab"[place % 2]) for place in range(30)]
    suite = load_suite(str(write(tmp_path, {"suite": "mine", "category": "safety"}, *rows)))
    base = [True] * 20 + [False] * 10
    adapter = [False] * 2 + [True] * 20 + [False] * 8
    found = summary(suite, base, adapter, seed=1)
    assert (found["num_items"], found["base_passed"], found["adapter_passed"]) == (30, 20, 20)
    assert found["new_failures"] == ["i0", "i1"] and found["mended"] == ["i20", "i21"]
    assert [kind["num"] for kind in found["kinds"]] == [15, 15]
    assert sum(kind["adapter"] for kind in found["kinds"]) == 20
    assert found["measure"]["num_rows"] == 30
    assert found["measure"]["difference"]["mean"] == pytest.approx(0)
    assert found == summary(suite, base, adapter, seed=1)
    json.dumps(found)
    with pytest.raises(ValueError, match="30 items"):
        summary(suite, base[:-1], adapter, seed=1)
