"""Options scored by likelihood: against transformers one by one, choices, labels, and what is seen as labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune import models
from finetune.evaluation import likelihood
from finetune.evaluation.likelihood import choice_results, choose, label_note, label_results, label_set, score_options
from finetune.generation import Engine
from finetune.recipe.adapter_words import Adapter

torch = pytest.importorskip("torch")

QUESTIONS = [
    ([{"role": "user", "content": "What do you drink?"}], ["water", "a stone", "the blue sky over the sea"]),
    (
        [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Who helps the sick?"}],
        ["a doctor", "mud"],
    ),
    (
        [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello. How can I help?"},
            {"role": "user", "content": "Which one is a colour?"},
        ],
        ["red", "red and a chair"],
    ),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The starter base with an adapter that changes what it says."""
    folder = tmp_path_factory.mktemp("adapter") / "adapter"
    base = models.load_base(models.find_base("starter"), "float32")
    model = models.attach_adapter(base, Adapter(r=4, alpha=8), 0)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(3)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    models.save_adapter(model, folder, "starter", None)
    return Engine.open(folder)


def upstream(engine: Engine, messages: list[dict[str, Any]], option: str, with_end: bool) -> float:
    """Nats of an option behind its prompt, from transformers' own logits, one row at a time."""
    prompt = engine.renderer.prompt(engine.with_system(messages))
    whole = engine.renderer.render([*engine.with_system(messages), {"role": "assistant", "content": option}]).input_ids
    assert whole[: len(prompt)] == prompt
    last = max(k for k, token in enumerate(whole) if token in engine.renderer.end_ids)
    with torch.no_grad():
        chances = engine.model(input_ids=torch.tensor([whole])).logits[0].double().log_softmax(-1)
    end = last + 1 if with_end else last
    return -sum(chances[k - 1, whole[k]].item() for k in range(len(prompt), end))


@pytest.mark.parametrize("with_end", [False, True])
def test_nats_are_those_of_transformers_one_by_one(engine: Engine, with_end: bool) -> None:
    told: list[tuple[str, int, int]] = []
    found = score_options(engine, QUESTIONS, lambda *what: told.append(what), with_end=with_end)
    for number, (messages, options) in enumerate(QUESTIONS):
        for k, option in enumerate(options):
            adapted = upstream(engine, messages, option, with_end)
            with engine.model.disable_adapter():
                bare = upstream(engine, messages, option, with_end)
            base, adapter = (found[side][number] for side in ("base", "adapter"))
            assert base is not None and adapter is not None
            assert (base[k][0], adapter[k][0]) == (pytest.approx(bare, rel=1e-5), pytest.approx(adapted, rel=1e-5))
            assert abs(bare - adapted) > 1e-2, "the adapter must matter for this test to mean anything"
            assert base[k][1] == adapter[k][1] == base[k][1] > 0
    assert told[-1] == ("options, adapter", 7, 7)


def test_a_question_that_is_too_long_is_left_out_and_counted(engine: Engine) -> None:
    long = [{"role": "user", "content": "why " * 5_000}]
    found = score_options(engine, [(long, ["a", "b"]), QUESTIONS[0]], lambda *_: None)
    assert found["base"][0] is None and found["adapter"][0] is None and found["base"][1] is not None
    result = choice_results([(long, ["a", "b"]), QUESTIONS[0]], [0, 0], found, seed=0)
    assert result["marks"][0] is None and result["facts"]["num_left_out"] == 1 and result["facts"]["num"] == 1


def test_no_questions_at_all(engine: Engine) -> None:
    found = score_options(engine, [], lambda *_: None)
    assert choice_results([], [], found, seed=0)["measures"] == []


def test_what_is_done_is_kept(engine: Engine, tmp_path: Path) -> None:
    from finetune.evaluation.parts import Parts

    parts = Parts(tmp_path, {"of": "this test"})
    first = score_options(engine, QUESTIONS, lambda *_: None, parts=parts)
    parts.close()
    again = Parts(tmp_path, {"of": "this test"})
    assert again.num_known > 0
    calls: list[int] = []
    hook = engine.model.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        assert score_options(engine, QUESTIONS, lambda *_: None, parts=again) == first and not calls
    finally:
        hook.remove()
        again.close()


def test_choices_are_by_byte_and_sums_stand_beside() -> None:
    options = ["no", "certainly not before noon"]
    scores = [(4.0, 1), (10.0, 6)]  # 2 nats a byte; 0.4 nats a byte
    assert choose(scores, options) == 1 and choose(scores, options, "sum") == 0
    assert choose([(3.0, 1), (6.0, 2)], ["病", "ab"]) == 0, "bytes, not characters"
    assert choose([(1.0, 1), (1.0, 1)], ["a", "b"]) == 0
    assert choose([(0.0, 0), (1.0, 1)], ["", "b"]) == 0


def test_planted_choices_are_found() -> None:
    items = [([], ["no", "yes"])] * 40
    scored: dict[str, likelihood.Scores] = {
        "base": [[(4.0, 1), (6.3, 1)] if k % 2 else [(4.0, 1), (5.0, 1)] for k in range(40)],
        "adapter": [[(4.0, 1), (3.0, 1)]] * 40,
    }
    found = choice_results(items, [1] * 40, scored, seed=0)
    assert found["marks"][:2] == [(True, True), (False, True)]
    measure = found["measures"][0]
    assert (measure["base"]["mean"], measure["adapter"]["mean"], measure["result"]) == (0.5, 1.0, "better")
    assert measure["unit_of_draw"] == "item" and found["facts"]["chance"] == 0.5
    assert found["facts"]["base"] == {"right": 20, "right_by_sum": 0}
    assert found["facts"]["adapter"] == {"right": 40, "right_by_sum": 40}


# -- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "held_out", "labels"),
    [
        (["urgent"] * 15 + ["routine"] * 30, ["urgent", " routine\n"], ("routine", "urgent")),
        (["急诊"] * 20 + ["门诊"] * 20, ["门诊"], ("急诊", "门诊")),
        (["urgent"] * 15 + ["routine"] * 30, ["unknown"], None),
        (["urgent"] * 40, ["urgent"], None),  # one label is none
        (["urgent"] * 9 + ["routine"] * 10, ["urgent"], None),  # fewer than 10 rows each
        ([f"answer {k}" for k in range(400)], ["answer 1"], None),
        (["a " * 40] * 20 + ["b"] * 20, ["b"], None),  # too long
        (["a\nb"] * 20 + ["b"] * 20, ["b"], None),
        ([""] * 20 + ["b"] * 20, ["b"], None),
        ([f"label {k % 31}" for k in range(3_100)], ["label 1"], None),  # too many
        ([], [], None),
    ],
)
def test_what_is_seen_as_labels(train: list[str], held_out: list[str], labels: tuple[str, ...] | None) -> None:
    assert label_set(train, held_out) == labels


def test_what_the_recipe_calls_labels_is_believed_sooner() -> None:
    few = ["urgent"] * 3 + ["routine"] * 4
    assert label_set(few, ["urgent"]) is None and label_set(few, ["urgent"], asked=True) == ("routine", "urgent")
    assert label_set(few, ["unknown"], asked=True) is None
    assert label_set([f"answer {k}" for k in range(400)], ["answer 1"], asked=True) is None


def test_the_note_says_the_rule_and_no_text() -> None:
    note = label_note(("routine", "urgent"), 1_045)
    assert "1,045 training rows are 2 different texts of at most 7 characters" in note
    assert "evaluate.task" in note and "urgent" not in note


def scores_of(said: list[int], num_labels: int) -> likelihood.Scores:
    """As if each row found the label it says likeliest."""
    return [[(0.5 if k == chosen else 3.0, 2) for k in range(num_labels)] for chosen in said]


def test_accuracy_and_macro_f1_are_scikit_learns() -> None:
    import numpy as np
    from sklearn.metrics import accuracy_score, f1_score

    draw = np.random.default_rng(0)
    labels = ("routine", "urgent", "spam")
    right = draw.choice(3, 60, p=[0.7, 0.2, 0.1])
    base = np.zeros(60, dtype=int)  # always the commonest
    adapter = np.where(draw.random(60) < 0.8, right, draw.integers(3, size=60))
    scored = {"base": scores_of(base.tolist(), 3), "adapter": scores_of(adapter.tolist(), 3)}
    found = label_results(labels, [labels[k] for k in right], scored, seed=0)
    accuracy, macro = found["measures"]
    assert (accuracy["name"], macro["name"]) == ("label_accuracy", "label_macro_f1")
    for side, said in (("base", base), ("adapter", adapter)):
        assert accuracy[side]["mean"] == pytest.approx(accuracy_score(right, said))
        assert macro[side]["mean"] == pytest.approx(f1_score(right, said, average="macro"))
        assert found["facts"][side]["accuracy"] == pytest.approx(accuracy_score(right, said))
    assert macro["result"] == "better" and macro["difference"]["low"] > 0.1
    assert found["facts"]["commonest_share"] == pytest.approx(float((right == 0).mean()))
    assert found["facts"]["rows_a_label"] == np.bincount(right).tolist()
    assert found["facts"]["base"]["right_a_label"] == [int((right == 0).sum()), 0, 0]
    text = json.dumps(found, allow_nan=False)
    assert not any(label in text for label in labels), "labels are texts of rows"


def test_labels_end_to_end(engine: Engine) -> None:
    """A real engine over rows that are too few to tell."""
    labels = ("yes", "no")
    rows = [[{"role": "user", "content": f"Is {k} a number?"}] for k in range(6)]
    scored = score_options(engine, [(row, labels) for row in rows], lambda *_: None, with_end=True, what="labels")
    found = label_results(labels, ["yes"] * 6, scored, seed=0, groups=["a", "a", "b", "b", None, None])
    assert found["facts"]["num"] == 6 and found["measures"][0]["num_units"] == 4
    assert all(one["result"] == "not_enough_rows" for one in found["measures"])
