"""openPangu Embedded 1B and 7B (Huawei; the Pangu family).

Llama's decoder with one difference in the words: the config says `bias` where Llama says `attention_bias`, and means q,
k, v and o, never the feed-forward. The 1B ties its embeddings, the 7B does not; both stand in the config.
"""

from __future__ import annotations

from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM


class PanguEmbeddedConfig(LlamaConfig):
    """Llama's config under openPangu's name; the 7B's numbers where a folder does not say."""

    model_type = "PanguEmbedded"
    default_theta = 16_000_000.0
    vocab_size: int = 153_376
    intermediate_size: int = 12_800
    num_hidden_layers: int = 34
    num_key_value_heads: int | None = 8
    max_position_embeddings: int = 32_768
    rms_norm_eps: float = 1e-5
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 45_892
    bias: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        self.attention_bias = self.bias
        super().__post_init__(**kwargs)


class PanguEmbeddedForCausalLM(LlamaForCausalLM):
    """A class of its own, because the Auto classes file a model under its config."""

    config_class = PanguEmbeddedConfig
