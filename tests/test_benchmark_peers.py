"""The drivers of other tools in the speed benchmark: what they write and read; nothing is installed or trained here."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.speed import bases, shapes
from benchmarks.speed.peers import common, install, litgpt, torchtune
from benchmarks.speed.protocol import Contender, Job

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, shapes.ShapeFiles]:
    """A job of 16 rows on a small base, as the runner makes it, and what its rows are."""
    home = tmp_path_factory.mktemp("peers")
    base = bases.base_folder("tiny", home, seed=0, device="cpu")
    files = shapes.write_shape("one", base, home / "rows", 16, seed=0)
    job = Job(
        shape="one",
        base=base,
        base_name="tiny",
        rows=files.rows,
        plain_rows=files.plain_rows,
        held_out=files.held_out,
        folder=home / "work",
        num_rows=16,
        examples_per_step=8,
        longest_tokens=files.facts.longest_tokens,
        mean_tokens=files.facts.tokens / 16,
        learning_rate=2e-3,
        rank=16,
        alpha=32,
        seed=0,
    )
    return job, files


@pytest.fixture
def job(made: tuple[Job, shapes.ShapeFiles], tmp_path: Path) -> Job:
    return replace(made[0], folder=tmp_path)


def peers() -> list[Contender]:
    modules = (importlib.import_module(f"benchmarks.speed.peers.{name}") for name in install.MODULES)
    return [contender for module in modules for contender in module.contenders()]


def inside(name: str) -> ModuleType:
    """A module that runs in a peer's Python, loaded from its file."""
    spec = importlib.util.spec_from_file_location(name, common.INSIDE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rendered_rows_have_the_tokens_and_labels_of_the_chat_template(made: tuple[Job, shapes.ShapeFiles]) -> None:
    job, files = made
    renderer = common.Renderer(job.base)

    def ids(text: str) -> list[int]:
        return renderer.tokenizer(text, add_special_tokens=False)["input_ids"]

    for row, (wanted_ids, wanted_labels) in zip(renderer.rows(job.rows), files.encoded, strict=True):
        prompt, answer = ids(row.prompt), ids(row.answer + row.ending)
        assert prompt + answer == wanted_ids
        assert [-100] * len(prompt) + answer == wanted_labels


def test_a_template_that_rewrites_the_answer_is_refused(job: Job) -> None:
    renderer = common.Renderer(job.base)
    renderer.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"
    with pytest.raises(ValueError, match="prompt and answer"):
        renderer.render([{"role": "user", "content": "why"}, {"role": "assistant", "content": "yes"}])


def test_torchtune_reads_the_same_tokens_and_labels(made: tuple[Job, shapes.ShapeFiles]) -> None:
    @dataclass
    class Message:
        text_content: str
        masked: bool

    job, files = made
    tokenizer = inside("torchtune_tokens").RenderedText(str(job.base))
    for row, (wanted_ids, wanted_labels) in zip(common.Renderer(job.base).rows(job.rows), files.encoded, strict=True):
        read = tokenizer({"messages": [Message(row.prompt, True), Message(row.answer, False)]})
        assert read["tokens"] == wanted_ids
        labels = [-100 if masked else token for token, masked in zip(read["tokens"], read["mask"])]
        assert labels == wanted_labels


def numbers(configuration: dict[str, Any]) -> dict[str, Any]:
    """Every leaf of a configuration by its last key."""
    found: dict[str, Any] = {}
    for key, value in configuration.items():
        found |= numbers(value) if isinstance(value, dict) else {key: value}
    return found


@pytest.mark.parametrize("contender", peers(), ids=lambda contender: contender.name)
def test_every_configuration_asks_for_the_same_work(contender: Any, job: Job) -> None:
    leaves = numbers(contender.words(job) if hasattr(contender, "words") else contender.configuration(job))
    assert 16 in (leaves.get("lora_rank"), leaves.get("lora_r"))
    assert leaves["lora_alpha"] == 32
    assert leaves["lora_dropout"] == 0.0
    assert leaves["weight_decay"] == 0.0
    assert job.learning_rate in (leaves.get("learning_rate"), leaves.get("lr"))
    assert 1 in (leaves.get("epochs"), leaves.get("num_epochs"), leaves.get("num_train_epochs"))
    rows_a_pass = next(
        leaves[key] for key in ("per_device_train_batch_size", "micro_batch_size", "batch_size") if key in leaves
    )
    if "global_batch_size" in leaves:
        assert leaves["global_batch_size"] == 8
    elif not contender.name.endswith("-packed"):  # its batches are packs
        assert rows_a_pass * leaves["gradient_accumulation_steps"] == 8
    for key in ("cutoff_len", "max_length", "sequence_len", "max_seq_len"):
        assert leaves.get(key) is None or leaves[key] >= job.longest_tokens


@pytest.mark.parametrize("name", ["torchtune", "llamafactory", "ms-swift", "axolotl"])
def test_prepare_writes_into_the_folder_only_and_names_files_that_exist(name: str, job: Job) -> None:
    contender = next(contender for contender in peers() if contender.name == name)
    base_before = sorted(path.name for path in job.base.iterdir())
    launch = contender.prepare(job)
    written = [word for word in launch.command if str(job.folder) in word]
    assert written
    for word in written:
        path = Path(word.partition("=")[2] or word)
        assert path.exists() or path == job.folder / "out"
    assert sorted(path.name for path in job.base.iterdir()) == base_before


def test_rows_are_written_in_order_and_whole(job: Job) -> None:
    next(contender for contender in peers() if contender.name == "ms-swift").prepare(job)
    answers = [row["messages"][-1]["content"] for row in common.read_lines(job.rows)]
    assert [row["messages"][-1]["content"] for row in common.read_lines(job.folder / "rows.jsonl")] == answers
    next(contender for contender in peers() if contender.name == "llamafactory").prepare(job)
    rows = json.loads((job.folder / "data" / "rows.json").read_text(encoding="utf-8"))
    assert [row["output"] for row in rows] == [answer + "<|end|>" for answer in answers]


def test_absence_is_said_with_the_command_that_helps(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_BENCH_PEERS", str(tmp_path))
    for contender in peers():
        assert "python -m benchmarks.speed.peers install" in (contender.absent(job) or "")
        assert contender.versions() == {}
    about = tmp_path / "torchtune" / "lib" / "python3.11" / "site-packages" / "torchtune-0.6.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchtune\nVersion: 0.6.1\n", encoding="utf-8")
    peer = torchtune.contenders()[0]
    assert peer.versions() == {"torchtune": "0.6.1"}
    assert peer.absent() is None and peer.absent(job) is None
    assert "CPU" in (peer.absent(replace(job, device="cuda")) or "")
    for words, why in (({"model_type": "qwen3"}, "qwen3"), ({"tie_word_embeddings": True}, "tied")):
        base = tmp_path / why
        common.write_json(base / "config.json", common.base_config(job.base) | words)
        assert why in (peer.absent(replace(job, base=base)) or "")


def test_a_base_is_converted_once_and_again_when_the_script_changes(job: Job, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    script = tmp_path / "convert.py"
    script.write_text("import sys, pathlib, time; pathlib.Path(sys.argv[2], 'at').write_text(str(time.time_ns()))\n")
    first = common.converted_base(tmp_path, job.base, script)
    at = (first / "at").read_text()
    assert common.converted_base(tmp_path, job.base, script) == first and (first / "at").read_text() == at
    script.write_text("raise SystemExit('no such layer')\n")
    with pytest.raises(ChildProcessError, match="no such layer"):
        common.converted_base(tmp_path, job.base, script)


def test_litgpt_is_told_the_sizes_of_both_families() -> None:
    described = inside("litgpt_convert").described
    common_words = {"max_position_embeddings": 4096, "vocab_size": 32000, "num_hidden_layers": 8, "hidden_size": 512}
    common_words |= {"rms_norm_eps": 1e-6, "intermediate_size": 1376}
    llama = described(common_words | {"model_type": "llama", "num_attention_heads": 8, "rope_theta": 10000.0})
    assert (llama["head_size"], llama["n_query_groups"], llama["norm_qk"]) == (64, 8, False)
    heads = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
    qwen = described(common_words | heads | {"model_type": "qwen3", "rope_parameters": {"rope_theta": 1e6}})
    assert (qwen["head_size"], qwen["n_query_groups"], qwen["norm_qk"], qwen["rope_base"]) == (128, 8, True, 1_000_000)


def test_losses_are_read_as_each_tool_logs_them(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("loss,iter\n10.0,1\n9.0,2\n,\n8.0,3\n7.0,4\n", encoding="utf-8")
    assert litgpt.step_losses(tmp_path / "metrics.csv", 2) == [9.0, 7.0]
    log = "Step 1 | loss:10.5 lr:0.002 tokens_per_second_per_gpu:9.1 \nStep 2 | lr:0.002 loss:1e-05 \n"
    assert torchtune.step_losses(log) == [10.5, 1e-05]
    printed = "{'loss': '10.4', 'grad_norm': '1'}\r 10%{'loss': 9.5}\n{\"loss\": 8.25}\n{'train_loss': 9.9}\n"
    assert common.printed_losses(printed) == [10.4, 9.5, 8.25]


def test_every_environment_bounds_torch_and_is_known_by_its_name(tmp_path: Path) -> None:
    for name, setup in install.setups().items():
        assert setup.name == name
        assert any(package.startswith("torch>=") and "<2.14" in package for package in setup.packages)
        assert setup.telling[0] == setup.packages[0].partition("==")[0]
    setup = install.setups()["llamafactory"]
    assert install.pip_words(setup)[1] == ["uninstall", "--yes", "torchvision", "torchaudio"]
    install.write_stubs(setup, tmp_path)
    assert (tmp_path / "torchaudio" / "__init__.py").is_file()


def test_drivers_load_without_the_tools_and_without_torch() -> None:
    code = "import sys, importlib; [importlib.import_module('benchmarks.speed.peers.' + m) for m in sys.argv[1:]]"
    code += "; sys.exit(', '.join({'torch', 'transformers', 'litgpt', 'torchtune', 'axolotl'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, *install.MODULES], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""
