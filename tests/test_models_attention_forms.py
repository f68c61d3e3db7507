"""The forms of attention over packs by themselves: plans, masks, blocks, and heads of any size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from attention_kit import TRIE, Rows, alone, build, packs_of, tries
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.models import segmented
from finetune.models.segmented import Call, attend, plan_of
from finetune.models.tree_attention import pack_inputs, packed_attention
from finetune.packing import pack_rows


@pytest.fixture
def small_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Calls that cost next to nothing: the plan then cuts a small pack up as it would a large one."""
    monkeypatch.setattr(segmented, "_CALL_US", 0.01)
    monkeypatch.setattr(segmented, "_MERGE_KEYS", 0)
    plan_of.cache_clear()
    yield
    plan_of.cache_clear()


# -- the forms themselves ------------------------------------------------------------------------------------------


def seen_by(ends: Any) -> torch.Tensor:
    """(tokens, tokens): who sees whom, straight from a pack's `ends`."""
    return torch.tensor([[k <= q < ends[k] for k in range(len(ends))] for q in range(len(ends))])


def test_the_inputs_of_every_kind() -> None:
    (pack,) = packs_of(TRIE)
    (plain,) = packs_of(TRIE, share=False)
    tokens = len(pack.ids)
    mask = pack_inputs(pack, "mask", "cpu")["attention_mask"]
    assert mask.shape == (1, 1, tokens, tokens) and torch.equal(mask[0, 0], seen_by(pack.ends))
    told = pack_inputs(pack, "segmented", "cpu")
    assert told["attention_mask"].tolist() == [[[list(segment) for segment in pack.segments]]]
    assert told["input_ids"].tolist() == [pack.ids.tolist()]
    assert told["position_ids"].tolist() == [pack.positions.tolist()]
    rows = pack_inputs(plain, "varlen", "cpu")
    lengths = [len(TRIE[row]) - 1 for row in plain.rows]
    assert rows["cu_seq_lens_q"].tolist() == [0, *itertools.accumulate(lengths)]
    assert rows["max_length_k"] == max(lengths) and "attention_mask" not in rows
    with pytest.raises(ValueError, match="share nothing"):
        pack_inputs(pack, "varlen", "cpu")
    with pytest.raises(ValueError, match="kind must be"):
        pack_inputs(pack, "other", "cpu")


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 130), min_size=1, max_size=7), shared=st.integers(0, 200))
def test_the_block_mask_is_that_of_upstream(lengths: list[int], shared: int) -> None:
    """Found block by block, it lists the very blocks that torch's own search over all pairs finds."""
    from torch.nn.attention.flex_attention import create_block_mask

    rows = [[3] * shared + [4 + k] * length + [60] for k, length in enumerate(lengths)]
    (pack,) = packs_of(rows)
    tokens, ends = len(pack.ids), torch.tensor(pack.ends)
    found = pack_inputs(pack, "flex", "cpu")["attention_mask"]

    def sees(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return (key <= query) & (query < ends[key])

    expected = create_block_mask(sees, 1, 1, tokens, tokens, device="cpu")
    assert found.shape == expected.shape == (1, 1, tokens, tokens)
    assert torch.equal(found.to_dense(), expected.to_dense())
    for name in ("kv", "full_kv"):
        numbers = getattr(found, f"{name}_num_blocks")
        assert torch.equal(numbers, getattr(expected, f"{name}_num_blocks")), name
        for row, num in enumerate(numbers[0, 0].tolist()):
            one, other = (getattr(mask, f"{name}_indices")[0, 0, row, :num] for mask in (found, expected))
            assert torch.equal(one.sort().values, other.sort().values)
    places = torch.arange(tokens)
    assert torch.equal(found.mask_mod(0, 0, places[:, None], places[None]), seen_by(pack.ends))


@pytest.mark.slow
def test_flex_attention_gives_the_logits_of_the_rows() -> None:
    """Upstream's own function, compiled for this CPU; its backward is for GPUs only."""
    import shutil

    if shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("flex attention on a CPU needs a C++ compiler")
    model = build("qwen3", num_key_value_heads=2, head_dim=16)
    (pack,) = packs_of(TRIE)
    with torch.no_grad(), packed_attention(model, "flex"):
        said = model(**pack_inputs(pack, "flex", "cpu"), use_cache=False).logits[0][torch.tensor(pack.sources)]
    expected, _ = alone(model, TRIE)
    for row in pack.rows:
        index = torch.tensor(pack.label_index[pack.label_rows == row])
        assert float((said[index] - expected[row]).abs().max()) < 1e-5


@settings(max_examples=40, deadline=None)
@given(rows=tries(), cost=st.sampled_from([0.0, 3.0, 30.0, 300.0, 1e9]))
def test_a_plan_shows_every_query_its_keys_once(rows: Rows, cost: float) -> None:
    (pack,) = packs_of(rows)
    tokens = len(pack.ids)
    plan = plan_of(pack.segments, cost)
    seen = torch.zeros(tokens, tokens, dtype=torch.int64)
    for call in (*plan.own, *plan.above):
        square = torch.ones(call.query_stop - call.query, call.key_stop - call.key, dtype=torch.int64)
        if call.kind == "causal":
            square = square.tril()
        elif call.kind == "masked":
            square = (plan.mask(call, torch.float32)[0, 0] == 0).long()  # type: ignore[index]
        seen[call.query : call.query_stop, call.key : call.key_stop] += square
    assert torch.equal(seen, seen_by(pack.ends).long())
    assert sorted(token for call in plan.own for token in range(call.query, call.query_stop)) == list(range(tokens))


def test_plans_follow_the_price_of_a_call() -> None:
    """Small packs are one masked call; long stretches are halved, since the kernel skips nothing in a short one."""
    star = ((0, 10, 34), (10, 22, 22), (22, 34, 34))
    assert plan_of(star, 2_000.0).own == [Call(0, 34, 0, 34, "masked")]
    cut = plan_of(star, 0.0)
    assert cut.own[0].query == 0 and len(cut.own) >= 3
    assert Call(10, 34, 0, 10, "full") in cut.above
    assert plan_of(((0, 400, 400),), 1e9).own == [Call(0, 400, 0, 400, "causal")]
    assert [len(plan_of(((0, 400, 400),), cost).own) for cost in (500.0, 2_000.0, 8_000.0)] == [8, 4, 2]


def test_a_deep_trie_does_not_run_out_of_stack() -> None:
    """Each row a prefix of the next: as deep as there are rows."""
    depth = 3_000
    segments = tuple((k, k + 1, depth) for k in range(depth))
    plan = plan_of(segments, 10.0)
    assert sum(call.query_stop - call.query for call in plan.own) == depth


@pytest.mark.parametrize("size, value_size", [(8, 8), (7, 7), (24, 16), (8, 20), (1, 3)])
@pytest.mark.usefixtures("small_calls")
def test_heads_of_any_size(size: int, value_size: int) -> None:
    """Values of another size than keys (multi-head latent attention): the kernel alone would refuse them."""
    (pack,) = packs_of(TRIE)
    tokens = len(pack.ids)
    torch.manual_seed(0)
    query = torch.randn(1, tokens, 4, size, dtype=torch.float64).transpose(1, 2).requires_grad_()
    key = torch.randn(1, 2, tokens, size, dtype=torch.float64, requires_grad=True)
    value = torch.randn(1, 2, tokens, value_size, dtype=torch.float64, requires_grad=True)
    wide = [x.repeat_interleave(2, 1) for x in (key, value)]
    expected = functional.scaled_dot_product_attention(query, *wide, attn_mask=seen_by(pack.ends), scale=0.3).transpose(
        1, 2
    )
    found = attend(query, key, value, pack.segments, 0.3)
    assert found.shape == (1, tokens, 4, value_size)
    given_back = torch.randn_like(expected)
    pairs = zip(
        (found, *torch.autograd.grad(found, (query, key, value), given_back)),
        (expected, *torch.autograd.grad(expected, (query, key, value), given_back)),
    )
    for one, other in pairs:
        assert float((one - other).detach().abs().max()) < 1e-10


def test_scores_far_apart_stay_finite() -> None:
    """Parts whose sums differ by hundreds of orders of magnitude, both ways, are merged without overflow."""
    torch.manual_seed(0)
    segments = ((0, 8, 24), (8, 16, 16), (16, 24, 24))
    seen = seen_by([24] * 8 + [16] * 8 + [24] * 8)
    query, key, value = (torch.randn(1, 2, 24, 8) for _ in range(3))
    query = query * 300
    for part in (slice(0, 8), slice(8, 24)):
        hot = key.clone()
        hot[:, :, part] *= 100
        found = segmented._Attention.apply(query, hot, value, plan_of(segments, 0.0), 1.0)
        expected = functional.scaled_dot_product_attention(query, hot, value, attn_mask=seen, scale=1.0)
        assert float((found - expected.transpose(1, 2)).abs().max()) < 1e-4  # type: ignore[operator]


def test_a_pack_that_does_not_fit_is_refused() -> None:
    query = torch.randn(1, 2, 10, 8)
    for segments, keys in ((((0, 9, 9),), query), (((0, 10, 10),), query[:, :, :9]), (((0, 10, 10),), query.repeat(1, 2, 1, 1))):  # fmt: skip  # noqa: E501
        with pytest.raises(ValueError, match="does not fit"):
            attend(query, keys, keys, segments, 1.0)


@pytest.mark.parametrize(("dtype", "num_filled"), [("bfloat16", 64), (torch.float16, 64), ("float32", None)])
def test_packs_of_16_bit_numbers_are_filled_up_and_nobody_sees_it(dtype: Any, num_filled: int | None) -> None:
    pack = pack_rows([([5, 6, 7, 8], [-100, -100, 7, 8]), ([5, 6, 9], [-100, -100, 9])], None, least_shared_tokens=1)[0]
    inputs = pack_inputs(pack, "segmented", "cpu", dtype)
    assert inputs["input_ids"].shape[1] == inputs["position_ids"].shape[1] == (num_filled or pack.num_tokens)
    assert inputs["attention_mask"][0, 0, : len(pack.segments)].tolist() == [list(one) for one in pack.segments]
    if num_filled:
        assert inputs["attention_mask"][0, 0, -1].tolist() == [pack.num_tokens, num_filled, num_filled]
