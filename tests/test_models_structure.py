"""What a base is made of is read from its config, and adapters go where they are meant to go: by real peft runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune import models
from finetune.errors import ModelError
from finetune.models import anatomy, native
from finetune.models.structure import Structure, structure_of, targets_for

ATTENTION = "self_attn.{q_proj,k_proj,v_proj,o_proj}"
DENSE = "mlp.{gate_proj,up_proj,down_proj}"
STACKED = "mlp.experts.{gate_up_proj,down_proj}"
# Family of tests/families_kit.py -> choice -> where LoRA must be, and nowhere else; {a,b} stands for a and b, * for
# every layer. "refused" where there is no such choice.
WHERE: dict[str, dict[str, list[str]]] = {
    "llama3_2": {
        "auto": [f"model.layers.*.{ATTENTION}", f"model.layers.*.{DENSE}"],
        "all-linear": [f"model.layers.*.{ATTENTION}", f"model.layers.*.{DENSE}"],
        "attention": [f"model.layers.*.{ATTENTION}"],
        "experts": ["refused"],
    },
    "qwen3_moe": {
        "auto": [f"model.layers.*.{ATTENTION}"],
        "all-linear": [f"model.layers.*.{ATTENTION}"],
        "attention": [f"model.layers.*.{ATTENTION}"],
        "experts": [f"model.layers.*.{ATTENTION}", f"model.layers.*.{STACKED}"],
    },
    "ernie4_5_moe": {
        "auto": [f"model.layers.*.{ATTENTION}"],
        "all-linear": ["refused"],
        "attention": [f"model.layers.*.{ATTENTION}"],
        "experts": [f"model.layers.*.{ATTENTION}", f"model.layers.1.{STACKED}"],  # its first layer is dense
    },
    "phi3": {
        "auto": ["model.layers.*.self_attn.{qkv_proj,o_proj}", "model.layers.*.mlp.{gate_up_proj,down_proj}"],
        "all-linear": ["model.layers.*.self_attn.{qkv_proj,o_proj}", "model.layers.*.mlp.{gate_up_proj,down_proj}"],
        "attention": ["model.layers.*.self_attn.{qkv_proj,o_proj}"],
        "experts": ["refused"],
    },
    "glm4": {
        "auto": [f"model.layers.*.{ATTENTION}", "model.layers.*.mlp.{gate_up_proj,down_proj}"],
        "all-linear": [f"model.layers.*.{ATTENTION}", "model.layers.*.mlp.{gate_up_proj,down_proj}"],
        "attention": [f"model.layers.*.{ATTENTION}"],
        "experts": ["refused"],
    },
    "phi": {
        "auto": ["model.layers.*.self_attn.{q_proj,k_proj,v_proj,dense}", "model.layers.*.mlp.{fc1,fc2}"],
        "all-linear": ["model.layers.*.self_attn.{q_proj,k_proj,v_proj,dense}", "model.layers.*.mlp.{fc1,fc2}"],
        "attention": ["model.layers.*.self_attn.{q_proj,k_proj,v_proj,dense}"],
        "experts": ["refused"],
    },
    "pangu_pro_moe": {
        "auto": [f"model.layers.*.{ATTENTION}"],
        "all-linear": [
            f"model.layers.*.{ATTENTION}",
            "model.layers.*.mlp.shared_expert.{gate_proj,up_proj,down_proj}",
        ],
        "attention": [f"model.layers.*.{ATTENTION}"],
        "experts": [f"model.layers.*.{ATTENTION}", "model.layers.*.mlp.experts.#.{gate_proj,up_proj,down_proj}"],
    },
    "qwen2_5_vl": {  # its vision tower has gate_proj, up_proj and down_proj, too
        "auto": [f"model.language_model.layers.*.{ATTENTION}", f"model.language_model.layers.*.{DENSE}"],
        "all-linear": [f"model.language_model.layers.*.{ATTENTION}", f"model.language_model.layers.*.{DENSE}"],
        "attention": [f"model.language_model.layers.*.{ATTENTION}"],
        "experts": ["refused"],
    },
}
WHERE |= dict.fromkeys(("mixtral", "gpt_oss"), WHERE["qwen3_moe"])
WHERE |= dict.fromkeys(("aquila", "aquila2_34b", "pangu_embedded_7b", "gemma3", "ernie4_5"), WHERE["llama3_2"])
WHERE["qwen3_vl"] = WHERE["qwen2_5_vl"]


def spelt_out(patterns: list[str], num_layers: int, num_experts: int) -> set[str]:
    """The names that patterns of WHERE stand for."""
    found = set()
    for pattern in patterns:
        head, _, rest = pattern.partition("{")
        for name in rest.rstrip("}").split(","):
            for layer in range(num_layers):
                for expert in range(num_experts):
                    found.add((head + name).replace("*", str(layer)).replace("#", str(expert)))
    return found


def opened(folder: Path) -> tuple[models.BaseSource, Any]:
    source = models.find_base(str(folder), None, folder)
    return source, models.load_config(source)


def adapted_places(model: Any, modules: list[str], parameters: list[str]) -> set[str]:
    """Where peft really puts LoRA: full names of modules, and of stacked parameters."""
    from peft import LoraConfig, get_peft_model

    words: dict[str, Any] = {"target_parameters": parameters} if parameters else {}
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=modules, **words))
    found = set()
    for name, module in adapted.named_modules():
        if not getattr(module, "lora_A", None):
            continue
        place = name.removeprefix("base_model.model.").replace(".base_layer", "")
        parameter = getattr(module, "parameter_name", None)
        found.add(f"{place}.{parameter}" if parameter and parameter != "weight" else place)
    assert all("lora_" in name for name, weights in adapted.named_parameters() if weights.requires_grad)
    return found


@pytest.mark.parametrize("choice", ["auto", "all-linear", "attention", "experts"])
@pytest.mark.parametrize("name", WHERE)
def test_adapters_go_where_they_are_meant_to_and_nowhere_else(
    name: str, choice: str, family_folder: Callable[[str], Path]
) -> None:
    source, config = opened(family_folder(name))
    structure = structure_of(config)
    if WHERE[name][choice] == ["refused"]:
        with pytest.raises(ModelError):
            targets_for(structure, choice)
        return
    places = adapted_places(models.load_base(source, "float32"), *targets_for(structure, choice))
    num_experts = getattr(config, "num_experts", None) if structure.expert_linears else 1
    assert places == spelt_out(WHERE[name][choice], structure.num_layers, num_experts or 1)
    assert not {name for name in places if name in structure.routers or name.endswith("lm_head")}


def test_all_linear_of_peft_itself_would_reach_the_router(family_folder: Callable[[str], Path]) -> None:
    """Why names are given: should this fail, peft no longer rewrites them, and more choices may be offered."""
    source, _ = opened(family_folder("qwen3_moe"))
    model = models.load_base(source, "float32")
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear"))
    assert any(".mlp.gate." in name and "lora_A" in name for name, _ in adapted.named_parameters())


def test_layers_can_still_be_chosen_by_number(family_folder: Callable[[str], Path]) -> None:
    from peft import LoraConfig, get_peft_model

    for name in ("qwen2_5_vl", "pangu_pro_moe"):
        source, config = opened(family_folder(name))
        modules, _ = targets_for(structure_of(config), "all-linear")
        words = LoraConfig(r=2, target_modules=modules, layers_to_transform=[1])
        adapted = get_peft_model(models.load_base(source, "float32"), words)
        layers = {key.split("layers.")[1][0] for key, _ in adapted.named_parameters() if "lora_A" in key}
        assert layers == {"1"}


def test_a_list_of_names(family_folder: Callable[[str], Path]) -> None:
    source, config = opened(family_folder("gpt_oss"))
    structure = structure_of(config)
    modules, parameters = targets_for(structure, ["q_proj", "model.layers.1.self_attn.o_proj", "down_proj"])
    places = adapted_places(models.load_base(source, "float32"), modules, parameters)
    assert places == {
        *("model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.o_proj"),
        *("model.layers.0.mlp.experts.down_proj", "model.layers.1.mlp.experts.down_proj"),
    }


def refusal(structure: Structure, choice: str | list[str]) -> str:
    with pytest.raises(ModelError) as caught:
        targets_for(structure, choice)
    return str(caught.value)


def test_fault_79_names_that_are_not_in_the_model(family_folder: Callable[[str], Path]) -> None:
    dense = structure_of(opened(family_folder("llama3_2"))[1])
    assert refusal(dense, ["q_proj", "wq", "lm_head"]) == (
        "adapter.target_modules: not in this model (got wq, lm_head). Fix: choose from down_proj, gate_proj, k_proj, "
        "o_proj, q_proj, up_proj, v_proj, or all-linear"
    )
    assert refusal(dense, "everything") == (
        "adapter.target_modules: unknown choice (got 'everything'). Fix: use auto, attention, all-linear, experts, or "
        "a list of module names"
    )
    assert refusal(dense, "experts") == (
        "adapter.target_modules: this model has no experts (got experts). Fix: use auto, all-linear or attention"
    )
    looking = structure_of(opened(family_folder("qwen2_5_vl"))[1])
    assert "not in this model (got visual.blocks.0.attn.qkv)" in refusal(looking, ["visual.blocks.0.attn.qkv"])


def test_routers_and_what_peft_would_move_are_refused(family_folder: Callable[[str], Path]) -> None:
    for name, router in (("mixtral", "gate"), ("gpt_oss", "router"), ("pangu_pro_moe", "mlp.gate")):
        structure = structure_of(opened(family_folder(name))[1])
        assert refusal(structure, ["q_proj", router]) == (
            "adapter.target_modules: routers are never adapted: a few steps can send every token to the same experts "
            f"(got {router}). Fix: leave them out"
        )
    ernie = structure_of(opened(family_folder("ernie4_5_moe"))[1])
    assert ernie.moved == ("gate_proj", "up_proj", "down_proj")
    for choice, got in (("all-linear", "all-linear"), (["q_proj", "shared_experts.up_proj"],) * 2):
        message = refusal(ernie, choice)
        assert " on the routed experts, and leave those layers bare (got " in message
        assert message.endswith(
            f"(got {', '.join(got) if isinstance(got, list) else got}). Fix: use attention, or experts"
        )


# -- what is read ----------------------------------------------------------------------------------------------------


def test_a_dense_model(family_folder: Callable[[str], Path]) -> None:
    source, config = opened(family_folder("llama3_2"))
    structure = structure_of(config)
    assert (structure.model_type, structure.architecture, structure.kind) == ("llama", "LlamaForCausalLM", "dense")
    assert structure.num_parameters == sum(p.numel() for p in models.load_base(source, "float32").parameters())
    assert structure.tied and not structure.fused_qkv and not structure.sinks
    assert structure.traps == (
        "tied embeddings: input and output share one matrix, so new tokens change what is read and written",
    )
    assert structure.packing_refusal is None
    assert structure_of(config) is structure  # built once


def test_flags_of_families(family_folder: Callable[[str], Path]) -> None:
    def flags(name: str) -> tuple[str, ...]:
        found = structure_of(opened(family_folder(name))[1])
        words = ("tied", "fused_qkv", "sinks", "recurrent", "rope_varies", "expert_linears")
        return (found.kind, *(word for word in words if getattr(found, word)))

    assert flags("aquila") == ("dense",)
    assert flags("pangu_embedded_1b") == ("dense", "tied")
    assert flags("phi3") == ("dense", "fused_qkv")
    assert flags("phi4_mini") == ("dense", "tied", "fused_qkv", "rope_varies")
    assert flags("gpt_oss") == ("mixture", "sinks")
    assert flags("pangu_pro_moe") == ("mixture", "expert_linears")
    assert flags("qwen3_5") == ("vision", "tied", "recurrent")
    assert flags("qwen2_5_vl") == ("vision", "tied")


def test_packing_is_refused_with_its_reason(family_folder: Callable[[str], Path]) -> None:
    def reason(name: str) -> str | None:
        return structure_of(opened(family_folder(name))[1]).packing_refusal

    assert reason("qwen3_moe") is None
    assert reason("mistral") is None
    assert reason("gpt_oss") == "some layers look back 128 tokens only, counted over the packed row"
    assert reason("gemma2") == "some layers look back 4,096 tokens only, counted over the packed row"
    assert reason("phi4_mini") == "its rotary factors change with the longest row of a batch"
    assert reason("qwen3_vl") == "image input: pictures take positions of their own"


def test_a_window_as_wide_as_the_context_is_none() -> None:
    from transformers import MistralConfig

    small: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "vocab_size": 64}
    small |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512}
    assert structure_of(MistralConfig(**small, sliding_window=512)).sliding_window is None
    assert structure_of(MistralConfig(**small, sliding_window=256)).sliding_window == 256


def test_models_without_positions_and_with_state() -> None:
    from transformers import BloomConfig, MambaConfig

    bloom = structure_of(BloomConfig(hidden_size=32, n_layer=2, n_head=4, vocab_size=64))
    assert bloom.attention == ("query_key_value", "dense") and bloom.fused_qkv
    assert bloom.packing_refusal == "tokens cannot be told their positions"
    mamba = structure_of(MambaConfig(hidden_size=32, num_hidden_layers=2, vocab_size=64, state_size=4))
    assert mamba.recurrent
    assert mamba.packing_refusal == "recurrent layers carry a state over from one row to the next"


@pytest.mark.parametrize(
    "kind, words, total",
    [  # published sizes in thousand millions
        ("mixtral", {}, 46.7),
        ("ernie4_5_moe", {}, 21.8),
        ("gpt_oss", {"num_hidden_layers": 24, "num_local_experts": 32}, 20.9),
        (
            "qwen3_moe",
            {"num_hidden_layers": 48, "head_dim": 128, "moe_intermediate_size": 768},
            30.5,
        ),
        ("PanguProMoE", {}, 72.0),
    ],
)
def test_sizes_of_the_real_mixtures_without_their_weights(kind: str, words: dict[str, Any], total: float) -> None:
    from transformers import CONFIG_MAPPING

    native.register()
    structure = structure_of(CONFIG_MAPPING[kind](**words))
    assert structure.num_parameters / 1e9 == pytest.approx(total, abs=0.1)


def test_every_module_has_one_role(family_folder: Callable[[str], Path]) -> None:
    for name in ("pangu_pro_moe", "qwen3_5", "ernie4_5_moe"):
        config = opened(family_folder(name))[1]
        roles = structure_of(config).roles
        assert set(roles) == {name for name, _ in anatomy.bare_model(config).named_modules() if name}
        assert set(roles.values()) <= {"attention", "mlp", "expert", "router", "other"}
        assert roles["lm_head"] == "other"


def test_a_config_that_makes_no_model_is_one_message() -> None:
    from transformers import CLIPConfig, LlamaConfig

    with pytest.raises(ModelError, match=r"^base.model: is not a model that writes text \(got 'clip'\)"):
        structure_of(CLIPConfig())
    config = LlamaConfig(num_hidden_layers=1)
    config.hidden_act = "nonsense"
    with pytest.raises(ModelError, match=r"^base.model: its config makes no model: .*nonsense"):
        structure_of(config)


def test_kinds_that_cannot_be_read_are_one_message() -> None:
    from transformers import CONFIG_MAPPING

    with pytest.raises(ModelError, match=r"^base.model: cannot be read here: .* \(got 'pi0'\)"):
        structure_of(CONFIG_MAPPING["pi0"]())


def test_a_stack_of_matrices_without_a_router_is_no_expert() -> None:
    """A mixer of another kind may hold a three-dimensional weight; adapters of experts must not go there."""
    import torch

    class Stack(torch.nn.Module):
        def __init__(self, count: int) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(count, 8, 8))

    class Block(torch.nn.Module):
        def __init__(self, router: bool) -> None:
            super().__init__()
            self.stack = Stack(4)
            if router:
                self.gate = torch.nn.Linear(8, 4)

    class Layer(torch.nn.Module):
        def __init__(self, router: bool) -> None:
            super().__init__()
            self.mlp = Block(router)

    assert list(anatomy._experts_of(Layer(router=True), [])) == [("mlp.stack", 4)]
    assert list(anatomy._experts_of(Layer(router=False), [])) == []


def test_a_layer_is_known_by_its_list_and_not_by_the_first_number_in_a_name() -> None:
    from types import SimpleNamespace
    from typing import cast

    from finetune.models import attaching

    structure = cast(Structure, SimpleNamespace(layers="towers.1.text.layers"))
    assert attaching._is_in(structure, "towers.1.text.layers.3.mlp.up_proj", {3})
    assert not attaching._is_in(structure, "towers.1.text.layers.3.mlp.up_proj", {1})
    assert not attaching._is_in(structure, "towers.3.other", {3})
    assert attaching._is_in(structure, "towers.3.other", None)
