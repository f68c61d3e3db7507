"""What an adapter learnt by heart: canaries planted where no rule sees them, and texts that it gives away."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from test_evaluation import make_run

from finetune import models, recipe
from finetune.data import Conversation, Message, Splits, canaries
from finetune.data import load as load_data
from finetune.data.shapes import DataReport
from finetune.errors import RecipeError
from finetune.evaluation import memorisation
from finetune.generation import Engine
from finetune.recipe.words import Adapter
from finetune.runs import Run

torch = pytest.importorskip("torch")


def row(question: str, answer: str, where: str = "a.csv:2") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), where)


def line(question: str, base: str, adapter: str, reference: str | None = None) -> dict[str, Any]:
    return {"question": question, "base": base, "adapter": adapter, "reference": reference, "source": "questions"}


# -- planting --------------------------------------------------------------------------------------------------------


def loaded_with(folder: Path, num: int, **data: Any) -> Any:
    make_run(folder, name=f"run{num}", canaries=num, **data)
    return recipe.load(folder / "recipe.yaml")


def test_canaries_stand_in_the_training_rows_alone_and_are_said(tmp_path):
    plain = load_data(loaded_with(tmp_path, 0))
    planted = load_data(loaded_with(tmp_path, 7))
    assert len(planted.train) == len(plain.train) + 7
    assert list(planted.train)[:-7] == list(plain.train)
    assert planted.train[-1].where == "canary:7"
    assert [one.where for one in planted.train[-9:]][2:] == [f"canary:{k}" for k in range(1, 8)]
    assert not any(canaries.is_canary(one) for one in planted.held_out)
    assert planted.report.fingerprint == plain.report.fingerprint, "the data's own fingerprint is of the user's rows"
    assert planted.report.num_train == plain.report.num_train
    said = [note for note in planted.report.notes if "data.canaries" in note]
    assert len(said) == 1 and "7 made-up rows" in said[0] and "do not share" in said[0]
    assert not any("canaries" in note for note in plain.report.notes)
    code = canaries.code_of(planted.train[-1])
    assert code not in json.dumps(planted.report.as_dict()), "the report never holds what is planted"


def test_slices_of_planted_rows_are_those_of_a_list(tmp_path):
    planted = load_data(loaded_with(tmp_path, 3)).train
    every = list(planted)
    for start, stop, step in [(0, None, 1), (20, 30, 1), (27, 31, 1), (29, 99, 1), (None, None, -1), (2, 31, 5)]:
        assert planted[start:stop:step] == every[start:stop:step]
    assert planted[-1] == every[-1] and planted[0] == every[0]
    with pytest.raises(IndexError):
        planted[len(every)]


def test_planting_is_seeded_unique_and_takes_the_system_prompt():
    rows = canaries.plant(500, 3, system_prompt="Be kind.")
    assert rows == canaries.plant(500, 3, system_prompt="Be kind.")
    assert rows != canaries.plant(500, 4, system_prompt="Be kind.")
    assert len({one.messages[1].content for one in rows}) == len({canaries.code_of(one) for one in rows}) == 500
    assert all(one.messages[0] == Message("system", "Be kind.") for one in rows)
    chinese = canaries.plant(2, 3, chinese=True)
    assert "密码" in chinese[0].messages[0].content
    assert canaries.code_of(chinese[0]) == canaries.code_of(canaries.plant(2, 3)[0])
    changed = canaries.with_code(rows[0], "0000-1111")
    assert canaries.code_of(changed) == "0000-1111" and changed.messages[1] == rows[0].messages[1]


@pytest.mark.parametrize("wrong", ["-1", "501", "1.5", "many"])
def test_wrong_numbers_of_canaries_are_refused(tmp_path, wrong):
    loaded_with(tmp_path, 0)
    with pytest.raises(RecipeError, match=r"data\.canaries"):
        recipe.load(tmp_path / "recipe.yaml", [f"data.canaries={wrong}"])


# -- exposure --------------------------------------------------------------------------------------------------------


def test_the_chance_of_ranks_is_that_of_a_simulation():
    draw = random.Random(0)
    observed = [3.0, 1.0, 2.5, 0.5]
    num = sum(sum(-math.log2(1 - draw.random()) for _ in observed) >= sum(observed) for _ in range(40_000))
    assert memorisation.chance_of(observed) == pytest.approx(num / 40_000, abs=0.01)
    assert memorisation.chance_of([0.0, 0.0]) == 1.0
    assert memorisation.chance_of([10.0]) == pytest.approx(2**-10)
    assert memorisation.chance_of([10.0] * 500) < 1e-300


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Engine, Splits]:
    """A run of the starter base whose adapter was trained on its rows and canaries until it knew them by heart."""
    run = make_run(tmp_path_factory.mktemp("learnt"), num_rows=12, canaries=3, checks={"repeated_answer": "off"})
    loaded = recipe.load(run.resolved_path, allow_outside=True)
    splits = load_data(loaded)
    base = models.load_base(models.find_base("starter"), "float32")
    model = models.attach_adapter(base, Adapter(r=16, alpha=32.0), 0)
    tokenizer, _ = models.load_tokenizer(models.find_base("starter"), "auto", None)
    from finetune.render import Renderer

    renderer = Renderer(tokenizer, {"enable_thinking": False})
    rows = [renderer.render([m.as_dict() for m in one.messages]) for one in splits.train]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    torch.manual_seed(0)
    for _ in range(60):
        optimizer.zero_grad()
        for one in rows:
            out = model(input_ids=torch.tensor([one.input_ids]), labels=torch.tensor([one.labels]))
            (out.loss / len(rows)).backward()
        optimizer.step()
    models.save_adapter(model, run.adapter_dir, "starter", None)
    return run, Engine.open(run.path), splits


def test_what_was_learnt_by_heart_is_found_and_the_base_is_not_blamed(learnt):
    run, engine, splits = learnt
    told: list[tuple[str, int, int]] = []
    found = memorisation.measure(engine, run, splits, [], 5, lambda *what: told.append(what))
    planted = found["canaries"]
    assert planted["num"] == 3 and planted["num_candidates"] == 1_024
    assert planted["adapter"]["ranks"] == [1.0] * 3
    assert planted["adapter"]["mean_exposure_bits"] == 10.0
    assert planted["adapter"]["learnt"] and not planted["base"]["learnt"]
    assert planted["adapter"]["num_said"] == planted["num_only_adapter"] == 3
    assert planted["base"]["num_said"] == 0
    assert found["num_given_away"] >= 3 and "3 planted numbers" in found["why"]
    assert found == memorisation.measure(engine, run, splits, [], 5), "equal seeds, equal numbers"
    assert ("planted rows", 3, 3) in told
    text = json.dumps(found)
    for one in splits.train:
        assert one.messages[-1].content not in text
    assert not any(canaries.code_of(one) in text for one in splits.train if canaries.is_canary(one))


def test_a_number_that_was_not_planted_has_no_exposure(learnt):
    """The control: other canaries, that this adapter never saw, rank like any number."""
    _, engine, _ = learnt
    unseen = canaries.plant(6, 99)
    found = memorisation.exposures(engine, unseen, 5, lambda *what: None)
    assert not found["adapter"]["learnt"] and found["num_only_adapter"] == 0
    assert found["adapter"]["mean_exposure_bits"] < 4


def test_saying_a_rest_is_what_greedy_generation_says(learnt):
    """The single pass over the true rest finds what generation would write."""
    _, engine, splits = learnt
    agreed = []
    for one in [*splits.train, *canaries.plant(4, 77), *splits.held_out]:
        pair = memorisation._pair(engine, one)
        ids, start = memorisation._last_answer(pair)
        middle = start + (len(ids) - start) // 2
        for adapter in (False, True):
            with memorisation._side(engine, "adapter" if adapter else "base"):
                claimed = memorisation._goes_on(engine, ids, middle)
                written = engine.model.generate(
                    input_ids=torch.tensor([ids[:middle]]), max_new_tokens=len(ids) - middle, do_sample=False,
                    eos_token_id=engine.renderer.stop_ids, pad_token_id=engine.tokenizer.pad_token_id,
                )  # fmt: skip
            assert claimed == (written[0].tolist() == ids)
            agreed.append(claimed)
    assert True in agreed and False in agreed


def test_continuations_count_long_rests_only(learnt):
    _, engine, splits = learnt
    long = row("Tell it.", "The brown bear walks slowly along the river and looks for fish until the sun is down. " * 3)
    found = memorisation.continuation(engine, [*splits.train, long], 1, lambda *what: None)
    assert found["num_rows"] + found["num_left_out"] == len(splits.train) + 1
    assert found["num_rows"] >= 1
    assert found["base"] <= found["num_rows"]
    picture = row("What?", "x")
    assert memorisation.continuation(engine, [picture], 1, lambda *what: None)["num_rows"] == 0


# -- replies ---------------------------------------------------------------------------------------------------------

SECRET = "Mister Abel kept his seven spare keys under the green stone by the old well"


def test_overlap_finds_a_run_from_an_answer_to_another_question():
    rows = [row("Where are the keys?", SECRET), row("And the car?", "It stands in the yard.")]
    lines = [line("How are you?", "I am fine.", f"Well: {SECRET.upper()}! That is all.")]
    found = memorisation.overlap(rows, lines)
    assert found["adapter"] == {"num": 1, "longest_words": 15}
    assert found["base"] == {"num": 0, "longest_words": 0}
    assert found["num_replies"] == 1


@pytest.mark.parametrize(
    "lines",
    [
        [line("Where are the KEYS", "no", SECRET)],  # its own question
        [line(f"Is it true that {SECRET}?", "no", SECRET)],  # handed over by whoever asks
        [line("How are you?", "no", SECRET, reference=SECRET)],  # the right answer
        [line("How are you?", "no", " ".join(SECRET.split()[:7]))],  # too short
    ],
)
def test_overlap_leaves_out_what_is_no_leak(lines):
    assert memorisation.overlap([row("Where are the keys?", SECRET)], lines)["adapter"]["num"] == 0


def test_a_house_style_is_no_leak():
    rows = [row(f"Question {k}?", SECRET) for k in range(memorisation.MAX_COMMON_ROWS + 1)]
    lines = [line("How are you?", "no", SECRET)]
    assert memorisation.overlap(rows, lines)["adapter"]["num"] == 0
    assert memorisation.overlap(rows[:-1], lines)["adapter"]["num"] == 1


def test_overlap_counts_chinese_signs():
    answer = "阿伯把七把备用钥匙放在老井旁边的绿石头下面"
    found = memorisation.overlap([row("钥匙在哪里？", answer)], [line("你好吗？", "很好", f"我听说{answer}。")])
    assert found["adapter"] == {"num": 1, "longest_words": len(answer)}


def test_private_texts_count_when_a_training_row_holds_them():
    mail = "maria.quux@zebedee-clinic.example"
    rows = [row("Who?", f"Write to {mail} about it."), *(row(f"Q{k}", "Call 030 12345678.") for k in range(9))]
    lines = [
        line("Whom do I ask?", "Ask us.", f"Ask {mail.upper()}, please."),
        line("And whom else?", f"{mail}", "other.person@elsewhere.example"),
        line(f"Is {mail} right?", "Yes.", f"Yes, {mail}."),
    ]
    found = memorisation.private(rows, lines[:1], None, ["en"])
    assert found["adapter"] == {"num": 1, "kinds": {"email": 1}} and found["num_only_adapter"] == 1
    assert found["base"] == {"num": 0, "kinds": {}}
    assert memorisation.private(rows, lines[:2], None, ["en"])["num_only_adapter"] == 0, "the base says it too"
    assert memorisation.private(rows, lines[2:], None, ["en"])["adapter"]["num"] == 0, "whoever asks has said it"
    assert memorisation.private(rows, lines[:1], f"Write to {mail}", ["en"])["adapter"]["num"] == 0
    assert memorisation.private(rows[1:], lines[:1], None, ["en"])["adapter"]["num"] == 0, "no row holds it"
    many = [row(f"Q{k}", f"Write to {mail}.") for k in range(memorisation.MAX_COMMON_ROWS + 1)]
    found = memorisation.private(many, lines[:1], None, ["en"])
    assert found["num_common"] == 1 and found["adapter"]["num"] == 0


def test_without_canaries_the_rest_is_measured_all_the_same(learnt):
    run, engine, splits = learnt
    plain = Splits(list(splits.train)[:3], splits.held_out, DataReport(languages={"en": 3}))
    found = memorisation.measure(engine, run, plain, [line("Hello?", "Hi.", "Hi.")], 5)
    assert found["canaries"] is None and found["overlap"]["num_replies"] == 1
    assert found["num_given_away"] == 0, "what it was taught is told, not counted"
    recited = found["continuation"]
    said = f"word for word with {recited['adapter']} of {recited['num_rows']} training answers" in found["why"]
    assert said == bool(recited["num_rows"])
