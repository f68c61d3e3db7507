"""Resumption: the same end, bit by bit; and whole runs that were stopped, changed, moved or finished already."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import training_kit as kit

from finetune import data, recipe, workflow
from finetune.errors import (
    CancelledError,
    DataError,
    FinetuneError,
    IntegrityError,
    RecipeError,
    RunError,
    StoppedError,
    SurroundingsError,
)
from finetune.runs import Run
from finetune.training import checkpoints as ck

# -- the same end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dropout", "epochs", "stop_after"),
    [
        pytest.param(0.0, 1.0, 3, id="half way"),
        pytest.param(0.1, 1.0, 3, id="with dropout"),
        pytest.param(0.1, 2.0, 3, id="at an epoch's end"),
        pytest.param(0.1, 1.5, 4, id="in a part of an epoch"),
        pytest.param(0.0, 1.5, 5, id="after the last step"),
    ],
)
def test_resumed_equals_uninterrupted_on_the_starter_base(
    tmp_path: Path, dropout: float, epochs: float, stop_after: int
) -> None:
    num_rows = 24 if epochs == 1.0 else 12
    rows = kit.ragged_rows(num_rows, 4096, shortest=6, longest=40)
    words = kit.settings(epochs=epochs, save_every=100, schedule="cosine", warmup=0.2)
    whole = kit.new_run(tmp_path / "whole")
    expected_model, expected = kit.train(whole, "starter", rows, words, dropout=dropout, micro_batch=2)
    halted = kit.new_run(tmp_path / "halted")
    with pytest.raises(StoppedError) as caught:
        kit.train(halted, "starter", rows, words, dropout=dropout, micro_batch=2, stop_after=stop_after)
    assert caught.value.exit_code == 75
    assert kit.saved_steps(halted)[0] == stop_after
    model, result = kit.train(halted, "starter", rows, words, dropout=dropout, micro_batch=2, resume=True)
    assert kit.adapter_hash(model) == kit.adapter_hash(expected_model)
    assert result.final_loss == pytest.approx(expected.final_loss, abs=1e-6)
    for name in ("num_steps", "tokens_seen", "trained_tokens_seen"):
        assert getattr(result, name) == getattr(expected, name), name
    assert halted.read_metrics() == whole.read_metrics()  # each step once, with the same numbers
    assert kit.steps_of(halted) == list(range(1, expected.num_steps + 1))


def test_dropout_is_really_at_work(tmp_path: Path, tiny_base: Path) -> None:
    """Else the cases above would say nothing about the state of the random numbers."""
    rows = kit.ragged_rows(8, 260)
    models = [kit.train(kit.new_run(tmp_path / str(d)), tiny_base, rows, dropout=d)[0] for d in (0.0, 0.1)]
    assert kit.adapter_hash(models[0]) != kit.adapter_hash(models[1])


def test_divergence_is_measured_against_the_first_start_after_a_resumption(tmp_path: Path, tiny_base: Path) -> None:
    rows = kit.ragged_rows(16, 260)
    run = kit.new_run(tmp_path / "run")
    with pytest.raises(StoppedError):
        kit.train(run, tiny_base, rows, kit.settings(log_every=50), stop_after=2)
    progress = ck.read_manifest(ck.checkpoints(run.checkpoints_dir)[0])["progress"]
    assert progress["start_loss"] == run.read_metrics()[0]["loss"] != progress["loss"]


# -- whole runs --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose run was stopped by SIGTERM after step 3 of 6."""
    folder = tmp_path_factory.mktemp("stopped")
    recipe = kit.workspace(folder)
    with pytest.raises(StoppedError, match="step 3 is saved") as caught:
        workflow.run(recipe, folder / "run", talk=kit.Interrupting(3))
    assert caught.value.exit_code == 75
    return folder


@pytest.fixture
def work(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the stopped workspace."""
    shutil.copytree(stopped, tmp_path / "work")
    return tmp_path / "work"


def _resume(work: Path, *overrides: str, **words: Any) -> Run:
    return workflow.run(work / "recipe.yaml", work / "run", resume=True, overrides=overrides, **words)


def _refused(work: Path, kind: type[FinetuneError], *overrides: str) -> str:
    before = kit.text_files(work / "run" / "checkpoints")
    with pytest.raises(kind) as caught:
        _resume(work, *overrides)
    assert type(caught.value) is kind
    assert kit.text_files(work / "run" / "checkpoints") == before
    return str(caught.value)


def test_fault_87_sigterm_leaves_a_resumable_run(work: Path) -> None:
    manifest = Run.open(work / "run").manifest
    assert (manifest["status"], manifest["exit_code"]) == ("interrupted", 75)
    assert manifest["ended_at"]
    assert not (work / "run" / "adapter").exists()
    talk = kit.Interrupting()
    finished = _resume(work, talk=talk)
    assert "resumed at step 3" in talk.lines
    assert (finished.manifest["status"], finished.manifest["exit_code"]) == ("finished", 0)
    assert kit.steps_of(finished) == [1, 2, 3, 4, 5, 6]
    assert [entry["step"] for entry in finished.manifest["resumes"]] == [3]
    assert finished.evaluation_path.is_file() and finished.report_path.is_file()
    assert finished.manifest["training"]["num_steps"] == 6


def test_fault_88_ctrl_c_once_saves_and_stops(tmp_path: Path) -> None:
    recipe = kit.workspace(tmp_path)
    with pytest.raises(CancelledError, match="step 3 is saved") as caught:
        workflow.run(recipe, tmp_path / "run", talk=kit.Interrupting(3, signal.SIGINT))
    assert caught.value.exit_code == 130
    run = Run.open(tmp_path / "run")
    assert (run.manifest["status"], run.manifest["exit_code"]) == ("interrupted", 130)
    assert kit.saved_steps(run) == [3, 2]
    assert kit.leftovers(run.checkpoints_dir) == []


def test_fault_88_ctrl_c_twice_stops_now(tmp_path: Path) -> None:
    class Twice(kit.Interrupting):
        def progress(self, name: str, done: int, total: int, loss: float | None = None) -> None:
            if name == "training" and done == 3:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

    recipe = kit.workspace(tmp_path)
    with pytest.raises(CancelledError, match="step 2 is saved"):
        workflow.run(recipe, tmp_path / "run", talk=Twice())
    run = Run.open(tmp_path / "run")
    assert (run.manifest["status"], kit.saved_steps(run)) == ("interrupted", [2])
    assert kit.steps_of(_resume(tmp_path)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_training_and_one_while_evaluating(tmp_path: Path, number: int) -> None:
    class Early(kit.Interrupting):
        def stage(self, name: str) -> None:
            if name == "train":
                os.kill(os.getpid(), number)

    recipe = kit.workspace(tmp_path)
    with pytest.raises((StoppedError, CancelledError), match="nothing was saved yet"):
        workflow.run(recipe, tmp_path / "run", talk=Early())
    assert Run.open(tmp_path / "run").manifest["status"] == "interrupted"

    class Late(kit.Interrupting):
        def stage(self, name: str) -> None:
            if name == "evaluate":
                os.kill(os.getpid(), number)

    with pytest.raises((StoppedError, CancelledError), match="step 6 is saved"):
        _resume(tmp_path, talk=Late())
    finished = _resume(tmp_path)
    assert finished.manifest["status"] == "finished"
    assert finished.manifest["training"]["num_steps"] == 6
    assert kit.steps_of(finished) == [1, 2, 3, 4, 5, 6]


def test_killed_while_evaluating_then_resumed(tmp_path: Path) -> None:
    """The training was done: nothing is trained again, its numbers are kept, the evaluation is made."""
    recipe = kit.workspace(tmp_path, kit.RECIPE.replace("epochs: 2", "epochs: 1.5"))
    pid = kit.fork(lambda: workflow.run(recipe, tmp_path / "run", talk=_KillAt("evaluate")), tmp_path / "answer.json")
    assert kit.wait(pid) == -signal.SIGKILL
    run = Run.open(tmp_path / "run")
    assert run.manifest["status"] == "running"
    before, weights = run.manifest["training"], (run.adapter_dir / "adapter_model.safetensors").read_bytes()
    finished = _resume(tmp_path)
    after = finished.manifest["training"]
    for name in ("num_steps", "final_loss", "tokens_seen", "trained_tokens_seen"):
        assert after[name] == before[name], name
    assert (run.adapter_dir / "adapter_model.safetensors").read_bytes() == weights
    assert after["path"] == before["path"] and after["path"]["proof"]["rows"] > 0
    assert kit.steps_of(finished) == [1, 2, 3, 4, 5]


class _KillAt(kit.Interrupting):
    def __init__(self, stage: str):
        super().__init__()
        self._at = stage

    def stage(self, name: str) -> None:
        if name == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def test_killed_before_anything_was_read(tmp_path: Path) -> None:
    recipe = kit.workspace(tmp_path)
    original = workflow.data.load

    def dies(*_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        workflow.data.load = dies
        workflow.run(recipe, tmp_path / "run")

    assert kit.wait(kit.fork(work, tmp_path / "answer.json")) == -signal.SIGKILL
    assert workflow.data.load is original
    (tmp_path / "run" / "recipe.resolved.yaml").write_text("")  # even earlier
    assert _resume(tmp_path).manifest["status"] == "finished"


def test_fault_86_output_that_cannot_be_made_is_found_out_before_anything_heavy(tmp_path: Path) -> None:
    recipe = kit.workspace(tmp_path)
    (tmp_path / "file").write_text("x")
    stages: list[str] = []

    class Watching(kit.Interrupting):
        def stage(self, name: str) -> None:
            stages.append(name)

    with pytest.raises(RunError, match="is a file, not a folder") as caught:
        workflow.run(recipe, tmp_path / "file", talk=Watching())
    assert caught.value.exit_code == 2
    with pytest.raises(SurroundingsError, match="cannot be made") as caught:
        workflow.run(recipe, tmp_path / "file" / "run", talk=Watching())
    assert caught.value.exit_code == 4
    assert stages == ["check", "check"]
    assert (tmp_path / "file").read_text() == "x"


def test_fault_89_second_process_in_the_same_folder(work: Path) -> None:
    run = Run.open(work / "run")
    ready = work / "ready"

    def hold() -> None:
        with Run.open(work / "run").locked():
            ready.write_text("x")
            time.sleep(60)

    pid = kit.fork(hold, work / "answer.json")
    try:
        while not ready.exists():
            time.sleep(0.01)
        text = _refused(work, RunError)
        import socket

        assert f"process {pid} on {socket.gethostname()}, since 20" in text
        with pytest.raises(RunError, match="already holds files of a run that is interrupted"):
            workflow.run(work / "recipe.yaml", work / "run")
        assert Run.open(work / "run").manifest == run.manifest
    finally:
        os.kill(pid, signal.SIGKILL)
        kit.wait(pid)
    assert _resume(work).manifest["status"] == "finished"  # the lock died with its holder


def test_fault_93_no_epochs(tmp_path: Path) -> None:
    recipe = kit.workspace(tmp_path)
    with pytest.raises(RecipeError, match=r"train\.epochs"):
        workflow.run(recipe, tmp_path / "run", overrides=["train.epochs=0"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("key", "value", "old"),
    [
        ("train.learning_rate", "0.001", "0.005"),
        ("train.seed", "7", "0"),
        ("adapter.r", "8", "4"),
        ("train.epochs", "1", "2.0"),
        ("train.epochs", "9", "2.0"),
        ("data.max_length", "190", "200"),
        ("data.held_out", "0.3", "0.25"),
        ("adapter.dropout", "0.1", "0.0"),
    ],
)
def test_fault_101_105_recipe_changed(work: Path, key: str, value: str, old: str) -> None:
    text = _refused(work, RunError, f"{key}={value}")
    assert f"{key}: differs from the run" in text
    assert f"{old} then, {float(value) if '.' in old else value} now" in text
    assert "without --resume" in text


def test_fault_101_all_differences_at_once(work: Path) -> None:
    text = _refused(work, RunError, "train.seed=7", "adapter.r=8", "train.learning_rate=1e-4")
    assert all(key in text for key in ("train.seed", "adapter.r", "train.learning_rate"))


def test_fault_101_free_settings_pass_and_count(work: Path) -> None:
    class Watching(kit.Interrupting):
        saved: list[list[int]] = []

        def progress(self, name: str, done: int, total: int, loss: float | None = None) -> None:
            if name == "training":
                self.saved.append(kit.saved_steps(Run.open(work / "run")))

    talk = Watching()
    overrides = ("train.save_every=1", "train.log_every=3", "evaluate.max_new_tokens=3", "hardware.micro_batch=4")
    finished = _resume(work, *overrides, talk=talk)
    # Before step 5 ends, step 4 was saved: upstream would have gone on with the old interval of 2.
    assert [steps[0] for steps in talk.saved] == [3, 4, 5]
    assert finished.manifest["status"] == "finished"
    assert any(
        "the plan changed on resume" in note and "micro_batch 2 -> 4" in note for note in finished.manifest["notes"]
    )
    assert "max_new_tokens: 3" in finished.resolved_path.read_text()


def test_a_recipe_that_extends_another_resumes(tmp_path: Path) -> None:
    kit.workspace(tmp_path)
    (tmp_path / "recipe.yaml").rename(tmp_path / "parent.yaml")
    (tmp_path / "recipe.yaml").write_text("recipe: 1\nname: child\nextends: parent.yaml\ntrain: {seed: 3}\n")
    with pytest.raises(StoppedError):
        workflow.run(tmp_path / "recipe.yaml", tmp_path / "run", talk=kit.Interrupting(3))
    assert _resume(tmp_path).manifest["status"] == "finished"


def _hashes(text: str) -> list[str]:
    import re

    return re.findall(r"\b([0-9a-f]{12}) then, ([0-9a-f]{12}) now", text)


def _edit_rows(work: Path) -> None:
    path = work / "rows.csv"
    path.write_text(path.read_text().replace("hello", "hello kind", 1))


def _edit_weights(work: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = work / "base" / "model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name] + 1e-4
    save_file(tensors, path, metadata={"format": "pt"})


def _edit_template(work: Path) -> None:
    path = work / "base" / "chat_template.jinja"
    path.write_text(path.read_text().replace("content + '<|im_end|>\\n'", "content + '<|im_end|>\\n\\n'"))


@pytest.mark.parametrize(
    ("edit", "section"), [(_edit_rows, "data"), (_edit_weights, "base"), (_edit_template, "template")]
)
def test_fault_102_something_else_changed(work: Path, edit: Callable[[Path], None], section: str) -> None:
    notes = Run.open(work / "run").manifest["notes"]
    resolved = (work / "run" / "recipe.resolved.yaml").read_text()
    edit(work)
    text = _refused(work, IntegrityError)
    assert f"{section}:" in text
    (then, now), *_ = _hashes(text)
    assert then != now
    manifest = Run.open(work / "run").manifest
    assert (manifest["status"], manifest["exit_code"]) == ("failed", 3)
    assert manifest["notes"] == notes  # nothing of what was refused is recorded
    assert (work / "run" / "recipe.resolved.yaml").read_text() == resolved


def test_fault_59_file_changed_between_start_and_resume(work: Path) -> None:
    then = Run.open(work / "run").manifest["data"]["fingerprint"]
    _edit_rows(work)
    now = data.load(recipe.load(work / "recipe.yaml")).report.fingerprint
    assert _refused(work, IntegrityError) == (
        f"run: data: the data files were changed since the run began (got {then[:12]} then, {now[:12]} now). "
        "Fix: put it back, or start a new run"
    )


def test_fault_102_put_back_it_goes_on(work: Path) -> None:
    with kit.changed_bytes(work / "rows.csv", lambda data: data.replace(b"hello", b"hi", 1)):
        _refused(work, IntegrityError)
    assert _resume(work).manifest["status"] == "finished"


def test_fault_103_other_versions_are_noted(work: Path) -> None:
    run = Run.open(work / "run")
    environment = run.manifest["environment"]
    environment["versions"]["torch"] = "2.6.0"
    run.update(environment=environment)
    notes = " ".join(_resume(work).manifest["notes"])
    assert "versions changed on resume" in notes and "torch 2.6.0 -> " in notes
    assert "not promised" in notes


def test_unchanged_surroundings_leave_no_such_note(work: Path) -> None:
    assert "on resume" not in " ".join(_resume(work).manifest["notes"])


def test_fault_100_in_a_whole_run(work: Path) -> None:
    shutil.copytree(work / "run" / "checkpoints" / "step-000003", work / "run" / "checkpoints" / "checkpoint-999")
    shutil.copytree(work / "run" / "checkpoints" / "step-000003", work / "run" / "checkpoints" / "step-000999")
    talk = kit.Interrupting()
    finished = _resume(work, talk=talk)
    assert any("skipped" in line and "step-000999" in line for line in talk.lines)
    assert kit.steps_of(finished) == [1, 2, 3, 4, 5, 6]


def test_fault_110_run_folder_moved_elsewhere(work: Path, tmp_path: Path) -> None:
    target = tmp_path / "far" / "away" / "from" / "home"
    target.parent.mkdir(parents=True)
    shutil.move(work / "run", target)
    finished = workflow.run(work / "recipe.yaml", target, resume=True)
    assert finished.manifest["status"] == "finished"
    assert kit.steps_of(finished) == [1, 2, 3, 4, 5, 6]


def test_fault_110_recipe_rows_and_base_moved(work: Path, tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    home.mkdir(parents=True)
    for name in ("recipe.yaml", "rows.csv", "base"):
        shutil.move(work / name, home / name)
    assert workflow.run(home / "recipe.yaml", work / "run", resume=True).manifest["status"] == "finished"


def test_fault_110_other_rows_of_another_name_are_refused(work: Path) -> None:
    (work / "others.csv").write_text((work / "rows.csv").read_text().replace("kind", "hi"))
    assert "the data files were changed" in _refused(work, IntegrityError, f"data.train={work / 'others.csv'}")


def test_none_whole_fails_with_all_names(work: Path) -> None:
    for step in (2, 3):
        (work / "run" / "checkpoints" / f"step-{step:06d}" / "optimizer.pt").write_bytes(b"")
    text = _refused(work, RunError)
    assert "step-000002" in text and "step-000003" in text and "start a new run" in text


def test_finished_runs_are_not_resumed(work: Path) -> None:
    _resume(work)
    assert "is finished already" in _refused(work, RunError)


def test_resume_needs_a_run(tmp_path: Path) -> None:
    recipe = kit.workspace(tmp_path)
    with pytest.raises(RunError, match="--output"):
        workflow.run(recipe, resume=True)
    with pytest.raises(RunError, match="no such run folder"):
        workflow.run(recipe, tmp_path / "nowhere", resume=True)


def test_disk_full_hides_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When even the manifest cannot be written, the first error is the one that is told."""
    recipe = kit.workspace(tmp_path)
    (tmp_path / "rows.csv").write_text("question,answer\n")
    original = Run.update

    def update(self: Run, **fields: Any) -> None:
        if fields.get("status") == "failed":
            raise SurroundingsError("manifest.json: cannot be written: no space left")
        original(self, **fields)

    monkeypatch.setattr(Run, "update", update)
    with pytest.raises(DataError):
        workflow.run(recipe, tmp_path / "run")


def test_in_another_thread_signals_are_left_alone(work: Path) -> None:
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(_resume(work).manifest["status"]))
    thread.start()
    thread.join()
    assert done == ["finished"]


def test_finished_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the manifest says finished, everything else is there and stays as it is."""
    recipe = kit.workspace(tmp_path)
    seen: list[set[str]] = []
    original = Run.update

    def update(self: Run, **fields: Any) -> None:
        original(self, **fields)
        if fields.get("status") == "finished":
            seen.append({p.name for p in self.path.iterdir()})

    monkeypatch.setattr(Run, "update", update)
    run = workflow.run(recipe, tmp_path / "run")
    names = {"adapter", "evaluation.json", "samples.jsonl", "report.html", "check.json", "plan.json", "metrics.jsonl"}
    assert len(seen) == 1 and names <= seen[0]
    newest = max((p for p in run.path.rglob("*") if p.is_file() and p.name != "report.html"), key=os.path.getmtime)
    assert newest.name in ("manifest.json", ".lock")
