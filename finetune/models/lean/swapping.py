"""Which modules of a model are computed lean, and putting the lean forwards on and taking them off."""

from __future__ import annotations

import contextlib
import copy
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import nn

from finetune.models.lean import LeanFacts, checking, finding, gated, norms, projections
from finetune.models.lean.projections import Part

# Attribute of a norm's output, where the norm was lean: what makes it again.
_ORIGIN = "_made_by_norm"
_TRIOS = (("gate_proj", "up_proj", "down_proj"), ("w1", "w3", "w2"))


@contextlib.contextmanager
def swapped(model: Any, *, with_norms: bool, with_mlps: bool) -> Iterator[LeanFacts]:
    """See `finetune.models.lean.lean`."""
    fallbacks: Counter[str] = Counter()
    layers = _lean_layers(model, fallbacks)
    groups = [_Group(members) for members in finding.groups_of(model, layers)]
    forwards: list[_Forward] = [_LeanLayer(module, group) for group in groups for module in group.members]
    state = _Adapters(next(iter(layers.values()), None))
    found_norms = _lean_norms(model, state, fallbacks) if with_norms and layers else []
    found_mlps = _lean_mlps(model, state, fallbacks) if with_mlps and layers else []
    facts = LeanFacts(
        num_modules=len(layers),
        num_groups=sum(len(group.members) > 1 for group in groups),
        num_norms=len(found_norms),
        num_mlps=len(found_mlps),
        fallbacks=dict(fallbacks),
    )
    with contextlib.ExitStack() as stack:
        for forward in (*forwards, *found_norms, *found_mlps):
            stack.callback(forward.take_off)
            forward.put_on()
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        # With always_call, so that nothing is kept alive after a failure either.
        hook = inner.register_forward_hook(_Release(groups), always_call=True)
        stack.callback(hook.remove)
        yield facts


# -- what a forward of ours is -----------------------------------------------------------------------------------


def own_forward(module: Any) -> Any:
    """The forward of a module's class, bound to it: what a copy or a pickle of a swapped module has."""
    return types.MethodType(type(module).forward, module)


class _Forward:
    """A forward in place of a module's own. Copies and pickles of the module get the class's own forward back."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def put_on(self) -> None:
        """From here on the module computes by this."""
        self.module.forward = self

    def take_off(self) -> None:
        """The module computes by its class's forward again."""
        if self.module.__dict__.get("forward") is self:
            del self.module.forward

    def own(self, *args: Any, **kwargs: Any) -> Any:
        """What the class itself would compute."""
        return type(self.module).forward(self.module, *args, **kwargs)

    def __reduce__(self) -> Any:
        return own_forward, (self.module,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return own_forward(copy.deepcopy(self.module, memo))


def nothing_to_release(*_: Any) -> None:
    """The hook of a copy."""


def hook_of_a_copy() -> Any:
    """What a pickled hook becomes."""
    return nothing_to_release


class _Release:
    """Called after each forward of the model: what nobody asked for is let go."""

    def __init__(self, groups: Sequence[_Group]) -> None:
        self._groups = groups

    def __call__(self, *_: Any) -> None:
        for group in self._groups:
            group.release()

    def __reduce__(self) -> Any:
        return hook_of_a_copy, ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return nothing_to_release


class _Adapters:
    """Whether the model computes with its adapter now: without it, outputs are to be the base's bit for bit."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def are_on(self) -> bool:
        """As the first adapted layer has it; peft switches all of them at once."""
        return not self._layer.disable_adapters and not torch.compiler.is_compiling()


# -- layers ------------------------------------------------------------------------------------------------------


def _lean_layers(model: Any, fallbacks: Counter[str]) -> dict[str, Any]:
    """Full name -> LoRA layer that can be computed lean; counts why others cannot."""
    layers: dict[str, Any] = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            if reason := _why_not(module):
                fallbacks[reason] += 1
            else:
                layers[name] = module
    return layers


def _why_not(layer: Any) -> str | None:
    """Why a LoRA layer keeps peft's forward for good."""
    kind = type(layer).__name__
    if kind == "ParamWrapper":
        return "adapter on stacked experts"
    if kind in ("Linear4bit", "Linear8bitLt") or "bnb" in type(layer).__module__:
        return "rounded base"
    if kind == "Embedding":
        return "adapter on an embedding"
    if layer.lora_variant:
        names = {type(variant).__name__.removesuffix("LinearVariant") for variant in layer.lora_variant.values()}
        return "DoRA" if names == {"Dora"} else f"a variant of LoRA ({', '.join(sorted(names))})"
    if type(layer) is not LoraLinear or type(layer.get_base_layer()) is not nn.Linear:
        return "base layer of another kind"
    if "forward" in layer.__dict__ or "forward" in layer.base_layer.__dict__:
        return "forward replaced already"
    if layer.base_layer.weight.requires_grad:
        return "base layer is trained too"
    if layer.merged_adapters:
        return "adapter is merged"
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    if len(active) != 1:
        return "several adapters at once" if active else "no adapter is active"
    if layer.lora_bias.get(active[0]):
        return "adapter with biases"
    return None


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _is_plain(module: Any) -> bool:
    """Whether calling a linear layer is nothing but its product: no subclass, no hook, no other forward."""
    words = module.__dict__
    return type(module) is nn.Linear and not any(words[name] for name in _HOOKS) and "forward" not in words


def part_of_layer(layer: Any, x: Any) -> Part | None:
    """What a lean call of a LoRA layer needs as it stands now; None where peft's own forward is to be taken."""
    base, active = layer.base_layer, layer.active_adapters
    if layer.disable_adapters or layer.merged_adapters or len(active) != 1 or layer.lora_variant:
        return None
    name = active[0]
    if name not in layer.lora_A or not layer.cast_input_dtype_enabled or layer.lora_bias.get(name):
        return None
    a, b, dropout = layer.lora_A[name], layer.lora_B[name], layer.lora_dropout[name]
    if not (_is_plain(base) and _is_plain(a) and _is_plain(b)):
        return None
    share = 1.0
    if type(dropout) is nn.Dropout:
        share = 1.0 - dropout.p if dropout.training else 1.0
    elif type(dropout) is not nn.Identity:
        return None
    if share <= 0.0 or any(dropout.__dict__[hooks] for hooks in _HOOKS):
        return None
    part = Part(base.weight, base.bias, a.weight, b.weight, layer.scaling[name], share)
    return part if _fits(part, x) else None


def _fits(part: Part, x: Any) -> bool:
    """Whether input and weights are of types, and in places, that go together."""
    weight = part.weight
    if weight.requires_grad or (part.bias is not None and part.bias.requires_grad) or weight.device != x.device:
        return False
    if part.a is not None and (part.a.dtype != part.b.dtype or part.a.device != x.device):
        return False
    if torch.is_autocast_enabled(x.device.type):
        return x.is_floating_point() and x.dtype != torch.float64
    return weight.dtype == x.dtype and (part.bias is None or part.bias.dtype == x.dtype)


class _Group:
    """Layers that are fed one tensor: the first that is called computes for all, and the others find it done.

    What is done is handed out only for the very tensor, unchanged, in the same circumstances; whatever else a class
    does, each layer then computes alone. Nothing stays: what was not asked for is let go at the end of the forward.
    """

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = list(members)
        self.release()

    def release(self) -> None:
        """Forget what is done."""
        self._x: Any = None
        self._state: Any = None
        self._done: dict[int, tuple[Any, Any]] = {}

    def output(self, layer: Any, x: Any) -> Any:
        """The output of one member; None where peft's own forward is to be taken."""
        part = part_of_layer(layer, x)
        if part is None:
            return None
        # Tensors of inference mode do not tell whether they were changed.
        if len(self.members) == 1 or x.is_inference():
            return projections.project(x, [part], origin_of(x))[0]
        state = (x._version, torch.is_grad_enabled(), projections.computing_dtype(x))
        if self._x is not x:
            return self._computed(layer, part, x, state)
        output, mark = self._done.pop(id(layer), (None, None))
        is_same = (self._state, mark) == (state, _mark(part))
        if not self._done:
            self.release()
        return output if is_same else projections.project(x, [part], origin_of(x))[0]

    def _computed(self, layer: Any, part: Part, x: Any, state: Any) -> Any:
        """The output of the first member that is called; those of the others are laid aside."""
        layers, parts = [layer], [part]
        for member in self.members:
            other = None if member is layer else part_of_layer(member, x)
            if other is not None and other.a.dtype == part.a.dtype:
                layers.append(member)
                parts.append(other)
        outputs = projections.project(x, parts, origin_of(x))
        self._x, self._state = x, state
        self._done = {
            id(member): (output, _mark(other))
            for member, other, output in zip(layers[1:], parts[1:], outputs[1:], strict=True)
        }
        return outputs[0]


def _mark(part: Part) -> tuple[Any, ...]:
    """What would have to be the same for an output to be the same."""
    return id(part.a), id(part.b), part.a._version, part.b._version, part.scale, part.kept_share


class _LeanLayer(_Forward):
    """The forward of a LoRA layer."""

    def __init__(self, module: Any, group: _Group) -> None:
        super().__init__(module)
        self._group = group

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs and not torch.compiler.is_compiling():
            output = self._group.output(self.module, x)
            if output is not None:
                return output
        return self.own(x, *args, **kwargs)


# -- norms -------------------------------------------------------------------------------------------------------


def origin_of(x: Any) -> norms.Origin | None:
    """What makes a norm's output again, unless it, or what it was made from, was changed since."""
    found = getattr(x, _ORIGIN, None)
    if found is None or x.is_inference():
        return None
    origin, versions = found
    return origin if versions == (x._version, origin.x._version) else None


def _lean_norms(model: Any, state: _Adapters, fallbacks: Counter[str]) -> list[_Forward]:
    found: list[_Forward] = []
    known: dict[Any, norms.Form | None] = {}
    for module in model.modules():
        if "rmsnorm" not in type(module).__name__.lower():
            continue
        form = checking.norm_form(module, known)
        if form is None:
            fallbacks[f"{type(module).__name__} computes in another way"] += 1
        else:
            found.append(_LeanNorm(module, form, state))
    return found


class _LeanNorm(_Forward):
    """The forward of an RMSNorm."""

    def __init__(self, module: Any, form: norms.Form, state: _Adapters) -> None:
        super().__init__(module)
        self._form, self._state = form, state

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        weight = getattr(self.module, "weight", None)
        x = args[0] if len(args) == 1 and not kwargs else None
        if x is None or not self._state.are_on() or x.dtype not in checking.NORM_DTYPES:
            return self.own(*args, **kwargs)
        if weight is not None and (weight.requires_grad or weight.device != x.device):
            return self.own(*args, **kwargs)
        y, origin = norms.rms_norm(x, weight, self._form)
        if not y.is_inference() and y.requires_grad:
            setattr(y, _ORIGIN, (origin, (y._version, origin.x._version)))
        return y


# -- gated MLPs --------------------------------------------------------------------------------------------------


def _lean_mlps(model: Any, state: _Adapters, fallbacks: Counter[str]) -> list[_Forward]:
    found: list[_Forward] = []
    known: dict[Any, gated.Gate | None] = {}
    for module in model.modules():
        trio = next((names for names in _TRIOS if all(hasattr(module, name) for name in names)), None)
        if trio is None or not all(isinstance(getattr(module, name), nn.Module) for name in trio):
            continue
        gate = checking.mlp_gate(module, trio, known)
        if gate is None:
            fallbacks[f"{type(module).__name__} computes in another way"] += 1
        else:
            found.append(_LeanMlp(module, trio, gate, state))
    return found


class _LeanMlp(_Forward):
    """The forward of a gated MLP."""

    def __init__(self, module: Any, names: Sequence[str], gate: gated.Gate, state: _Adapters) -> None:
        super().__init__(module)
        self._names, self._gate, self._state = names, gate, state

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        x = args[0] if len(args) == 1 and not kwargs else None
        if x is None or not self._state.are_on():
            return self.own(*args, **kwargs)
        layers = [getattr(self.module, name) for name in self._names]
        parts = [part for layer in layers if (part := _part_of(layer, x)) and part.kept_share == 1.0]
        if len(parts) == len(layers) and _of_one_type(parts):
            return gated.gated_mlp(x, parts[0], parts[1], parts[2], self._gate, origin_of(x))
        gate, up, down = layers
        left, right = gate(x), up(x)
        if left.shape != right.shape or left.dtype != right.dtype:
            return self.own(x)
        return down(gated.gated(left, right, self._gate))


def _of_one_type(parts: Sequence[Part]) -> bool:
    return len({part.a.dtype for part in parts if part.a is not None}) <= 1


def _part_of(layer: Any, x: Any) -> Part | None:
    """What a lean call of a layer of an MLP needs; None where the layer itself is to be called."""
    if isinstance(layer.__dict__.get("forward"), _LeanLayer):
        hooked = any(layer.__dict__[name] for name in _HOOKS)
        return None if hooked else part_of_layer(layer, x)
    if not _is_plain(layer):
        return None
    part = Part(layer.weight, layer.bias, None, None, 0.0, 1.0)
    return part if _fits(part, x) else None
