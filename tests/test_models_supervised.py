"""Loss at supervised positions in chunks: that of the plain full logits, for every kind of head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_models_new_tokens as rows_kit
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from finetune import models
from finetune.models import frozen_head, supervised
from finetune.models.supervised import HeadFacts, head_of, supervised_loss, supervised_nats
from finetune.recipe.words import Adapter

VOCABULARY = 301
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
SMALL = {**SIZES, **HEADS, "initializer_range": 0.3, "max_position_embeddings": 128, "pad_token_id": 0}
# model_type -> words of its config beside SMALL, factor and limit behind its head
KINDS: dict[str, tuple[dict[str, Any], float, float | None]] = {
    "llama": ({}, 1.0, None),
    "qwen3": ({"head_dim": 8, "tie_word_embeddings": True}, 1.0, None),
    "gemma": ({"head_dim": 8}, 1.0, None),
    "gemma2": ({"head_dim": 8, "final_logit_softcapping": 3.0}, 1.0, 3.0),
    "gemma3_text": ({"head_dim": 8, "final_logit_softcapping": 2.0}, 1.0, 2.0),
    "granite": ({"logits_scaling": 8.0}, 1 / 8, None),
    "cohere": ({"logit_scale": 0.25}, 0.25, None),
    "phi": ({"resid_pdrop": 0.0, "embd_pdrop": 0.0}, 1.0, None),  # its head has a bias for each token
    "mixtral": ({"num_local_experts": 4, "num_experts_per_tok": 2}, 1.0, None),
    "minicpm3": (
        {"dim_model_base": 8, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4},
        1.0,  # divided in front of the head
        None,
    ),
}


def model_of(kind: str, **more: Any) -> Any:
    """A random model of a family; its queries are trained."""
    from transformers import AutoConfig, AutoModelForCausalLM

    words = {**SMALL, **KINDS[kind][0], **more}
    if kind == "minicpm3":
        words |= {"v_head_dim": 8, "num_key_value_heads": 4}
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **words)).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("head.bias"):
            torch.nn.init.normal_(parameter)
        parameter.requires_grad_("q_" in name and "proj" in name)
    return model


def some_labels(num: int = 37, batch: int = 2, tokens: int = 20, seed: int = 1) -> tuple[Any, ...]:
    """input_ids (batch, tokens), sources, targets and weights (labels,); some sources have several labels."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (batch, tokens), generator=draw)
    sources = torch.randint(0, batch * tokens, (num,), generator=draw)
    targets = torch.randint(0, VOCABULARY, (num,), generator=draw)
    return ids, sources, targets, torch.rand(num, generator=draw) + 0.5


def trained(model: Any) -> list[Any]:
    found = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert found
    return found


def plain_loss(model: Any, ids: Any, sources: Any, targets: Any, weights: Any, total: float) -> Any:
    """As upstream computes it: the logits of all positions."""
    logits = model(input_ids=ids, use_cache=False).logits.float().flatten(0, 1)
    return (cross_entropy(logits[sources], targets, reduction="none") * weights).sum() / total


def apart(expected: Any, got: Any) -> float:
    """Distance of two lists of gradients, as a share of the first."""
    differs = sum(float((a.double() - b.double()).square().sum()) for a, b in zip(expected, got, strict=True))
    return (differs / sum(float(a.double().square().sum()) for a in expected)) ** 0.5


def compare(model: Any, labels: tuple[Any, ...], loss_within: float = 1e-6, grads_within: float = 1e-4) -> float:
    """Asserts that loss and gradients are the plain ones; gives the loss."""
    ids, sources, targets, weights = labels
    expected = plain_loss(model, ids, sources, targets, weights, 11.0)
    wanted = torch.autograd.grad(expected, trained(model))
    loss, _ = supervised_loss(model, {"input_ids": ids}, sources, targets, weights, 11.0)
    got = torch.autograd.grad(loss, trained(model))
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=loss_within)
    assert max(float(grad.abs().max()) for grad in wanted) > 1e-3, "gradients must not be nothing"
    assert apart(wanted, got) < grads_within
    nats = supervised_nats(model, {"input_ids": ids}, sources, targets)
    assert not nats.requires_grad
    assert float((nats * weights).sum() / 11.0) == pytest.approx(float(expected.detach()), rel=loss_within)
    return float(loss.detach())


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 16 labels, so that few labels make several."""
    monkeypatch.setitem(frozen_head._CHUNK_BYTES, "cpu", 1)


# -- every kind of head ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(KINDS))
def test_loss_and_gradients_are_those_of_the_full_logits(kind: str, small_chunks: None) -> None:
    model = model_of(kind)
    labels = some_labels()
    compare(model, labels)
    facts = head_of(model)
    assert (facts.reason, facts.limit, facts.line()) == (None, KINDS[kind][2], None)
    assert facts.factor == pytest.approx(KINDS[kind][1])
    ids, sources, targets, weights = labels
    alike, _ = supervised_loss(model, {"input_ids": ids}, sources, targets, torch.ones_like(weights), 11.0)
    weighed, _ = supervised_loss(model, {"input_ids": ids}, sources, targets, weights, 11.0)
    assert abs(float((alike - weighed).detach())) > 1e-2, "weights matter"


@pytest.mark.parametrize("kind", ["gemma2", "granite"])
def test_what_a_class_does_behind_its_head_matters(kind: str) -> None:
    model = model_of(kind)
    supervised._known[model] = HeadFacts()
    with pytest.raises(AssertionError):
        compare(model, some_labels())


def test_facts_are_learnt_before_or_with_the_first_loss() -> None:
    before, with_loss = model_of("gemma2"), model_of("gemma2")
    before.train()
    before.model.layers[0].eval()
    assert head_of(before) == HeadFacts(1.0, 3.0)
    assert (before.training, before.model.layers[0].training, before.model.layers[1].training) == (True, False, True)
    assert compare(before.eval(), some_labels()) == compare(with_loss, some_labels())
    assert head_of(with_loss) == HeadFacts(1.0, 3.0)
    assert not before.lm_head._forward_pre_hooks


def bend(module: Any, given: Any, output: Any) -> Any:
    """A forward hook: a step behind the head that no config tells of."""
    output["logits"] = output.logits + 0.3 * output.logits.sin()
    return output


def test_an_unknown_step_behind_the_head_uses_the_models_own_logits() -> None:
    model = model_of("llama")
    model.register_forward_hook(bend)
    compare(model, some_labels())
    facts = head_of(model)
    assert facts.reason is not None and "not known here" in facts.reason
    assert "on the model's own logits" in str(facts.line())
    model = model_of("llama")
    model.get_output_embeddings = lambda: None
    compare(model, some_labels())
    assert head_of(model).reason == "it names no head"


def test_own_logits_of_the_first_pass_draw_the_same_dropout() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model = model_of("llama", attention_dropout=0.5)
    model.register_forward_hook(bend)
    model.train()
    ids, sources, targets, weights = some_labels()
    losses = []
    for _ in range(2):  # the first pass learns that it has to be repeated
        torch.set_rng_state(before)
        losses.append(supervised_loss(model, {"input_ids": ids}, sources, targets, weights, 1.0)[0].item())
    assert losses[0] == losses[1]


# -- heads with something trained ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
def test_rows_of_new_tokens_get_their_gradients(tmp_path: Path, tied: bool, small_chunks: None) -> None:
    model = rows_kit.taught(tiny.save_base(tmp_path / "base", tie_word_embeddings=tied))
    ids, sources, targets, weights = some_labels()
    ids[0, :3], targets[:9] = torch.tensor([304, 305, 306]), torch.tensor([304, 305, 306] * 3)
    compare(model, (ids, sources, targets, weights))
    assert "forward" not in vars(model.get_output_embeddings())
    with model.disable_adapter():
        targets = targets.clamp(max=303)
        nats = supervised_nats(model, {"input_ids": ids}, sources, targets)
        expected = plain_loss(model, ids, sources, targets, weights, 1.0)
    assert float((nats * weights).sum()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert apart([expected.detach()], [(supervised_nats(model, {"input_ids": ids}, sources, targets) @ weights)]) > 1e-3


def test_new_rows_that_are_left_out_change_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = rows_kit.taught(tiny.save_base(tmp_path / "base"))
    as_numbers = supervised._as_numbers
    monkeypatch.setattr(supervised, "_as_numbers", lambda *given: as_numbers(*given)._replace(rows=None, places=None))
    with pytest.raises((AssertionError, RuntimeError)):
        compare(model, some_labels())


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "phi"])
def test_a_trained_head_is_called_itself_chunk_by_chunk(kind: str, small_chunks: None) -> None:
    model = model_of(kind, tie_word_embeddings=False)
    model.lm_head.requires_grad_(True)
    compare(model, some_labels())


def test_an_adapter_and_activation_checkpointing(tiny_base: Path) -> None:
    base = models.load_base(models.find_base(str(tiny_base), None, tiny_base), "float32")
    model = models.attach_adapter(base, Adapter(r=4, alpha=8.0), 0, None)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
    ids, sources, targets, weights = some_labels()
    model.train()
    expected = plain_loss(model, ids, sources, targets, weights, 11.0)
    wanted = torch.autograd.grad(expected, trained(model))
    for reentrant in (True, False):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
        model.enable_input_require_grads()
        model.zero_grad()
        loss, _ = supervised_loss(model, {"input_ids": ids}, sources, targets, weights, 11.0)
        loss.backward()
        assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
        assert apart(wanted, [parameter.grad for parameter in trained(model)]) < 1e-4


# -- arithmetic ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    num_labels=st.integers(0, 50),
    cap=st.sampled_from([None, 2.0]),
    factor=st.sampled_from([1.0, 0.3]),
    with_bias=st.booleans(),
    num_rows=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_any_number_of_labels_in_chunks(
    num_labels: int, cap: float | None, factor: float, with_bias: bool, num_rows: int, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    hidden = torch.randn(num_labels, 8, generator=draw, requires_grad=True)
    matrix = torch.randn(23, 8, generator=draw)
    bias = torch.randn(23, generator=draw) if with_bias else None
    places = torch.randperm(23, generator=draw)[:num_rows] if num_rows else None
    rows = torch.randn(num_rows, 8, generator=draw, requires_grad=True) if num_rows else None
    targets = torch.randint(0, 23, (num_labels,), generator=draw)
    weights = torch.randint(1, 9, (num_labels,), generator=draw).float()
    full = matrix if rows is None or places is None else matrix.index_copy(0, places, rows)
    logits = hidden @ full.t()
    if bias is not None:
        logits = logits + (bias if places is None else bias.index_fill(0, places, 0.0))
    logits = logits * factor if cap is None else cap * torch.tanh(logits * factor / cap)
    expected = (cross_entropy(logits, targets, reduction="none") * weights).sum()
    if bias is not None and places is not None:
        bias = bias.index_fill(0, places, 0.0)
    head = frozen_head.FrozenHead(matrix, bias, factor, cap, rows, places, torch.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(frozen_head._CHUNK_BYTES, "cpu", 1)
        total, measured = frozen_head.score(hidden, targets, weights, head, ("accuracy", "entropy"))
        nats = frozen_head.nats_of(hidden, targets, head)
    assert float(total.detach()) == pytest.approx(float(expected.detach()), rel=1e-5, abs=1e-5)
    assert float(nats @ weights) == pytest.approx(float(expected.detach()), rel=1e-5, abs=1e-5)
    shares = logits.detach().double().softmax(dim=-1)
    entropy = -(shares * shares.clamp_min(1e-300).log()).sum(dim=-1)
    right = (logits.argmax(dim=-1) == targets).double()
    assert measured.double().tolist() == pytest.approx(
        [float(right @ weights.double()), float(entropy @ weights.double())], abs=1e-3
    )
    wanted = [x for x in (hidden, rows) if x is not None]
    scale = 65536.0  # as a gradient scaler's
    if num_labels:
        for a, b in zip(torch.autograd.grad(expected, wanted), torch.autograd.grad(total * scale, wanted), strict=True):
            assert torch.allclose(a, b / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bit_products_lose_no_more_than_their_rounding(dtype: Any) -> None:
    draw = torch.Generator().manual_seed(0)
    matrix = torch.randn(200, 16, generator=draw).to(dtype)
    targets = torch.randint(0, 200, (40,), generator=draw)
    for sure in (0.0, 0.4):  # the second: labels are nearly certain, and gradients small differences
        hidden = (torch.randn(40, 16, generator=draw) * 0.3 + sure * matrix[targets].float()).to(dtype)
        exact = hidden.double().requires_grad_()
        expected = cross_entropy(exact @ matrix.double().t(), targets, reduction="sum")
        (wanted,) = torch.autograd.grad(expected, exact)
        head = frozen_head.FrozenHead(matrix, None, 1.0, None, None, None, dtype)
        hidden.requires_grad_()
        total, _ = frozen_head.score(hidden, targets, torch.ones(40), head, ())
        (got,) = torch.autograd.grad(total * 65536.0 / 2**17, hidden)
        step = torch.finfo(dtype).eps
        assert total.dtype == torch.float32
        assert float(total.detach()) == pytest.approx(float(expected.detach()), rel=2 * step, abs=20 * step)
        each = (got.double() * 2 - wanted).norm(dim=-1) / wanted.norm(dim=-1)  # label by label
        # Logits of up to 20 are themselves rounded, which no arithmetic behind them brings back.
        assert float(each.median()) < 4 * step
        assert float(each.max()) < 40 * step


def test_inside_autocast_as_the_model_itself() -> None:
    model = model_of("gemma2")
    ids, sources, targets, weights = some_labels()
    exact = plain_loss(model, ids, sources, targets, weights, 11.0)
    wanted = torch.autograd.grad(exact, trained(model))
    errors = []
    for own in (True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            if own:
                loss = plain_loss(model, ids, sources, targets, weights, 11.0)
            else:
                loss, _ = supervised_loss(model, {"input_ids": ids}, sources, targets, weights, 11.0)
        assert float(loss.detach()) == pytest.approx(float(exact.detach()), rel=1e-2)
        errors.append(apart(wanted, torch.autograd.grad(loss, trained(model))))
    assert head_of(model) == HeadFacts(1.0, 3.0)
    assert errors[1] < 1.5 * errors[0] < 0.2


def test_measures_are_computed_on_request_only() -> None:
    model = model_of("llama")
    ids, sources, targets, weights = some_labels()
    logits = model(input_ids=ids).logits.flatten(0, 1)[sources]
    targets[::2] = logits.argmax(dim=-1)[::2]
    given = (model, {"input_ids": ids}, sources, targets, weights, 1.0)
    _, none = supervised_loss(*given)
    _, both = supervised_loss(
        model, {"input_ids": ids}, sources, targets, weights, 1.0, measure=("entropy", "accuracy")
    )
    assert none == {}
    right = (logits.argmax(dim=-1) == targets).float()
    assert float(both["accuracy"]) == pytest.approx(float(right @ weights))
    entropy = torch.special.entr(logits.softmax(dim=-1)).sum(dim=-1)
    assert float(both["entropy"]) == pytest.approx(float((entropy @ weights).detach()), rel=1e-5)
    model.lm_head.requires_grad_(True)
    _, again = supervised_loss(
        model, {"input_ids": ids}, sources, targets, weights, 1.0, measure=("entropy", "accuracy")
    )
    assert {name: float(x) for name, x in again.items()} == pytest.approx({name: float(x) for name, x in both.items()})
    with pytest.raises(ValueError, match="perplexity"):
        supervised_loss(*given, measure=("perplexity",))


# -- memory ----------------------------------------------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """The most numbers that any tensor made inside had, among those that are as wide as the vocabulary."""

    def __init__(self, num_vocabulary: int) -> None:
        super().__init__()
        self.num_vocabulary, self.numbers = num_vocabulary, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor) and tensor.dim() and self.num_vocabulary in tensor.shape:
                self.numbers = max(self.numbers, tensor.numel())
        return out


@pytest.mark.parametrize("how", ["frozen", "trained", "nats"])
def test_full_logits_never_exist(how: str) -> None:
    num_vocabulary, tokens = 50_000, 500
    model = model_of("llama", vocab_size=num_vocabulary, hidden_size=8, num_attention_heads=2)
    ids, sources, targets, weights = some_labels(400, 1, tokens)
    inputs = {"input_ids": ids}
    head_of(model)
    model.lm_head.requires_grad_(how == "trained")
    steps: dict[str, Callable[[], Any]] = {
        "nats": lambda: supervised_nats(model, inputs, sources, targets),
        "own": lambda: plain_loss(model, ids, sources, targets, weights, 1.0),
    }
    loss = lambda: supervised_loss(model, inputs, sources, targets, weights, 1.0)[0].backward()  # noqa: E731
    with Largest(num_vocabulary) as seen:
        steps.get(how, loss)()
    room = frozen_head.chunk_labels(num_vocabulary, "cpu") * num_vocabulary
    assert 0 < seen.numbers <= room < 400 * num_vocabulary
    with Largest(num_vocabulary) as control:
        steps["own"]()
    assert control.numbers >= tokens * num_vocabulary, "the plain way does have them"


def test_bytes_of_a_chunk_are_foreseen() -> None:
    assert frozen_head.chunk_labels(32_000, "cpu") == 262
    assert frozen_head.chunk_bytes(32_000, "cpu", 4, False) == 262 * 32_000 * 4
    assert frozen_head.chunk_bytes(32_000, "cpu", 2, True) == 262 * 32_000 * (4 + 2 + 4)
    assert frozen_head.chunk_labels(10**9, "cpu") == 16
