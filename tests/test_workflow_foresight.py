"""Mistakes that a base's config shows are told at once, before its weights and data; a refused run leaves nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import training_kit as kit
from commands_kit import finetune

from finetune import hardware, models, prepare, recipe, workflow
from finetune.errors import DataError, FinetuneError, ModelError, SurroundingsError
from finetune.recipe.words import Adapter

ADAPTER = "{r: 4, alpha: 8}"


def workspace(folder: Path, adapter: str = ADAPTER, base: str = "") -> Path:
    """A recipe with these words; its base is the kit's own unless another is named."""
    text = kit.RECIPE.replace(ADAPTER, adapter)
    if base:
        lines = [f"base: {base}" if line.startswith("base:") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    return kit.workspace(folder, text)


class Stages(kit.Interrupting):
    def __init__(self) -> None:
        super().__init__()
        self.progressed: list[str] = []

    def progress(self, name: str, *arguments: Any) -> None:
        self.progressed.append(name)


def refused(path: Path, kind: type[FinetuneError] = ModelError) -> list[str]:
    """The lines of the refusal; nothing was read, and nothing is left."""
    talk, folder = Stages(), path.parent / "run"
    with pytest.raises(kind) as caught:
        workflow.run(path, folder, talk=talk)
    assert not folder.exists()
    assert talk.progressed == []
    return str(caught.value).splitlines()


# -- all at once, with their places --------------------------------------------------------------------------------


def test_targets_layers_and_patterns_are_refused_together(tmp_path: Path) -> None:
    words = "{r: 4, alpha: 8, target_modules: [q_proj, c_attn], layers: [77], rank_pattern: {dwn_proj: 8}}"
    lines = refused(workspace(tmp_path, words))
    assert len(lines) == 3
    assert "adapter.target_modules: not in this model (got c_attn)" in lines[0]
    assert "adapter.layers: the base has " in lines[1]
    assert "adapter.rank_pattern: no adapter is on a module of this name (got dwn_proj)" in lines[2]
    assert all(line.startswith("recipe.yaml:5:") for line in lines)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("{target_modules: experts}", "adapter.target_modules: this model has no experts (got experts)"),
        ("{method: olora, r: 500}", "matrices are too small (got 500)"),
        (
            "{method: pissa, rank_pattern: {o_proj: 500}}",
            "adapter.rank_pattern.o_proj: model.layers.0.self_attn.o_proj",
        ),
    ],
)
def test_what_a_base_cannot_carry(tmp_path: Path, words: str, line: str) -> None:
    (found,) = refused(workspace(tmp_path, words))
    assert line in found and found.startswith("recipe.yaml:5:")


def test_packed_weights_are_not_rounded_again(tmp_path: Path, family_folder: Callable[[str], Path]) -> None:
    config = models.load_config(models.find_base("x", None, family_folder("gpt_oss_mxfp4")))
    (problem,) = models.misfits(config, Adapter(), "4bit")
    assert "stored as MXFP4" in str(problem)
    assert models.misfits(config, Adapter()) == []


def test_a_base_larger_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = hardware.Machine("cpu", 1, 10_000, None, None, False)
    monkeypatch.setattr(hardware, "machine", lambda: small)
    (line,) = refused(workspace(tmp_path), SurroundingsError)
    assert "weights and adapter alone need 0.0 GiB of memory" in line and "choose a smaller base" in line


def test_the_check_tells_the_same_and_exits_alike(tmp_path: Path) -> None:
    workspace(tmp_path, "{r: 4, alpha: 8, target_modules: [c_attn], layers: [77]}")
    ended = finetune("check", "recipe.yaml", "--json", cwd=tmp_path)
    report = json.loads(ended.out)
    assert ended.code == 2, ended.err
    assert report["verdict"]["kind"] == "not_ready"
    assert [problem["keys"] for problem in report["problems"]] == [["adapter.target_modules"], ["adapter.layers"]]


def test_the_check_looks_at_weight_files_of_a_folder(tmp_path: Path, tiny_base: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    weights = tmp_path / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    ended = finetune("check", str(workspace(tmp_path / "w", base="{model: ../base}")), "--allow-outside", cwd=tmp_path)
    assert ended.code == 2 and "model.safetensors" in ended.err and "Not ready" in ended.out


def test_the_check_says_what_it_could_not_look_at(tmp_path: Path) -> None:
    loaded = recipe.load(workspace(tmp_path, "{layers: {last: 2}}", base="{model: nobody/nothing}"))
    problems, lines = prepare.foreseen(loaded)
    assert problems == [] and len(lines) == 1 and "was not looked at" in lines[0]
    plain = recipe.load(workspace(tmp_path / "plain", base="{model: nobody/nothing}"))
    assert prepare.foreseen(plain) == ([], [])


def test_a_plain_recipe_is_checked_without_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = workspace(tmp_path)
    code = (
        "import sys; from finetune import prepare, recipe\n"
        f"print(prepare.foreseen(recipe.load({str(path)!r})), 'torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "([], []) False\n"


def test_a_folder_without_tokenizer(tmp_path: Path, tiny_base: Path) -> None:
    base = tmp_path / "bare"
    base.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(tiny_base / name, base / name)
    with pytest.raises(ModelError, match=r"has no tokenizer: none of tokenizer\.json, tokenizer\.model, vocab\.json, "):
        models.load_tokenizer(models.find_base("x", None, base))


# -- what is left behind -------------------------------------------------------------------------------------------


def test_the_same_command_works_after_a_memory_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workspace(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(hardware.machines, "free_memory", lambda device="cpu": 1 << 20)
        with pytest.raises(SurroundingsError, match="of memory") as caught:
            workflow.run(path, tmp_path / "run")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "run").exists()
    assert workflow.run(path, tmp_path / "run").manifest["status"] == "finished"


def test_the_same_command_works_after_a_mistake_behind_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace(tmp_path)

    def refuse(*arguments: Any) -> Any:
        assert (tmp_path / "run" / "plan.json").is_file()
        raise ModelError("a weight file is cut off")

    with monkeypatch.context() as patch:
        patch.setattr(models, "load_base", refuse)
        with pytest.raises(ModelError, match="cut off"):
            workflow.run(path, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert workflow.run(path, tmp_path / "run").manifest["status"] == "finished"


def test_a_folder_with_a_checkpoint_or_a_file_of_the_users_is_kept(tmp_path: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    assert not run.has_learnt
    (run.checkpoints_dir / "checkpoint-1").mkdir(parents=True)
    assert run.has_learnt
    (run.path / "mine.txt").write_text("x")
    run.remove_unstarted()
    assert sorted(path.name for path in run.path.iterdir()) == ["checkpoints", "mine.txt"]


# -- what is told ----------------------------------------------------------------------------------------------------


def test_rates_ranks_and_the_pad_token_are_told_and_recorded(tmp_path: Path) -> None:
    words = "{r: 4, alpha: 8, method: olora, target_modules: attention, learning_rate_ratio: 16}"
    run = workflow.run(workspace(tmp_path, words), tmp_path / "run")
    notes = run.manifest["notes"]
    assert "adapter.method: olora is saved as a plain LoRA of twice the recipe's size: r 8, alpha 16" in notes
    rate = run.manifest["notes"][[note.startswith("LoRA+") for note in notes].index(True)]
    assert rate.startswith("LoRA+: B learns at ") and rate.endswith(", 16 times train.learning_rate")
    assert run.manifest["adapter"]["saved_rank"] == 8
    assert set(run.manifest["template"]["pad_token"]) == {"text", "id"}


def test_auto_on_a_mixture_is_told(family_folder: Callable[[str], Path]) -> None:
    config = models.load_config(models.find_base("x", None, family_folder("qwen3_moe")))
    (first, *others) = models.fitting_notes(config, Adapter())
    assert first.startswith("adapter.target_modules: auto -> attention, because ")
    assert not any("4bit" in line or "dropout" in line for line in others)
    lines = models.fitting_notes(config, Adapter(target_modules="experts"), "4bit")
    assert any("4bit and 8bit leave them in 16 bit" in line for line in lines)
    assert any("adapters on experts take no dropout" in line for line in lines)
    assert not any(line.startswith("adapter.target_modules") for line in lines)


def test_nothing_is_told_of_a_plain_base(tiny_base: Path) -> None:
    config = models.load_config(models.find_base("x", None, tiny_base))
    assert models.fitting_notes(config, Adapter()) == []


def test_a_split_without_a_trained_token_is_refused() -> None:
    from types import SimpleNamespace

    def split(num_trained: int) -> prepare.RenderedSplit:
        row: Any = SimpleNamespace(input_ids=[1, 2, 3], labels=[-100] * 3, num_trained=num_trained)
        return prepare.RenderedSplit(rows=[row], conversations=[])

    base: Any = SimpleNamespace(config=None, max_length=99, overlong_chosen=True)
    assert prepare.check_rendered(split(1), split(1), base) == []
    with pytest.raises(DataError, match="no token of the held-out rows is trained"):
        prepare.check_rendered(split(1), split(0), base)
    with pytest.raises(DataError, match="no token of the training and held-out rows is trained"):
        prepare.check_rendered(split(0), split(0), base)


_WISHES = [("auto", False, "float32"), ("auto", True, "bfloat16"), ("float32", True, "float32")]


@pytest.mark.parametrize(("wish", "here", "expected"), _WISHES)
def test_quantization_is_tried_in_the_dtype_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: str, here: bool, expected: str
) -> None:
    seen: list[str] = []
    machine = hardware.Machine("cuda" if here else "cpu", 1, None, None, None, here)
    monkeypatch.setattr(hardware, "machine", lambda: machine)
    monkeypatch.setattr(models, "require_quantization", lambda kind, device, dtype, where: seen.append(dtype))
    workflow._require_quantization(recipe.load(workspace(tmp_path), [f"hardware.dtype={wish}"]))
    assert seen == [expected]
