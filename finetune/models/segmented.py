"""Attention over a forest of token tries in a few calls of torch's flash attention for the CPU; forward and backward.

A pack is one packed row: rows that begin alike share their beginning, and a query q sees the key k if and only if
k <= q < end of k's subtree. Instead of a mask over the whole row, `plan_of` parts that region into rectangles that the
kernel computes as they are: the tokens of a stretch among themselves (causal), all that hangs below a stretch against
its tokens (in full), and small subtrees or runs of small neighbours whole, under a small mask, where one call is
cheaper than many. Where a query meets its keys in several calls, the parts are merged by their log-sum-exp; given the
merged output and log-sum-exp, the backward of each call is exact by itself, and the gradients add up (FlashAttention-2,
Dao, 2023, arXiv 2307.08691, section 3.1; merging as in Milakov and Gimelshein, 2018, arXiv 1805.02867).

It is imported by finetune.models.tree_attention when it is needed, so torch may stand at the top here.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

_FORWARD: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_BACKWARD: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)

# What a call costs beside its arithmetic, in microseconds of one thread, forward and backward together; what a pair of
# a query and a key costs in one head, of any size and for each number of a head. Measured by benchmarks/attention.py;
# the plan changes little when they are wrong by half.
_CALL_US, _PAIR_US, _PAIR_SIZE_US = 120.0, 0.005, 0.0001
# Merging one more part into a query's output costs about as much as so many further keys.
_MERGE_KEYS = 16
_LARGEST_MASK_TOKENS = 512  # a masked call is never larger, whatever the estimate says: its mask is kept


class Call(NamedTuple):
    """One call of the kernel: queries [query, query_stop) against keys [key, key_stop)."""

    query: int
    query_stop: int
    key: int
    key_stop: int
    kind: str  # "causal", "full" or "masked"


@dataclass(eq=False)
class Plan:
    """The calls that together show every query its keys once.

    Attributes:
        own: calls of a stretch against itself; they part the pack, so each token is in exactly one of them.
        above: further calls, of tokens against what stands above them in their trie.
        ends: (tokens,) where the subtree of each token ends.
        masks: of the masked calls, by (first token, dtype), made when first used.
    """

    own: list[Call]
    above: list[Call]
    ends: list[int]
    masks: dict[Any, torch.Tensor] = field(default_factory=dict, repr=False)

    def mask(self, call: Call, dtype: torch.dtype) -> torch.Tensor | None:
        """(1, 1, tokens, tokens) to be added to the scores; None where the call has none."""
        if call.kind != "masked":
            return None
        key = (call.query, dtype)
        if key not in self.masks:
            places = torch.arange(call.query, call.query_stop)
            ends = torch.tensor(self.ends[call.query : call.query_stop])
            seen = (places[None, :] <= places[:, None]) & (places[:, None] < ends[None, :])  # (queries, keys)
            mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, float("-inf"))
            self.masks[key] = mask[None, None]
        return self.masks[key]


# -- the plan ----------------------------------------------------------------------------------------------------


def call_cost(num_heads: int, head_size: int) -> float:
    """What a call costs beside its arithmetic, counted in pairs of a query and a key."""
    return _CALL_US / (num_heads * (_PAIR_US + _PAIR_SIZE_US * head_size))


@functools.lru_cache(maxsize=32)
def plan_of(segments: tuple[tuple[int, int, int], ...], cost: float) -> Plan:
    """The cheapest calls for a forest, by an estimate; kept for the layers that ask next.

    Args:
        segments: of the pack: (start, stop, end) of every unbranched stretch, depth first.
        cost: of a call beside its arithmetic, in pairs of a query and a key (`call_cost`).
    """
    planner = _Planner(segments, cost)
    planner.choose()
    return planner.plan()


class _Planner:
    """Chooses for each subtree between one masked call and calls along its stretches, from the leaves up."""

    def __init__(self, segments: Sequence[tuple[int, int, int]], cost: float):
        self.segments = segments
        self.cost = cost
        self.chains: dict[int, float] = {}
        self.costs = [0.0] * len(segments)  # of each subtree, by its first stretch
        self.children: list[list[int]] = [[] for _ in segments]
        self.roots: list[int] = []
        self.runs: dict[int, list[list[int]]] = {}  # children of a stretch (-1: roots) in runs that share a call
        open_: list[int] = []
        for number, (start, _, _) in enumerate(segments):
            while open_ and segments[open_[-1]][2] <= start:
                open_.pop()
            (self.children[open_[-1]] if open_ else self.roots).append(number)
            open_.append(number)

    def choose(self) -> None:
        """Fill `costs` and `runs`; children stand behind their parents, so the last comes first."""
        for number in reversed(range(len(self.segments))):
            start, stop, end = self.segments[number]
            cost = self.chain(stop - start)
            if end > stop:
                below, self.runs[number] = self.grouped(self.children[number])
                cost += self.cost + (end - stop) * (stop - start + _MERGE_KEYS) + below
            self.costs[number] = cost
        _, self.runs[-1] = self.grouped(self.roots)

    def chain(self, tokens: int) -> float:
        """Cost of a stretch against itself. The kernel skips nothing above the diagonal in a short one, so halving
        saves a quarter of its pairs for the price of two more calls."""
        if tokens not in self.chains:
            whole, half = self.cost + tokens**2, tokens // 2
            parted = float("inf")
            if half > 1:
                rest = tokens - half
                parted = self.chain(half) + self.chain(rest) + self.cost + rest * (half + _MERGE_KEYS)
            self.chains[tokens] = min(whole, parted)
        return self.chains[tokens]

    def grouped(self, siblings: list[int]) -> tuple[float, list[list[int]]]:
        """The cheapest parting of neighbours into runs: a run of several, or of one with branches, may be one call."""
        best = [0.0]
        first_of: list[int] = []
        for last, number in enumerate(siblings):
            end = self.segments[number][2]
            cheapest, first = best[last] + self.costs[number], last
            for other in range(last, -1, -1):
                tokens = end - self.segments[siblings[other]][0]
                whole = self.cost + tokens**2
                if tokens > _LARGEST_MASK_TOKENS or tokens**2 > cheapest:
                    break
                if best[other] + whole < cheapest:
                    cheapest, first = best[other] + whole, -other - 1  # below zero: one call
            best.append(cheapest)
            first_of.append(first)
        runs, last = [], len(siblings) - 1
        while last >= 0:
            first = first_of[last]
            whole = first < 0
            first = -first - 1 if whole else first
            # A whole run is told from one that is walked further by its first entry.
            runs.append([-1 if whole else 0, *siblings[first : last + 1]])
            last = first - 1
        return best[-1], runs[::-1]

    def plan(self) -> Plan:
        own: list[Call] = []
        above: list[Call] = []
        waiting = self.runs[-1][::-1]
        while waiting:
            whole, *numbers = waiting.pop()
            start, stop, end = self.segments[numbers[0]]
            if whole:
                end = self.segments[numbers[-1]][2]
                is_chain = len(numbers) == 1 and stop == end
                own.append(Call(start, end, start, end, "causal" if is_chain else "masked"))
                continue
            self.lay_chain(start, stop, own, above)
            if end > stop:
                above.append(Call(stop, end, start, stop, "full"))
                waiting += self.runs[numbers[0]][::-1]
        ends = [0] * (max(end for _, _, end in self.segments) if self.segments else 0)
        for start, stop, end in self.segments:
            ends[start:stop] = [end] * (stop - start)
        return Plan(own, above, ends)

    def lay_chain(self, start: int, stop: int, own: list[Call], above: list[Call]) -> None:
        tokens = stop - start
        if tokens < 4 or self.chain(tokens) >= self.cost + tokens**2:
            own.append(Call(start, stop, start, stop, "causal"))
            return
        middle = start + tokens // 2
        self.lay_chain(start, middle, own, above)
        self.lay_chain(middle, stop, own, above)
        above.append(Call(middle, stop, start, middle, "full"))


# -- the arithmetic ----------------------------------------------------------------------------------------------


class _Attention(torch.autograd.Function):
    """query (1, heads, tokens, size), key and value (1, key heads, tokens, size) -> (1, tokens, heads, size)."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, plan: Plan, scale: float) -> Any:
        q, k, v = _by_key_head(query, key, value)
        key_heads, group, tokens, size = q.shape
        # A token's heads lie side by side, as the next layer reads them: no copy behind attention.
        out = q.new_empty((tokens, key_heads, group, size), dtype=q.dtype)
        places = out.permute(1, 2, 0, 3)
        lse = q.new_empty((key_heads, group, tokens), dtype=q.dtype)
        for call in plan.own:
            part, part_lse = _forward(q, k, v, call, plan, scale)
            num = call.query_stop - call.query
            places.narrow(2, call.query, num).copy_(part)
            lse.narrow(2, call.query, num).copy_(part_lse)
        for call in plan.above:
            part, part_lse = _forward(q, k, v, call, plan, scale)
            num = call.query_stop - call.query
            before = lse.narrow(2, call.query, num)
            share = torch.sigmoid(part_lse - before).unsqueeze(-1)  # of the new part in the sum of both
            places.narrow(2, call.query, num).lerp_(part, share)
            before.copy_(torch.logaddexp(before, part_lse))
        out = out.to(query.dtype)
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.plan, ctx.scale = plan, scale
        return out.view(1, tokens, key_heads * group, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        query, key, value, out, lse = ctx.saved_tensors
        plan = ctx.plan
        q, k, v = _by_key_head(query, key, value)
        key_heads, group, tokens, size = q.shape
        given = gradients[0].to(q.dtype).reshape(tokens, key_heads, group, size).permute(1, 2, 0, 3)
        out = out.to(q.dtype).permute(1, 2, 0, 3)
        for_query = q.new_empty((tokens, key_heads, group, size)).permute(1, 2, 0, 3)
        for_key, for_value = (q.new_empty((tokens, key_heads, size)).transpose(0, 1) for _ in range(2))
        for call in (*plan.own, *plan.above):
            num, num_keys = call.query_stop - call.query, call.key_stop - call.key
            near = [x.narrow(2, call.query, num) for x in (given, q)]
            far = [x.narrow(2, call.key, num_keys) for x in (k, v)]
            parts = _BACKWARD(
                *near,
                *far,
                out.narrow(2, call.query, num),
                lse.narrow(2, call.query, num),
                0.0,
                call.kind == "causal",
                attn_mask=plan.mask(call, q.dtype),
                scale=ctx.scale,
            )
            is_first = call.kind != "full"
            _put(for_query.narrow(2, call.query, num), parts[0], is_first)
            for total, part in ((for_key, parts[1]), (for_value, parts[2])):
                _put(total.narrow(1, call.key, num_keys), part[:, 0] if group == 1 else part.sum(1), is_first)
        shaped = (for_query.flatten(0, 1), for_key, for_value)
        return *(x.unsqueeze(0).to(query.dtype) for x in shaped), None, None


def _put(total: torch.Tensor, part: torch.Tensor, is_first: bool) -> None:
    if is_first:
        total.copy_(part)
    else:
        total.add_(part)


def _by_key_head(query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
    """Views: (key heads, queries that share a key head, tokens, size), so that no key is repeated in memory."""
    key_heads, group = key.shape[1], query.shape[1] // key.shape[1]
    query, key, value = (x.to(_computed_in(x.dtype)) for x in (query, key, value))
    q = query[0].unflatten(0, (key_heads, group))
    k, v = (x[0].unsqueeze(1).expand(-1, group, -1, -1) for x in (key, value))
    return q, k, v


def _computed_in(dtype: torch.dtype) -> torch.dtype:
    """float32 at least: the kernel's own 16-bit form rounds more, is slower up to 256 x 256 pairs (2.6 ms against 1.4
    for 128 x 128, forward and backward), and keeps some megabytes for each new length that it meets.
    """
    return torch.promote_types(dtype, torch.float32)


def _forward(q: Any, k: Any, v: Any, call: Call, plan: Plan, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    num_keys = call.key_stop - call.key
    return _FORWARD(
        q.narrow(2, call.query, call.query_stop - call.query),
        k.narrow(2, call.key, num_keys),
        v.narrow(2, call.key, num_keys),
        0.0,
        call.kind == "causal",
        attn_mask=plan.mask(call, q.dtype),
        scale=scale,
    )


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segments: tuple[tuple[int, int, int], ...],
    scale: float,
) -> torch.Tensor:
    """Attention of one pack, each query over what stands above it in its trie and itself.

    Args:
        query: (1, heads, tokens, size) on the CPU.
        key: (1, key heads, tokens, size); heads are a multiple of key heads.
        value: (1, key heads, tokens, value size).
        segments: of the pack; they cover all tokens.
        scale: of the scores.

    Returns:
        (1, tokens, heads, value size), contiguous; in autocast's type inside autocast, as upstream's functions.

    Raises:
        ValueError: shapes that do not fit together.
    """
    tokens, heads, size, value_size = query.shape[2], query.shape[1], query.shape[3], value.shape[3]
    if query.shape[0] != 1 or key.shape[2] != tokens or segments[-1][2] != tokens or heads % key.shape[1]:
        raise ValueError(f"a pack of {segments[-1][2]} tokens does not fit queries {tuple(query.shape)}")
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    widest = max(size, value_size)  # the kernel wants one size; zeros change neither scores nor sums
    query, key, value = (
        torch.nn.functional.pad(x.to(dtype), (0, widest - x.shape[3])) if x.shape[3] < widest else x.to(dtype)
        for x in (query, key, value)
    )
    plan = plan_of(segments, call_cost(heads, widest))
    out: Any = _Attention.apply(query, key, value, plan, scale)
    return out[..., :value_size]
