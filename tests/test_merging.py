"""Merging: base + adapter as one folder, read back and compared; and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny

from finetune import exporting, generation, models
from finetune.cli import main
from finetune.errors import IntegrityError, ModelError, RunError, SurroundingsError
from finetune.models import merged_files, merging
from finetune.recipe.words import Adapter
from finetune.render import Renderer

PROBES = [[5, 6, 7, 8, 9], [10, 11, 12], [40, 41, 42, 43, 44, 45, 46, 47]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base with tied embeddings, whose config names code of its own as some on the hub do."""
    folder = tiny.save_base(tmp_path_factory.mktemp("bases") / "tied", hidden_size=64, tie_word_embeddings=True)
    words = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(words | {"auto_map": {"AutoModel": "modeling_x.X"}}))
    (folder / "LICENSE").write_text("Any use is allowed.\n")
    return folder


def trained(base: Path, folder: Path, quantization: str = "none", **words: Any) -> Path:
    """An adapter after a few real steps."""
    import torch

    source = models.find_base(str(base))
    settings = Adapter(**{"r": 4, **words})
    tokenizer, _ = models.load_tokenizer(source)
    models.extend_tokenizer(tokenizer, settings.new_tokens)
    model = models.load_base(source, "float32", quantization=quantization)
    model = models.attach_adapter(model, settings, 0, tokenizer)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    ids = torch.randint(5, len(tokenizer), (2, 16), generator=torch.Generator().manual_seed(1))
    for _ in range(6):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    models.save_adapter(model, folder, source.label, None)
    return folder


def merged(base: Path, adapter: Path, folder: Path, **words: Any) -> dict[str, Any]:
    source = models.find_base(str(base))
    tokenizer, _ = models.load_tokenizer(source)
    chat = models.chat_facts(Renderer(tokenizer), {}, system_prompt=None, max_new_tokens=8)
    given: dict[str, Any] = {"tokenizer": tokenizer, "stop_ids": [2, 1], "probes": PROBES, "chat": chat, **words}
    return models.merge(source, adapter, folder, **given)


KINDS = [
    {},
    {"method": "dora"},
    {"method": "rslora", "dropout": 0.1},
    {"method": "pissa"},
    {"rank_pattern": {"q_proj": 8}, "alpha_pattern": {"q_proj": 4}, "layers": (1,)},
    {"new_tokens": ("<finding>", "<advice>")},
]


@pytest.mark.parametrize("words", KINDS, ids=lambda words: "-".join(map(str, words.values())) or "lora")
def test_every_kind_of_adapter_merges_exactly(words: dict[str, Any], base: Path, tmp_path: Path) -> None:
    facts = merged(base, trained(base, tmp_path / "adapter", **words), tmp_path / "out", dtype="float32")
    full = facts["full_precision"]
    assert full["max_logit_difference"] < 1e-4 < facts["adapter_effect"]["max_logit_difference"]
    assert (full["num_greedy_equal"], full["num_prompts"]) == (3, 3)
    assert facts["as_trained"] is None
    # From disk, by transformers alone:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert model.generation_config.eos_token_id == [2, 1]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_smaller_formats_cost_what_is_told(dtype: str, base: Path, tmp_path: Path) -> None:
    facts = merged(base, trained(base, tmp_path / "adapter"), tmp_path / "out", dtype=dtype)
    full = facts["full_precision"]
    assert 1e-5 < full["mean_logit_difference"] < full["tolerance"] * full["logit_spread"]
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["dtype"] == dtype and "auto_map" not in config and "_name_or_path" not in config
    assert (tmp_path / "out" / "LICENSE").read_text() == "Any use is allowed.\n"
    assert json.loads((tmp_path / "out" / "merge.json").read_text()) == facts
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"in {dtype}, by finetune-kit" in card and str(tmp_path) not in card
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_both_ways_are_reported_for_a_rounded_base(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra qlora")
    adapter = trained(base, tmp_path / "adapter", quantization="4bit")
    facts = merged(base, adapter, tmp_path / "out", dtype="float32", quantization={"kind": "4bit"})
    other = facts["as_trained"]
    assert other["quantization"] == "4bit" and other["num_prompts"] == 3
    assert other["mean_logit_difference"] > 100 * facts["full_precision"]["mean_logit_difference"]
    assert "trained on the base in 4bit" in (tmp_path / "out" / "README.md").read_text()
    lines = exporting.lines(facts)
    assert any(line.startswith("as trained") for line in lines) and any(line.startswith("merged ") for line in lines)


def test_without_bitsandbytes_it_merges_and_says_what_was_not_compared(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finetune.models.quantized.library_version", lambda: None)
    said: list[str] = []
    facts = merged(base, trained(base, tmp_path / "a"), tmp_path / "out", quantization="4bit", say=said.append)
    assert "needs the extra 'qlora'" in facts["as_trained"]["not_measured"]
    assert any(line.startswith("not compared with the 4bit base it was trained on") for line in said)


def test_a_head_with_its_own_adapter_is_untied(base: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    model = models.load_base(models.find_base(str(base)), "float32")
    adapted: Any = get_peft_model(model, LoraConfig(r=2, target_modules=["lm_head"], task_type="CAUSAL_LM"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    probe = merging.ask(adapted, PROBES, [2])
    one = merging.merge_in_place(adapted)
    assert merging.difference(probe, merging.ask(one, PROBES, [2]))["max_logit_difference"] < 1e-4
    assert one.get_input_embeddings().weight is not one.get_output_embeddings().weight
    assert one.config.tie_word_embeddings is False


def test_a_folder_is_never_touched(base: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match="exists already; nothing is ever overwritten"):
        merged(base, tmp_path / "no-adapter", target)
    assert [path.name for path in target.iterdir()] == ["letter.txt"]


def test_no_room_on_the_disk_is_said_before_anything_is_loaded(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(SurroundingsError, match=r"out: needs 0\.00 GiB, and 0\.00 GiB are free there"):
        merged(base, tmp_path / "no-adapter", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_that_change_on_their_way_to_the_disk_are_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a file format loses scales: what is read is not what was written."""
    real = merged_files.save

    def damaging(model: Any, folder: Path, *rest: Any) -> None:
        from safetensors.torch import load_file, save_file

        real(model, folder, *rest)
        tensors = load_file(folder / "model.safetensors")
        tensors["model.layers.1.mlp.up_proj.weight"].mul_(1.01)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    monkeypatch.setattr(merged_files, "save", damaging)
    adapter = trained(base, tmp_path / "adapter")
    with pytest.raises(IntegrityError, match="1 tensors read back from disk are not those that were written") as caught:
        merged(base, adapter, tmp_path / "out")
    assert caught.value.exit_code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]


def test_a_wrong_sum_is_refused(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = merging.merge_in_place

    def forgetful(adapted: Any) -> Any:
        for name, parameter in adapted.named_parameters():
            if "layers.0.self_attn.v_proj.lora_B" in name:
                parameter.data.zero_()
        return real(adapted)

    monkeypatch.setattr(merging, "merge_in_place", forgetful)
    adapter = trained(base, tmp_path / "adapter")
    with pytest.raises(IntegrityError, match="merged in memory, the model is not base"):
        merged(base, adapter, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]


def test_numbers_beyond_float16_are_refused(base: Path) -> None:
    model = models.load_base(models.find_base(str(base)), "float32")
    model.model.norm.weight.data[0] = 1e5
    with pytest.raises(
        IntegrityError, match=r"model\.norm\.weight holds numbers beyond 65,504, the largest in float16"
    ):
        merged_files.cast(model, "float16")


def test_the_command_and_talking_to_what_it_wrote(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    adapter = trained(base, tmp_path / "adapter")
    assert main(["export", str(adapter), "--to", "merged", "out", "--base", str(base), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["dtype"] == "float32" and facts["num_prompts"] == len(exporting.PROBES)
    with_adapter = generation.Engine.open(adapter, base=str(base))
    alone = generation.Engine.open("out")
    question = [{"role": "user", "content": "Hello"}]
    assert alone.reply(question, max_new_tokens=8) == with_adapter.reply(question, max_new_tokens=8)
    assert main(["export", str(adapter), "--to", "merged", "out", "--base", str(base)]) == 2
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(ModelError, match="has no adapter to merge"):
        exporting.export_merged(base, tmp_path / "other")


def test_mixtures_are_told_why_the_largest_difference_may_be_large(base: Path, tmp_path: Path) -> None:
    adapter = trained(base, tmp_path / "adapter")
    facts = exporting.export_merged(adapter, tmp_path / "out", base=str(base))
    assert facts["is_mixture"] is False
    told = "A mixture of experts: single tokens may take another expert after rounding"
    assert not any(line.startswith(told) for line in exporting.lines(facts))
    (line,) = [line for line in exporting.lines({**facts, "is_mixture": True}) if line.startswith(told)]
    assert "--dtype float32 is exact" in line


def test_a_base_that_does_not_fit_is_not_merged(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from finetune import hardware

    adapter = trained(base, tmp_path / "adapter")
    monkeypatch.setattr(hardware.machines, "free_memory", lambda device: 1 << 20)
    with pytest.raises(SurroundingsError, match=r"its weights need about .* and 1 MiB are free in this machine"):
        exporting.export_merged(adapter, tmp_path / "out", base=str(base))
    assert not (tmp_path / "out").exists()
