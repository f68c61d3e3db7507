"""Floor 6: what leaves a run for other programs: base and adapter as one model in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune import generation, hardware, models
from finetune.errors import ModelError, Problem
from finetune.talk import Talk

# Asked of base, adapter and merged model; in two languages and of several lengths. They are no test of knowledge.
PROBES = (
    "Hello, who are you?",
    "What is the difference between a virus and a bacterium? Answer in one sentence.",
    "Write down the numbers from one to five.",
    "Summarise: The train left at nine, it arrived at noon, and nobody was on it.",
    "How do I write a polite letter of complaint?",
    "你好，你能做什么？",
    "请用一句话说明什么是利率。",
    "Translate into Chinese: The weather is fine today.",
)


def export_merged(
    name: str | Path,
    folder: str | Path,
    *,
    base: str | None = None,
    dtype: str | None = None,
    talk: Talk | None = None,
) -> dict[str, Any]:
    """Merge a run's adapter, or an adapter's folder, into its base in full precision; write that into a new folder.

    Args:
        name: a run or an adapter folder.
        folder: to be made.
        base: the base to use instead of the recorded one.
        dtype: "float32", "bfloat16" or "float16"; None: as the base's own files are.
        talk: is told what happens.

    Returns:
        What merge.json in the folder holds.

    Raises:
        ModelError: there is no adapter to merge.
        RunError, SurroundingsError, IntegrityError: see finetune.models.merging.merge.
    """
    talk = talk or Talk()
    source = generation.find_source(name, base)
    adapter_dir = source.adapter_dir
    if adapter_dir is None:
        fix = "name a run or an adapter folder; a base can be used as it is"
        raise ModelError(Problem(str(name), "", "has no adapter to merge", fix=fix))
    models.check_new(Path(folder))
    talk.stage("merge")
    source = replace(source, base=models.fetch(source.base, talk))
    config = models.load_config(source.base)
    renderer, notes = generation.prompting(source, config)
    for line in notes:
        talk.say(line)
    if dtype is None:
        dtype = models.own_dtype(config)
        talk.say(f"dtype: {dtype}, as the base's own files")
    here = hardware.machine()
    num_parameters, _ = models.weight_counts(config)
    device, free_bytes = _where(here, num_parameters)
    # In 16 bit, the least that a merge can do with.
    hardware.require_room(num_parameters, 0, "bfloat16", device, label=source.base.label)
    return models.merge(
        source.base,
        adapter_dir,
        Path(folder),
        tokenizer=renderer.tokenizer,
        stop_ids=renderer.stop_ids,
        probes=probes(renderer, source.system_prompt),
        dtype=dtype,
        quantization=source.quantization,
        device=device,
        free_bytes=free_bytes,
        chat=_chat(source, renderer),
        say=talk.say,
    )


def _chat(source: generation.Source, renderer: Any) -> models.ChatFacts:
    """How the merged model is spoken to: as its adapter, or as the kit would speak to an adapter of a stranger's."""
    if source.chat is not None:
        return source.chat
    facts = models.chat_facts(
        renderer,
        {},
        system_prompt=source.system_prompt,
        max_new_tokens=source.max_new_tokens,
        chat_template=source.chat_template,
        title=source.title if source.where else None,  # outside of a run it is a folder's name
    )
    return replace(facts, max_image_pixels=source.max_image_pixels)


def _where(here: hardware.Machine, num_parameters: int) -> tuple[str, int | None]:
    """The device that holds the base in float32, and its free memory: the GPU if it can, else the CPU."""
    if here.device == "cuda":
        free_bytes = hardware.free_memory("cuda")
        if free_bytes is not None and num_parameters * 4.4 < free_bytes:
            return "cuda", free_bytes
    return "cpu", hardware.free_memory("cpu")


def probes(renderer: Any, system_prompt: str | None) -> list[Sequence[int]]:
    """The prompts that base, adapter and merged model are compared on, as ids."""
    head = [{"role": "system", "content": system_prompt}] if system_prompt else []
    return [renderer.prompt([*head, {"role": "user", "content": text}]) for text in PROBES]


def lines(facts: dict[str, Any]) -> list[str]:
    """What a person is told of a merge, one line a figure."""
    full, trained, effect = facts["full_precision"], facts["as_trained"], facts["adapter_effect"]

    def figures(name: str, of: dict[str, Any]) -> list[str]:
        greedy = (
            f"; {of['num_greedy_equal']} of {of['num_prompts']} greedy answers equal" if "num_prompts" in of else ""
        )
        return [f"{name:<14}{of['max_logit_difference']:.3g} at most, {of['mean_logit_difference']:.3g} mean{greedy}"]

    spread = f"logits of {facts['num_prompt_tokens']} prompt tokens, their spread is {full['logit_spread']:.3g}"
    told = [f"differences of {spread}:"]
    told += figures("adapter/base", effect) + figures("merged", full)
    told[-1] += f" (from base + adapter in full precision; {facts['dtype']}, refused beyond {full['tolerance']:g})"
    if facts.get("is_mixture"):
        told.append(
            "A mixture of experts: single tokens may take another expert after rounding, which makes the largest "
            "difference large; the mean tells more, and --dtype float32 is exact."
        )
    if trained is None:
        return told
    if "not_measured" in trained:
        return [*told, f"{'as trained':<14}not compared with the base in {trained['quantization']}: see merge.json"]
    told += figures("as trained", trained)
    told[-1] += f" (merged, from the adapter on the base in {trained['quantization']})"
    return [*told, "The adapter has learnt beside a rounded base: evaluate the merged model where that matters."]
