"""The benchmark of training speed: a tiny base, the kit and TRL in real processes, figures and page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    import benchmarks.speed as package

    return package


def test_a_round_of_the_kit_and_trl_is_measured_and_shown(speed, tmp_path: Path, capsys) -> None:
    from benchmarks.speed.__main__ import main
    from benchmarks.speed.runner import read_results

    words = ["--shape", "three", "--base", "tiny", "--rounds", "1", "--steps", "2", "--batch-size", "7"]
    words += ["--contenders", "kit,trl-best,trl-flash", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "trl-flash is left out: runs on cuda only" in capsys.readouterr().out
    records = {record["contender"]: record for record in read_results(tmp_path)}
    assert set(records) == {"kit", "trl-best"}
    told = json.loads((tmp_path / "speed.json").read_bytes())
    (session,) = told["sessions"]
    for name, record in records.items():
        assert len(record["steps"]) == len(record["losses"]) == 2  # the hook saw the optimizer's steps, each once
        assert record["steps"][0]["cpu"] < record["steps"][1]["cpu"] <= record["whole"]["cpu_seconds"]
        assert record["loaded"]["VmRSS"] <= record["steps"][0]["VmHWM"] <= record["whole"]["peak_bytes"]
        facts = session["contenders"][name]
        assert facts["same_work"]["same"] is True
        assert facts["examples_per_cpu_second"]["median"] > 0
        assert 0 < facts["float32_share"]["median"] < 1
    # The same two documents, seven rows each: the mean loss over both steps hardly depends on the order.
    assert session["loss_gap"]["widest"] < 0.02
    page = (tmp_path / "speed.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 5 and "trl-best" in page and "<script" not in page and str(tmp_path) not in page

    main(words)  # again: everything is there already
    assert len(read_results(tmp_path)) == 2


def test_rows_are_the_same_for_a_seed_and_as_long_as_the_shape_says(speed, tmp_path: Path) -> None:
    from benchmarks.speed.bases import base_folder
    from benchmarks.speed.shapes import write_shape

    base = base_folder("tiny", tmp_path, 0, "cpu")
    made = {shape: write_shape(shape, base, tmp_path / shape, 28, 3) for shape in ("one", "two", "three")}
    again = write_shape("one", base, tmp_path / "again", 28, 3)
    assert again.rows.read_bytes() == made["one"].rows.read_bytes()
    first = [ids[:220] for ids, _ in made["one"].encoded]
    assert all(ids == first[0] for ids in first)
    assert len({tuple(ids[:8]) for ids, _ in made["two"].encoded}) == 28
    sizes = [made["three"].documents.count(name) for name in dict.fromkeys(made["three"].documents)]
    assert sum(sizes) == 28 and all(6 <= size <= 8 for size in sizes)
    for files in made.values():
        assert all(labels[-1] != -100 and labels[0] == -100 for _, labels in files.encoded)


def test_the_least_arithmetic_counts_a_shared_prefix_once(speed) -> None:
    from benchmarks.speed.arithmetic import Least, least_of, least_operations

    rows = [([1, 2, 3, 4], [-100, -100, 3, 4]), ([1, 2, 3, 5, 6], [-100, -100, 3, 5, 6])]
    assert least_of(rows, shared=False) == Least(tokens=9, keys=10 + 15, labels=5)
    assert least_of(rows) == Least(tokens=6, keys=10 + 15 - 6, labels=4)
    config = {"hidden_size": 2, "intermediate_size": 3, "num_hidden_layers": 1, "num_attention_heads": 1,
              "num_key_value_heads": 1, "vocab_size": 10}  # fmt: skip
    # Body 34 weights, 12 of them without input gradient; LoRA of rank 1: 31; head 20 weights; attention 14 x width.
    expected = 6 * (2 * 34 + 2 * 22 + 6 * 31) + 4 * 4 * 20 + 14 * 19 * 2
    assert least_operations(config, 1, least_of(rows)) == expected


def test_the_hook_tells_each_step_of_the_optimizer_and_the_loaded_model(tmp_path: Path) -> None:
    program = (
        "import torch\n"
        "model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))\n"
        "model[0](torch.zeros(1, 4))\n"  # too small to be the base
        "optimizer = torch.optim.AdamW(model.parameters())\n"
        "for _ in range(3):\n"
        "    model(torch.ones(1, 4)).sum().backward()\n"
        "    optimizer.step()\n"
    )
    file = tmp_path / "steps.jsonl"
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "benchmarks" / "speed" / "hook"),
        "FINETUNE_BENCH_STEPS": str(file),
        "FINETUNE_BENCH_PARAMETERS": "40",
    }
    subprocess.run([sys.executable, "-c", program], env=surroundings, check=True, cwd=tmp_path)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["loaded", "step", "step", "step"]
    assert all(line["kind"] == "AdamW" for line in lines[1:])
    surroundings.pop("FINETUNE_BENCH_STEPS")
    file.unlink()
    subprocess.run([sys.executable, "-c", program], env=surroundings, check=True, cwd=tmp_path)
    assert not file.exists()


def test_a_contender_that_fails_is_told_and_the_others_go_on(speed, tmp_path: Path) -> None:
    from benchmarks.speed import figures, page, runner
    from benchmarks.speed.contenders.trl import Trl
    from benchmarks.speed.protocol import Job, Launch

    class Broken(Trl):
        def prepare(self, job: Job) -> Launch:
            return Launch([sys.executable, "-c", "raise SystemExit('no such word')"])

    said: list[str] = []
    session = runner.Session("two", "tiny", 2, 2)
    runner.measure(session, 1, [Broken("broken", "ends at once")], tmp_path, said.append)
    assert any("failed: exit code 1; no such word" in line for line in said)
    told = figures.of_folder(tmp_path)
    assert [entry["contender"] for entry in told["failures"]] == ["broken"]
    assert "broken, round 1: failed" in page.render(told)
