"""The proof after a save: what it records, and that each kind of damage is seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_models_adapters as kit
import torch

from finetune import models
from finetune.errors import IntegrityError

PROBE = kit.IDS[0]
FIX = ". Fix: go on with --resume, which saves it again from the last checkpoint"
OTHERWISE = ". Fix: start a new run with a smaller train.learning_rate, or another adapter.method or hardware.dtype"


@pytest.fixture
def saved(tiny_base: Path, tmp_path: Path) -> tuple[models.Witness, Path]:
    model = kit.taught(tiny_base)
    models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    return models.bear_witness(model, PROBE, [2]), tmp_path / "adapter"


def loading(base: Path) -> Callable[[], Any]:
    return lambda: kit.load_base(base)


def refusal(witness: models.Witness, folder: Path, load: Callable[[], Any]) -> str:
    with pytest.raises(IntegrityError) as caught:
        models.prove_adapter(witness, folder, load)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_facts_and_line(tiny_base: Path, saved: tuple[models.Witness, Path]) -> None:
    facts = models.prove_adapter(*saved, loading(tiny_base))
    assert facts["num_tensors"] == 28
    assert (facts["logit_difference"], facts["greedy_equal"], facts["dtype"]) == (0.0, True, "float32")
    assert facts["effect"] > 0.01
    assert 0 < facts["tolerance"] < 1e-3
    assert (facts["num_probe_tokens"], facts["num_answer_tokens"] <= 8) == (len(PROBE), True)
    line = models.proof_line(facts)
    assert line.startswith("adapter proved on a freshly loaded base: 28 tensors equal, logits differ by 0 at most, ")


def test_witness_leaves_the_model_as_it_was(tiny_base: Path) -> None:
    model = kit.taught(tiny_base).train()
    before = kit.base_hash(model)
    witness = models.bear_witness(model, PROBE * 20, [2])
    assert model.training
    assert kit.base_hash(model) == before
    assert len(witness.probe) == 64
    assert all(tensor.device.type == "cpu" for tensor in witness.tensors.values())


def test_the_base_is_loaded_once(tiny_base: Path, saved: tuple[models.Witness, Path]) -> None:
    loads = []
    models.prove_adapter(*saved, lambda: loads.append(1) or kit.load_base(tiny_base))
    assert len(loads) == 1


def test_another_tensor_is_seen_before_a_base_is_loaded(saved: tuple[models.Witness, Path]) -> None:
    def never() -> Any:
        raise AssertionError("no base is needed for this")

    kit.edit_weights(saved[1], lambda tensors: tensors[kit.FIRST_B][0].add_(1e-6))
    assert refusal(*saved, never) == (
        f"adapter: the saved adapter holds other tensors than were trained: 1 of 28, {kit.FIRST_B} first{FIX}"
    )
    kit.edit_weights(saved[1], lambda tensors: tensors.pop(kit.FIRST_A))
    assert "holds other tensors than were trained: 2 of 28" in refusal(*saved, never)


def test_empty(saved: tuple[models.Witness, Path], tiny_base: Path) -> None:
    witness, folder = saved
    empty = dataclasses.replace(witness, tensors={})
    assert refusal(empty, folder, loading(tiny_base)) == f"adapter: the saved adapter is empty{OTHERWISE}"


def test_another_base_gives_other_logits(saved: tuple[models.Witness, Path], tiny_base: Path) -> None:
    def load() -> Any:
        base = kit.load_base(tiny_base)
        with torch.no_grad():
            base.model.layers[0].mlp.up_proj.weight[0, 0] += 0.5
        return base

    assert "gives other logits than the trained model: they differ by " in refusal(*saved, load)


def test_another_scale_in_the_config_gives_other_logits(saved: tuple[models.Witness, Path], tiny_base: Path) -> None:
    """The tensors are right, and what is made of them is not."""
    kit.edit_config(saved[1], lora_alpha=9)
    assert "gives other logits than the trained model" in refusal(*saved, loading(tiny_base))


def test_another_answer(saved: tuple[models.Witness, Path], tiny_base: Path) -> None:
    witness = dataclasses.replace(saved[0], greedy=[7, 7, 7])
    assert refusal(witness, saved[1], loading(tiny_base)) == (
        f"adapter: the saved adapter gives another answer than the trained model{FIX}"
    )


def test_logits_that_are_no_numbers(saved: tuple[models.Witness, Path], tiny_base: Path) -> None:
    def load() -> Any:
        base = kit.load_base(tiny_base)
        with torch.no_grad():
            base.lm_head.weight[5] = float("nan")
        return base

    said = refusal(*saved, load)
    assert "gives numbers that are not finite" in said and said.endswith(OTHERWISE), "saved again, it is the same"


def test_changes_nothing(tiny_base: Path, tmp_path: Path) -> None:
    """B is not zero, so it was saved; but what it adds is lost in the rounding of the base's numbers."""
    model = kit.taught(tiny_base)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.fill_(1e-30)
    models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    witness = models.bear_witness(model, PROBE, [2])
    assert refusal(witness, tmp_path / "adapter", loading(tiny_base)) == (
        f"adapter: the saved adapter changes nothing: its logits are the base's own{OTHERWISE}"
    )


def test_half_precision(tiny_base: Path, tmp_path: Path) -> None:
    def load() -> Any:
        return models.load_base(models.find_base(str(tiny_base), None, tiny_base), "bfloat16")

    model = models.attach_adapter(load(), kit.settings("pissa"), seed=0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight[:, :4] += 0.1
    models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    facts = models.prove_adapter(models.bear_witness(model, PROBE, [2]), tmp_path / "adapter", load)
    assert (facts["dtype"], facts["logit_difference"]) == ("bfloat16", 0.0)
