"""The plan: what is chosen on which machine, with a reason for each choice."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

from finetune.errors import SurroundingsError
from finetune.hardware import Machine, Plan, machine, make_plan

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
        assert set(plan.reasons) == {field.name for field in fields(Plan)} - {"reasons"}
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
