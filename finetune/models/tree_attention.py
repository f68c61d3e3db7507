"""Attention over packs: a query sees what stands above it in its trie and itself, in the form the machine is best at.

Four forms, all through transformers' own attention interface; no model file is changed:

- "segmented" (CPU): a few calls of flash attention along the trie (finetune.models.segmented).
- "mask" (anywhere): upstream's own attention under a 4D mask over the whole pack.
- "flex" (CUDA): upstream's flex_attention with a block mask (FlexAttention, arXiv 2412.05496).
- "varlen" (CUDA, 16 bit): torch's variable-length flash attention, for packs that share nothing.

How a pack reaches the layers: as the attention mask. Every family hands its layers the mask it was given, and
transformers passes any 4D mask on untouched, without looking for packed rows in the positions (which would see a row's
branch as a new row, and forget what stands above it); arguments are what activation checkpointing keeps for the
recompute, so no state of this module can be out of date there. "segmented" therefore gives the stretches of the pack as
an integer tensor of four dimensions in the mask's place: only the function below understands it, and one that does not
refuses integers instead of computing something else. "varlen" gives no mask and the row bounds under the names that
upstream's flash attention has for them.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from finetune.errors import ModelError, Problem
from finetune.models.anatomy import auto_class_of
from finetune.models.structure import structure_of

if TYPE_CHECKING:
    from finetune.packing import Pack

KINDS = ("segmented", "mask", "flex", "varlen")
_SEGMENTED, _VARLEN = "finetune_segmented", "finetune_varlen"  # names in transformers' interface
_WHERE = "hardware.packing"
_NARROW = ("bfloat16", "float16")
_BLOCK_TOKENS = 128  # of flex_attention, on either side
_ROUNDED_TOKENS = 64  # packs of 16-bit numbers hold a multiple of so many


# -- which ---------------------------------------------------------------------------------------------------------


def best_kind(config: Any, device: str, dtype: str, sharing: bool) -> tuple[str, str]:
    """The fastest form of attention for packs of this base here that is exact, and why, in one line.

    Args:
        config: of the base, one whose `Structure.packing_refusal` is None.
        device: a torch device, "cuda:0" for example.
        dtype: that is computed in, "float32" for example.
        sharing: whether packs hold common prefixes once; False for rows side by side.

    Raises:
        ModelError: transformers has no class that writes text for it.
    """
    kind_of_device = device.partition(":")[0]
    why_mask = _needs_upstream(config)
    if why_mask is not None:
        return "mask", why_mask
    if kind_of_device == "cpu":
        if dtype not in ("float32", "float64", *_NARROW) or not _has_cpu_kernel():
            return "mask", f"torch has no flash attention for {dtype} on this CPU"
        return (
            "segmented",
            "flash attention along the trie: on a CPU attention is 3 times as fast as under a mask, or more",
        )
    if kind_of_device != "cuda":
        return "mask", f"there is no kernel for packs on {kind_of_device}"
    if not sharing and dtype in _NARROW and _has_varlen(config):
        return "varlen", "packs share nothing, and torch has flash attention for rows side by side"
    why_not_flex = _lacks_flex(config)
    if why_not_flex is not None:
        return "mask", why_not_flex
    return "flex", "flex attention skips the blocks of a pack in which no token sees another"


def _needs_upstream(config: Any) -> str | None:
    """Why only upstream's own attention is exact for a family; None where any function of the interface is."""
    model_class = auto_class_of(config)._model_mapping[type(config)]
    text = config.get_text_config(decoder=True)
    if structure_of(config).sinks:
        return "attention has learnt sinks"
    if getattr(text, "attn_logit_softcapping", None) is not None:
        return "attention caps its scores"
    if not getattr(model_class, "_supports_sdpa", True) or not model_class._can_set_attn_implementation():
        return f"{model_class.__name__} computes attention in its own code only"
    if any(name.startswith("att") for name in own_dropout(config)):  # attention_dropout, attn_pdrop
        return "attention drops out scores"
    return None


def own_dropout(config: Any) -> dict[str, float]:
    """What a base's own config drops in training, by its words; with any, shared prefixes are not exact.

    A shared prefix would be dropped alike for all of its rows. Rows side by side are no worse off than rows in a batch.
    """
    words = config.get_text_config(decoder=True).to_dict()
    shares = {name: value for name, value in words.items() if "drop" in name and isinstance(value, (int, float))}
    # Heads of other tasks are no part of a model that writes text.
    return {name: float(x) for name, x in shares.items() if x > 0 and not name.startswith(("classifier", "summary"))}


@functools.cache
def _has_cpu_kernel() -> bool:
    import torch

    names = ("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention_for_cpu_backward")
    return all(hasattr(torch.ops.aten, name) for name in names)


def _head_size(config: Any) -> int:
    text = config.get_text_config(decoder=True)
    return getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads


def _has_varlen(config: Any) -> bool:
    """Whether torch's variable-length attention is here and its kernel (flash attention 2) takes this base's heads."""
    import torch

    try:
        from torch.nn.attention.varlen import varlen_attn  # noqa: F401  # from torch 2.10
    except ImportError:
        return False
    size = _head_size(config)
    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0) and size <= 256 and size % 8 == 0


def _lacks_flex(config: Any) -> str | None:
    import importlib.util

    model_class = auto_class_of(config)._model_mapping[type(config)]
    if not getattr(model_class, "_supports_flex_attn", False):
        return f"{model_class.__name__} does not take flex attention"
    if importlib.util.find_spec("triton") is None:
        return "flex attention needs Triton, which is not installed"
    if _head_size(config) < 16:
        return "flex attention needs heads of at least 16 numbers"
    return None


# -- the model's side ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def packed_attention(model: Any, kind: str) -> Iterator[None]:
    """Let a model take packs of `kind` inside the block; its former attention is back behind it, whatever happens.

    The backward pass belongs inside too: activation checkpointing computes the forward again there.

    Args:
        model: a causal LM, with or without an adapter.
        kind: one of KINDS.

    Raises:
        ModelError: the model's class cannot compute attention in this form.
        ValueError: an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    former = _implementations(base)
    wanted = _implementation_for(base, kind)
    hooks = []
    try:
        _register()
        if base.config._attn_implementation != wanted:
            base.set_attn_implementation(wanted)
        if base.config._attn_implementation != wanted:
            raise _refused(base, kind)
        if wanted == "eager":
            # Plain attention adds its mask to the scores: ones and zeros would say nothing.
            parts = {id(part): part for part in (model, base, base.get_decoder())}
            hooks = [part.register_forward_pre_hook(_add_mask, with_kwargs=True) for part in parts.values()]
        yield
    finally:
        for hook in hooks:
            hook.remove()
        if base.config._attn_implementation != former[""]:
            base.set_attn_implementation(former)


def _implementations(base: Any) -> dict[str, str]:
    """What computes attention in a model and, where it has several parts, in each of them."""
    parts = {name: getattr(base.config, name, None) for name in base.config.sub_configs}
    names = {name: part._attn_implementation for name, part in parts.items() if part is not None}
    return {"": base.config._attn_implementation, **names}


def _implementation_for(base: Any, kind: str) -> str:
    if kind == "mask":
        now = base.config._attn_implementation
        return now if now in ("sdpa", "eager") else "sdpa" if base._supports_sdpa else "eager"
    if kind == "flex" and not base._supports_flex_attn:
        raise _refused(base, kind)
    if not base._can_set_attn_implementation():
        raise _refused(base, kind)
    return {"segmented": _SEGMENTED, "varlen": _VARLEN, "flex": "flex_attention"}[kind]


def _refused(base: Any, kind: str) -> ModelError:
    what = f"{type(base).__name__} cannot compute attention over packs in this form"
    return ModelError(Problem("", _WHERE, what, kind, "report it; hardware.packing: off trains without packs"))


def _add_mask(
    module: Any, args: tuple[Any, ...], words: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """A forward pre-hook: a 4D mask of truths becomes one to be added, in the model's dtype."""
    import torch

    mask = words.get("attention_mask")
    if not isinstance(mask, torch.Tensor) or mask.dim() != 4 or mask.dtype != torch.bool:
        return None
    dtype = next(p.dtype for p in module.parameters() if p.is_floating_point())
    added = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)
    return args, {**words, "attention_mask": added}


@functools.cache
def _register() -> None:
    """Tell transformers of the two functions. They have no mask function, so none is made for them."""
    from transformers import AttentionInterface

    AttentionInterface.register(_SEGMENTED, _segmented_attention)
    AttentionInterface.register(_VARLEN, _varlen_attention)


# -- the packs' side -------------------------------------------------------------------------------------------------


def pack_inputs(pack: Pack, kind: str, device: Any, dtype: Any = None) -> dict[str, Any]:
    """What a model takes inside `packed_attention(model, kind)` for this pack, as keywords of its forward.

    Args:
        pack: from `finetune.packing.pack_rows`, not empty.
        kind: one of KINDS.
        device: of the model.
        dtype: that the model computes in. For "segmented", packs of 16-bit numbers are filled up to a multiple of 64
            tokens, which nobody sees: the CPU's products in 16 bit compile, and keep, something for each new size.

    Returns:
        input_ids and position_ids, (1, tokens) int64, and what says who sees whom: attention_mask as (1, 1, tokens,
        tokens) bool for "mask", a BlockMask for "flex", (1, 1, stretches, 3) int32 on the CPU for "segmented"; for
        "varlen" cu_seq_lens_q, cu_seq_lens_k (rows + 1,) int32 and max_length_q, max_length_k.

    Raises:
        ValueError: an unknown kind, or "varlen" for a pack that shares a prefix.
    """
    import torch

    inputs: dict[str, Any] = {
        "input_ids": torch.as_tensor(pack.ids, dtype=torch.int64)[None].to(device),
        "position_ids": torch.as_tensor(pack.positions, dtype=torch.int64)[None].to(device),
    }
    if kind == "segmented":
        segments = pack.segments
        num_filling = -pack.num_tokens % _ROUNDED_TOKENS if str(dtype).removeprefix("torch.") in _NARROW else 0
        if num_filling:
            inputs = {name: torch.nn.functional.pad(value, (0, num_filling)) for name, value in inputs.items()}
            stop = pack.num_tokens + num_filling
            segments = (*segments, (pack.num_tokens, stop, stop))
        inputs["attention_mask"] = torch.tensor(segments, dtype=torch.int32)[None, None]
    elif kind == "mask":
        inputs["attention_mask"] = _mask(torch.as_tensor(pack.ends).to(device))
    elif kind == "flex":
        inputs["attention_mask"] = _block_mask(pack, device)
    elif kind == "varlen":
        if any(stop != end for _, stop, end in pack.segments):
            raise ValueError("varlen is for packs whose rows share nothing")
        bounds = [0, *(end for _, _, end in pack.segments)]
        rows = torch.tensor(bounds, dtype=torch.int32).to(device)
        longest = max(end - start for start, _, end in pack.segments)
        inputs |= {"cu_seq_lens_q": rows, "cu_seq_lens_k": rows, "max_length_q": longest, "max_length_k": longest}
    else:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return inputs


def _mask(ends: Any) -> Any:
    """(1, 1, tokens, tokens) bool: who sees whom."""
    import torch

    places = torch.arange(len(ends), device=ends.device)
    return ((places <= places[:, None]) & (places[:, None] < ends))[None, None]


def _block_mask(pack: Pack, device: Any) -> Any:
    """The same as a BlockMask, found block by block: the square of the tokens never exists."""
    import torch
    from torch.nn.attention.flex_attention import BlockMask

    tokens = len(pack.ends)
    num_blocks = -(-tokens // _BLOCK_TOKENS)
    # Beyond the last token nothing is seen; the kernel may still ask there.
    ends = torch.zeros(num_blocks * _BLOCK_TOKENS, dtype=torch.int32)
    ends[:tokens] = torch.as_tensor(pack.ends)
    keys = torch.arange(len(ends))
    first = torch.arange(0, len(ends), _BLOCK_TOKENS)[:, None]  # queries of a block: [first, last)
    last = first + _BLOCK_TOKENS
    some = torch.maximum(keys, first) < torch.minimum(ends, last)  # (query blocks, keys): seen by some query
    every = (keys <= first) & (ends >= last)
    blocks = (num_blocks, num_blocks, _BLOCK_TOKENS)
    full = every.view(blocks).all(-1)  # (query blocks, key blocks)
    partial = some.view(blocks).any(-1) & ~full
    lists = [(chosen.sum(-1), chosen.int().argsort(dim=-1, descending=True, stable=True)) for chosen in (partial, full)]
    counts = [[x.to(torch.int32)[None, None].to(device) for x in pair] for pair in lists]
    ends = ends.to(device)

    def sees(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return (key <= query) & (query < ends[key])

    return BlockMask.from_kv_blocks(
        *counts[0], *counts[1], BLOCK_SIZE=_BLOCK_TOKENS, mask_mod=sees, seq_lengths=(tokens, tokens)
    )


# -- the functions that layers call ----------------------------------------------------------------------------------


def _segmented_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    **words: Any,
) -> tuple[Any, None]:
    """In transformers' interface: query (1, heads, tokens, size) and so on -> (1, tokens, heads, value size)."""
    import torch

    from finetune.models.segmented import attend

    _check_words(module, dropout, words)
    if not isinstance(attention_mask, torch.Tensor) or attention_mask.is_floating_point() or attention_mask.dim() != 4:
        raise _not_told(module)
    segments = tuple((start, stop, end) for start, stop, end in attention_mask[0, 0].tolist())
    return attend(query, key, value, segments, query.shape[-1] ** -0.5 if scaling is None else scaling), None


def _varlen_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Any = None,
    max_length_q: int | None = None,
    **words: Any,
) -> tuple[Any, None]:
    """The same for rows side by side."""
    import torch

    _check_words(module, dropout, words)
    if cu_seq_lens_q is None or max_length_q is None:
        raise _not_told(module)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if query.device.type == "cpu":  # no kernel there: the same rows as a forest without branches
        from finetune.models.segmented import attend

        bounds = cu_seq_lens_q.tolist()
        return attend(query, key, value, tuple((a, b, b) for a, b in itertools.pairwise(bounds)), scale), None
    device = query.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else query.dtype
    query, key, value = (x[0].transpose(0, 1).to(dtype) for x in (query, key, value))  # (tokens, heads, size)
    return _varlen_rows(query, key, value, cu_seq_lens_q, max_length_q, scale)[None], None


def _varlen_rows(query: Any, key: Any, value: Any, bounds: Any, longest: int, scale: float) -> Any:
    """torch's function, whose words differ between its versions."""
    import inspect

    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    words: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    if "scale" in known:
        words["scale"] = scale
    else:
        query = query * (scale * query.shape[-1] ** 0.5)
    group = query.shape[1] // key.shape[1]
    if group > 1 and "enable_gqa" in known:
        words["enable_gqa"] = True
    elif group > 1:
        key, value = (x.repeat_interleave(group, 1) for x in (key, value))
    return varlen_attn(query, key, value, bounds, bounds, longest, longest, **words)


def _check_words(module: Any, dropout: float, words: dict[str, Any]) -> None:
    """Refuse what these functions do not compute, before it is left out unseen."""
    asked = [name for name in ("softcap", "s_aux", "sinks", "position_bias") if words.get(name) is not None]
    if dropout > 0:
        asked.append("dropout")
    if asked:
        what = f"{type(module).__name__} asks for {', '.join(asked)}, which attention over packs does not compute"
        raise ModelError(Problem("", _WHERE, what, fix="report it; hardware.packing: off trains without packs"))


def _not_told(module: Any) -> ModelError:
    what = f"{type(module).__name__} was not told which tokens belong together"
    return ModelError(Problem("", _WHERE, what, fix="report it; hardware.packing: off trains without packs"))
