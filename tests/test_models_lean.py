"""Lean layers: the same numbers as peft's, and groups that share an input are safe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lean_kit import (
    IDS,
    NAMES,
    OUTPUTS,
    adapted,
    agree,
    attention,
    counted_products,
    far,
    kept_own,
    run,
    states_and_gradients,
)

from finetune.models.lean import lean

# -- the same numbers --------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_layers_of_any_size_agree_with_peft(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    wide = data.draw(st.integers(1, 17))
    shapes = [(wide, data.draw(st.integers(1, 23))) for _ in range(count)]
    biases = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    pattern = {name: data.draw(st.integers(1, 9)) for name in data.draw(st.sets(st.sampled_from(NAMES[:count])))}
    alphas = {name: data.draw(st.integers(1, 40)) for name in data.draw(st.sets(st.sampled_from(NAMES[:count])))}
    words = {"rank_pattern": pattern, "alpha_pattern": alphas, "use_rslora": data.draw(st.booleans())}
    model = attention(shapes, biases, **words, target_modules=list(NAMES[:count]))
    x = torch.randn(data.draw(st.sampled_from([(1, 1), (7,), (2, 5), (0,), (1, 2, 3)])) + (wide,))
    wanted = run(model, *[x] * count)
    with lean(model) as facts:
        found = run(model, *[x] * count)
    assert (facts.num_modules, facts.num_groups) == (count, int(count > 1))
    agree(found, wanted)


FAMILIES = {
    # family -> groups, norms and gated MLPs of its two layers
    "llama3_2": (4, 5, 2),
    "qwen2_5": (4, 5, 2),
    "qwen3": (4, 9, 2),
    "gemma2": (4, 9, 2),
    "gemma3": (4, 13, 2),
    "phi3": (0, 5, 0),
    "phi": (2, 0, 0),
    "internlm3": (4, 5, 2),
    "glm4": (2, 9, 0),
    "granite": (4, 5, 2),
    "smollm3": (4, 5, 2),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_families_agree_with_peft(family_folder: Callable[[str], Path], family: str) -> None:
    model = adapted(family_folder(family))
    wanted = states_and_gradients(model)
    with lean(model) as facts:
        found = states_and_gradients(model)
    agree(found, wanted)
    assert (facts.num_groups, facts.num_norms, facts.num_mlps) == FAMILIES[family]
    assert not facts.fallbacks


@pytest.mark.parametrize("family", ["qwen3_moe", "mixtral", "gpt_oss", "ernie4_5_moe"])
@pytest.mark.parametrize("targets", ["attention", "experts"])
def test_mixtures_agree_with_peft(family_folder: Callable[[str], Path], family: str, targets: str) -> None:
    model = adapted(family_folder(family), target_modules=targets)
    wanted = states_and_gradients(model)
    with lean(model) as facts:
        found = states_and_gradients(model)
    agree(found, wanted)
    assert facts.num_groups >= 2
    reasons = {"adapter on stacked experts"} if targets == "experts" else set()
    assert {r for r in facts.fallbacks if "experts" in r} == reasons


@pytest.mark.parametrize(
    "words",
    [
        {"method": "pissa"},
        {"method": "olora"},
        {"method": "rslora"},
        {"rank_pattern": {"q_proj": 2, "down_proj": 7}, "alpha_pattern": {"up_proj": 3}},
        {"layers": (1,)},
        {"target_modules": ["q_proj", "v_proj"]},
        {"target_modules": ["k_proj", "gate_proj", "down_proj"]},
        {"target_modules": ["up_proj"]},
    ],
    ids=str,
)
def test_every_kind_of_adapter_agrees_with_peft(family_folder: Callable[[str], Path], words: dict[str, Any]) -> None:
    model = adapted(family_folder("qwen2_5"), **words)
    wanted = states_and_gradients(model)
    with lean(model) as facts:
        found = states_and_gradients(model)
    agree(found, wanted)
    assert not facts.fallbacks
    if words.get("method") in ("pissa", "olora"):
        for name, gradient in found[1].items():
            if "lora_A" in name:
                assert not gradient[4:].any(), name  # the half that stands still
                assert gradient[:4].any(), name


def test_a_step_of_several_passes_gives_the_sum_of_their_gradients(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("qwen3"))

    def two_passes() -> dict[str, Any]:
        model.zero_grad(set_to_none=True)
        for ids in (IDS, IDS[:, :5] + 1):
            model(input_ids=ids, use_cache=False).logits.square().mean().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    wanted = two_passes()
    with lean(model):
        found = two_passes()
    agree((IDS, found), (IDS, wanted))


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_layers_agree_with_peft(family_folder: Callable[[str], Path], reentrant: bool) -> None:
    model = adapted(family_folder("qwen3"))
    wanted = states_and_gradients(model)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    with lean(model):
        found = states_and_gradients(model)
    agree(found, wanted)


@pytest.mark.parametrize("rounding", ["weights", "weights, float32 adapter", "autocast"])
@pytest.mark.parametrize("family", ["qwen2_5", "gemma3"])
def test_bfloat16_is_as_near_to_the_truth_as_peft(
    family_folder: Callable[[str], Path], family: str, rounding: str
) -> None:
    model = adapted(family_folder(family))
    truth = states_and_gradients(model)
    if rounding != "autocast":
        for name, weight in model.named_parameters():
            if "lora_" not in name or rounding == "weights":
                weight.data = weight.data.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=rounding == "autocast"):
        theirs = states_and_gradients(model)
        with lean(model) as facts:
            ours = states_and_gradients(model)
    assert facts.num_mlps == 2 and facts.num_norms
    assert ours[0].dtype == theirs[0].dtype
    assert far(ours[0], truth[0]) <= 1.3 * far(theirs[0], truth[0])

    def joined(result: tuple[Any, dict[str, Any]]) -> Any:
        assert {n: g.dtype for n, g in result[1].items()} == {n: g.dtype for n, g in theirs[1].items()}
        return torch.cat([result[1][name].double().reshape(-1) for name in sorted(truth[1])])

    exact = torch.cat([truth[1][name].double().reshape(-1) for name in sorted(truth[1])])
    assert far(joined(ours), exact) <= 1.3 * far(joined(theirs), exact)


# -- dropout -----------------------------------------------------------------------------------------------------


def test_dropout_draws_what_peft_draws(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("qwen3"), dropout=0.3)
    wanted = states_and_gradients(model)
    after = torch.rand(1)
    with lean(model):
        found = states_and_gradients(model)
        assert torch.rand(1).equal(after)
        assert far(model(input_ids=IDS, use_cache=False).logits, wanted[0]) > 1e-3  # other numbers, another result
    agree(found, wanted)
    model.eval()
    wanted = states_and_gradients(model)
    with lean(model):
        agree(states_and_gradients(model), wanted)


def test_each_layer_of_a_group_drops_inputs_of_its_own() -> None:
    model = attention([(400, 1), (400, 1)], lora_dropout=0.4, r=1, target_modules=list(NAMES[:2]))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(float("lora_" in name))
    with lean(model):
        _, gradients = run(model, *[torch.ones(1, 400)] * 2)
    masks = [gradients[name].reshape(-1) for name in gradients if "lora_A" in name]
    for mask in masks:
        assert mask.unique().tolist() == [0.0, float(mask.max())]
        assert 0.5 < float((mask > 0).float().mean()) < 0.7
    assert not masks[0].sign().equal(masks[1].sign())


# -- groups are safe ---------------------------------------------------------------------------------------------


def test_other_tensors_and_another_order_are_right() -> None:
    model = attention([(8, 5), (8, 6), (8, 7)])
    x, y = torch.randn(4, 8), torch.randn(4, 8)
    for inputs in ([x, y, x], [x, x, y], [x, x.clone(), y]):
        wanted = run(model, *inputs)
        with lean(model) as facts:
            assert facts.num_groups == 1
            agree(run(model, *inputs), wanted)
    layers = [getattr(model[0], name) for name in NAMES]
    with torch.no_grad():
        wanted_outputs = [layer(x) for layer in layers]
        with lean(model):
            for order in ((2, 0, 1), (1, 1, 0), (2, 2, 2)):
                for k in order:
                    assert far(layers[k](x), wanted_outputs[k]) <= OUTPUTS


def test_what_changed_since_is_computed_anew() -> None:
    model = attention([(8, 5), (8, 6), (8, 7)])
    layers = [getattr(model[0], name) for name in NAMES]
    x = torch.randn(4, 8)
    with torch.no_grad(), lean(model):
        layers[0](x)
        x.mul_(2)  # in place: the same object with other numbers
        with kept_own(layers[1]):
            wanted = layers[1](x)
        assert far(layers[1](x), wanted) <= OUTPUTS
        layers[0](x + 0)
        layers[0](x)
        layers[2].lora_B["default"].weight.mul_(3)
        with kept_own(layers[2]):
            wanted = layers[2](x)
        assert far(layers[2](x), wanted) <= OUTPUTS
    with lean(model):
        with torch.no_grad():
            layers[0](x)
        layers[1].lora_A["default"].weight.requires_grad_()
        assert layers[1](x).requires_grad  # not the one that was computed without gradients


def test_one_function_computes_layers_that_share_an_input(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("llama3_2"))
    with lean(model, mlps=False), counted_products() as sizes:
        model(input_ids=IDS, use_cache=False)
    assert sizes == [3, 1, 2, 1] * 2
    with lean(model), counted_products() as sizes:
        model(input_ids=IDS, use_cache=False)
    assert sizes == [3, 1, 3] * 2


def test_finding_groups_leaves_random_numbers_and_modes_alone(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("llama3_2"), dropout=0.1)
    model.base_model.model.model.layers[0].eval()
    modes = [module.training for module in model.modules()]
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    with lean(model):
        assert torch.rand(3).equal(wanted)
        assert [module.training for module in model.modules()] == modes


# -- without adapter, without gradients --------------------------------------------------------------------------


def test_without_the_adapter_the_base_is_bit_for_bit_itself(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("gemma3"))
    with model.disable_adapter():
        wanted = states_and_gradients(model)
    with lean(model), model.disable_adapter():
        found = states_and_gradients(model)
    assert found[0].equal(wanted[0])
    assert found[1]["inputs"].equal(wanted[1]["inputs"])


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_evaluation_agrees_with_peft(family_folder: Callable[[str], Path], guard: Any) -> None:
    model = adapted(family_folder("qwen3")).eval()
    with guard():
        wanted = model(input_ids=IDS).logits
        with lean(model):
            assert far(model(input_ids=IDS).logits, wanted) <= OUTPUTS
            answer = model.generate(input_ids=IDS, max_new_tokens=3, do_sample=False)
        assert answer.equal(model.generate(input_ids=IDS, max_new_tokens=3, do_sample=False))
