"""The plan: what is chosen on which machine, with a reason for each choice."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

from finetune import hardware
from finetune.errors import ModelError, SurroundingsError
from finetune.hardware import Machine, Plan, Ways, machine, make_plan
from finetune.models import Sizes

_CPU = Machine("cpu", 4, 16 << 30, None, None, False)
_GPU = Machine("cuda", 8, 64 << 30, "Some GPU", 24 << 30, True)
_OLD_GPU = Machine("cuda", 8, 64 << 30, "Old GPU", 8 << 30, False)


def _wishes(**words: Any) -> Any:
    return SimpleNamespace(
        **{"dtype": "auto", "attention": "auto", "micro_batch": None, "packing": "auto", "pass_tokens": None, **words}
    )


@pytest.fixture(autouse=True)
def _roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else runs on this machine decides nothing here."""
    monkeypatch.setattr(hardware.machines, "free_memory", lambda device: None)


@pytest.mark.parametrize("here", [_CPU, _GPU, _OLD_GPU, Machine("mps", 8, None, "Apple GPU", None, False)])
@pytest.mark.parametrize("longest", [1, 60, 500, 5_000, 100_000])
@pytest.mark.parametrize("batch_size", [1, 7, 16, 30])
def test_batch_size_is_kept_whatever_is_chosen(here: Machine, longest: int, batch_size: int) -> None:
    plan = make_plan(here, batch_size, longest)
    assert 1 <= plan.micro_batch <= batch_size
    assert plan.accumulation <= batch_size
    rows_a_pass = max(1, plan.pass_tokens // longest)
    assert plan.accumulation * min(rows_a_pass, plan.micro_batch) >= batch_size


def test_every_choice_has_a_reason() -> None:
    for wishes in (None, _wishes(), _wishes(dtype="float32", attention="eager", micro_batch=2, pass_tokens=100)):
        for ways in (None, Ways(), Ways(packing_refusal="pictures"), Ways(dropout=0.1)):
            plan = make_plan(_CPU, 16, 100, wishes, ways=ways)
            assert set(plan.reasons) == {field.name for field in fields(Plan)} - {"reasons", "memory", "measured"}
            assert all(plan.reasons.values())
            assert len(plan.lines()) == len(plan.reasons) - 1
    assert set(make_plan(_CPU, 16, 100).as_dict()) == {field.name for field in fields(Plan)}


def test_cpu_without_measurements_is_exact_and_uses_all_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    plan = make_plan(_CPU, 16, 512)
    assert (plan.device, plan.dtype, plan.attention, plan.num_threads) == ("cpu", "float32", "sdpa", 4)
    assert "FINETUNE_MEASURE=0" in plan.reasons["dtype"]
    assert not plan.activation_checkpointing and not plan.measured


def test_gpus() -> None:
    assert make_plan(_GPU, 16, 512).dtype == "bfloat16"
    assert make_plan(_OLD_GPU, 16, 512).dtype == "float32"
    assert not make_plan(_GPU, 16, 512).activation_checkpointing
    assert not make_plan(_OLD_GPU, 16, 512).activation_checkpointing, "only where memory asks for it"
    assert make_plan(_GPU, 16, 512).reasons["device"] == "Some GPU"


def test_wishes_are_followed_and_named() -> None:
    wishes = _wishes(dtype="float16", attention="eager", micro_batch=2, pass_tokens=3_000, packing="plain")
    plan = make_plan(_GPU, 16, 512, wishes, ways=Ways())
    assert (plan.dtype, plan.attention, plan.micro_batch) == ("float16", "eager", 2)
    assert (plan.pass_tokens, plan.packing, plan.packed_attention) == (3_000, "plain", "mask")
    for key in ("dtype", "attention", "micro_batch", "pass_tokens", "packing"):
        assert plan.reasons[key] == f"the recipe's hardware.{key}"


def test_fault_16_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(SurroundingsError, match=r"hardware\.dtype: training in float16 needs a GPU") as caught:
        make_plan(_CPU, 16, 512, _wishes(dtype="float16"))
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("value", "expected", "reason"),
    [
        ("3", 3, "OMP_NUM_THREADS"),
        ("2,1", 2, "OMP_NUM_THREADS"),
        ("", 4, "the CPUs this process may use"),
        ("0", 4, "the CPUs this process may use"),
        ("many", 4, "the CPUs this process may use"),
    ],
)
def test_threads(monkeypatch: pytest.MonkeyPatch, value: str, expected: int, reason: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    plan = make_plan(_CPU, 16, 512)
    assert (plan.num_threads, plan.reasons["num_threads"]) == (expected, reason)


def test_this_machine() -> None:
    import os

    here = machine()
    assert here.device in ("cpu", "cuda", "mps")
    assert 1 <= here.num_cpus <= (os.cpu_count() or 1)
    assert (here.gpu_name is None) == (here.device == "cpu")
    assert here.memory_bytes is None or here.memory_bytes > 1 << 28


_FLEX = Ways(best_attention=lambda device, dtype, sharing: ("flex", "skips blocks"))

# Qwen3-8B with an adapter of rank 16.
_BIG = Sizes(
    8_190_735_360, 6_945_767_424, 50_331_648, 43_646_976, 151_936, 4_096, 36, 3_284_928, 147_456, rank=16,
    num_on_attention=15_335_424, lean_per_token=2_105_280, spread_per_token=368_640, normed_per_token=479_232,
    working_per_token=73_728, num_heads=32,
)  # fmt: skip


def test_fault_80_not_enough_memory_is_said_with_three_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.machines, "free_memory", lambda device: 18 << 30)
    with pytest.raises(SurroundingsError) as caught:
        make_plan(_GPU, 16, 2_048, None, _BIG, ways=_FLEX)
    assert str(caught.value) == (
        "hardware: needs about 18.6 GiB of memory, and 18.0 GiB are free on this GPU (GiB: weights 15.26, adapter "
        "0.65, activations 0.71, logits 1.34, fixed 0.68) (got 2,048 tokens a pass, a base of 8.2 billion "
        "parameters). Fix: one or more of: base.quantization: 4bit (needs 9.2 GiB); data.max_length: 512 (needs "
        "18.0 GiB); a base of at most 7.1 billion parameters"
    )
    assert caught.value.exit_code == 4


def _advice(monkeypatch: pytest.MonkeyPatch, free: float, sizes: Sizes, here: Machine = _GPU, **words: Any) -> str:
    """What is advised where `free` GiB are free."""
    monkeypatch.setattr(hardware.machines, "free_memory", lambda device: int(free * 2**30))
    given: dict[str, Any] = {"wishes": None, "quantization": "none", "tokens": 2_048, **words}
    with pytest.raises(SurroundingsError) as caught:
        make_plan(here, 16, given["tokens"], given["wishes"], sizes, given["quantization"])
    return str(caught.value).partition("Fix: ")[2]


def test_only_changes_that_help_are_advised_the_largest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.memory.importlib.util, "find_spec", lambda name: object())
    # Weights outweigh the rest: shorter rows save nothing, bfloat16 on a CPU half, and neither is enough.
    small_rows = _advice(monkeypatch, 3, _BIG, _CPU, tokens=64)
    assert small_rows.startswith("one or more of: base.quantization: 4bit (needs ")
    assert "hardware.dtype: bfloat16 (needs 1" in small_rows and "max_length" not in small_rows
    assert small_rows.count("not enough alone") == 2
    # Already in 4 bit and in 16 bit: only rows are left, and they must be named once.
    rows = _advice(monkeypatch, 9, _BIG, quantization="4bit")
    assert rows.startswith("one or more of: data.max_length: ") and rows.count("max_length") == 1
    assert "quantization" not in rows and "dtype" not in rows
    # An adapter as large as the base (experts, rank 256): a smaller one is what helps.
    heavy = Sizes(1 << 30, 0, 0, 1 << 28, 32_000, 2_048, 24, 400_000, 49_152, rank=256, num_on_attention=1 << 24)
    adapter = _advice(monkeypatch, 8, heavy, tokens=128)
    assert adapter.startswith("one or more of: adapter.target_modules: attention (needs ")
    assert "adapter.r: 64 (needs " in adapter
    # Nothing fits beside what is there anyway: no base of a million parameters is advised.
    assert _advice(monkeypatch, 0.3, _BIG).endswith("not enough alone)")


def test_room_is_looked_for_before_a_base_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.machines, "free_memory", lambda device: 20 << 30)
    hardware.require_room(8_000_000_000, 0, "bfloat16", "cuda")
    hardware.require_room(30_000_000_000, 29_000_000_000, "bfloat16", "cuda", "4bit")
    with pytest.raises(SurroundingsError) as caught:
        hardware.require_room(8_190_735_360, 0, "float32", "cpu", label="Qwen/Qwen3-8B")
    assert str(caught.value) == (
        "Qwen/Qwen3-8B: its weights need about 30.7 GiB of memory, and 20.0 GiB are free in this machine (got 8.2 "
        "billion parameters in float32). Fix: end what else holds memory, use a machine with more of it, or take a "
        "smaller base (a GPU that computes bfloat16 needs 15.5 GiB)"
    )
    monkeypatch.setattr(hardware.machines, "free_memory", lambda device: None)
    hardware.require_room(8_190_735_360, 0, "float32", "cpu")


def test_small_sizes_are_told_in_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.machines, "free_memory", lambda device: 5 << 30)
    small = Sizes(3_000_000, 0, 0, 50_000, 4_000, 128, 4, 5_000, 512)
    plan = make_plan(_CPU, 16, 64, None, small)
    told = plan.lines()[-1]
    assert told.startswith("memory: about ") and "GiB - estimated (MiB: weights 11, adapter 1," in told
    assert "0.00" not in told and len([line for line in plan.lines() if "memory" in line.partition(":")[0]]) == 1


def test_memory_decides_the_size_of_a_pass_then_offloading_then_recomputing() -> None:
    def planned(gib: float, **words: Any) -> Plan:
        here = Machine("cuda", 8, 64 << 30, "GPU", int(gib * 2**30), True)
        return make_plan(here, 16, 1_024, _wishes(**words), _BIG, words.pop("quantization", "none"), ways=_FLEX)

    roomy = planned(140)
    assert (roomy.pass_tokens, roomy.activation_offloading, roomy.activation_checkpointing) == (16_384, False, False)
    tight = planned(30)
    assert 1_024 <= tight.pass_tokens < 16_384 and not tight.activation_checkpointing
    assert "16,384 tokens would need" in tight.reasons["pass_tokens"]
    assert tight.memory_gib is not None and tight.memory_gib < 0.9 * 30
    offloaded = planned(21.5)
    assert (offloaded.pass_tokens, offloaded.activation_offloading) == (1_024, True)
    assert not offloaded.activation_checkpointing
    assert "the GPU's is too small" in offloaded.reasons["activation_offloading"]
    wished = planned(30, pass_tokens=16_384)
    assert wished.pass_tokens == 16_384 and wished.activation_offloading, "a wish is not made smaller"
    four = planned(30, quantization="4bit")
    assert four.memory["weights"] < 0.5 * tight.memory["weights"] and four.pass_tokens >= tight.pass_tokens
    desktop = make_plan(Machine("cpu", 8, 40 << 30, None, None, False), 16, 1_024, None, _BIG, ways=Ways())
    assert (desktop.activation_offloading, desktop.activation_checkpointing) == (False, True)
    assert desktop.reasons["activation_offloading"] == "for GPUs only"


def test_control_groups_are_looked_at(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    group = tmp_path / "job"
    group.mkdir()
    (group / "memory.max").write_text(str(8 << 30))
    (group / "memory.current").write_text(str(5 << 30))
    (group / "memory.stat").write_text(f"anon 1\ninactive_file {1 << 30}\nactive_file {1 << 30}\n")
    (tmp_path / "memory.max").write_text("max")
    real = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, **k: "0::/job\n" if str(self) == "/proc/self/cgroup" else real(self, **k)
    )
    assert hardware.machines._group_limits(tmp_path) == [(8 << 30, 3 << 30)]
    monkeypatch.setattr(hardware.machines, "_group_limits", lambda: [(8 << 30, 7 << 30)])
    assert hardware.free_memory() == 1 << 30


@pytest.mark.parametrize(("tokens", "rows"), [(64, 2), (256, 1), (256, 4)])
def test_the_estimate_of_what_is_kept_is_what_autograd_keeps(tokens: int, rows: int) -> None:
    """Counted by torch's own hooks on a forward pass of the starter base."""
    import torch

    from finetune import models
    from finetune.recipe.words import Adapter

    source = models.find_base("starter")
    sizes = models.sizes_of(models.load_config(source), Adapter())
    model = models.attach_adapter(models.load_base(source, "float32"), Adapter(), 0).train()
    assert sizes.num_trainable == sum(p.numel() for p in model.parameters() if p.requires_grad)
    own = {p.data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.randint(5, 4000, (rows, tokens))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden = model.base_model.model.model(input_ids=ids, use_cache=False)[0]
    counted = sum(kept.values()) / 4 / ids.numel()
    assert hidden.requires_grad
    assert counted <= sizes.kept_per_token <= 1.3 * counted


# -- packing -------------------------------------------------------------------------------------------------------


def test_packing_is_chosen_where_it_is_exact_and_saves() -> None:
    def chosen(**words: Any) -> tuple[str, str]:
        plan = make_plan(_CPU, 16, 500, _wishes(), ways=Ways(**words))
        return plan.packing, plan.reasons["packing"]

    assert chosen() == ("prefix", "what rows of a step begin with alike is computed once")
    assert chosen(saved_share=lambda tokens: 0.554) == (
        "prefix",
        "what rows of a step begin with alike is computed once; 55% of the rows' tokens need not be computed",
    )
    assert chosen(saved_share=lambda tokens: 0.0) == (
        "plain",
        "rows of a step share no prefix: side by side, without padding",
    )
    kind, why = chosen(dropout=0.1)
    assert kind == "plain" and "dropout" in why
    assert chosen(dropout=0.1, packing_refusal="pictures") == ("off", "pictures")
    assert make_plan(_CPU, 16, 500).packing == "off"


def test_wishes_about_packing_are_granted_or_refused_with_the_reason() -> None:
    for word in ("prefix", "plain", "off"):
        assert make_plan(_CPU, 16, 500, _wishes(packing=word), ways=Ways()).packing == word
    assert make_plan(_CPU, 16, 500, _wishes(packing="plain"), ways=Ways(dropout=0.1)).packing == "plain"
    assert make_plan(_CPU, 16, 500, _wishes(packing="off"), ways=Ways(packing_refusal="pictures")).packing == "off"
    assert make_plan(_CPU, 16, 500, _wishes(packing="prefix"), ways=Ways(saved_share=lambda n: 0.0)).packing == "prefix"
    with pytest.raises(ModelError) as caught:
        make_plan(_CPU, 16, 500, _wishes(packing="prefix"), ways=Ways(dropout=0.1))
    assert str(caught.value) == (
        "hardware.packing: is not exact here: adapter.dropout is 0.1: a shared prefix has one pattern for all its rows "
        "(got prefix). Fix: write packing: plain, or dropout: 0"
    )
    for word in ("prefix", "plain"):
        with pytest.raises(ModelError, match=r"hardware\.packing: is not exact here: recurrent layers .*packing: off"):
            make_plan(_CPU, 16, 500, _wishes(packing=word), ways=Ways(packing_refusal="recurrent layers carry over"))


def test_attention_of_packs_is_asked_for_this_machine() -> None:
    asked: list[tuple[str, str, bool]] = []

    def best(device: str, dtype: str, sharing: bool) -> tuple[str, str]:
        asked.append((device, dtype, sharing))
        return "segmented", "because"

    plan = make_plan(_CPU, 16, 500, _wishes(), ways=Ways(best_attention=best))
    assert (plan.packed_attention, plan.reasons["packed_attention"]) == ("segmented", "because")
    make_plan(_GPU, 16, 500, _wishes(), ways=Ways(best_attention=best, dropout=0.1))
    make_plan(_CPU, 16, 500, _wishes(packing="off"), ways=Ways(best_attention=best))
    make_plan(_CPU, 16, 500, _wishes(attention="eager"), ways=Ways(best_attention=best))
    assert asked == [("cpu", "float32", True), ("cuda", "bfloat16", False)]


def test_a_pass_smaller_than_the_longest_row_is_said() -> None:
    plan = make_plan(_CPU, 16, 5_000, _wishes(pass_tokens=512), ways=Ways())
    assert plan.pass_tokens == 512
    assert plan.reasons["pass_tokens"] == (
        "the recipe's hardware.pass_tokens; longer rows (up to 5,000 tokens) have a pass of their own"
    )
    by_rows = make_plan(_CPU, 16, 300, _wishes(micro_batch=2), ways=Ways())
    assert (by_rows.pass_tokens, by_rows.micro_batch) == (600, 2)
    assert by_rows.reasons["pass_tokens"] == "the recipe's hardware.micro_batch: 2 rows of 300 tokens"


def test_a_cpu_takes_the_smallest_pass_that_shares_as_often() -> None:
    def chosen(*shares: float) -> Plan:
        saved: dict[int, float] = dict(zip((2_048, 4_096, 8_192), shares))
        return make_plan(_CPU, 16, 500, _wishes(), ways=Ways(saved_share=lambda tokens: saved.get(tokens, shares[-1])))

    assert chosen(0.50, 0.52, 0.53).pass_tokens == 2_048
    assert chosen(0.10, 0.60, 0.62).pass_tokens == 4_096
    long = chosen(0.00, 0.40, 0.75)
    assert (long.pass_tokens, long.packing) == (8_192, "prefix")
    assert long.reasons["pass_tokens"] == "computes 25% of the rows' tokens; passes of 2,048 would 100%"
    assert make_plan(_CPU, 16, 500, _wishes(), ways=Ways(dropout=0.1)).pass_tokens == 4_096


def test_lean_is_refused_with_its_reason() -> None:
    assert make_plan(_CPU, 16, 500, ways=Ways()).lean
    plan = make_plan(_CPU, 16, 500, ways=Ways(lean_refusal="dora"))
    assert (plan.lean, plan.reasons["lean"]) == (False, "dora")


def test_a_resumption_takes_what_the_run_began_with() -> None:
    began = make_plan(_CPU, 16, 500, _wishes(dtype="bfloat16", pass_tokens=700), ways=Ways(dropout=0.1))
    before = {**began.as_dict(), "num_threads": 3, "packing": "plain"}
    again = make_plan(_CPU, 16, 500, _wishes(), ways=Ways(), before=before)
    assert (again.dtype, again.pass_tokens, again.packing) == ("bfloat16", 700, "plain")
    assert again.reasons["dtype"] == again.reasons["packing"] == "as this run began"
    assert hardware.dtype_for(_CPU, _wishes(), before) == "bfloat16"
    other = make_plan(_CPU, 16, 500, _wishes(dtype="float32", packing="prefix"), ways=Ways(), before=before)
    assert (other.dtype, other.packing) == ("float32", "prefix"), "a wish of today goes first"
    elsewhere = make_plan(_GPU, 16, 500, _wishes(), ways=Ways(), before=before)
    assert (elsewhere.pass_tokens, elsewhere.packing) == (16_384, "prefix"), "another device plans anew"
    old = {"device": "cpu", "dtype": "float32", "micro_batch": 4, "num_threads": 1}
    assert make_plan(_CPU, 16, 500, _wishes(), ways=Ways(), before=old).packing == "prefix"
