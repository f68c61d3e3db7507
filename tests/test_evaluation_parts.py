"""An evaluation that is stopped, in the middle of a line too, goes on where it was and says the same in the end."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import test_evaluation as kit
import torch

from finetune import models
from finetune.errors import SurroundingsError
from finetune.evaluation import answers
from finetune.evaluation.parts import PARTS, Parts, _pieces, about_engine, kept_losses, open_parts
from finetune.generation import Engine, HeldImage

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = kit.make_run(tmp_path_factory.mktemp("kept"))
    kit.save_random(made)
    return made


@pytest.fixture(scope="module")
def engine(run: Any) -> Engine:
    return Engine.open(run.path)


def some_questions(num: int = 12) -> list[answers.Question]:
    return [
        answers.Question([{"role": "user", "content": text}], text, f"answer {k}", "held_out", f"rows.csv:{k}", f"q{k}")
        for k in range(num)
        for text in [f"What does the patient {'really ' * (k % 4)}do on day {k}?"]
    ]


# -- the file ----------------------------------------------------------------------------------------------------


def test_items_are_found_again_and_the_file_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        parts = Parts(tmp_path, {"adapter": "a"})
        assert not parts.path.exists(), "nothing is written before the first item"
        key = parts.key("base", ["reply", 8, "hi"])
        parts.keep({key: {"text": "a line\u2028of 病人\n", "tokens": 3, "ended": True}})
    finally:
        os.umask(before)
    assert stat.S_IMODE(parts.path.stat().st_mode) == 0o600
    assert parts.path.name == PARTS and parts.path.read_bytes().count(b"\n") == 1
    again = Parts(tmp_path, {"adapter": "a"})
    assert again.num_known == 1
    assert again.get(again.key("base", ["reply", 8, "hi"])) == {
        "text": "a line\u2028of 病人\n", "tokens": 3, "ended": True,
    }  # fmt: skip
    again.remove()
    again.remove()
    assert not parts.path.exists()


def test_an_item_of_anything_else_is_not_taken_up(tmp_path: Path) -> None:
    parts = Parts(tmp_path, {"adapter": "a"})
    key = parts.key("base", ["reply", 8, "hi"])
    others = [
        parts.key("adapter", ["reply", 8, "hi"]),
        parts.key("base", ["reply", 9, "hi"]),
        parts.key("base", ["reply", 8, "hi "]),
        Parts(tmp_path, {"adapter": "b"}).key("base", ["reply", 8, "hi"]),
        Parts(tmp_path).key("base", ["reply", 8, "hi"]),
    ]
    assert len({key, *others}) == 6


def test_a_file_cut_off_at_any_byte_keeps_its_whole_lines(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    for number in range(3):
        parts.keep({f"k{number}": {"text": "hello " * number}})
    parts.close()
    whole = parts.path.read_bytes()
    ends = [k + 1 for k, byte in enumerate(whole) if byte == 10]
    for size in range(len(whole) + 1):
        parts.path.write_bytes(whole[:size])
        again = Parts(tmp_path)
        num = sum(end <= size for end in ends)
        assert again.num_known == num
        again.keep({"new": size})
        again.close()
        third = Parts(tmp_path)
        assert third.num_known == num + 1 and third.get("new") == size
        assert [third.get(f"k{k}") is not None for k in range(3)] == [k < num for k in range(3)]


def test_lines_of_something_else_are_left_out(tmp_path: Path) -> None:
    (tmp_path / PARTS).write_bytes(
        b'\xff\xfe\n[]\n{"key": "a"}\nnull\n{"key": "b", "value": 2}\n{"key": [], "value": 1}\n'
    )
    parts = Parts(tmp_path)
    assert parts.num_known == 1 and parts.get("b") == 2


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / PARTS).symlink_to(target)
    with pytest.raises(SurroundingsError, match="cannot be written"):
        Parts(tmp_path).keep({"a": 1})
    assert target.read_text() == "mine"


def test_what_an_engine_is_goes_into_the_keys(run: Any, engine: Engine) -> None:
    about = about_engine(engine, run.adapter_dir)
    assert json.loads(json.dumps(about)) == about
    path = run.adapter_dir / "adapter_model.safetensors"
    before = path.read_bytes()
    try:
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        assert about_engine(engine, run.adapter_dir)["adapter"] != about["adapter"]
    finally:
        path.write_bytes(before)
    assert open_parts(run, engine).key("base", 1) == open_parts(run, engine).key("base", 1)


# -- losses ------------------------------------------------------------------------------------------------------


def test_kept_losses_are_those_of_a_plain_loop_and_the_same_to_the_bit_when_taken_up(
    run: Any, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finetune.evaluation.parts._PIECE_TOKENS", 300)
    rows = kit.rendered(run)
    assert len(_pieces(rows)) > 2
    expected = kit.upstream_losses(engine.model, rows)
    told: list[int] = []
    whole = kept_losses(engine.model, rows, "adapter", Parts(tmp_path), on_done=told.append)
    assert sum(told) == len(rows)
    assert [count for _, count in whole] == [count for _, count in expected]
    assert kit.weighted(whole) == pytest.approx(kit.weighted(expected), abs=1e-5)
    for (nats, count), (wanted, _) in zip(whole, expected):
        assert nats / count == pytest.approx(wanted / count, abs=1e-5)
    lines = (tmp_path / PARTS).read_bytes().splitlines(keepends=True)
    assert len(lines) == len(_pieces(rows))
    (tmp_path / PARTS).write_bytes(b"".join(lines[:2]) + lines[2][:30])
    computed: list[int] = []
    real = models.row_losses

    def counting(model: Any, some: Any, **words: Any) -> Any:
        computed.append(len(some))
        return real(model, some, **words)

    monkeypatch.setattr(models, "row_losses", counting)
    told.clear()
    parts = Parts(tmp_path)
    assert kept_losses(engine.model, rows, "adapter", parts, on_done=told.append) == whole
    assert computed == [len(piece) for piece in _pieces(rows)[2:]] and sum(told) == len(rows)
    assert kept_losses(engine.model, rows, "adapter", parts) == whole and len(computed) == len(lines) - 2
    assert kept_losses(engine.model, rows, "base", None) == whole, (
        "the engine's adapter is on here, whatever it is called"
    )


def test_images_go_with_their_rows() -> None:
    refs = [[HeldImage(sha256=str(k), width=28, height=28)] * (k % 2) for k in range(5)]
    words: Any = None
    some = models.RowImages(words, refs, lambda ref: ref).some([3, 0, 1])
    assert some.rows == [refs[3], refs[0], refs[1]]


# -- replies -----------------------------------------------------------------------------------------------------


def test_replies_are_those_of_the_engine_and_say_how_they_ended(engine: Engine) -> None:
    questions = some_questions()
    done: list[int] = []
    lines = answers.ask_all(engine, questions, 24, on_done=done.append)
    assert done == sorted(done) and done[-1] == len(questions)
    for question, line in zip(questions, lines):
        assert (line["id"], line["source"], line["where"]) == (question.id, question.source, question.where)
        assert (line["question"], line["reference"]) == (question.text, question.reference)
        for who in ("base", "adapter"):
            wanted = engine.answer(question.messages, adapter=who == "adapter", max_new_tokens=24)
            assert (line[who], line[f"{who}_tokens"], line[f"{who}_ended"]) == (
                wanted.text, wanted.num_tokens, wanted.ended,
            )  # fmt: skip
    found = answers.counts(lines, 24)
    assert found["num"] == found["num_held_out"] == 12 and found["num_questions"] == 0
    assert found["base_stopped"] == sum(line["base_ended"] for line in lines)


_KILLED = """
import sys, time
sys.path.insert(0, sys.argv[2])
import test_evaluation_parts as kit
from finetune.evaluation import answers
from finetune.evaluation.parts import open_parts
from finetune.generation import Engine
from finetune.runs import Run
run = Run.open(sys.argv[1])
engine = Engine.open(run.path)
answers.ask_all(engine, kit.some_questions(), 24, open_parts(run, engine), lambda done: time.sleep(0.2))
"""


def test_killed_and_started_again_no_finished_reply_is_made_twice(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kit.make_run(tmp_path)
    kit.save_random(run)
    path = run.path / PARTS
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(run.path), str(TESTS)], stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 90
        while not (path.is_file() and path.read_bytes().count(b"\n") >= 15):
            assert process.poll() is None and time.monotonic() < end, process.stderr and process.stderr.read()
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    engine = Engine.open(run.path)
    parts = open_parts(run, engine)
    assert 15 <= parts.num_known < 24
    before = {json.loads(line)["key"] for line in path.read_bytes().splitlines()}
    kept: list[str] = []
    real = parts.keep
    monkeypatch.setattr(parts, "keep", lambda items: (kept.extend(items), real(items)))
    done: list[int] = []
    lines = answers.ask_all(engine, some_questions(), 24, parts, done.append)
    assert not before & set(kept) and len(before) + len(kept) == 24
    assert done[-1] == 12
    assert lines == answers.ask_all(engine, some_questions(), 24)


# -- which questions ---------------------------------------------------------------------------------------------


def test_held_out_rows_are_spread_evenly() -> None:
    assert answers.spread(list(range(10)), 10) == answers.spread(list(range(10)), 99) == list(range(10))
    assert answers.spread(list(range(100)), 4) == [0, 25, 50, 75]
    assert answers.spread(list(range(7)), 3) == [0, 2, 4]
    assert answers.spread(list(range(7)), 0) == answers.spread([], 3) == []


def test_questions_have_names_and_places(run: Any, engine: Engine) -> None:
    from finetune import recipe
    from finetune.data import load as load_data

    held_out = load_data(recipe.load(run.resolved_path, allow_outside=True)).held_out
    asked = [{"question": "When?"}, {"question": "Who?", "reference": "Me."}]
    questions, num_left_out = answers.gather(engine, asked, held_out, 8, num_held_out=4)
    assert num_left_out == 0
    assert [q.id for q in questions] == ["questions:1", "questions:2", *(f"held_out:{k}" for k in (1, 4, 7, 10))]
    assert [q.where for q in questions[2:]] == [held_out[k].where for k in (0, 3, 6, 9)]


def test_suite_items_are_asked_but_for_choices() -> None:
    class Item:
        def __init__(self, name: str, turns: list[dict[str, str]], options: tuple[str, ...] | None = None):
            self.id, self.suite, self.messages, self.options = name, "general", tuple(turns), options

    system, user = {"role": "system", "content": "Be kind."}, {"role": "user", "content": "2 + 2?"}
    asked = answers.of_suite([Item("a", [system, user]), Item("b", [user], ("3", "4"))])
    (question,) = asked
    assert (question.id, question.source, question.text) == ("a", "suite:general", "2 + 2?")
    assert question.messages == [system, user] and question.reference is None and question.where is None


def test_a_reply_depends_on_the_system_prompt(engine: Engine) -> None:
    question = some_questions(1)[0]
    other = answers.Question([{"role": "system", "content": "Be short."}, *question.messages], "", None, "questions")
    assert answers._told(engine, question, 8) != answers._told(engine, other, 8)
    assert answers._told(engine, question, 8) != answers._told(engine, question, 9)


torch.set_num_threads(1)
