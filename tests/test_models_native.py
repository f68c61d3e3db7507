"""Aquila and openPangu without their own code: the same numbers as Llama, and as slow references written here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune import models
from finetune.errors import ModelError
from finetune.models import native

IDS = torch.tensor([[5, 9, 2, 44, 17, 3, 61, 8, 30, 12], [7, 7, 21, 50, 1, 0, 33, 19, 4, 62]])
SMALL: dict[str, Any] = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
MARK = "open(__file__ + '.ran', 'w').close()\n"


def random_model(kind: str, **words: Any) -> Any:
    """A model of a registered kind whose every number is random: biases and norms start as 0 and 1 otherwise."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    native.register()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**{**SMALL, **words})).eval()
        with torch.no_grad():
            for weights in model.parameters():
                weights.normal_(0, 0.2)
    return model


def logits(model: Any, **words: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS, **words).logits


@pytest.mark.parametrize(
    "kind, words",
    [
        ("aquila", {}),
        ("aquila", {"num_key_value_heads": None}),
        ("aquila", {"rope_scaling": {"type": "linear", "factor": 8.0}, "max_position_embeddings": 16_384}),
        ("PanguEmbedded", {}),
        ("PanguEmbedded", {"tie_word_embeddings": True, "rope_theta": 4e6}),
        ("PanguEmbedded", {"bias": False}),
    ],
)
def test_same_weights_same_logits_as_llama(kind: str, words: dict[str, Any]) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    model = random_model(kind, **words)
    bias = {"attention_bias": words.get("bias", True)} if kind == "PanguEmbedded" else {}
    theta = {"rope_theta": words.get("rope_theta", 16e6)} if kind == "PanguEmbedded" else {"rope_theta": 10_000.0}
    rest = {"rms_norm_eps": model.config.rms_norm_eps, "max_position_embeddings": model.config.max_position_embeddings}
    spelt = {k: v for k, v in words.items() if k not in ("bias", "rope_theta")}
    llama = LlamaForCausalLM(LlamaConfig(**{**SMALL, **rest, **bias, **theta, **spelt})).eval()
    llama.load_state_dict(model.state_dict())
    assert torch.equal(logits(model), logits(llama))
    plain: Any = native.plain_config(model.config)
    assert (plain.model_type, plain.architectures) == ("llama", ["LlamaForCausalLM"])
    again = LlamaForCausalLM(plain).eval()
    again.load_state_dict(model.state_dict())
    assert torch.equal(logits(model), logits(again))


def test_old_linear_stretching_of_positions_divides_them() -> None:
    plain = random_model("aquila")
    stretched = random_model("aquila", rope_scaling={"type": "linear", "factor": 8.0})
    stretched.load_state_dict(plain.state_dict())
    far = torch.arange(10)[None] * 8  # eight times as far apart, seen eight times as near
    assert torch.allclose(logits(stretched, position_ids=far), logits(plain, position_ids=far // 8), atol=1e-5)
    assert (logits(stretched) - logits(plain)).abs().max() > 1e-3


def test_pangu_has_biases_in_attention_only() -> None:
    model = random_model("PanguEmbedded")
    with_bias = {name.split(".")[-2] for name, _ in model.named_parameters() if name.endswith(".bias")}
    assert with_bias == {"q_proj", "k_proj", "v_proj", "o_proj"}


# -- openPangu Pro-MoE -----------------------------------------------------------------------------------------------


def mixture(**words: Any) -> Any:
    experts = {"num_experts": 8, "num_experts_per_tok": 4, "moe_intermediate_size": 16}
    return random_model("PanguProMoE", **experts, shared_expert_intermediate_size=24, **words)


def slow_block(block: Any, hidden: torch.Tensor, num_groups: int) -> torch.Tensor:
    """The feed-forward of one token after the other, in double precision, from the paper's words."""

    def expert(module: Any, token: torch.Tensor) -> torch.Tensor:
        gate, up, down = (getattr(module, f"{name}_proj").weight.double() for name in ("gate", "up", "down"))
        opened = gate @ token
        return down @ (opened / (1 + torch.exp(-opened)) * (up @ token))

    rows = []
    for token in hidden.reshape(-1, hidden.shape[-1]).double():
        raised = torch.exp(block.gate.weight.double() @ token)
        scores = (raised / raised.sum()).tolist()
        answer = expert(block.shared_expert, token)
        size = len(scores) // num_groups
        for group in range(num_groups):
            numbers = range(group * size, (group + 1) * size)
            best = max(numbers, key=lambda number: scores[number])
            answer = answer + scores[best] * block.router_scale[0, best].double() * expert(block.experts[best], token)
        rows.append(answer)
    return torch.stack(rows).view(hidden.shape)


def test_grouped_routing_against_a_slow_reference() -> None:
    block = mixture().model.layers[0].mlp
    hidden = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = block(hidden), slow_block(block, hidden, 4)
        chosen, _ = block.route(hidden.reshape(-1, 32))
    assert (found - expected).abs().max() < 1e-5
    assert expected.abs().max() > 0.1
    assert torch.equal(chosen // 2, torch.arange(4).expand(14, 4))  # one of each group of two
    assert len(chosen.unique()) > 4  # and not always the same one


def test_a_token_is_routed_alone() -> None:
    """Nothing of its neighbours reaches a token through the experts, so rows may be packed."""
    model = mixture()
    with torch.no_grad():
        alone = torch.cat([model(input_ids=IDS[k : k + 1]).logits for k in range(2)])
    assert torch.allclose(logits(model), alone, atol=1e-5)


def test_gradients_reach_the_experts_and_the_cache_is_exact() -> None:
    model = mixture()
    model(input_ids=IDS, labels=IDS).loss.backward()
    used = [e for e in model.model.layers[1].mlp.experts if e.up_proj.weight.grad is not None]
    assert len(used) > 4
    with torch.no_grad():
        first = model(input_ids=IDS[:, :6], use_cache=True)
        rest = model(input_ids=IDS[:, 6:], past_key_values=first.past_key_values).logits
    assert torch.allclose(rest, logits(model)[:, 6:], atol=1e-5)


def test_experts_that_cannot_be_grouped_are_refused() -> None:
    from transformers import CONFIG_MAPPING

    native.register()
    kind: Any = CONFIG_MAPPING["PanguProMoE"]
    with pytest.raises(ValueError, match="8 experts cannot be parted into 3 groups"):
        kind(num_experts=8, num_experts_per_tok=3)


# -- folders as on the hub -------------------------------------------------------------------------------------------


def opened(folder: Path) -> models.BaseSource:
    return models.find_base(str(folder), None, folder)


NATIVE = ("aquila", "aquila2_34b", "aquila2_16k", "pangu_embedded_1b", "pangu_embedded_7b", "pangu_pro_moe")


@pytest.mark.parametrize("name", NATIVE)
def test_a_hub_folder_loads_without_its_code_and_what_is_saved_asks_for_none(
    name: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(family_folder(name), tmp_path / "base")
    words = json.loads((folder / "config.json").read_text())
    brought = {text.split(".")[0] for text in words["auto_map"].values()}
    for module in (*brought, "tokenization_openpangu", "tokenization_aquila"):
        (folder / f"{module}.py").write_text(MARK)
    source = opened(folder)
    model = models.load_base(source, "float32")
    tokenizer, _ = models.load_tokenizer(source)
    assert type(model).__name__ == {"a": "AquilaForCausalLM"}.get(name[0], words["architectures"][0])
    saved = tmp_path / "saved"
    model.save_pretrained(saved)
    tokenizer.save_pretrained(saved)
    for path in saved.glob("*.json"):
        assert "auto_map" not in path.read_text(encoding="utf-8"), path.name
    assert not [path for path in (*folder.iterdir(), *saved.iterdir()) if path.suffix == ".ran"]
    again = models.load_base(opened(saved), "float32")
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    ids = torch.arange(20)[None]
    with torch.no_grad():  # not bit for bit: where a matrix lies in memory decides the order of its sums
        assert torch.allclose(model(ids).logits, again(ids).logits, atol=1e-5)


def test_pickled_weights_stay_refused(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(family_folder("aquila"), tmp_path / "base")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no safetensors weights"):
        opened(folder)


def test_registering_again_changes_nothing_and_importing_models_loads_no_torch() -> None:
    code = (
        "import sys; from finetune import models; from finetune.models import native\n"
        "assert 'torch' not in sys.modules\n"
        "native.register(); native.register()\n"
        "from transformers import CONFIG_MAPPING, AutoModelForCausalLM\n"
        "print([AutoModelForCausalLM._model_mapping[CONFIG_MAPPING[kind]].__name__ "
        "for kind in ('aquila', 'PanguEmbedded', 'PanguProMoE')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    expected = "['AquilaForCausalLM', 'PanguEmbeddedForCausalLM', 'PanguProMoEForCausalLM']"
    assert result.stdout.strip() == expected, result.stderr


def test_what_is_no_llama_has_no_plain_config() -> None:
    from transformers import LlamaConfig

    assert native.plain_config(mixture().config) is None
    assert native.plain_config(LlamaConfig()) is None
