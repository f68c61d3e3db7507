"""Packs through real small models: logits and gradients are those of the rows one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from attention_kit import KINDS_OF_MODELS, SMALL, TRIE, Rows, alone, build, distance, packed, packs_of, tries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.errors import ModelError
from finetune.models import segmented
from finetune.models.native import register
from finetune.models.segmented import plan_of
from finetune.models.structure import structure_of
from finetune.models.tree_attention import KINDS, best_kind, own_dropout, pack_inputs, packed_attention


@pytest.fixture(scope="module")
def model_of() -> Callable[[str], Any]:
    """Model type -> one small random model of it, in float32 and eval mode. Left as it was found."""
    made: dict[str, Any] = {}

    def of(kind: str) -> Any:
        if kind not in made:
            made[kind] = build(kind, **KINDS_OF_MODELS[kind])
        return made[kind]

    return of


@pytest.fixture
def small_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Calls that cost next to nothing: the plan then cuts a small pack up as it would a large one."""
    monkeypatch.setattr(segmented, "_CALL_US", 0.01)
    monkeypatch.setattr(segmented, "_MERGE_KEYS", 0)
    plan_of.cache_clear()
    yield
    plan_of.cache_clear()


# -- equality ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model_type", KINDS_OF_MODELS)
@pytest.mark.usefixtures("small_calls")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tries(), pass_tokens=st.sampled_from([None, 24]))
def test_packs_give_the_logits_and_gradients_of_the_rows(
    model_type: str, model_of: Callable[[str], Any], rows: Rows, pass_tokens: int | None
) -> None:
    model = model_of(model_type)
    assert structure_of(model.config).packing_refusal is None
    expected = alone(model, rows)
    packs = packs_of(rows, pass_tokens=pass_tokens)
    for kind in ("segmented", "mask"):
        logits, grads = distance(expected, packed(model, packs, kind))
        assert logits < 1e-5, kind
        assert grads < 1e-4, kind


@pytest.mark.usefixtures("small_calls")
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tries())
def test_rows_side_by_side_need_no_trie(model_of: Callable[[str], Any], rows: Rows) -> None:
    """The plumbing of "varlen"; its kernel needs a GPU, so here the rows go through the CPU's."""
    model = model_of("qwen3")
    expected = alone(model, rows)
    for kind in ("segmented", "mask", "varlen"):
        logits, grads = distance(expected, packed(model, packs_of(rows, share=False), kind))
        assert logits < 1e-5, kind
        assert grads < 1e-4, kind


def test_every_family_takes_packs(family_folder: Callable[[str], Path]) -> None:
    """Each kind of model that structure.packing_refusal lets through, with the sizes its own config has."""
    import families_kit
    from transformers import AutoConfig

    from finetune.models.anatomy import auto_class_of

    register()
    taken = []
    for name in families_kit.FAMILIES:
        config = AutoConfig.from_pretrained(family_folder(name))
        if structure_of(config).packing_refusal is not None:
            continue
        model = auto_class_of(config).from_pretrained(family_folder(name), dtype=torch.float32).eval()
        expected = alone(model, TRIE)
        for kind in ("segmented", "mask", "varlen"):
            logits, grads = distance(expected, packed(model, packs_of(TRIE, share=kind != "varlen"), kind))
            assert logits < 1e-4 and grads < 1e-4, (name, kind, logits, grads)
        taken.append(name)
    assert len(taken) > 15


@pytest.mark.parametrize("name", ["gemma2", "mistral"])
def test_a_sliding_window_is_refused(name: str, family_folder: Callable[[str], Path]) -> None:
    """And rightly: with the window counted over the packed row, the numbers are others."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(family_folder(name))
    config.sliding_window = 8
    refusal = structure_of(config).packing_refusal
    assert refusal is not None and "8 tokens" in refusal
    if name == "mistral":
        model = build("mistral", sliding_window=6, num_key_value_heads=2)
        rows = [[*range(3, 20), 40], [*range(3, 20), 41, 42]]
        assert distance(alone(model, rows), packed(model, packs_of(rows), "mask"))[0] > 1e-2


# -- negative controls ---------------------------------------------------------------------------------------------


def test_without_the_boundaries_it_is_far_off(model_of: Callable[[str], Any]) -> None:
    model = model_of("llama")
    expected = alone(model, TRIE)

    def one_stretch(inputs: dict[str, Any]) -> None:
        tokens = inputs["input_ids"].shape[1]
        inputs["attention_mask"] = torch.tensor([[[[0, tokens, tokens]]]], dtype=torch.int32)

    def causal(inputs: dict[str, Any]) -> None:
        inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"]).tril()

    assert distance(expected, packed(model, packs_of(TRIE), "segmented"))[1] < 1e-4
    assert distance(expected, packed(model, packs_of(TRIE), "segmented", one_stretch))[1] > 0.05
    assert distance(expected, packed(model, packs_of(TRIE), "mask", causal))[1] > 0.05


@pytest.mark.parametrize("kind", ["segmented", "mask"])
def test_with_positions_that_restart_it_is_far_off(kind: str, model_of: Callable[[str], Any]) -> None:
    model = model_of("llama")
    (pack,) = packs_of(TRIE)

    def restart(inputs: dict[str, Any]) -> None:
        for start, stop, _ in pack.segments:
            inputs["position_ids"][0, start:stop] = torch.arange(stop - start)

    assert distance(alone(model, TRIE), packed(model, [pack], kind, restart))[1] > 0.02


def test_without_a_word_of_the_pack_it_is_refused(model_of: Callable[[str], Any]) -> None:
    """transformers would see a branch as a new row, from the positions; it must not come to that."""

    def forget(inputs: dict[str, Any]) -> None:
        inputs.pop("attention_mask", None)
        inputs.pop("cu_seq_lens_q", None)

    for kind in ("segmented", "varlen"):
        with pytest.raises(ModelError, match="was not told"):
            packed(model_of("llama"), packs_of(TRIE, share=False), kind, forget)


# -- checkpointing, 16 bit, autocast -------------------------------------------------------------------------------


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("kind", ["segmented", "mask", "varlen"])
@pytest.mark.usefixtures("small_calls")
def test_activation_checkpointing_changes_nothing(kind: str, reentrant: bool, model_of: Callable[[str], Any]) -> None:
    model = model_of("qwen3")
    packs = packs_of(TRIE, share=kind != "varlen")
    expected = packed(model, packs, kind)
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    model.train()
    forwards = []
    watch = model.model.layers[0].self_attn.register_forward_hook(lambda *_: forwards.append(1))
    try:
        found = packed(model, packs, kind)
    finally:
        watch.remove()
        model.eval()
        model.disable_input_require_grads()
        model.activation_checkpointing_disable()
    assert len(forwards) == 2 * len(packs), "nothing was computed again"
    assert distance(expected, found) < (1e-6, 1e-6)


@pytest.mark.parametrize("kind", ["segmented", "mask"])
@pytest.mark.usefixtures("small_calls")
def test_bfloat16_differs_by_its_rounding_only(kind: str) -> None:
    model = build("qwen3", **KINDS_OF_MODELS["qwen3"])
    exact = alone(model, TRIE)
    model.to(torch.bfloat16)
    by_row = distance(exact, alone(model, TRIE))
    by_pack = distance(exact, packed(model, packs_of(TRIE), kind))
    assert by_pack[0] < 2 * by_row[0] and by_pack[1] < 2 * by_row[1]


@pytest.mark.usefixtures("small_calls")
def test_autocast_computes_in_its_own_type(model_of: Callable[[str], Any]) -> None:
    model = model_of("llama")
    with torch.autocast("cpu", torch.bfloat16):
        expected = alone(model, TRIE)
        found = {kind: packed(model, packs_of(TRIE), kind) for kind in ("segmented", "mask")}
    exact = alone(model, TRIE)
    for kind in found:
        assert distance(exact, found[kind])[1] < 2 * distance(exact, expected)[1], kind


def test_scoring_without_gradients_leaves_the_plans_fit_for_training(model_of: Callable[[str], Any]) -> None:
    model = model_of("llama")
    plan_of.cache_clear()
    (pack,) = packs_of(TRIE)
    with torch.inference_mode(), packed_attention(model, "segmented"):
        model(**pack_inputs(pack, "segmented", "cpu"), use_cache=False)
    assert plan_of.cache_info().currsize == 1
    assert distance(alone(model, TRIE), packed(model, [pack], "segmented"))[1] < 1e-4


# -- switching -----------------------------------------------------------------------------------------------------


def fail_inside(model: Any, kind: str) -> None:
    former = model.config._attn_implementation
    with packed_attention(model, kind):
        assert kind == "mask" or model.config._attn_implementation != former
        raise RuntimeError("in between")


@pytest.mark.parametrize("former", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_former_attention_comes_back(former: str, kind: str, model_of: Callable[[str], Any]) -> None:
    model = model_of("llama")
    model.set_attn_implementation(former)
    try:
        with pytest.raises(RuntimeError, match="in between"):
            fail_inside(model, kind)
        assert model.config._attn_implementation == former
        assert not model._forward_pre_hooks and not model.model._forward_pre_hooks
    finally:
        model.set_attn_implementation("sdpa")
    with pytest.raises(ValueError, match="kind must be"), packed_attention(model, "other"):
        pass


def test_an_adapter_on_the_model_changes_nothing(model_of: Callable[[str], Any]) -> None:
    from peft import LoraConfig, get_peft_model

    model: Any = get_peft_model(build("llama"), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    for former in ("sdpa", "eager"):
        model.get_base_model().set_attn_implementation(former)
        expected = alone(model, TRIE)
        assert all("lora" in name for name in expected[1])
        for kind in ("segmented", "mask"):
            logits, grads = distance(expected, packed(model, packs_of(TRIE), kind))
            assert logits < 1e-5 and grads < 1e-4, (former, kind)
        assert model.get_base_model().config._attn_implementation == former


def test_plain_attention_gets_a_mask_to_add(model_of: Callable[[str], Any]) -> None:
    """Families without any other attention: truths would be added to the scores as ones."""
    model = build("gemma2", layer_types=["full_attention"] * 2, head_dim=8)
    assert structure_of(model.config).packing_refusal is None
    model.set_attn_implementation("eager")
    for dtype, bound in ((torch.float32, 1e-5), (torch.bfloat16, 0.5)):
        model.to(dtype)
        assert distance(alone(model, TRIE), packed(model, packs_of(TRIE), "mask"))[0] < bound


# -- which form ------------------------------------------------------------------------------------------------------


def test_the_form_follows_machine_and_base() -> None:
    from transformers import AutoConfig

    llama = AutoConfig.for_model("llama", **SMALL)
    for dtype in ("float32", "bfloat16", "float16"):
        for sharing in (True, False):
            assert best_kind(llama, "cpu", dtype, sharing)[0] == "segmented"
    assert best_kind(llama, "mps", "float16", True) == ("mask", "there is no kernel for packs on mps")
    assert best_kind(llama, "cuda", "float32", True)[0] in ("flex", "mask")


@pytest.mark.parametrize(
    "kind, words, reason",
    [
        ("gpt_oss", {"sliding_window": None, "head_dim": 8}, "attention has learnt sinks"),
        ("gemma2", {"head_dim": 8, "attn_logit_softcapping": 50.0}, "attention caps its scores"),
        ("llama", {"attention_dropout": 0.1}, "attention drops out scores"),
        ("codegen", {"n_embd": 32, "n_head": 4, "n_layer": 2, "rotary_dim": 8}, "computes attention in its own code"),
    ],
)
def test_what_the_functions_do_not_compute_is_left_to_upstream(kind: str, words: dict[str, Any], reason: str) -> None:
    from transformers import AutoConfig

    chosen, why = best_kind(AutoConfig.for_model(kind, **{**SMALL, **words}), "cpu", "float32", True)
    assert chosen == "mask" and reason in why


def test_what_a_base_drops_by_itself_is_told() -> None:
    from transformers import AutoConfig

    assert own_dropout(AutoConfig.for_model("llama", **SMALL)) == {}
    assert own_dropout(AutoConfig.for_model("llama", **SMALL, attention_dropout=0.1)) == {"attention_dropout": 0.1}
    assert own_dropout(AutoConfig.for_model("opt", classifier_dropout=0.3)) == {"dropout": 0.1}


def test_a_type_that_flash_attention_refuses_falls_back_to_the_mask() -> None:
    from transformers import AutoConfig

    chosen, why = best_kind(AutoConfig.for_model("llama", **SMALL), "cpu", "float8_e4m3fn", True)
    assert (chosen, why) == ("mask", "torch has no flash attention for float8_e4m3fn on this CPU")


def test_what_is_asked_beyond_attention_is_refused_not_dropped() -> None:
    dropping = build("llama", attention_dropout=0.5).train()
    with pytest.raises(ModelError, match=r"LlamaAttention asks for dropout"):
        packed(dropping, packs_of(TRIE), "segmented")
    capped = build("gemma2", layer_types=["full_attention"] * 2, head_dim=8)
    with pytest.raises(ModelError, match=r"Gemma2Attention asks for softcap"):
        packed(capped, packs_of(TRIE), "segmented")


def test_a_class_with_its_own_attention_is_refused() -> None:
    model = build("codegen", n_embd=32, n_head=4, n_layer=2, rotary_dim=8, n_positions=64)
    with pytest.raises(ModelError, match="cannot compute attention over packs"), packed_attention(model, "segmented"):
        pass
    assert distance(alone(model, TRIE), packed(model, packs_of(TRIE), "mask"))[0] < 1e-5
