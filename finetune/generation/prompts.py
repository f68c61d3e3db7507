"""The renderer that a source is served with: as it was trained, after recipe and base were seen to agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune import models
from finetune.errors import ModelError
from finetune.generation.sources import Source
from finetune.render import Renderer
from finetune.render.renderer import fingerprint

_FOREIGN = "the adapter has no chat.json: nothing says how it was trained; the base's own template, no system prompt"
_UNCHECKED = "the adapter has no chat.json, as in runs of older kits: template and system prompt are the recipe's"


def prompting(source: Source, config: Any) -> tuple[Renderer, list[str]]:
    """The renderer of what is served, and what was chosen, one line each.

    An adapter that brings its own prompt is served with it, after recipe and base were seen to agree. So is a merged
    model, which is its own base.

    Raises:
        IntegrityError: recipe or base give another prompt than the adapter was trained with, or it is another base; or
            the folder's own files are not what they were.
    """
    chat, notes = source.chat, []
    options = {"enable_thinking": source.thinking == "keep"}
    if chat is None:
        tokenizer, notes = models.load_tokenizer(source.base, source.chat_template, source.template_file)
        if source.adapter_dir is not None:
            notes.append(_UNCHECKED if source.where else _FOREIGN)
        return Renderer(tokenizer, options, also_stop=models.stop_ids_of(source.base, tokenizer)), notes
    folder = source.adapter_dir or Path(source.base.location)
    models.check_own_template(chat, folder, fingerprint)
    tokenizer = models.load_chat_tokenizer(folder, chat)
    models.check_stop_tokens(chat, folder, tokenizer)
    facts = models.base_facts(source.base, config)
    if source.adapter_dir is None:
        models.check_merged(chat, source.base, facts)
    else:
        notes = models.check_base(chat, source.base, facts)
        notes += _compared(source, chat, options if source.where else chat.template_options)
    renderer = Renderer(tokenizer, chat.template_options)
    renderer.stop_ids = chat.stop_ids
    what = "system prompt, template and stop tokens" if chat.system_prompt else "template and stop tokens"
    return renderer, [*notes, f"{what}: those the adapter was trained with ({chat.template_sha256[:12]})"]


def _compared(source: Source, chat: models.ChatFacts, options: dict[str, Any]) -> list[str]:
    """See that recipe and base still say what the adapter's folder says; notes, one line each.

    Outside of a run there is no recipe, and the base is asked only where its own template was trained with.
    """
    file = source.template_file
    if source.chat_template not in ("auto", *models.shipped_templates()) and (file is None or not file.is_file()):
        return ["chat template: the recipe's file is gone; the adapter's own is used"]
    if not source.where and chat.template_from != models.OF_BASE:
        return []
    where = source.where or source.base.label
    tokenizer, _ = models.load_tokenizer(source.base, source.chat_template, file)
    try:
        given = Renderer(tokenizer, options, also_stop=models.stop_ids_of(source.base, tokenizer))
    except ModelError:
        if (now := fingerprint(tokenizer.chat_template, options)) == chat.template_sha256:
            raise
        raise models.another_template(chat, now, where, of_recipe=bool(source.where)) from None
    words = {"system_prompt": chat.system_prompt, "max_new_tokens": chat.max_new_tokens}
    now = models.chat_facts(given, chat.base, chat_template=source.chat_template, **words)
    return models.compare_chat(chat, now, where, of_recipe=bool(source.where))
