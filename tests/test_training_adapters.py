"""Every kind of adapter trains, and an interrupted training ends as the uninterrupted one does, bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import training_kit as kit

from finetune import models
from finetune.errors import StoppedError
from finetune.training import checkpoints as ck
from finetune.training.translate import optimizer_groups

NEW = ["<finding>", "<advice>"]
KINDS: dict[str, dict[str, Any]] = {
    "rslora": {"method": "rslora"},
    "dora": {"method": "dora"},
    "pissa": {"method": "pissa"},
    "olora": {"method": "olora"},
    "loraplus": {"learning_rate_ratio": 8.0},
    "pissa with loraplus": {"method": "pissa", "learning_rate_ratio": 4.0, "rank_pattern": {"down_proj": 2}},
    "dora with loraplus": {"method": "dora", "learning_rate_ratio": 4.0},
    "last layer": {"layers": {"last": 1}, "rank_pattern": {"o_proj": 8}, "alpha_pattern": {"o_proj": 4.0}},
    "new tokens": {"new_tokens": NEW},
}


def rows_of(num: int) -> list[kit.Pair]:
    """Rows of the tiny base's tokens and, in every third place or so, of two new ones (ids 304 and 305)."""
    return kit.ragged_rows(num, 306)


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_equals_uninterrupted(tmp_path: Path, tiny_base: Path, kind: str) -> None:
    adapter = KINDS[kind]
    rows = rows_of(12) if "new_tokens" in adapter else kit.ragged_rows(12, 304)
    words = kit.settings(save_every=100, schedule="cosine", warmup=0.2)
    whole, halted = kit.new_run(tmp_path / "whole"), kit.new_run(tmp_path / "halted")
    expected_model, expected = kit.train(whole, tiny_base, rows, words, dropout=0.1, adapter=adapter)
    with pytest.raises(StoppedError):
        kit.train(halted, tiny_base, rows, words, dropout=0.1, adapter=adapter, stop_after=2)
    model, result = kit.train(halted, tiny_base, rows, words, dropout=0.1, adapter=adapter, resume=True)
    assert kit.adapter_hash(model) == kit.adapter_hash(expected_model)
    assert result.final_loss == expected.final_loss
    assert halted.read_metrics() == whole.read_metrics()
    fresh, _ = kit.adapted(tiny_base, 0.1, **adapter)
    assert kit.adapter_hash(fresh) != kit.adapter_hash(model)


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_checkpoint_is_a_plain_adapter_of_the_unchanged_base(tmp_path: Path, tiny_base: Path, method: str) -> None:
    run = kit.new_run(tmp_path / "run")
    model, _ = kit.train(run, tiny_base, kit.ragged_rows(8, 304), adapter={"method": method})
    folder = ck.checkpoints(run.checkpoints_dir)[0].path
    bare = models.load_base(models.find_base(str(tiny_base), None, tiny_base), "float32")
    ids = torch.tensor([[5, 9, 270, 8]])
    with torch.no_grad():
        expected = model.eval()(input_ids=ids).logits
        assert models.load_adapter(bare, folder)(input_ids=ids).logits.equal(expected)


def test_checkpoint_holds_new_rows_and_no_whole_embedding(tmp_path: Path, tiny_base: Path) -> None:
    from safetensors.torch import load_file

    run = kit.new_run(tmp_path / "run")
    kit.train(run, tiny_base, rows_of(8), adapter={"new_tokens": NEW})
    tensors = load_file(ck.checkpoints(run.checkpoints_dir)[0].path / "adapter_model.safetensors")
    others = {name: tuple(tensor.shape) for name, tensor in tensors.items() if "lora_" not in name}
    assert others == {
        f"base_model.model.{name}.token_adapter.trainable_tokens_delta": (2, 32)
        for name in ("model.embed_tokens", "lm_head")
    }


@pytest.mark.parametrize("tied", [False, True])
def test_new_rows_learn_from_reading_and_from_writing(tmp_path: Path, tied: bool) -> None:
    """The trainer's fused loss against a loop written by hand: the same losses, so the same gradients of the rows."""
    import tiny

    base = tiny.save_base(tmp_path / "base", tie_word_embeddings=tied)
    rows = rows_of(4)
    adapter: dict[str, Any] = {"new_tokens": NEW}
    run = kit.new_run(tmp_path / "run")
    trained, _ = kit.train(run, base, rows, kit.settings(schedule="constant", epochs=3.0), adapter=adapter)
    model, _ = kit.adapted(base, **adapter)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=5e-3, weight_decay=0.0)
    expected = []
    for _ in range(3):
        nats = torch.zeros(())
        for ids, labels in rows:
            logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
            nats = nats + torch.nn.functional.cross_entropy(logits, torch.tensor(labels[1:]), reduction="sum")
        loss = nats / sum(label != -100 for _, labels in rows for label in labels[1:])
        expected.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert _losses(run) == pytest.approx(expected, abs=1e-5)
    found, wanted = ({n: p for n, p in m.named_parameters() if "trainable_tokens" in n} for m in (trained, model))
    assert len(found) == (1 if tied else 2)
    for name, row in found.items():
        assert torch.allclose(row, wanted[name], atol=1e-4), name


def _losses(run: Any) -> list[float]:
    return [entry["loss"] for entry in run.read_metrics()]


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_same_losses_as_peft_that_changes_the_base(tmp_path: Path, tiny_base: Path, method: Any) -> None:
    """The kit's algebra on the unchanged base, against the papers' own: base minus start, adapter from the start."""
    from peft import LoraConfig, get_peft_model

    rows = kit.ragged_rows(24, 304)
    run = kit.new_run(tmp_path / "kit")
    kit.train(run, tiny_base, rows, adapter={"method": method})

    base = models.load_base(models.find_base(str(tiny_base), None, tiny_base), "float32")
    _, tokenizer = kit.adapted(tiny_base)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    theirs = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, init_lora_weights=method, target_modules=targets))
    other = kit.new_run(tmp_path / "peft")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kit, "adapted", lambda *_, **__: (theirs, tokenizer))
        kit.train(other, tiny_base, rows)
    assert len(_losses(run)) == 6
    assert _losses(run) == pytest.approx(_losses(other), abs=1e-5)
    plain = kit.new_run(tmp_path / "plain")
    kit.train(plain, tiny_base, rows)
    assert abs(_losses(plain)[-1] - _losses(run)[-1]) > 1e-4  # so that being equal says something


# -- LoRA+ -----------------------------------------------------------------------------------------------------------


def test_groups_of_loraplus(tiny_base: Path) -> None:
    model, _ = kit.adapted(tiny_base, method="dora", new_tokens=NEW)
    slow, fast = optimizer_groups(model, 1e-3, 8.0)
    names = {id(p): name for name, p in model.named_parameters()}
    assert (slow["lr"], fast["lr"]) == (1e-3, 8e-3)
    assert all("lora_B" in names[id(p)] for p in fast["params"])
    assert {names[id(p)].split(".")[-3 if "lora_A" in names[id(p)] else -2] for p in slow["params"]} >= {"lora_A"}
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    assert {id(p) for p in [*slow["params"], *fast["params"]]} == trained
    assert len(slow["params"]) + len(fast["params"]) == len(trained)


def test_loraplus_moves_b_by_the_ratio_in_the_first_step(tmp_path: Path, tiny_base: Path) -> None:
    """Adam's first step is the learning rate times the sign, whatever the gradient: the ratio can be read off."""

    def first_step(ratio: float) -> dict[str, float]:
        run = kit.new_run(tmp_path / str(ratio))
        words = kit.settings(learning_rate=1e-3, schedule="constant")
        model, _ = kit.train(run, tiny_base, kit.ragged_rows(4, 304), words, adapter={"learning_rate_ratio": ratio})
        return {name: p.abs().max().item() for name, p in model.named_parameters() if "lora_B" in name}

    plain, plus = first_step(1.0), first_step(8.0)
    for name, moved in plain.items():
        assert moved == pytest.approx(1e-3, rel=1e-2)
        assert plus[name] == pytest.approx(8e-3, rel=1e-2)


def test_loraplus_rates_follow_the_schedule(tmp_path: Path, tiny_base: Path) -> None:
    from transformers import TrainerCallback

    from finetune.training import trainer as room

    seen: list[list[float]] = []
    run = kit.new_run(tmp_path / "run")
    built = room.build_trainer

    def watched(*arguments: Any) -> Any:
        trainer = built(*arguments)

        class Rates(TrainerCallback):
            def on_step_begin(self, *_: Any, optimizer: Any, **__: Any) -> None:
                seen.append([group["lr"] for group in optimizer.param_groups])

        trainer.add_callback(Rates())
        return trainer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "build_trainer", watched)
        kit.train(
            run,
            tiny_base,
            kit.ragged_rows(16, 304),
            kit.settings(schedule="linear"),
            adapter={"learning_rate_ratio": 4.0},
        )
    assert len(seen) == 4
    assert all(fast == pytest.approx(4 * slow) for slow, fast in seen)
    assert [slow for slow, _ in seen] == pytest.approx([5e-3, 3.75e-3, 2.5e-3, 1.25e-3])


def test_no_wrapper_of_mixed_precision_is_left_on_the_model(tmp_path: Path, tiny_base: Path) -> None:
    import dataclasses

    run = kit.new_run(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        plan = dataclasses.replace(kit.plan(), dtype="bfloat16")
        patch.setattr(kit, "plan", lambda *_: plan)
        model, _ = kit.train(run, tiny_base, kit.ragged_rows(4, 304))
    assert "forward" not in model.__dict__ and "_original_forward" not in model.__dict__
