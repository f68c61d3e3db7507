"""The plan: what is chosen on which machine, with a reason for each choice."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

from finetune import hardware
from finetune.errors import SurroundingsError
from finetune.hardware import Machine, Plan, machine, make_plan
from finetune.models import Sizes

_CPU = Machine("cpu", 4, 16 << 30, None, None, False)
_GPU = Machine("cuda", 8, 64 << 30, "Some GPU", 24 << 30, True)
_OLD_GPU = Machine("cuda", 8, 64 << 30, "Old GPU", 8 << 30, False)


def _wishes(**words: Any) -> Any:
    return SimpleNamespace(**{"dtype": "auto", "attention": "auto", "micro_batch": None, **words})


@pytest.mark.parametrize("here", [_CPU, _GPU, _OLD_GPU, Machine("mps", 8, None, "Apple GPU", None, False)])
@pytest.mark.parametrize("longest", [1, 60, 500, 5_000, 100_000])
@pytest.mark.parametrize("batch_size", [1, 7, 16, 30])
def test_batch_size_is_kept_whatever_is_chosen(here: Machine, longest: int, batch_size: int) -> None:
    plan = make_plan(here, batch_size, longest)
    assert plan.micro_batch * plan.accumulation == batch_size
    assert plan.micro_batch == 1 or plan.micro_batch * longest <= 16_384


def test_every_choice_has_a_reason() -> None:
    for wishes in (None, _wishes(), _wishes(dtype="float32", attention="eager", micro_batch=2)):
        plan = make_plan(_CPU, 16, 100, wishes)
        assert set(plan.reasons) == {field.name for field in fields(Plan)} - {"reasons", "memory"}
        assert all(plan.reasons.values())
    assert set(make_plan(_CPU, 16, 100).as_dict()) == {field.name for field in fields(Plan)}


def test_cpu_is_exact_and_cuts_long_rows_small() -> None:
    plan = make_plan(_CPU, 16, 512)
    assert (plan.device, plan.dtype, plan.attention) == ("cpu", "float32", "sdpa")
    assert (plan.micro_batch, plan.accumulation) == (8, 2)
    assert not plan.activation_checkpointing


def test_gpus() -> None:
    assert make_plan(_GPU, 16, 512).dtype == "bfloat16"
    assert make_plan(_OLD_GPU, 16, 512).dtype == "float32"
    assert not make_plan(_GPU, 16, 512).activation_checkpointing
    assert make_plan(_OLD_GPU, 16, 512).activation_checkpointing
    assert make_plan(_GPU, 16, 512).reasons["device"] == "Some GPU"


def test_wishes_are_followed_and_named() -> None:
    plan = make_plan(_GPU, 16, 512, _wishes(dtype="float16", attention="eager", micro_batch=2))
    assert (plan.dtype, plan.attention, plan.micro_batch, plan.accumulation) == ("float16", "eager", 2, 8)
    for key in ("dtype", "attention", "micro_batch"):
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
    monkeypatch.setattr("finetune.hardware._num_cpus", lambda: 4)
    plan = make_plan(_CPU, 16, 512)
    assert (plan.num_threads, plan.reasons["num_threads"]) == (expected, reason)


def test_this_machine() -> None:
    import os

    here = machine()
    assert here.device in ("cpu", "cuda", "mps")
    assert 1 <= here.num_cpus <= (os.cpu_count() or 1)
    assert (here.gpu_name is None) == (here.device == "cpu")
    assert here.memory_bytes is None or here.memory_bytes > 1 << 28


# About Qwen3-8B with an adapter of rank 16.
_BIG = Sizes(8_190_735_360, 6_946_816_000, 50_331_648, 43_646_976, 151_936, 4_096, 36, 2_000_000, 147_456)


def test_fault_80_not_enough_memory_is_said_with_three_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "free_memory", lambda device: 22 << 30)
    with pytest.raises(SurroundingsError) as caught:
        make_plan(_GPU, 16, 2_048, None, _BIG)
    assert str(caught.value) == (
        "hardware: needs about 22.2 GiB of memory, and 22.0 GiB are free on this GPU (GiB: weights 15.26, adapter "
        "0.65, activations 0.97, logits 4.64, fixed 0.68) (got 1 row of 2,048 tokens a pass, a base of 8.2 billion "
        "parameters). Fix: one or more of: base.quantization: 4bit (needs 12.8 GiB); data.max_length: 1024 (needs "
        "19.4 GiB); a base of at most 7.3 billion parameters"
    )
    assert caught.value.exit_code == 4


def _advice(monkeypatch: pytest.MonkeyPatch, free: float, sizes: Sizes, here: Machine = _GPU, **words: Any) -> str:
    """What is advised where `free` GiB are free."""
    monkeypatch.setattr(hardware, "free_memory", lambda device: int(free * 2**30))
    given: dict[str, Any] = {"wishes": None, "quantization": "none", "tokens": 2_048, **words}
    with pytest.raises(SurroundingsError) as caught:
        make_plan(here, 16, given["tokens"], given["wishes"], sizes, given["quantization"])
    return str(caught.value).partition("Fix: ")[2]


def test_only_changes_that_help_are_advised_the_largest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.importlib.util, "find_spec", lambda name: object())
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
    monkeypatch.setattr(hardware, "free_memory", lambda device: 20 << 30)
    hardware.require_room(8_000_000_000, 0, "bfloat16", "cuda")
    hardware.require_room(30_000_000_000, 29_000_000_000, "bfloat16", "cuda", "4bit")
    with pytest.raises(SurroundingsError) as caught:
        hardware.require_room(8_190_735_360, 0, "float32", "cpu", label="Qwen/Qwen3-8B")
    assert str(caught.value) == (
        "Qwen/Qwen3-8B: its weights need about 30.7 GiB of memory, and 20.0 GiB are free in this machine (got 8.2 "
        "billion parameters in float32). Fix: end what else holds memory, use a machine with more of it, or take a "
        "smaller base (a GPU that computes bfloat16 needs 15.4 GiB)"
    )
    monkeypatch.setattr(hardware, "free_memory", lambda device: None)
    hardware.require_room(8_190_735_360, 0, "float32", "cpu")


def test_small_sizes_are_told_in_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "free_memory", lambda device: 5 << 30)
    small = Sizes(3_000_000, 0, 0, 50_000, 4_000, 128, 4, 5_000, 512)
    plan = make_plan(_CPU, 16, 64, None, small)
    told = plan.lines()[-1]
    assert told.startswith("memory: about ") and "GiB - estimated (MiB: weights 11, adapter 1," in told
    assert "0.00" not in told and len([line for line in plan.lines() if "memory" in line.partition(":")[0]]) == 1


def test_memory_decides_rows_a_pass_and_checkpointing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "free_memory", lambda device: None)
    roomy = make_plan(Machine("cuda", 8, 64 << 30, "Large GPU", 140 << 30, True), 16, 1_024, None, _BIG)
    assert (roomy.micro_batch, roomy.activation_checkpointing) == (8, False)
    tight = make_plan(Machine("cuda", 8, 64 << 30, "GPU", 32 << 30, True), 16, 1_024, None, _BIG)
    assert tight.micro_batch < 8 and tight.micro_batch * tight.accumulation == 16
    assert "GiB of memory" in tight.reasons["micro_batch"]
    assert tight.memory_gib is not None and tight.memory_gib < 0.9 * 32
    four = make_plan(Machine("cuda", 8, 64 << 30, "GPU", 32 << 30, True), 16, 1_024, None, _BIG, "4bit")
    assert four.memory["weights"] < 0.5 * tight.memory["weights"]
    wished = make_plan(Machine("cuda", 8, 64 << 30, "GPU", 32 << 30, True), 16, 1_024, _wishes(micro_batch=16), _BIG)
    assert wished.micro_batch == 16 and wished.activation_checkpointing


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
    assert hardware._group_limits(tmp_path) == [(8 << 30, 3 << 30)]
    monkeypatch.setattr(hardware, "_group_limits", lambda: [(8 << 30, 7 << 30)])
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
