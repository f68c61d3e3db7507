"""Bases held in 8 or 4 bit by bitsandbytes (the extra `qlora`): whether that works here, loading, and what is recorded.

4 bit is NF4 with double quantisation (QLoRA, https://arxiv.org/abs/2305.14314), 8 bit is LLM.int8
(https://arxiv.org/abs/2208.07339). Linear layers of the language model are rounded; embeddings, head, norms, routers,
the stacked experts of a mixture and what looks at images are not. The adapter stays in float32 beside it. Nothing
rounded is ever saved: it is made anew from the base's own files each time, and the same files give the same numbers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from finetune import hub
from finetune.errors import ModelError, Problem, SurroundingsError
from finetune.models import anatomy
from finetune.models.structure import structure_of

KINDS = ("8bit", "4bit")
_KEY = "base.quantization"
_INSTALL = "pip install 'finetune-kit[qlora]'"
# NF4 rounds runs of 64 weights by one scale. Where rows are no multiple of it, runs go over from row to row, and
# bitsandbytes 0.50 reads them back wrongly on a CPU (a miss of 0.25 instead of 0.09). Such layers are left alone on any
# machine, so that a base is the same wherever it is loaded.
_RUN_WEIGHTS = 64
_ROUNDED_ROLES = ("attention", "mlp", "expert")
# The largest share by which a rounded layer may miss the exact one: NF4 misses by 0.1, a broken kernel by far more.
_MAX_MISS = {"8bit": 0.05, "4bit": 0.25}


def keep_foreign_kernels_out() -> None:
    """No compiled code from the Hub, whoever imports bitsandbytes (peft does it by itself).

    On some CPUs it fetches a kernel by the package `kernels` while it is imported, and says so when it cannot. Without
    that package it computes by its own code. Called when this room is opened, before anything in it
    imports either.
    """
    # It also warns of every cast of its own, once a layer and call.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    loaded = sys.modules.setdefault("kernels", None)  # type: ignore[arg-type]
    if loaded is None or "bitsandbytes" in sys.modules or importlib.util.find_spec("bitsandbytes") is None:
        return
    sys.modules["kernels"] = None  # type: ignore[assignment]
    try:
        with contextlib.suppress(Exception):  # whoever needs it is told why it does not work
            importlib.import_module("bitsandbytes")
    finally:
        sys.modules["kernels"] = loaded  # whoever imported it goes on to have it


hub.keep_quiet()
keep_foreign_kernels_out()


def library_version() -> str | None:
    """The version of bitsandbytes; None where it is not installed."""
    if importlib.util.find_spec("bitsandbytes") is None:
        return None
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version("bitsandbytes")
    return "unknown"


def require_quantization(
    kind: str, device: str = "cpu", dtype: str = "float32", *, where: str = "", fix: str = ""
) -> None:
    """See that a base can be held in so many bits here: one small layer is computed, forwards and backwards.

    Args:
        kind: "none" (always possible), "8bit" or "4bit".
        device: a torch device.
        dtype: "float32", "bfloat16" or "float16", of the computation.
        where: the place of base.quantization in the recipe.
        fix: what else can be done, beside installing.

    Raises:
        SurroundingsError: bitsandbytes is missing, or does not work here.
    """
    if kind == "none":
        return
    fix = fix or "write quantization: none"
    if library_version() is None:
        what = "needs the extra 'qlora' (bitsandbytes), which is not installed"
        raise SurroundingsError(Problem(where, _KEY, what, kind, f"{_INSTALL}, or {fix}"))
    try:
        miss = _miss(kind, device, dtype)
    except Exception as error:  # a library without a kernel for this device fails in many ways
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    else:
        if miss <= _MAX_MISS[kind]:
            return
        reason = f"a test layer misses by {miss:.0%}"
    what = f"bitsandbytes {library_version()} cannot compute {kind} layers on {device} in {dtype} here: {reason}"
    raise SurroundingsError(Problem(where, _KEY, what, kind, f"{fix}, or {_INSTALL} for another version"))


def _miss(kind: str, device: str, dtype: str) -> float:
    """By what share a rounded test layer misses the exact one, in its output or in its gradient."""
    import torch

    random = torch.Generator().manual_seed(0)
    weight = torch.randn(96, 2 * _RUN_WEIGHTS, generator=random)
    given = torch.randn(2, 5, 2 * _RUN_WEIGHTS, generator=random)
    layer = _layer(kind, weight, dtype).to(device)
    inputs = given.to(device, getattr(torch, dtype)).clone().requires_grad_()
    exact = given @ weight.T
    outputs = layer(inputs)
    outputs.float().pow(2).sum().backward()
    if inputs.grad is None:
        raise RuntimeError("a test layer gives no gradient")
    exact_gradient = (2 * exact) @ weight

    def share(one: Any, other: Any) -> float:
        return float((one.detach().float().cpu() - other).norm() / other.norm())

    found = max(share(outputs, exact), share(inputs.grad, exact_gradient))
    return found if found == found else float("inf")


def _layer(kind: str, weight: Any, dtype: str) -> Any:
    import torch
    from bitsandbytes import nn

    rows, columns = weight.shape
    words: dict[str, Any] = {"bias": False}
    if kind == "4bit":
        compute = getattr(torch, dtype)
        layer: Any = nn.Linear4bit(
            columns, rows, compute_dtype=compute, compress_statistics=True, quant_type="nf4", **words
        )
    else:
        layer = nn.Linear8bitLt(columns, rows, has_fp16_weights=False, threshold=6.0, **words)
    layer.load_state_dict({"weight": weight})
    _compute_in_one_way(layer)
    return layer


def rounded_modules(config: Any) -> tuple[list[str], list[str]]:
    """Full names of the linear modules of a base that are rounded, and of those that are not (under 8bit and 4bit).

    Args:
        config: from `load_config`.
    """
    import torch

    roles = structure_of(config).roles
    rounded, kept = [], []
    for name, module in anatomy.bare_model(config).named_modules():
        if isinstance(module, torch.nn.Linear):
            fits = module.in_features % _RUN_WEIGHTS == 0 and type(module) is torch.nn.Linear
            (rounded if fits and roles.get(name) in _ROUNDED_ROLES else kept).append(name)
    return rounded, kept


def loading_words(kind: str, dtype: str, device: str, config: Any) -> dict[str, Any]:
    """What `from_pretrained` needs to hold a base in so many bits; {} for "none".

    Args:
        kind: "none", "8bit" or "4bit".
        dtype: of the computation, and of what is not rounded.
        device: where the base goes; a rounded one is not moved afterwards.
        config: from `load_config`.

    Raises:
        SurroundingsError: see `require_quantization`.
        ModelError: no layer of this base can be rounded.
    """
    if kind == "none":
        return {}
    require_quantization(kind, device, dtype)
    import torch
    from transformers import BitsAndBytesConfig

    rounded, kept = rounded_modules(config)
    if not rounded:
        raise ModelError(nothing_to_round(kind))
    words: dict[str, Any] = {"llm_int8_skip_modules": kept}
    if kind == "4bit":
        words |= {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
            "bnb_4bit_compute_dtype": getattr(torch, dtype),
        }
    else:
        words["load_in_8bit"] = True
    return {"quantization_config": BitsAndBytesConfig(**words), "device_map": {"": 0 if device == "cuda" else device}}


def nothing_to_round(kind: str) -> Problem:
    """Why a base without a layer that could be rounded is refused."""
    what = f"rounds linear layers whose rows are a multiple of {_RUN_WEIGHTS} numbers; this base has none"
    return Problem("", _KEY, what, kind, "write quantization: none")


def settle(model: Any) -> Any:
    """A base fresh from `from_pretrained` with `loading_words`: frozen, and computing in one way only.

    peft's prepare_model_for_kbit_training is not used: it turns norms, embeddings and head into float32, which takes
    gigabytes for a large vocabulary (150,000 tokens x 4,096 numbers are 1.2 GB more, twice where the head is untied)
    and gains nothing, because norms compute in float32 anyway and logits are turned into float32 by the loss.
    """
    model.requires_grad_(False)
    for module in model.modules():
        if type(module).__name__ in ("Linear4bit", "Linear8bitLt"):
            _compute_in_one_way(module)
    return model


def _compute_in_one_way(layer: Any) -> None:
    """Let a rounded layer compute the same numbers in training, in evaluation and in serving.

    4 bit: on CPUs with bfloat16 instructions, bitsandbytes packs the weights anew at the first call without gradients.
    The packed layer rounds its scales again, computes in bfloat16, knows no gradient (training after a look at held-out
    rows would go on without one, in silence), and fails where a side is no multiple of 32 or 64.

    8 bit: on a CPU, bitsandbytes rounds weights alone in training and activations as well elsewhere, with a set of
    exceptions that depends on the other rows of a batch. The way of training is kept.
    """
    if type(layer).__name__ == "Linear4bit":
        layer.support_avx512bf16_for_cpu = False
    elif layer.weight.device.type == "cpu":
        layer.training = True
        layer.train = lambda mode=True: layer


@contextlib.contextmanager
def adapter_kept_in_float32(model: Any) -> Iterator[None]:
    """Undo what happens to trained parameters inside: TRL turns those on a rounded base into bfloat16.

    In bfloat16 a step of 1e-4 on a weight of 0.05 is rounded away: the adapter would stop learning as it gets better.
    """
    before = [(parameter, parameter.data) for parameter in model.parameters() if parameter.requires_grad]
    yield
    for parameter, data in before:
        if parameter.dtype != data.dtype:
            parameter.data = data


def quantization_facts(kind: str, dtype: str) -> dict[str, Any] | None:
    """What the manifest and the adapter's folder record of a rounded base; None for a base in full precision."""
    if kind == "none":
        return None
    facts: dict[str, Any] = {"kind": kind, "compute_dtype": dtype, "bitsandbytes": library_version()}
    return facts | ({"type": "nf4", "double": True} if kind == "4bit" else {"type": "int8"})


def quantization_notes(config: Any, kind: str) -> list[str]:
    """What base.quantization does to this base, one plain line; none for "none".

    Args:
        config: from `load_config`.
    """
    if kind == "none":
        return []
    model = anatomy.bare_model(config)
    names = set(rounded_modules(config)[0])
    total = sum(p.numel() for p in model.parameters())
    rounded = sum(module.weight.numel() for name, module in model.named_modules() if name in names)
    line = f"base.quantization: {kind} holds {rounded / total:.0%} of {total:,} numbers rounded"
    experts = sum(p.numel() for p in model.parameters() if p.dim() == 3) if structure_of(config).experts else 0
    if experts:
        line += f"; {experts / total:.0%} are experts, stacked in parameters, and stay as they are"
    return [line]


def kind_of(facts: Any) -> str:
    """The kind in what `quantization_facts` recorded, in the word alone, or "none".

    Raises:
        ModelError: a kind that this kit does not know.
    """
    found = facts.get("kind") if isinstance(facts, Mapping) else facts
    if found in (None, "none"):
        return "none"
    if found not in KINDS:
        raise ModelError(Problem("", _KEY, "of an unknown kind is recorded", repr(found)[:40], "update finetune-kit"))
    return str(found)


def num_weights(parameter: Any) -> int:
    """How many weights a parameter stands for: of two in a byte, both are counted."""
    state = getattr(parameter, "quant_state", None)
    return state.shape.numel() if state is not None else parameter.numel()
