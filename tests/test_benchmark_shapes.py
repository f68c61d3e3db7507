"""The bases that the benchmark of GPU shapes writes: of the published sizes, and such as the kit loads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import gpu_shapes

    return gpu_shapes


@pytest.mark.parametrize(("name", "num_parameters"), [("Qwen3-0.6B", 596_049_920), ("Qwen3-8B", 8_190_735_360)])
def test_the_shapes_are_those_of_the_published_bases(shapes, name: str, num_parameters: int) -> None:
    from transformers import Qwen3Config

    from finetune import models
    from finetune.recipe.words import Adapter

    assert models.sizes_of(Qwen3Config(**shapes.SHAPES[name]), Adapter()).num_parameters == num_parameters


def test_a_written_base_is_loaded_from_its_shards(shapes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from finetune import models

    monkeypatch.setattr(shapes, "_SHARD_BYTES", 1 << 20)
    shapes.write_base("tiny", tmp_path / "tiny", "cpu")
    index = json.loads((tmp_path / "tiny/model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    model = models.load_base(models.find_base(str(tmp_path / "tiny"), None, tmp_path / "tiny"), "float32")
    spread = model.get_input_embeddings().weight.std()
    assert 0.015 < spread < 0.025 and torch.isfinite(model(torch.tensor([[1, 2, 3]])).logits).all()


def test_a_row_that_failed_is_a_row_of_the_table(shapes, tmp_path: Path) -> None:
    facts = shapes.in_a_process_of_its_own("tiny", tmp_path / "nothing", "none")
    assert "failed" in facts and sys.executable not in facts["failed"]
    assert shapes.line(facts).count("|") == 8
    whole = {"shape": "a", "held": "4bit", "micro_batch": 2, "row_tokens": 64, "recomputing": True,
             "measured_bytes": 2 << 30, "estimated_bytes": 3 << 30, "tokens_per_second": 1234.5}  # fmt: skip
    assert shapes.line(whole) == "| a | 4bit | 2 x 64, recomputing | 2.00 | 3.00 | 1.50 | 1,234 |"
