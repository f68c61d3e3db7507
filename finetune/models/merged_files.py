"""The files of a merged model: weights, config, generation config, tokenizer, licence and card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.errors import IntegrityError, Problem
from finetune.models import anatomy
from finetune.models.native import plain_config
from finetune.models.sources import BaseSource
from finetune.models.tokenizers import clean_tokenizer_config
from finetune.runs import read_json

MERGE_JSON = "merge.json"
# Words of a config.json that are of another time or place.
_LEFT_OUT = ("auto_map", "_name_or_path", "quantization_config", "_attn_implementation", "attn_implementation")
# Beside licences: how pictures are cut, of bases that look at them.
_COPIED_FILES = (
    "LICENSE",
    "LICENCE",
    "NOTICE",
    "USE_POLICY",
    "PREPROCESSOR_CONFIG",
    "VIDEO_PREPROCESSOR",
    "PROCESSOR_",
)


def own_dtype(config: Any) -> str:
    """The number format that the base says it is in; bfloat16 for formats of its own (MXFP4), float32 if unsaid."""
    name = str(getattr(config, "dtype", None) or getattr(config.get_text_config(), "dtype", None) or "float32")
    name = name.removeprefix("torch.")
    if getattr(config, "quantization_config", None):
        return "bfloat16"
    return name if name in ("float32", "bfloat16", "float16") else "bfloat16"


def count_parameters(config: Any) -> int:
    """Numbers in the config's model; tied weights count once."""
    return sum(parameter.numel() for parameter in anatomy.bare_model(config).parameters())


def is_packed(source: BaseSource) -> bool:
    """Whether the base's files hold weights in a format that is unpacked on loading (gpt-oss: MXFP4)."""
    return bool(read_json(Path(source.location) / "config.json").get("quantization_config"))


def cast(model: Any, dtype: str) -> None:
    """Turn the weights into `dtype`, in place; those that the model keeps in float32 stay so.

    Raises:
        IntegrityError: a number is too large for it (float16 ends at 65,504).
    """
    import torch

    target = getattr(torch, dtype)
    kept = list(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    if dtype == "float16":
        kept += list(getattr(model, "_keep_in_fp32_modules", None) or ())
    largest = torch.finfo(target).max
    seen: set[int] = set()
    for name, parameter in model.named_parameters():
        if id(parameter) in seen or not parameter.is_floating_point() or any(word in name for word in kept):
            continue
        seen.add(id(parameter))
        if parameter.dtype == torch.float32 and parameter.numel() and parameter.abs().max() > largest:
            what = f"{name} holds numbers beyond {largest:,.0f}, the largest in {dtype}"
            raise IntegrityError(Problem("", "--dtype", what, dtype, "choose bfloat16 or float32"))
        parameter.data = parameter.data.to(target)


def save(
    model: Any, folder: Path, tokenizer: Any, stop_ids: Sequence[int], source: BaseSource, packed: bool, shard: str
) -> None:
    """Write all files but card and merge.json.

    Args:
        packed: see `is_packed`. Written back into its own format, such a model would lose its scales: read again, its
            experts would be random numbers. So it is written as it is in memory.
        shard: the largest weights file, such as "4GB".
    """
    from transformers.utils import logging

    _set_generation(model, tokenizer, stop_ids)
    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model.save_pretrained(folder, max_shard_size=shard, save_original_format=not packed)
    finally:
        if was_on:
            logging.enable_progress_bar()
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)  # for its writer alone, as safetensors leaves it
    _write_config(model, folder)
    tokenizer.save_pretrained(folder)
    clean_tokenizer_config(folder)
    for found in sorted(Path(source.location).iterdir()) if source.is_local else ():
        if found.is_file() and found.name.upper().startswith(_COPIED_FILES) and found.stat().st_size < 1 << 20:
            shutil.copyfile(found, folder / found.name)


def _set_generation(model: Any, tokenizer: Any, stop_ids: Sequence[int]) -> None:
    """Every id that ends an answer, and the tokens that the tokenizer names."""
    words = model.generation_config
    words.eos_token_id = list(stop_ids) if len(stop_ids) > 1 else stop_ids[0]
    words.pad_token_id = tokenizer.pad_token_id
    words.bos_token_id = tokenizer.bos_token_id
    if not words.do_sample:
        # Left by some bases, and refused when they are written: settings of drawing, where nothing is drawn.
        words.temperature = words.top_p = words.top_k = None


def _write_config(model: Any, folder: Path) -> None:
    """config.json without words of another place; a kind that is Llama under another name is written as Llama."""
    path = folder / "config.json"
    words = json.loads(path.read_bytes())
    if (plain := plain_config(model.config)) is not None:
        # Same modules, same numbers: so any program reads it, without this kit and without anybody's code.
        words = plain.to_dict() | {"dtype": words.get("dtype")}
    words = {key: value for key, value in words.items() if key not in _LEFT_OUT}
    path.write_text(json.dumps(words, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def write_card(folder: Path, name: str, facts: dict[str, Any]) -> None:
    """A minimal README.md: what it is, of what, under which licence, and how exact the merge is."""
    base, full, trained = facts["base"], facts["full_precision"], facts["as_trained"]
    head = ["---", f"base_model: {json.dumps(base['id'])}", "library_name: transformers"]
    if base["licence"]:
        head.append(f"license: {json.dumps(base['licence'])}")
    head += ["tags: [merged]", "---", "", f"# {name}", ""]
    at = f" at commit {base['revision']}" if base["revision"] else ""
    lines = [
        f"{base['id']}{at} with an adapter merged into it, in {facts['dtype']}, by finetune-kit.",
        f"The licence of the base goes on to hold: {base['licence'] or 'see the base'}.",
        "",
        f"On {full['num_prompts']} prompts its logits differ from base + adapter by {full['max_logit_difference']:.3g} "
        f"at most and {full['mean_logit_difference']:.3g} in the mean (their spread is {full['logit_spread']:.3g}); "
        f"{full['num_greedy_equal']} of {full['num_prompts']} greedy answers are equal.",
    ]
    if trained and "not_measured" not in trained:
        lines += [
            "",
            f"The adapter was trained on the base in {trained['quantization']}. From that, the logits differ by "
            f"{trained['max_logit_difference']:.3g} at most and {trained['mean_logit_difference']:.3g} in the mean; "
            f"{trained['num_greedy_equal']} of {trained['num_prompts']} greedy answers are equal.",
        ]
    lines += ["", "Figures and hashes: merge.json.", ""]
    (folder / "README.md").write_text("\n".join(head + lines), encoding="utf-8")
