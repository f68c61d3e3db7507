"""Packed training: the same steps, losses and gradients as row by row, over tries of every shape; and what is not."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import training_kit as kit
from hypothesis import given, settings
from hypothesis import strategies as st
from packing_kit import (
    BRANCHES,
    PACKED,
    PREFIX,
    SHARED,
    VOCAB,
    adapted,
    config_of,
    restarting,
    shared_rows,
    without_borders,
)  # fmt: skip

from finetune import packing
from finetune.training.guards import LossGuard
from finetune.training.steps import ComputePath, PaddedPass, applied, cut, loss_of

PATHS = {
    "prefix": PREFIX,
    "prefix, mask": ComputePath("prefix", "mask", True),
    "plain": ComputePath("plain", "segmented", True),
    "off": ComputePath("off", "own", True),
    "own logits": ComputePath("prefix", "segmented", False, "own"),
}
# -- models and rows -------------------------------------------------------------------------------------------------


@st.composite
def tries(draw: Any) -> list[kit.Pair]:
    """Rows that share beginnings, some none, some that are prefixes of others or equal to them."""
    token = st.integers(3, VOCAB - 1)
    stems = [[]]
    for _ in range(draw(st.integers(0, 2))):
        above = draw(st.sampled_from(stems))
        size = draw(st.sampled_from([1, 15, 16, 17, 30]))
        stems.append([*above, *draw(st.lists(token, min_size=size, max_size=size))])
    rows: list[kit.Pair] = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["own", "own", "own", "prefix", "equal"]))
        if kind == "own" or not rows:
            ids = [*draw(st.sampled_from(stems)), *draw(st.lists(token, min_size=2, max_size=12))]
            first = draw(st.integers(0, len(ids) - 1))
            last = draw(st.integers(first, len(ids)))
            rows.append((ids, [-100] * first + ids[first:last] + [-100] * (len(ids) - last)))
            continue
        ids, labels = draw(st.sampled_from(rows))
        stop = len(ids) if kind == "equal" else draw(st.integers(1, len(ids)))
        rows.append((ids[:stop], labels[:stop]))
    return rows


def _num_labels(rows: Sequence[kit.Pair]) -> int:
    return sum(label != -100 for _, labels in rows for label in labels[1:])


def _take_gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            found[name] = torch.zeros_like(p) if p.grad is None else p.grad.clone()
            p.grad = None
    return found


def _row_by_row(model: Any, rows: Sequence[kit.Pair]) -> tuple[float, dict[str, torch.Tensor]]:
    """Written by hand: the model's own logits, one row at a time, nothing padded."""
    loss = 0.0
    for ids, labels in rows:
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
        wanted = torch.tensor(labels[1:], dtype=torch.long)
        part = torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-100, reduction="sum")
        part = part / _num_labels(rows)
        part.backward()
        loss += part.item()
    return loss, _take_gradients(model)


def _packed(model: Any, rows: Sequence[kit.Pair], path: ComputePath, pass_tokens: int | None) -> tuple[float, dict]:
    """By the functions that training uses; `model` is inside `applied` already."""
    step = cut(range(len(rows)), rows, path, pass_tokens, None)
    loss = 0.0
    for one in step.passes:
        part, _ = loss_of(model, one, step.num_labels, path, torch.device("cpu"), torch.float32)
        part.backward()
        loss += part.item()
    return loss, _take_gradients(model)


def _gradient_error(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    one, other = (torch.cat([g.flatten() for g in each.values()]) for each in (found, wanted))
    return ((one - other).norm() / other.norm().clamp_min(1e-12)).item()


# -- equal to row by row ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "way"),
    [(name, "prefix") for name in ("llama", "qwen3", "gemma", "mixture")] + [("llama", way) for way in PATHS][1:],
)
def test_loss_and_gradients_equal_those_of_row_by_row(name: str, way: str) -> None:
    model, path = adapted(name), PATHS[way]
    plain = copy.deepcopy(model)

    @settings(max_examples=20, deadline=None)
    @given(rows=tries(), pass_tokens=st.sampled_from([None, 24, 64]))
    def equal(rows: list[kit.Pair], pass_tokens: int | None) -> None:
        if not _num_labels(rows):
            assert cut(range(len(rows)), rows, path, pass_tokens).passes == ()
            return
        wanted, gradients = _row_by_row(plain, rows)
        loss, found = _packed(model, rows, path, pass_tokens)
        assert loss == pytest.approx(wanted, rel=1e-6)
        assert _gradient_error(found, gradients) < 1e-4

    with applied(model, path):
        equal()


@pytest.mark.parametrize("kind", ["segmented", "mask"])
@pytest.mark.parametrize("broken", [None, without_borders, restarting])
def test_negative_controls(kind: str, broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without borders between branches, or with positions that restart, the same comparison finds the difference."""
    model, path = adapted("llama"), ComputePath("prefix", kind, True)
    wanted, gradients = _row_by_row(model, BRANCHES)
    if broken is not None:
        packs = lambda *words, **more: [broken(pack) for pack in packing.pack_rows(*words, **more)]  # noqa: E731
        monkeypatch.setattr("finetune.training.steps.pack_rows", packs)
    with applied(model, path):
        loss, found = _packed(model, BRANCHES, path, None)
    if broken is None:
        assert loss == pytest.approx(wanted, rel=1e-6) and _gradient_error(found, gradients) < 1e-4
    else:
        assert abs(loss - wanted) > 1e-3 and _gradient_error(found, gradients) > 1e-2


def test_a_shared_prefix_is_computed_once_and_nothing_behind_the_last_label() -> None:
    counts = {way: cut(range(3), BRANCHES, PATHS[way], None).num_computed_tokens for way in ("prefix", "plain", "off")}
    num_tokens = sum(len(ids) for ids, _ in BRANCHES)
    # The last token of a row is predicted, and nobody is predicted by it.
    assert counts == {"prefix": len(SHARED) + 3 + 2 + 3, "plain": num_tokens - 3, "off": 3 * (len(SHARED) + 3)}


def test_padded_passes_keep_to_micro_batch_and_to_the_budget() -> None:
    rows = [([5] * size, [-100] + [5] * (size - 1)) for size in (9, 3, 8, 4, 30)]
    path = PATHS["off"]

    def shapes(pass_tokens: int | None, micro_batch: int | None = None) -> list[tuple[int, ...]]:
        passes = cut(range(5), rows, path, pass_tokens, micro_batch).passes
        return [one.input_ids.shape for one in passes if isinstance(one, PaddedPass)]

    assert shapes(16) == [(1, 29), (2, 8), (2, 3)]  # a row beyond the budget is alone
    assert [shape[0] for shape in shapes(16, 1)] == [1] * 5
    assert shapes(None) == [(5, 29)]


# -- whole runs ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> dict[str, Any]:
    """20 steps on the same rows: packed, and as padded rows with peft's own forward."""
    rows, found = shared_rows(32), {}
    words = kit.settings(epochs=2.5, save_every=100, learning_rate=2e-3)
    for name, planned in (("packed", PACKED), ("off", {})):
        run = kit.new_run(tmp_path_factory.mktemp("packing") / name)
        model, result = kit.train(run, tiny_base, rows, words, planned=planned, held_out=rows[:4])
        found[name] = (run, model, result)
    return found


def test_a_packed_run_equals_a_padded_one(runs: dict[str, Any]) -> None:
    losses = {name: [entry["loss"] for entry in run.read_metrics()] for name, (run, _, _) in runs.items()}
    assert len(losses["off"]) == 20 and max(losses["off"]) - min(losses["off"]) > 0.05
    assert losses["packed"] == pytest.approx(losses["off"], rel=1e-4)
    held_out = {
        name: [entry["held_out_loss"] for entry in run.read_metrics() if "held_out_loss" in entry]
        for name, (run, _, _) in runs.items()
    }
    assert len(held_out["off"]) == 10
    assert held_out["packed"] == pytest.approx(held_out["off"], rel=1e-4)
    for ours, theirs in zip(runs["packed"][1].parameters(), runs["off"][1].parameters()):
        assert torch.allclose(ours, theirs, rtol=0, atol=2e-4)


def test_what_a_packed_run_counts_and_records(runs: dict[str, Any]) -> None:
    packed, off = runs["packed"][2], runs["off"][2]
    assert packed.tokens_seen == off.tokens_seen and packed.trained_tokens_seen == off.trained_tokens_seen
    assert packed.computed_tokens < 0.6 * packed.tokens_seen
    path = packed.path
    assert (path["packing"], path["attention"], path["lean"], path["head"]) == (
        "prefix",
        "segmented",
        True,
        "supervised",
    )
    assert path["fallbacks"] == {} and path["proof"]["rows"] == 5
    assert path["proof"]["loss_difference"] < 1e-5 and path["proof"]["gradient_difference"] < 1e-3
    assert off.path["packing"] == "off" and off.path["fallbacks"] == {}


def test_the_model_is_left_as_it_was(runs: dict[str, Any]) -> None:
    for _, model, _ in runs.values():
        assert model.config._attn_implementation == "sdpa"
        assert not [name for name, module in model.named_modules() if "forward" in module.__dict__ and "lora" in name]


@pytest.mark.parametrize(("packing_word", "dropout"), [("prefix", 0.0), ("plain", 0.1)])
def test_resumed_equals_uninterrupted(tmp_path: Path, tiny_base: Path, packing_word: str, dropout: float) -> None:
    from finetune.errors import StoppedError

    rows, words = shared_rows(12), kit.settings(save_every=100, epochs=2.0)
    planned = {**PACKED, "packing": packing_word}
    whole, halted = kit.new_run(tmp_path / "whole"), kit.new_run(tmp_path / "halted")
    expected, result = kit.train(whole, tiny_base, rows, words, dropout=dropout, planned=planned)
    with pytest.raises(StoppedError):
        kit.train(halted, tiny_base, rows, words, dropout=dropout, planned=planned, stop_after=4)
    model, again = kit.train(halted, tiny_base, rows, words, dropout=dropout, planned=planned, resume=True)
    assert kit.adapter_hash(model) == kit.adapter_hash(expected)
    assert halted.read_metrics() == whole.read_metrics()
    assert again.computed_tokens == result.computed_tokens > 0


def test_accuracy_and_entropy_are_measured_when_they_are_asked_for(tmp_path: Path, tiny_base: Path) -> None:
    rows, found = shared_rows(8), {}
    for name, measure, planned in (
        ("packed", ("accuracy", "entropy"), PACKED), ("off", ("accuracy", "entropy"), {}), ("none", (), PACKED),
    ):  # fmt: skip
        run = kit.new_run(tmp_path / name)
        kit.train(run, tiny_base, rows, kit.settings(measure=measure), planned=planned)
        found[name] = run.read_metrics()
    for ours, theirs in zip(found["packed"], found["off"]):
        assert 0 < ours["entropy"] < 6 and ours["entropy"] == pytest.approx(theirs["entropy"], rel=1e-4)
        assert 0 <= ours["accuracy"] <= 1 and ours["accuracy"] == pytest.approx(theirs["accuracy"])
    assert not {"accuracy", "entropy"} & set(found["none"][0])


# -- the order of examples -------------------------------------------------------------------------------------------


def _steps_seen(folder: Path, base: Path, rows: list[kit.Pair], words: Any, **more: Any) -> list[list[int]]:
    seen: list[list[int]] = []
    original = LossGuard.saw_batch

    def note(self: LossGuard, batch: list[int], num_labels: int) -> None:
        seen.append(batch)
        original(self, batch, num_labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LossGuard, "saw_batch", note)
        kit.train(kit.new_run(folder), base, rows, words, **more)
    return seen


@pytest.mark.parametrize("planned", [PACKED, {}])
def test_a_step_holds_the_examples_of_an_unpacked_run(tmp_path: Path, tiny_base: Path, planned: dict) -> None:
    """Against upstream's trainer as it comes, with passes of two rows that it adds up to a step."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from finetune.training import sft_config_words

    rows, words = kit.ragged_rows(10, 300), kit.settings(epochs=2.0, save_every=1000)
    config = sft_config_words(words, kit.plan(), len(rows), tmp_path / "plain")
    config |= {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "save_strategy": "no"}
    passes: list[list[int]] = []

    class Plain(SFTTrainer):
        def training_step(self, model: Any, inputs: Any, *more: Any, **words: Any) -> Any:
            passes.append(inputs.pop("rows").tolist())
            return super().training_step(model, inputs, *more, **words)

    def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
        width = max(len(e["input_ids"]) for e in examples)
        ids = torch.tensor([e["input_ids"] + [0] * (width - len(e["input_ids"])) for e in examples])
        labels = torch.tensor([e["labels"] + [-100] * (width - len(e["labels"])) for e in examples])
        return {
            "input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids),
            "rows": torch.tensor([e["row"] for e in examples]),
        }  # fmt: skip

    columns = {"input_ids": [ids for ids, _ in rows], "labels": [labels for _, labels in rows], "row": list(range(10))}
    model, tokenizer = kit.adapted(tiny_base)
    Plain(
        model=model, args=SFTConfig(**config), train_dataset=Dataset.from_dict(columns), data_collator=collate,
        processing_class=tokenizer,
    ).train()  # fmt: skip
    expected = [[*passes[k], *passes[k + 1]] if k + 1 < 5 else passes[k] for k in (0, 2, 4)]
    expected += [[*passes[k], *passes[k + 1]] if k + 1 < 10 else passes[k] for k in (5, 7, 9)]
    assert _steps_seen(tmp_path / "ours", tiny_base, rows, words, planned=planned) == expected


def test_by_group_keeps_the_rows_of_a_group_together(tmp_path: Path, tiny_base: Path) -> None:
    groups = ("a", "b", None, "a", "c", "b", None, "c", "a", "b")
    rows, words = kit.ragged_rows(10, 300), kit.settings(order="by_group", epochs=2.0, save_every=1000, batch_size=5)
    seen = _steps_seen(tmp_path / "run", tiny_base, rows, words, groups=groups, planned=PACKED)
    epochs = [seen[0] + seen[1], seen[2] + seen[3]]
    for order in epochs:
        assert sorted(order) == list(range(10))
        names = [groups[row] or row for row in order]
        assert sum(one != other for one, other in itertools.pairwise(names)) == 4  # 3 groups and 2 rows alone
    assert epochs[0] != epochs[1]
    assert seen == _steps_seen(tmp_path / "again", tiny_base, rows, words, groups=groups)  # however they are packed


def test_by_group_is_resumed_in_the_same_order(tmp_path: Path, tiny_base: Path) -> None:
    from finetune.errors import StoppedError

    groups = tuple("abc"[row % 3] for row in range(12))
    rows, words = shared_rows(12), kit.settings(order="by_group", epochs=2.0, save_every=100)
    whole, halted = kit.new_run(tmp_path / "whole"), kit.new_run(tmp_path / "halted")
    expected, _ = kit.train(whole, tiny_base, rows, words, groups=groups, planned=PACKED)
    with pytest.raises(StoppedError):
        kit.train(halted, tiny_base, rows, words, groups=groups, planned=PACKED, stop_after=4)
    model, _ = kit.train(halted, tiny_base, rows, words, groups=groups, planned=PACKED, resume=True)
    assert kit.adapter_hash(model) == kit.adapter_hash(expected)


def test_by_group_without_groups_is_refused(tmp_path: Path, tiny_base: Path) -> None:
    from finetune import recipe
    from finetune.errors import RecipeError

    with pytest.raises(RecipeError, match=r"train\.order.*data\.group_by"):
        kit.train(kit.new_run(tmp_path / "run"), tiny_base, kit.ragged_rows(4, 300), kit.settings(order="by_group"))
    path = kit.workspace(tmp_path / "work")
    with pytest.raises(RecipeError, match=r"train\.order.*data\.group_by"):
        recipe.load(path, ["train.order=by_group"])
    assert recipe.load(path, ["train.order=by_group", "data.group_by=question"]).recipe.train.order == "by_group"


# -- what cannot be packed -------------------------------------------------------------------------------------------


def test_a_sliding_window_is_refused_and_trained_unpacked() -> None:
    from finetune import hardware, models

    config = config_of("mistral")
    refusal = models.structure_of(config).packing_refusal
    assert refusal is not None and "16 tokens" in refusal
    plan = hardware.make_plan(hardware.machine(), 4, 64, ways=hardware.Ways(packing_refusal=refusal))
    assert plan.packing == "off" and refusal in plan.reasons["packing"]


def test_dropout_falls_back_to_plain_packing_and_says_so() -> None:
    from finetune import hardware

    for dropout, wanted in ((0.0, "prefix"), (0.1, "plain")):
        plan = hardware.make_plan(
            hardware.machine(), 4, 64, ways=hardware.Ways(dropout=dropout, saved_share=lambda pass_tokens: 0.5)
        )
        assert plan.packing == wanted
    assert "dropout" in plan.reasons["packing"]
    assert ComputePath.of(plan).packing == "plain"
