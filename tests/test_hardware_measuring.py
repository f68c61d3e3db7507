"""What is chosen from measured speeds, and that measuring leaves the process as it was."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from finetune.hardware import Machine, Speeds, dtype_for, make_plan, measured, measuring
from finetune.models import Sizes

_CPU = Machine("cpu", 4, 16 << 30, None, None, False)


@pytest.mark.parametrize(
    ("narrow", "wide", "expected"),
    [(300.0, 100.0, "bfloat16"), (150.0, 100.0, "bfloat16"), (149.0, 100.0, "float32"), (50.0, 100.0, "float32")],
)
def test_bfloat16_only_where_it_pays(narrow: float, wide: float, expected: str) -> None:
    assert Speeds({"float32": wide, "bfloat16": narrow}).dtype() == expected


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ({1: 100.0, 2: 190.0, 4: 360.0}, 4),
        ({1: 100.0, 2: 190.0, 4: 200.0}, 2),
        ({1: 100.0, 2: 21.0}, 1),
        ({1: 92.0, 2: 60.0, 4: 100.0}, 1),
        ({1: 100.0}, 1),
    ],
)
def test_the_fewest_threads_that_are_as_good(speeds: dict[int, float], expected: int) -> None:
    assert Speeds(threads=speeds).num_threads() == expected


def test_half_the_cpus_and_half_of_them_again() -> None:
    assert measuring.thread_counts(1) == [1]
    assert measuring.thread_counts(6) == [1, 3, 6]
    assert measuring.thread_counts(16) == [1, 2, 4, 8, 16]


def test_this_machine_is_measured_once_and_left_as_it_was() -> None:
    before = torch.get_num_threads()
    found = measured(2)
    assert torch.get_num_threads() == before
    assert set(found.formats) == {"float32", "bfloat16"} and set(found.threads) == {1, 2}
    assert all(speed > 0 for speed in (*found.formats.values(), *found.threads.values()))
    assert found.seconds > 0
    assert measured(2) is found
    assert set(found.as_dict()) == {"gflops_by_dtype", "gflops_by_threads", "seconds"}


def test_what_has_no_chance_is_timed_once() -> None:
    def taking(seconds: float) -> Any:
        return lambda: seconds

    times = measuring._in_turns({"good": taking(0.001), "near": taking(0.003), "hopeless": taking(0.1)})
    assert len(times["hopeless"]) == 1 and len(times["near"]) == len(times["good"]) == measuring._MOST_ROUNDS


def test_measuring_ends_when_its_time_is_up() -> None:
    def slow() -> float:
        time.sleep(0.1)
        return 0.1

    assert len(measuring._in_turns({"one": slow, "other": slow})["one"]) == measuring._LEAST_ROUNDS


def test_the_plan_says_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FINETUNE_MEASURE")
    monkeypatch.delenv("OMP_NUM_THREADS")
    speeds = Speeds({"float32": 109.2, "bfloat16": 446.0}, {1: 109.0, 2: 213.0, 4: 215.0}, 0.3)
    monkeypatch.setattr(measuring, "measured", lambda num_cpus, threads=True: speeds)
    plan = make_plan(_CPU, 16, 500)
    assert (plan.dtype, plan.num_threads) == ("bfloat16", 2)
    assert plan.reasons["dtype"] == (
        "measured: bfloat16 446 GFLOP/s, float32 109; hardware.dtype: float32 is slower and exact"
    )
    assert plan.reasons["num_threads"] == (
        "measured, GFLOP/s by number of threads: 1: 109, 2: 213, 4: 215; the fewest within a tenth of the best"
    )
    assert plan.measured["gflops_by_dtype"] == {"float32": 109.2, "bfloat16": 446.0}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert make_plan(_CPU, 16, 500).num_threads == 3
    monkeypatch.setenv("FINETUNE_MEASURE", "0")
    assert make_plan(_CPU, 16, 500).dtype == "float32"


def test_a_gpu_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FINETUNE_MEASURE")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(measuring, "measured", lambda *words, **more: pytest.fail("nothing is to be measured"))
    for here in (
        Machine("cuda", 8, 64 << 30, "GPU", 24 << 30, True),
        Machine("mps", 8, None, "Apple GPU", None, False),
    ):
        assert make_plan(here, 16, 500).num_threads == 8


def test_a_narrow_base_gains_nothing_from_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FINETUNE_MEASURE")
    speeds = Speeds({"float32": 100.0, "bfloat16": 400.0}, {1: 100.0, 2: 190.0, 4: 360.0})
    monkeypatch.setattr(measuring, "measured", lambda num_cpus, threads=True: speeds)
    narrow, wide = (Sizes(3_000_000, 0, 0, 50_000, 4_000, width, 4, 5_000, 512) for width in (256, 1_024))
    assert dtype_for(_CPU, sizes=narrow) == "float32"
    assert dtype_for(_CPU, sizes=wide) == dtype_for(_CPU) == "bfloat16"
    assert "width 256" in make_plan(_CPU, 16, 500, sizes=narrow).reasons["dtype"]
