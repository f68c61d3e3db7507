"""No text of a row reaches anything that a run writes, apart from samples.jsonl, which is there to hold it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from finetune import data, prepare, recipe

# One word a place, so that a find tells where it came from. None of them is in the recipe or its questions.
PLACES = ("question", "answer", "system", "group", "spare", "email", "tool", "argument", "rejected", "broken", "near")
CANARY = {place: f"zqcanary{place}x7" for place in PLACES}
RECIPE = """\
recipe: 1
name: canary
base: {model: starter, chat_template: plain}
data:
  train: [chats.jsonl, tools.jsonl, pairs.jsonl]
  held_out: held
  group_by: unit
  bad_rows: 5
  max_length: 256
  near_duplicates: drop
adapter: {r: 2, alpha: 4}
train: {epochs: 1, batch_size: 4, learning_rate: 1e-3}
evaluate: {max_new_tokens: 4}
"""
_SUBJECTS = ["kettle", "lamp", "door", "clock", "chair", "shelf", "plate", "window"]
_SUBJECTS += ["garden", "boat", "ladder", "basket", "mirror", "carpet", "engine", "drawer"]


def _chats() -> list[str]:
    lines = []
    for number, subject in enumerate(_SUBJECTS):
        question = f"Where does the {subject} of house {number} stand, {CANARY['question']}?"
        answer = f"The {subject} stands in room {number * 7}, beside the {_SUBJECTS[-number]}. {CANARY['answer']}."
        row = {
            "messages": [
                {"role": "system", "content": f"You keep house. {CANARY['system']}"},
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ],
            "unit": f"{CANARY['group']}{number}",
            "note": CANARY["spare"],
        }
        lines.append(json.dumps(row))
    mail = {"role": "user", "content": f"Write to {CANARY['email']}@example.org, or call +1 202-555-0143."}
    reply = {"role": "assistant", "content": "It is done; the letter went out this morning by the usual post."}
    lines.append(json.dumps({"messages": [mail, reply], "unit": "mail"}))
    # the first row again with one word more: nearly the same
    near = json.loads(lines[0])
    near["messages"][2]["content"] += f" {CANARY['near']}"
    lines.append(json.dumps(near))
    lines.append(f'{{"messages": [{{"role": "user", "content": "{CANARY["broken"]}')
    odd = {"role": f"{CANARY['broken']} told this to the nurse", "content": "a"}
    lines.append(json.dumps({"messages": [odd], "unit": "odd"}))
    lines.append(json.dumps({f"{CANARY['broken']} stands where a column name is due": 1, "unit": "odd"}))
    return lines


def _tools(held_out: bool = False) -> list[str]:
    tool = {"type": "function", "function": {"name": "look", "description": CANARY["tool"], "parameters": {}}}
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": {"at": CANARY["argument"]}}}
    if held_out:
        turns = [
            {"role": "user", "content": f"Is there any ice on the pond behind the mill? {CANARY['question']}"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "name": "look", "content": f"Two inches. {CANARY['tool']}"},
            {"role": "assistant", "content": f"Yes, two inches of it. {CANARY['answer']}"},
        ]
        return [json.dumps({"messages": turns, "tools": [tool], "unit": f"{CANARY['group']} pond"})]
    turns = [
        {"role": "user", "content": f"Look at it. {CANARY['question']}"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "look", "content": f"It is green. {CANARY['tool']}"},
        {"role": "assistant", "content": f"It is green, as far as I can see. {CANARY['answer']}"},
    ]
    return [json.dumps({"messages": turns, "tools": [tool], "unit": "tools"})]


def _pairs(held_out: bool = False) -> list[str]:
    if held_out:
        row = {
            "prompt": f"Who feeds the geese while the miller is away? {CANARY['question']}",
            "chosen": f"His sister comes by every evening. {CANARY['answer']}",
            "rejected": f"Nobody does. {CANARY['rejected']}",
            "unit": f"{CANARY['group']} geese",
        }
        return [json.dumps(row)]
    row = {
        "prompt": f"How do I oil the hinge of a gate? {CANARY['question']}",
        "chosen": f"Put one drop on the pin and move the gate a few times. {CANARY['answer']}",
        "rejected": f"No idea. {CANARY['rejected']}",
        "unit": "pairs",
    }
    return [json.dumps(row)]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run over such rows, and everything the command said."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "held").mkdir()
    chats = _chats()
    files = {"chats": chats[:5] + chats[8:], "tools": _tools(), "pairs": _pairs(), "held/chats": chats[5:8]}
    files |= {"held/tools": _tools(held_out=True), "held/pairs": _pairs(held_out=True)}
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    command = [sys.executable, "-m", "finetune", "run", "recipe.yaml", "--output", "run"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


def test_the_rows_were_used_and_the_broken_ones_counted(ended: tuple[Path, str]) -> None:
    folder, _ = ended
    check = json.loads((folder / "run" / "check.json").read_bytes())
    text = json.dumps(check)
    assert "chats.jsonl:16" in text, "the broken rows are named by their place"
    assert check["num_train"] + check["num_held_out"] >= 17
    samples = (folder / "run" / "samples.jsonl").read_text()
    assert any(canary in samples for canary in CANARY.values()), "the canaries are in the rows that were asked"


def test_no_canary_in_anything_that_was_said(ended: tuple[Path, str]) -> None:
    _, said = ended
    assert [place for place, canary in CANARY.items() if canary in said] == []


def test_no_canary_in_any_file_of_the_run_but_the_samples(ended: tuple[Path, str]) -> None:
    folder, _ = ended
    found = []
    files = [path for path in (folder / "run").rglob("*") if path.is_file() and path.name != "samples.jsonl"]
    assert {"check.json", "check.html", "report.html", "manifest.json", "metrics.jsonl"} <= {p.name for p in files}
    for path in files:
        data = path.read_bytes()
        found += [f"{place} in {path.name}" for place, canary in CANARY.items() if canary.encode() in data]
    assert found == []


def test_tool_rows_and_pairs_are_measured(ended: tuple[Path, str]) -> None:
    folder, _ = ended
    evaluation = json.loads((folder / "run" / "evaluation.json").read_bytes())
    loaded = recipe.load(folder / "recipe.yaml")
    rows = data.load(loaded).held_out
    assert [(bool(row.tools), bool(row.rejected)) for row in rows] == [(False, False)] * 3 + [
        (False, True),
        (True, False),
    ]
    base = prepare.open_base(loaded)
    split = prepare.render_split(base, rows, "drop")
    trained = [row.num_trained for row in split.rows]
    measured = evaluation["held_out"]
    assert (measured["num_rows"], measured["num_left_out"], len(measured["row_changes"])) == (5, 0, 5)
    assert measured["num_tokens"] == sum(trained), (
        "the chosen answer of the pair, the call and the answer of the tool row"
    )
    assert measured["difference"]["unit"] == "group", "the group was read"
    assert CANARY["group"] not in (folder / "run" / "samples.jsonl").read_text(), "and is not even in the samples"
    answer = len(base.tokenizer.encode(rows[-1].messages[-1].content, add_special_tokens=False)) + 1
    assert trained[-1] > answer, "the call is measured, too"
    assert all(0 < measured[which]["loss"] < 30 for which in ("base", "adapter"))
    assert all(change != 0 for change in measured["row_changes"]), "each row was measured with the adapter"
    assert evaluation["samples"]["num_held_out"] == 4, "rows with tools are not asked"
