"""Duplicates, leakage and the split; and properties: what is written is read back, and random bytes never crash."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_data_room import CANARY, all_rows, chat, load, qa, refused, turns, write

from finetune.data import Conversation, Message, findings
from finetune.data.likeness.comparing import find_near
from finetune.data.likeness.duplicates import marks, row_key
from finetune.data.splitting import ShareSplit, held_out_units, split_by_share, unit_labels, unit_names
from finetune.errors import DataError

RELAXED = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def row(question: str, answer: str = "a", group: str | None = None) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), "rows.jsonl:1", group)


def split(rows, share: float, seed: int = 0) -> ShareSplit | None:
    groups = [one.group for one in rows] if any(one.group is not None for one in rows) else None
    return split_by_share(marks(rows), rows, share, seed, groups=groups)


def sides(rows, share: float, seed: int = 0) -> tuple[list[Conversation], list[Conversation]]:
    """(training rows, held-out rows)."""
    made = split(rows, share, seed)
    assert made is not None
    return [rows[number] for number in made.train], [rows[number] for number in made.held_out]


def straddling(made: ShareSplit) -> dict[str, int]:
    """What is on both sides of a split, by kind."""
    return {kind: len(rows) for kind, rows in made.leaks.kinds.items() if len(rows)}


def questions(rows):
    return {one.messages[0].content for one in rows}


def test_duplicates_drop_keeps_the_first(tmp_path):
    rows = [qa(1), qa(2), {"question": " question\n1? ", "answer": "answer  1."}, qa(1), qa(3)]
    splits = load(tmp_path, rows)
    assert sorted(one.where for one in all_rows(splits)) == ["rows.jsonl:1", "rows.jsonl:2", "rows.jsonl:5"]
    assert splits.report.dropped == {"duplicate": 2}
    assert "2 rows that repeat an earlier row exactly: dropped, the first of each kept" in splits.report.notes


def test_duplicates_composed_and_decomposed_are_the_same():
    assert row_key(row("Caf\u00e9")) == row_key(row("Cafe\u0301"))
    assert row_key(row("Cafe")) != row_key(row("Caf\u00e9"))
    assert row_key(row("a b", "c")) != row_key(row("a", "b c"))


def test_duplicates_warn_and_keep(tmp_path):
    rows = [qa(number) for number in range(20)] + [qa(3)] * 5
    warned = load(tmp_path, rows, duplicates="warn")
    what = "5 of 25 rows repeat an earlier row exactly; kept, as data.duplicates is warn"
    assert what in warned.report.warnings
    kept = load(tmp_path, rows, duplicates="keep")
    assert kept.report.num_train + kept.report.num_held_out == 25
    assert not questions(kept.train) & questions(kept.held_out)
    assert not any("repeat" in line for line in kept.report.warnings)


def test_conflicting_answers_are_counted_and_kept(tmp_path):
    rows = [qa(number) for number in range(30)] + [{"question": "question 3?", "answer": CANARY}]
    splits = load(tmp_path, rows)
    assert splits.report.warnings == ["1 question has more than one answer; all are kept"]
    assert len(all_rows(splits)) == 31


def test_split_is_the_same_for_a_seed_and_another_for_another(tmp_path):
    rows = [qa(number) for number in range(100)]
    first, second = load(tmp_path, rows), load(tmp_path, rows)
    assert first.report == second.report
    assert (first.train, first.held_out) == (second.train, second.held_out)
    assert questions(load(tmp_path, rows, seed=1).held_out) != questions(first.held_out)
    assert len(first.held_out) == 10
    assert "held out 10 of 100 rows (share 0.100, asked 0.1, seed 0)" in first.report.notes


def test_split_moves_few_rows_when_one_is_added():
    rows = [row(f"q{number}") for number in range(1000)]
    before, after = sides(rows, 0.1)[1], sides([row("new"), *rows], 0.1)[1]
    assert len(questions(before) ^ questions(after)) <= 2


def test_split_of_rows_that_are_not_alike_stays_what_it_was():
    rows = [row(f"question {number}?", f"answer {number}.") for number in range(100)]
    made = split(rows, 0.1)
    assert made is not None
    assert made.held_out.tolist() == [3, 5, 9, 44, 47, 49, 51, 63, 64, 71]
    assert made.notes == ["held out 10 of 100 rows (share 0.100, asked 0.1, seed 0)"]
    grouped = [row(f"question {number}?", f"answer {number}.", f"d{number // 7}") for number in range(60)]
    made = split(grouped, 0.1)
    assert made is not None
    assert made.held_out.tolist() == [56, 57, 58, 59]


LONG = "Drink a glass of water with every meal, walk for half an hour a day and come back in {} weeks, please."
OTHER = "Nothing of this kind is known; ask the nurse on the second floor who keeps the list of {} visitors."


def test_split_keeps_what_is_alike_on_one_side():
    """Equal and near questions, (long) answers and rows; forty singles around, so that a share can be held out."""
    subjects = [f"subject{number} of matter{number * 7}" for number in range(40)]
    singles = [row(f"Tell me about {one}?", f"This is what {one} is for: {one}.") for one in subjects]
    families = [
        [row("What is gout?", "One."), row("what is GOUT", "Two.")],
        [
            row("Please tell what the treatment is for mumps", "Three."),
            row("Tell what is the treatment for mumps?", "4."),
        ],
        [row("Can I eat eggs?", LONG.format("six")), row("How much sport is too much?", LONG.format("six").upper())],
        [row("Who visits whom here?", OTHER.format("old")), row("Is anything open at night?", OTHER.format("new"))],
        [
            row("How do I clean a new kettle well?", LONG.format(9)),
            row("How do I clean a old kettle well?", LONG.format(10)),
        ],
    ]
    for seed in range(30):
        rows = [*singles, *(one for family in families for one in family)]
        made = split(rows, 0.3, seed)
        assert made is not None
        held_out = set(made.held_out.tolist())
        at = len(singles)
        for family in families:
            assert len({number in held_out for number in range(at, at + len(family))}) == 1
            at += len(family)
        assert not made.leaks
        assert any("stay on one side" in note for note in made.notes)


def test_split_leaves_answers_apart_where_they_chain_most_rows_together():
    """485 of 500 rows of a well known file of conversations have an answer that another one has."""
    answers = [LONG.format(word) for word in ("one", "two")]
    rows = [row(f"How does subject{number} work in matter{number * 3}?", answers[number % 2]) for number in range(100)]
    made = split(rows, 0.1)
    assert made is not None
    assert len(made.held_out) == 10
    assert straddling(made) == {"same_answer": 10}
    # the first of the held-out rows, and a training row with the same answer: places are within the sides
    at, other = made.leaks.kinds["same_answer"][0].tolist()
    answer = rows[made.held_out[at]].messages[1].content
    assert at == 0 and rows[made.train[other]].messages[1].content == answer
    rows = [row("Write a note.", f"Note number{number} about subject{number * 3}.") for number in range(100)]
    made = split(rows, 0.1)
    assert made is not None
    assert len(made.held_out) == 10
    assert straddling(made) == {"same_question": 10}


@pytest.mark.parametrize("num_same", [60, 80, 94])
def test_split_holds_out_what_is_left_beside_a_question_asked_most_of_the_time(num_same):
    """A question that straddles is refused; so none does while there are other rows for half of the share."""
    same = [row("Write a note.", f"Note number{number} about subject{number * 3}.") for number in range(num_same)]
    others = [row(f"How does subject{n} work in matter{n * 7}?", f"As number{n}.") for n in range(100 - num_same)]
    made = split([*same, *others], 0.1)
    assert made is not None
    assert not made.leaks
    assert made.held_out.min() >= num_same
    assert len(made.held_out) == min(10, 100 - num_same)


def alike(num_rows: int) -> list[dict[str, str]]:
    """Rows of which each is nearly every other one, as when names and numbers have become placeholders."""
    question = "我叫[NAME_1]，身份证号[NATIONAL_ID_1]，手机[PHONE_1]，发烧{}天怎么办？"
    answer = "[NAME_1]您好，第{}号建议：多喝水，注意休息，必要时请到医院就诊，联系[NAME_2]。"
    return [{"question": question.format(n), "answer": answer.format(n)} for n in range(num_rows)]


def same_question(num_rows: int) -> list[dict[str, str]]:
    return [{"question": "Write a note.", "answer": f"Note number{n} about subject{n * 3}."} for n in range(num_rows)]


def same_answer(num_rows: int) -> list[dict[str, str]]:
    return [{"question": f"How does subject{n} work in matter{n * 3}?", "answer": LONG} for n in range(num_rows)]


@pytest.mark.parametrize(
    ("rows", "kind", "shown"),
    [(alike(30), "near_row", "nearly the row 3"), (same_question(30), "same_question", "its question 3")],
)
def test_a_share_with_rows_or_questions_on_both_sides_is_refused(tmp_path, rows, kind, shown):
    with pytest.raises(DataError) as caught:
        load(tmp_path, rows)
    assert str(caught.value) == (
        f"recipe.yaml:1:45: data.held_out: 3 of 3 held-out rows are also trained on ({shown}): so many rows say the "
        "same that they cannot be kept on one side. Fix: keep fewer rows that say the same, name a file of other rows "
        "in data.held_out, or set data.leakage: warn"
    )
    found = caught.value.report.leakage
    assert (found["rule"], found["by"], found["num_rows"], found["kinds"][kind]["num"]) == ("refuse", "share", 3, 3)
    assert all(place.startswith("rows.jsonl:") for pair in found["kinds"][kind]["places"] for place in pair)
    warned = load(tmp_path, rows, leakage="warn").report
    assert warned.leakage == {**found, "rule": "warn"}
    told = f"3 of 3 held-out rows are also trained on ({shown}): scores on them are too good; kept, as data.leakage is"
    assert f"{told} warn" in warned.warnings
    off = load(tmp_path, rows, leakage="off").report
    assert off.leakage["num_rows"] == 0 and not any("trained" in line for line in off.warnings)


def test_near_duplicates_drop_is_advised_where_it_helps(tmp_path):
    """Each group holds two near rows and another one, so that all hang together; without near rows they do not."""
    rows = [{**one, "id": n % 41} for n, one in enumerate(alike(82))]
    rows += [{**qa(n), "id": n} for n in range(41)]
    advice = "Fix: set data.near_duplicates: drop, name a file of other rows"
    with pytest.raises(DataError, match=advice):
        load(tmp_path, rows, group_by="id")
    assert load(tmp_path, rows, group_by="id", near_duplicates="drop").report.leakage["num_rows"] == 0


def test_a_share_with_answers_on_both_sides_is_told_of_and_used(tmp_path):
    """Who the assistant is, asked in a hundred ways: nearly all answers are equal, and that is wanted."""
    report = load(tmp_path, same_answer(100)).report
    assert (report.num_train, report.num_held_out) == (90, 10)
    assert (
        "10 of 10 held-out rows: their answers are also trained, exactly or nearly. More than half of all rows hang "
        "together by them, so they could not be kept on one side: scores on these rows are too good"
    ) in report.warnings
    assert report.leakage["num_rows"] == 10
    assert {kind: found["num"] for kind, found in report.leakage["kinds"].items()} == {"same_answer": 10}


def test_a_share_without_anything_on_both_sides_says_so(tmp_path):
    report = load(tmp_path, [qa(number) for number in range(40)]).report
    assert report.leakage == {"rule": "refuse", "num_rows": 0, "num_groups": 0, "kinds": {}, "by": "share"}


def test_a_file_of_which_nothing_is_used_is_told_of(tmp_path):
    write(tmp_path / "copies.jsonl", [qa(number) for number in range(10)])
    write(tmp_path / "few.jsonl", [qa(100)])
    rows = [qa(number) for number in range(40)]
    report = load(tmp_path, rows, train=["rows.jsonl", "copies.jsonl", {"path": "few.jsonl", "weight": 0.1}]).report
    assert [line for line in report.warnings if "none of its" in line][:1] == [
        "copies.jsonl: none of its 10 rows is used: 10 as duplicate"
    ]
    assert not any("rows.jsonl: none" in line for line in report.warnings)
    # the one row of few.jsonl is held out, or its weight leaves it out
    held_out = any("few.jsonl" in row.where for row in load(tmp_path, train=["few.jsonl", "rows.jsonl"]).held_out)
    assert ("few.jsonl: none of its 1 row is used" in report.warnings) != held_out


@pytest.mark.parametrize(("num_copies", "is_told"), [(10, False), (11, True)])
def test_many_exact_copies_are_worth_a_look(tmp_path, num_copies, is_told):
    """More than a fifth of the rows: somebody has named a file twice."""
    rows = [qa(number) for number in range(40)]
    report = load(tmp_path, rows + rows[:num_copies]).report
    what = f"{num_copies} of {40 + num_copies} rows repeat an earlier row exactly; dropped, the first of each kept"
    assert (what in report.warnings) == is_told
    assert report.duplicates["exact"] == num_copies


def test_split_by_a_large_group_is_no_chain():
    rows = [row(f"q{number}", group="large" if number < 70 else f"small{number}") for number in range(100)]
    made = split(rows, 0.1)
    assert made is not None
    assert not made.leaks
    assert len({number < 70 for number in made.held_out.tolist()}) == 1


def test_split_by_group(tmp_path):
    rows = [qa(number, document=f"{CANARY} {number // 7}") for number in range(100)]
    splits = load(tmp_path, rows, group_by="document", held_out=0.2)
    assert not {one.group for one in splits.train} & {one.group for one in splits.held_out}
    assert abs(len(splits.held_out) - 20) <= 7
    assert any("whole groups only, 3 of 15" in note for note in splits.report.notes)
    assert "Zebedee" not in json.dumps(splits.report.as_dict())


def test_one_group_cannot_be_split(tmp_path):
    (message,) = refused(tmp_path, [qa(1, d="x"), qa(2, d="x")], group_by="d")
    assert "a share cannot be held out: there is only one group of data.group_by" in message
    assert "there is only one different row" in refused(tmp_path, [qa(1), qa(1)])[0]


def test_fault_61_held_out_file_overlaps(tmp_path):
    write(tmp_path / "test.jsonl", [chat("new", "a"), chat("question 1?", " answer 1. ", system="s")])
    assert refused(tmp_path, [qa(1), qa(2)], held_out="test.jsonl") == [
        "test.jsonl:2: this held-out row is also a training row (rows.jsonl:1). "
        "Fix: remove it from one of the two (finetune check --fix does), or set data.leakage: warn"
    ]
    write(tmp_path / "test.jsonl", [qa(3), qa(4), qa(4)])
    splits = load(tmp_path, [qa(1), qa(2)], held_out="test.jsonl")
    assert (splits.report.num_train, splits.report.num_held_out) == (2, 2)
    assert "rows.jsonl is also a file of data.train" in refused(tmp_path, train="r*.jsonl", held_out="rows.jsonl")[0]


def test_fault_61_groups_straddle_a_held_out_file(tmp_path):
    write(tmp_path / "test.jsonl", [qa(3, d=CANARY)])
    (message,) = refused(tmp_path, [qa(1, d=CANARY), qa(2, d="x")], held_out="test.jsonl", group_by="d")
    assert "1 group of data.group_by is in the training and in the held-out rows" in message
    assert "Zebedee" not in message


GROUPED = st.lists(st.tuples(st.integers(0, 12), st.none() | st.integers(0, 5)), min_size=2, max_size=60)


def grouped(pairs) -> list[Conversation]:
    return [row(f"q{number}", group=None if group is None else str(group)) for number, group in pairs]


def units(rows) -> list[str]:
    """The unit of each row by name: groups and equal rows only."""
    groups = [one.group for one in rows]
    made = marks(rows)
    return unit_names(unit_labels(made, groups, []), made, groups)


@given(pairs=GROUPED, share=st.floats(0.01, 0.99), seed=st.integers(0, 5))
@RELAXED
def test_split_properties(pairs, share, seed):
    rows = grouped(pairs)
    made = split(rows, share, seed)
    if made is None:
        assert len(set(units(rows))) == 1
        return
    train, held_out = sides(rows, share, seed)
    assert train
    assert held_out
    assert sorted([*made.train.tolist(), *made.held_out.tolist()]) == list(range(len(rows)))
    assert not {row_key(one) for one in train} & {row_key(one) for one in held_out}
    assert not {one.group for one in train if one.group} & {one.group for one in held_out}
    assert sides(rows, share, seed) == (train, held_out)


@given(pairs=GROUPED, data=st.data())
@RELAXED
def test_units_are_the_connected_rows_whatever_their_order(pairs, data):
    """Union-find against the plain definition: rows hang together by a group or by their text."""
    rows = grouped(pairs)
    names = units(rows)
    unit = list(range(len(rows)))
    for _ in rows:
        for a, one in enumerate(rows):
            for b, other in enumerate(rows):
                if row_key(one) == row_key(other) or (one.group is not None and one.group == other.group):
                    unit[a] = unit[b] = min(unit[a], unit[b])
    assert [names.index(name) for name in names] == [unit.index(one) for one in unit]
    order = data.draw(st.permutations(range(len(rows))))
    assert units([rows[number] for number in order]) == [names[number] for number in order]


ALIKE = st.lists(
    st.tuples(
        st.integers(0, 9), st.sampled_from(["", " now", " today"]), st.integers(0, 4), st.sampled_from(["", "!"])
    ),
    min_size=2,
    max_size=30,
)


@given(parts=ALIKE, seed=st.integers(0, 3), data=st.data())
@RELAXED
def test_split_does_not_depend_on_the_order_and_never_cuts_a_near_group(parts, seed, data):
    rows = [
        row(
            f"How do I wash pullover{number} and sock{number} and hat{number}{tail}?",
            LONG.format(f"week{answer}") + sign,
        )
        for number, tail, answer, sign in parts
    ]
    order = data.draw(st.permutations(range(len(rows))))
    made, again = split(rows, 0.3, seed), split([rows[number] for number in order], 0.3, seed)
    assert (made is None) == (again is None)
    if made is None or again is None:
        return
    assert sorted(order[number] for number in again.held_out) == made.held_out.tolist()
    held_out = {*made.held_out.tolist()}
    near = find_near(marks(rows), rows)
    both: set[int] = set()
    for labels in (near.row, near.question, near.answer):
        for first in set(labels.tolist()):
            group = set(np.flatnonzero(labels == first).tolist())
            both |= group & held_out if group - held_out else set()
    assert sorted(made.held_out[at] for at in made.leaks.numbers()) == sorted(both), "all that straddles, and no more"


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.just(1), min_size=2), st.floats(0.01, 0.99))
@RELAXED
def test_share_is_met_where_rows_stand_alone(sizes, share):
    taken = held_out_units(sizes, share, 0)
    assert len(taken) == min(max(1, round(share * len(sizes))), len(sizes) - 1)


# named, as hypothesis 6.170 takes the source of a lambda with "*" for a pattern
def pair_key(pair: tuple[str, str]) -> str:
    return row_key(row(*pair))


def chat_key(texts: list[str]) -> str:
    return row_key(Conversation(tuple(Message("user", text) for text in texts), ""))


# any text must be read back, also what looks garbled or personal
UNCHECKED = {"checks": dict.fromkeys(findings.KINDS, "off"), "privacy": "off", "leakage": "off"}


def visible(text: str) -> bool:
    return any(char.isalnum() for char in text)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(visible)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=8, unique_by=pair_key)
CHATS = st.lists(
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3).map(
        lambda pairs: [text for pair in pairs for text in pair]
    ),
    min_size=2,
    max_size=6,
    unique_by=chat_key,
)


def in_csv(pairs, delimiter: str) -> str:
    text = io.StringIO(newline="")
    # all quoted: before Python 3.13 the writer leaves a lone \r bare, and that reads as a line end
    csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [("question", "answer"), *pairs]
    )
    return text.getvalue()


@given(pairs=PAIRS, kind=st.sampled_from(["csv,", "csv;", "tsv", "parquet", "json", "jsonl"]))
@RELAXED
def test_pairs_written_are_read_back(pairs, kind):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [{"question": question, "answer": answer} for question, answer in pairs]
        content, file = None, "rows." + kind.rstrip(",;")
        if kind == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as parquet

            parquet.write_table(pa.Table.from_pylist(rows), folder / file)
        elif kind in ("json", "jsonl"):
            lines = [json.dumps(one, ensure_ascii=False) for one in rows]
            content = "\n".join(lines) if kind == "jsonl" else "[" + ",\n".join(lines) + "]"
        else:
            content = in_csv(pairs, {"csv,": ",", "csv;": ";", "tsv": "\t"}[kind])
        got = [tuple(text for _, text in turns(one)) for one in all_rows(load(folder, content, file, **UNCHECKED))]
    assert got == pairs


@given(chats=CHATS, kind=st.sampled_from(["messages", "sharegpt"]), name=st.sampled_from(["rows.json", "rows.jsonl"]))
@RELAXED
def test_conversations_written_are_read_back(chats, kind, name):
    key, role, text, words = {
        "messages": ("messages", "role", "content", ("user", "assistant")),
        "sharegpt": ("conversations", "from", "value", ("human", "gpt")),
    }[kind]
    rows = [{key: [{role: words[index % 2], text: content} for index, content in enumerate(texts)]} for texts in chats]
    content = "\n".join(map(json.dumps, rows)) if name.endswith("l") else json.dumps(rows, indent=1)
    with tempfile.TemporaryDirectory() as folder:
        splits = load(Path(folder), content, name, **UNCHECKED)
    got = {tuple(text for _, text in turns(one)) for one in [*splits.train, *splits.held_out]}
    assert got == {tuple(texts) for texts in chats}


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["messages", "conversations", "role", "content", "from", "value", "question", "answer",
                         "instruction", "input", "output", "history", "system", "tools", "data"]),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip
SUFFIXES = st.sampled_from(["json", "jsonl", "csv", "tsv", "parquet"])


def reads_or_refuses(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            splits = load(Path(folder), content, f"rows.{suffix}")
        except DataError:
            return
        assert splits.train


@given(content=st.binary(max_size=300) | st.text().map(lambda text: text.encode("utf-8", "replace")), suffix=SUFFIXES)
@RELAXED
def test_random_bytes_give_rows_or_a_data_error(content, suffix):
    reads_or_refuses(content, suffix)


@given(rows=st.lists(JSONISH, max_size=5), suffix=st.sampled_from(["json", "jsonl"]), at=st.integers(0, 400))
@RELAXED
def test_strange_json_gives_rows_or_a_data_error(rows, suffix, at):
    content = json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows))
    reads_or_refuses(content.encode(), suffix)
    reads_or_refuses(content[:at].encode(), suffix)


@given(at=st.integers(0, 2000), value=st.integers(0, 255))
@RELAXED
def test_flipped_parquet_bytes_give_rows_or_a_data_error(at, value):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([qa(number) for number in range(20)]), sink)
    content = bytearray(sink.getvalue())
    content[at % len(content)] = value
    reads_or_refuses(bytes(content), "parquet")


@given(secret=st.just(CANARY), rows=st.lists(JSONISH, max_size=4))
@RELAXED
def test_no_row_text_in_any_error_or_report(secret, rows):
    def planted(value):
        if isinstance(value, str):
            return f"{value} {secret}"
        if isinstance(value, list):
            return [planted(inner) for inner in value]
        return {key: planted(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    with tempfile.TemporaryDirectory() as folder:
        for text in ("\n".join(json.dumps(planted(one)) for one in rows), f"{secret},\n{secret};{secret} and more,,\n"):
            for name in ("rows.jsonl", "rows.json", "rows.csv"):
                try:
                    told = json.dumps(load(Path(folder), text, name).report.as_dict())
                except DataError as error:
                    told = "\n".join(map(str, error.problems))
                assert "Zebedee" not in told
                assert "asthma" not in told
