"""Trackers: real files of trackio and tensorboard, nothing that leaves the machine, and what is said where it would."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import training_kit as kit

from finetune.errors import DivergedError, SurroundingsError
from finetune.runs import Run
from finetune.training import trackers

ROWS, HELD_OUT = kit.ragged_rows(16, 260), kit.ragged_rows(8, 260, seed=1)
_PRIVATE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "WANDB_MODE", "WANDB_BASE_URL", "MLFLOW_TRACKING_URI")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _PRIVATE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every connection to another machine is refused, and noted."""
    asked: list[Any] = []

    def refuse(self: socket.socket, address: Any, *_: Any) -> None:
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    return asked


def _train(run: Run, base: Path, names: tuple[str, ...], lines: list[str] | None = None, **words: Any) -> Any:
    resume = words.pop("resume", False)
    on_step = words.pop("on_step", None)
    settings = kit.settings(trackers=names, epochs=2.0, **words)
    tell = [].append if lines is None else lines.append
    return kit.train(run, base, ROWS, settings, held_out=HELD_OUT, tell=tell, resume=resume, on_step=on_step)


def _scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What tensorboard itself reads: tag -> step -> value."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    return {tag: {event.step: event.value for event in found.Scalars(tag)} for tag in found.Tags()["scalars"]}


def _trackio_rows(folder: Path) -> list[dict[str, Any]]:
    """What stands in trackio's data base."""
    (path,) = folder.glob("*.db")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("select step, metrics from metrics order by id").fetchall()
    return [{"step": step, **json.loads(metrics)} for step, metrics in rows]


def test_tensorboard_reads_what_stands_in_metrics_jsonl(tmp_path: Path, tiny_base: Path, no_network: list) -> None:
    run, lines = kit.new_run(tmp_path / "run"), []
    _train(run, tiny_base, ("tensorboard",), lines)
    found = _scalars(run.path / "tracking" / "tensorboard")
    entries = run.read_metrics()
    for tag, name in (
        ("train/loss", "loss"), ("train/learning_rate", "learning_rate"), ("train/grad_norm", "gradient_norm"),
        ("eval/loss", "held_out_loss"),
    ):  # fmt: skip
        wanted = {entry["step"]: entry[name] for entry in entries if name in entry}
        assert found[tag] == pytest.approx(wanted, rel=1e-6), tag
    said = next(line for line in lines if "tracker " in line)
    assert said == "tracker tensorboard: writes to tracking/ in the run folder; nothing leaves this machine"
    assert no_network == []


def test_trackio_holds_what_stands_in_metrics_jsonl(tmp_path: Path, tiny_base: Path, no_network: list) -> None:
    pytest.importorskip("trackio")
    for number in (1, 2):  # two runs of one process have two folders
        run, lines = kit.new_run(tmp_path / f"run{number}"), []
        _train(run, tiny_base, ("trackio",), lines, seed=number)
        rows = _trackio_rows(run.path / "tracking" / "trackio")
        by_step = {row["train/global_step"]: row for row in rows if "train/global_step" in row}
        entries = run.read_metrics()
        assert sorted(by_step) == [entry["step"] for entry in entries]
        for entry in entries:
            row = by_step[entry["step"]]
            assert row["train/loss"] == pytest.approx(entry["loss"])
            assert row.get("eval/loss") == pytest.approx(entry.get("held_out_loss"))
        said = next(line for line in lines if "tracker " in line)
        assert said == "tracker trackio: writes to tracking/ in the run folder; nothing leaves this machine"
    assert no_network == []


def test_nothing_of_this_machine_stands_in_the_files(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_notARealTokenAtAll")
    run = kit.new_run(tmp_path / "run")
    _train(run, tiny_base, ("trackio", "tensorboard"))
    files = kit.text_files(run.path / "tracking")
    assert {name.split("/")[0] for name in files} == {"trackio", "tensorboard"}
    secrets = [str(tmp_path), str(tiny_base), "hf_notARealTokenAtAll", str(Path.home()) + "/"]
    for name, data in files.items():
        assert socket.gethostname() not in name
        for secret in secrets:
            assert secret.encode() not in data, (name, secret)
    assert capfd.readouterr().out == ""  # stdout belongs to the command's data


def test_training_is_the_same_with_and_without(tmp_path: Path, tiny_base: Path) -> None:
    with_them, _ = _train(kit.new_run(tmp_path / "a"), tiny_base, ("trackio", "tensorboard"))
    without, _ = _train(kit.new_run(tmp_path / "b"), tiny_base, ())
    assert kit.adapter_hash(with_them) == kit.adapter_hash(without)
    assert not (tmp_path / "b" / "tracking").exists()  # off by default
    assert kit.settings().trackers == ()


def test_killed_and_resumed_each_step_is_there(tmp_path: Path, tiny_base: Path) -> None:
    run = kit.new_run(tmp_path / "run")

    def on_step(step: int, steps: int, loss: float) -> None:
        if step == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    pid = kit.fork(lambda: _train(run, tiny_base, ("tensorboard",), on_step=on_step), tmp_path / "answer.json")
    assert kit.wait(pid) == -signal.SIGKILL
    _train(run, tiny_base, ("tensorboard",), resume=True)
    found = _scalars(run.path / "tracking" / "tensorboard")["train/loss"]
    assert found == pytest.approx({entry["step"]: entry["loss"] for entry in run.read_metrics()}, rel=1e-6)


def test_a_tracker_that_fails_ends_no_training(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lines = kit.new_run(tmp_path / "run"), []
    from torch.utils.tensorboard import SummaryWriter

    def fails(self: Any, *_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(SummaryWriter, "add_scalar", fails)
    _, result = _train(run, tiny_base, ("tensorboard",), lines)
    assert result.num_steps == 8
    failures = [line for line in lines if "failed and is left out" in line]
    assert failures == ["tracker tensorboard failed and is left out from here on: no space left on device"]


def test_a_training_that_fails_leaves_no_name_of_this_machine(tmp_path: Path, tiny_base: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    with pytest.raises(DivergedError):
        _train(run, tiny_base, ("tensorboard",), learning_rate=1e30)
    names = kit.text_files(run.path / "tracking")
    assert names and not any(socket.gethostname() in name for name in names)


def test_a_folder_that_cannot_be_made_ends_no_training(tmp_path: Path, tiny_base: Path) -> None:
    run, lines = kit.new_run(tmp_path / "run"), []
    (run.path / "tracking").write_text("a file")
    _, result = _train(run, tiny_base, ("tensorboard",), lines)
    assert result.num_steps == 8
    assert any("tracker tensorboard failed" in line for line in lines)


# -- what is missing, and what is sent ---------------------------------------------------------------------------


def _is_missing(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name in names else find(name, *a))


def test_a_missing_package_is_told_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _is_missing(monkeypatch, "trackio", "tensorboard", "wandb", "mlflow")
    with pytest.raises(SurroundingsError) as caught:
        trackers.require_trackers(("trackio", "tensorboard", "wandb", "mlflow"), "recipe.yaml:4")
    assert caught.value.exit_code == 4
    assert str(caught.value).splitlines() == [
        f"recipe.yaml:4: train.trackers: needs a package that is not installed (got '{name}'). Fix: {command}"
        for name, command in (
            ("trackio", "pip install 'finetune-kit[trackers]'"),
            ("tensorboard", "pip install 'finetune-kit[trackers]'"),
            ("wandb", "pip install wandb"),
            ("mlflow", "pip install mlflow"),
        )
    ]
    trackers.require_trackers(())


def test_it_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from finetune import workflow

    recipe = kit.workspace(tmp_path)
    _is_missing(monkeypatch, "wandb")
    with pytest.raises(SurroundingsError, match="pip install wandb") as caught:
        workflow.run(recipe, tmp_path / "run", overrides=["train.trackers=[wandb]"])
    assert caught.value.exit_code == 4
    assert not (tmp_path / "run").exists()


def test_what_leaves_the_machine_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("trackio", "tensorboard", "wandb", "mlflow")
    assert all("nothing leaves this machine" in line for line in trackers.whereabouts(names))
    monkeypatch.setenv("TRACKIO_SPACE_ID", "clinic/numbers")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://nurse:geheim@mlflow.example.org:5000/?token=geheim")
    said = trackers.whereabouts(names)
    assert "SENDS losses" in said[0] and "the Space clinic/numbers on huggingface.co" in said[0]
    assert "nothing leaves this machine" in said[1]
    assert "to api.wandb.ai (WANDB_MODE=online)" in said[2]
    assert "to mlflow.example.org, as your environment says" in said[3]
    assert "geheim" not in "".join(said)


def test_what_a_tracker_finds_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """wandb and mlflow stay on this machine unless their own variables say otherwise."""
    assert trackers._variables("wandb", tmp_path)["WANDB_MODE"] == "offline"
    assert trackers._variables("wandb", tmp_path)["WANDB_DIR"] == str(tmp_path)
    assert trackers._variables("mlflow", tmp_path)["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_LOG_MODEL", "end")  # would send the weights
    found = trackers._variables("wandb", tmp_path)
    assert "WANDB_MODE" not in found and found["WANDB_LOG_MODEL"] == "false"


def test_trackers_may_change_on_resume(tmp_path: Path) -> None:
    from finetune import workflow
    from finetune.errors import StoppedError

    recipe = kit.workspace(tmp_path)
    with pytest.raises(StoppedError):
        workflow.run(recipe, tmp_path / "run", talk=kit.Interrupting(3))
    finished = workflow.run(recipe, tmp_path / "run", resume=True, overrides=["train.trackers=[tensorboard]"])
    assert finished.manifest["status"] == "finished"
    assert any("tracker tensorboard: writes to" in note for note in finished.manifest["notes"])
    assert sorted(_scalars(finished.path / "tracking" / "tensorboard")["train/loss"]) == [4, 5, 6]
