"""Loss at supervised positions only: the vocabulary is scored where a label is, in chunks, and nowhere else.

A pass of domain chat data has a label at every third to tenth position, and logits are the largest tensor of training
by far. So the model's own head is handed an empty slice; the hidden states that were meant for it are kept, those in
front of a label are chosen, and they are scored in chunks (finetune.models.frozen_head). Upstream's classes do three
things to logits behind the head: nothing, a factor, a soft limit. Which of these a model does is read from its config's
words and then proven once on its own logits; where no reading agrees, its own logits are used.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["HeadFacts", "head_of", "keeps_logits", "supervised_loss", "supervised_nats"]

# Words of a config.json for what happens to logits, whatever the family: factors (some classes divide by theirs) and
# limits. The proof decides what they mean.
_FACTORS = ("logits_scaling", "logit_scale", "lm_head_multiplier", "output_multiplier")
_LIMITS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
_PROBE_ROWS = 4
_PROBE_LOGITS = 20.0  # spread: wide enough for a limit of 30 or 50 to show


@dataclass(frozen=True)
class HeadFacts:
    """What a model's class does to the output of its head: logits = limit * tanh(factor * output / limit).

    Attributes:
        factor: 1.0 for most.
        limit: None for most.
        reason: None; or why the class's own logits are used instead, in one line.
    """

    factor: float = 1.0
    limit: float | None = None
    reason: str | None = None

    def line(self) -> str | None:
        """What to tell the user; None where there is nothing to tell."""
        if self.reason is None:
            return None
        return f"loss: on the model's own logits, which takes more memory ({self.reason})"


_known: weakref.WeakKeyDictionary[Any, HeadFacts] = weakref.WeakKeyDictionary()


def head_of(model: Any) -> HeadFacts:
    """What a model does behind its head, proven on its own logits; once for each model object, then remembered.

    The first call runs the model on four tokens, unless a loss was computed with it before.

    Args:
        model: a causal LM, with or without an adapter, in its usual attention; left as it was.
    """
    import torch

    base = _base(model)
    if base not in _known:
        device = next(base.parameters()).device
        inputs = {"input_ids": torch.arange(_PROBE_ROWS, device=device)[None]}
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            with torch.no_grad():
                _hidden_states(model, inputs)
        finally:
            for module, mode in modes.items():
                module.training = mode
    return _known[base]


def supervised_loss(
    model: Any,
    inputs: dict[str, Any],
    sources: Any,
    targets: Any,
    weights: Any,
    total_weight: float,
    *,
    measure: tuple[str, ...] = (),
) -> tuple[Any, dict[str, Any]]:
    """Mean negative log-likelihood of the labels: sum(weights * nats) / total_weight, with its gradients.

    Equal to the class's own loss on the same labels; a loss of its own that a class adds (balance of experts) is not in
    it. `sources`, `targets` and `weights` are tensors, arrays or lists.

    Args:
        model: a causal LM, with or without an adapter.
        inputs: keywords of its forward; input_ids (batch, tokens) among them. No labels.
        sources: (labels,) flat indices over (batch * tokens): whose hidden state predicts the label.
        targets: (labels,) token ids.
        weights: (labels,).
        total_weight: of all labels of the optimizer step.
        measure: what else to sum up over the labels, by weight: "accuracy" (the label has the greatest logit) and
            "entropy" (of the predicted distribution, nats). Each costs another look at every logit.

    Returns:
        the loss () in float32, and () for each name in `measure`.

    Raises:
        ValueError: an unknown measure.
    """
    import torch

    from finetune.models import frozen_head

    unknown = set(measure) - set(frozen_head.MEASURES)
    if unknown:
        raise ValueError(f"measure must be of {', '.join(frozen_head.MEASURES)}, not {', '.join(sorted(unknown))}")
    device = inputs["input_ids"].device
    sources, targets = (torch.as_tensor(x, dtype=torch.int64).to(device) for x in (sources, targets))
    weights = torch.as_tensor(weights, dtype=torch.float32).to(device)
    seen, facts = _hidden_states(model, inputs)
    if seen is None:
        logits = _own_logits(model, inputs, sources)
        total, measured = _plain_loss(logits, targets, weights, measure)
    else:
        hidden = seen.states.flatten(0, 1)[sources]  # (labels, hidden)
        head = _as_numbers(seen, facts)
        if head is not None:
            total, measured = frozen_head.score(hidden, targets, weights, head, measure)
        else:
            total, measured = _loss_by_module(seen, facts, hidden, targets, weights, measure)
    return total / total_weight, dict(zip(measure, measured))


def supervised_nats(model: Any, inputs: dict[str, Any], sources: Any, targets: Any) -> Any:
    """(labels,) negative log-likelihood of each label in nats, float32, without a graph.

    Args:
        model: a causal LM, with or without an adapter, in the mode in which it is to be scored.
        inputs: as for `supervised_loss`.
        sources: (labels,) flat indices over (batch * tokens).
        targets: (labels,) token ids.
    """
    import torch

    from finetune.models import frozen_head

    device = inputs["input_ids"].device
    sources, targets = (torch.as_tensor(x, dtype=torch.int64).to(device) for x in (sources, targets))
    with torch.no_grad():
        seen, facts = _hidden_states(model, inputs)
        if seen is None:
            return _nats(_own_logits(model, inputs, sources), targets)
        hidden = seen.states.flatten(0, 1)[sources]
        head = _as_numbers(seen, facts)
        if head is not None:
            return frozen_head.nats_of(hidden, targets, head)
        parts = _parts(seen, hidden)
        chunks = [_nats(_logits_by_module(seen, facts, hidden[part]), targets[part]) for part in parts]
        return torch.cat(chunks) if chunks else hidden.new_zeros(0, dtype=torch.float32)


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


# -- in front of the head --------------------------------------------------------------------------------------------


class _Seen:
    """What a head was given; a forward pre-hook of it, which hands on an empty slice, or a probe to learn from.

    Attributes:
        head: the module.
        states: (batch, tokens, hidden), None before the head was called.
        num_calls: of the head.
        narrow: the dtype of autocast where the head was called inside one, else None.
        raw: (batch, few, vocabulary) its output for the probe; None where it was handed nothing.
    """

    def __init__(self, head: Any, learns: bool) -> None:
        self.head, self.learns, self.num_calls = head, learns, 0
        self.states: Any = None
        self.narrow: Any = None
        self.raw: Any = None
        self._is_probing = False

    def __call__(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        import torch

        if self._is_probing or not args:
            return None
        states = self.states = args[0]
        self.num_calls += 1
        kind = states.device.type
        self.narrow = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        if not self.learns:
            return states[..., :0, :].detach(), *args[1:]
        self._is_probing = True
        try:
            with torch.no_grad():
                draw = torch.Generator().manual_seed(0)
                shape = (*states.shape[:-2], -(-_PROBE_ROWS // max(1, states.shape[0])), states.shape[-1])
                probe = torch.randn(shape, generator=draw).to(states)
                probe = probe * (_PROBE_LOGITS / module(probe).float().std().clamp_min(1e-6)).to(states.dtype)
                self.raw = module(probe).float()
        finally:
            self._is_probing = False
        return probe, *args[1:]

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While the model runs."""
        handle = self.head.register_forward_pre_hook(self)
        # peft's wrapper copies the whole matrix to set the rows of new tokens in, even for an empty slice.
        spares = hasattr(self.head, "token_adapter") and not self.learns
        if spares:
            num_vocabulary = self.head.token_adapter.base_layer.weight.shape[0]
            self.head.forward = lambda states: states.new_empty((*states.shape[:-1], num_vocabulary))
        try:
            yield
        finally:
            handle.remove()
            if spares:
                del self.head.forward


def _hidden_states(model: Any, inputs: dict[str, Any]) -> tuple[_Seen | None, HeadFacts]:
    """Run the model up to its head; None where its own logits are to be used. Learns its facts the first time."""
    import torch

    base = _base(model)
    facts = _known.get(base)
    if facts is not None and facts.reason is not None:
        return None, facts
    head = model.get_output_embeddings()
    if head is None:
        facts = _known[base] = HeadFacts(reason="it names no head")
        return None, facts
    seen = _Seen(head, learns=facts is None)
    # Own logits need a second pass, which must draw the same dropout.
    state = _random_state(inputs["input_ids"].device) if facts is None else None
    with seen.watching():
        logits = model(**inputs, use_cache=False).logits
    why_not = _why_not(seen, inputs)
    if facts is None:
        facts = HeadFacts(reason=why_not) if why_not else _learnt(base, seen, logits)
        _known[base] = facts
        if facts.reason is not None and state is not None:
            torch.set_rng_state(state[0])
            if state[1] is not None:
                torch.cuda.set_rng_state(state[1], inputs["input_ids"].device)
            return None, facts
    elif why_not:
        raise RuntimeError(f"the model used its head in another way than before: {why_not}")
    return seen, facts


def _random_state(device: Any) -> tuple[Any, Any]:
    import torch

    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _why_not(seen: _Seen, inputs: dict[str, Any]) -> str | None:
    if seen.num_calls != 1:
        return f"it calls its head {seen.num_calls} times"
    shape, expected = tuple(seen.states.shape[:-1]), tuple(inputs["input_ids"].shape)
    return None if shape == expected else f"its head is given {shape} positions instead of {expected}"


def _learnt(base: Any, seen: _Seen, logits: Any) -> HeadFacts:
    """The reading of the config's words that agrees best with the class's own logits."""
    import torch

    logits = logits.detach().float()
    if logits.shape != seen.raw.shape:
        return HeadFacts(reason=f"its logits have the shape {tuple(logits.shape)}, its head's {tuple(seen.raw.shape)}")
    parts = [base.config, base.config.get_text_config()]
    factors = [1.0, *(x for value in _numbers(parts, _FACTORS) for x in (value, 1 / value))]
    limits = [None, *_numbers(parts, _LIMITS)]
    found = []
    for factor in dict.fromkeys(factors):
        for limit in dict.fromkeys(limits):
            differs = (_behind_head(seen.raw, HeadFacts(factor, limit)) - logits).abs().max()
            found.append((float(differs / logits.abs().max().clamp_min(1e-30)), factor, limit))
    error, factor, limit = min(found, key=lambda entry: entry[0])
    # Two 16-bit products differ by a rounding; the factor and the limit add one each.
    narrow = seen.narrow or seen.states.dtype
    allowed = 1e-5 if narrow == torch.float32 else 4 * torch.finfo(narrow).eps
    if not error <= max(allowed, 1e-7):
        return HeadFacts(reason=f"what it does behind its head is not known here: {error:.1%} apart")
    return HeadFacts(factor, limit)


def _numbers(parts: list[Any], names: tuple[str, ...]) -> list[float]:
    values = [getattr(part, name, None) for part in parts for name in names]
    return [float(x) for x in values if isinstance(x, (int, float)) and not isinstance(x, bool) and x > 0]


# -- the head --------------------------------------------------------------------------------------------------------


def _behind_head(output: Any, facts: HeadFacts) -> Any:
    """Logits of a head's output, as the class would make them."""
    import torch

    if facts.limit is None:
        return output if facts.factor == 1.0 else output * facts.factor
    return facts.limit * torch.tanh(output * (facts.factor / facts.limit))


def _as_numbers(seen: _Seen, facts: HeadFacts) -> Any:
    """The head as a FrozenHead; None where it is trained, or is anything but one plain matrix."""
    import torch

    from finetune.models.frozen_head import FrozenHead

    head, rows, places = seen.head, None, None
    tokens = getattr(head, "token_adapter", None)
    if tokens is not None:
        is_on = not (tokens.disable_adapters or head.disable_adapters) and bool(tokens.active_adapters)
        if tokens.merged or (is_on and len(tokens.active_adapters) != 1):
            return None
        head = tokens.base_layer
        if is_on:
            name = tokens.active_adapters[0]
            rows = tokens.trainable_tokens_delta[name].to(head.weight.dtype)
            places = torch.tensor(tokens.token_indices[name], device=head.weight.device)
    if type(head) is not torch.nn.Linear or "forward" in vars(head):
        return None
    if head.weight.requires_grad or (head.bias is not None and head.bias.requires_grad):
        return None
    bias = head.bias if rows is None else None  # as peft's wrapper has it; such a head is refused new tokens anyway
    dtype = seen.narrow or head.weight.dtype
    return FrozenHead(head.weight, bias, facts.factor, facts.limit, rows, places, dtype)


def _parts(seen: _Seen, hidden: Any) -> list[slice]:
    from finetune.models.frozen_head import chunk_labels

    # The module's own logits have copies in float32 and gradients.
    num_vocabulary = getattr(seen.head, "out_features", None) or seen.head.weight.shape[0]
    step = max(1, chunk_labels(num_vocabulary, hidden.device.type) // 2)
    return [slice(k, k + step) for k in range(0, hidden.shape[0], step)]


def _logits_by_module(seen: _Seen, facts: HeadFacts, hidden: Any) -> Any:
    """(labels, vocabulary) float32 of a chunk by the head itself."""
    import torch

    with torch.autocast(hidden.device.type, dtype=seen.narrow, enabled=seen.narrow is not None):
        output = seen.head(hidden)
    return _behind_head(output.float(), facts)


def _loss_by_module(
    seen: _Seen, facts: HeadFacts, hidden: Any, targets: Any, weights: Any, measure: tuple[str, ...]
) -> tuple[Any, Any]:
    """Through the head itself, chunk by chunk; logits are computed again in the backward pass."""
    from torch.utils.checkpoint import checkpoint

    def one(hidden: Any, targets: Any, weights: Any) -> tuple[Any, Any]:
        return _plain_loss(_logits_by_module(seen, facts, hidden), targets, weights, measure)

    total, measured = hidden.float().sum() * 0.0, hidden.new_zeros(len(measure)).float()
    for part in _parts(seen, hidden):
        outcome: Any = checkpoint(one, hidden[part], targets[part], weights[part], use_reentrant=False)
        total, measured = total + outcome[0], measured + outcome[1].detach()
    return total, measured


def _plain_loss(logits: Any, targets: Any, weights: Any, measure: tuple[str, ...]) -> tuple[Any, Any]:
    """Weighted sum of nats, and weighted sums of the measures, of (labels, vocabulary) logits."""
    import torch

    total = torch.dot(_nats(logits, targets), weights)
    found = []
    with torch.no_grad():
        for name in measure:
            if name == "accuracy":
                values = (logits.gather(1, targets[:, None])[:, 0] == logits.amax(dim=-1)).float()
            else:
                values = torch.special.entr(logits.float().softmax(dim=-1)).sum(dim=-1)
            found.append(torch.dot(values, weights))
    return total, torch.stack(found) if found else weights.new_zeros(0)


def _nats(logits: Any, targets: Any) -> Any:
    import torch

    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")


# -- without the head's input ----------------------------------------------------------------------------------------


def keeps_logits(model: Any) -> bool:
    """Whether the model can be asked for the logits of some positions only."""
    import inspect

    return "logits_to_keep" in inspect.signature(_base(model).forward).parameters


def _own_logits(model: Any, inputs: dict[str, Any], sources: Any) -> Any:
    """(labels, vocabulary) logits as the class computes them, at the wanted positions of all rows where it can."""
    tokens = inputs["input_ids"].shape[1]
    rows, places = sources // tokens, sources % tokens
    if not keeps_logits(model) or not len(sources):
        return model(**inputs, use_cache=False).logits[rows, places]
    kept, index = places.unique(return_inverse=True)
    logits = model(**inputs, use_cache=False, logits_to_keep=kept).logits
    return logits[rows, index]
