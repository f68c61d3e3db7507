"""Aquila and Aquila2 (BAAI; the Wu Dao 3.0 family).

q, k, v and o without bias, rotary positions on split halves, RMSNorm, a SiLU feed-forward, an untied head: Llama's
decoder, and its tensor names. Hub folders say `model_type: aquila` and either AquilaModel or AquilaForCausalLM; their
rotary columns are in transformers' order already. The larger ones share key/value heads, the 16K ones stretch positions
linearly; both stand in the config.
"""

from __future__ import annotations

from transformers import LlamaConfig, LlamaForCausalLM


class AquilaConfig(LlamaConfig):
    """Llama's config under Aquila's name, with the first release's vocabulary where a folder does not say."""

    model_type = "aquila"
    vocab_size: int = 100_008
    pad_token_id: int | None = 0
    bos_token_id: int | None = 100_006
    eos_token_id: int | list[int] | None = 100_007


class AquilaForCausalLM(LlamaForCausalLM):
    """A class of its own, because the Auto classes file a model under its config."""

    config_class = AquilaConfig
