"""The evaluation room on a real run: the starter base, a small CSV, an adapter saved as training saves it."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from finetune import models, recipe, statistics
from finetune.data import Conversation
from finetune.data import load as load_data
from finetune.errors import DataError, IntegrityError, ModelError, RunError
from finetune.evaluation import answers, compare_lines, comparison, evaluate, write_report
from finetune.evaluation.parts import PARTS
from finetune.generation import Engine, batch_plan
from finetune.models.scoring import row_losses
from finetune.render import Renderer
from finetune.runs import Run

torch = pytest.importorskip("torch")

CANARY = "Mrs-Zebedee-Quux"
ANSWERS = ("Please call the front desk before noon.", "The clinic opens at eight.", "Bring your card & a <script>.")


def write_rows(path: Path, num_rows: int = 40) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["question", "answer"])
        for k in range(num_rows):
            who = CANARY if k % 2 else "the patient"
            out.writerow([f"What does {who} do on day {k} <script>alert({k})</script>?", f"{ANSWERS[k % 3]} {k}"])


def make_run(
    folder: Path,
    name: str = "run",
    num_rows: int = 40,
    asked: bool = True,
    evaluates: dict[str, Any] | None = None,
    **data: Any,
) -> Run:
    """A run folder as a training leaves it, without an adapter.

    Args:
        evaluates: more words of the recipe's `evaluate`.
        data: more words of its `data`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "rows.csv").exists():
        write_rows(folder / "rows.csv", num_rows)
    evaluate_words: dict[str, Any] = {"max_new_tokens": 6}
    if asked:
        (folder / "questions.jsonl").write_text(
            json.dumps({"question": "When <b>do</b> you open?", "reference": "At eight."})
            + "\n"
            + json.dumps({"question": "Who are you?"})
            + "\n"
        )
        evaluate_words["questions"] = "questions.jsonl"
    words = {
        "recipe": 1,
        "name": "clinic",
        "base": {"model": "starter"},
        "data": {"train": "rows.csv", "held_out": 0.3, "max_length": 512, **data},
        "adapter": {"r": 4, "alpha": 8},
        "train": {"seed": 5},
        "evaluate": {**evaluate_words, **(evaluates or {})},
    }
    (folder / "recipe.yaml").write_text(json.dumps(words))
    loaded = recipe.load(folder / "recipe.yaml")
    run = Run.create("clinic", loaded.text, "", folder / name)
    run.resolved_path.write_text(recipe.dump(recipe.relocate(loaded, run.path)))
    report = load_data(loaded).report
    run.update(data={"fingerprint": report.fingerprint, "num_train": report.num_train}, seed=5)
    return run


def attached(run: Run) -> Any:
    words = recipe.load(run.resolved_path, allow_outside=True).recipe
    base = models.load_base(models.find_base("starter"), "float32")
    return models.attach_adapter(base, words.adapter, words.train.seed)


def save_random(run: Run, scale: float = 0.02) -> None:
    model = attached(run)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    models.save_adapter(model, run.adapter_dir, "starter", None)


def rendered(run: Run, which: str = "held_out") -> list[tuple[list[int], list[int]]]:
    """The run's rows, rendered without the evaluation room."""
    tokenizer, _ = models.load_tokenizer(models.find_base("starter"), "auto", None)
    renderer = Renderer(tokenizer, {"enable_thinking": False})
    rows = getattr(load_data(recipe.load(run.resolved_path, allow_outside=True)), which)
    done = [renderer.render([{"role": m.role, "content": m.content} for m in row.messages]) for row in rows]
    return [(row.input_ids, row.labels) for row in done]


def upstream_losses(model: Any, rows: list[tuple[list[int], list[int]]]) -> list[tuple[float, int]]:
    """Transformers' own loss, one unpadded row at a time, times its number of counted tokens."""
    results = []
    model.eval()
    with torch.no_grad():
        for ids, labels in rows:
            out = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels]))
            count = sum(label != -100 for label in labels[1:])
            results.append((out.loss.item() * count, count))
    return results


def weighted(losses: list[tuple[float, int]]) -> float:
    return sum(nats for nats, _ in losses) / sum(count for _, count in losses)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any], list[tuple[str, int, int]]]:
    run = make_run(tmp_path_factory.mktemp("evaluated"))
    save_random(run)
    told: list[tuple[str, int, int]] = []
    result = evaluate(run, on_progress=lambda *what: told.append(what))
    return run, result, told


# -- numbers -----------------------------------------------------------------------------------------------------


def test_losses_are_those_of_transformers_row_by_row(evaluated):
    run, result, _ = evaluated
    rows = rendered(run)
    base = models.load_base(models.find_base("starter"), "float32")
    bare = upstream_losses(base, rows)
    adapted = upstream_losses(models.load_adapter(base, run.adapter_dir), rows)
    held_out = result["held_out"]
    assert held_out["base"]["loss"] == pytest.approx(weighted(bare), abs=1e-5)
    assert held_out["adapter"]["loss"] == pytest.approx(weighted(adapted), abs=1e-5)
    assert abs(weighted(bare) - weighted(adapted)) > 1e-3, "the adapter must matter for this test to mean anything"
    assert held_out["num_rows"] == len(rows) == 12
    assert held_out["num_tokens"] == sum(count for _, count in bare)
    assert held_out["base"]["perplexity"] == pytest.approx(math.exp(weighted(bare)), rel=1e-5)
    change = 100 * (weighted(adapted) / weighted(bare) - 1)
    assert held_out["loss_change_percent"] == pytest.approx(change, abs=1e-3)
    assert held_out["rows_better"] == sum(a < b for (a, _), (b, _) in zip(adapted, bare))
    assert held_out["difference"]["mean"] == pytest.approx(weighted(adapted) - weighted(bare), abs=1e-5)
    per_row = sorted((a - b) / n for (a, n), (b, _) in zip(adapted, bare))
    assert held_out["row_changes"] == pytest.approx(per_row, abs=2e-4)


def test_padding_and_order_do_not_matter(evaluated):
    run, _, _ = evaluated
    rows = rendered(run)
    engine = Engine.open(run.path)
    alone = [row_losses(engine.model, [row])[0] for row in rows]
    together = row_losses(engine.model, rows)
    backwards = row_losses(engine.model, rows[::-1], pass_tokens=300)[::-1]
    for one, two, three in zip(alone, together, backwards):
        assert one[1] == two[1] == three[1]
        assert two[0] == pytest.approx(one[0], abs=1e-3) and three[0] == pytest.approx(one[0], abs=1e-3)
    assert weighted(together) == pytest.approx(weighted(alone), abs=1e-5)


def test_the_difference_is_the_paired_bootstraps_and_depends_on_the_seed_only():
    """How the interval is made is tested in test_statistics.py."""
    base = [(10.0 + k, 5 + k % 3) for k in range(30)]
    adapter = [(nats - 1.0 + 0.2 * (k % 7), count) for k, (nats, count) in enumerate(base)]
    result = comparison.compare(base, adapter, [None] * 30, seed=9)["difference"]
    found = statistics.paired([n for n, _ in base], [n for n, _ in adapter], [c for _, c in base], seed=9)
    assert result == {
        "mean": found.difference.mean,
        "low": found.difference.low,
        "high": found.difference.high,
        "unit": "row",
        "num_units": 30,
        "num_draws": found.num_draws,
    }
    assert result == comparison.compare(base, adapter, [None] * 30, seed=9)["difference"]
    assert result["low"] != comparison.compare(base, adapter, [None] * 30, seed=10)["difference"]["low"]
    assert result["low"] < result["mean"] < result["high"]


def test_bits_per_byte_are_the_same_for_every_tokenizer():
    """As many nats over the same text, cut into many tokens or few."""
    num_bytes = [len(b"Bring your card"), len("请带好证件".encode())]
    few, many = [(6.0, 2), (9.0, 3)], [(6.0, 9), (9.0, 15)]
    for losses in (few, many):
        held_out = comparison.compare(losses, [(n / 2, c) for n, c in losses], [None] * 2, 0, num_bytes)
        assert held_out["num_bytes"] == 15 + 15
        assert held_out["base"]["bits_per_byte"] == pytest.approx(15.0 / math.log(2) / 30)
        assert held_out["adapter"]["bits_per_byte"] == pytest.approx(held_out["base"]["bits_per_byte"] / 2)
    assert "num_bytes" not in comparison.compare(few, few, [None] * 2, 0)


def test_bytes_are_those_of_the_answers_that_are_scored():
    from finetune.data import Message, ToolCall

    tokenizer, _ = models.load_tokenizer(models.find_base("starter"), "auto", None)
    renderer = Renderer(tokenizer, {"enable_thinking": False})
    turns = [("system", "Be kind."), ("user", "one"), ("assistant", "zwölf"), ("user", "three"), ("assistant", "病人")]
    row = Conversation(tuple(Message(*turn) for turn in turns), "rows.csv:2")
    messages = [{"role": role, "content": text} for role, text in turns]
    whole, short = (renderer.render(m).input_ids for m in (messages, [messages[0], *messages[3:]]))
    assert comparison.bytes_of_rows(renderer, [row, row], [whole, short]) == [6 + 6, 6]
    assert comparison.bytes_of_rows(renderer, [row], [short], trimmed=False) == [12]
    call = Message("assistant", "", (ToolCall("look_up", '{"day": 1}'),)).as_dict()
    assert comparison.answer_bytes([{"role": "user", "content": "x"}, call]) == len('look_up{"day": 1}')


def test_rows_of_a_group_are_drawn_together():
    base = [(10.0, 5)] * 40
    adapter = [(10.0 + (1 if k < 20 else -1.2), 5) for k in range(40)]
    grouped = comparison.difference(base, adapter, [str(k // 4) for k in range(40)], 0)
    assert (grouped["unit"], grouped["num_units"]) == ("group", 10)
    alone = comparison.difference(base, adapter, [None] * 40, 0)
    assert grouped["high"] - grouped["low"] > 1.5 * (alone["high"] - alone["low"])


@pytest.mark.parametrize(
    ("gain", "num_rows", "better", "says"),
    [
        (-1.0, 20, True, "better than base"),
        (+1.0, 20, False, "worse than base"),
        (0.0, 20, None, "cannot be told apart with 20 rows"),
        (-1.0, 19, None, "cannot be told apart with 19 rows: a verdict needs at least 20 rows"),
        (-1.0, 1, None, "cannot be told apart with 1 row:"),
    ],
)
def test_verdict(gain, num_rows, better, says):
    base = [(10.0, 5)] * num_rows
    adapter = [(10.0 + gain + (0.5 if k % 2 else -0.5), 5) for k in range(num_rows)]
    result = comparison.verdict(comparison.compare(base, adapter, [None] * num_rows, 0))
    assert result["better_than_base"] is better
    assert says in result["why"]


@pytest.mark.parametrize(
    ("share", "better"), [(-0.02, True), (0.02, False), (-0.004, None), (0.004, None), (-1e-9, None)]
)
def test_a_sure_but_tiny_change_is_no_verdict(share, better):
    """Every row moves the same way, so the interval is far from zero as it is narrow; the size must count too."""
    base = [(10.0 + k % 3, 5) for k in range(40)]
    adapter = [(nats * (1 + share), count) for nats, count in base]
    held_out = comparison.compare(base, adapter, [None] * 40, 0)
    assert held_out["difference"]["low"] * held_out["difference"]["high"] > 0
    result = comparison.verdict(held_out)
    assert result["better_than_base"] is better
    if better is None:
        assert "hardly different on 40 rows" in result["why"]
        assert f"changed by {100 * share:+.2f} %, below 0.5 %" in result["why"]


def test_losses_that_are_no_numbers_are_refused():
    with pytest.raises(IntegrityError, match="adapter"):
        comparison.compare([(1.0, 1)], [(math.nan, 1)], [None], 0)
    with pytest.raises(ModelError):
        comparison.compare([(math.inf, 1)], [(1.0, 1)], [None], 0)
    assert math.isfinite(comparison.perplexity(1e6))


def test_many_rows_leave_a_short_sorted_picture():
    base = [(10.0, 1)] * 5_000
    adapter = [(10.0 + k / 5_000, 1) for k in reversed(range(5_000))]
    changes = comparison.compare(base, adapter, [None] * 5_000, 0)["row_changes"]
    assert len(changes) == 200 and changes == sorted(changes)
    assert changes[0] == 0.0 and changes[-1] == pytest.approx(0.9998)


def test_a_trained_adapter_is_called_better(tmp_path):
    run = make_run(tmp_path, num_rows=80, asked=False)  # 24 of them held out: with fewer than 20 nothing is said
    model = attached(run)
    rows = rendered(run) + rendered(run, "train")
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=5e-3)
    model.train()
    for step in range(20):
        optimizer.zero_grad()
        for ids, labels in rows[step % 5 :: 5]:
            (model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss / 8).backward()
        optimizer.step()
    models.save_adapter(model, run.adapter_dir, "starter", None)
    result = evaluate(run)
    assert result["held_out"]["adapter"]["loss"] < result["held_out"]["base"]["loss"]
    assert result["held_out"]["difference"]["high"] < 0
    assert result["verdict"]["better_than_base"] is True
    assert "Better than its base" in run.report_path.read_text()


# -- what is written ---------------------------------------------------------------------------------------------


def test_evaluation_json_is_what_is_returned_and_says_what_was_measured(evaluated):
    run, result, told = evaluated
    assert json.loads(run.evaluation_path.read_bytes()) == result
    assert result["schema"] == 2 and result["seed"] == 5 and result["base"]["id"] == "starter"
    assert len(result["adapter"]["weights_sha256"]) == len(result["template_fingerprint"]) == 64
    assert result["adapter"]["num_parameters"] > 0
    assert result["data_fingerprint"] == run.manifest["data"]["fingerprint"]
    stages = ("held-out rows, base", "held-out rows, adapter", "answers")
    assert tuple(dict.fromkeys(name for name, _, _ in told))[:3] == stages
    assert ("held-out rows, adapter", 12, 12) in told and ("answers", 14, 14) in told
    plan = batch_plan(Engine.open(run.path)).as_dict()
    assert result["decoding"] == {"method": "greedy", "max_new_tokens": 6, **plan}
    assert not (run.path / PARTS).exists(), "what was finished is kept only until all is"


def test_no_text_of_a_row_in_evaluation_json(evaluated):
    run, result, _ = evaluated
    text = run.evaluation_path.read_text()
    for word in (CANARY, "patient", "front desk", "<script>", "rows.csv", str(run.path)):
        assert word not in text
        assert all(word not in line for line in compare_lines(result))
    assert CANARY in run.samples_path.read_text()


def test_the_report_holds_texts_of_rows_only_when_the_recipe_says_so(evaluated):
    run, _, _ = evaluated
    page = run.report_path.read_text()
    assert CANARY not in page
    assert "evaluate.show_rows: true shows them here" in page
    before = run.resolved_path.read_bytes()
    try:
        run.resolved_path.write_bytes(before.replace(b"show_rows: false", b"show_rows: true"))
        assert CANARY in write_report(run).read_text()
    finally:
        run.resolved_path.write_bytes(before)
        write_report(run)
    assert run.report_path.read_text() == page


def test_evaluation_is_repeatable_apart_from_date_and_seconds(evaluated):
    run, result, _ = evaluated
    samples = run.samples_path.read_bytes()
    again = evaluate(run)
    assert again == {**result, **{key: again[key] for key in ("date", "seconds", "stage_seconds")}}
    assert run.samples_path.read_bytes() == samples
    page = run.report_path.read_bytes()
    write_report(run)
    assert run.report_path.read_bytes() == page


def test_samples_are_the_engines_own_answers(evaluated):
    run, result, _ = evaluated
    lines = answers.read(run.samples_path)
    assert [line["source"] for line in lines] == ["questions"] * 2 + ["held_out"] * 12
    assert len({line["id"] for line in lines}) == 14
    for line in lines:
        of_reply = {f"{who}{key}" for who in ("base", "adapter") for key in ("", "_tokens", "_ended")}
        more = {"scores"} if line["reference"] else set()
        assert set(line) == {"id", "source", "where", "question", "reference"} | of_reply | more
    assert [line["reference"] for line in lines[:2]] == ["At eight.", None]
    held_out = load_data(recipe.load(run.resolved_path, allow_outside=True)).held_out
    for line, row in zip(lines[2:], held_out, strict=True):
        assert line["question"] == row.messages[0].content and line["reference"] == row.messages[-1].content
    engine = Engine.open(run.path)
    asked = [{"role": "user", "content": lines[2]["question"]}]
    assert lines[2]["base"] == engine.reply(asked, adapter=False, max_new_tokens=6)
    assert lines[2]["adapter"] == engine.reply(asked, adapter=True, max_new_tokens=6)
    assert lines[2]["base"] == Engine.open("starter").reply(asked, max_new_tokens=6)
    assert result["samples"]["num"] == 14 and result["samples"]["num_held_out"] == 12


def test_answers_cut_at_the_limit_are_not_counted_as_ended(evaluated):
    run, _, _ = evaluated
    engine = Engine.open(run.path)
    question = answers.Question([{"role": "user", "content": "Who are you?"}], "Who are you?", None, "questions")
    for limit in (1, 2, 3, 5, 8, 13, 40):
        counts = answers.counts(answers.ask_all(engine, [question], limit), limit)
        prompt = torch.tensor([engine.renderer.prompt(question.messages)])
        for who in ("base", "adapter"):
            import contextlib

            plain = engine.model.disable_adapter() if who == "base" else contextlib.nullcontext()
            with plain, torch.inference_mode():
                made = engine.model.generate(
                    input_ids=prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=limit,
                    do_sample=False,
                    eos_token_id=engine.renderer.stop_ids,
                    pad_token_id=engine.tokenizer.pad_token_id,
                )
            assert counts[f"{who}_stopped"] == int(made.shape[1] - prompt.shape[1] < limit)


def test_questions_without_room_for_an_answer_are_left_out_and_counted(evaluated):
    run, _, _ = evaluated
    engine = Engine.open(run.path)
    asked = [{"question": "Who? " * 2_000}, {"question": "Who?"}]
    kept, left_out = answers.gather(engine, asked, [], 16, num_held_out=0)
    assert [question.text for question in kept] == ["Who?"] and left_out == 1


def test_of_several_turns_the_last_is_answered_and_all_are_shown():
    from finetune.data import Message

    turns = [("system", "Be kind."), ("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four")]
    question = answers._of_row(Conversation(tuple(Message(*turn) for turn in turns), "rows.csv:2"))
    assert [turn["role"] for turn in question.messages] == ["system", "user", "assistant", "user"]
    assert question.reference == "four" and question.text == "user: one\n\nassistant: two\n\nuser: three"


def test_a_line_of_samples_stays_one_line():
    text = answers.to_jsonl([{"question": "a\u2028b\x85c\nd", "base": "病人"}])
    assert len(text.splitlines()) == 1 and json.loads(text)["question"] == "a\u2028b\x85c\nd"
    assert "病人" in text


def test_the_lines_for_the_terminal(evaluated):
    _, result, _ = evaluated
    lines = compare_lines(result)
    assert [line.split("  ")[0].strip() for line in lines] == [
        "held out", "base loss", "adapter loss", "change", "rows better", "verdict",
    ]  # fmt: skip
    assert f"{result['held_out']['base']['loss']:.4f}" in lines[1]
    assert result["verdict"]["why"] in lines[-1]


# -- what is refused ---------------------------------------------------------------------------------------------


def test_changed_data_are_refused(tmp_path):
    run = make_run(tmp_path)
    save_random(run)
    before = run.manifest["data"]["fingerprint"]
    rows = tmp_path / "rows.csv"
    rows.write_text(rows.read_text() + "A new question?,A new answer.\n")
    with pytest.raises(IntegrityError) as caught:
        evaluate(run)
    text = str(caught.value)
    now = load_data(recipe.load(run.resolved_path, allow_outside=True)).report.fingerprint
    assert before[:12] in text and now[:12] in text and "start a new run" in text
    assert caught.value.exit_code == 3 and not run.evaluation_path.exists()


def test_a_run_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(RunError, match="no adapter"):
        evaluate(make_run(tmp_path))


def test_rows_that_are_too_long_are_left_out_and_counted(tmp_path):
    tmp_path.mkdir(exist_ok=True)
    write_rows(tmp_path / "rows.csv", 20)
    with (tmp_path / "rows.csv").open("a") as file:
        for k in range(20):
            file.write(f"long question {k} {'word ' * 150},answer {k}\n")
    run = make_run(tmp_path, asked=False, max_length=120)
    save_random(run)
    held_out = evaluate(run)["held_out"]
    assert held_out["num_left_out"] > 0 and held_out["num_rows"] > 0
    assert held_out["num_left_out"] + held_out["num_rows"] == 12
    assert f"{held_out['num_left_out']} held-out rows were too long and left out." in run.report_path.read_text()


def test_no_row_to_measure_on_is_refused(tmp_path):
    run = make_run(tmp_path, max_length=16)
    save_random(run)
    with pytest.raises(DataError, match="held_out") as caught:
        evaluate(run)
    assert CANARY not in str(caught.value)
