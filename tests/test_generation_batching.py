"""Answers in batches are the answers that the engine gives one by one, on small models of many kinds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from finetune import models
from finetune.errors import ModelError
from finetune.generation import Answer, Engine, answer_many, batch_plan, batching
from finetune.recipe.words import Adapter

SYSTEM = {"role": "system", "content": "Be kind. hello hello"}
CONVERSATIONS = [
    [SYSTEM, {"role": "user", "content": f"hi {'hello kind ' * (k % 4)}{k}"}] for k in range(9)
]  # fmt: skip
SEVERAL_TURNS = [
    SYSTEM,
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "hi kind"},
]


def adapted(base: Path, folder: Path) -> Engine:
    """An engine with an adapter whose effect is not small."""
    source = models.find_base(str(base), None, base)
    model = models.attach_adapter(models.load_base(source, "float32"), Adapter(r=4, alpha=8.0), seed=0)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.1 * torch.randn(weight.shape, generator=draw))
    models.save_adapter(model, folder / "adapter", str(base), None)
    return Engine.open(folder / "adapter", base=str(base))


def one_by_one(engine: Engine, conversations: Any, limit: int, adapter: bool) -> list[Answer]:
    return [engine.answer(turns, adapter=adapter, max_new_tokens=limit) for turns in conversations]


def counted_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The conversations that the engine is asked to answer alone from now on."""
    asked: list[Any] = []
    real = engine.answer

    def counting(messages: Any, **options: Any) -> Answer:
        asked.append(messages)
        return real(messages, **options)

    monkeypatch.setattr(engine, "answer", counting)
    return asked


def passes_of(engine: Engine, work: Callable[[], Any]) -> list[tuple[int, int]]:
    """(rows, tokens) of every forward pass of some work."""
    shapes: list[tuple[int, int]] = []

    def seen(module: Any, args: Any, words: Any) -> None:
        shapes.append(tuple(words["input_ids"].shape))

    batch_plan(engine)  # its own passes are not those of the work
    hook = engine.model.register_forward_pre_hook(seen, with_kwargs=True)
    try:
        work()
    finally:
        hook.remove()
    return shapes


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("adapted")
    # Wider than a real start, so that answers differ.
    return adapted(tiny.save_base(folder / "base", initializer_range=0.2), folder)


# -- equal to one by one -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "family",
    [
        "aquila",
        "llama2",
        "qwen2_5",
        "qwen3_moe",
        "smollm2",
        "gemma3",
        "glm4",
        "phi4_mini",
        "internlm3",
        "pangu_pro_moe",
    ],
)
def test_answers_are_those_of_one_by_one(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = adapted(family_folder(family), tmp_path)
    asked = [*(turns[1:] for turns in CONVERSATIONS), SEVERAL_TURNS[1:]]
    assert batch_plan(engine).way == "batches", batch_plan(engine).reason
    told: dict[int, Answer] = {}
    for adapter in (False, True):
        expected = one_by_one(engine, asked, 12, adapter)
        with monkeypatch.context() as patch:
            alone = counted_alone(engine, patch)
            found = answer_many(
                engine, asked, adapter=adapter, max_new_tokens=12, batch_tokens=200, on_answer=told.__setitem__
            )
        assert found == expected == [told[k] for k in range(len(asked))]
        assert len(alone) <= 2, "close calls are rare; most rows must have been written in a batch"
    assert one_by_one(engine, asked, 12, True) != one_by_one(engine, asked, 12, False)


def test_a_tied_head_and_shared_key_heads(tmp_path: Path) -> None:
    base = tiny.save_base(tmp_path / "base", tie_word_embeddings=True, num_key_value_heads=1)
    engine = adapted(base, tmp_path)
    for limit in (1, 2, 7, 30):
        found = answer_many(engine, CONVERSATIONS, adapter=True, max_new_tokens=limit)
        assert found == one_by_one(engine, CONVERSATIONS, limit, True)
        assert {answer.num_tokens for answer in found} <= set(range(1, limit + 1))


def test_answers_that_end_by_themselves_leave_the_batch(engine: Engine) -> None:
    expected = one_by_one(engine, CONVERSATIONS, 12, True)
    written = [_written(engine, turns) for turns in CONVERSATIONS]
    # A token that some answers come to, and others do not, ends an answer here.
    reach = {token: sum(token in ids for ids in written) for ids in written for token in ids[2:]}
    token = min(reach, key=lambda one: abs(reach[one] - len(written) // 2))
    before = engine.renderer.stop_ids
    engine.renderer.stop_ids = [*before, token]
    try:
        found: list[Answer] = []
        shapes = passes_of(
            engine,
            lambda: found.extend(answer_many(engine, CONVERSATIONS, adapter=True, max_new_tokens=12)),
        )
        assert found == one_by_one(engine, CONVERSATIONS, 12, True) != expected
    finally:
        engine.renderer.stop_ids = before
    assert any(answer.ended for answer in found) and not all(answer.ended for answer in found)
    steps = [rows for rows, tokens in shapes if tokens == 1]
    assert steps == sorted(steps, reverse=True)
    # Behind its first token each answer takes one row of one pass for each further token, and no more.
    assert sum(steps) == sum(answer.num_tokens - 1 for answer in found)


def _written(engine: Engine, messages: Any) -> list[int]:
    prompt = torch.tensor([engine.prompt_ids(messages, 12)])
    made = engine.model.generate(
        input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False,
        eos_token_id=engine.renderer.stop_ids, pad_token_id=engine.tokenizer.pad_token_id,
    )  # fmt: skip
    return made[0, prompt.shape[1] :].tolist()


def test_the_shared_beginning_is_computed_once(engine: Engine) -> None:
    shapes = passes_of(
        engine, lambda: answer_many(engine, CONVERSATIONS, adapter=True, max_new_tokens=3, batch_tokens=120)
    )
    prompts = [engine.prompt_ids(turns, 3) for turns in CONVERSATIONS]
    shared = batching._common(prompts)
    assert shared >= len(engine.renderer.prompt([SYSTEM])) // 2
    assert shapes[0] == (1, shared) and shapes.count((1, shared)) == 1
    first_passes = [(rows, tokens) for rows, tokens in shapes[1:] if tokens > 1]
    assert len(first_passes) > 1, "several batches, one beginning"
    assert max(tokens for _, tokens in first_passes) == max(map(len, prompts)) - shared


def test_few_conversations_of_a_system_prompt_share_a_batch_with_others(engine: Engine) -> None:
    own = [[{"role": "system", "content": f"Be {k}"}, {"role": "user", "content": "hi"}] for k in range(3)]
    mixed = [*CONVERSATIONS, *own, [{"role": "user", "content": "hello"}]]
    kinds = batching._kinds(engine, mixed, range(len(mixed)))
    assert kinds == [list(range(9)), [9, 10, 11, 12]]
    found = answer_many(engine, mixed, adapter=True, max_new_tokens=8)
    assert found == one_by_one(engine, mixed, 8, True)


def test_no_conversation_and_one(engine: Engine) -> None:
    assert answer_many(engine, [], adapter=True, max_new_tokens=4) == []
    one = CONVERSATIONS[:1]
    assert answer_many(engine, one, adapter=True, max_new_tokens=4) == one_by_one(engine, one, 4, True)


def test_the_limit_is_that_of_the_engine(engine: Engine) -> None:
    found = answer_many(engine, CONVERSATIONS[:3], adapter=True, max_new_tokens=10_000)
    assert found == one_by_one(engine, CONVERSATIONS[:3], 10_000, True)
    assert max(answer.num_tokens for answer in found) == engine.context_tokens // 2
    long = [[{"role": "user", "content": "hi hello " * 100}]]
    with pytest.raises(ModelError, match="the question takes"):
        answer_many(engine, long, adapter=True, max_new_tokens=8)


# -- where rounding could tell -----------------------------------------------------------------------------------


def test_ties_are_left_to_one_by_one(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = adapted(tiny_base, tmp_path)
    with torch.no_grad():
        head = engine.model.get_output_embeddings().weight
        head[1::2] = head[0 : len(head) - 1 : 2][: len(head[1::2])]  # every second token ties with its neighbour
    assert batch_plan(engine).is_guarded
    expected = one_by_one(engine, CONVERSATIONS, 8, True)
    alone = counted_alone(engine, monkeypatch)
    assert answer_many(engine, CONVERSATIONS, adapter=True, max_new_tokens=8) == expected
    assert len(alone) == len(CONVERSATIONS)


def test_a_close_call_is_a_share_of_the_largest_logit() -> None:
    logits = torch.tensor([[100.0, 99.0, -3.0], [100.0, 100.0 - 1e-3, 0.0], [1.0, 1.0 - 1e-3, 0.0], [float("nan")] * 3])
    tokens, is_close = batching._likeliest(logits, True)
    assert tokens[:3].tolist() == [0, 0, 0] and is_close == [False, True, False, True]
    assert batching._likeliest(logits, False)[1] == [False] * 4


def test_in_16_bit_batches_are_not_called_equal(tiny_base: Path) -> None:
    engine = Engine.open(tiny_base)
    engine.model.to(torch.bfloat16)
    plan = batch_plan(engine)
    assert plan.way == "batches" and not plan.is_guarded and "near tie" in plan.reason
    found = answer_many(engine, CONVERSATIONS, adapter=False, max_new_tokens=4)
    assert all(answer.num_tokens for answer in found)


# -- one by one, and why -----------------------------------------------------------------------------------------


def test_rows_beyond_a_sliding_window_are_answered_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    base = tiny.save_base(tmp_path / "base")
    config = MistralConfig(
        **{**models.load_config(models.find_base(str(base), None, base)).to_dict(), "model_type": "mistral"}
    )
    config.sliding_window, config.architectures = 36, ["MistralForCausalLM"]
    torch.manual_seed(0)
    config.initializer_range = 0.1
    MistralForCausalLM(config).save_pretrained(base)
    engine = adapted(base, tmp_path)
    plan = batch_plan(engine)
    assert plan.way == "batches" and plan.longest_tokens == 36 and "more than 36 tokens one by one" in plan.reason
    asked = [[{"role": "user", "content": "hi hello kind " * k}] for k in (0, 1, 2, 3, 5, 7)]
    lengths = [len(engine.prompt_ids(turns, 16)) + 16 for turns in asked]
    assert min(lengths) < 36 < max(lengths)
    expected = one_by_one(engine, asked, 16, True)
    alone = counted_alone(engine, monkeypatch)
    assert answer_many(engine, asked, adapter=True, max_new_tokens=16) == expected
    assert [asked.index(turns) for turns in alone] == [k for k, length in enumerate(lengths) if length > 36]


@pytest.mark.parametrize(("family", "says"), [("qwen2_5_vl", "image"), ("qwen3_5", "image")])
def test_kinds_that_cannot_be_batched_say_so(
    family: str, says: str, family_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.open(family_folder(family))
    plan = batch_plan(engine)
    assert plan.way == "one by one" and says in plan.reason
    assert plan.as_dict() == {"way": plan.way, "reason": plan.reason}
    asked = [turns[1:] for turns in CONVERSATIONS[:3]]
    expected = one_by_one(engine, asked, 5, False)
    alone = counted_alone(engine, monkeypatch)
    assert answer_many(engine, asked, adapter=False, max_new_tokens=5) == expected
    assert len(alone) == 3


def test_a_model_whose_rows_know_of_each_other_fails_the_check(tiny_base: Path) -> None:
    engine = Engine.open(tiny_base)

    def meddle(module: Any, args: Any, output: Any) -> Any:
        return output * (1 + 0.01 * (len(output) - 1))

    engine.model.get_decoder().layers[0].mlp.register_forward_hook(meddle)
    plan = batch_plan(engine)
    assert plan.way == "one by one" and "a batch and a row alone differ by" in plan.reason
    found = answer_many(engine, CONVERSATIONS, adapter=False, max_new_tokens=4)
    assert found == one_by_one(engine, CONVERSATIONS, 4, False)


# -- stopping, and laying out ------------------------------------------------------------------------------------


def test_stop_ends_within_a_token(engine: Engine) -> None:
    stop, told = threading.Event(), []
    passes = 0

    def halt(module: Any, args: Any, words: Any) -> None:
        nonlocal passes
        passes += 1
        if passes == 4:  # the shared beginning, the first pass, two tokens
            stop.set()

    hook = engine.model.register_forward_pre_hook(halt, with_kwargs=True)
    try:
        found = answer_many(
            engine, CONVERSATIONS, adapter=True, max_new_tokens=20, stop=stop, on_answer=lambda k, a: told.append(k)
        )
    finally:
        hook.remove()
    assert passes == 4 and told == []
    assert {answer.num_tokens for answer in found} == {3} and not any(answer.ended for answer in found)
    assert answer_many(engine, CONVERSATIONS[:2], adapter=True, max_new_tokens=4) == one_by_one(
        engine, CONVERSATIONS[:2], 4, True
    )


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 64), st.integers(1, 2_000))
def test_batches_hold_every_row_once_and_no_more_than_they_may(lengths: list[int], limit: int, room: int) -> None:
    batches = batching._batches(dict(enumerate(lengths)), limit, room)
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * (max(lengths[k] for k in batch) + limit) <= room
    flat = [lengths[number] for batch in batches for number in batch]
    assert flat == sorted(flat, reverse=True)


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=8))
def test_the_common_beginning_leaves_every_row_a_token(prompts: list[list[int]]) -> None:
    shared = batching._common(prompts)
    assert len({tuple(prompt[:shared]) for prompt in prompts}) == 1
    assert all(len(prompt) > shared for prompt in prompts)
    longer = {tuple(prompt[: shared + 1]) for prompt in prompts}
    assert len(longer) > 1 or any(len(prompt) == shared + 1 for prompt in prompts)
