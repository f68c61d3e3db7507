"""What a base is made of, read from its config: built without weights on torch's meta device, no lists of names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from finetune.errors import FinetuneError, ModelError, Problem, SurroundingsError
from finetune.models import anatomy
from finetune.models.anatomy import auto_class_of

__all__ = ["Structure", "auto_class_of", "structure_of", "targets_for"]

_TARGETS = "adapter.target_modules"


@dataclass(frozen=True)
class Structure:
    """What a base is made of.

    Attributes:
        model_type: as its config.json says.
        architecture: name of the class that is loaded.
        kind: "dense", "mixture" (of experts) or "vision" (image and text; its language model may be a mixture too).
        num_parameters: all of them; tied weights count once.
        num_layers: decoder layers of the language model.
        attention: short names of the linear modules inside attention.
        mlp: short names of the other linear modules of the language model that every token passes.
        experts: endings of the stacked expert parameters, for peft's target_parameters; () where there are none.
        expert_linears: whether the experts are linear modules in a list instead.
        routers: full names of the modules that choose experts; they are never adapted.
        tied: whether input and output embedding are one matrix.
        fused_qkv: whether one linear module gives queries, keys and values.
        sinks: whether attention heads have a learnt sink.
        sliding_window: tokens that some layer can look back, where that is fewer than the context; else None.
        recurrent: whether some layer carries a state from token to token (state space, linear attention, convolution).
        context_tokens: how many positions it was made for, None where the config does not say.
        takes_positions: whether tokens can be told their positions.
        rope_varies: whether rotary factors change with the longest row of a batch.
        moved: names among `attention` and `mlp` that peft would put on the routed experts instead.
        head_bias: whether the head has a bias for each token.
        layers: full name of the list of the language model's decoder layers.
        roles: full name of every module -> "attention", "mlp", "expert", "router" or "other".
    """

    model_type: str
    architecture: str
    kind: str
    num_parameters: int
    num_layers: int
    attention: tuple[str, ...]
    mlp: tuple[str, ...]
    experts: tuple[str, ...]
    expert_linears: bool
    routers: tuple[str, ...]
    tied: bool
    fused_qkv: bool
    sinks: bool
    sliding_window: int | None
    recurrent: bool
    context_tokens: int | None
    takes_positions: bool = True
    rope_varies: bool = False
    moved: tuple[str, ...] = ()
    head_bias: bool = False
    layers: str = ""
    roles: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False, hash=False)

    @property
    def traps(self) -> tuple[str, ...]:
        """What a user should know before training it, one plain line each."""
        return tuple(line for _, line in _traps(self))

    @property
    def traps_by_concern(self) -> tuple[tuple[str, str], ...]:
        """The same, each with what it concerns: "new_tokens", "rounded", "experts", "routers", "moved" or "base"."""
        return tuple(_traps(self))

    @property
    def packing_refusal(self) -> str | None:
        """None where prefix packing gives exactly the losses of row-by-row training; else the reason why not."""
        if self.kind == "vision":
            return "image input: pictures take positions of their own"
        if self.recurrent:
            return "recurrent layers carry a state over from one row to the next"
        if self.sliding_window is not None:
            return f"some layers look back {self.sliding_window:,} tokens only, counted over the packed row"
        if not self.takes_positions:
            return "tokens cannot be told their positions"
        if self.rope_varies:
            return "its rotary factors change with the longest row of a batch"
        return None


def structure_of(config: Any) -> Structure:
    """Build the config's model on the meta device (no memory, no weights) and read what it is made of.

    Args:
        config: from `load_config`.

    Raises:
        ModelError: transformers has no class that writes text for it, or its numbers make no model.
        SurroundingsError: the class needs a package that is not installed.
    """
    words = json.dumps(config.to_dict(), sort_keys=True, default=str)
    key = hashlib.sha256(f"{type(config).__name__} {words}".encode()).hexdigest()
    if key not in _known:
        while len(_known) >= 16:
            del _known[next(iter(_known))]
        try:
            _known[key] = _read(config)
        except FinetuneError:
            raise
        except ImportError as error:
            what, fix = (
                f"this kind needs a package that is missing: {_first_line(error)}",
                "install it, or choose another base",
            )
            raise SurroundingsError(Problem("", "base.model", what, repr(config.model_type), fix)) from error
        except Exception as error:  # kinds with layers unlike one another fail in many ways of their own
            what = f"cannot be read here: {_first_line(error)}"
            raise ModelError(Problem("", "base.model", what, repr(config.model_type), "choose another base")) from error
    return _known[key]


_known: dict[str, Structure] = {}


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]


def _read(config: Any) -> Structure:
    model = anatomy.bare_model(config)
    text = config.get_text_config(decoder=True)
    parts = anatomy.take_apart(model, text)
    total = sum(p.numel() for p in model.parameters())
    context = getattr(text, "max_position_embeddings", None)
    is_mixture = parts.expert_parameters > 0
    attention, mlp = _short(parts.names("attention")), _short(parts.names("mlp"))
    return Structure(
        model_type=config.model_type,
        architecture=type(model).__name__,
        kind="vision" if anatomy.has_vision(config) else "mixture" if is_mixture else "dense",
        num_parameters=total,
        num_layers=text.num_hidden_layers,
        attention=attention,
        mlp=mlp,
        experts=tuple(parts.stacked),
        expert_linears=bool(parts.names("expert")),
        routers=tuple(parts.names("router")),
        tied=_is_tied(model, config),
        fused_qkv=parts.fused_qkv,
        sinks=parts.sinks,
        sliding_window=anatomy.looks_back_tokens(text, context),
        recurrent=parts.carries_state or anatomy.has_other_layers(text),
        context_tokens=context,
        takes_positions=anatomy.takes_positions(model),
        rope_varies=anatomy.rope_varies(text),
        moved=_moved(config.model_type, (*attention, *mlp)) if is_mixture else (),
        head_bias=getattr(model.get_output_embeddings(), "bias", None) is not None,
        layers=parts.layers,
        roles=parts.roles,
    )


def _short(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.rpartition(".")[2] for name in names))


def _is_tied(model: Any, config: Any) -> bool:
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or table is None:
        return bool(getattr(config, "tie_word_embeddings", False))
    return head.weight is table.weight


def _moved(model_type: str, names: Sequence[str]) -> tuple[str, ...]:
    """Those of these module names that peft takes for names of routed experts, as they were before transformers 5."""
    from types import SimpleNamespace

    from peft import LoraConfig
    from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers

    model: Any = SimpleNamespace(config=SimpleNamespace(model_type=model_type))
    moved = []
    for name in names:
        words = LoraConfig(target_modules=[name])
        try:
            convert_peft_config_for_transformers(words, model, None)
        except ValueError:  # "cannot convert without its other half": it was about to
            moved.append(name)
        else:
            if set(words.target_modules or ()) != {name}:
                moved.append(name)
    return tuple(moved)


def targets_for(structure: Structure, choice: str | Sequence[str]) -> tuple[list[str], list[str]]:
    """Where an adapter goes: names for peft's target_modules, and for its target_parameters.

    Every name is an ending that catches wanted modules and no other (routers, head, vision tower), so short where
    that is enough and with its layer where it is not.

    Args:
        structure: of the base.
        choice: "auto" (attention and dense layers; attention alone in mixtures), "attention", "all-linear" (all but
            head, routers and routed experts), "experts" (attention and routed experts), or a list of module names.

    Raises:
        ModelError: names that are not in the model, or that peft would put somewhere else.
    """
    roles = structure.roles
    parameters: list[str] = []
    if not isinstance(choice, str):
        wanted, parameters = _chosen(structure, list(choice))
    else:
        wanted_roles = _roles_of(structure, choice)
        wanted = [name for name, role in roles.items() if role in wanted_roles]
        if choice == "experts":
            parameters = list(structure.experts)
    if choice == "auto":  # said in `traps`
        wanted = [name for name in wanted if name.rpartition(".")[2] not in structure.moved]
    _refuse_moved(structure, choice, wanted)
    return _endings(wanted, roles), parameters


def _roles_of(structure: Structure, choice: str) -> tuple[str, ...]:
    has_experts = bool(structure.experts) or structure.expert_linears
    if choice == "experts" and not has_experts:
        fix = "use auto, all-linear or attention"
        raise ModelError(Problem("", _TARGETS, "this model has no experts", "experts", fix))
    if choice == "auto":
        choice = "attention" if has_experts and structure.attention else "all-linear"
    try:
        return {
            "attention": ("attention",),
            "all-linear": ("attention", "mlp"),
            "experts": ("attention", "expert"),
        }[choice]
    except KeyError:
        fix = "use auto, attention, all-linear, experts, or a list of module names"
        raise ModelError(Problem("", _TARGETS, "unknown choice", repr(choice), fix)) from None


def _chosen(structure: Structure, names: list[str]) -> tuple[list[str], list[str]]:
    """Modules and expert parameters that a list of names means."""
    roles = structure.roles
    wanted: dict[str, None] = {}
    parameters: dict[str, None] = {}
    missing: list[str] = []
    routers: list[str] = []
    for name in names:
        caught = [full for full in roles if full == name or full.endswith(f".{name}")]
        linear = [full for full in caught if roles[full] in ("attention", "mlp", "expert")]
        stacks = [ending for ending in structure.experts if ending == name or ending.endswith(f".{name}")]
        wanted.update(dict.fromkeys(linear))
        if not linear:
            parameters.update(dict.fromkeys(stacks))
        if not linear and not stacks:
            (routers if any(roles[full] == "router" for full in caught) else missing).append(name)
    problems: list[str | Problem] = []
    if missing:
        fix = f"choose from {', '.join(sorted(_candidates(structure)))}, or all-linear"
        problems.append(Problem("", _TARGETS, "not in this model", ", ".join(missing), fix))
    if routers:
        what = "routers are never adapted: a few steps can send every token to the same experts"
        problems.append(Problem("", _TARGETS, what, ", ".join(routers), "leave them out"))
    if problems:
        raise ModelError(problems)
    return list(wanted), list(parameters)


def _candidates(structure: Structure) -> set[str]:
    expert_names = _short(name for name, role in structure.roles.items() if role == "expert")
    return {*structure.attention, *structure.mlp, *expert_names, *structure.experts}


def _refuse_moved(structure: Structure, choice: str | Sequence[str], wanted: Sequence[str]) -> None:
    moved = [name for name in _short(wanted) if name in structure.moved]
    if moved:
        what = f"peft would put {', '.join(moved)} on the routed experts, and leave those layers bare"
        got = choice if isinstance(choice, str) else ", ".join(choice)
        fix = "use attention, or experts"
        if set(moved) & set(structure.attention):
            fix = f"name the others: {', '.join(name for name in structure.attention if name not in moved)}"
        raise ModelError(Problem("", _TARGETS, what, got, fix))


def _endings(wanted: Sequence[str], roles: Mapping[str, str]) -> list[str]:
    """The shortest endings of these names that end no other module's name."""
    chosen = set(wanted)
    taken = {ending for name in roles if name not in chosen for ending in _endings_of(name)}
    found: dict[str, None] = {}
    for name in wanted:
        endings = (ending for ending in _endings_of(name) if ending not in taken and not ending[0].isdigit())
        found[next(endings, name)] = None
    return list(found)


def _endings_of(name: str) -> list[str]:
    """c, b.c, a.b.c for a.b.c"""
    parts = name.split(".")
    return [".".join(parts[k:]) for k in reversed(range(len(parts)))]


def _traps(structure: Structure) -> Iterable[tuple[str, str]]:
    if structure.tied:
        line = "tied embeddings: input and output share one matrix, so new tokens change what is read and written"
        yield "new_tokens", line
    if structure.experts:
        line = (
            "experts are stacked in parameters: 4bit and 8bit leave them in 16 bit, so quantising saves little memory"
        )
        yield "rounded", line
        line = "adapters on experts take no dropout and no DoRA, and are many times larger than those on attention"
        yield "experts", line
    if structure.experts or structure.expert_linears:
        yield "routers", "routers stay as they are, and their balancing loss is off"
    if structure.moved:
        names = ", ".join(structure.moved)
        yield "moved", f"{names} outside the routed experts take no adapter: peft takes them for experts"
    if structure.fused_qkv:
        yield "base", "queries, keys and values come from one module, so they share one adapter of the chosen rank"
    if structure.sinks:
        line = "attention has learnt sinks: it runs as plain (eager) attention, whose memory grows with the row squared"
        yield "base", line
    if structure.sliding_window is not None:
        yield "base", f"sliding window: some layers look back {structure.sliding_window:,} tokens only"
    if structure.recurrent:
        yield "base", "recurrent layers: rows are never packed together"
    if structure.rope_varies:
        yield "base", "rotary factors change beyond the original context: keep rows on one side of it"
    if structure.kind == "vision":
        yield "base", "the part that looks at images stays as it is; adapters go to the language model"
