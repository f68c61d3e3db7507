"""Every layout the kit reads: what it is recognised by, what is said of it, what the turns become."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_data_room import CANARY, all_rows, chat, load, refused, turns, write

from finetune.data.converting.layouts import Layout, by_usual_name, hints_of, rating_of, recognise
from finetune.data.converting.texts import Seen
from finetune.data.converting.turns import in_order, mended
from finetune.data.shapes import Message, ToolCall

PAIR = [("user", "q1"), ("assistant", "a1")]


def one(tmp_path, row, other=None, **words):
    """The first of two rows, and the report."""
    splits = load(tmp_path, [row, other or _changed(row)], **words)
    return all_rows(splits)[0], splits.report


def _changed(row):
    """The same row with other words."""
    return json.loads(json.dumps(row).replace("q1", "q2").replace("a1", "a2"))


@pytest.mark.parametrize(
    ("row", "note"),
    [
        (chat("q1", "a1"), "messages, from column messages"),
        (chat("q1", "a1")["messages"], "messages, from rows that are lists of messages"),
        (
            [{"from": "human", "value": "q1"}, {"from": "gpt", "value": "a1"}],
            "sharegpt, from rows that are lists of messages",
        ),
        (
            {"conversations": [{"from": "human", "value": "q1"}, {"from": "gpt", "value": "a1"}]},
            "sharegpt, from column conversations",
        ),
        (
            {"Dialogue": [{"from": "human", "value": "q1"}, {"from": "gpt", "value": "a1"}]},
            "sharegpt, from column Dialogue",
        ),
        ({"conversation": chat("q1", "a1")["messages"]}, "messages, from column conversation"),
        ({"instruction": "q1", "output": "a1"}, "alpaca, from columns instruction, output"),
        ([{"instruction": "q1", "output": "a1"}], "alpaca, from rows that are lists of instruction and output"),
        ({"QUESTION": "q1", "LONG_ANSWER": "a1"}, "question_answer, from columns QUESTION, LONG_ANSWER"),
        ({"ask": "q1", "answer": "a1"}, "question_answer, from columns ask, answer"),
        ({"query": "q1", "response": "a1"}, "question_answer, from columns query, response"),
        ({"prompt": "q1", "completion": "a1"}, "prompt_completion, from columns prompt, completion"),
        (
            {
                "prompt": [{"role": "user", "content": "q1"}],
                "completion": [{"role": "assistant", "content": "a1"}],
            },
            "prompt_completion, from columns prompt, completion",
        ),
        (
            {"prompt": "q1", "completion": "a1", "label": True},
            "rated, from columns prompt, completion, label",
        ),
        ({"messages": chat("q1", "a1")["messages"], "label": "good"}, "rated, from columns messages, label"),
        (
            {"instruction": "q1", "input": "", "output": "a1", "kto_tag": True},
            "rated, from columns instruction, output, kto_tag",
        ),
        ({"question": "q1", "answer": "a1", "kto_tag": "1"}, "rated, from columns question, answer, kto_tag"),
        (
            {"prompt": "q1", "chosen": "a1", "rejected": "no"},
            "preference, from columns prompt, chosen, rejected",
        ),
    ],
)
def test_recognised_by_its_columns_with_the_evidence_said(tmp_path, row, note):
    read, report = one(tmp_path, row)
    assert turns(read) == PAIR
    assert f"rows.jsonl: {note}" in report.notes


def test_lists_of_alpaca_turns_are_one_conversation(tmp_path):
    row = [{"instruction": "q1", "input": "x", "output": "a1"}, {"input": "", "instruction": "q1b", "output": "a1b"}]
    read, _ = one(tmp_path, row)
    assert turns(read) == [("user", "q1\n\nx"), ("assistant", "a1"), ("user", "q1b"), ("assistant", "a1b")]
    messages = refused(tmp_path, [row, [{"instruction": "q"}], [CANARY], [[]]])
    assert messages[0] == (
        "rows.jsonl:2: row 2, turn 1: an object with instruction and output is due. Fix: write it as the other turns"
    )
    assert len(messages) == 3


def test_lists_of_something_else_are_refused_plainly(tmp_path):
    assert refused(tmp_path, [["q", "a"], ["q", "a"]]) == [
        "rows.jsonl:1: each row is a list, but not of turns. "
        'Fix: write each row as {"question": ..., "answer": ...} or {"messages": [...]}'
    ]
    assert (
        "each row is one turn, not a conversation; columns found: role, content"
        in refused(tmp_path, [{"role": "user", "content": CANARY}])[0]
    )


def test_questions_without_answers_are_refused_plainly(tmp_path):
    (message,) = refused(tmp_path, [{"question_id": 1, "turns": [CANARY]}])
    assert "the rows hold questions without answers (column turns); columns found: question_id, turns" in message
    (message,) = refused(tmp_path, [{"text": CANARY}])
    assert "the rows are ready texts (column text), in which no question and answer are told apart" in message


PREFERENCES = {
    "texts": {"prompt": "q1", "chosen": "a1", "rejected": "bad"},
    "messages": {
        "prompt": [{"role": "user", "content": "q1"}],
        "chosen": [{"role": "assistant", "content": "a1"}],
        "rejected": [{"role": "assistant", "content": "bad"}],
    },
    "whole": {"chosen": chat("q1", "a1")["messages"], "rejected": chat("q1", "bad")["messages"]},
    "prompt said again": {
        "prompt": "q1",
        "chosen": chat("q1", "a1")["messages"],
        "rejected": chat("q1", "bad")["messages"],
    },
    "turns beside": {
        "conversations": [{"from": "human", "value": "q1"}],
        "chosen": {"from": "gpt", "value": "a1"},
        "rejected": {"from": "gpt", "value": "bad"},
    },
    "texts beside": {"conversations": [{"from": "human", "value": "q1"}], "chosen": "a1", "rejected": "bad"},
    "alpaca": {"instruction": "q1", "input": "", "chosen": "a1", "rejected": "bad"},
    "question": {"question": "q1", "response_chosen": "a1", "response_rejected": "bad"},
}


@pytest.mark.parametrize("shape", PREFERENCES)
def test_preference_in_its_shapes(tmp_path, shape):
    read, report = one(tmp_path, PREFERENCES[shape])
    assert turns(read) == PAIR
    assert read.rejected == (Message("assistant", "bad"),)
    assert report.files[0].format == "preference"
    assert "preference rows: train.method sft learns the chosen answers; the rejected ones are kept" in report.notes


def test_preference_after_several_turns_and_with_more_rejected_turns(tmp_path):
    row = {
        "chosen": chat("q1", "a1", "more", "yes", system="s")["messages"],
        "rejected": chat("q1", "bad", "oh", "worse", system="s")["messages"],
    }
    read, _ = one(tmp_path, row)
    assert [text for _, text in turns(read)] == ["s", "q1", "a1", "more", "yes"]
    assert [message.content for message in read.rejected] == ["bad", "oh", "worse"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rejected": "a1"}, "row 2: the chosen and the rejected answer are the same"),
        ({"chosen": ""}, "row 2, key chosen: the answer is empty"),
        ({"rejected": None}, "row 2, key rejected: text is due for the answer, found null"),
        ({"prompt": ""}, "row 2, key prompt: the question is empty"),
        (
            {"rejected": [{"role": "user", "content": "q"}]},
            "row 2, key rejected: the last turn is the user's, so there is nothing to learn",
        ),
    ],
)
def test_preference_rows_that_cannot_be_used(tmp_path, change, message):
    rows = [PREFERENCES["texts"], {**PREFERENCES["texts"], **change}]
    (told,) = refused(tmp_path, rows)
    assert told.startswith(f"rows.jsonl:2: {message}")


def test_preference_without_a_prompt_needs_whole_conversations(tmp_path):
    (told,) = refused(tmp_path, [{"chosen": CANARY, "rejected": CANARY}])
    assert told.startswith("rows.jsonl:1: row 1, key chosen: a list of turns is due where the row has no prompt")
    differing = {"chosen": chat("q1", "a1")["messages"], "rejected": chat("other", "bad")["messages"]}
    assert "differ before the answer" in refused(tmp_path, [differing])[0]


def test_rated_rows_train_the_liked_ones_only(tmp_path):
    values = [True, False, 1, 0, "good", "bad", "yes", "no", "赞", "踩", "TRUE", "-1", 1.0]
    rows = [{"prompt": f"q{n}", "completion": f"a{n}", "label": value} for n, value in enumerate(values)]
    splits = load(tmp_path, rows)
    assert [row.messages[0].content for row in all_rows(splits)] == [f"q{n}" for n in (0, 2, 4, 6, 8, 10, 12)]
    assert all(row.rating is True for row in all_rows(splits))
    assert splits.report.dropped == {"disliked answer": 6, "duplicate": 0}
    note = "6 rated rows left out: train.method sft learns from liked answers only"
    assert any(note in line for line in splits.report.notes)


def test_a_label_that_is_no_rating_is_left_alone(tmp_path):
    topics = ("heart", "skin", "yes")
    rows = [{"prompt": f"q{n}", "completion": f"a{n}", "label": topic} for n, topic in enumerate(topics)]
    splits = load(tmp_path, rows)
    assert splits.report.files[0].format == "prompt_completion"
    assert "rows.jsonl: columns not used: label" in splits.report.notes
    assert refused(tmp_path, rows, columns={"label": "label"})[0] == (
        "rows.jsonl:1: row 1, key label: no rating, found text. Fix: write true or false, 1 or 0, yes or no, "
        "good or bad, up or down"
    )
    rows = [{"question": f"q{n}", "answer": f"a{n}", "label": n % 2} for n in range(4)]
    assert load(tmp_path, rows).report.files[0].format == "question_answer"
    assert load(tmp_path, rows, format="rated").report.dropped["disliked answer"] == 2


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.integers()))
def test_a_rating_is_true_false_or_nothing(value):
    assert rating_of(value) in (True, False, None)


def test_columns_name_what_is_called_otherwise(tmp_path):
    row = {"vraag": "q1", "goed": "a1", "slecht": "bad", "id": 1}
    read, report = one(tmp_path, row, columns={"prompt": "vraag", "chosen": "goed", "rejected": "slecht"})
    assert (turns(read), read.rejected) == (PAIR, (Message("assistant", "bad"),))
    assert "rows.jsonl: preference, from data.columns: vraag, goed, slecht" in report.notes
    row = {"vraag": "q1", "antwoord": "a1", "duim": "up"}
    read, report = one(tmp_path, row, columns={"prompt": "vraag", "completion": "antwoord", "label": "duim"})
    assert (turns(read), read.rating) == (PAIR, True)
    message = refused(tmp_path, [row], columns={"label": "duim"})[0]
    assert "the layout is not recognised with duim of data.columns" in message


@pytest.mark.parametrize(
    "turn_list",
    [
        [{"speaker": "patient", "text": "q1"}, {"speaker": "doctor", "text": "a1"}],
        [["patient", "q1"], ["doctor", "a1"]],
        [{"role": " patient", "content": "q1"}, {"from": "doctor", "value": "a1"}],
    ],
)
def test_other_names_of_speakers(tmp_path, turn_list):
    roles = {"patient": "user", "doctor": "assistant"}
    read, report = one(tmp_path, {"visit": turn_list}, columns={"messages": "visit"}, roles=roles)
    assert turns(read) == PAIR
    assert "rows.jsonl: messages, from data.columns: visit" in report.notes
    assert "rows.jsonl: roles read as data.roles says: patient as user, doctor as assistant" in report.notes


def test_data_format_is_believed(tmp_path):
    row = {"messages": chat("q1", "a1")["messages"], "question": "other", "answer": "other"}
    assert turns(one(tmp_path, row)[0]) == PAIR
    read, report = one(tmp_path, row, _changed({**row, "question": "q2"}), format="question_answer")
    assert turns(read) == [("user", "other"), ("assistant", "other")]
    assert "rows.jsonl: question_answer, from data.format, columns question, answer" in report.notes
    for format in ("preference", "rated", "prompt_completion", "sharegpt"):
        (message,) = refused(tmp_path, [row], format=format)
        assert f"the columns are not those of data.format {format}" in message


# tools

TOOLS = [{"name": "find_bed", "description": "free beds", "parameters": {"type": "object", "properties": {}}}]
CALL = {"name": "find_bed", "arguments": {"ward": "7"}}
CALLED = (
    Message("user", "q1"),
    Message("assistant", "", (ToolCall("find_bed", '{"ward":"7"}'),)),
    Message("tool", '{"free": 2}', name="find_bed"),
    Message("assistant", "a1"),
)


@pytest.mark.parametrize("arguments", [{"ward": "7"}, '{"ward": "7"}'])
@pytest.mark.parametrize("content", [None, "", "left out"])
def test_tool_calls_of_chat_interfaces(tmp_path, arguments, content):
    call = {"id": "c1", "type": "function", "function": {"name": "find_bed", "arguments": arguments}}
    calling = {"role": "assistant", "tool_calls": [call], **({} if content == "left out" else {"content": content})}
    answer = {"role": "tool", "tool_call_id": "c1", "content": '{"free": 2}'}
    messages = [{"role": "user", "content": "q1"}, calling, answer, {"role": "assistant", "content": "a1"}]
    read, report = one(tmp_path, {"messages": messages, "tools": TOOLS})
    assert read.messages == CALLED
    assert json.loads(read.tools) == [{"type": "function", "function": TOOLS[0]}]
    assert read.messages[1].as_dict()["tool_calls"][0]["function"] == CALL
    assert "rows.jsonl: tools on offer are kept in 2 rows" in report.notes
    assert "rows.jsonl: 2 turns of the assistant call tools" in report.notes


def test_tool_calls_of_sharegpt_files(tmp_path):
    conversation = [
        {"from": "human", "value": "q1"},
        {"from": "function_call", "value": json.dumps(CALL)},
        {"from": "observation", "value": '{"free": 2}', "name": "find_bed"},
        {"from": "gpt", "value": "a1"},
    ]
    read, _ = one(tmp_path, {"conversations": conversation, "tools": json.dumps(TOOLS)})
    assert read.messages == CALLED
    assert json.loads(read.tools)[0]["function"] == TOOLS[0]


@pytest.mark.parametrize(
    ("turn", "what"),
    [
        ({"from": "function_call", "value": CANARY}, "message 2: the tool call is not JSON"),
        ({"from": "function_call", "value": "{}"}, "message 2: a tool call has no name"),
        ({"from": "function_call", "value": "[]"}, "message 2: calls no tool"),
        (
            {"from": "function_call", "value": '{"name": "x", "arguments": [1]}'},
            "message 2: the arguments of a tool call are due as an object, found a list",
        ),
        ({"from": "observation", "value": "x"}, "a tool answers where none was called"),
        ({"from": "function_call", "value": '{"name": "x"}'}, "user and assistant do not alternate"),
    ],
)
def test_tool_turns_that_cannot_be_used(tmp_path, turn, what):
    row = {"conversations": [{"from": "human", "value": "q"}, turn, {"from": "gpt", "value": "a"}]}
    (message,) = refused(tmp_path, [row])
    assert message.startswith(f"rows.jsonl:1: row 1{', ' if what.startswith('message') else ': '}{what}")
    assert "Zebedee" not in message


@pytest.mark.parametrize(("tools", "what"), [("{", "the tools are not JSON"), ([{"x": 1}], "tool 1 has no name")])
def test_tool_definitions_that_cannot_be_used(tmp_path, tools, what):
    (message,) = refused(tmp_path, [{**chat("q", "a"), "tools": tools}])
    assert message.startswith(f"rows.jsonl:1: row 1, key tools: {what}")


@pytest.mark.parametrize("tools", [None, "", "[]", []])
def test_no_tools(tmp_path, tools):
    assert one(tmp_path, {**chat("q1", "a1"), "tools": tools})[0].tools == ""


# data.turns: mend


def test_mend_joins_and_leaves_off_and_counts(tmp_path):
    rows = [
        {"messages": [{"role": r, "content": c} for r, c in conversation]}
        for conversation in (
            [("assistant", "hello"), ("user", "q1"), ("user", "more"), ("assistant", "a1"), ("assistant", "and")],
            [("system", "s"), ("user", "q2"), ("assistant", "a2"), ("user", "thanks")],
            [("user", "q3"), ("assistant", "a3")],
        )
    ]
    assert len(refused(tmp_path, rows)) == 2
    splits = load(tmp_path, rows, turns="mend")
    assert [turns(row) for row in all_rows(splits)] == [
        [("user", "q1\nmore"), ("assistant", "a1\nand")],
        [("system", "s"), ("user", "q2"), ("assistant", "a2")],
        [("user", "q3"), ("assistant", "a3")],
    ]
    assert [note for note in splits.report.notes if "mend" in note] == [
        "rows.jsonl: data.turns: mend joined neighbouring turns of one speaker in 1 row",
        "rows.jsonl: data.turns: mend left answers before the first question off in 1 row",
        "rows.jsonl: data.turns: mend left turns after the last answer off in 1 row",
    ]
    only = {"messages": [{"role": "assistant", "content": CANARY}]}
    assert "the first turn is not the user's" in refused(tmp_path, [only], turns="mend")[0]


@given(st.lists(st.sampled_from(["user", "assistant", "tool"]), max_size=8))
def test_mended_turns_of_two_speakers_are_in_order(roles):
    made = mended([Message(role, role) for role in roles], Seen())
    told = []
    sound = in_order(made, lambda *problem: told.append(problem))
    assert sound is not bool(told)
    if "tool" not in roles:
        assert sound is any(first == "user" and "assistant" in roles[at:] for at, first in enumerate(roles))
    assert made == mended(made, Seen())


# properties

NAMES = st.sampled_from(
    ["messages", "conversations", "instruction", "output", "question", "answer", "prompt", "completion", "chosen",
     "rejected", "label", "kto_tag", "system", "history", "tools", "id", "dialogue"]
)  # fmt: skip


@given(st.lists(NAMES, unique=True), st.sampled_from(["auto", "messages", "alpaca", "preference", "rated"]))
def test_what_is_recognised_has_its_columns(names, format):
    hints = hints_of([dict.fromkeys(names)], {})
    found = recognise(by_usual_name(names), format, {}, hints)
    again = recognise(by_usual_name(reversed(names)), format, {}, hints)
    assert found == again
    if isinstance(found, Layout):
        assert set(found.required) <= set(names)
        assert len(found.required) == len(found.words)


def test_rows_of_a_named_list_that_is_text_are_read_as_text(tmp_path):
    write(tmp_path / "rows.csv", "dialogue,question,answer\nd,q1,a1\nd,q2,a2\n")
    assert load(tmp_path, name="rows.csv").report.files[0].format == "question_answer"
