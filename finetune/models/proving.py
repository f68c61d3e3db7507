"""The proof of a saved adapter: put on a freshly loaded base, it holds the same tensors and gives the same answers."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import IntegrityError, Problem
from finetune.models.adapter_check import WEIGHTS
from finetune.models.adapters import load_adapter
from finetune.models.asking import greedy_answer, logits_of

_MOST_PROBE_TOKENS, _ANSWER_TOKENS = 64, 8


@dataclass(frozen=True)
class Witness:
    """What the trained model said before it was let go; small, and on the CPU.

    Attributes:
        tensors: the adapter's, by the names of its file.
        probe: token ids that were asked.
        stop_ids: that end an answer.
        logits: (tokens, vocabulary) float32, with the adapter.
        greedy: token ids of the greedy continuation.
        dtype: of the base, "float32" for example.
    """

    tensors: dict[str, Any]
    probe: list[int]
    stop_ids: tuple[int, ...]
    logits: Any
    greedy: list[int]
    dtype: str


def bear_witness(model: Any, probe: Sequence[int], stop_ids: Sequence[int] = ()) -> Witness:
    """Ask the trained model once, so that it can be freed before the proof: no two bases are ever in memory.

    Args:
        model: as trained, with its adapter.
        probe: token ids of the beginning of a conversation; at most 64 are used.
        stop_ids: that end an answer.
    """
    from peft import get_peft_model_state_dict

    probe = list(probe)[:_MOST_PROBE_TOKENS]
    was_training = model.training
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
    dtype = str(model.get_base_model().dtype).removeprefix("torch.")
    witness = Witness(tensors, probe, tuple(stop_ids), *_said(model, probe, stop_ids), dtype)
    model.train(was_training)
    return witness


def let_go(device: str) -> None:
    """Give back the memory of models that nothing names any more; trainers leave circles of references behind."""
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()


def prove_adapter(witness: Witness, folder: Path, load: Callable[[], Any]) -> dict[str, Any]:
    """See that a saved adapter does on a freshly loaded base what the trained model did.

    Args:
        witness: of the trained model.
        folder: the saved adapter.
        load: loads the base anew, as it was in training.

    Returns:
        Facts for the manifest: num_tensors, logit_difference (largest, absolute), tolerance, greedy_equal,
        effect (the largest difference that the adapter makes to the base's logits), num_probe_tokens,
        num_answer_tokens, dtype, seconds.

    Raises:
        IntegrityError: another tensor, other logits, another greedy answer, a number that is not finite, or logits
            that are the base's own.
        ModelError: it does not fit the base.
    """
    started = time.monotonic()
    _compare_tensors(witness, folder)
    model = load_adapter(load(), folder)
    logits, greedy = _said(model, witness.probe, witness.stop_ids)
    with model.disable_adapter():
        bare = logits_of(model, witness.probe)
    difference, effect = _distance(logits, witness.logits), _distance(logits, bare)
    tolerance = _tolerance(witness)
    problems = []
    if not logits.isfinite().all() or not witness.logits.isfinite().all():
        problems.append(("gives numbers that are not finite", False))
    elif difference > tolerance:
        problems.append((f"gives other logits than the trained model: they differ by {difference:.2g}", True))
    elif greedy != witness.greedy:
        problems.append(("gives another answer than the trained model", True))
    elif effect == 0:
        problems.append(("changes nothing: its logits are the base's own", False))
    if problems:
        raise IntegrityError([_failed(folder, what, again) for what, again in problems])
    return {
        "num_tensors": len(witness.tensors),
        "logit_difference": difference,
        "tolerance": tolerance,
        "greedy_equal": True,
        "effect": effect,
        "num_probe_tokens": len(witness.probe),
        "num_answer_tokens": len(greedy),
        "dtype": witness.dtype,
        "seconds": round(time.monotonic() - started, 2),
    }


def proof_line(facts: dict[str, Any]) -> str:
    """The proof in one line."""
    return (
        f"adapter proved on a freshly loaded base: {facts['num_tensors']} tensors equal, logits differ by "
        f"{facts['logit_difference']:.1g} at most, the same greedy answer of {facts['num_answer_tokens']} tokens; "
        f"it moves the base's logits by up to {facts['effect']:.2g}"
    )


def _compare_tensors(witness: Witness, folder: Path) -> None:
    """See that the file holds what was trained, before a base is loaded for it."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not witness.tensors:
        raise IntegrityError(_failed(folder, "is empty", again=False))
    try:
        saved = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise IntegrityError(_failed(folder, "cannot be read")) from error
    wrong = [name for name in {**witness.tensors, **saved} if not _is_same(witness.tensors.get(name), saved.get(name))]
    if wrong:
        what = f"holds other tensors than were trained: {len(wrong)} of {len(witness.tensors)}, {wrong[0][:80]} first"
        raise IntegrityError(_failed(folder, what))


def _is_same(one: Any, other: Any) -> bool:
    return one is not None and other is not None and one.dtype == other.dtype and one.equal(other)


def _failed(folder: Path, what: str, again: bool = True) -> Problem:
    """The problem of an adapter; `again`: whether saving it once more can help."""
    return Problem(folder.name, "", f"the saved adapter {what}", fix=_AGAIN if again else _OTHERWISE)


_AGAIN = "go on with --resume, which saves it again from the last checkpoint"
# Saving the same adapter once more would give the same.
_OTHERWISE = "start a new run with a smaller train.learning_rate, or another adapter.method or hardware.dtype"


def _tolerance(witness: Witness) -> float:
    """1e-5 of the largest logit in float32; in half precision, a few of its smallest steps."""
    import torch

    step = torch.finfo(getattr(torch, witness.dtype)).eps
    return max(1e-5, 4 * step) * max(1.0, witness.logits.abs().max().item())


def _distance(one: Any, other: Any) -> float:
    return (one - other).abs().max().item() if one.shape == other.shape else float("inf")


def _said(model: Any, probe: Sequence[int], stop_ids: Sequence[int]) -> tuple[Any, list[int]]:
    return logits_of(model, probe), greedy_answer(model, probe, stop_ids, _ANSWER_TOKENS)
