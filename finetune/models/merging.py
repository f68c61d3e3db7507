"""Merging: base and adapter as one model in a folder of its own, proved by reading it back from disk.

What is measured, on the logits and the greedy answers of a few prompts:

1. merged in memory against base + adapter: is the sum right? No rounding is in it yet.
2. every tensor read back from disk against the one that was written: are the files whole and named right?
3. the merged model read back against base + adapter, both in full precision: what the chosen number format costs.
4. where the base was held in 8 or 4 bit in training: the merged model against the adapter on that base. The adapter has
   learnt to live with that rounding, so a difference is expected; it is told, and nobody can say whether it is for the
   better but by evaluating.

1, 2 and 3 refuse; 4 informs.
"""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import finetune
from finetune.errors import IntegrityError, Problem, RunError, SurroundingsError
from finetune.models import merged_files
from finetune.models.asking import greedy_answer, logits_of
from finetune.models.base import base_facts, load_base, load_config
from finetune.models.chat_facts import ChatFacts, save_chat
from finetune.models.merged_files import MERGE_JSON
from finetune.models.quantized import kind_of, library_version
from finetune.models.sources import BaseSource
from finetune.models.structure import structure_of
from finetune.runs import sha256_of, write_json

MERGE_SCHEMA = 1
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Mean difference of logits in shares of their spread. Rounding each weight by 2^-9 (bfloat16) shifts the logits of a
# deep model by some hundredths; a matrix that was forgotten or added twice shifts them by far more, and is found by
# the first comparison, which has no rounding in it.
_TOLERANCE = {"float32": 1e-4, "float16": 0.02, "bfloat16": 0.1}
_GREEDY_TOKENS = 16
_SHARD = "4GB"
_ROOM = 1.05  # beside the weights: tokenizer, config, file system


def merge(
    source: BaseSource,
    adapter_dir: Path,
    folder: Path,
    *,
    tokenizer: Any,
    stop_ids: Sequence[int],
    probes: Sequence[Sequence[int]],
    chat: ChatFacts,
    dtype: str | None = None,
    quantization: Any = "none",
    device: str = "cpu",
    free_bytes: int | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Write base + adapter as one model in full precision into a new `folder`, read it back and compare.

    Args:
        source: the base, on this machine.
        adapter_dir: an adapter's folder.
        folder: to be made; must not exist.
        tokenizer: with its chat template; saved beside the weights.
        stop_ids: every id that ends an answer; generation_config names them all.
        probes: prompts as ids; logits and greedy answers are compared on them.
        chat: how the adapter is spoken to; chat.json in `folder` says it of the merged model.
        dtype: of the files, "float32", "bfloat16" or "float16"; None: the base's own.
        quantization: how the base was held in training: "none", "8bit", "4bit", or what the manifest recorded.
        device: where it is computed.
        free_bytes: memory that may be used there; with too little, the comparison computes in 16 bit. None: enough.
        say: told one plain line at a time.

    Returns:
        What merge.json holds.

    Raises:
        RunError: `folder` exists.
        SurroundingsError: no room on the disk, or the folder cannot be made.
        IntegrityError: what was merged or read back differs from base + adapter; nothing is left behind.
        ModelError: base and adapter do not fit together.
    """
    say = say or (lambda line: None)
    check_new(folder)
    config = load_config(source)
    dtype = dtype or merged_files.own_dtype(config)
    num_parameters = merged_files.count_parameters(config)
    _check_room(folder, int(num_parameters * BYTES[dtype] * _ROOM))
    arithmetic = "float32"
    if free_bytes is not None and num_parameters * BYTES["float32"] * 1.1 > free_bytes:
        arithmetic = "bfloat16"
        say(f"memory: {free_bytes / 2**30:.1f} GiB do not hold the base in float32, so it is merged in bfloat16")
    with _staged(folder) as staging:
        work = _Merge(source, adapter_dir, staging, tokenizer, list(stop_ids), probes, dtype, arithmetic, device, say)
        facts = work.carry_out(kind_of(quantization))
        write_json(staging / MERGE_JSON, facts)
        merged_files.write_card(staging, folder.name, facts)
        _write_chat(staging, folder.name, tokenizer, chat)
        os.rename(staging, folder)
    return facts


def _write_chat(staging: Path, name: str, tokenizer: Any, chat: ChatFacts) -> None:
    """chat.json, last of all: it holds the hash of every other file, and the weights'."""
    source = BaseSource(name, str(staging), None, True)
    found = base_facts(source, load_config(source))
    keys = ("id", "revision", "is_local", "config_sha256", "weights_sha256", "vocab_size")
    base = {**{key: found[key] for key in keys}, "quantization": "none"}
    save_chat(staging, tokenizer, replace(chat, base=base, kit_version=finetune.__version__))


def check_new(folder: Path) -> None:
    """See that a folder to be made is not there.

    Raises:
        RunError: it is.
    """
    if folder.exists() or folder.is_symlink():
        fix = "name a folder that does not exist"
        raise RunError(Problem(str(folder), "", "exists already; nothing is ever overwritten", fix=fix))


def _check_room(folder: Path, needed_bytes: int) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
    except OSError as error:
        what = f"cannot be made: {error.strerror or error}"
        raise SurroundingsError(Problem(str(folder), "", what, fix="choose another folder")) from error
    if needed_bytes > free:
        what = f"needs {needed_bytes / 2**30:.2f} GiB, and {free / 2**30:.2f} GiB are free there"
        fix = "free space, choose a folder on another disk, or --dtype bfloat16"
        raise SurroundingsError(Problem(str(folder), "", what, fix=fix))


class _staged:
    """A new folder beside `folder`, gone again however it ends, unless it was renamed."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self) -> Path:
        try:
            made = tempfile.mkdtemp(prefix=f".{self.folder.name}.part-", dir=self.folder.parent)
        except OSError as error:
            what = f"cannot be made: {error.strerror or error}"
            raise SurroundingsError(Problem(str(self.folder), "", what, fix="choose another folder")) from error
        self.path = Path(made)
        self.path.chmod(0o755)
        return self.path

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, SurroundingsError):
            what = f"cannot be written: {error.strerror or error}"
            raise SurroundingsError(Problem(str(self.folder), "", what, fix="free space")) from error


class _Merge:
    """One merge, step by step; never two models in memory."""

    def __init__(
        self, source: BaseSource, adapter_dir: Path, staging: Path, tokenizer: Any, stop_ids: list[int],
        probes: Sequence[Sequence[int]], dtype: str, arithmetic: str, device: str, say: Callable[[str], None],
    ):  # fmt: skip
        self.source, self.adapter_dir, self.staging, self.tokenizer = source, adapter_dir, staging, tokenizer
        self.stop_ids, self.probes, self.dtype, self.arithmetic = stop_ids, probes, dtype, arithmetic
        self.device, self.say = device, say

    def carry_out(self, quantization: str) -> dict[str, Any]:
        """Merge, write, read back, compare; gives what merge.json holds."""
        exact, bare, in_memory, written, base = self._merge_and_write()
        rounded = _TOLERANCE[self.arithmetic] if self.arithmetic != "float32" else _TOLERANCE["float32"]
        _require("merged in memory", in_memory, exact, rounded)
        self.say(f"written in {self.dtype}; read back and compared on {len(self.probes)} prompts")
        read_back = self._read_back(written)
        tolerance = max(_TOLERANCE[self.dtype], rounded)
        full = {**_require("merged and read back", read_back, exact, tolerance), "tolerance": tolerance}
        full["computed_in"] = self.arithmetic
        as_trained = self._as_trained(quantization, read_back)
        effect = difference(exact, bare)
        structure = structure_of(load_config(self.source))
        if full["mean_logit_difference"] > 0.5 * effect["mean_logit_difference"]:
            self.say(
                f"warning: in {self.dtype} the merge loses much of what the adapter does (a mean of "
                f"{full['mean_logit_difference']:.2g} of {effect['mean_logit_difference']:.2g}); choose float32"
            )
        return {
            "schema": MERGE_SCHEMA,
            "dtype": self.dtype,
            "base": {key: base[key] for key in ("id", "revision", "config_sha256", "weights_sha256", "licence")},
            "adapter_sha256": sha256_of(self.adapter_dir / "adapter_model.safetensors"),
            "trained_on": quantization,
            "is_mixture": bool(structure.experts or structure.expert_linears),
            "num_prompts": len(self.probes),
            "num_prompt_tokens": sum(len(ids) for ids in self.probes),
            "adapter_effect": {key: effect[key] for key in ("max_logit_difference", "mean_logit_difference")},
            "full_precision": full,
            "as_trained": as_trained,
            "files": {path.name: sha256_of(path) for path in sorted(self.staging.glob("*.safetensors"))},
        }

    def _merge_and_write(self) -> tuple[Any, Any, Any, dict[str, str], dict[str, Any]]:
        from finetune.models.adapters import load_adapter

        model = load_base(self.source, self.arithmetic, device=self.device)
        base = base_facts(self.source, load_config(self.source))
        packed = merged_files.is_packed(self.source)
        model = load_adapter(model, self.adapter_dir).to(self.device)
        exact = self._ask(model)
        with model.disable_adapter():
            bare = self._ask(model)
        merged = merge_in_place(model)
        del model
        in_memory = self._ask(merged)
        merged_files.cast(merged, self.dtype)
        merged_files.save(merged, self.staging, self.tokenizer, self.stop_ids, self.source, packed, _SHARD)
        written = digests(merged, self.dtype)
        del merged
        gc.collect()
        return exact, bare, in_memory, written, base

    def _read_back(self, written: dict[str, str]) -> Any:
        """Answers of the model on disk, each of whose tensors is the one that was written.

        Raises:
            IntegrityError: a tensor is another, or none.
        """
        source = BaseSource(self.staging.name, str(self.staging), None, True)
        model = load_base(source, self.arithmetic, device=self.device)
        found = digests(model, self.dtype) if BYTES[self.arithmetic] >= BYTES[self.dtype] else written
        wrong = sorted(name for name in written.keys() | found.keys() if written.get(name) != found.get(name))
        if wrong:
            what = f"{len(wrong)} tensors read back from disk are not those that were written, {wrong[0]} the first"
            raise IntegrityError(Problem("", "", what, fix="the disk may be faulty; the adapter itself is untouched"))
        answers = self._ask(model)
        del model
        gc.collect()
        return answers

    def _as_trained(self, quantization: str, merged: Any) -> dict[str, Any] | None:
        """How far the merged model is from the adapter on the base as it was in training; None where that was exact."""
        from finetune.models.adapters import load_adapter

        if quantization == "none":
            return None
        try:
            model = load_base(self.source, self.arithmetic, device=self.device, quantization=quantization)
        except SurroundingsError as error:
            self.say(f"not compared with the {quantization} base it was trained on: {error}")
            return {"quantization": quantization, "not_measured": str(error)}
        model = load_adapter(model, self.adapter_dir)
        facts = {"quantization": quantization, "bitsandbytes": library_version()}
        facts |= difference(self._ask(model), merged)
        del model
        gc.collect()
        return facts

    def _ask(self, model: Any) -> list[tuple[Any, list[int]]]:
        return ask(model, self.probes, self.stop_ids)


def merge_in_place(adapted: Any) -> Any:
    """The base under a peft model, its weights now base + adapter; one layer at a time in float32.

    Raises:
        IntegrityError: the sum holds a number that is not finite.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted.eval()
    _untie_what_was_trained(adapted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "already merged": that is how the second walk takes the wrappers off
        try:
            for module in list(adapted.modules()):
                if isinstance(module, BaseTunerLayer):
                    _merge_layer(module)
            return adapted.merge_and_unload()
        except ValueError as error:
            what = "base and adapter together give numbers that are not finite"
            raise IntegrityError(Problem("", "", what, str(error)[:120])) from error


def _merge_layer(layer: Any) -> None:
    """Add up in float32: a sum in 16 bit would be rounded twice."""
    import torch

    base: Any = layer.get_base_layer()
    before = [(p, p.dtype) for p in base.parameters(recurse=False) if p.dtype in (torch.float16, torch.bfloat16)]
    for parameter, _ in before:
        parameter.data = parameter.data.float()
    layer.merge(safe_merge=True)
    for parameter, dtype in before:
        parameter.data = parameter.data.to(dtype)


def _untie_what_was_trained(adapted: Any) -> None:
    """Give the head its own copy where a LoRA sits on one side of tied embeddings; its change is for that side only."""
    import torch
    from peft.tuners.lora import LoraLayer

    head, table = adapted.get_output_embeddings(), adapted.get_input_embeddings()
    sides = [side for side in (head, table) if isinstance(side, LoraLayer)]
    if not sides or head is None or table is None:
        return
    one: Any = sides[0].get_base_layer()
    other: Any = table if sides[0] is head else head
    other = other.get_base_layer() if hasattr(other, "get_base_layer") else other
    if one.weight is other.weight or one.weight.data_ptr() == other.weight.data_ptr():
        one.weight = torch.nn.Parameter(one.weight.detach().clone(), requires_grad=False)
        adapted.get_base_model().config.tie_word_embeddings = False


def ask(model: Any, probes: Sequence[Sequence[int]], stop_ids: Sequence[int]) -> list[tuple[Any, list[int]]]:
    """(logits of every prompt token in float32, greedy continuation) of each prompt."""
    return [(logits_of(model, ids), greedy_answer(model, ids, stop_ids, _GREEDY_TOKENS)) for ids in probes]


def difference(one: Sequence[tuple[Any, list[int]]], other: Sequence[tuple[Any, list[int]]]) -> dict[str, Any]:
    """Largest and mean difference of two models' logits, their spread, and how many greedy answers are equal."""
    import torch

    width = min(one[0][0].shape[1], other[0][0].shape[1])  # rows for new tokens may be padded in one of them
    first = torch.cat([logits[:, :width] for logits, _ in one])
    second = torch.cat([logits[:, :width] for logits, _ in other])
    gap = (first - second).abs()
    return {
        "max_logit_difference": float(gap.max()),
        "mean_logit_difference": float(gap.mean()),
        "logit_spread": float(first.std()),
        "num_greedy_equal": sum(a[1] == b[1] for a, b in zip(one, other)),
        "num_prompts": len(one),
    }


def _require(who: str, found: Any, exact: Any, tolerance: float) -> dict[str, Any]:
    facts = difference(exact, found)
    share = facts["mean_logit_difference"] / max(facts["logit_spread"], 1e-12)
    if not share <= tolerance:  # also where it is no number
        what = (
            f"{who}, the model is not base + adapter: its logits differ by {facts['mean_logit_difference']:.3g} in the "
            f"mean, {facts['max_logit_difference']:.3g} at most, of a spread of {facts['logit_spread']:.3g}"
        )
        fix = "keep the adapter, and report it; another --dtype may help"
        raise IntegrityError(Problem("", "", what, f"{share:.2g} > {tolerance:g}", fix))
    return facts


def digests(model: Any, dtype: str) -> dict[str, str]:
    """Name -> hash of every tensor's numbers in `dtype`. Tied weights appear under both names, in both models."""
    import torch

    found = {}
    with torch.inference_mode():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor = tensor.to(getattr(torch, dtype))
            found[name] = hashlib.blake2b(
                tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy(), digest_size=16
            ).hexdigest()
    return found
