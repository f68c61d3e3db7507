"""openPangu Pro-MoE (Huawei): Llama's attention with a mixture of grouped experts as feed-forward.

The experts are parted into as many groups as a token has experts, and each group gives the one expert it scores
highest, so that groups on different devices carry equal load (Tang et al., 2025, arXiv 2505.21411). An expert's answer
is weighed by its softmax score over all experts times a learnt scale, without renormalising; a shared expert is added
unweighed. Experts are a list of linear modules, as in the hub's files: 4-bit loading and adapters see them. There is no
balancing loss: the router is never trained here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel
from transformers.models.llama.modeling_llama import (
    LlamaDecoderLayer,
    LlamaPreTrainedModel,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
)


class PanguProMoEConfig(LlamaConfig):
    """Llama's config and the sizes of the experts; the 72B's numbers where a folder does not say."""

    model_type = "PanguProMoE"
    default_theta = 16_000_000.0
    vocab_size: int = 153_376
    hidden_size: int = 5_120
    num_hidden_layers: int = 48
    num_attention_heads: int = 40
    num_key_value_heads: int | None = 8
    max_position_embeddings: int = 131_072
    rms_norm_eps: float = 1e-5
    attention_bias: bool = True
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 45_892
    num_experts: int = 64
    num_experts_per_tok: int = 8
    moe_intermediate_size: int = 1_344
    shared_expert_intermediate_size: int = 5_376

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.num_experts % self.num_experts_per_tok:
            raise ValueError(
                f"{self.num_experts} experts cannot be parted into {self.num_experts_per_tok} groups of one size"
            )


class PanguExpert(nn.Module):
    """One gated feed-forward, without biases."""

    def __init__(self, hidden_size: int, inner_size: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, inner_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, inner_size, bias=False)
        self.down_proj = nn.Linear(inner_size, hidden_size, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.down_proj(nn.functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden))


class PanguProMoEBlock(nn.Module):
    """Router, grouped experts and shared expert of one layer."""

    def __init__(self, config: PanguProMoEConfig) -> None:
        super().__init__()
        self.num_groups = config.num_experts_per_tok
        self.gate = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.router_scale = nn.Parameter(torch.ones(1, config.num_experts))
        self.experts = nn.ModuleList(
            PanguExpert(config.hidden_size, config.moe_intermediate_size) for _ in range(config.num_experts)
        )
        self.shared_expert = PanguExpert(config.hidden_size, config.shared_expert_intermediate_size)

    def route(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Experts of each token and their weights, both (tokens, groups), for hidden (tokens, hidden size)."""
        scores = self.gate(hidden).softmax(dim=-1, dtype=torch.float32)  # (tokens, experts)
        grouped = scores.unflatten(-1, (self.num_groups, -1))  # (tokens, groups, experts of a group)
        best, place = grouped.max(dim=-1)
        first = torch.arange(0, scores.shape[-1], grouped.shape[-1], device=scores.device)
        chosen = place + first
        return chosen, best * self.router_scale[0].float()[chosen]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        flat = hidden.flatten(0, -2)  # (tokens, hidden size)
        chosen, weights = self.route(flat)
        total = self.shared_expert(flat)
        for number in chosen.unique().tolist():
            tokens, groups = (chosen == number).nonzero(as_tuple=True)
            part = self.experts[number](flat[tokens]) * weights[tokens, groups, None].to(flat.dtype)
            total = total.index_add(0, tokens, part.to(total.dtype))
        return total.view_as(hidden)


class PanguProMoEDecoderLayer(LlamaDecoderLayer):
    """Llama's layer with the block above in place of its feed-forward."""

    def __init__(self, config: PanguProMoEConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.mlp = PanguProMoEBlock(config)


class PanguProMoEModel(LlamaModel):
    """Llama's decoder with the layers above."""

    config_class = PanguProMoEConfig
    _no_split_modules = ["PanguProMoEDecoderLayer"]

    def __init__(self, config: PanguProMoEConfig) -> None:
        # Not LlamaModel's own: it would build every layer's feed-forward only to have it thrown away.
        LlamaPreTrainedModel.__init__(self, config)
        self.padding_idx, self.vocab_size = config.pad_token_id, config.vocab_size
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, self.padding_idx)
        self.layers = nn.ModuleList(PanguProMoEDecoderLayer(config, k) for k in range(config.num_hidden_layers))
        self.norm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = LlamaRotaryEmbedding(config=config)
        self.gradient_checkpointing = False
        self.post_init()


class PanguProMoEForCausalLM(LlamaForCausalLM):
    """The decoder above with a language-model head."""

    config_class = PanguProMoEConfig
    _no_split_modules = ["PanguProMoEDecoderLayer"]

    def __init__(self, config: PanguProMoEConfig) -> None:
        LlamaPreTrainedModel.__init__(self, config)
        self.model = PanguProMoEModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()
