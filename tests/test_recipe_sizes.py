"""Ranks and strengths: what a recipe may ask for is what an adapter that is read may have."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st

from finetune import models, recipe
from finetune.errors import RecipeError
from finetune.models.adapter_check import _wrong_sizes

HEAD = "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl}\n"
METHODS = ("lora", "rslora", "dora", "pissa", "olora")
# Bounds and their neighbours, where a slip would show.
RANKS = st.sampled_from([1, 2, 3, 7, 16, 63, 511, 512, 513, 1023, 1024])
ALPHAS = st.one_of(
    st.sampled_from([0.001, 1, 64, 64.001, 128, 256, 1024, 32768, 65536]),
    st.floats(0.001, 65536, allow_nan=False),
    st.builds(lambda rank, more: 64 * rank**0.5 * more, RANKS, st.sampled_from([1.0, 0.999, 1.001])),
)


def load(words: dict[str, Any], more: str = "") -> Any:
    """The adapter section of a recipe with these words."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "recipe.yaml"
        (Path(name) / "rows.jsonl").write_text("{}\n")
        path.write_text(HEAD + yaml.safe_dump({"adapter": words}) + more)
        return recipe.load(path).recipe.adapter


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(METHODS), RANKS, ALPHAS,
    st.dictionaries(st.sampled_from(["q_proj", "v_proj"]), RANKS, max_size=2),
    st.dictionaries(st.sampled_from(["q_proj", "down_proj"]), ALPHAS, max_size=2),
)  # fmt: skip
def test_every_recipe_that_loads_gives_an_adapter_that_is_accepted(
    method: str, r: int, alpha: float, ranks: dict[str, int], alphas: dict[str, float]
) -> None:
    words = {"method": method, "r": r, "alpha": alpha, "rank_pattern": ranks, "alpha_pattern": alphas}
    adapter, error = None, ""
    try:
        adapter = load(words)
    except RecipeError as refusal:
        error = str(refusal)
    if adapter is None:
        event("refused")
        # And nothing is refused that would be accepted.
        twice = 2 if method in ("pissa", "olora") else 1
        written = {
            "r": twice * r, "lora_alpha": twice * alpha, "use_rslora": method == "rslora",
            "rank_pattern": {name: twice * value for name, value in ranks.items()},
            "alpha_pattern": {name: twice * value for name, value in alphas.items()},
        }  # fmt: skip
        assert _wrong_sizes(written, ""), error
        return
    event("loaded")
    assert _wrong_sizes(models.saved_sizes(adapter), "") == []


def test_rslora_keeps_to_the_root() -> None:
    assert load({"method": "rslora", "r": 16, "alpha": 256}).alpha == 256
    with pytest.raises(RecipeError) as caught:
        load({"method": "rslora", "r": 16, "alpha": 257})
    assert str(caught.value) == (
        "recipe.yaml:5:3: adapter.alpha: may be at most 64 times sqrt(adapter.r) with adapter.method rslora, but "
        "adapter.r is 16 at recipe.yaml:7:3 (got 257). Fix: write alpha: 32, or raise r"
    )
    assert load({"method": "lora", "r": 16, "alpha": 257}).alpha == 257


def test_a_trained_rslora_at_the_bound_is_read_back(tiny_base: Path, tmp_path: Path) -> None:
    """What is written is what was foreseen: peft's own file keeps to the rules."""
    import torch
    import training_kit as kit

    model, _ = kit.adapted(tiny_base, r=4, method="rslora", alpha_pattern={"o_proj": 128.0})
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.1)
    models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    models.check_adapter(tmp_path / "adapter")


def test_lora_plus_keeps_to_the_bound_of_every_rate() -> None:
    assert load({"learning_rate_ratio": 1000}, "train: {learning_rate: 0.001}\n").learning_rate_ratio == 1000
    with pytest.raises(RecipeError) as caught:
        load({"learning_rate_ratio": 1000}, "train: {learning_rate: 0.01}\n")
    assert str(caught.value) == (
        "recipe.yaml:5:3: adapter.learning_rate_ratio: lets the B matrices learn at 10, and a rate may be at most 1, "
        "but train.learning_rate is 0.01 at recipe.yaml:6:9 (got 1000). Fix: write learning_rate_ratio: 100 or less, "
        "or lower the rate"
    )
