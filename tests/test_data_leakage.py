"""Held-out rows that are trained on: planted copies are found, other rows are not; and what is told of them."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from test_data_room import CANARY, load, qa, refused, write

from finetune.data import Conversation, Message
from finetune.data.likeness.duplicates import marks
from finetune.data.likeness.leakage import KINDS, Leaks, leaks

SHARED = os.environ.get("FINETUNE_SHARED")
CHINESE = re.compile("[\u4e00-\u9fff]")
REMEDY = "Fix: remove it from one of the two (finetune check --fix does), or set data.leakage: warn"


def row(question: str, answer: str, where: str = "held.jsonl:1", group: str | None = None) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), where, group)


def leaks_of(train: list[Conversation], held_out: list[Conversation]) -> Leaks:
    return leaks(marks(train), marks(held_out), train, held_out)


def kind_of(train: tuple[str, str], held_out: tuple[str, str]) -> str:
    """The kind under which a pair is found in another one; "" where it is not."""
    found = leaks_of([row(*train, where="train.jsonl:7")], [row(*held_out)])
    kinds = [kind for kind, rows in found.kinds.items() if len(rows)]
    return kinds[0] if kinds else ""


LONG = "Take one tablet with a glass of water in the morning and call the practice if the rash has not gone by Friday."
OWN = ("How is the rash treated?", LONG)


@pytest.mark.parametrize(
    ("held_out", "kind"),
    [
        (OWN, "same_row"),
        ((OWN[0].upper(), LONG.replace(" and", ", and").lower()), "same_row"),
        (("How is the rash cured?", LONG), "near_row"),
        ((OWN[0], LONG.replace("tablet", "pill")), "near_row"),
        (("How is the rash cured?", LONG.replace("tablet", "pill")), "near_row"),
        ((OWN[0], "By a doctor."), "same_question"),
        (("How is a rash treated, please?", "By a doctor."), "near_question"),
        (("May I swim on Thursday?", LONG), "same_answer"),
        (("May I swim on Thursday?", LONG.replace("tablet", "pill")), "near_answer"),
        (("How is the gout treated?", "With rest."), ""),
        (("May I swim on Thursday?", "Yes."), ""),
    ],
)
def test_fault_61_each_kind_of_leak(held_out, kind):
    assert kind_of(OWN, held_out) == kind


def test_the_same_short_answer_to_another_question_is_no_leak():
    assert kind_of(("Is the earth round?", "Yes."), ("Is milk white?", "Yes!")) == ""
    assert kind_of(("地球是圆的吗？", "是的。"), ("牛奶是白色的吗？", "是的")) == ""


def test_a_row_is_counted_once_under_the_gravest_kind():
    train = [
        row(OWN[0], "By a doctor.", "train.jsonl:1"),
        row(*OWN, "train.jsonl:2"),
        row("Other?", LONG, "train.jsonl:3"),
    ]
    found = leaks_of(train, [row("Something else?", "No."), row(*OWN, "held.jsonl:2")])
    assert {kind: rows.tolist() for kind, rows in found.kinds.items() if len(rows)} == {"same_row": [[1, 1]]}
    assert found.num_rows == 1
    assert found.numbers().tolist() == [1]
    assert found.as_dict("refuse") == {
        "rule": "refuse",
        "num_rows": 1,
        "num_groups": 0,
        "kinds": {"same_row": {"num": 1, "places": [["held.jsonl:2", "train.jsonl:2"]]}},
    }


def test_nothing_leaks_into_or_out_of_nothing():
    for train, held_out in (([], [row(*OWN)]), ([row(*OWN)], []), ([], [])):
        found = leaks_of(train, held_out)
        assert not found
        assert found.problems("recipe.yaml:1") == []
        assert found.warnings() == []
        assert list(found.kinds) == list(KINDS)


def test_fault_61_equal_questions_and_answers_refuse_by_default(tmp_path):
    write(tmp_path / "test.jsonl", [{"question": "How is a rash treated?", "answer": f"{CANARY}."}, qa(5)])
    assert refused(tmp_path, [qa(1), {"question": OWN[0], "answer": LONG}], held_out="test.jsonl") == [
        f"test.jsonl:1: the question of this held-out row is nearly one that is trained (rows.jsonl:2). {REMEDY}"
    ]
    rows = [qa(number) for number in range(30)]
    write(tmp_path / "test.jsonl", rows)
    messages = refused(tmp_path, rows, held_out="test.jsonl")
    assert len(messages) == 21
    assert messages[19] == f"test.jsonl:20: this held-out row is also a training row (rows.jsonl:20). {REMEDY}"
    assert messages[20].partition("data.held_out: ")[2] == (
        "10 more of 30 held-out rows are trained on; in all: the row itself 30. Fix: remove them from one of the two "
        "(finetune check --fix does), or set data.leakage: warn"
    )


def test_fault_61_leakage_warn_and_off(tmp_path):
    write(tmp_path / "test.jsonl", [qa(1), qa(2), {"question": "Other?", "answer": LONG}])
    rows = [qa(1), {"question": OWN[0], "answer": LONG}]
    warned = load(tmp_path, rows, held_out="test.jsonl", leakage="warn").report
    assert warned.num_held_out == 3
    assert (
        "2 of 3 held-out rows are also trained on (the row itself 1, its answer 1): scores on them are too good; "
        "kept, as data.leakage is warn"
    ) in warned.warnings
    assert warned.leakage["kinds"]["same_answer"] == {"num": 1, "places": [["test.jsonl:3", "rows.jsonl:2"]]}
    off = load(tmp_path, rows, held_out="test.jsonl", leakage="off").report
    assert off.num_held_out == 3
    assert not any("trained on" in line for line in off.warnings)


def upper_without_marks(text: str) -> str:
    """Other case and other punctuation, numbers left as they are."""
    return re.sub(r"(?<!\d)[.](?!\d)", " !", text.upper()).replace(", ", " ; ").replace("?", "")


def other_chinese_marks(text: str) -> str:
    return text.translate(str.maketrans("，。？！：；（）、“”", ",.?！ ;()，'\""))


def a_word_changed(draw: random.Random, new: str, new_chinese: str) -> Callable[[str], str]:
    """A function that puts another word in one place; in Chinese two characters."""

    def change(text: str) -> str:
        if len(CHINESE.findall(text)) * 2 > len(text):
            at = draw.randrange(len(text) - 1)
            return f"{text[:at]}{new_chinese}{text[at + 2 :]}"
        words = text.split(" ")
        at = draw.choice([at for at, word in enumerate(words) if any(char.isalnum() for char in word)])
        words[at] = new
        return " ".join(words)

    return change


def plain(text: str) -> str:
    return text


def planted(rows: list[Conversation], question: Callable[[str], str], answer: Callable[[str], str]):
    made = []
    for one in rows:
        *before, asked, told = one.messages
        messages = (*before, Message("user", question(asked.content)), Message("assistant", answer(told.content)))
        made.append(Conversation(messages, f"held.jsonl:{one.where.rpartition(':')[2]}"))
    return made


def missed(train: list[Conversation], held_out: list[Conversation]) -> list[int]:
    found = set(leaks_of(train, held_out).numbers().tolist())
    return [number for number in range(len(held_out)) if number not in found]


def check_planted(train: list[Conversation], copied: list[Conversation]) -> None:
    """All copies are found; with a word changed in both parts all but some in which hardly anything else stands."""
    change, other = a_word_changed(random.Random(0), "zebra", "斑马"), a_word_changed(random.Random(1), "lamp", "灯火")
    assert missed(train, planted(copied, plain, plain)) == []
    assert missed(train, planted(copied, upper_without_marks, upper_without_marks)) == []
    assert missed(train, planted(copied, other_chinese_marks, other_chinese_marks)) == []
    assert missed(train, planted(copied, change, plain)) == []
    assert missed(train, planted(copied, plain, other)) == []
    left = missed(train, planted(copied, change, other))
    assert len(left) <= len(copied) / 100
    shortest = [min(num_words(message.content) for message in copied[number].messages) for number in left]
    assert all(length <= 12 for length in shortest)


def num_words(text: str) -> float:
    return len(CHINESE.findall(text)) / 2 + len(CHINESE.sub(" ", text).split())


PLACES = ["knee", "elbow", "wrist", "ankle", "shoulder", "hip", "back", "neck", "thumb", "heel"]
PLACES += ["jaw", "rib", "toe", "shin", "palm", "brow", "ear", "chin", "calf", "thigh"]
TROUBLES = ["swelling", "itching", "burning", "numbness", "bruising", "stiffness", "cramps", "trembling", "redness"]
ADVICE = [
    "rest it for {0} days", "cool it with a wet cloth every {0} hours", "keep it above the heart while lying down",
    "take the smaller dose of what you have at home", "wrap it loosely with a clean bandage",
    "walk {0} minutes in the morning", "come to the practice before noon", "ring the night nurse under extension {0}",
    "do not use creams that were opened last year", "write down when it began and how long it lasted",
]  # fmt: skip


def made_rows() -> list[Conversation]:
    """200 rows in the same few words: each place with each trouble, and advice drawn for it."""
    draw = random.Random(3)
    made = []
    for place in PLACES:
        for trouble in TROUBLES:
            advice = ", then ".join(one.format(draw.randrange(2, 60)) for one in draw.sample(ADVICE, 4))
            question = f"What can I do about {trouble} of the {place} after work?"
            where = f"train.jsonl:{len(made) + 1}"
            made.append(row(question, f"With {trouble} of the {place}, {advice}.", where))
    return made


def test_planted_leakage_is_found_in_made_rows_and_nothing_else_is():
    rows = made_rows()
    check_planted(rows, rows)
    # each row is another question; by chance a few are answered with the same pieces of advice
    draw = random.Random(1)
    draw.shuffle(rows)
    found = leaks_of(rows[:100], rows[100:])
    assert {kind for kind, pairs in found.kinds.items() if len(pairs)} <= {"near_answer"}
    assert found.num_rows <= 2


def shared(name: str) -> list[Conversation]:
    """Question and answer rows of a file of the folder FINETUNE_SHARED; both at least four words or characters."""
    path = Path(SHARED or "") / "data" / name
    if not SHARED or not path.exists():
        pytest.skip("set FINETUNE_SHARED to a folder with data/ to check leakage on real rows")
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    made = []
    for number, line in enumerate(text.decode("utf-8").splitlines(), start=1):
        one = json.loads(line)
        if "messages" in one:
            question, answer = (turn["content"] for turn in one["messages"][-2:])
        else:
            question, answer = one["instruction"] + one["input"], one["output"]
        if min(len(CHINESE.findall(part)) + len(part.split()) for part in (question, answer)) >= 5:
            made.append(row(question, answer, f"train.jsonl:{number}"))
    return made


@pytest.mark.slow
def test_planted_leakage_is_all_found_on_5000_real_rows():
    rows = shared("medquad/medquad_train.jsonl.gz")
    random.Random(0).shuffle(rows)
    check_planted(rows[:5000], rows[:5000])


@pytest.mark.slow
def test_planted_leakage_is_found_on_real_chinese_rows():
    rows = shared("huatuo/llama_data_2000.json")
    check_planted(rows, rows)
