"""For the tests of attention over packs: small models of many kinds, tries, and rows computed alone and packed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as functional
from hypothesis import strategies as st

from finetune.models.native import register
from finetune.models.tree_attention import pack_inputs, packed_attention
from finetune.packing import Pack, pack_rows

Rows = list[list[int]]
SMALL: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MIXTURE = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2, "num_key_value_heads": 2}
# Model type -> what it has beside SMALL.
KINDS_OF_MODELS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 16},  # norms on queries and keys, heads wider than hidden / heads
    "gemma": {"num_key_value_heads": 1, "head_dim": 16, "tie_word_embeddings": True},
    "qwen3_moe": {**_MIXTURE, "head_dim": 8},
    "mixtral": {"num_key_value_heads": 2, "num_local_experts": 4, "sliding_window": None},
    "phi": {"partial_rotary_factor": 0.5},
    "PanguProMoE": {**_MIXTURE, "shared_expert_intermediate_size": 16},
}
TRIE: Rows = [
    [5, 6, 7, 8, 9, 10, 11, 12],
    [5, 6, 7, 8, 20, 21],
    [5, 6, 7, 8, 20, 21, 22, 23, 24],
    [5, 6, 7, 8, 20, 30, 31],
    [40, 41, 42],
]


def build(kind: str, **words: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    from finetune.models.base import attention_for

    register()
    config = AutoConfig.for_model(kind, **{**SMALL, **words})
    attention = attention_for(config, "sdpa")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).float().eval()
        for parameter in model.parameters():
            if parameter.dim() > 1:  # wider than a real start, so that attention looks at something
                torch.nn.init.normal_(parameter, std=0.2)
    return model


@st.composite
def tries(draw: st.DrawFn) -> Rows:
    """Rows of which many begin like another one, are its prefix, or are equal to it."""
    token = st.integers(3, 63)
    rows: Rows = []
    for _ in range(draw(st.integers(1, 6))):
        tail = draw(st.lists(token, min_size=1, max_size=14))
        head: list[int] = []
        if rows and draw(st.booleans()):
            other = draw(st.sampled_from(rows))
            head = other[: draw(st.integers(0, len(other)))]
            tail = tail[: draw(st.integers(0 if len(head) > 1 else 1, len(tail)))]
        rows.append([*head, *tail])
    return [row if len(row) > 1 else [*row, 3] for row in rows]


def packs_of(rows: Rows, share: bool = True, pass_tokens: int | None = None) -> list[Pack]:
    """Every token of every row is a label."""
    return pack_rows([(row, row) for row in rows], pass_tokens, share=share, least_shared_tokens=1)


def alone(model: Any, rows: Rows) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """Logits of each row's tokens but the last, and the gradients of the summed loss, computed row by row."""
    model.zero_grad()
    logits = []
    for row in rows:
        said = model(torch.tensor([row]), use_cache=False).logits[0, :-1]
        functional.cross_entropy(said.float(), torch.tensor(row[1:]), reduction="sum").backward()
        logits.append(said.detach())
    return logits, gradients(model)


def packed(
    model: Any, packs: list[Pack], kind: str, change: Callable[[dict[str, Any]], None] | None = None
) -> tuple[dict[int, torch.Tensor], dict[str, torch.Tensor]]:
    """The same by packs: logits by row."""
    model.zero_grad()
    logits = {}
    with packed_attention(model, kind):
        for pack in packs:
            inputs = pack_inputs(pack, kind, "cpu", torch.float32)
            if change is not None:
                change(inputs)
            said = model(**inputs, use_cache=False).logits[0][torch.tensor(pack.sources)]
            nats = functional.cross_entropy(said.float(), torch.tensor(pack.targets), reduction="none")
            (nats * torch.tensor(pack.weights)).sum().backward()
            for row in pack.rows:
                logits[row] = said.detach()[torch.tensor(pack.label_index[pack.label_rows == row])]
    return logits, gradients(model)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def distance(
    one: tuple[Any, dict[str, torch.Tensor]], other: tuple[Any, dict[str, torch.Tensor]]
) -> tuple[float, float]:
    """The largest difference of logits, and of gradients against the size of all of them."""
    numbers = range(len(one[0]))
    logits = max((float((one[0][k] - other[0][k]).abs().max()) for k in numbers), default=0.0)
    size = torch.stack([g.double().norm() for g in one[1].values()]).norm()
    # An expert that only sees a row's last token, which nothing reads, has zeros by rows and nothing by packs.
    nothing = torch.zeros(1, dtype=torch.float64)
    apart = [
        (one[1].get(name, nothing).double() - other[1].get(name, nothing).double()).norm()
        for name in one[1].keys() | other[1].keys()
    ]
    return logits, float(torch.stack(apart).norm() / size)
