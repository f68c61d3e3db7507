"""Floor 4: base models, tokenizers, chat templates and adapters. The door to peft."""

from finetune.models.adapter_check import check_adapter
from finetune.models.adapters import load_adapter, rewrite_config, save_adapter
from finetune.models.attaching import attach_adapter, check_settings, saved_sizes, trainable_facts
from finetune.models.base import (
    attention_for,
    base_facts,
    base_notes,
    context_tokens,
    load_base,
    load_config,
    refuse_code,
)
from finetune.models.chat_facts import (
    CHAT,
    OF_BASE,
    ChatFacts,
    another_template,
    chat_facts,
    check_base,
    check_merged,
    check_own_template,
    check_stop_tokens,
    check_system_prompt,
    compare_chat,
    load_chat_tokenizer,
    read_chat,
    save_chat,
    then_now,
)
from finetune.models.fetching import fetch, find_fetched
from finetune.models.fitting import fitting_notes, misfits
from finetune.models.merged_files import own_dtype
from finetune.models.merging import check_new, merge
from finetune.models.new_tokens import extend_tokenizer
from finetune.models.opening import check_table, stop_ids_of
from finetune.models.proving import Witness, bear_witness, let_go, proof_line, prove_adapter
from finetune.models.quantized import (
    adapter_kept_in_float32,
    kind_of,
    quantization_facts,
    quantization_notes,
    require_quantization,
)
from finetune.models.scoring import mean_loss, row_losses, scoring_path
from finetune.models.shards import check_files
from finetune.models.sizes import Sizes, sizes_of, weight_counts
from finetune.models.sources import BaseSource, find_base, hub_errors, refuse_broken
from finetune.models.structure import structure_of
from finetune.models.supervised import HeadFacts, head_of, supervised_loss, supervised_nats
from finetune.models.templates import shipped_templates
from finetune.models.tokenizers import check_vocabulary, dress, load_tokenizer
from finetune.models.vision import DEFAULT_MAX_PIXELS, RowImages, image_input, why_no_images

__all__ = [
    "CHAT",
    "DEFAULT_MAX_PIXELS",
    "OF_BASE",
    "BaseSource",
    "ChatFacts",
    "HeadFacts",
    "RowImages",
    "Sizes",
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
    "check_files",
    "check_merged",
    "check_new",
    "check_own_template",
    "check_settings",
    "check_stop_tokens",
    "check_system_prompt",
    "check_table",
    "check_vocabulary",
    "compare_chat",
    "context_tokens",
    "dress",
    "extend_tokenizer",
    "fetch",
    "find_base",
    "find_fetched",
    "fitting_notes",
    "head_of",
    "hub_errors",
    "image_input",
    "kind_of",
    "let_go",
    "load_adapter",
    "load_base",
    "load_chat_tokenizer",
    "load_config",
    "load_tokenizer",
    "mean_loss",
    "merge",
    "misfits",
    "own_dtype",
    "proof_line",
    "prove_adapter",
    "quantization_facts",
    "quantization_notes",
    "read_chat",
    "refuse_broken",
    "refuse_code",
    "require_quantization",
    "rewrite_config",
    "row_losses",
    "save_adapter",
    "save_chat",
    "saved_sizes",
    "scoring_path",
    "shipped_templates",
    "sizes_of",
    "stop_ids_of",
    "structure_of",
    "supervised_loss",
    "supervised_nats",
    "then_now",
    "trainable_facts",
    "weight_counts",
    "why_no_images",
]
