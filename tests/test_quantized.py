"""Bases in 8 and 4 bit: real layers of bitsandbytes, on the CPU."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
import training_kit as kit

from finetune import generation, models, recipe, workflow
from finetune.errors import IntegrityError, ModelError, RecipeError, StoppedError, SurroundingsError
from finetune.models import quantized
from finetune.recipe.words import Adapter

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes (extra qlora) is not installed"
)
KINDS = pytest.mark.parametrize("kind", quantized.KINDS)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base whose rows are whole runs of 64 weights, but for one kind of layer."""
    words = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4}
    return tiny.save_base(tmp_path_factory.mktemp("bases") / "wide", **words)


def recipe_file(folder: Path, **words: str) -> Path:
    rows = [{"question": f"What helps with {k}?", "answer": f"Rest helps with {k}."} for k in range(24)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "recipe.yaml"
    lines = {
        "base": "{model: starter, quantization: 4bit}",
        "train": "{epochs: 1, batch_size: 8, learning_rate: 0.005}",
    }
    lines |= {"data": "{train: rows.jsonl}", "evaluate": "{max_new_tokens: 4}", **words}
    path.write_text("recipe: 1\n" + "".join(f"{key}: {value}\n" for key, value in lines.items()), encoding="utf-8")
    return path


def is_rounded(model: Any) -> bool:
    return any(type(module).__name__ in ("Linear4bit", "Linear8bitLt") for module in model.modules())


def logits_of(model: Any, rows: int = 2) -> Any:
    import torch

    ids = torch.randint(5, 90, (2, 12), generator=torch.Generator().manual_seed(1))[:rows]
    with torch.no_grad():
        return model(ids).logits


@needs_library
@KINDS
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_layers_compute_on_this_machine(kind: str, dtype: str) -> None:
    quantized.require_quantization(kind, "cpu", dtype)
    miss = quantized._miss(kind, "cpu", dtype)
    assert 0 < miss < {"8bit": 0.02, "4bit": 0.15}[kind]


@needs_library
@KINDS
def test_a_base_is_rounded_where_it_can_be(kind: str, wide: Path) -> None:
    source = models.find_base(str(wide))
    exact, rounded = models.load_base(source, "float32"), models.load_base(source, "float32", quantization=kind)
    names = {name for name, module in rounded.named_modules() if type(module).__name__.startswith("Linear") and
             type(module).__name__ != "Linear"}  # fmt: skip
    # Rows of down_proj are 96 numbers: no whole runs of 64.
    assert {name.rpartition(".")[2] for name in names} == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
    }
    assert is_rounded(rounded) and not is_rounded(exact)
    gap = (logits_of(exact) - logits_of(rounded)).abs().max()
    assert 0 < gap < 1
    assert not any(p.requires_grad for p in rounded.parameters())
    count = sum(quantized.num_weights(p) for p in rounded.parameters())
    assert count == sum(p.numel() for p in exact.parameters())
    assert models.quantization_notes(models.load_config(source), kind)[0].startswith(f"base.quantization: {kind} holds")


@needs_library
@KINDS
def test_it_computes_in_one_way_in_training_and_evaluation(kind: str, wide: Path) -> None:
    """bitsandbytes itself computes otherwise without gradients, and depends on the other rows of a batch in 8 bit."""
    model = models.load_base(models.find_base(str(wide)), "float32", quantization=kind)
    before = logits_of(model)
    assert (logits_of(model, rows=1) - before[:1]).abs().max() < 1e-5
    model.train()
    assert (logits_of(model) - before).abs().max() == 0
    import torch

    adapted = models.attach_adapter(model, Adapter(r=4), 0)
    ids = torch.randint(5, 90, (2, 12), generator=torch.Generator().manual_seed(1))

    def gradients() -> list[Any]:
        adapted.train()
        adapted.zero_grad()
        adapted(input_ids=ids, labels=ids).loss.backward()
        return [p.grad.clone() for name, p in adapted.named_parameters() if "lora_B" in name]

    first = gradients()
    adapted.eval()
    logits_of(adapted)
    # Layers that repack themselves at a look without gradients would pass none on: the lowest layers learn nothing.
    assert all((one - other).abs().max() == 0 for one, other in zip(first, gradients(), strict=True))
    assert all(gradient.abs().max() > 0 for gradient in first)


@needs_library
@pytest.mark.parametrize(("kind", "method"), [("4bit", "lora"), ("4bit", "dora"), ("4bit", "rslora"), ("8bit", "lora")])
def test_adapters_learn_beside_it(kind: str, method: Any, wide: Path, tmp_path: Path) -> None:
    import torch

    source = models.find_base(str(wide))
    model = models.attach_adapter(
        models.load_base(source, "float32", quantization=kind), Adapter(r=4, method=method), 0
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    assert {p.dtype for p in trained} == {torch.float32}
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    ids = torch.randint(5, 90, (2, 12), generator=torch.Generator().manual_seed(1))
    losses = []
    for _ in range(8):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.01
    expected = logits_of(model.eval())
    models.save_adapter(model, tmp_path / "adapter", source.label, None)
    cold = models.load_adapter(models.load_base(source, "float32", quantization=kind), tmp_path / "adapter")
    assert (logits_of(cold) - expected).abs().max() == 0


@needs_library
def test_no_layer_to_round_is_refused(tiny_base: Path) -> None:
    with pytest.raises(ModelError, match="rows are a multiple of 64 numbers; this base has none"):
        models.load_base(models.find_base(str(tiny_base)), "float32", quantization="4bit")


@needs_library
def test_a_run_records_it_and_is_served_the_same(tmp_path: Path) -> None:
    run = workflow.run(recipe_file(tmp_path), tmp_path / "run")
    facts = run.manifest["base"]["quantization"]
    assert facts == {"kind": "4bit", "compute_dtype": "float32", "bitsandbytes": quantized.library_version(),
                     "type": "nf4", "double": True}  # fmt: skip
    assert run.manifest["adapter"]["proof"]["logit_difference"] == 0
    assert math.isfinite(run.manifest["training"]["final_loss"])
    assert json.loads(run.evaluation_path.read_bytes())["base"]["quantization"] == "4bit"
    assert "starter, held in 4bit" in run.report_path.read_text(encoding="utf-8")
    for name in (run.path, run.adapter_dir):
        engine = generation.Engine.open(name)
        assert is_rounded(engine.model)
        assert "the base is held in 4bit, as in training" in engine.notes
    copy = tmp_path / "elsewhere"
    run.adapter_dir.rename(copy)
    engine = generation.Engine.open(copy)
    assert engine.source.quantization == "4bit" and is_rounded(engine.model)
    assert "the base is held in 4bit, as in training" in engine.notes
    # As recorded, whatever the recipe says by now.
    text = run.resolved_path.read_text(encoding="utf-8")
    assert text.count("quantization: 4bit") == 1
    run.resolved_path.write_text(text.replace("quantization: 4bit", "quantization: none"), encoding="utf-8")
    copy.rename(run.adapter_dir)
    assert is_rounded(generation.Engine.open(run.path).model)


@needs_library
def test_trained_weights_stay_in_float32_inside_the_trainer(wide: Path) -> None:
    import torch

    model = models.attach_adapter(
        models.load_base(models.find_base(str(wide)), "float32", quantization="4bit"), Adapter(r=4), 0
    )
    before = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    with quantized.adapter_kept_in_float32(model):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(torch.bfloat16)  # what TRL does
    after = [p for p in model.parameters() if p.requires_grad]
    assert all(
        torch.equal(one, other) and other.dtype == torch.float32 for one, other in zip(before, after, strict=True)
    )


@needs_library
@KINDS
def test_resumed_equals_uninterrupted(kind: str, wide: Path, tmp_path: Path) -> None:
    rows = kit.ragged_rows(24, 90, shortest=6, longest=30)
    words: dict[str, Any] = {"dropout": 0.1, "held_out": rows[:4], "micro_batch": 2, "quantization": kind}
    settings = kit.settings(save_every=100, learning_rate=1e-3)
    expected, _ = kit.train(kit.new_run(tmp_path / "whole"), wide, rows, settings, **words)
    halted = kit.new_run(tmp_path / "halted")
    with pytest.raises(StoppedError):
        kit.train(halted, wide, rows, settings, stop_after=3, **words)
    model, _ = kit.train(halted, wide, rows, settings, resume=True, **words)
    assert kit.adapter_hash(model) == kit.adapter_hash(expected)
    import torch

    # TRL turns them into bfloat16 on such a base, where small steps are lost.
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}


def test_without_the_library_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantized, "library_version", lambda: None)
    with pytest.raises(SurroundingsError) as caught:
        workflow.run(recipe_file(tmp_path), tmp_path / "run")
    place, _, message = str(caught.value).partition(": ")
    assert place.endswith("recipe.yaml:2:24")
    assert message == (
        "base.quantization: needs the extra 'qlora' (bitsandbytes), which is not installed (got 4bit). "
        "Fix: pip install 'finetune-kit[qlora]', or write quantization: none"
    )
    assert caught.value.exit_code == 4
    assert not (tmp_path / "run").exists()


@needs_library
def test_a_library_that_computes_wrongly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> float:
        raise RuntimeError("no kernel for this device")

    monkeypatch.setattr(quantized, "_miss", broken)
    with pytest.raises(SurroundingsError, match="cannot compute 4bit layers on cpu in float32 here: no kernel"):
        quantized.require_quantization("4bit")
    monkeypatch.setattr(quantized, "_miss", lambda *_: 0.4)
    with pytest.raises(SurroundingsError, match="a test layer misses by 40%"):
        quantized.require_quantization("4bit")


@pytest.mark.parametrize(
    ("base", "adapter", "message"),
    [
        ("4bit", "pissa", "pissa starts from the base's exact matrices, which are rounded away"),
        ("8bit", "olora", "olora starts from the base's exact matrices, which are rounded away"),
        ("8bit", "dora", "peft's dora loses the scales of 8-bit layers"),
    ],
)
def test_what_makes_no_sense_together_is_refused_early(base: str, adapter: str, message: str, tmp_path: Path) -> None:
    words = {"base": f"{{model: starter, quantization: {base}}}", "adapter": f"{{method: {adapter}}}"}
    with pytest.raises(RecipeError, match=message):
        recipe.load(recipe_file(tmp_path, **words))
    words["base"] = "{model: starter}"
    recipe.load(recipe_file(tmp_path, **words))


def test_kinds_that_are_recorded() -> None:
    assert quantized.kind_of(None) == quantized.kind_of("none") == "none"
    assert quantized.kind_of({"kind": "4bit", "type": "nf4"}) == quantized.kind_of("4bit") == "4bit"
    with pytest.raises((ModelError, IntegrityError), match="of an unknown kind"):
        quantized.kind_of({"kind": "2bit"})


def test_no_compiled_code_is_fetched_while_bitsandbytes_is_imported() -> None:
    assert sys.modules["kernels"] is None or "kernels" not in sys.modules
