"""Real files of every kind, each loaded with no more than a few recipe lines beside `train`.

The files are not part of the project: FINETUNE_SHARED names a folder that holds data/<name>/<file>.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from test_data_room import refused

from finetune import data, recipe
from finetune.errors import DataError


class Real(NamedTuple):
    """One file: the recipe lines beside train, its rows, what is left out, and its layout."""

    file: str
    words: dict[str, Any]
    num_rows: int
    left_out: dict[str, int]
    layout: str


VISIT = {"columns": {"prompt": "dialogue", "completion": "section_text"}}
CALLS = {
    "columns": {"messages": "original"},
    "roles": {"customer": "user", "agent": "assistant", "action": "assistant"},
    "turns": "mend",
}
REAL = [
    Real("openai_messages/conversations.jsonl", {}, 128, {}, "messages"),
    Real("medquad/medquad_train.jsonl.gz", {}, 14745, {}, "messages"),
    Real("medquad/medquad_train_short.jsonl", {}, 2877, {}, "messages"),
    Real("medquad/medquad_train_small.jsonl", {}, 2949, {}, "messages"),
    Real("fastchat/dummy_conversation.json", {}, 500, {}, "sharegpt"),
    Real("medicalgpt/medical_sft_1K_format.jsonl", {}, 1000, {}, "sharegpt"),
    Real("medicalgpt/sharegpt_zh_250.jsonl", {"bad_rows": 2}, 250, {"bad row": 2}, "sharegpt"),
    Real("llamafactory/glaive_toolcall_en_demo.json", {}, 300, {"duplicate": 38}, "sharegpt"),
    Real("llamafactory/alpaca_en_demo.json", {}, 999, {"duplicate": 14}, "alpaca"),
    Real("llamafactory/alpaca_zh_demo.json", {}, 1000, {"duplicate": 8}, "alpaca"),
    Real("llamafactory/identity.json", {}, 91, {}, "alpaca"),
    Real("medalpaca/medical_meadow_600.json", {}, 600, {"duplicate": 13}, "alpaca"),
    Real("huatuo/llama_data_2000.json", {}, 2000, {}, "alpaca"),
    Real("huatuo/infer.json", {}, 5, {}, "alpaca"),
    Real("lawyer_llama/legal_advice_500.json", {}, 500, {}, "alpaca"),
    Real("lawyer_llama/legal_counsel_with_article_300.json", {}, 300, {}, "question_answer"),
    Real("pubmedqa/ori_pqal_train.json", {}, 500, {}, "question_answer"),
    Real("gsm8k/test-00000-of-00001.parquet", {}, 1319, {}, "question_answer"),
    Real("toyhom/internal_medicine_1500_gb18030.csv", {}, 1500, {"duplicate": 69}, "question_answer"),
    Real("messy/medquad_raw_pairs.csv", {"bad_rows": 0.5}, 393, {"bad row": 169, "duplicate": 48}, "question_answer"),
    Real("mts_dialog/MTS-Dialog-Train600.csv", VISIT, 600, {}, "question_answer"),
    Real("mts_dialog/MTS-Dialog-ValidationSet.csv", VISIT, 100, {}, "question_answer"),
    Real(
        "banking77/train.csv",
        {"columns": {"prompt": "text", "completion": "category"}},
        10003,
        {"duplicate": 4},
        "question_answer",
    ),
    Real("abcd/abcd_sample.json", CALLS, 3, {}, "messages"),
    Real("prompt_completion/superbowl_lix_train.jsonl", {}, 1800, {"duplicate": 437}, "prompt_completion"),
    Real("prompt_completion/superbowl_lix_valid.jsonl", {}, 144, {"duplicate": 21}, "prompt_completion"),
    Real("llamafactory/dpo_en_demo_150.json", {}, 150, {}, "preference"),
    Real("medicalgpt/dpo_zh_500_no_personal.jsonl", {}, 498, {}, "preference"),
]
# what no setting makes questions and answers of
REFUSED = {
    "fastchat/vicuna_bench_question.jsonl": "the rows hold questions without answers (column turns)",
    "text_only/wikisql_test.jsonl": "the rows are ready texts (column text), in which no question and answer are told",
    "pii_synthetic/presidio_synth_700.json": "the layout is not recognised; columns found: full_text, masked, spans",
    "abcd/kb.json": "is one object with 55 keys, not a list of rows",
}


@pytest.fixture(scope="module")
def shared() -> Path:
    folder = os.environ.get("FINETUNE_SHARED")
    if not folder or not (Path(folder) / "data").is_dir():
        pytest.skip("FINETUNE_SHARED is not set: it names a folder that holds data/<name>/<file>")
    return Path(folder) / "data"


def load_real(shared: Path, folder: Path, file: str, **words: Any) -> data.Splits:
    """Load a copy of the file through a recipe of its own, without the search for personal data (tested elsewhere)."""
    shutil.copy(shared / file, folder)
    words = {"train": Path(file).name, "privacy": "off", **words}
    (folder / "recipe.yaml").write_text(json.dumps({"recipe": 1, "base": {"model": "starter"}, "data": words}))
    return data.load(recipe.load(folder / "recipe.yaml"))


@pytest.mark.parametrize("real", REAL, ids=[real.file for real in REAL])
def test_a_real_file_loads(shared, tmp_path, real):
    splits = load_real(shared, tmp_path, real.file, **real.words)
    report = splits.report
    assert report.num_rows_read == real.num_rows
    assert {reason: num for reason, num in report.dropped.items() if num} == real.left_out
    num_used = real.num_rows - sum(real.left_out.values())
    assert len(splits.train) + len(splits.held_out) == num_used
    # a share is met to within a unit: rows that say the same are never split
    assert 0 < len(splits.held_out) <= max(1, 0.13 * num_used)
    assert [facts.format for facts in report.files] == [real.layout]
    assert len({row.where for row in [*splits.train, *splits.held_out]}) == num_used


def test_most_need_no_line_beside_train():
    assert sum(not real.words for real in REAL) >= 22
    assert max(len(real.words) for real in REAL) <= 3


@pytest.mark.parametrize("file", REFUSED)
def test_what_is_no_conversation_is_refused_plainly(shared, tmp_path, file):
    with pytest.raises(DataError) as caught:
        load_real(shared, tmp_path, file)
    assert REFUSED[file] in str(caught.value.problems[0])


def test_held_out_questions_that_are_trained_are_refused(shared, tmp_path):
    """A real case: every question of the second file stands in the first, 50 with the same answer."""
    folder = "prompt_completion"
    shutil.copy(shared / folder / "superbowl_lix_valid.jsonl", tmp_path)
    with pytest.raises(DataError) as caught:
        load_real(shared, tmp_path, f"{folder}/superbowl_lix_train.jsonl", held_out="superbowl_lix_valid.jsonl")
    assert "this held-out row is also a training row" in str(caught.value)
    assert caught.value.report.leakage["num_rows"] >= 120


def test_tool_calls_are_kept(shared, tmp_path):
    splits = load_real(shared, tmp_path, "llamafactory/glaive_toolcall_en_demo.json")
    rows = [*splits.train, *splits.held_out]
    assert sum(bool(row.tools) for row in rows) > 150
    calls = [turn for row in rows for turn in row.messages if turn.tool_calls]
    assert len(calls) > 150
    assert all(isinstance(json.loads(call.arguments), dict) for turn in calls for call in turn.tool_calls)
    assert "tool" in {turn.role for row in rows for turn in row.messages}


def test_both_answers_are_kept(shared, tmp_path):
    splits = load_real(shared, tmp_path, "medicalgpt/dpo_zh_500_no_personal.jsonl")
    assert all(row.rejected and row.rejected != row.messages[-1:] for row in splits.train)


def test_bad_rows_are_all_named_before_they_are_allowed(shared, tmp_path):
    shutil.copy(shared / "messy/medquad_raw_pairs.csv", tmp_path / "rows.csv")
    messages = refused(tmp_path, name="rows.csv", privacy="off")
    assert len(messages) == 169
    assert messages[0] == ("rows.csv:2: row 1, key answer: the answer is empty. Fix: fill it in, or remove the row")
