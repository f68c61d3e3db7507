"""Adapters: what is written, what is refused on the way in, and that the base stays as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny

from finetune import models
from finetune.errors import FinetuneError, IntegrityError, ModelError
from finetune.recipe.words import Adapter

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
IDS = [[1, 276, 201, 269, 2, 201, 1, 284, 201]]
FIRST_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
FIRST_B = FIRST_A.replace("lora_A", "lora_B")


def settings(method: str = "lora", target_modules: Any = "all-linear", **words: Any) -> SimpleNamespace:
    """The recipe's adapter section; unlike in a recipe, any value goes."""
    own = {"method": method, "r": 4, "alpha": 8.0, "target_modules": target_modules}
    return SimpleNamespace(**{**Adapter().model_dump(), **own, **words})


def load_base(folder: Path) -> Any:
    return models.load_base(models.find_base(str(folder), None, folder), "float32")


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor(IDS)).logits


def base_hash(model: Any) -> str:
    """One hash over every weight of the base, whether or not an adapter stands on it."""
    digest = hashlib.sha256()
    weights = {name: p for name, p in model.state_dict().items() if "lora_" not in name}
    renamed = {name.removeprefix("base_model.model.").replace(".base_layer", ""): p for name, p in weights.items()}
    for name in sorted(renamed):
        digest.update(name.encode() + renamed[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def taught(base: Path, method: str = "lora", target_modules: Any = "all-linear") -> Any:
    """An adapter on the tiny base that changes its answers, as if trained."""
    import torch

    model = models.attach_adapter(load_base(base), settings(method, target_modules), seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def saved(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "good"
    models.save_adapter(taught(tiny_base), folder, "owner/tiny", "a" * 40)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """A copy of the good adapter to spoil."""
    return shutil.copytree(saved, tmp_path / "spoilt")


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_weights(folder: Path, change: Any) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def refused(base: Path, folder: Path, error: type[FinetuneError] = IntegrityError) -> str:
    """The message that loading must raise, with the base bit for bit as before and free of any adapter."""
    model = load_base(base)
    before, answers = base_hash(model), logits(model)
    with pytest.raises(error) as caught:
        models.load_adapter(model, folder)
    assert type(caught.value) is error
    assert base_hash(model) == before
    assert logits(model).equal(answers)
    assert not any("lora" in name for name, _ in model.named_modules())
    message = str(caught.value)
    assert "Traceback" not in message
    return message


# -- attach ----------------------------------------------------------------------------------------------------------


def test_fresh_adapter_changes_nothing_and_alone_is_trainable(tiny_base: Path) -> None:
    base = load_base(tiny_base)
    expected, before = logits(base), base_hash(base)
    model = models.attach_adapter(base, settings(), seed=0)
    assert logits(model.eval()).equal(expected)
    assert base_hash(model) == before
    assert all("lora_" in name for name, p in model.named_parameters() if p.requires_grad)
    facts = models.trainable_facts(model)
    # r 4; per layer q 32+32, k and v 32+16, o 32+32, gate and up 32+48, down 48+32, two layers
    assert facts["num_trainable"] == 4 * 2 * (64 + 48 + 48 + 64 + 80 + 80 + 80)
    assert facts["modules"] == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]


def test_seed_fixes_the_fresh_adapter(tiny_base: Path) -> None:
    def start(seed: int) -> dict[str, Any]:
        model = models.attach_adapter(load_base(tiny_base), settings(), seed)
        return {name: p.detach() for name, p in model.named_parameters() if "lora_A" in name}

    first, again, other = start(0), start(0), start(1)
    assert all(first[name].equal(again[name]) for name in first)
    assert not any(first[name].equal(other[name]) for name in first)


@pytest.mark.parametrize("target", ["c_attn", "proj", "layers.7.self_attn.q_proj", "lm_head", "q_proj|v_proj"])
def test_fault_79_unknown_target_module_lists_the_candidates(tiny_base: Path, target: str) -> None:
    with pytest.raises(ModelError) as caught:
        models.attach_adapter(load_base(tiny_base), settings(target_modules=["q_proj", target]), seed=0)
    assert str(caught.value) == (
        f"adapter.target_modules: not in this model (got {target}). Fix: choose from down_proj, gate_proj, k_proj, "
        "o_proj, q_proj, up_proj, v_proj, or all-linear"
    )


def test_named_target_modules(tiny_base: Path) -> None:
    model = models.attach_adapter(load_base(tiny_base), settings(target_modules=["q_proj", "layers.1.mlp.up_proj"]), 0)
    carriers = sorted(name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name)
    assert carriers == [
        "base_model.model.model.layers.0.self_attn.q_proj",
        "base_model.model.model.layers.1.mlp.up_proj",
        "base_model.model.model.layers.1.self_attn.q_proj",
    ]


# -- save and load ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "rslora", "dora"])
def test_reloaded_adapter_answers_bit_for_bit(tiny_base: Path, tmp_path: Path, method: str) -> None:
    model = taught(tiny_base, method)
    expected = logits(model)
    bare = load_base(tiny_base)
    bare_logits, before = logits(bare), base_hash(bare)
    assert not expected.equal(bare_logits)
    models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    loaded = models.load_adapter(bare, tmp_path / "adapter")
    assert logits(loaded).equal(expected)
    assert base_hash(loaded) == before
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    with loaded.disable_adapter():
        assert logits(loaded).equal(bare_logits)
    assert logits(loaded).equal(expected)


def test_adapter_can_be_loaded_to_train_on(tiny_base: Path, saved: Path) -> None:
    loaded = models.load_adapter(load_base(tiny_base), saved, trainable=True)
    assert loaded.training
    assert {name.split(".")[-3] for name, p in loaded.named_parameters() if p.requires_grad} == {"lora_A", "lora_B"}


def test_saved_folder_holds_two_files_and_no_place_on_this_machine(saved: Path, tiny_base: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == [CONFIG, WEIGHTS]
    config = json.loads((saved / CONFIG).read_text())
    assert config["base_model_name_or_path"] == "owner/tiny"
    assert config["revision"] == "a" * 40

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for pair in value.items() for part in pair for text in texts(part)]
        if isinstance(value, list):
            return [text for part in value for text in texts(part)]
        return [value] if isinstance(value, str) else []

    assert [text for text in texts(config) if text.startswith(("/", "~", "\\", "file:"))] == []
    for path in saved.iterdir():
        assert str(tiny_base).encode() not in path.read_bytes()


def test_saving_twice_writes_the_same_bytes(tiny_base: Path, saved: Path, tmp_path: Path) -> None:
    models.save_adapter(taught(tiny_base), tmp_path / "again", "owner/tiny", "a" * 40)
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()
    targets = json.loads((saved / CONFIG).read_text())["target_modules"]
    assert targets == sorted(targets)  # a set's order is another one in each process


def test_adapter_that_changes_nothing_is_not_saved(tiny_base: Path, tmp_path: Path) -> None:
    model = models.attach_adapter(load_base(tiny_base), settings(), seed=0)
    with pytest.raises(IntegrityError) as caught:
        models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    assert str(caught.value) == "the adapter changes nothing: every lora_B matrix is zero; it is not saved"
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["lora_A", "lora_B"])
def test_fault_118_numbers_that_are_not_finite_are_not_saved(
    tiny_base: Path, tmp_path: Path, number: float, part: str
) -> None:
    import torch

    model = taught(tiny_base)
    with torch.no_grad():
        next(p for name, p in model.named_parameters() if part in name)[0, 0] = number
    with pytest.raises(IntegrityError) as caught:
        models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    assert str(caught.value) == "the adapter holds numbers that are not finite; it is not saved"
    assert not (tmp_path / "adapter").exists()


# -- strangers' adapters ---------------------------------------------------------------------------------------------


def test_fault_111_pickled_adapter_is_not_read(tiny_base: Path, copy: Path) -> None:
    (copy / WEIGHTS).rename(copy / "adapter_model.bin")
    assert refused(tiny_base, copy, ModelError) == (
        f"{copy}: has no adapter_model.safetensors. Fix: name a run or adapter folder"
    )


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.weight",
        "base_model.model.model.embed_tokens.weight",
        "base_model.model.lm_head.modules_to_save.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight.extra",
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.lora_A.lora_B",
        "__metadata__x",
    ],
)
def test_fault_112_tensors_that_would_overwrite_the_base(tiny_base: Path, copy: Path, name: str) -> None:
    import torch

    edit_weights(copy, lambda tensors: tensors.update({name: torch.full((32, 32), 7.0)}))
    message = refused(tiny_base, copy, ModelError if name.endswith("lora_A.lora_B") else IntegrityError)
    if not name.endswith("lora_A.lora_B"):
        assert message == (
            f"spoilt/adapter_model.safetensors: {repr(name)[:80]}: 1 tensors are not LoRA tensors and would overwrite "
            "the base"
        )


def test_fault_113_missing_tensors(tiny_base: Path, copy: Path) -> None:
    edit_weights(copy, lambda tensors: [tensors.pop(FIRST_A), tensors.pop(FIRST_B)])
    assert refused(tiny_base, copy, ModelError) == (
        "spoilt: does not fit this base: 2 tensors are missing and 0 find no place, of 28. "
        "Fix: use the base it was trained on"
    )


def test_fault_113_renamed_and_no_tensors(tiny_base: Path, copy: Path) -> None:
    def rename(tensors: dict[str, Any]) -> None:
        for name in list(tensors):
            tensors[name.replace("self_attn", "attention")] = tensors.pop(name)

    edit_weights(copy, rename)
    message = refused(tiny_base, copy, ModelError)
    assert message.startswith("spoilt: does not fit this base: it has no module model.layers.0.attention.")
    edit_weights(copy, lambda tensors: tensors.clear())
    message = refused(tiny_base, copy)
    assert message == "spoilt/adapter_model.safetensors: holds no tensors. Fix: fetch the adapter again"


def test_fault_114_more_tensors_than_the_config_targets(tiny_base: Path, copy: Path) -> None:
    edit_config(copy, target_modules=["q_proj"])
    assert refused(tiny_base, copy, ModelError) == (
        "spoilt: does not fit this base: 0 tensors are missing and 24 find no place, of 4. "
        "Fix: use the base it was trained on"
    )


@pytest.mark.parametrize(
    "words, key",
    [
        ({"r": 10**9}, "r"),
        ({"r": -1}, "r"),
        ({"r": 0}, "r"),
        ({"r": True}, "r"),
        ({"r": 4.0}, "r"),
        ({"r": "4"}, "r"),
        ({"r": None}, "r"),
        ({"lora_alpha": 8000}, "lora_alpha"),
        ({"lora_alpha": "8"}, "lora_alpha"),
        ({"lora_alpha": -8}, "lora_alpha"),
        ({"lora_alpha": True}, "lora_alpha"),
        ({"lora_alpha": float("nan")}, "lora_alpha"),
        ({"lora_alpha": 200, "use_rslora": True}, "lora_alpha"),
        ({"rank_pattern": {"q_proj": 10**9}}, "rank_pattern.q_proj"),
        ({"rank_pattern": [1]}, "rank_pattern"),
        ({"alpha_pattern": {"q_proj": 10**9}}, "alpha_pattern.q_proj"),
    ],
)
def test_fault_115_sizes_that_could_take_the_machine(tiny_base: Path, copy: Path, words: dict, key: str) -> None:
    edit_config(copy, **words)
    started = time.perf_counter()
    with pytest.raises(IntegrityError) as caught:
        models.check_adapter(copy)
    assert time.perf_counter() - started < 0.5
    assert str(caught.value).startswith(f"spoilt/adapter_config.json: {key}: ")
    refused(tiny_base, copy)


@pytest.mark.parametrize(
    "words",
    [
        {"target_modules": "(a+)+$"},
        {"target_modules": ".*"},
        {"target_modules": "q_proj"},
        {"target_modules": ["q_proj", ".*_proj"]},
        {"target_modules": [7]},
        {"target_modules": 7},
        {"exclude_modules": "(a+)+$"},
        {"layers_pattern": "(a+)+$"},
        {"rank_pattern": {"(a+)+$": 4}},
        {"alpha_pattern": {".*": 4}},
    ],
)
def test_fault_116_patterns(tiny_base: Path, copy: Path, words: dict) -> None:
    edit_config(copy, **words)
    key = next(iter(words))
    assert refused(tiny_base, copy) == f"spoilt/adapter_config.json: {key}: regular expressions are not accepted"


@pytest.mark.parametrize(
    "words, what",
    [
        ({"layer_replication": [[0, 2]]}, "is not accepted in an adapter"),
        ({"megatron_config": {"a": 1}}, "is not accepted in an adapter"),
        ({"auto_mapping": {"parent_library": "os"}}, "is not accepted in an adapter"),
        ({"modules_to_save": ["lm_head"]}, "is not accepted in an adapter"),
        ({"trainable_token_indices": [1]}, "is not accepted in an adapter"),
        ({"target_parameters": ["weight"]}, "is not accepted in an adapter"),
        ({"target_parameters": ["mlp.experts.(a+)+$"]}, "is not accepted in an adapter"),
        ({"target_parameters": "mlp.experts.down_proj"}, "is not accepted in an adapter"),
        ({"target_parameters": [7]}, "is not accepted in an adapter"),
        ({"loftq_config": {"loftq_bits": 4}}, "is not accepted in an adapter"),
        ({"lora_bias": True}, "is not accepted in an adapter"),
        ({"word_of_the_future": 1}, "is not accepted in an adapter"),
        ({"init_lora_weights": "pissa"}, "would change the base while it loads (got 'pissa')"),
        ({"init_lora_weights": "olora"}, "would change the base while it loads (got 'olora')"),
        ({"bias": "all"}, "would overwrite the base's biases (got 'all')"),
        ({"task_type": "SEQ_CLS"}, "only CAUSAL_LM is read (got 'SEQ_CLS')"),
        ({"peft_type": "PREFIX_TUNING"}, "only LoRA adapters are read (got 'PREFIX_TUNING')"),
        ({"peft_type": None}, "only LoRA adapters are read (got None)"),
    ],
)
def test_fault_117_words_that_do_more_than_lora(tiny_base: Path, copy: Path, words: dict, what: str) -> None:
    edit_config(copy, **words)
    assert refused(tiny_base, copy) == f"spoilt/adapter_config.json: {next(iter(words))}: {what}"


@pytest.mark.parametrize(
    "number, what",
    [
        (float("nan"), "holds numbers that are not finite"),
        (float("-inf"), "holds numbers that are not finite"),
        (-20_000.0, "holds numbers beyond 10,000"),
    ],
)
def test_fault_118_wild_numbers(tiny_base: Path, copy: Path, number: float, what: str) -> None:
    edit_weights(copy, lambda tensors: tensors[FIRST_B][3].fill_(number))
    assert refused(tiny_base, copy) == f"spoilt/adapter_model.safetensors: {FIRST_B}: {what}"


def test_fault_119_truncated_adapter(tiny_base: Path, copy: Path) -> None:
    whole = (copy / WEIGHTS).read_bytes()
    for length in (0, 7, 100, len(whole) - 1):
        (copy / WEIGHTS).write_bytes(whole[:length])
        assert refused(tiny_base, copy).startswith("spoilt/adapter_model.safetensors: is cut off")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_config_that_cannot_be_read(tiny_base: Path, copy: Path, text: str) -> None:
    (copy / CONFIG).write_text(text)
    assert refused(tiny_base, copy, ModelError) == (
        "spoilt/adapter_config.json: cannot be read. Fix: fetch the adapter again"
    )


def test_several_faults_are_said_together(copy: Path) -> None:
    edit_config(copy, r=10**9, target_modules=".*", auto_mapping={"a": 1}, bias="all")
    with pytest.raises(IntegrityError) as caught:
        models.check_adapter(copy)
    assert len(caught.value.problems) == 4


def test_adapter_of_another_base(saved: Path, tmp_path: Path) -> None:
    wide = tiny.save_base(tmp_path / "wide", hidden_size=64)
    assert "does not fit this base: model.layers.0." in refused(wide, saved, ModelError)
    shallow = tiny.save_base(tmp_path / "shallow", num_hidden_layers=1)
    assert "does not fit this base: it has no module model.layers.1." in refused(shallow, saved, ModelError)
    deep = tiny.save_base(tmp_path / "deep", num_hidden_layers=3)
    assert "14 tensors are missing and 0 find no place, of 42" in refused(deep, saved, ModelError)


def test_an_adapter_of_named_modules_does_not_load_into_a_deeper_base(tiny_base: Path, tmp_path: Path) -> None:
    models.save_adapter(taught(tiny_base, target_modules=["q_proj"]), tmp_path / "adapter", "tiny", None)
    deep = tiny.save_base(tmp_path / "deep", num_hidden_layers=3)
    message = refused(deep, tmp_path / "adapter", ModelError)
    assert "2 tensors are missing and 0 find no place, of 6" in message
