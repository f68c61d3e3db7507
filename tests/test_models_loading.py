"""Loading weights: nothing missing, nothing left over, packed experts unpacked exactly, and choices said aloud."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune import models
from finetune.errors import ModelError, SurroundingsError
from finetune.models import base

WEIGHTS = "model.safetensors"


def opened(folder: Path) -> models.BaseSource:
    return models.find_base(str(folder), None, folder)


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def add_tensors(folder: Path, **more: Any) -> None:
    from safetensors.torch import load_file, save_file

    save_file({**load_file(folder / WEIGHTS), **more}, folder / WEIGHTS, {"format": "pt"})


def refused(folder: Path, **words: Any) -> str:
    with pytest.raises(ModelError) as caught:
        models.load_base(opened(folder), "float32", **words)
    return str(caught.value)


# -- what belongs to a model and what does not -----------------------------------------------------------------------


def test_leftovers_of_old_releases_are_no_matter_and_no_report_is_printed(tiny_base: Path, tmp_path: Path) -> None:
    import logging

    import torch

    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())
    theirs = logging.getLogger("transformers")
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    add_tensors(
        folder,
        **{"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4), "a.head.of.training": torch.ones(3)},
    )
    level = theirs.level
    theirs.addHandler(listener)
    try:
        models.load_base(opened(folder), "float32")
    finally:
        theirs.removeHandler(listener)
    assert said == []
    assert theirs.level == level


def test_a_weight_that_the_config_has_no_place_for_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    """As when a Qwen2 folder, whose attention has biases, is relabelled as Llama: it would load and answer nonsense."""
    import torch

    folder = shutil.copytree(tiny_base, tmp_path / "base")
    add_tensors(folder, **{f"model.layers.{k}.self_attn.q_proj.bias": torch.ones(32) for k in range(2)})
    assert refused(folder) == (
        "base.model: 2 weights in its files have no place in what its config describes, "
        "model.layers.0.self_attn.q_proj.bias the first (got 'base'). Fix: use the config.json that came with the "
        "weights"
    )
    edit_config(folder, attention_bias=True)
    assert "weights are missing from its files" in refused(folder)  # now k, v and o lack theirs


def test_openpangu_without_its_word_for_biases_is_refused(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(family_folder("pangu_embedded_7b"), tmp_path / "base")
    edit_config(folder, bias=False)
    assert "model.layers.0.self_attn.k_proj.bias the first" in refused(folder)


# -- packed and rounded weights --------------------------------------------------------------------------------------


def unpacked_slowly(blocks: Any, scales: Any) -> Any:
    """MXFP4 by its definition: two 4-bit numbers a byte, the low one first, and a power of two for each 32."""
    import torch

    values = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    table = torch.tensor([*values, *(-value for value in values)])
    numbers = torch.stack([table[(blocks & 15).long()], table[(blocks >> 4).long()]], dim=-1).flatten(-2)
    scaled = numbers * 2.0 ** (scales.float() - 127)[..., None]  # (experts, rows, runs, 32)
    return scaled.flatten(-2)  # (experts, rows, columns)


def test_packed_experts_are_unpacked_to_exactly_their_numbers(family_folder: Callable[[str], Path]) -> None:
    import torch
    from safetensors.torch import load_file

    folder = family_folder("gpt_oss_mxfp4")
    stored = load_file(folder / WEIGHTS)
    experts = models.load_base(opened(folder), "float32").model.layers[1].mlp.experts
    for name in ("gate_up_proj", "down_proj"):
        place = f"model.layers.1.mlp.experts.{name}"
        expected = unpacked_slowly(stored[f"{place}_blocks"], stored[f"{place}_scales"])
        assert torch.equal(getattr(experts, name), expected.transpose(1, 2))
        assert expected.abs().max() > 0


def test_packed_weights_are_said_aloud_and_not_rounded_again(family_folder: Callable[[str], Path]) -> None:
    folder = family_folder("gpt_oss_mxfp4")
    assert models.base_notes(models.load_config(opened(folder))) == [
        "weights: stored as MXFP4, which cannot be trained; unpacked, about 0 GiB in 16 bit",
        "experts: the router's balancing loss is off, because the router is not trained",
    ]
    assert refused(folder, quantization="4bit") == (
        "base.quantization: its weights are stored as MXFP4 and are unpacked to 16 bit for training; they are not "
        "rounded again (got 4bit). Fix: write quantization: none"
    )


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "fp8"])
def test_rounded_weights_are_refused(method: str, tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    edit_config(folder, quantization_config={"quant_method": method, "bits": 4})
    expected = (
        f"base.model: its weights are stored rounded, which is not trained here (got {method}). Fix: choose the base's "
        "unrounded copy; base.quantization: 4bit rounds that while loading"
    )
    assert refused(folder) == expected
    with pytest.raises(ModelError) as caught:
        models.base_notes(models.load_config(opened(folder)))
    assert str(caught.value) == expected


# -- choices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["qwen3_moe", "mixtral", "gpt_oss", "ernie4_5_moe", "pangu_pro_moe"])
def test_the_routers_own_loss_is_off(name: str, family_folder: Callable[[str], Path]) -> None:
    import torch

    source = opened(family_folder(name))
    model = models.load_base(source, "float32")
    text = model.config.get_text_config()
    assert (getattr(text, "router_aux_loss_coef", 0.0), getattr(text, "output_router_logits", False)) == (0.0, False)
    ids = torch.arange(12)[None]
    outcome = model(input_ids=ids, labels=ids)
    logits = outcome.logits[0, :-1].float()
    assert torch.allclose(outcome.loss, torch.nn.functional.cross_entropy(logits, ids[0, 1:]), atol=1e-5)
    assert models.base_facts(source, models.load_config(source))["model_type"] == text.model_type


def test_attention_falls_back_where_sdpa_is_not_exact(family_folder: Callable[[str], Path]) -> None:
    for name, expected in (("gpt_oss", "eager"), ("qwen3", "sdpa"), ("qwen2_5_vl", "sdpa")):
        source = opened(family_folder(name))
        assert models.attention_for(models.load_config(source), "sdpa") == expected
        assert models.attention_for(models.load_config(source), "eager") == "eager"
        model = models.load_base(source, "float32", "sdpa")
        assert model.config.get_text_config()._attn_implementation == expected


def test_a_dense_llama_needs_no_word(tiny_base: Path) -> None:
    assert models.base_notes(models.load_config(opened(tiny_base))) == []


def test_fault_73_auto_map_is_gone_from_config_and_its_parts(family_folder: Callable[[str], Path]) -> None:
    for name in ("aquila", "ernie4_5", "qwen2_5_vl"):
        folder = family_folder(name)
        config = models.load_config(opened(folder))
        assert "auto_map" not in json.dumps(config.to_dict(), default=str)
    assert base.stored_as(config) is None


@pytest.mark.parametrize("words", ["CUDA out of memory. Tried to allocate 2.00 GiB", "not enough memory: you tried"])
def test_memory_that_runs_out_while_loading_is_the_machines_fault(words: str, tiny_base: Path) -> None:
    import torch

    said = "base.model: memory ran out while it was loaded in float32 (got 'base'). Fix: end what else holds memory"
    source = models.BaseSource("base", str(tiny_base), None, True)
    with pytest.raises(SurroundingsError) as caught, base.memory_errors(source, "float32"):
        torch.empty(1 << 60, dtype=torch.uint8)  # what torch's allocator itself says on this machine
    assert str(caught.value).startswith(said) and caught.value.exit_code == 4
    with pytest.raises(SurroundingsError), base.memory_errors(source, "float32"):
        raise RuntimeError(words)
    with pytest.raises(RuntimeError, match="another fault"), base.memory_errors(source, "float32"):
        raise RuntimeError("another fault")


def test_a_base_that_does_not_fit_is_refused_before_its_weights_are_read(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finetune import hardware
    from finetune.generation import Engine

    shutil.copytree(tiny_base, tmp_path / "base")
    monkeypatch.setattr(hardware.machines, "free_memory", lambda device: 1 << 20)
    with pytest.raises(
        SurroundingsError, match=r"^base: its weights need about 0\.2 GiB of memory, and 1 MiB are free"
    ):
        Engine.open(tmp_path / "base")


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json"])
@pytest.mark.parametrize("text", ['{"model_type": "llama", "hidden', "[]", "\ufeff{}"])
def test_a_broken_file_of_a_folder_is_named(name: str, text: str, tiny_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(tiny_base, folder)
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        models.load_tokenizer(opened(folder))
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"mine/{name}: "), problem
    what = "holds no JSON object" if text == "[]" else "is no JSON: line 1, column "
    assert what in str(problem)
    assert str(problem).endswith("Fix: put back the file that came with the model, or fetch the base again")


def test_a_field_of_the_config_that_is_wrong_is_told_whole(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "mine")
    edit_config(tmp_path / "mine", hidden_size="sixty-four")
    with pytest.raises(ModelError) as caught:
        models.load_config(opened(tmp_path / "mine"))
    said = str(caught.value)
    assert "hidden_size" in said and "sixty-four" in said and "Fix: use the files that came with it" in said, said


@pytest.mark.parametrize("num_files", [1, 3])
def test_the_program_of_the_docs_converts_pickled_weights(num_files: int, tiny_base: Path, tmp_path: Path) -> None:
    """The program in docs/hubs.md, as it stands there, but for the two folders of its container."""
    import subprocess
    import sys

    import torch
    from safetensors.torch import load_file

    page = (Path(__file__).parent.parent / "docs" / "hubs.md").read_text(encoding="utf-8")
    program = page.partition("<<'CODE'\n")[2].partition("\nCODE\n")[0]
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(tiny_base, old)
    new.mkdir()
    tensors = load_file(old / WEIGHTS)
    (old / WEIGHTS).unlink()
    for place in range(num_files):
        part = {name: tensors[name] for name in sorted(tensors)[place::num_files]}
        torch.save(part, old / f"pytorch_model-{place}.bin")
    torch.save({}, old / "training_args.bin")
    program = program.replace("/old/", f"{old}/").replace('"/new"', repr(str(new))).replace("/new/", f"{new}/")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = models.load_base(opened(new), "float32").state_dict()
    expected = models.load_base(opened(tiny_base), "float32").state_dict()
    assert all(found[name].equal(expected[name]) for name in expected)
