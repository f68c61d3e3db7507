"""The held-out curve: where it is measured, which adapter is kept, early stop, overfitting; kills and damage."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import training_kit as kit

from finetune.errors import RecipeError, RunError, StoppedError
from finetune.runs import Run
from finetune.training import checkpoints as ck
from finetune.training import curve as curves
from finetune.training import keeping

# 30 rows seen 20 times with a rate that learns them by heart: 160 steps; other rows are held out.
_WORDS: dict[str, Any] = {"epochs": 20.0, "learning_rate": 1e-2, "save_every": 20, "log_every": 1}
_ADAPTER: dict[str, Any] = {"r": 16}


def _rows(num: int, seed: int) -> list[kit.Pair]:
    """Answers that are chance alone, so that they can only be memorised."""
    draw = random.Random(seed)
    rows = []
    for _ in range(num):
        question = [draw.randrange(3, 250) for _ in range(5)]
        answer = [draw.randrange(3, 250) for _ in range(5)] + [2]
        rows.append((question + answer, [-100] * len(question) + answer))
    return rows


TRAIN, HELD_OUT = _rows(30, 1), _rows(40, 2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny

    return tiny.save_base(tmp_path_factory.mktemp("bases") / "tiny", initializer_range=0.1)


def _train(run: Run, base: Path, lines: list[str] | None = None, **changes: Any) -> tuple[Any, Any]:
    kinds = {name: changes.pop(name) for name in ("resume", "stop_after", "on_step") if name in changes}
    kinds["tell"] = [].append if lines is None else lines.append
    held_out = changes.pop("held_out", HELD_OUT)
    words = kit.settings(**{**_WORDS, **changes})
    return kit.train(
        run,
        base,
        TRAIN,
        words,
        adapter=_ADAPTER,
        held_out=held_out,
        **kinds,
    )


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory: pytest.TempPathFactory, base: Path) -> dict[str, Any]:
    """The uninterrupted run that overfits."""
    run, lines, hashes = kit.new_run(tmp_path_factory.mktemp("overfit") / "run"), [], {}
    model, tokenizer = kit.adapted(base, **_ADAPTER)
    words = kit.settings(**_WORDS)
    from finetune import training

    def on_step(step: int, steps: int, loss: float) -> None:
        hashes[step] = kit.adapter_hash(model)

    result = training.train(
        model, tokenizer, training.TrainingRows(TRAIN, HELD_OUT), words, kit.plan(), run, "tiny",
        on_step=on_step, tell=lines.append,
    )  # fmt: skip
    return {"run": run, "lines": lines, "hashes": hashes, "result": result, "hash": kit.adapter_hash(model)}


# -- the best adapter --------------------------------------------------------------------------------------------


def test_the_adapter_of_the_lowest_point_is_kept_and_said(overfitted: dict[str, Any]) -> None:
    best, steps = overfitted["result"].best, overfitted["result"].num_steps
    losses = {point["step"]: point["held_out_loss"] for point in best["points"]}
    lowest = min(losses, key=lambda step: losses[step])
    assert (best["step"], best["kept"], best["kept_step"]) == (lowest, "best", lowest)
    assert best["held_out_loss"] == losses[lowest] < best["last_held_out_loss"] == losses[steps]
    assert 0 < lowest < steps == best["last_step"] == best["planned_steps"]
    # What the model holds now is bit by bit what it held after that step.
    assert overfitted["hash"] == overfitted["hashes"][lowest] != overfitted["hashes"][steps]
    line = f"kept the adapter of step {lowest} of {steps}: held-out loss {losses[lowest]:.3f} ({losses[steps]:.3f} at "
    assert f"{line}the end)" in overfitted["lines"]
    assert json.loads(json.dumps(best, allow_nan=False)) == best


def test_overfitting_is_found_and_said(overfitted: dict[str, Any]) -> None:
    found = overfitted["result"].best["overfit"]
    assert found["found"] is True
    assert found["from_step"] == overfitted["result"].best["step"]
    assert 0 < found["difference"]["low"] <= found["difference"]["mean"] <= found["difference"]["high"]
    assert found["difference"]["num_rows"] >= 20
    assert found["why"] in overfitted["lines"]
    assert "overfitting: after step" in found["why"] and "the training loss fell from" in found["why"]


def test_a_short_run_that_goes_on_learning_does_not_overfit(tmp_path: Path, base: Path) -> None:
    lines: list[str] = []
    _, result = _train(kit.new_run(tmp_path / "run"), base, lines, epochs=2.0, learning_rate=2e-3)
    assert result.best["overfit"]["found"] is False
    assert result.best["step"] == result.best["kept_step"] == result.num_steps
    assert any(line.startswith("kept the adapter of the last step, step 16 of 16: held-out loss") for line in lines)
    assert not any("overfitting" in line for line in lines)


def test_keep_last_keeps_the_last_and_writes_no_other(tmp_path: Path, base: Path, overfitted: dict[str, Any]) -> None:
    lines: list[str] = []
    run = kit.new_run(tmp_path / "run")
    model, result = _train(run, base, lines, keep="last")
    assert kit.adapter_hash(model) == overfitted["hashes"][result.num_steps]
    assert (result.best["kept"], result.best["kept_step"]) == ("last", result.num_steps)
    assert result.best["step"] == overfitted["result"].best["step"]
    assert result.best["overfit"] == overfitted["result"].best["overfit"]
    assert not list(run.checkpoints_dir.glob("best-*"))
    assert any("as train.keep says" in line for line in lines)


def test_without_held_out_rows_the_last_is_kept(tmp_path: Path, base: Path) -> None:
    lines: list[str] = []
    _, result = _train(kit.new_run(tmp_path / "run"), base, lines, held_out=[], epochs=1.0)
    assert result.best is None
    assert lines == ["kept the adapter of the last step: no rows are held out to choose one by"]
    with pytest.raises(RecipeError, match=r"train\.early_stop: needs held-out rows"):
        _train(kit.new_run(tmp_path / "other"), base, held_out=[], early_stop=1)


# -- kills, resumption, disks ------------------------------------------------------------------------------------


def _same_end(run: Run, model: Any, result: Any, expected: dict[str, Any]) -> None:
    assert kit.adapter_hash(model) == expected["hash"]
    assert result.best == expected["result"].best
    assert run.read_metrics() == expected["run"].read_metrics()
    assert _kept_files(run) == _kept_files(expected["run"])
    assert kit.leftovers(run.checkpoints_dir) == []


def _kept_files(run: Run) -> dict[str, bytes]:
    found = kit.text_files(run.checkpoints_dir)
    return {name: data for name, data in found.items() if name.startswith("best-") and name.endswith(".safetensors")}


@pytest.mark.parametrize("after_best", [-30, -1, 0, 1, 25], ids=["before", "just before", "at", "just after", "later"])
def test_killed_and_resumed_the_same_adapter_is_kept(
    tmp_path: Path, base: Path, overfitted: dict[str, Any], after_best: int
) -> None:
    """SIGKILL, so nothing is tidied up: what was kept after the last checkpoint is forgotten and found again."""
    run = kit.new_run(tmp_path / "run")
    at = max(21, overfitted["result"].best["step"] + after_best)

    def on_step(step: int, steps: int, loss: float) -> None:
        if step == at:
            os.kill(os.getpid(), signal.SIGKILL)

    pid = kit.fork(lambda: _train(run, base, on_step=on_step), tmp_path / "answer.json")
    assert kit.wait(pid) == -signal.SIGKILL
    model, result = _train(run, base, resume=True)
    _same_end(run, model, result, overfitted)


def test_killed_at_every_file_operation_around_the_keeping(
    tmp_path: Path, base: Path, overfitted: dict[str, Any]
) -> None:
    """End the process before each file operation of one point's keeping: a best folder is whole, or is not there."""
    best = overfitted["result"].best["step"]
    every = best - 1  # so that the last checkpoint before it is near
    home = tmp_path / "home"
    run = kit.new_run(home / "run")
    seen = 0
    for count in range(1, 200):
        shutil.rmtree(home)
        run = kit.new_run(home / "run")

        def work(run: Run = run, count: int = count) -> None:
            from test_training_saves import _exit_at

            def on_step(step: int, steps: int, loss: float) -> None:
                if step == every:
                    _exit_at(count)
                if step == best:
                    os._exit(0)

            _train(run, base, on_step=on_step, save_every=10_000)

        code = kit.wait(kit.fork(work, tmp_path / "answer.json"))
        assert code in (0, 9)
        for path in run.checkpoints_dir.glob("best-*"):
            assert keeping.why_lost(run.checkpoints_dir, int(path.name[-6:]), run.manifest["run_id"]) is None
        seen += 1
        if code == 0:
            break
    assert seen > 8


def test_a_best_that_was_replaced_is_there_while_a_checkpoint_names_it(tmp_path: Path, base: Path) -> None:
    """Every whole checkpoint finds the best that it knew, so going back to an older one loses nothing."""
    run, found = kit.new_run(tmp_path / "run"), []

    def on_step(step: int, steps: int, loss: float) -> None:
        for checkpoint in ck.checkpoints(run.checkpoints_dir):
            best = ck.read_manifest(checkpoint)["progress"]["curve"]["best_step"]
            if best is not None:
                found.append(keeping.why_lost(run.checkpoints_dir, best, run.manifest["run_id"]))
        assert len(list(run.checkpoints_dir.glob("best-*"))) <= 3

    _train(run, base, on_step=on_step, evaluate_every=2, save_every=5, epochs=4.0)
    assert len(found) > 20 and set(found) == {None}
    assert len(list(run.checkpoints_dir.glob("best-*"))) == 1


def test_the_newest_checkpoint_damaged_the_older_goes_on_to_the_same_end(
    tmp_path: Path, base: Path, overfitted: dict[str, Any]
) -> None:
    run = kit.new_run(tmp_path / "run")
    with pytest.raises(StoppedError):
        _train(run, base, stop_after=overfitted["result"].best["step"] + 1)
    newest = ck.checkpoints(run.checkpoints_dir)[0]
    (newest.path / "optimizer.pt").unlink()
    model, result = _train(run, base, resume=True)
    _same_end(run, model, result, overfitted)


@pytest.mark.parametrize("when", ["before the resumption", "at the end"])
def test_a_kept_adapter_that_was_damaged_is_never_taken(
    tmp_path: Path, base: Path, overfitted: dict[str, Any], when: str
) -> None:
    best, lines = overfitted["result"].best["step"], []
    run = kit.new_run(tmp_path / "run")
    path = keeping.kept(run.checkpoints_dir, best).path / "adapter_model.safetensors"

    def damage(step: int = 0, steps: int = 0, loss: float = 0.0) -> None:
        if step in (0, result_steps):
            raw = bytearray(path.read_bytes())
            raw[len(raw) // 2] ^= 1
            path.write_bytes(bytes(raw))

    result_steps = overfitted["result"].num_steps
    if when == "at the end":
        model, result = _train(run, base, lines, on_step=damage)
        assert result.best["kept_step"] == result_steps
        assert kit.adapter_hash(model) == overfitted["hashes"][result_steps]
        assert any(f"the adapter of step {best} cannot be used" in line for line in lines)
        return
    with pytest.raises(StoppedError):
        _train(run, base, stop_after=best + 1)
    damage()
    model, result = _train(run, base, lines, resume=True)
    assert any(f"the adapter kept of step {best} cannot be used" in line for line in lines)
    after = [point for point in result.best["points"] if point["step"] > best]
    assert result.best["step"] == min(after, key=lambda point: point["held_out_loss"])["step"]
    assert kit.adapter_hash(model) == overfitted["hashes"][result.best["kept_step"]]


def test_a_full_disk_while_keeping_ends_with_4_and_resumes_to_the_same_end(
    tmp_path: Path, base: Path, overfitted: dict[str, Any]
) -> None:
    run = kit.new_run(tmp_path / "run")
    best = overfitted["result"].best["step"]
    size = (keeping.kept(overfitted["run"].checkpoints_dir, best).path / "adapter_model.safetensors").stat().st_size

    def work() -> None:
        def on_step(step: int, steps: int, loss: float) -> None:
            if step == best - 1:
                resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, resource.RLIM_INFINITY))

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _train(run, base, on_step=on_step, save_every=max(1, best - 2))

    answer = kit.in_child(work, tmp_path / "answer.json")
    assert (answer["error"], answer["code"]) == ("SurroundingsError", 4), answer
    assert "the adapter of the best step could not be written" in answer["text"] and "--resume" in answer["text"]
    assert kit.leftovers(run.checkpoints_dir) == []
    model, result = _train(run, base, resume=True)
    _same_end(run, model, result, overfitted)


def test_strangers_are_not_touched(tmp_path: Path, base: Path, overfitted: dict[str, Any]) -> None:
    run = kit.new_run(tmp_path / "run")
    foreign = keeping.kept(overfitted["run"].checkpoints_dir, overfitted["result"].best["step"]).path
    run.checkpoints_dir.mkdir()
    shutil.copytree(foreign, run.checkpoints_dir / "best-000999")
    (run.checkpoints_dir / "best-of-mine").mkdir()
    _train(run, base, epochs=2.0)
    assert (run.checkpoints_dir / "best-000999").is_dir() and (run.checkpoints_dir / "best-of-mine").is_dir()


# -- early stop --------------------------------------------------------------------------------------------------


def test_early_stop_ends_the_run_and_says_why(tmp_path: Path, base: Path, overfitted: dict[str, Any]) -> None:
    lines: list[str] = []
    run = kit.new_run(tmp_path / "run")
    model, result = _train(run, base, lines, early_stop=2)
    best = result.best
    steps = [point["step"] for point in best["points"]]
    assert steps.index(best["step"]) == len(steps) - 3  # two points without a lower one, and not one more
    assert result.num_steps == steps[-1] == best["early_stop"]["step"] < best["planned_steps"] == 160
    assert f"stopped early at step {steps[-1]} of 160: 2 held-out points in a row" in best["early_stop"]["why"]
    assert best["early_stop"]["why"] in lines
    assert kit.adapter_hash(model) == overfitted["hashes"][best["step"]]
    assert kit.steps_of(run)[-1] == result.num_steps == kit.saved_steps(run)[0]


def test_a_run_stopped_early_is_not_trained_on_when_resumed(tmp_path: Path, base: Path) -> None:
    """Killed while evaluating: all that was to be learnt is learnt."""
    run = kit.new_run(tmp_path / "run")
    model, result = _train(run, base, early_stop=2)
    again, resumed = _train(run, base, early_stop=2, resume=True)
    assert kit.adapter_hash(again) == kit.adapter_hash(model)
    assert resumed.best == result.best and resumed.num_steps == result.num_steps


def test_early_stop_counts_on_after_a_resumption(tmp_path: Path, base: Path) -> None:
    whole, halted = kit.new_run(tmp_path / "whole"), kit.new_run(tmp_path / "halted")
    _, expected = _train(whole, base, early_stop=2)
    with pytest.raises(StoppedError):
        _train(halted, base, early_stop=2, stop_after=expected.num_steps - 1)
    _, result = _train(halted, base, early_stop=2, resume=True)
    assert result.best == expected.best


# -- the curve ---------------------------------------------------------------------------------------------------


def test_points_cost_about_a_tenth_beyond_the_rows_that_are_needed_to_tell_anything() -> None:
    row = (list(range(50)), [])
    for num_train, num_held_out, epochs in ((200, 50, 3), (2_000, 100, 3), (5_000, 5_000, 1), (100_000, 3_000, 2)):
        steps = int(num_train * epochs / 16)
        found = curves.plan_points([row] * num_train, [row] * num_held_out, steps, epochs, None)
        assert found.cost_share <= 0.1001 or len(found.rows) == 32, (num_train, found.cost_share)
        assert len(found.steps) == 10 and found.steps[-1] == steps
        assert len(set(found.rows)) == len(found.rows) <= min(num_held_out, 256)
        assert found.rows[-1] > num_held_out * 0.7  # spread over all of them
    assert curves.plan_points([row] * 9, [], 3, 1, None) == curves.Points((), (), 0.0)


def test_evaluate_every_is_kept_to_with_fewer_rows_and_the_cost_is_said_where_that_is_not_enough() -> None:
    row = (list(range(50)), [])
    few = curves.plan_points([row] * 4_000, [row] * 400, 750, 3, 20)
    assert few.steps == (*range(20, 750, 20), 750)
    assert few.cost_share <= 0.1001 and len(few.rows) == 2_400 // 38 and few.note() is None
    much = curves.plan_points([row] * 16, [row] * 200, 48, 3, 1)
    assert len(much.steps) == 48 and len(much.rows) == 32
    assert "add about 1600% of the computing" in str(much.note())


def test_evaluate_every_in_a_run(tmp_path: Path, base: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    _train(run, base, epochs=2.0, evaluate_every=5, log_every=1_000)
    assert [entry["step"] for entry in run.read_metrics() if "held_out_loss" in entry] == [5, 10, 15, 16]


def test_learning_rate_and_gradient_norm_are_written(tmp_path: Path) -> None:
    import tiny

    run = kit.new_run(tmp_path / "run")
    _train(run, tiny.save_base(tmp_path / "steep", initializer_range=0.3), epochs=1.0, schedule="linear", warmup=0.25)
    entries = run.read_metrics()
    rates = [entry["learning_rate"] for entry in entries]
    assert rates[0] == 0.0 and max(rates) == 1e-2 and rates[-1] < rates[-2] < 1e-2
    norms = [entry["gradient_norm"] for entry in entries]
    assert all(norm > 0 for norm in norms) and max(norms) > 1.0  # before it is clipped to 1


def test_a_curve_that_is_too_short_of_rows_does_not_judge() -> None:
    curve = curves.Curve()
    for step, loss, train in ((1, 1.0, 1.0), (2, 1.5, 0.2)):
        curve.saw_step(train)
        curve.saw_point(step, [(loss * 5 + k / 10, 5) for k in range(6)])
    found = curve.overfit(None, 0)
    assert found["found"] is None and "too few" in found["why"]


def test_a_rise_of_the_training_loss_too_is_not_called_overfitting() -> None:
    curve = curves.Curve()
    for step, loss, train in ((1, 1.0, 1.0), (2, 1.5, 1.4)):
        curve.saw_step(train)
        curve.saw_point(step, [(loss * 5 + k / 10, 5) for k in range(40)])
    assert curve.overfit(None, 0)["found"] is False
    assert "the training loss rose too" in curve.overfit(None, 0)["why"]


def test_groups_are_drawn_whole() -> None:
    curve = curves.Curve()
    for step, loss, train in ((1, 1.0, 1.0), (2, 1.5, 0.4)):
        curve.saw_step(train)
        curve.saw_point(step, [(loss * 5 + k / 10, 5) for k in range(40)])
    assert curve.overfit(None, 0)["found"] is True
    assert curve.overfit([f"document {k % 4}" for k in range(40)], 0)["found"] is None  # 4 groups are too few


# -- whole runs --------------------------------------------------------------------------------------------------

_OVERFITTING = kit.RECIPE.replace("epochs: 2", "epochs: 40, evaluate_every: 6, early_stop: 3").replace("5e-3", "3e-2")


def test_a_whole_run_saves_the_kept_adapter_and_records_it(tmp_path: Path) -> None:
    import tiny

    from finetune import workflow

    recipe, draw = kit.workspace(tmp_path, _OVERFITTING), random.Random(0)
    tiny.save_base(tmp_path / "base", max_position_embeddings=256, initializer_range=0.2)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(40)]
    lines = ["question,answer", *(f"hi {words[k]}?,{words[k + 20]}" for k in range(20))]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    talk = kit.Interrupting()
    run = workflow.run(recipe, tmp_path / "run", talk=talk)
    best = run.manifest["training"]["best"]
    assert run.manifest["status"] == "finished"
    assert run.manifest["training"]["num_steps"] == run.manifest["progress"]["step"] == best["last_step"]
    assert any(line.startswith("kept the adapter of") for line in run.manifest["notes"])
    assert any(line.startswith("kept the adapter of") for line in talk.lines)
    if best["kept"] == "best" and best["kept_step"] != best["last_step"]:
        from safetensors.torch import load_file

        kept = load_file(keeping.kept(run.checkpoints_dir, best["step"]).path / "adapter_model.safetensors")
        saved = load_file(run.adapter_dir / "adapter_model.safetensors")
        assert set(kept) == set(saved)
        assert all(bool((kept[name] == saved[name]).all()) for name in kept)
    assert best["early_stop"] is not None, best["points"]


@pytest.mark.parametrize("change", ["train.keep=last", "train.evaluate_every=3", "train.early_stop=2"])
def test_what_decides_the_kept_adapter_is_not_changed_on_resume(tmp_path: Path, change: str) -> None:
    from finetune import workflow

    recipe = kit.workspace(tmp_path)
    with pytest.raises(StoppedError):
        workflow.run(recipe, tmp_path / "run", talk=kit.Interrupting(3))
    with pytest.raises(RunError, match="differs from the run"):
        workflow.run(recipe, tmp_path / "run", resume=True, overrides=[change])
