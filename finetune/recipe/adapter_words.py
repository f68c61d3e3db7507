"""The words of a recipe's `adapter` section."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, StringConstraints, WithJsonSchema

from finetune.recipe.kinds import AS_LIST, Section, expected, texts

MAX_SCALE = 64
MAX_RANK = 1024
# PiSSA and OLoRA hold where they started beside what they learn: such an adapter is saved with twice the rank.
DOUBLED = ("pissa", "olora")
# Of any trained matrix: what train.learning_rate and adapter.learning_rate_ratio come to.
MAX_RATE = 1.0
_PLAIN_MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$"
TARGET_WORDS = ("auto", "all-linear", "attention", "experts")


def most_alpha(smallest_rank: int, is_rslora: bool) -> float:
    """The largest alpha of an adapter: the one bound for recipes, and for adapters that are read.

    Args:
        smallest_rank: of the adapter, its patterns included.
        is_rslora: whether it is scaled by alpha / sqrt(r) instead of alpha / r.
    """
    return MAX_SCALE * (smallest_rank**0.5 if is_rslora else smallest_rank)


def most_rank(method: str) -> int:
    """The largest rank that a recipe may ask of a kind of adapter."""
    return MAX_RANK // 2 if method in DOUBLED else MAX_RANK


def _target_modules(value: Any) -> str | tuple[str, ...]:
    kind = "auto, all-linear, attention, experts, or a list of plain module names such as [q_proj, v_proj]"
    if isinstance(value, str) and value in TARGET_WORDS:
        return value
    names = texts(value, kind)
    # PEFT would read anything else as a regular expression, and a bad one hangs the load.
    if not all(re.match(_PLAIN_MODULE, name) for name in names):
        raise expected(kind)
    return names


_MODULES_SCHEMA = {
    "anyOf": [
        {"enum": list(TARGET_WORDS)},
        {
            "type": "array",
            "items": {"type": "string", "pattern": _PLAIN_MODULE},
            "minItems": 1,
            "uniqueItems": True,
        },
    ]
}
Modules = Annotated[str | tuple[str, ...], PlainValidator(_target_modules), AS_LIST, WithJsonSchema(_MODULES_SCHEMA)]


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _layers(value: Any) -> Any:
    kind = "a list of layer numbers (from 0), or first and last: how many layers at either end, such as {last: 8}"
    if value is None:
        return None
    if isinstance(value, dict):
        if not value or not set(value) <= {"first", "last"} or not all(_is_whole(n, 1) for n in value.values()):
            raise expected(kind)
        return dict(value)
    if not isinstance(value, (list, tuple)) or not value or not all(_is_whole(n, 0) for n in value):
        raise expected(kind)
    if len(set(value)) != len(value):
        raise expected("each layer once")
    return tuple(sorted(value))


def _plain_layers(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_LAYERS_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
        {
            "type": "object",
            "properties": {"first": {"type": "integer", "minimum": 1}, "last": {"type": "integer", "minimum": 1}},
            "additionalProperties": False,
            "minProperties": 1,
        },
        {"type": "null"},
    ]
}
Layers = Annotated[
    tuple[int, ...] | dict[str, int] | None,
    PlainValidator(_layers),
    PlainSerializer(_plain_layers, return_type=Any),
    WithJsonSchema(_LAYERS_SCHEMA),
]
ModuleName = Annotated[str, StringConstraints(pattern=_PLAIN_MODULE, max_length=200)]
Rank = Annotated[int, Field(ge=1, le=MAX_RANK)]
Alpha = Annotated[float, Field(gt=0, le=MAX_RANK * MAX_SCALE)]


def _token_texts(value: Any) -> Any:
    """Each text is judged, and twins beside them, so that all is told at once."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
        return value  # pydantic says what is wrong with it
    problems = []
    if "" in value:
        problems.append("no empty text")
    if blank := [text for text in value if text and text != text.strip()]:
        problems.append(f"no blank before or behind a text, as in {blank[0]!r:.40}")
    if len(set(value)) != len(value):
        problems.append("each text once")
    if problems:
        raise expected(", ".join(problems))
    return value


TokenText = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]


class Adapter(Section):
    """The small set of weights that is trained beside the frozen base. Which method when: docs/adapters.md."""

    method: Literal["lora", "rslora", "dora", "pissa", "olora"] = Field(
        default="lora",
        description="The kind of low-rank adapter: `lora`; `rslora` (scaled by alpha / sqrt(r), for high ranks); "
        "`dora` (the size of each weight column is learnt too); `pissa` and `olora` (start from the base's own "
        "matrices).",
    )
    r: int = Field(default=16, ge=1, le=MAX_RANK, description="Rank: the width of the adapter.", examples=[16])
    alpha: float = Field(
        default=32.0,
        gt=0,
        le=MAX_RANK * MAX_SCALE,
        description=f"Strength: the adapter is scaled by alpha / r. At most {MAX_SCALE} times r (rslora: sqrt(r)).",
        examples=[32],
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="The share of adapter inputs dropped at random in training.",
        examples=[0.05],
    )
    target_modules: Modules = Field(
        default="auto",
        description="What gets an adapter: `auto` (all linear layers; in mixtures of experts those of attention), "
        "`all-linear`, `attention`, `experts` (attention and the experts of a mixture), or a list of plain module "
        "names.",
        examples=["auto"],
    )
    layers: Layers = Field(
        default=None,
        description="The layers that get one: a list of numbers (from 0), or how many at either end, such as "
        "`{last: 8}`. `null`: all.",
        examples=["{last: 8}"],
    )
    rank_pattern: dict[ModuleName, Rank] = Field(
        default_factory=dict,
        description="Other ranks for some modules, by plain module name.",
        examples=["{down_proj: 32}"],
    )
    alpha_pattern: dict[ModuleName, Alpha] = Field(
        default_factory=dict,
        description="Other strengths for some modules, by plain module name.",
        examples=["{down_proj: 64}"],
    )
    learning_rate_ratio: float = Field(
        default=1.0,
        ge=1,
        le=1000,
        description="LoRA+: the learning rate of the adapter's B matrices is this many times train.learning_rate.",
        examples=[16],
    )
    new_tokens: Annotated[
        tuple[TokenText, ...], Field(strict=False, max_length=1000), BeforeValidator(_token_texts)
    ] = Field(
        default=(),
        description="Texts that become one token each. Their rows of the embedding are trained, and saved in "
        "the adapter.",
        examples=["[<finding>, <advice>]"],
    )
