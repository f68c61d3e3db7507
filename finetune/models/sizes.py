"""How large a base and its adapter are, counted on the meta device: what a memory estimate is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from finetune.errors import ModelError
from finetune.models import anatomy, attaching, quantized, starts, vision
from finetune.models.structure import Structure, structure_of

# Widths of the residual stream that attention of a vision part has in hand for one patch; 11 to 13 were counted.
_SEEN_WIDTHS = 14
# Copies of the residual stream, and of the widest matrix's result, that one layer has in hand in its backward pass.
_HIDDEN_IN_HAND, _WIDEST_IN_HAND = 6, 4


@dataclass(frozen=True)
class Sizes:
    """Counts of numbers (not bytes) of a base and the adapter on it.

    Attributes:
        num_parameters: of the base.
        num_rounded: of them, those that 8bit and 4bit hold in fewer bits.
        largest_layer: numbers in the largest rounded matrix: it is unpacked for each product.
        num_trainable: of the adapter.
        vocab_size: rows of the head.
        hidden_size: width of the residual stream.
        num_layers: decoder layers.
        kept_per_token: numbers that all layers together keep for the backward pass, for one token, as peft computes.
        lean_per_token: the same where the lean forward (finetune.models.lean) does the norms, the MLPs and the adapter.
        spread_per_token: of both, those that fall away where attention reads keys and values as they are, and no copy
            of them for each head.
        normed_per_token: numbers that go into all norms, for one token; without the lean forward they are there again
            in float32 where the rest is narrower.
        working_per_token: numbers that one layer has in hand beside what is kept, for one token.
        num_heads: of attention, in one layer.
        narrowest_per_token: the same of the residual stream alone: what activation checkpointing keeps.
        copied_rows: numbers of the matrices of rows that are copied because some rows are new tokens: the head with its
            new rows in place, and its gradient.
        rank: of the adapter, as the recipe says it.
        num_on_attention: numbers that would be trained if the adapter were on attention alone.
        seen_per_image_token: numbers in float32 that are there at once while the vision part looks, for one token of an
            image; 0 where there is none.
    """

    num_parameters: int
    num_rounded: int
    largest_layer: int
    num_trainable: int
    vocab_size: int
    hidden_size: int
    num_layers: int
    kept_per_token: int
    narrowest_per_token: int
    copied_rows: int = 0
    rank: int = 0
    num_on_attention: int = 0
    seen_per_image_token: int = 0
    lean_per_token: int = 0
    spread_per_token: int = 0
    normed_per_token: int = 0
    working_per_token: int = 0
    num_heads: int = 1


def sizes_of(config: Any, settings: Any) -> Sizes:
    """Count; no weights are read.

    Args:
        config: from `load_config`.
        settings: the recipe's `adapter` section.

    Raises:
        ModelError: the adapter does not fit the base.
    """
    structure = structure_of(config)
    model = anatomy.bare_model(config)
    text = config.get_text_config(decoder=True)
    hidden = text.hidden_size
    modules = dict(model.named_modules())
    rounded = [modules[name].weight.numel() for name in quantized.rounded_modules(config)[0]]
    head = model.get_output_embeddings()
    adapted, num_trainable = _adapter(structure, modules, settings)
    kept = _kept(structure, modules, hidden, adapted, settings)
    num_rows = model.get_input_embeddings().weight.shape[0] + len(settings.new_tokens)
    return Sizes(
        num_parameters=sum(p.numel() for p in model.parameters()),
        num_rounded=sum(rounded),
        largest_layer=max(rounded, default=0),
        num_trainable=num_trainable + len(settings.new_tokens) * hidden * (1 if structure.tied else 2),
        vocab_size=head.weight.shape[0] if head is not None else text.vocab_size,
        hidden_size=hidden,
        num_layers=structure.num_layers,
        kept_per_token=kept.plain,
        narrowest_per_token=structure.num_layers * hidden,
        copied_rows=2 * num_rows * hidden if settings.new_tokens else 0,
        rank=settings.r,
        num_on_attention=_on_attention(structure, modules, settings),
        seen_per_image_token=_seen(config),
        lean_per_token=kept.lean,
        spread_per_token=kept.spread,
        normed_per_token=kept.normed,
        working_per_token=kept.working,
        num_heads=getattr(text, "num_attention_heads", None) or 1,
    )


def weight_counts(config: Any, quantization: str = "none") -> tuple[int, int]:
    """How many numbers a base has, and how many of them `quantization` holds in fewer bits; no weights are read.

    Args:
        config: from `load_config`.
        quantization: "none", "8bit" or "4bit".

    Raises:
        ModelError: the config makes no model.
    """
    total = structure_of(config).num_parameters
    if quantization == "none":
        return total, 0
    modules = dict(anatomy.bare_model(config).named_modules())
    return total, sum(modules[name].weight.numel() for name in quantized.rounded_modules(config)[0])


def _adapter(structure: Structure, modules: dict[str, Any], settings: Any) -> tuple[list[str], int]:
    """Full names of the linear modules that carry an adapter, and how many numbers are trained in all."""
    caught = attaching.adapted_names(structure, settings)
    names = [name for name in caught if name in modules]
    total = 0
    for name in names:
        rank = _rank(name, settings)
        rows, columns = modules[name].weight.shape
        total += rank * (rows + columns) + (rows if settings.method == "dora" else 0)
    for full in (name for name in caught if name not in modules):
        holder, _, parameter = full.rpartition(".")
        weight = getattr(modules.get(holder), parameter, None)
        if weight is not None:
            total += _rank(full, settings) * weight.shape[0] * (weight.shape[1] + weight.shape[2])
    return names, total


def _on_attention(structure: Structure, modules: dict[str, Any], settings: Any) -> int:
    """How many numbers the adapter would train on attention alone; 0 where it cannot be there."""
    try:
        return _adapter(structure, modules, settings.model_copy(update={"target_modules": "attention"}))[1]
    except ModelError:
        return 0


def _rank(name: str, settings: Any) -> int:
    """Width of the adapter on a module: PiSSA and OLoRA hold where they started beside what they learn."""
    rank = next((rank for key, rank in settings.rank_pattern.items() if f".{name}".endswith(f".{key}")), settings.r)
    return 2 * rank if settings.method in starts.METHODS else rank


@dataclass
class _Kept:
    """Numbers for one token; see Sizes."""

    plain: int = 0
    lean: int = 0
    spread: int = 0
    normed: int = 0
    working: int = 0

    def add(self, plain: int, lean: int) -> None:
        self.plain += plain
        self.lean += lean


def _kept(structure: Structure, modules: dict[str, Any], hidden: int, adapted: list[str], settings: Any) -> _Kept:
    """What one token leaves behind in all layers for the backward pass, as numbers of the computation's width.

    A frozen matrix needs nothing but itself for its gradient; an adapter on it needs what went in (shared by modules
    that read the same) and its own narrow middle. Beside them: both norms (in and out), the attention's queries, keys
    (spread to all heads), values and result, and the MLP's middle before and after its product. The lean forward keeps
    what goes into norms and into that product, and makes what comes out of them anew.
    """
    kept = _Kept()
    _add_norms(kept, structure, modules, hidden)
    carries, widest = set(adapted), hidden
    for name, role in structure.roles.items():
        if role not in ("attention", "mlp", "expert") or name not in modules:
            continue
        rows, columns = modules[name].weight.shape
        widest = max(widest, rows, columns)
        if role == "attention" and name.endswith(_last(structure.attention)):
            # Queries and the result are as wide as what goes into the last matrix, keys and values are spread to it.
            kept.add(5 * columns, 5 * columns)
            kept.spread += 3 * columns - 2 * min(columns, _key_width(modules, name, columns))
        elif role == "mlp" and rows > hidden:
            kept.add(2 * rows, rows)
        if name in carries:
            own = _rank(name, settings)
            if settings.dropout:
                own += columns + columns // 4  # what is left of the input, and the mask of bytes
            if settings.method == "dora":
                own += 3 * rows
            kept.add(own, own)
    for ending in structure.experts:
        experts = _experts(modules, ending)
        kept.add(experts, experts)
    kept.working = _HIDDEN_IN_HAND * hidden + _WIDEST_IN_HAND * widest
    return kept


def _add_norms(kept: _Kept, structure: Structure, modules: dict[str, Any], hidden: int) -> None:
    """What norms keep: what goes in, and what comes out where a matrix reads it."""
    for name, module in modules.items():
        if not name.startswith(f"{structure.layers}.") or "norm" not in type(module).__name__.lower():
            continue
        width = getattr(getattr(module, "weight", None), "numel", lambda: hidden)()
        if width >= hidden:
            kept.normed += width
            kept.add(2 * width, width)
        else:  # of queries and keys, head by head
            around, _, own = name.rpartition(".")
            made = modules.get(f"{around}.{own[0]}_proj")
            width = made.weight.shape[0] if made is not None else hidden
            kept.normed += width
            kept.add(width, width)
    if not kept.normed:
        kept.normed = 2 * structure.num_layers * hidden
        kept.add(2 * kept.normed, kept.normed)


def _key_width(modules: dict[str, Any], last: str, columns: int) -> int:
    """Width of the keys of an attention, by the matrix that makes them; where none is alone in it, that of queries."""
    module = modules.get(f"{last.rpartition('.')[0]}.k_proj")
    return module.weight.shape[0] if module is not None else columns


def _last(names: tuple[str, ...]) -> str:
    return names[-1] if names else "o_proj"


def _experts(modules: dict[str, Any], ending: str) -> int:
    """Numbers that stacked experts keep for one token: each of those it passes keeps its middle and what goes in."""
    holder, _, parameter = ending.rpartition(".")
    total = 0
    for name, module in modules.items():
        if f".{name}".endswith(f".{holder}"):
            weight = getattr(module, parameter, None)
            block = modules.get(name.rpartition(".")[0])
            used = next(
                (n for m in (block.modules() if block else ()) if isinstance(n := getattr(m, "top_k", 0), int) and n), 2
            )
            total += used * (weight.shape[1] + weight.shape[2]) if weight is not None else 0
    return total


def _seen(config: Any) -> int:
    """What a frozen vision part of the Qwen-VL kind has in hand at once for one token of an image, in float32 numbers.

    It keeps nothing for the backward pass; layers come one after the other. The most is there inside attention, which
    turns queries and keys in float32 whatever the rest computes in, or inside the MLP; the pixels are there throughout.
    """
    if not vision.is_known(config):
        return 0
    words = config.vision_config
    width = getattr(words, "embed_dim", None) or words.hidden_size
    middle = getattr(words, "intermediate_size", None) or int(width * words.mlp_ratio)
    colours = getattr(words, "in_channels", None) or getattr(words, "in_chans", 3)
    pixels = colours * words.temporal_patch_size * words.patch_size**2
    return words.spatial_merge_size**2 * (max(_SEEN_WIDTHS * width, 3 * (width + middle)) + pixels)
