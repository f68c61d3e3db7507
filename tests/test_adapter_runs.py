"""Whole runs of every kind of adapter: from the recipe to the proof, and what happens when the proof fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import training_kit as kit

from finetune import generation, models, workflow
from finetune.errors import IntegrityError, ModelError, StoppedError
from finetune.runs import Run


def recipe(folder: Path, adapter: str) -> Path:
    """A workspace whose recipe has this adapter section; the rows hold <finding> in every answer."""
    path = kit.workspace(folder, kit.RECIPE.replace("{r: 4, alpha: 8}", f"{{r: 4, alpha: 8, {adapter}}}"))
    rows = (folder / "rows.csv").read_text().replace("hello", "<finding> hello")
    (folder / "rows.csv").write_text(rows)
    return path


ALL_AT_ONCE = (
    "method: pissa, learning_rate_ratio: 4, layers: {last: 1}, rank_pattern: {down_proj: 6}, "
    "alpha_pattern: {down_proj: 6}, new_tokens: [<finding>]"
)


def test_resumed_run_of_everything_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    talk = kit.Interrupting()
    whole = workflow.run(recipe(tmp_path / "a", ALL_AT_ONCE), tmp_path / "a" / "run", talk=talk)
    halted = recipe(tmp_path / "b", ALL_AT_ONCE)
    with pytest.raises(StoppedError):
        workflow.run(halted, tmp_path / "b" / "run", talk=kit.Interrupting(3))
    resumed = workflow.run(halted, tmp_path / "b" / "run", resume=True)
    for name in ("adapter_model.safetensors", "adapter_config.json", "tokenizer.json"):
        assert (resumed.adapter_dir / name).read_bytes() == (whole.adapter_dir / name).read_bytes(), name
    for run in (whole, resumed):
        assert run.manifest["adapter"]["proof"]["logit_difference"] == 0
        assert run.manifest["adapter"]["proof"]["greedy_equal"] is True
    assert [line for line in talk.lines if line.startswith("adapter proved on a freshly loaded base: 16 tensors equal")]
    assert "new tokens: 1 texts are one token each, with a trained row" in talk.lines
    _speaks_the_new_token(whole)


def _speaks_the_new_token(run: Run) -> None:
    """Tokenizer, rows and adapter come back together: from the run, and from its adapter folder elsewhere."""
    engine = generation.Engine.open(run.path)
    number = engine.tokenizer.convert_tokens_to_ids("<finding>")
    assert engine.prompt_ids([{"role": "user", "content": "a <finding> b"}], 4).count(number) == 1
    assert engine.model.get_base_model().get_input_embeddings().original_module.weight.shape[0] == number + 1
    assert isinstance(engine.reply([{"role": "user", "content": "<finding>"}], max_new_tokens=3), str)
    with_base = generation.Engine.open(run.adapter_dir)
    assert with_base.prompt_ids([{"role": "user", "content": "a <finding> b"}], 4).count(number) == 1


@pytest.mark.parametrize("adapter", ["method: dora", "method: olora, target_modules: attention"])
def test_kinds(tmp_path: Path, adapter: str) -> None:
    run = workflow.run(recipe(tmp_path, adapter), tmp_path / "run")
    facts = run.manifest["adapter"]
    assert facts["proof"]["logit_difference"] == 0 and facts["proof"]["effect"] > 0
    config = json.loads((run.adapter_dir / "adapter_config.json").read_text())
    assert config["init_lora_weights"] is True
    models.check_adapter(run.adapter_dir)


def test_fault_79_is_found_before_anything_is_trained(tmp_path: Path) -> None:
    path = recipe(tmp_path, "target_modules: [q_proj, c_attn], layers: [7]")
    stages: list[str] = []

    class Watching(kit.Interrupting):
        def stage(self, name: str) -> None:
            stages.append(name)

    with pytest.raises(ModelError) as caught:
        workflow.run(path, tmp_path / "run", talk=Watching())
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "recipe.yaml:5:27: adapter.target_modules: not in this model (got c_attn). Fix: choose from down_proj, "
        "gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj, or all-linear\n"
        "recipe.yaml:5:61: adapter.layers: the base has 2 layers (got [7]). Fix: write numbers from 0 to 1"
    )
    assert stages == ["check"]
    assert not (tmp_path / "run").exists()


def test_an_adapter_that_fails_its_proof_is_moved_aside(tmp_path: Path) -> None:
    path = recipe(tmp_path, "method: lora")
    original = models.let_go

    def spoil(device: str) -> None:
        """After the save: the scale in the config is another one."""
        original(device)
        config = tmp_path / "run" / "adapter" / "adapter_config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "lora_alpha": 16}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "let_go", spoil)
        with pytest.raises(IntegrityError, match="gives other logits than the trained model") as caught:
            workflow.run(path, tmp_path / "run")
        with pytest.raises(IntegrityError):
            workflow.run(path, tmp_path / "run", resume=True)
    assert caught.value.exit_code == 3
    run = Run.open(tmp_path / "run")
    assert run.manifest["status"] == "failed"
    assert "proof" not in run.manifest["adapter"]
    assert not run.adapter_dir.exists()
    assert (tmp_path / "run" / "adapter.refused" / "adapter_model.safetensors").is_file()
    second = tmp_path / "run" / "adapter.refused-2"
    assert (second / "adapter_model.safetensors").is_file(), "what was refused before is not removed"
    assert f"the adapter was refused; what was saved is kept in {second.name}/" in run.manifest["notes"]
    finished: Any = workflow.run(path, tmp_path / "run", resume=True)
    assert finished.manifest["status"] == "finished"
    assert finished.manifest["adapter"]["proof"]["greedy_equal"] is True


def test_one_base_at_a_time(tmp_path: Path) -> None:
    """The trained model is gone before the proof loads another: a second base may not fit beside it."""
    import gc

    import torch

    def bases() -> int:
        gc.collect()
        found = (o for o in gc.get_objects() if isinstance(o, torch.nn.Embedding) and not o.weight.is_meta)
        return sum(1 for o in found)

    path, seen, before = recipe(tmp_path, "method: lora"), [], bases()
    original = models.prove_adapter

    def watched(*arguments: Any) -> Any:
        seen.append(bases())
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "prove_adapter", watched)
        workflow.run(path, tmp_path / "run")
    assert seen == [before]
