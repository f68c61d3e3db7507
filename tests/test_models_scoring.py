"""Losses row by row: packs, padded rows and one row at a time agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import test_models_new_tokens as rows_kit
import test_models_supervised as kit
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.models import scoring
from finetune.models.scoring import mean_loss, row_losses, scoring_path

Row = tuple[list[int], list[int]]


def rows_of(*, shared: int = 30, num: int = 6, seed: int = 0, vocabulary: int = kit.VOCABULARY) -> list[Row]:
    """Rows with one prompt and answers of their own, and beside them an equal one, a prefix and one without labels."""
    draw = torch.Generator().manual_seed(seed)

    def some(count: int) -> list[int]:
        return torch.randint(3, vocabulary, (count,), generator=draw).tolist()

    prompt = some(shared)
    rows: list[Row] = []
    for k in range(num):
        question, answer = some(3), some(4 + 3 * k)
        rows.append(([*prompt, *question, *answer], [-100] * (shared + 3) + answer))
    ids, labels = rows[-1]
    return [*rows, rows[0], (ids[: shared + 5], labels[: shared + 5]), (ids, [-100] * len(ids))]


def one_by_one(model: Any, rows: list[Row]) -> list[tuple[float, int]]:
    """As upstream has it, a row at a time with all logits."""
    found = []
    for ids, labels in rows:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1].float()
        targets = torch.tensor(labels[1:], dtype=torch.long)
        nats = torch.nn.functional.cross_entropy(logits, targets, reduction="sum", ignore_index=-100)
        found.append((float(nats), int((targets != -100).sum())))
    return found


def assert_same(expected: list[tuple[float, int]], got: list[tuple[float, int]], within: float = 1e-5) -> None:
    assert [count for _, count in got] == [count for _, count in expected]
    assert [nats for nats, _ in got] == pytest.approx([nats for nats, _ in expected], rel=within, abs=1e-6)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma", "granite", "cohere", "phi", "mixtral"])
def test_rows_in_packs_are_scored_as_alone(kind: str) -> None:
    model = kit.model_of(kind)
    rows = rows_of()
    expected = one_by_one(model, rows)
    attention = model.config._attn_implementation
    path = scoring_path(model)
    assert path.kind in ("segmented", "mask"), path.reason
    for pass_tokens in (1, 70, 4096):
        done: list[int] = []
        assert_same(expected, row_losses(model, rows, pass_tokens, done.append))
        assert sum(done) == len(rows)
    assert_same(expected[::-1], row_losses(model, rows[::-1]))
    assert mean_loss(row_losses(model, rows)) == pytest.approx(mean_loss(expected), rel=1e-6)
    assert model.config._attn_implementation == attention
    assert not model.lm_head._forward_pre_hooks


def mamba() -> Any:
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    words: dict[str, Any] = {"vocab_size": kit.VOCABULARY, "hidden_size": 16, "state_size": 4, "num_hidden_layers": 1}
    return MambaForCausalLM(MambaConfig(**words)).eval()


@pytest.mark.parametrize(("kind", "reason"), [("gemma2", "look back 16 tokens"), ("mamba", "carry a state")])
def test_families_without_packs_are_padded(kind: str, reason: str) -> None:
    model = mamba() if kind == "mamba" else kit.model_of(kind, sliding_window=16)
    rows = rows_of()
    path = scoring_path(model)
    assert path.kind is None and reason in path.reason
    done: list[int] = []
    for pass_tokens in (1, 100, 4096):
        assert_same(one_by_one(model, rows), row_losses(model, rows, pass_tokens, done.append))
    assert sum(done) == 3 * len(rows)


def test_a_model_that_carries_something_from_token_to_token_is_caught() -> None:
    """Nothing in its config says so; packs would score another model than the padded rows do."""

    def leak(module: Any, given: Any, output: Any) -> Any:
        return output + 0.3 * output.cumsum(dim=1)

    model, rows = kit.model_of("llama"), rows_of()
    model.model.layers[0].register_forward_hook(leak)
    path = scoring_path(model)
    assert path.kind is None and "differ by" in path.reason
    expected = one_by_one(model, rows)
    assert_same(expected, row_losses(model, rows))
    packed = scoring._packed_losses(model, rows, 4096, "segmented", None)
    with pytest.raises(AssertionError):
        assert_same(expected, packed, 1e-3)


def test_positions_that_restart_change_the_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = kit.model_of("llama"), rows_of()
    expected = one_by_one(model, rows)
    assert scoring_path(model).kind is not None
    inputs_of = scoring.pack_inputs

    def restarted(pack: Any, *words: Any) -> dict[str, Any]:
        inputs = inputs_of(pack, *words)
        for start, stop, _ in pack.segments:
            inputs["position_ids"][0, start:stop] = torch.arange(stop - start)
        return inputs

    monkeypatch.setattr(scoring, "pack_inputs", restarted)
    with pytest.raises(AssertionError):
        assert_same(expected, row_losses(model, rows), 1e-3)
    scoring._known.clear()
    assert scoring_path(model).kind is None, "and the check sees it"
    scoring._known.clear()


def test_rows_of_new_tokens_and_a_switched_off_adapter(tmp_path: Path) -> None:
    model = rows_kit.taught(tiny.save_base(tmp_path / "base", tie_word_embeddings=True))
    rows = rows_of(vocabulary=304)
    rows[0][0][-1] = rows[0][1][-1] = 305
    assert_same(one_by_one(model, rows), row_losses(model, rows))
    plain = rows_of(vocabulary=304)
    with model.disable_adapter():
        bare = one_by_one(model, plain)
        assert_same(bare, row_losses(model, plain))
    assert abs(bare[1][0] - row_losses(model, plain)[1][0]) > 1e-2


def test_mode_and_attention_are_left_as_they_were() -> None:
    from finetune.models.tree_attention import packed_attention

    model, rows = kit.model_of("llama"), rows_of()
    expected = one_by_one(model, rows)
    model.train()
    model.model.layers[1].eval()
    model.gradient_checkpointing_enable()
    assert_same(expected, row_losses(model, rows))
    assert (model.training, model.model.layers[0].training, model.model.layers[1].training) == (True, True, False)
    other = kit.model_of("llama")
    with packed_attention(other, "segmented"):  # as in the middle of training, before anything is known of the model
        inside = other.config._attn_implementation
        assert_same(expected, row_losses(other, rows))
        assert_same(expected, scoring._padded_losses(other, rows, 4096, None, None))
        assert other.config._attn_implementation == inside
    assert other.config._attn_implementation == "sdpa"


def test_no_row_and_no_label() -> None:
    model = kit.model_of("llama")
    assert row_losses(model, []) == []
    done: list[int] = []
    rows = [([5, 6, 7], [-100] * 3), ([5], [5])]  # the label of a first token is never counted
    assert row_losses(model, rows, on_done=done.append) == [(0.0, 0), (0.0, 0)]
    assert sum(done) == 2


def test_sixteen_bit_models_are_scored_in_packs_too() -> None:
    model, rows = kit.model_of("llama", initializer_range=0.05).to(torch.bfloat16), rows_of()
    path = scoring_path(model)
    assert path.kind is not None, path.reason
    assert_same(one_by_one(model, rows), row_losses(model, rows), 2e-2)


_MODEL: list[Any] = []


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.booleans()), min_size=1, max_size=7),
    pass_tokens=st.integers(1, 200),
)
def test_any_rows(shape: list[tuple[int, int, bool]], pass_tokens: int) -> None:
    """Rows cut from one long text, so that they share what they like."""
    if not _MODEL:
        _MODEL.append(kit.model_of("qwen3"))
    text = torch.randint(3, kit.VOCABULARY, (40,), generator=torch.Generator().manual_seed(5)).tolist()
    rows = []
    for k, (shared, more, all_labels) in enumerate(shape):
        ids = text[:shared] + [(7 * k + j) % 290 + 3 for j in range(more)]
        rows.append((ids, list(ids) if all_labels else [-100] * shared + ids[shared:]))
    assert_same(one_by_one(_MODEL[0], rows), row_losses(_MODEL[0], rows, pass_tokens))


@pytest.mark.parametrize("how", ["packed", "padded"])
def test_logits_of_all_labels_never_exist(how: str) -> None:
    num_vocabulary = 50_000
    words: dict[str, Any] = {"vocab_size": num_vocabulary, "hidden_size": 8, "num_attention_heads": 2}
    model = kit.model_of("llama", **words)
    rows = [(ids, list(ids)) for ids, _ in rows_of(num=8)]
    scoring_path(model)
    with kit.Largest(num_vocabulary) as seen:
        if how == "packed":
            row_losses(model, rows)
        else:
            with torch.no_grad():
                scoring._padded_losses(model, rows, 4096, None, None)
    num_labels = sum(len(labels) - 1 for _, labels in rows)
    assert num_labels * num_vocabulary > kit.frozen_head.chunk_labels(num_vocabulary, "cpu") * num_vocabulary
    assert 0 < seen.numbers <= kit.frozen_head.chunk_labels(num_vocabulary, "cpu") * num_vocabulary
