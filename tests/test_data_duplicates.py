"""What counts as the same: normalisation, marks, exact and near rows, and what is told of them."""

from __future__ import annotations

import dataclasses
import pickle
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.data import Conversation, Message
from finetune.data.likeness import judging
from finetune.data.likeness.comparing import (
    LONG_ANSWER,
    NEAR_ANSWER,
    Groups,
    components,
    find_near,
    first_of,
    without_near,
)
from finetune.data.likeness.duplicates import Marks, marks, numbered, report_of, row_key, without_duplicates
from finetune.data.likeness.judging import Judge, Part, Reader
from finetune.data.likeness.near import (
    LEAST_COMMON,
    NUM_HASHES,
    shingle_hashes,
    shingles,
    signatures,
    strong,
    units_of_text,
    wording,
)
from finetune.data.shapes import ToolCall

RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def row(question: str, answer: str = "a", number: int = 1) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), f"rows.jsonl:{number}")


def rows_of(*pairs: tuple[str, str]) -> list[Conversation]:
    return [row(question, answer, number) for number, (question, answer) in enumerate(pairs, start=1)]


def near_of(*pairs: tuple[str, str]) -> tuple[list[int], list[int], list[int]]:
    """(row, question, answer) groups of these pairs."""
    rows = rows_of(*pairs)
    near = find_near(marks(rows), rows)
    return near.row.tolist(), near.question.tolist(), near.answer.tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is Gout?", "what is gout"),
        ("What is gout?", "\u200bWhat\u00a0is  gout ?!"),
        ("ＡＢＣ　１２３", "abc 123"),
        ("头疼怎么办？", "头疼，怎么办。"),
        ("头疼怎么办？", "头疼 怎么办?"),
        ("“Café” (new)", "cafe\u0301: new"),
        ("Stra\u00dfe", "STRASSE"),
        ("**bold** and `code`", "bold and code"),
    ],
)
def test_strong_forgets_what_does_not_change_what_is_said(one, other):
    assert strong(one).replace(" ", "") == strong(other).replace(" ", "")
    first, second = marks([row(one, "x"), row(other, "x")]).pair
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is 1.5 mg enough?", "Is 15 mg enough?"),
        ("What is -5 + 3?", "What is 5 + 3?"),
        ("What is 6/3?", "What is 6-3?"),
        ("Is 5% much?", "Is 5$ much?") if strong("5%") != strong("5$") else ("1", "2"),
        ("?", "+1"),
        ("!", "?"),
        ("का", "की"),
        ("没有", "有"),
    ],
)
def test_strong_keeps_numbers_signs_and_vowels_apart(one, other):
    first, second = marks([row(one, "x"), row(other, "x")]).pair
    assert first.tolist() != second.tolist()


def test_units_are_words_and_characters_and_shingles_their_pairs():
    assert units_of_text(strong("The MRI of 头部 shows 3 mm.")) == ["the", "mri", "of", "头", "部", "shows", "3", "mm"]
    assert sorted(shingles(["mri", "头", "部"])) == ["mri", "mri 头", "头 部"]
    assert shingles(["头"]) == ["头"]
    assert shingles([]) == []


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("What is the treatment for mumps?", "What is treatment of the mumps, please?", True),
        ("请问感冒了吃什么药？", "感冒吃什么药呢", True),
        ("What is asthma like?", "How is asthma like?", False),
        ("What is my name here?", "What is your name here?", False),
        ("Can I eat eggs?", "Can I not eat eggs?", False),
        ("flights from Rome to Oslo", "flights from Oslo to Rome", False),
        ("感冒能喝酒吗", "感冒不能喝酒吗", False),
    ],
)
def test_wording_forgets_small_words_only(one, other, equal):
    assert (wording(units_of_text(strong(one))) == wording(units_of_text(strong(other)))) is equal


def test_row_key_sees_calls_of_tools_ratings_and_rejected_answers():
    plain = row("q", "a")
    call = Message("assistant", "", (ToolCall("look", '{"x": 1}'),))
    other = Message("assistant", "", (ToolCall("look", '{"x": 2}'),))
    made = [
        plain,
        dataclasses.replace(plain, rating=True),
        dataclasses.replace(plain, rating=False),
        dataclasses.replace(plain, rejected=(Message("assistant", "b"),)),
        dataclasses.replace(plain, messages=(plain.messages[0], call)),
        dataclasses.replace(plain, messages=(plain.messages[0], other)),
    ]
    assert len({row_key(one) for one in made}) == len(made)
    assert [bytes(key).hex() for key in marks(made).row] == [row_key(one) for one in made]
    # the place, the group and the system turn do not enter it
    same = Conversation((Message("system", "s"), *plain.messages), "other:9", "g")
    assert row_key(same) == row_key(plain)


def test_marks_travel_between_processes_and_are_joined():
    rows = rows_of(*((f"question {number} of it", f"answer {number % 3}") for number in range(50)))
    whole = marks(rows)
    parts = [pickle.loads(pickle.dumps(marks(rows[start : start + 7]))) for start in range(0, 50, 7)]
    joined = Marks.join(parts)
    for field in dataclasses.fields(Marks):
        assert np.array_equal(getattr(joined, field.name), getattr(whole, field.name))
    assert len(joined) == 50
    assert len(Marks.join([])) == 0
    assert len(joined.take(np.arange(3))) == 3
    some = joined.take(np.array([4, 2, 9]))
    assert some.row.tolist() == joined.row[[4, 2, 9]].tolist()
    assert np.shares_memory(joined.take(np.arange(50) > 9).row, joined.row)  # neighbours are not copied
    num_bytes = sum(getattr(whole, field.name).nbytes for field in dataclasses.fields(Marks)) / len(rows)
    assert num_bytes == 32 + 4 * 16 + 2 * 4 * NUM_HASHES + 8


def test_the_first_of_equal_keys_is_found_though_others_begin_alike():
    keys = np.array([[7] * 8 + [end] * 8 for end in (2, 1, 2, 1, 3)], dtype=np.uint8)
    assert numbered(keys).tolist() == [0, 1, 0, 1, 4]
    assert numbered(keys[:0]).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20))
@RELAXED
def test_pairs_that_hang_together_have_one_label(pairs):
    groups = Groups(13)
    for one, other in pairs:
        groups.join(one, other)
    labels = components(np.array(pairs, dtype=np.int64).reshape(-1, 2)).tolist()
    for (one, _), label in zip(pairs, labels):
        for (other, _), its_label in zip(pairs, labels):
            assert (label == its_label) == (groups.root(one) == groups.root(other))


@given(st.lists(st.sampled_from(["mri", "a", "头", "部", "x y"[:1]]), max_size=8))
def test_shingles_are_as_many_as_their_hashes(units):
    assert len(set(shingles(units))) == len(set(shingle_hashes(units)))
    assert len(shingles(units)) == len(shingle_hashes(units))
    assert len(Part([" ".join(units)]).shingles) == len(set(shingles(units)))


def test_rows_read_again_are_held_while_there_is_room(monkeypatch):
    rows = rows_of(*((f"question {number}", "answer " * 1_000) for number in range(4)))
    reader = Reader([rows])
    first = reader.parts(0)
    assert reader.parts(0) is first
    reader.forget()
    monkeypatch.setattr(judging, "CACHE_BYTES", 100_000)
    small = Judge(Reader([rows[:2], rows[2:]]), []).reader
    first = small.parts(0)
    assert small.parts(3)[0].shingles.tolist() == reader.parts(3)[0].shingles.tolist()
    small.parts(2)
    assert small.parts(0) is not first  # two are held whatever their size, for they are compared


def test_no_rows_have_no_duplicates():
    near = find_near(marks([]), [])
    assert len(near.row) == 0
    assert report_of(marks([]), near, [])["exact"] == 0


def test_signature_of_a_union_is_the_smaller_value_in_each_place():
    """What the lane of rows relies on: question and answer together need no signature of their own."""
    draw = random.Random(0)
    texts = [[f"w{draw.randrange(500)}" for _ in range(draw.choice([1, 3, 20, 200]))] for _ in range(100)]
    one, other = signatures(texts[:50]), signatures(texts[50:])
    both = signatures([a + b for a, b in zip(texts[:50], texts[50:])])
    assert np.array_equal(np.minimum(one, other), both)


def test_signatures_estimate_jaccard():
    draw = random.Random(1)
    errors = []
    for _ in range(300):
        words, num_shared = draw.sample(range(10_000), 120), draw.randrange(60)
        a, b = set(words[:60]), set(words[num_shared : num_shared + 60])
        one, other = signatures([[str(word) for word in a], [str(word) for word in b]])
        errors.append((one == other).mean() - len(a & b) / len(a | b))
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.07


@given(st.lists(st.integers(0, 5), max_size=30))
@RELAXED
def test_numbered_and_first_of_name_the_first_equal_row(values):
    keys = np.zeros((len(values), 16), dtype=np.uint8)
    keys[:, 9] = values
    expected = [values.index(value) for value in values]
    assert numbered(keys).tolist() == expected
    assert first_of(np.array(values, dtype=np.int64)).tolist() == expected


@given(edges=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=25), data=st.data())
@RELAXED
def test_groups_are_the_connected_parts_whatever_the_order(edges, data):
    groups = Groups(15)
    for one, other in edges:
        groups.join(one, other)
    labels = groups.labels()
    # the plain definition: the least number that can be reached
    reached = list(range(15))
    for _ in range(15):
        for one, other in edges:
            reached[one] = reached[other] = min(reached[one], reached[other])
    assert labels.tolist() == reached
    again = Groups(15)
    for one, other in data.draw(st.permutations(edges)):
        again.join(other, one)
    assert np.array_equal(again.labels(), labels)


LONG = "Take one tablet with a glass of water in the morning and call the practice if the rash has not gone by Friday."


def test_near_rows_are_found_where_a_word_differs():
    assert near_of(
        ("How is the rash treated?", LONG),
        ("How is the rash on the arm treated?", LONG.replace("tablet", "pill")),
        ("Where is the bus stop?", "On the corner, beside the large blue letter box of the town hall."),
    ) == ([0, 0, 2], [0, 1, 2], [0, 0, 2])
    answer = "多喝热水，注意休息，三天后如果还发烧请到医院的呼吸内科就诊，做血常规检查。"
    assert near_of(
        ("孩子感冒发烧怎么办？", answer),
        ("孩子感冒发热怎么办？", answer.replace("热水", "开水")),
        ("高血压能吃鸡蛋吗？", "可以适量吃，每天一个鸡蛋对大多数高血压患者是安全的，不必担心。"),
    ) == ([0, 0, 2], [0, 1, 2], [0, 0, 2])


def test_questions_of_one_form_are_not_near():
    names = ["asthma", "anaemia", "gout", "mumps", "measles", "rickets", "scurvy", "croup"]
    for row_labels in near_of(*((f"What are the symptoms of {name}?", f"They depend on {name}.") for name in names)):
        assert row_labels == list(range(len(names)))
    names = ["糖尿病", "高血压", "胃溃疡", "肺气肿", "白血病"]
    for row_labels in near_of(*((f"{name}的症状有哪些？", f"{name}请到医院检查。") for name in names)):
        assert row_labels == list(range(len(names)))


def test_another_subject_in_the_same_words_is_no_near_row():
    """Question and answer differ by the same word each: the name of another thing."""
    form = "How is {0} passed on?", "Most people with {0} have a parent who has {0} too, but not all of them do."
    pairs = [(form[0].format(name), form[1].format(name)) for name in ("gout", "mumps")]
    labels, _, _ = near_of(*pairs)
    assert labels == [0, 1]


def test_form_letters_are_not_near_answers():
    form = (
        "The office will tell you all about {0}: opening hours are from nine to five, the phone is answered until six, "
        "and letters are answered within two weeks. Please bring {1}, {2} and {3} for {0} with you."
    )
    draw = random.Random(0)
    pairs = []
    for number in range(40):
        subject = f"subject{number} matter{number}"
        pairs.append(
            (f"Tell me of {subject}", form.format(subject, *(f"paper{draw.randrange(9999)}" for _ in range(3))))
        )
    labels, _, answers = near_of(*pairs)
    assert labels == answers == list(range(40))


@pytest.mark.parametrize(
    ("answer", "equal"),
    [
        ("Yes.", False),
        (" ".join(f"word{number}" for number in range(LONG_ANSWER - 1)), False),
        (" ".join(f"word{number}" for number in range(LONG_ANSWER)), True),
        ("不需要。", False),
        ("该病可以通过注射疫苗来预防，请按时接种。", False),
        ("该病可以通过注射疫苗来有效预防，请您按时接种。", True),
    ],
)
def test_short_answers_are_the_same_by_chance(answer, equal):
    assert (near_of(("Is it red?", answer), ("Was Ann there at night?", answer))[2] == [0, 0]) is equal


def test_long_questions_of_which_little_differs_are_near():
    story = " ".join(f"word{number}" for number in range(60))
    _, questions, _ = near_of((story, "No."), (story.replace("word33", "other"), "Yes."), (story[:200], "Perhaps."))
    assert questions == [0, 0, 2]


def test_report_counts_each_kind_with_places_and_no_text():
    rows = rows_of(
        ("How is the rash treated?", LONG),
        ("How is  the rash treated?", LONG),
        ("How is the rash treated now?", LONG.replace("tablet", "pill")),
        ("how is the rash treated", "By a doctor."),
        ("May I swim with it?", LONG),
    )
    made = marks(rows)
    near = find_near(made, rows)
    assert without_duplicates(made).tolist() == [True, False, True, True, True]
    assert without_near(near).tolist() == [True, False, False, True, True]
    report = report_of(made, near, rows)
    assert report == {
        "exact": 1,
        "near": 1,
        "near_groups": 1,
        "crowded": 0,
        "same_question_other_answer": 1,
        "repeated_answer": 1,
        "repeated_answer_rows": 3,
        "places": {
            "exact": [["rows.jsonl:2", "rows.jsonl:1"]],
            "near": [["rows.jsonl:3", "rows.jsonl:1"]],
            "same_question_other_answer": [["rows.jsonl:4", "rows.jsonl:1"]],
            "repeated_answer": [["rows.jsonl:5", "rows.jsonl:1"]],
        },
    }
    assert "near" not in report_of(made, None, rows)
    kept = near.take(without_duplicates(made))
    assert kept.row.tolist() == [0, 0, 2, 3]


WORDS = [f"{one}{other}" for one in ("bal", "con", "dul", "fer", "gim", "hol", "jen", "kap") for other in "aeiou"]


@st.composite
def edited_answers(draw) -> list[str]:
    """A few texts of 20 to 40 words, and copies of them with a word or two changed."""
    seed = draw(st.integers(0, 2**32))
    rng = random.Random(seed)
    texts = [[f"{rng.choice(WORDS)}{rng.randrange(100)}" for _ in range(rng.randint(20, 40))] for _ in range(4)]
    for _ in range(draw(st.integers(1, LEAST_COMMON - 1))):  # of more copies we would take a form letter
        copy = list(rng.choice(texts))
        for _ in range(rng.randint(1, 3)):
            copy[rng.randrange(len(copy))] = rng.choice(WORDS)
        texts.append(copy)
    return [" ".join(text) for text in texts]


@given(texts=edited_answers(), data=st.data())
@RELAXED
def test_near_answers_are_those_of_brute_force(texts, data):
    """All pairs compared, against what the signatures let us read; in any order of rows."""
    order = data.draw(st.permutations(range(len(texts))))
    rows = [row(f"What of subject{number * 31} then?", texts[number]) for number in order]
    near = find_near(marks(rows), rows)
    sets = [set(shingles(units_of_text(strong(texts[number])))) for number in order]
    for a in range(len(rows)):
        for b in range(a):
            share = len(sets[a] & sets[b]) / len(sets[a] | sets[b])
            if share >= NEAR_ANSWER:
                assert near.answer[a] == near.answer[b], share
    # nothing is joined but through such pairs
    reached = list(range(len(rows)))
    for _ in rows:
        for a in range(len(rows)):
            for b in range(len(rows)):
                if len(sets[a] & sets[b]) >= NEAR_ANSWER * len(sets[a] | sets[b]):
                    reached[a] = reached[b] = min(reached[a], reached[b])
    assert near.answer.tolist() == reached


def test_near_groups_are_found_among_thousands_and_do_not_depend_on_the_order():
    draw = random.Random(5)
    pairs = [
        (" ".join(draw.choice(WORDS) + str(draw.randrange(50)) for _ in range(8)),
         " ".join(draw.choice(WORDS) + str(draw.randrange(50)) for _ in range(30)))
        for _ in range(3000)
    ]  # fmt: skip
    copies = [(question.upper(), answer.replace(" ", "  ", 3) + " indeed") for question, answer in pairs[:200]]
    rows = rows_of(*pairs, *copies)
    labels = find_near(marks(rows), rows).row
    assert labels.tolist() == [*range(3000), *range(200)]
    order = draw.sample(range(len(rows)), len(rows))
    again = find_near(marks([rows[number] for number in order]), [rows[number] for number in order]).row
    partner = {order[at]: order[label] for at, label in enumerate(again.tolist())}
    assert all({number, int(labels[number])} >= {partner[number]} or labels[partner[number]] == labels[number]
               for number in range(len(rows)))  # fmt: skip
    assert len(set(again.tolist())) == 3000
