"""finetune.data.privacy.redact: consistent placeholders, nothing left, nothing else touched."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.privacy import Scanner, redact, scan_conversation
from finetune.data.shapes import Conversation, Message, ToolCall

SCANNER = Scanner()
ROWS = [
    json.loads(line) for line in (Path(__file__).parent / "privacy_rows.jsonl").read_text(encoding="utf-8").splitlines()
]


def row(*texts: str, rejected: tuple[str, ...] = ()) -> Conversation:
    roles = ("user", "assistant")
    return Conversation(
        tuple(Message(roles[k % 2], text) for k, text in enumerate(texts)),
        "rows.jsonl:7",
        rejected=tuple(Message("assistant", text) for text in rejected),
    )


def texts(conversation: Conversation) -> list[str]:
    return [message.content for message in (*conversation.messages, *conversation.rejected)]


def test_one_value_one_placeholder_in_every_turn() -> None:
    made, counts = redact(
        row(
            "My name is Anna Berg, tel 415-555-2671, MRN: 00482913.",
            "Mrs Berg, shall we call +1 (415) 555-2671? Your record is 00482913, Anna.",
            rejected=("Anna Berg, no.",),
        ),
        SCANNER,
    )
    assert texts(made) == [
        "My name is [NAME_1], tel [PHONE_1], MRN: [RECORD_1].",
        "Mrs [NAME_1], shall we call [PHONE_1]? Your record is [RECORD_1], [NAME_1].",
        "[NAME_1], no.",
    ]
    assert counts == Counter({"name": 4, "phone": 2, "record_number": 2})
    assert made.where == "rows.jsonl:7"


def test_other_values_get_other_numbers_by_first_appearance() -> None:
    made, _ = redact(row("I met Dr. Okonjo and Dr. Faber.", "Dr. Faber is away, Dr. Okonjo is in."), SCANNER)
    assert texts(made) == ["I met Dr. [NAME_1] and Dr. [NAME_2].", "Dr. [NAME_2] is away, Dr. [NAME_1] is in."]


def test_each_row_counts_from_one_so_rows_are_not_linked() -> None:
    first, _ = redact(row("Dr. Okonjo called.", "Good."), SCANNER)
    second, _ = redact(row("Dr. Faber called.", "Good."), SCANNER)
    assert texts(first) == texts(second)


def test_chinese_turns() -> None:
    made, _ = redact(row("我叫李晓明，手机13912345678。", "李晓明您好，我们会拨打13912345678。"), SCANNER)
    assert texts(made) == ["我叫[NAME_1]，手机[PHONE_1]。", "[NAME_1]您好，我们会拨打[PHONE_1]。"]


def test_tool_calls_stay_json_and_system_turns_are_cleaned() -> None:
    call = ToolCall("book", '{"patient_name": "Anna Berg", "phone": 4155552671, "days": [1, 2], "ok": true}')
    conversation = Conversation(
        (
            Message("system", "You answer for Dr. Okonjo."),
            Message("user", "My name is Anna Berg."),
            Message("assistant", "", (call,)),
            Message("tool", "booked for Anna Berg", name="book"),
            Message("assistant", "Done."),
        ),
        "rows.jsonl:1",
    )
    made, counts = redact(conversation, SCANNER)
    assert made.messages[0].content == "You answer for Dr. [NAME_1]."
    assert json.loads(made.messages[2].tool_calls[0].arguments) == {
        "patient_name": "[NAME_2]",
        "phone": "[PHONE_1]",
        "days": [1, 2],
        "ok": True,
    }
    assert made.messages[3].content == "booked for [NAME_2]"
    assert counts["name"] == 4


def test_the_group_is_looked_at_and_its_words_are_replaced_in_the_texts() -> None:
    conversation = replace(row("Whitcombe is here.", "Good."), group="Dr. Whitcombe, h.w@mailhaven.org")
    assert {(part, one.kind) for part, one in scan_conversation(conversation, SCANNER)} == {
        ("group", "name"),
        ("group", "email"),
    }
    made, counts = redact(conversation, SCANNER)
    assert texts(made) == ["[NAME_1] is here.", "Good."]
    assert made.group == conversation.group, "rows are kept together by it"
    assert counts == Counter({"name": 2, "email": 1})


def test_offered_tools_are_redacted_and_stay_the_same_tools() -> None:
    tools = [
        {
            "type": "function",
            "function": {
                "name": "book",
                "description": "Books with Dr. Okonjo, tel 415-555-2671.",
                "parameters": {
                    "type": "object",
                    "properties": {"name": {"type": "string", "default": "h.lowell@mailhaven.org", "enum": ["a", 5]}},
                    "required": ["name"],
                },
            },
        }
    ]
    conversation = replace(row("Is Dr. Okonjo in?", "Yes."), tools=json.dumps(tools))
    assert {(part, one.kind) for part, one in scan_conversation(conversation, SCANNER) if part == "tools"} == {
        ("tools", "name"),
        ("tools", "phone"),
        ("tools", "email"),
    }
    made, counts = redact(conversation, SCANNER)
    function = tools[0]["function"]
    function["description"] = "Books with Dr. [NAME_1], tel [PHONE_1]."
    function["parameters"]["properties"]["name"]["default"] = "[EMAIL_1]"
    assert json.loads(made.tools) == tools
    assert counts == Counter({"name": 2, "phone": 1, "email": 1})
    assert redact(made, SCANNER) == (made, Counter())
    clean = replace(row("Hello.", "Yes."), tools='[ {"type": "function", "function": {"name": "look"}} ]')
    assert redact(clean, SCANNER)[0] is clean


def test_numbers_already_in_the_row_are_not_given_again() -> None:
    made, _ = redact(row("[NAME_1] was here, then Dr. Okonjo.", "Yes."), SCANNER)
    assert texts(made)[0] == "[NAME_1] was here, then Dr. [NAME_2]."


def test_a_row_without_findings_is_handed_back_itself() -> None:
    conversation = row("Can I take ibuprofen with food?", "Yes, 400 mg.")
    made, counts = redact(conversation, SCANNER)
    assert made is conversation and counts == Counter()


def test_scan_conversation_names_the_part() -> None:
    call = ToolCall("mail", '{"to": "h.lowell@mailhaven.org"}')
    conversation = Conversation(
        (Message("user", "Hello"), Message("assistant", "", (call,))),
        "rows.jsonl:1",
        rejected=(Message("assistant", "Dr. Okonjo"),),
    )
    assert [(part, one.kind) for part, one in scan_conversation(conversation, SCANNER)] == [
        ("message 2, tool call 1", "email"),
        ("rejected message 1", "name"),
    ]


_PLACEHOLDER = re.compile(r"\[[A-Z_]+_\d+\]")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([one["text"] for one in ROWS]), min_size=2, max_size=6))
def test_nothing_is_left_and_nothing_else_changes(parts: list[str]) -> None:
    conversation = row(*parts)
    made, _ = redact(conversation, SCANNER)
    assert scan_conversation(made, SCANNER) == []
    assert redact(made, SCANNER) == (made, Counter())
    for before, after in zip(texts(conversation), texts(made)):
        kept = _PLACEHOLDER.split(after)
        pattern = r"[\s\S]+?".join(re.escape(piece) for piece in kept)
        assert re.fullmatch(pattern, before), "text outside the findings changed"
