"""Floor 4: base models, tokenizers, chat templates and adapters. The door to peft."""

from finetune.models.adapters import attach_adapter, check_adapter, load_adapter, save_adapter, trainable_facts
from finetune.models.base import base_facts, context_tokens, load_base, load_config
from finetune.models.sources import BaseSource, find_base, hub_errors
from finetune.models.templates import shipped_templates
from finetune.models.tokenizers import check_vocabulary, load_tokenizer

__all__ = [
    "BaseSource",
    "attach_adapter",
    "base_facts",
    "check_adapter",
    "check_vocabulary",
    "context_tokens",
    "find_base",
    "hub_errors",
    "load_adapter",
    "load_base",
    "load_config",
    "load_tokenizer",
    "save_adapter",
    "shipped_templates",
    "trainable_facts",
]
