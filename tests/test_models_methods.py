"""Where an adapter goes (layers, patterns, experts) and how it starts (PiSSA, OLoRA)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import families_kit
import pytest
import test_models_adapters as kit
import tiny
import torch

from finetune import models
from finetune.errors import IntegrityError, ModelError
from finetune.models import starts
from finetune.recipe.words import Adapter

PREFIX = "base_model.model.model.layers."


def attach(base: Path, **words: Any) -> Any:
    return models.attach_adapter(kit.load_base(base), Adapter(**{"r": 4, "alpha": 8.0, **words}), seed=0)


def carriers(model: Any) -> list[str]:
    """Full names of the modules with an adapter."""
    return sorted(
        name.split(".lora_A")[0].removeprefix(PREFIX) for name, _ in model.named_parameters() if ".lora_A" in name
    )


def refusal(base: Path, **words: Any) -> str:
    with pytest.raises(ModelError) as caught:
        attach(base, **words)
    with pytest.raises(ModelError) as early:  # before any weight is loaded, in the same words
        models.check_settings(
            models.structure_of(kit.load_base(base).config), Adapter(**{"r": 4, "alpha": 8.0, **words})
        )
    assert str(early.value) == str(caught.value)
    return str(caught.value)


def saved_and_back(model: Any, base: Path, folder: Path) -> Any:
    """The adapter's logits must survive the disk; gives the reloaded model."""
    with torch.no_grad():
        torch.manual_seed(1)
        for name, weight in model.named_parameters():
            if "lora_B" in name and not hasattr(weight, starts.STILL):
                weight.normal_(std=0.1)
            elif hasattr(weight, starts.STILL):
                half = weight[: len(weight) // 2] if "lora_A" in name else weight[:, : weight.shape[1] // 2]
                half.add_(torch.randn_like(half), alpha=0.05)
    expected = kit.logits(model.eval())
    models.save_adapter(model, folder, "tiny", None)
    bare = kit.load_base(base)
    before, bare_logits = kit.base_hash(bare), kit.logits(bare)
    loaded = models.load_adapter(bare, folder)
    assert kit.logits(loaded).equal(expected)
    assert not expected.equal(bare_logits)
    assert kit.base_hash(loaded) == before
    with loaded.disable_adapter():
        assert kit.logits(loaded).equal(bare_logits)
    return loaded


# -- layers and patterns -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_base(tmp_path_factory.mktemp("deep") / "base", num_hidden_layers=5)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (None, {0, 1, 2, 3, 4}),
        ((0, 3), {0, 3}),
        ({"first": 2}, {0, 1}),
        ({"last": 2}, {3, 4}),
        ({"first": 1, "last": 1}, {0, 4}),
        ({"first": 4, "last": 4}, {0, 1, 2, 3, 4}),
    ],
)
def test_layers(deep: Path, tmp_path: Path, layers: Any, expected: set[int]) -> None:
    model = attach(deep, layers=layers)
    names = carriers(model)
    assert {int(name.split(".")[0]) for name in names} == expected
    assert len(names) == 7 * len(expected)
    assert carriers(saved_and_back(model, deep, tmp_path / "adapter")) == names


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((4, 5), "the base has 5 layers (got [4, 5]). Fix: write numbers from 0 to 4"),
        ({"last": 6}, "the base has 5 layers (got {'last': 6}). Fix: count up to 5"),
    ],
)
def test_layers_beyond_the_base(deep: Path, layers: Any, message: str) -> None:
    assert refusal(deep, layers=layers) == f"adapter.layers: {message}"


def test_layers_without_the_named_module(deep: Path) -> None:
    assert refusal(deep, layers=(2,), target_modules=["layers.1.mlp.up_proj"]) == (
        "adapter.layers: no module of adapter.target_modules is in these layers (got [2]). Fix: choose other layers"
    )


def test_patterns(deep: Path, tmp_path: Path) -> None:
    patterns = {"rank_pattern": {"o_proj": 2, "layers.0.mlp.up_proj": 6}, "alpha_pattern": {"o_proj": 3.0}}
    model = attach(deep, **patterns)
    loaded = saved_and_back(model, deep, tmp_path / "adapter")
    for found in (model, loaded):
        layers = found.base_model.model.model.layers
        assert layers[3].self_attn.o_proj.r["default"] == 2
        assert layers[3].self_attn.o_proj.scaling["default"] == 1.5
        assert (layers[0].mlp.up_proj.r["default"], layers[1].mlp.up_proj.r["default"]) == (6, 4)
        assert layers[0].mlp.up_proj.scaling["default"] == pytest.approx(8 / 6)


def test_patterns_for_modules_without_adapter(deep: Path) -> None:
    assert refusal(
        deep, target_modules=["q_proj", "v_proj"], rank_pattern={"up_proj": 2}, alpha_pattern={"q": 3.0}
    ) == (
        "adapter.rank_pattern: no adapter is on a module of this name (got up_proj). Fix: choose from q_proj, v_proj\n"
        "adapter.alpha_pattern: no adapter is on a module of this name (got q). Fix: choose from q_proj, v_proj"
    )


def test_wrong_shape_under_a_pattern_is_refused_before_the_base_is_touched(deep: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    saved_and_back(attach(deep, rank_pattern={"o_proj": 2}), deep, folder)
    kit.edit_config(folder, rank_pattern={"o_proj": 3})
    assert kit.refused(deep, folder, ModelError) == (
        "adapter: does not fit this base: model.layers.0.self_attn.o_proj.lora_A.weight is [2, 32], needs [3, 32]. "
        "Fix: use the base it was trained on"
    )


# -- starts from the base ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_start_is_the_largest_part_and_changes_nothing(tiny_base: Path, method: Any) -> None:
    base = kit.load_base(tiny_base)
    expected, before = kit.logits(base), kit.base_hash(base)
    model = models.attach_adapter(base, Adapter(method=method, r=4, alpha=8.0), seed=0)
    assert kit.base_hash(model) == before
    assert (kit.logits(model.eval()) - expected).abs().max() < 1e-6
    with model.disable_adapter():
        assert kit.logits(model).equal(expected)
    up = model.base_model.model.model.layers[1].mlp.up_proj
    weight, a, b = up.base_layer.weight, up.lora_A["default"].weight, up.lora_B["default"].weight
    start = up.scaling["default"] * b[:, :4] @ a[:4]
    if method == "pissa":
        sizes = torch.linalg.svdvals(weight)
        assert torch.allclose(torch.linalg.svdvals(start)[:4], sizes[:4], atol=1e-5)
        assert torch.linalg.svdvals(weight - start)[0].item() == pytest.approx(sizes[4].item(), abs=1e-5)
    else:
        assert torch.allclose(b[:, :4].T @ b[:, :4], torch.eye(4), atol=1e-5)
        assert torch.allclose(weight[:, :4], b[:, :4] @ a[:4][:, :4], atol=1e-5)  # R is a triangle


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_counts_are_those_of_the_trained_halves(tiny_base: Path, method: Any) -> None:
    plain, started = (models.trainable_facts(attach(tiny_base, method=kind)) for kind in ("lora", method))
    assert started == plain


def test_still_halves_get_no_gradient_even_where_it_overflows(tiny_base: Path) -> None:
    model = attach(tiny_base, method="pissa")
    kit_ids = torch.tensor(kit.IDS)
    (model(input_ids=kit_ids).logits.square().mean() * float("inf")).backward()
    for name, p in model.named_parameters():
        if p.requires_grad:
            still = p.grad[4:] if "lora_A" in name else p.grad[:, 4:]
            assert not still.any(), name


def test_large_matrices_start_by_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    left, right = torch.linalg.qr(torch.randn(90, 40))[0], torch.linalg.qr(torch.randn(60, 40))[0]
    weight = left @ torch.diag(torch.linspace(8, 0.1, 40)) @ right.T
    exact = starts._largest_singular(weight, 4, 2.0)
    monkeypatch.setattr(starts, "_WHOLE_SVD_SIDE", 10)
    found = starts._largest_singular(weight, 4, 2.0)
    assert [part.shape for part in found] == [part.shape for part in exact]
    assert torch.allclose(found[1] @ found[0], exact[1] @ exact[0], atol=1e-3)


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_rank_beyond_a_matrix(tiny_base: Path, method: Any) -> None:
    with pytest.raises(ModelError) as caught:
        attach(tiny_base, method=method, r=17)
    assert str(caught.value) == (
        "adapter.r: model.layers.0.self_attn.k_proj is a matrix of 16 x 32, and has no more to start from; 4 matrices "
        "are too small (got 17). Fix: write r: 16 or less, or method: lora"
    )


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_saved_as_plain_lora_of_twice_the_rank(tiny_base: Path, tmp_path: Path, method: Any) -> None:
    model = attach(tiny_base, method=method, rank_pattern={"o_proj": 2}, alpha_pattern={"o_proj": 6.0})
    saved_and_back(model, tiny_base, tmp_path / "adapter")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["init_lora_weights"]) == (8, 16.0, True)
    assert (config["rank_pattern"], config["alpha_pattern"]) == ({"o_proj": 4}, {"o_proj": 12.0})


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_untrained_start_is_not_saved(tiny_base: Path, tmp_path: Path, method: Any) -> None:
    with pytest.raises(IntegrityError) as caught:
        models.save_adapter(attach(tiny_base, method=method), tmp_path / "adapter", "tiny", None)
    assert str(caught.value) == "the adapter changes nothing: every matrix is as it was at the start; it is not saved"
    assert not (tmp_path / "adapter").exists()


def test_start_of_a_base_in_half_precision(tmp_path: Path, tiny_base: Path) -> None:
    base = models.load_base(models.find_base(str(tiny_base), None, tiny_base), "bfloat16")
    expected = kit.logits(base)
    model = models.attach_adapter(base, Adapter(method="pissa", r=4, alpha=8.0), seed=0).eval()
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)
    # The two halves cancel out in float32, so half precision sees nothing of them.
    assert (kit.logits(model) - expected).abs().max() <= 0.02


# -- experts -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


@pytest.mark.parametrize("family", ["qwen3_moe", "mixtral", "gpt_oss", "ernie4_5_moe"])
def test_experts_survive_the_disk(families: Path, tmp_path: Path, family: str) -> None:
    base = families_kit.folder_of(family, families)
    model = attach(base, target_modules="experts", layers=(1,), rank_pattern={"down_proj": 2})
    names = carriers(model)
    assert {name.split(".")[0] for name in names} == {"1"}
    assert {"1.mlp.experts", "1.mlp.experts.base_layer"} <= set(names)
    wrapped = {
        module.parameter_name: module.r["default"]
        for module in model.modules()
        if hasattr(module, "num_experts") and hasattr(module, "parameter_name")
    }
    assert wrapped == {"gate_up_proj": 4, "down_proj": 2}
    assert carriers(saved_and_back(model, base, tmp_path / "adapter")) == names


@pytest.mark.parametrize("family", ["qwen3_moe", "gpt_oss"])
def test_auto_leaves_experts_and_routers_alone(families: Path, family: str) -> None:
    model = attach(families_kit.folder_of(family, families))
    assert {name.split(".")[1] for name in carriers(model)} == {"self_attn"}


def test_what_stacked_experts_cannot_have(families: Path) -> None:
    base = families_kit.folder_of("qwen3_moe", families)
    other = ", or target_modules: attention"
    assert refusal(base, target_modules="experts", dropout=0.1, method="dora") == (
        "adapter.dropout: the experts are stacked in one parameter: an adapter on it cannot drop inputs (got 0.1). "
        f"Fix: write dropout: 0{other}\n"
        "adapter.method: the experts are stacked in one parameter: it has no columns whose sizes DoRA could learn "
        f"(got dora). Fix: write method: lora{other}"
    )
    assert refusal(base, target_modules="experts", method="pissa") == (
        "adapter.method: the experts are stacked in one parameter: there is no single matrix to start from "
        f"(got pissa). Fix: write method: lora{other}"
    )
    attach(base, method="pissa", dropout=0.1)  # attention alone takes them


def test_expert_adapter_of_another_mixture(families: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    base = families_kit.folder_of("qwen3_moe", families)
    saved_and_back(attach(base, target_modules="experts"), base, folder)
    kit.edit_config(folder, target_parameters=["mlp.experts.down_proj"])
    message = kit.refused(base, folder, ModelError)
    assert "does not fit this base" in message
