"""config.json and generation_config.json of the families: the keys and values of the hub, sizes made small.

A text "@TOKEN" stands for that token's id in the family's small tokenizer.
"""

# Tables: several words a line, which the linter would spread over one line each.
# ruff: noqa: PIE800

from __future__ import annotations

from typing import Any

Config = dict[str, Any]
# The sizes of every small model. What a family has beside these is in its own dictionary.
SMALL: Config = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
_LATER: Config = {"hidden_act": "silu", "initializer_range": 0.02, "use_cache": True}


def _aquila(architecture: str, bos: str = "@[CLS]", **more: Any) -> Config:
    brought = {
        "AutoConfig": "configuration_aquila.AquilaConfig",
        "AutoModelForCausalLM": "modeling_aquila.AquilaForCausalLM",
    }
    config = {
        "architectures": [architecture],
        "auto_map": brought,
        **{"bos_token_id": bos, "eos_token_id": "@</s>", "pad_token_id": 0},
        **{**_LATER, **SMALL},
        **{"max_position_embeddings": 2048, "model_type": "aquila", "rms_norm_eps": 1e-05},
        **{"tie_word_embeddings": False, "torch_dtype": "float16", "transformers_version": "4.31.0"},
        **more,
    }
    if architecture == "AquilaModel":
        del config["num_key_value_heads"]  # the first version's config does not have the word
    return config


def _llama(**more: Any) -> Config:
    return {
        **{"architectures": ["LlamaForCausalLM"], "model_type": "llama", **_LATER, **SMALL},
        **{"attention_bias": False, "attention_dropout": 0.0, "mlp_bias": False, "pretraining_tp": 1},
        **{"rms_norm_eps": 1e-05, "rope_scaling": None, "rope_theta": 10000.0, "torch_dtype": "bfloat16"},
        **more,
    }


def _pangu(**more: Any) -> Config:
    brought = {
        "AutoConfig": "configuration_openpangu_dense.PanguEmbeddedConfig",
        "AutoModel": "modeling_openpangu_dense.PanguEmbeddedModel",
        "AutoModelForCausalLM": "modeling_openpangu_dense.PanguEmbeddedForCausalLM",
    }
    return {
        **{"architectures": ["PanguEmbeddedForCausalLM"], "auto_map": brought, "bias": True, "attention_dropout": 0.0},
        **{"bos_token_id": 1, "pad_token_id": 0, "eos_token_id": "@[unused10]", **_LATER, **SMALL},
        **{"max_position_embeddings": 32768, "model_type": "PanguEmbedded", "rms_norm_eps": 1e-05},
        **{"rope_theta": 16000000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16"},
        **{"transformers_version": "4.53.2", **more},
    }


def _ernie(mixture: bool) -> Config:
    tail = "_moe" if mixture else ""
    name = "Ernie4_5_Moe" if mixture else "Ernie4_5_"
    config: Config = {
        "architectures": [f"{name}ForCausalLM"],
        "auto_map": {
            "AutoConfig": f"configuration_ernie4_5{tail}.{name}Config",
            "AutoModel": f"modeling_ernie4_5{tail}.{name}Model",
            "AutoModelForCausalLM": f"modeling_ernie4_5{tail}.{name}ForCausalLM",
        },
        **{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, **_LATER, **SMALL, "head_dim": 16},
        **{"max_position_embeddings": 131072, "model_type": f"ernie4_5{tail}", "rms_norm_eps": 1e-05},
        **{"rope_theta": 500000, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_bias": False},
    }
    if mixture:
        config |= {"moe_capacity": [4, 4, 4], "moe_gate": "topk", "moe_intermediate_size": 32, "moe_k": 2}
        config |= {"moe_layer_interval": 1, "moe_layer_start_index": 1, "moe_layer_end_index": 1}
        config |= {"moe_num_experts": 4, "moe_num_shared_experts": 2, "moe_use_aux_free": True}
    return config


def _gpt_oss(packed: bool) -> Config:
    kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    config: Config = {
        **{"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", **_LATER, **SMALL, "head_dim": 16},
        **{"attention_bias": True, "attention_dropout": 0.0, "eos_token_id": "@<|return|>", "experts_per_token": 2},
        **{"initial_context_length": 4096, "layer_types": ["sliding_attention", "full_attention"]},
        **{"max_position_embeddings": 131072, "num_experts_per_tok": 2, "num_local_experts": 4},
        **{"output_router_logits": False, "pad_token_id": "@<|endoftext|>", "rms_norm_eps": 1e-05},
        "rope_scaling": {
            **{"beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "original_max_position_embeddings": 4096},
            **{"rope_type": "yarn", "truncate": False},
        },
        **{"rope_theta": 150000, "router_aux_loss_coef": 0.9, "sliding_window": 128, "swiglu_limit": 7.0},
        **{"tie_word_embeddings": False, "torch_dtype": "bfloat16"},
    }
    if packed:
        config |= {"quantization_config": {"modules_to_not_convert": kept, "quant_method": "mxfp4"}}
    return config


def _vision(kind: str) -> Config:
    """Qwen's image-and-text models: a language model's config, and one for the part that looks."""
    ids = {
        "image_token_id": "@<|image_pad|>",
        "video_token_id": "@<|video_pad|>",
        "vision_start_token_id": "@<|vision_start|>",
        "vision_end_token_id": "@<|vision_end|>",
    }
    text: Config = {
        **_LATER,
        **SMALL,
        "attention_dropout": 0.0,
        "max_position_embeddings": 128000,
        "rms_norm_eps": 1e-06,
    }
    ends = {"bos_token_id": "@<|endoftext|>", "eos_token_id": "@<|im_end|>"}
    if kind == "qwen2_5_vl":
        look = {
            **{"depth": 2, "hidden_act": "silu", "hidden_size": 32, "intermediate_size": 64, "num_heads": 2},
            **{"in_chans": 3, "out_hidden_size": 64, "patch_size": 14, "spatial_merge_size": 2, "window_size": 112},
            **{
                "spatial_patch_size": 14,
                "fullatt_block_indexes": [1],
                "tokens_per_second": 2,
                "temporal_patch_size": 2,
            },
        }
        rope = {"rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}, "rope_theta": 1000000.0}
        return {
            **{
                "architectures": ["Qwen2_5_VLForConditionalGeneration"],
                "model_type": kind,
                **text,
                **rope,
                **ends,
                **ids,
            },
            **{"vision_token_id": "@<|vision_pad|>", "max_window_layers": 2, "sliding_window": 32768},
            **{
                "use_sliding_window": False,
                "tie_word_embeddings": True,
                "torch_dtype": "bfloat16",
                "vision_config": look,
            },
        }
    look = {
        **{"depth": 2, "hidden_act": "gelu_pytorch_tanh", "hidden_size": 32, "intermediate_size": 64, "num_heads": 2},
        **{
            "in_channels": 3,
            "out_hidden_size": 64,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        **{"initializer_range": 0.02, "num_position_embeddings": 64, "model_type": kind},
        "deepstack_visual_indexes": [0, 1] if kind == "qwen3_vl" else [],
    }
    if kind == "qwen3_vl":
        rope = {"mrope_interleaved": True, "mrope_section": [3, 3, 2], "rope_type": "default"}
        text |= {"attention_bias": False, "head_dim": 16, "rope_scaling": rope, "rope_theta": 5000000}
        text |= {"model_type": "qwen3_vl_text", "tie_word_embeddings": True, "torch_dtype": "bfloat16", **ends}
    else:  # qwen3_5: three of four layers keep a state instead of looking back
        rope = {"mrope_interleaved": True, "mrope_section": [2, 1, 1], "partial_rotary_factor": 0.25}
        text |= {"rope_parameters": {**rope, "rope_theta": 10000000, "rope_type": "default"}, "head_dim": 32}
        text |= {"layer_types": ["linear_attention", "full_attention"], "full_attention_interval": 2}
        text |= {"linear_conv_kernel_dim": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16}
        text |= {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "attention_bias": False}
        text |= {"attn_output_gate": True, "mamba_ssm_dtype": "float32", "model_type": "qwen3_5_text"}
        text |= {"dtype": "bfloat16", "eos_token_id": "@<|endoftext|>", "tie_word_embeddings": True}
    name = {"qwen3_vl": "Qwen3VL", "qwen3_5": "Qwen3_5"}[kind]
    return {
        **{"architectures": [f"{name}ForConditionalGeneration"], "model_type": kind, **ids},
        **{"text_config": text, "vision_config": look, "tie_word_embeddings": True},
    }


_QWEN: Config = {
    **{"attention_dropout": 0.0, "bos_token_id": "@<|endoftext|>", "eos_token_id": "@<|im_end|>", **_LATER, **SMALL},
    **{"max_window_layers": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "use_sliding_window": False},
    **{"tie_word_embeddings": True, "torch_dtype": "bfloat16"},
}
_GEMMA: Config = {
    **{"attention_bias": False, "attention_dropout": 0.0, "bos_token_id": "@<bos>", "pad_token_id": "@<pad>"},
    **{"head_dim": 32, "hidden_activation": "gelu_pytorch_tanh", "initializer_range": 0.02, "use_cache": True, **SMALL},
    **{"cache_implementation": "hybrid", "rms_norm_eps": 1e-06, "torch_dtype": "bfloat16"},
}
CONFIGS: dict[str, Config] = {
    "aquila": _aquila("AquilaModel"),
    "aquila2_34b": _aquila("AquilaForCausalLM", max_position_embeddings=4096, torch_dtype="bfloat16"),
    "aquila2_16k": _aquila(
        "AquilaForCausalLM", max_position_embeddings=16384, rope_scaling={"type": "linear", "factor": 8.0}
    ),
    "llama2": _llama(bos_token_id=1, eos_token_id=2, max_position_embeddings=4096, tie_word_embeddings=False),
    "llama3_2": _llama(
        bos_token_id="@<|begin_of_text|>",
        eos_token_id=["@<|end_of_text|>", "@<|eom_id|>", "@<|eot_id|>"],
        head_dim=16,
        max_position_embeddings=131072,
        rope_theta=500000.0,
        rope_scaling={
            **{"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0},
            **{"original_max_position_embeddings": 8192, "rope_type": "llama3"},
        },
        tie_word_embeddings=True,
    ),
    "qwen2_5": {
        **_QWEN,
        **{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "sliding_window": 32768},
        "max_position_embeddings": 32768,
    },
    "qwen3": {
        **_QWEN,
        **{"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "sliding_window": None},
        **{"attention_bias": False, "head_dim": 32, "max_position_embeddings": 40960, "rope_scaling": None},
    },
    "qwen3_moe": {
        **_QWEN,
        **{"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "sliding_window": None},
        **{"attention_bias": False, "head_dim": 32, "max_position_embeddings": 40960, "rope_scaling": None},
        **{"decoder_sparse_step": 1, "mlp_only_layers": [], "moe_intermediate_size": 32, "norm_topk_prob": True},
        **{"num_experts": 8, "num_experts_per_tok": 2, "output_router_logits": False, "router_aux_loss_coef": 0.001},
        "tie_word_embeddings": False,
    },
    "qwen3_5": _vision("qwen3_5"),
    "qwen2_5_vl": _vision("qwen2_5_vl"),
    "qwen3_vl": _vision("qwen3_vl"),
    "mixtral": {
        **{"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", **_LATER, **SMALL},
        **{"attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 32768},
        **{"num_experts_per_tok": 2, "num_local_experts": 4, "output_router_logits": False, "rms_norm_eps": 1e-05},
        **{"rope_theta": 1000000.0, "router_aux_loss_coef": 0.02, "sliding_window": None},
        **{"tie_word_embeddings": False, "torch_dtype": "bfloat16"},
    },
    "ernie4_5": _ernie(mixture=False),
    "ernie4_5_moe": _ernie(mixture=True),
    "pangu_embedded_1b": _pangu(rope_theta=4000000.0, tie_word_embeddings=True),
    "pangu_embedded_7b": _pangu(),
    "pangu_pro_moe": {
        **{"architectures": ["PanguProMoEForCausalLM"], "model_type": "PanguProMoE", **_LATER, **SMALL},
        "auto_map": {
            "AutoConfig": "configuration_pangu_moe.PanguProMoEConfig",
            "AutoModelForCausalLM": "modeling_pangu_moe.PanguProMoEForCausalLM",
        },
        **{"bos_token_id": 1, "eos_token_id": "@[unused10]", "pad_token_id": 0, "max_position_embeddings": 131072},
        **{"moe_intermediate_size": 32, "shared_expert_intermediate_size": 64, "num_experts": 8},
        **{"num_experts_per_tok": 4, "output_router_logits": False, "router_aux_loss_coef": 0.001},
        **{"rms_norm_eps": 1e-05, "rope_theta": 16000000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16"},
    },
    "gpt_oss": _gpt_oss(packed=False),
    "gpt_oss_mxfp4": _gpt_oss(packed=True),
    "smollm2": _llama(
        bos_token_id="@<|im_start|>",
        eos_token_id="@<|im_end|>",
        pad_token_id="@<|im_end|>",
        is_llama_config=True,
        max_position_embeddings=8192,
        rope_interleaved=False,
        rope_theta=100000,
        tie_word_embeddings=True,
    ),
    "smollm3": {
        **{"architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3", **_LATER, **SMALL},
        **{"attention_bias": False, "attention_dropout": 0.0, "bos_token_id": None, "eos_token_id": "@<|im_end|>"},
        **{"layer_types": ["full_attention", "full_attention"], "max_position_embeddings": 65536, "mlp_bias": False},
        **{"max_window_layers": 28, "no_rope_layer_interval": 4, "no_rope_layers": [1, 0], "pretraining_tp": 2},
        **{"pad_token_id": "@<|im_end|>", "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 5000000.0},
        **{"sliding_window": None, "torch_dtype": "bfloat16", "use_sliding_window": False},
    },
    "gemma2": {
        **_GEMMA,
        **{"architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "attn_logit_softcapping": 50.0},
        **{
            "eos_token_id": ["@<eos>", "@<end_of_turn>"],
            "final_logit_softcapping": 30.0,
            "hidden_act": "gelu_pytorch_tanh",
        },
        **{"max_position_embeddings": 8192, "query_pre_attn_scalar": 32, "rope_theta": 10000.0, "sliding_window": 4096},
    },
    "gemma3": {
        **_GEMMA,
        **{"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "attn_logit_softcapping": None},
        **{"eos_token_id": ["@<eos>", "@<end_of_turn>"], "final_logit_softcapping": None, "rope_scaling": None},
        **{"max_position_embeddings": 32768, "query_pre_attn_scalar": 32, "rope_local_base_freq": 10000},
        **{"rope_theta": 1000000, "sliding_window": 512, "sliding_window_pattern": 2},
    },
    "phi3": {
        **{"architectures": ["Phi3ForCausalLM"], "model_type": "phi3", **_LATER, **SMALL},
        "auto_map": {
            "AutoConfig": "configuration_phi3.Phi3Config",
            "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
        },
        **{"attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": "@<|endoftext|>"},
        **{"embd_pdrop": 0.0, "max_position_embeddings": 4096, "original_max_position_embeddings": 4096},
        **{"pad_token_id": "@<|endoftext|>", "resid_pdrop": 0.0, "rms_norm_eps": 1e-05, "rope_scaling": None},
        **{"rope_theta": 10000.0, "sliding_window": 2047, "tie_word_embeddings": False, "torch_dtype": "bfloat16"},
    },
    "phi4_mini": {
        **{"architectures": ["Phi3ForCausalLM"], "model_type": "phi3", **_LATER, **SMALL},
        "auto_map": {
            "AutoConfig": "configuration_phi3.Phi3Config",
            "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
            "AutoTokenizer": "Xenova/gpt-4o",
        },
        **{"attention_bias": False, "attention_dropout": 0.0, "bos_token_id": "@<|endoftext|>"},
        **{"embd_pdrop": 0.0, "eos_token_id": "@<|endoftext|>", "full_attn_mod": 1, "interpolate_factor": 1},
        **{"lm_head_bias": False, "max_position_embeddings": 131072, "mlp_bias": False, "resid_pdrop": 0.0},
        **{"original_max_position_embeddings": 4096, "pad_token_id": "@<|endoftext|>", "partial_rotary_factor": 0.75},
        "rope_scaling": {"long_factor": [1.0, 1.2, 2.0, 5.0, 9.0, 20.0], "short_factor": [1.0] * 6, "type": "longrope"},
        **{"rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 262144, "tie_word_embeddings": True},
        "torch_dtype": "bfloat16",
    },
    "phi": {
        **{"architectures": ["PhiForCausalLM"], "model_type": "phi", **_LATER, **SMALL, "hidden_act": "gelu_new"},
        **{"attention_dropout": 0.0, "bos_token_id": "@<|endoftext|>", "eos_token_id": "@<|endoftext|>"},
        **{"embd_pdrop": 0.0, "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "num_key_value_heads": 4},
        **{"partial_rotary_factor": 0.4, "qk_layernorm": False, "resid_pdrop": 0.1, "rope_scaling": None},
        **{"rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "float16"},
    },
    "mistral": {
        **{"architectures": ["MistralForCausalLM"], "model_type": "mistral", **_LATER, **SMALL},
        **{"attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 32768},
        **{"rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": None, "tie_word_embeddings": False},
        "torch_dtype": "bfloat16",
    },
    "internlm3": {
        **{"architectures": ["InternLM3ForCausalLM"], "model_type": "internlm3", **_LATER, **SMALL},
        "auto_map": {
            "AutoConfig": "configuration_internlm3.InternLM3Config",
            "AutoModel": "modeling_internlm3.InternLM3ForCausalLM",
            "AutoModelForCausalLM": "modeling_internlm3.InternLM3ForCausalLM",
        },
        **{"attention_dropout": 0.0, "bias": False, "bos_token_id": 1, "eos_token_id": 2, "head_dim": 16},
        **{"max_position_embeddings": 32768, "pad_token_id": 2, "qkv_bias": False, "rms_norm_eps": 1e-05},
        **{"rope_scaling": {"factor": 6.0, "rope_type": "dynamic"}, "rope_theta": 50000000},
        **{"tie_word_embeddings": False, "torch_dtype": "bfloat16"},
    },
    "glm4": {
        **{"architectures": ["Glm4ForCausalLM"], "model_type": "glm4", **_LATER, **SMALL, "head_dim": 16},
        **{"attention_bias": False, "attention_dropout": 0.0, "max_position_embeddings": 32768},
        **{"eos_token_id": ["@<|endoftext|>", "@<|user|>", "@<|observation|>"], "pad_token_id": "@<|endoftext|>"},
        **{"partial_rotary_factor": 0.5, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": False},
        "torch_dtype": "bfloat16",
    },
    "granite": {
        **{"architectures": ["GraniteForCausalLM"], "model_type": "granite", **_LATER, **SMALL},
        **{"attention_bias": False, "attention_dropout": 0.0, "attention_multiplier": 0.015625, "bos_token_id": 0},
        **{"embedding_multiplier": 12.0, "eos_token_id": 0, "logits_scaling": 8.0, "max_position_embeddings": 131072},
        **{"mlp_bias": False, "pad_token_id": 0, "residual_multiplier": 0.22, "rms_norm_eps": 1e-05},
        **{"rope_scaling": None, "rope_theta": 10000000.0, "tie_word_embeddings": True, "torch_dtype": "bfloat16"},
    },
}
# generation_config.json: what ends an answer for the publisher, and how it draws.
_DRAWS: Config = {"do_sample": True, "temperature": 0.6, "top_p": 0.9}
_CHATML_ENDS = ["@<|im_end|>", "@<|endoftext|>"]
_ERNIE_GENERATION: Config = {
    **{"do_sample": True, "top_p": 0.8, "temperature": 0.8, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
    **{"repetition_penalty": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0},
}
GENERATION: dict[str, Config] = {
    "aquila": {"bos_token_id": "@[CLS]", "eos_token_id": "@</s>", "pad_token_id": 0},
    "llama2": {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "max_length": 4096, **_DRAWS},
    "llama3_2": {
        "bos_token_id": "@<|begin_of_text|>",
        "eos_token_id": ["@<|end_of_text|>", "@<|eom_id|>", "@<|eot_id|>"],
        **_DRAWS,
    },
    "qwen": {
        **{"bos_token_id": "@<|endoftext|>", "pad_token_id": "@<|endoftext|>", "eos_token_id": _CHATML_ENDS},
        **{"do_sample": True, "repetition_penalty": 1.1, "temperature": 0.7, "top_p": 0.8, "top_k": 20},
    },
    "mixtral": {"bos_token_id": 1, "eos_token_id": 2},
    "ernie4_5": _ERNIE_GENERATION,
    "pangu": {"do_sample": True, "bos_token_id": 1, "pad_token_id": 0, "eos_token_id": "@[unused10]"},
    "gpt_oss": {
        **{"bos_token_id": "@<|startoftext|>", "do_sample": True, "pad_token_id": "@<|endoftext|>"},
        "eos_token_id": ["@<|return|>", "@<|endoftext|>", "@<|call|>"],
    },
    "smollm2": {"bos_token_id": "@<|im_start|>", "eos_token_id": "@<|im_end|>", "pad_token_id": "@<|im_end|>"},
    "smollm3": {"eos_token_id": "@<|im_end|>", "pad_token_id": "@<|im_end|>", **_DRAWS},
    "gemma": {
        **{"bos_token_id": "@<bos>", "pad_token_id": "@<pad>", "eos_token_id": ["@<eos>", "@<end_of_turn>"]},
        **{"cache_implementation": "hybrid", "do_sample": True, "top_k": 64, "top_p": 0.95},
    },
    "phi3": {
        **{"bos_token_id": 1, "pad_token_id": "@<|endoftext|>"},
        "eos_token_id": ["@<|endoftext|>", "@<|assistant|>", "@<|end|>"],
    },
    "phi4_mini": {
        **{"bos_token_id": "@<|endoftext|>", "pad_token_id": "@<|endoftext|>"},
        "eos_token_id": ["@<|end|>", "@<|endoftext|>"],
    },
    "phi": {"bos_token_id": "@<|endoftext|>", "eos_token_id": "@<|endoftext|>"},
    "internlm3": {"bos_token_id": 1, "eos_token_id": [2, "@<|im_end|>"], "pad_token_id": 2},
    "glm4": {
        **{"do_sample": True, "pad_token_id": "@<|endoftext|>"},
        "eos_token_id": ["@<|endoftext|>", "@<|user|>", "@<|observation|>"],
    },
    "granite": {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0},
}
