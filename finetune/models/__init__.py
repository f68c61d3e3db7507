"""Floor 4: base models, tokenizers, chat templates and adapters. The door to peft."""

from finetune.models.adapter_check import check_adapter
from finetune.models.adapters import load_adapter, save_adapter
from finetune.models.attaching import attach_adapter, check_settings, trainable_facts
from finetune.models.base import attention_for, base_facts, base_notes, context_tokens, load_base, load_config
from finetune.models.chat_facts import (
    CHAT,
    OF_BASE,
    ChatFacts,
    another_template,
    chat_facts,
    check_base,
    check_renderer,
    check_system_prompt,
    compare_chat,
    load_chat_tokenizer,
    read_chat,
    save_chat,
    then_now,
)
from finetune.models.fetching import fetch, find_fetched
from finetune.models.merged_files import own_dtype
from finetune.models.merging import check_new, merge, read_merge
from finetune.models.new_tokens import extend_tokenizer
from finetune.models.opening import stop_ids_of
from finetune.models.proving import Witness, bear_witness, let_go, proof_line, prove_adapter
from finetune.models.quantized import (
    adapter_kept_in_float32,
    kind_of,
    quantization_facts,
    quantization_notes,
    require_quantization,
)
from finetune.models.sizes import Sizes, sizes_of
from finetune.models.sources import BaseSource, find_base, hub_errors
from finetune.models.structure import Structure, structure_of, targets_for, title_of
from finetune.models.templates import shipped_templates
from finetune.models.tokenizers import check_vocabulary, load_tokenizer
from finetune.models.vision import DEFAULT_MAX_PIXELS, ImageInput, RowImages, image_input, why_no_images

__all__ = [
    "CHAT",
    "DEFAULT_MAX_PIXELS",
    "OF_BASE",
    "BaseSource",
    "ChatFacts",
    "ImageInput",
    "RowImages",
    "Sizes",
    "Structure",
    "Witness",
    "adapter_kept_in_float32",
    "another_template",
    "attach_adapter",
    "attention_for",
    "base_facts",
    "base_notes",
    "bear_witness",
    "chat_facts",
    "check_adapter",
    "check_base",
    "check_new",
    "check_renderer",
    "check_settings",
    "check_system_prompt",
    "check_vocabulary",
    "compare_chat",
    "context_tokens",
    "extend_tokenizer",
    "fetch",
    "find_base",
    "find_fetched",
    "hub_errors",
    "image_input",
    "kind_of",
    "let_go",
    "load_adapter",
    "load_base",
    "load_chat_tokenizer",
    "load_config",
    "load_tokenizer",
    "merge",
    "own_dtype",
    "proof_line",
    "prove_adapter",
    "quantization_facts",
    "quantization_notes",
    "read_chat",
    "read_merge",
    "require_quantization",
    "save_adapter",
    "save_chat",
    "shipped_templates",
    "sizes_of",
    "stop_ids_of",
    "structure_of",
    "targets_for",
    "then_now",
    "title_of",
    "trainable_facts",
    "why_no_images",
]
