"""Attaching a fresh adapter: where it goes, how wide it is, and how it starts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from finetune.errors import ModelError, Problem
from finetune.models import new_tokens as tokens
from finetune.models import starts
from finetune.models.quantized import num_weights
from finetune.models.structure import Structure, structure_of, targets_for

_LAYERS = "adapter.layers"


def attach_adapter(model: Any, settings: Any, seed: int, tokenizer: Any = None) -> Any:
    """The base with a fresh adapter on it; only the adapter is trainable, and its first effect is zero.

    The one exception are new tokens: the base is given room for them where it has none, and their rows start where
    the text's pieces were.

    Args:
        model: from `load_base`.
        settings: the recipe's `adapter` section.
        seed: fixes the random half of the adapter.
        tokenizer: extended by `extend_tokenizer`; needed for new tokens only.

    Raises:
        ModelError: see `check_settings`; or a matrix is smaller than the rank of a start that is taken from it.
    """
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    structure = structure_of(model.config)
    check_settings(structure, settings)
    modules, parameters = _targets(structure, settings)
    indices = tokens.prepare(model, tokenizer, settings.new_tokens)
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        lora_dropout=settings.dropout,
        target_modules=modules,
        target_parameters=parameters or None,
        trainable_token_indices=indices or None,
        bias="none",
        use_dora=settings.method == "dora",
        **saved_sizes(settings),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a name that will change
        warnings.simplefilter("ignore", RuntimeWarning)  # and looks for patterns among modules, not among experts
        adapted = get_peft_model(model, config)
    # With a path in it, peft would look the base up at each save, and write whole embeddings where they were resized.
    config.base_model_name_or_path = ""
    if settings.method in starts.METHODS:
        starts.start_from_base(adapted, settings.method)
    if indices:
        tokens.start_rows(adapted, tokenizer)
    return adapted


def check_settings(structure: Structure, settings: Any) -> None:
    """See that a base can carry the adapter that a recipe asks for; costs no weights.

    Args:
        structure: of the base.
        settings: the recipe's `adapter` section.

    Raises:
        ModelError: names that the base does not have (the candidates are listed), layers beyond its own, patterns for
            modules without adapter, a method that cannot be put on the experts of a mixture, or new tokens where the
            head has biases.
    """
    if problems := wrong_settings(structure, settings):
        raise ModelError(problems)


def wrong_settings(structure: Structure, settings: Any) -> list[str | Problem]:
    """All that `check_settings` refuses; what hangs on a setting that is wrong itself is left for the next time."""
    problems: list[str | Problem] = []
    try:
        endings, parameters = targets_for(structure, _choice(settings))
    except ModelError as error:
        problems += error.problems
        endings, parameters = None, []
    if parameters:
        problems += _stacked_problems(settings)
    if settings.new_tokens and structure.head_bias:
        problems.append(tokens.head_has_biases())
    chosen, wrong = _chosen_layers(settings.layers, structure.num_layers)
    problems += wrong
    if endings is None:
        # Where the adapter goes is not known: a pattern is wrong only where no module at all answers to it.
        linear = [name for name, role in structure.roles.items() if role in ("attention", "mlp", "expert")]
        return [*problems, *_idle_patterns(settings, [*linear, *_caught(structure, (), structure.experts)])]
    caught = _caught(structure, endings, parameters)
    names = [name for name in caught if wrong or _is_in(structure, name, chosen)]
    if not names:
        what = "no module of adapter.target_modules is in these layers"
        problems.append(Problem("", _LAYERS, what, _shown(settings.layers), "choose other layers"))
        names = caught
    return [*problems, *_idle_patterns(settings, names)]


def adapted_names(structure: Structure, settings: Any) -> list[str]:
    """Full names of the modules, and expert parameters, that get an adapter; the settings are known to fit."""
    return _caught(structure, *_targets(structure, settings))


def saved_sizes(settings: Any) -> dict[str, Any]:
    """Ranks and strengths as adapter_config.json gives them: PiSSA's and OLoRA's are twice the recipe's."""
    twice = 2 if settings.method in starts.METHODS else 1
    return {
        "r": twice * settings.r,
        "lora_alpha": twice * settings.alpha,
        "rank_pattern": {name: twice * value for name, value in settings.rank_pattern.items()},
        "alpha_pattern": {name: twice * value for name, value in settings.alpha_pattern.items()},
        "use_rslora": settings.method == "rslora",
    }


def _choice(settings: Any) -> str | list[str]:
    choice = settings.target_modules
    return choice if isinstance(choice, str) else list(choice)


def _stacked_problems(settings: Any) -> Iterable[str | Problem]:
    """What an adapter on stacked experts cannot have."""
    why = "the experts are stacked in one parameter: "
    other = "or target_modules: attention"
    if settings.dropout:
        what = why + "an adapter on it cannot drop inputs"
        yield Problem("", "adapter.dropout", what, str(settings.dropout), f"write dropout: 0, {other}")
    if settings.method == "dora":
        what = why + "it has no columns whose sizes DoRA could learn"
        yield Problem("", "adapter.method", what, "dora", f"write method: lora, {other}")
    if settings.method in starts.METHODS:
        what = why + "there is no single matrix to start from"
        yield Problem("", "adapter.method", what, settings.method, f"write method: lora, {other}")


def _chosen_layers(layers: Any, num_layers: int) -> tuple[set[int] | None, list[str | Problem]]:
    """The layer numbers that the recipe's `layers` means (None: all), and what is wrong with it."""
    if layers is None:
        return None, []
    if isinstance(layers, Mapping):
        first, last = layers.get("first", 0), layers.get("last", 0)
        wrong = max(first, last) > num_layers
        chosen = {*range(first), *range(num_layers - last, num_layers)}
    else:
        chosen = set(layers)
        wrong = max(chosen) >= num_layers
    if wrong:
        is_count = isinstance(layers, Mapping)
        fix = f"count up to {num_layers}" if is_count else f"write numbers from 0 to {num_layers - 1}"
        what = f"the base has {num_layers} layers"
        return None, [Problem("", _LAYERS, what, _shown(layers), fix)]
    return chosen, []


def _shown(layers: Any) -> str:
    return str(dict(layers) if isinstance(layers, Mapping) else list(layers))


def _is_in(structure: Structure, name: str, chosen: set[int] | None) -> bool:
    """Whether a full module name is in the chosen layers."""
    if chosen is None:
        return True
    number, _, _ = name.removeprefix(f"{structure.layers}.").partition(".")
    return name.startswith(f"{structure.layers}.") and number.isdigit() and int(number) in chosen


def _caught(structure: Structure, endings: Sequence[str], parameters: Sequence[str]) -> list[str]:
    """Full names of all modules and expert parameters that these endings catch."""
    names = [name for name in structure.roles if name in endings or name.endswith(tuple(f".{e}" for e in endings))]
    for ending in parameters:
        container, _, parameter = ending.rpartition(".")
        names += [f"{name}.{parameter}" for name in structure.roles if f".{name}".endswith(f".{container}")]
    return names


def _idle_patterns(settings: Any, names: Sequence[str]) -> Iterable[str | Problem]:
    """Patterns that no adapter answers to: peft would pass over them in silence."""
    for word in ("rank_pattern", "alpha_pattern"):
        idle = [key for key in getattr(settings, word) if not any(f".{name}".endswith(f".{key}") for name in names)]
        if idle:
            kinds = sorted({name.rpartition(".")[2] for name in names})
            fix = f"choose from {', '.join(kinds)}"
            yield Problem("", f"adapter.{word}", "no adapter is on a module of this name", ", ".join(idle), fix)


def _targets(structure: Structure, settings: Any) -> tuple[list[str], list[str]]:
    """Names for peft. With `layers`, full ones: an ending says nothing of layers, and peft asks exact names no more."""
    endings, parameters = targets_for(structure, _choice(settings))
    chosen, _ = _chosen_layers(settings.layers, structure.num_layers)
    if chosen is None:
        return endings, parameters
    modules = [name for name in _caught(structure, endings, ()) if _is_in(structure, name, chosen)]
    return modules, [name for name in _caught(structure, (), parameters) if _is_in(structure, name, chosen)]


def trainable_facts(model: Any) -> dict[str, Any]:
    """Counts of parameters and the kinds of module that carry the adapter."""
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    still = sum(getattr(p, starts.STILL, 0) for p in model.parameters())
    names = [name for name, _ in model.named_parameters()]
    modules = {_carrier(name) for name in names if ".lora_A" in name or ".trainable_tokens_delta" in name}
    total = sum(num_weights(p) for p in model.parameters())
    return {"num_trainable": trainable - still, "num_total": total - still, "modules": sorted(modules)}


def _carrier(name: str) -> str:
    """Short name of the module whose adapter a parameter belongs to."""
    path = name.split(".lora_A")[0].split(".token_adapter")[0]
    return path.replace(".base_layer", "").rsplit(".", 1)[-1]
