"""The proof at the start of a training: it passes, leaves no trace, and catches what is broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import training_kit as kit
from packing_kit import BRANCHES, PACKED, PREFIX, adapted, restarting, shared_rows, without_borders

from finetune.packing import Pack
from finetune.training.proof import Proof, alternatives, probe_rows, prove_path
from finetune.training.steps import ComputePath


def _state(model: Any) -> dict[str, Any]:
    tensors = {name: p.detach().clone() for name, p in model.named_parameters()}
    modes = [module.training for module in model.modules()]
    return {"tensors": tensors, "modes": modes, "draw": torch.get_rng_state()}


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma", "mixture"])
def test_the_proof_passes_and_leaves_no_trace(name: str) -> None:
    model, rows = adapted(name), shared_rows(6)
    rows = [([3 + k % 90 for k in ids], [k if k == -100 else 3 + k % 90 for k in labels]) for ids, labels in rows]
    with torch.no_grad():
        for word, p in model.named_parameters():
            if "lora_B" in word:
                p.zero_()
    before = _state(model)
    proof = prove_path(model, rows, PREFIX, device=torch.device("cpu"), dtype="float32")
    after = _state(model)
    assert proof.path == PREFIX and proof.fallbacks == {} and proof.rows == 5
    assert proof.loss_difference is not None and 0 <= proof.loss_difference < 1e-5
    assert proof.gradient_difference is not None and 0 < proof.gradient_difference < 1e-3
    assert after["modes"] == before["modes"] and torch.equal(after["draw"], before["draw"])
    assert all(torch.equal(tensor, after["tensors"][word]) for word, tensor in before["tensors"].items())
    assert all(p.grad is None for p in model.parameters())


def test_the_rows_of_a_proof() -> None:
    rows = [([9] * 300, [-100] * 300), *shared_rows(5)]
    chosen = probe_rows(rows)
    assert len(chosen) == 5 and all(len(ids) <= 48 for ids, _ in chosen)
    assert all((labels[1:] != -100).any() for _, labels in chosen)
    assert all(((labels == -100) | (labels == ids)).all() for ids, labels in chosen)
    first, piece = chosen[0][0], chosen[3][0]
    assert len(piece) <= len(first) and (first[: len(piece)] == piece).all()
    assert probe_rows(rows[:1]) == []
    assert 9 not in [token for ids, _ in probe_rows([([9, 9, 5, 6], [-100, -100, 5, 6])], 9) for token in ids]


def _break(monkeypatch: pytest.MonkeyPatch, kind: str, broken: Any) -> None:
    from finetune.models import tree_attention

    whole = tree_attention.pack_inputs

    def pack_inputs(pack: Pack, wanted: str, *more: Any) -> dict[str, Any]:
        return whole(broken(pack) if wanted == kind else pack, wanted, *more)

    monkeypatch.setattr(tree_attention, "pack_inputs", pack_inputs)


def _failing(pack: Pack) -> Pack:
    raise RuntimeError("no such kernel on this machine\nand more")


@pytest.mark.parametrize("broken", [without_borders, restarting, _failing])
def test_the_proof_catches_a_broken_attention(tmp_path: Path, tiny_base: Path, broken: Any) -> None:
    rows, words, proofs = shared_rows(8), kit.settings(), []
    expected, _ = kit.train(kit.new_run(tmp_path / "off"), tiny_base, rows, words)
    with pytest.MonkeyPatch.context() as patch:
        _break(patch, "segmented", broken)
        model, result = kit.train(kit.new_run(tmp_path / "run"), tiny_base, rows, words, planned=PACKED)
    assert (result.path["packing"], result.path["attention"], result.path["lean"]) == ("prefix", "mask", True)
    (line,) = Proof(PREFIX, fallbacks=result.path["fallbacks"]).lines()
    assert line.startswith("packed attention: mask instead of segmented - ")
    assert ("no such kernel" in line) == (broken is _failing) and "\n" not in line
    for ours, theirs in zip(model.parameters(), expected.parameters()):
        assert torch.allclose(ours, theirs, rtol=0, atol=2e-4)
    assert proofs == []


def test_the_proof_ends_at_padded_rows_when_no_pack_is_right(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("segmented", "mask"):
        _break(monkeypatch, kind, without_borders)
    _, result = kit.train(kit.new_run(tmp_path / "run"), tiny_base, shared_rows(8), planned=PACKED)
    assert (result.path["packing"], result.path["attention"], result.path["lean"]) == ("off", "own", True)
    assert list(result.path["fallbacks"]) == ["packing: off instead of prefix"]


def test_what_is_tried_instead_costs_least_first() -> None:
    found = alternatives(PREFIX)
    assert found[0] == replace(PREFIX, lean=False)
    assert found.index(ComputePath("prefix", "mask", True)) < found.index(ComputePath("off", "own", True))
    assert found[-1] == ComputePath("off", "own", False, "own") and PREFIX not in found
    assert len(set(found)) == len(found)


def test_nothing_is_proved_where_nothing_is_trained_or_the_base_is_broken() -> None:
    model = adapted("llama")
    on = {"device": torch.device("cpu"), "dtype": "float32"}
    assert prove_path(model, [([5, 6, 7], [-100] * 3)], PREFIX, **on) == Proof(PREFIX)
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(float("nan"))
    assert prove_path(model, BRANCHES, PREFIX, **on) == Proof(PREFIX)
