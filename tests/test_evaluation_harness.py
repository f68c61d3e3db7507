"""lm-evaluation-harness over the loaded adapter: local task files, items paired, no code from elsewhere."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from test_evaluation import make_run, save_random

from finetune.errors import RecipeError, SurroundingsError
from finetune.evaluation import harness
from finetune.generation import Engine
from finetune.models.scoring import row_losses

torch = pytest.importorskip("torch")
pytest.importorskip("lm_eval", reason="needs the extra 'benchmarks'")

COLOURS = ("green", "red", "blue")
CHOICE = """\
task: colours
dataset_path: json
dataset_kwargs: {data_files: {test: items.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{options}}"
doc_to_target: "{{answer}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 2}
"""
WRITTEN = """\
task: says
dataset_path: json
dataset_kwargs: {data_files: {test: items.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{options[answer]}}"
generation_kwargs: {max_gen_toks: 5, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    run = make_run(tmp_path_factory.mktemp("harness"))
    save_random(run, scale=0.2)
    return Engine.open(run.path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    items = [
        {"question": f"Which colour is thing number {k}?", "options": list(COLOURS), "answer": k % 3} for k in range(24)
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (tmp_path / "colours.yaml").write_text(CHOICE)
    (tmp_path / "says.yaml").write_text(WRITTEN)
    return tmp_path


def options_by_hand(engine: Engine, number: int) -> list[float]:
    """Nats of each option, behind the chat form and a blank, as the harness puts them."""
    messages = [{"role": "user", "content": f"Which colour is thing number {number}?"}]
    prompt = engine.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    rows = []
    for option in COLOURS:
        before = engine.tokenizer.encode(prompt, add_special_tokens=False)
        whole = engine.tokenizer.encode(f"{prompt}{option}", add_special_tokens=False)
        rows.append((whole, [-100] * len(before) + whole[len(before) :]))
    return [nats for nats, _ in row_losses(engine.model, rows)]


def test_a_local_choice_task_is_scored_as_by_hand_and_paired(engine, folder):
    told: list[tuple[str, int, int]] = []
    said: list[str] = []
    found = harness.run_benchmarks(
        engine, [folder / "colours.yaml"], None, 7, lambda *w: told.append(w), say=said.append
    )
    assert told[-1] == ("benchmarks", 2, 2) and said == [], "a file loads nothing, so nothing is said"
    (task,) = found["tasks"]
    assert (task["name"], task["source"], task["num_items"], task["version"]) == ("colours", "file", 24, 2)
    by_name = {measure["name"]: measure for measure in found["measures"]}
    assert set(by_name) == {"benchmark:colours:acc", "benchmark:colours:acc_norm"}
    measure = by_name["benchmark:colours:acc"]
    with engine.model.disable_adapter():
        bare = [options_by_hand(engine, k) for k in range(24)]
    adapted = [options_by_hand(engine, k) for k in range(24)]
    for side, nats in (("base", bare), ("adapter", adapted)):
        right = [losses.index(min(losses)) == k % 3 for k, losses in enumerate(nats)]
        assert measure[side]["mean"] == pytest.approx(sum(right) / 24), side
    assert [n.index(min(n)) for n in bare] != [n.index(min(n)) for n in adapted], "the adapter must matter here"
    assert measure["num_rows"] == 24 and measure["unit"] == "share" and measure["higher_is_better"] is True
    assert measure["difference"]["low"] <= measure["difference"]["mean"] <= measure["difference"]["high"]
    text = json.dumps(found)
    assert "thing number" not in text and str(folder) not in text, "numbers and names only"


def test_written_answers_and_a_limit(engine, folder):
    found = harness.run_benchmarks(engine, [str(folder / "says.yaml"), folder / "colours.yaml"], 3, 7)
    assert [(task["name"], task["num_items"]) for task in found["tasks"]] == [("says", 3), ("colours", 3)]
    assert found["limit"] == 3
    assert found["measures"][0]["name"] == "benchmark:says:exact_match"
    assert found["measures"][0]["result"] == "not_enough_rows"


def test_equal_seeds_give_equal_numbers_and_the_engine_is_left_as_it_was(engine, folder):
    pad, side, known = engine.tokenizer.pad_token_id, engine.tokenizer.padding_side, sys.modules.get("evaluate")
    first = harness.run_benchmarks(engine, [folder / "colours.yaml"], 6, 7)
    assert first == harness.run_benchmarks(engine, [folder / "colours.yaml"], 6, 7)
    assert (engine.tokenizer.pad_token_id, engine.tokenizer.padding_side) == (pad, side)
    assert sys.modules.get("evaluate") is known
    from jinja2.sandbox import SandboxedEnvironment
    from lm_eval import utils

    assert not isinstance(utils.env, SandboxedEnvironment)


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in CHOICE
    path = folder / "other.yaml"
    path.write_text(CHOICE.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("test_split: test", "test_split: test\nprocess_docs: !function evil.run", "tag"),
        ("test_split: test", "test_split: test\nclass: evil.Task", "holds data and no code"),
        ("test_split: test", "test_split: test\ncustom_dataset: evil.load", "holds data and no code"),
        ("test_split: test", "test_split: test\nunsafe_code: true", "holds data and no code"),
        ("test_split: test", "test_split: test\ninclude: other.yaml", "holds data and no code"),
        ("dataset_path: json", "dataset_path: somebody/somewhere", "brings its data as files"),
        ("items.jsonl}}", "missing.jsonl}}", "no file beside"),
        ("items.jsonl}}", "'https://example.com/items.jsonl'}}", "no file beside"),
        ("items.jsonl}}", "'zip://items.jsonl::https://example.com/x.zip'}}", "no file beside"),
        ("{data_files: {test: items.jsonl}}", "{trust_remote_code: true}", "data_files"),
        ("metric: acc,", "metric: somebody/metric,", "no metric that ships"),
        ("metric: acc,", "hf_evaluate: true, metric: acc,", "no metric that ships"),
        ("task: colours", "task: [a, b]", "not a name"),
        ("task: colours", "task: colours\ntask: colours", "twice"),
    ],
)
def test_task_files_with_code_or_data_from_elsewhere_are_refused(engine, folder, old, new, what):
    (folder / "evil.py").write_text("raise SystemExit('code of a task file was run')\n")
    with pytest.raises(RecipeError, match=what):
        harness.run_benchmarks(engine, [changed(folder, old, new)], 2, 7)


def test_templates_run_in_a_sandbox(engine, folder):
    target = folder / "proof"
    attack = "{{ cycler.__init__.__globals__.os.system('touch " + str(target) + "') }}"
    path = changed(folder, '"{{question}}"', json.dumps(attack))
    with pytest.raises(RecipeError, match="harness cannot use colours"):
        harness.run_benchmarks(engine, [path], 2, 7)
    assert not target.exists()


def test_faults_name_the_task_and_no_text_of_an_item(engine, folder):
    path = changed(folder, "{{answer}}", "{{missing_column}}")
    with pytest.raises(RecipeError) as refusal:
        harness.run_benchmarks(engine, [path], 2, 7)
    assert "colours" in str(refusal.value) and "thing number" not in str(refusal.value)


def test_an_unknown_task_says_what_is_near(engine):
    with pytest.raises(RecipeError, match="arc_easy"):
        harness.run_benchmarks(engine, ["arc_eazy"], 2, 7)


def test_a_task_of_the_hub_is_said_before_it_is_loaded_and_fails_kindly_without_network(engine):
    said: list[str] = []
    with pytest.raises(SurroundingsError, match="arc_easy cannot be had"):
        harness.run_benchmarks(engine, ["arc_easy"], 2, 7, say=said.append)
    assert len(said) == 1 and "may download the data of arc_easy" in said[0]


def test_without_the_extra_the_fix_names_it(engine, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "lm_eval" else real(name, *a))
    with pytest.raises(SurroundingsError, match=r"finetune-kit\[benchmarks\]") as refusal:
        harness.run_benchmarks(engine, ["arc_easy"], 2, 7)
    assert refusal.value.exit_code == 4


def test_numbers_that_are_no_share_have_no_bounds() -> None:
    samples: dict[str, Any] = {
        "samples": {"t": [{"doc_id": k, "filter": "none", "metrics": ["points", "pair"], "points": 3.0 * k,
                           "pair": (1, 2)} for k in range(4)]},
        "higher_is_better": {"t": {"points": False}},
    }  # fmt: skip
    facts, entries = harness._facts("t", {"base": samples, "adapter": samples}, 0)
    assert facts["num_other_metrics"] == 1
    (measure,) = entries
    assert measure["unit"] == "score" and measure["higher_is_better"] is False and measure["base"]["mean"] == 4.5
