"""Special tokens and the words of tokenizer_config.json of the families, as the hub's files have them."""

# Tables: several words a line, which the linter would spread over one line each.
# ruff: noqa: C420, PIE800

from __future__ import annotations

from families_tokenizers import Words

_AQUILA_LAST = ("<|startofpiece|>", "<|endofpiece|>", "<|LDWANG|>", "[MASK]", "[gMASK]", "[sMASK]", "[CLS]", "</s>")
_AQUILA_NAMED = {
    **{"bos_token": "[CLS]", "eos_token": "</s>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
}
_AQUILA_CONFIG = {
    **{"add_prefix_space": False, "clean_up_tokenization_spaces": True, "lists_added_tokens": False},
    **{"model_max_length": 2048, "tokenizer_class": "GPT2Tokenizer"},
}
_LLAMA_FIRST = ("<unk>", "<s>", "</s>")
_LLAMA_NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_LLAMA_CONFIG = {
    **{"add_bos_token": True, "add_eos_token": False, "clean_up_tokenization_spaces": False, "legacy": False},
    **{"model_max_length": 1000000000000000019884624838656, "sp_model_kwargs": {}},
    **{"tokenizer_class": "LlamaTokenizer"},
}
_QWEN_CONFIG = {
    **{"add_prefix_space": False, "clean_up_tokenization_spaces": False, "errors": "replace"},
    **{"model_max_length": 131072, "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer"},
}
_QWEN_NAMED = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
_QWEN_SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>"),
    *("<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
_QWEN_ADDED = ("<tool_call>", "</tool_call>")
_QWEN3_ADDED = (*_QWEN_ADDED, "<tool_response>", "</tool_response>", "<think>", "</think>")
_QWEN2 = Words(
    "qwen",
    last=(*_QWEN_SPECIAL, *_QWEN_ADDED),
    named=_QWEN_NAMED,
    config=_QWEN_CONFIG,
    not_special=_QWEN_ADDED,
    vocab_files=True,
)
_QWEN3 = Words(
    "qwen",
    last=(*_QWEN_SPECIAL, *_QWEN3_ADDED),
    named=_QWEN_NAMED,
    config=_QWEN_CONFIG,
    not_special=_QWEN3_ADDED,
    vocab_files=True,
)
_MISTRAL = Words(
    "llama",
    _LLAMA_FIRST,
    named=_LLAMA_NAMED,
    config={**_LLAMA_CONFIG, "legacy": True, "add_prefix_space": None},
    begins="<s>",
)
_PANGU_LAST = ("<|User|>:", "<|Bot|>:", *(f"[unused{k}]" for k in range(34)))
_PANGU_NAMED = {"bos_token": "<s>", "eos_token": "[unused10]", "unk_token": "<unk>", "pad_token": "<unk>"}
_PANGU_CONFIG = {
    **{"add_bos_token": True, "add_eos_token": False, "add_prefix_space": True, "legacy": True, "sp_model_kwargs": {}},
    **{"auto_map": {"AutoTokenizer": ["tokenization_openpangu.PanguTokenizer", None]}},
    **{"clean_up_tokenization_spaces": False, "model_max_length": 1000000000000000019884624838656},
    **{"spaces_between_special_tokens": False, "tokenizer_class": "PanguTokenizer"},
    **{"use_default_system_prompt": False},
}
_ERNIE_LAST = ("<|begin_of_sentence|>", "<|end_of_sentence|>", *(f"<mask:{k}>" for k in (1, 4, 5, 6, 7)))
_ERNIE_NAMED = {
    **{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>", "unk_token": "<unk>"},
    **{"cls_token": "<|begin_of_sentence|>", "sep_token": "<|end_of_sentence|>", "mask_token": "<mask:1>"},
}
_ERNIE_CONFIG = {
    **{"additional_special_tokens": None, "tokenizer_class": "Ernie4_5_Tokenizer", "lists_added_tokens": False},
    **{"sys_start_token": "<mask:4>", "sys_end_token": "<mask:5>"},
    **{"header_start_token": "<mask:6>", "header_end_token": "<mask:7>"},
    "auto_map": {"AutoTokenizer": ["tokenization_ernie4_5.Ernie4_5_Tokenizer", None]},
}
_FAST = {"clean_up_tokenization_spaces": True, "model_max_length": 131072, "tokenizer_class": "PreTrainedTokenizerFast"}
_HARMONY = Words(
    "qwen",
    last=(
        *("<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>"),
        *("<|message|>", "<|call|>"),
    ),
    named={"bos_token": "<|startoftext|>", "eos_token": "<|return|>", "pad_token": "<|endoftext|>"},
    config={**_FAST, "clean_up_tokenization_spaces": False},
)
_GEMMA = Words(
    "gemma",
    ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"),
    last=("<start_of_turn>", "<end_of_turn>"),
    named={"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
    config={
        **{"add_bos_token": True, "add_eos_token": False, "clean_up_tokenization_spaces": False},
        **{"model_max_length": 1000000000000000019884624838656, "tokenizer_class": "GemmaTokenizer"},
    },
    begins="<bos>",
)
_PHI3 = ("<|endoftext|>", "<|assistant|>", "<|step|>", "<|function_output|>", "<|tag|>", "<|function_call|>")
TOKENIZERS: dict[str, Words] = {
    # The first version's file writes [CLS] and </s> around plain text; the second's writes nothing.
    "aquila": Words(
        *("gpt2", ("<|endoftext|>",), _AQUILA_LAST, _AQUILA_NAMED, _AQUILA_CONFIG),
        begins="[CLS]",
        ends="</s>",
        vocab_files=True,
    ),
    "aquila2": Words("gpt2", ("<|endoftext|>",), _AQUILA_LAST, _AQUILA_NAMED, _AQUILA_CONFIG, vocab_files=True),
    "llama2": Words("llama", _LLAMA_FIRST, named=_LLAMA_NAMED, config=_LLAMA_CONFIG, begins="<s>"),
    "llama3_2": Words(
        "qwen",
        last=(
            *("<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|start_header_id|>"),
            *("<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"),
        ),
        named={"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        config=_FAST,
        begins="<|begin_of_text|>",
    ),
    "qwen2": _QWEN2,
    "qwen3": _QWEN3,
    "mixtral": _MISTRAL,
    "mistral": Words(
        "llama",
        _LLAMA_FIRST,
        (
            "[INST]",
            "[/INST]",
            "[TOOL_CALLS]",
            "[AVAILABLE_TOOLS]",
            "[/AVAILABLE_TOOLS]",
            "[TOOL_RESULTS]",
            "[/TOOL_RESULTS]",
        ),
        _LLAMA_NAMED,
        {**_LLAMA_CONFIG, "add_prefix_space": None},
        begins="<s>",
    ),
    "ernie4_5": Words("gemma", _LLAMA_FIRST, _ERNIE_LAST, _ERNIE_NAMED, _ERNIE_CONFIG),
    "ernie4_5_moe": Words("spm", last=_ERNIE_LAST, named=_ERNIE_NAMED, config=_ERNIE_CONFIG),
    "pangu": Words("spm", _LLAMA_FIRST, _PANGU_LAST, _PANGU_NAMED, _PANGU_CONFIG),
    "gpt_oss": _HARMONY,
    "smollm2": Words(
        "gpt2",
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        named={
            **{"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
            "unk_token": "<|endoftext|>",
        },
        config={
            **{"add_prefix_space": False, "clean_up_tokenization_spaces": False, "model_max_length": 8192},
            "tokenizer_class": "GPT2Tokenizer",
        },
        vocab_files=True,
        digits=True,
    ),
    "smollm3": Words(
        "qwen",
        last=("<|begin_of_text|>", "<|end_of_text|>", "<think>", "</think>", "<|im_start|>", "<|im_end|>"),
        named={"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
        config={**_FAST, "bos_token": None, "fast": False},
        not_special=("<think>", "</think>"),
    ),
    "gemma": _GEMMA,
    "phi3": Words(
        "llama",
        _LLAMA_FIRST,
        (*_PHI3, "<|system|>", "<|end|>", "<|raw|>", "<|continue|>", "<|user|>"),
        {"bos_token": "<s>", "eos_token": "<|endoftext|>", "unk_token": "<unk>", "pad_token": "<|endoftext|>"},
        {**_LLAMA_CONFIG, "add_bos_token": False, "model_max_length": 4096},
    ),
    "phi4_mini": Words(
        "qwen",
        last=("<|endoftext|>", "<|endofprompt|>", "<|assistant|>", "<|end|>", "<|user|>", "<|system|>", "<|tool|>"),
        named={name: "<|endoftext|>" for name in ("bos_token", "eos_token", "unk_token", "pad_token")},
        config={
            **{"add_bos_token": False, "add_eos_token": False, "add_prefix_space": False},
            **{"clean_up_tokenization_spaces": False, "model_max_length": 131072, "tokenizer_class": "GPT2Tokenizer"},
        },
        vocab_files=True,
    ),
    "phi": Words(
        "gpt2",
        last=("<|endoftext|>",),
        named={name: "<|endoftext|>" for name in ("bos_token", "eos_token", "unk_token")},
        config={
            **{"add_prefix_space": False, "clean_up_tokenization_spaces": True, "model_max_length": 2048},
            **{"return_token_type_ids": False, "tokenizer_class": "CodeGenTokenizer"},
        },
        vocab_files=True,
    ),
    "internlm3": Words(
        "spm",
        last=("<|im_start|>", "<|im_end|>", "<|interpreter|>", "<|plugin|>", "<|action_start|>", "<|action_end|>"),
        named={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"},
        config={
            **{"auto_map": {"AutoTokenizer": ["tokenization_internlm3.InternLM3Tokenizer", None]}},
            **{
                "clean_up_tokenization_spaces": False,
                "add_prefix_space": False,
                "spaces_between_special_tokens": False,
            },
            "tokenizer_class": "InternLM3Tokenizer",
        },
    ),
    "glm4": Words(
        "qwen",
        last=(
            *("<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>"),
            *("<|assistant|>", "<|observation|>"),
        ),
        named={"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
        config={**_FAST, "clean_up_tokenization_spaces": False, "padding_side": "left", "remove_space": False},
    ),
    "granite": Words(
        "gpt2",
        ("<|end_of_text|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"),
        ("<|start_of_role|>", "<|end_of_role|>", "<|tool_call|>"),
        {name: "<|end_of_text|>" for name in ("bos_token", "eos_token", "unk_token", "pad_token")},
        {
            **{"add_bos_token": False, "add_prefix_space": False, "clean_up_tokenization_spaces": True},
            **{"errors": "replace", "model_max_length": 9223372036854775807, "padding_side": "left"},
            "tokenizer_class": "GPT2Tokenizer",
        },
        vocab_files=True,
    ),
}
