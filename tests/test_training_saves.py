"""Checkpoints: kills at every moment of a save, full disks, damage of every kind, strangers, clocks."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kill_rounds
import pytest
import training_kit as kit

from finetune.errors import IntegrityError, RunError
from finetune.runs import Run
from finetune.training import checkpoints as ck

_ROWS = kit.ragged_rows(32, 260)
_FILES = ("adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny

    return tiny.save_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, base: Path) -> tuple[Run, str]:
    """An uninterrupted run of 8 steps, and its adapter's hash."""
    run = kit.new_run(tmp_path_factory.mktemp("whole") / "run")
    model, _ = kit.train(run, base, _ROWS)
    return run, kit.adapter_hash(model)


@pytest.fixture(scope="module")
def halted(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """The folder of a run that was stopped after step 4; it holds steps 3 and 4."""
    from finetune.errors import StoppedError

    run = kit.new_run(tmp_path_factory.mktemp("halted") / "run")
    with pytest.raises(StoppedError, match="step 4 is saved"):
        kit.train(run, base, _ROWS, stop_after=4)
    assert kit.saved_steps(run) == [4, 3]
    return run.path


@pytest.fixture
def run(halted: Path, tmp_path: Path) -> Run:
    """A copy of the halted run."""
    shutil.copytree(halted, tmp_path / "run")
    return Run.open(tmp_path / "run")


def _find(run: Run) -> tuple[int | None, list[str]]:
    lines: list[str] = []
    found = ck.find_resumable(run.checkpoints_dir, run.manifest["run_id"], lines.append)
    return (found.step if found else None), lines


def _finish(run: Run, base: Path) -> str:
    model, result = kit.train(run, base, _ROWS, resume=True)
    assert result.num_steps == 8
    assert kit.steps_of(run) == list(range(1, 9))
    assert kit.saved_steps(run)[:2] == [8, 7]
    return kit.adapter_hash(model)


# -- kills -------------------------------------------------------------------------------------------------------


def test_twenty_kills_at_random_moments(tmp_path: Path) -> None:
    outcomes, num_in_save = kill_rounds.rounds(20, seed=1, folder=tmp_path)
    assert dict(outcomes) == {"equal": 20}
    assert num_in_save >= 3


def _exit_at(count: int) -> Callable[[], int]:
    """From now on: end the process just before file operation number `count`. Gives a function that tells how many."""
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        if done == count:
            os._exit(9)

    def hook(event: str, arguments: Any) -> None:
        if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir") or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        ):
            one_more()

    sync = os.fsync

    def fsync(handle: int) -> None:
        one_more()
        sync(handle)

    os.fsync = fsync
    sys.addaudithook(hook)
    return lambda: done


def _sweep(run: Run, base: Path, at_step: int) -> dict[str, Any]:
    """Inside one training: at `at_step`, fork one child for each file operation of the save, and end it there."""
    outcomes: list[tuple[int | None, list[str]]] = []
    in_child: list[Callable[[], int]] = []
    home = run.path

    def on_step(step: int, steps: int, loss: float) -> None:
        if in_child:
            (home.parent / "count").write_text(str(in_child[0]()))
            os._exit(0)  # the save is done, nothing was left to end it at
        if step != at_step:
            return
        for count in range(1, 500):
            copy = home.parent / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(home, copy)
            pid = os.fork()
            if pid == 0:
                run.path, run.checkpoints_dir = copy, copy / "checkpoints"
                run.metrics_path = copy / "metrics.jsonl"
                in_child.append(_exit_at(count))
                return
            code = kit.wait(pid)
            if code not in (0, 9):
                raise AssertionError(f"the child for operation {count} ended with {code}")
            before = kit.leftovers(copy / "checkpoints")
            found, _ = _find(Run.open(copy))
            names = [p.name for p in (copy / "checkpoints").iterdir()]
            assert all(ck._NAME.fullmatch(name) or name.startswith((".staging-", ".trash-")) for name in names)
            for checkpoint in ck.checkpoints(copy / "checkpoints"):
                ck.verify_checkpoint(checkpoint, run.manifest["run_id"])  # nothing that is not whole has that name
            ck.clean(copy / "checkpoints")
            assert kit.leftovers(copy / "checkpoints") == []
            outcomes.append((found, before))
            if code == 0:
                raise _Done

    class _Done(Exception):
        pass

    with contextlib.suppress(_Done):
        kit.train(run, base, _ROWS, on_step=on_step)
    return {"steps": [found for found, _ in outcomes], "left": [bool(left) for _, left in outcomes]}


@pytest.mark.parametrize("at_step", [1, 5])
def test_a_kill_at_every_file_operation_of_a_save_leaves_a_whole_checkpoint(
    tmp_path: Path, base: Path, at_step: int
) -> None:
    run = kit.new_run(tmp_path / "run")
    answer = kit.in_child(lambda: _sweep(run, base, at_step), tmp_path / "answer.json")
    assert "value" in answer, answer.get("trace", answer)
    steps, left = answer["value"]["steps"], answer["value"]["left"]
    before = at_step - 1 or None
    assert len(steps) > 20  # the sweep saw the whole save
    switch = steps.index(at_step)
    # Up to the rename the step before is found, from there on the new one; the last child was not ended at all.
    assert steps == [before] * switch + [at_step] * (len(steps) - switch)
    assert any(left[:switch]) and not left[-1]
    if at_step == 5:
        assert any(left[switch:])  # ends while old checkpoints are removed were among them


@pytest.mark.parametrize("point", ["staging", "trash"])
def test_fault_107_what_a_kill_left_is_never_taken_and_goes(run: Run, base: Path, whole: Any, point: str) -> None:
    newest = run.checkpoints_dir / "step-000004"
    if point == "trash":  # killed between the rename and the removal
        newest.rename(run.checkpoints_dir / ".trash-step-000004-1234")
    else:
        shutil.copytree(newest, run.checkpoints_dir / ".staging-99" / "checkpoint-5")
    assert _find(run) == ((3 if point == "trash" else 4), [])
    assert _finish(run, base) == whole[1]
    assert kit.leftovers(run.checkpoints_dir) == []


def test_fault_107_what_a_kill_in_the_last_save_left_goes_too(tmp_path: Path, base: Path, whole: Any) -> None:
    """All steps are done, so no further save would remove it."""
    shutil.copytree(whole[0].path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    shutil.copytree(run.checkpoints_dir / "step-000007", run.checkpoints_dir / ".trash-step-000006-1")
    assert _finish(run, base) == whole[1]
    assert kit.leftovers(run.checkpoints_dir) == []


# -- full disk ---------------------------------------------------------------------------------------------------


def _full_disk(run: Run, base: Path) -> list[dict[str, Any]]:
    """At step 5, in one child for each file of a checkpoint: a limit one byte too small for it."""
    found: list[dict[str, Any]] = []
    home = run.path

    def on_step(step: int, steps: int, loss: float) -> None:
        if step != 5:
            return
        sizes = {p.name: p.stat().st_size for p in (run.checkpoints_dir / "step-000004").iterdir()}
        for name, size in sizes.items():
            copy = home.parent / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(home, copy)
            pid = os.fork()
            if pid == 0:
                run.path, run.checkpoints_dir = copy, copy / "checkpoints"
                run.metrics_path = copy / "metrics.jsonl"
                in_child.append(str(home.parent / "limited.json"))
                resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, resource.RLIM_INFINITY))
                return
            kit.wait(pid)
            facts = json.loads((home.parent / "limited.json").read_bytes())
            (home.parent / "limited.json").unlink()
            left = kit.leftovers(copy / "checkpoints")
            newest, _ = _find(Run.open(copy))
            found.append({"name": name, "size": size, "left": left, "newest": newest, **facts})
        raise _Done

    in_child: list[str] = []

    class _Done(Exception):
        pass

    try:
        kit.train(run, base, _ROWS, on_step=on_step)
    except _Done:
        return found
    except BaseException as error:
        if not in_child:
            raise
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        facts = {"error": type(error).__name__, "text": str(error), "code": getattr(error, "exit_code", 1)}
        Path(in_child[0]).write_text(json.dumps(facts))
        os._exit(0)
    raise AssertionError("the limit stopped nothing")


def test_fault_85_disk_full_at_each_file_of_a_checkpoint(tmp_path: Path, base: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    answer = kit.in_child(lambda: _full_disk(run, base), tmp_path / "answer.json")
    assert "value" in answer, answer.get("trace", answer)
    outcomes = answer["value"]
    assert {outcome["name"] for outcome in outcomes} >= {*_FILES, ck.MANIFEST, "tokenizer.json"}
    for outcome in outcomes:
        assert outcome["error"] == "SurroundingsError", outcome
        assert outcome["code"] == 4
        assert "bytes are needed" in outcome["text"] and "bytes are free" in outcome["text"], outcome
        assert "step 4 is intact" in outcome["text"] and "--resume" in outcome["text"]
        assert (outcome["newest"], outcome["left"]) == (4, [])


def test_fault_85_disk_full_at_the_first_save(tmp_path: Path, base: Path) -> None:
    run = kit.new_run(tmp_path / "run")

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
        kit.train(run, base, _ROWS)

    pid = kit.fork(work, tmp_path / "answer.json")
    kit.wait(pid)
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert (answer["error"], answer["code"]) == ("SurroundingsError", 4), answer
    assert "no checkpoint was written yet" in answer["text"]
    assert kit.leftovers(run.checkpoints_dir) == []


def test_an_error_that_is_not_the_disks_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="something else"), ck.disk_errors(tmp_path):
        raise RuntimeError("something else")
    with pytest.raises(KeyError), ck.disk_errors(tmp_path):
        raise KeyError("x")


# -- damage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*_FILES, "adapter_config.json", ck.MANIFEST])
def test_fault_95_97_98_missing_or_truncated_file(run: Run, name: str) -> None:
    newest = run.checkpoints_dir / "step-000004"
    for change in (lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data + b"\0"):
        with kit.changed_bytes(newest / name, change):
            step, lines = _find(run)
            assert step == 3
            assert len(lines) == 1 and "skipped" in lines[0] and "step-000004" in lines[0]
    (newest / name).unlink()
    step, lines = _find(run)
    assert step == 3
    assert name in lines[0]


def test_fault_95_resumes_from_the_one_before_to_the_same_end(run: Run, base: Path, whole: Any) -> None:
    (run.checkpoints_dir / "step-000004" / "optimizer.pt").unlink()
    assert _finish(run, base) == whole[1]


def test_fault_96_a_truncated_state_file_is_skipped(run: Run, base: Path, whole: Any) -> None:
    path = run.checkpoints_dir / "step-000004" / "trainer_state.json"
    path.write_bytes(path.read_bytes()[:100])
    assert _find(run)[0] == 3
    assert _finish(run, base) == whole[1]


def test_fault_99_a_flipped_bit_in_any_file_is_found(run: Run) -> None:
    newest = run.checkpoints_dir / "step-000004"
    names = sorted(p.name for p in newest.iterdir())
    assert set(names) >= {*_FILES, ck.MANIFEST}
    for name in names:
        size = (newest / name).stat().st_size
        for position in sorted({0, 1, 7, size // 3, size // 2, size - 1}):
            flipped = position % 8

            def flip(data: bytes, position: int = position, bit: int = flipped) -> bytes:
                return data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :]

            with kit.changed_bytes(newest / name, flip):
                step, lines = _find(run)
                assert (step, len(lines)) == (3, 1), (name, position)
    assert _find(run) == (4, [])


def test_fault_99_every_byte_of_the_manifest_counts(run: Run) -> None:
    checkpoint = ck.checkpoints(run.checkpoints_dir)[0]
    path = checkpoint.path / ck.MANIFEST
    data = path.read_bytes()
    for position in range(0, len(data), 3):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(IntegrityError):
            ck.verify_checkpoint(checkpoint, run.manifest["run_id"])


def test_none_left_names_them_all(run: Run) -> None:
    for step in (3, 4):
        (run.checkpoints_dir / f"step-{step:06d}" / "rng_state.pth").unlink()
    with pytest.raises(RunError) as caught:
        _find(run)
    text = str(caught.value)
    assert "step-000003" in text and "step-000004" in text and "no checkpoint of this run is whole" in text
    assert text.count("rng_state.pth") == 2
    assert not isinstance(caught.value, IntegrityError)


def test_flipped_run_id_is_damage_and_not_another_run(run: Run) -> None:
    """Taken for a stranger's, the only checkpoints would be passed over and training begin anew, silently."""
    for checkpoint in ck.checkpoints(run.checkpoints_dir):
        path = checkpoint.path / ck.MANIFEST
        path.write_text(path.read_text().replace(run.manifest["run_id"], run.manifest["run_id"][::-1]))
    with pytest.raises(RunError, match="no checkpoint of this run is whole"):
        _find(run)


def test_a_checkpoint_may_not_be_a_link_or_hold_one(run: Run, tmp_path: Path) -> None:
    weights = run.checkpoints_dir / "step-000004" / "adapter_model.safetensors"
    shutil.copy(weights, tmp_path / "elsewhere")
    weights.unlink()
    weights.symlink_to(tmp_path / "elsewhere")
    assert _find(run)[0] == 3
    (run.checkpoints_dir / "step-000009").symlink_to(run.checkpoints_dir / "step-000003")
    assert kit.saved_steps(run) == [4, 3]


def test_a_renamed_checkpoint_is_refused(run: Run) -> None:
    (run.checkpoints_dir / "step-000003").rename(run.checkpoints_dir / "step-000007")
    step, lines = _find(run)
    assert step == 4
    assert "holds step 3" in lines[0]


# -- strangers and clocks ----------------------------------------------------------------------------------------


def _stranger(run: Run, tmp_path: Path, base: Path, step: int = 999) -> None:
    """A whole checkpoint of another run, under a high number, and a folder as upstream names it."""
    other = kit.new_run(tmp_path / f"other-{step}")
    kit.train(other, base, _ROWS[:4], kit.settings())
    source = ck.checkpoints(other.checkpoints_dir)[0]
    raw = ck.read_manifest(source)
    target = run.checkpoints_dir / f"step-{step:06d}"
    run.checkpoints_dir.mkdir(exist_ok=True)
    shutil.copytree(source.path, target)
    (target / ck.MANIFEST).write_bytes(ck._manifest_bytes({**raw, "step": step}))
    shutil.copytree(source.path, run.checkpoints_dir / f"checkpoint-{step}")


def test_fault_100_strangers_are_passed_over_not_counted_not_touched(
    run: Run, tmp_path: Path, base: Path, whole: Any
) -> None:
    _stranger(run, tmp_path, base, 999)
    _stranger(run, tmp_path, base, 998)
    before = {name: data for name, data in kit.text_files(run.checkpoints_dir).items() if "99" in name.split("/")[0]}
    step, lines = _find(run)
    assert step == 4
    assert len(lines) == 2 and all("belongs to another run" in line for line in lines)
    model, _ = kit.train(run, base, _ROWS, resume=True)
    assert kit.adapter_hash(model) == whole[1]
    # Counted as the newest two, they would have had every new checkpoint of this run thrown away.
    assert kit.saved_steps(run) == [999, 998, 8, 7]
    after = {name: data for name, data in kit.text_files(run.checkpoints_dir).items() if "99" in name.split("/")[0]}
    assert before == after


def test_fault_100_only_strangers_means_nothing_to_resume(tmp_path: Path, base: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    _stranger(run, tmp_path, base)
    step, lines = _find(run)
    assert (step, len(lines)) == (None, 1)
    kit.train(run, base, _ROWS)
    assert kit.saved_steps(run) == [999, 8, 7]


@pytest.mark.parametrize("shift_seconds", [86_400 * 400, -86_400 * 4000])
def test_fault_106_file_times_do_not_matter(run: Run, base: Path, whole: Any, shift_seconds: int) -> None:
    moment = time.time() + shift_seconds
    for path in [*run.path.rglob("*"), run.path]:
        if "step-000003" in path.as_posix() or shift_seconds < 0:
            os.utime(path, (moment, moment))
    assert _find(run) == (4, [])
    assert _finish(run, base) == whole[1]
    assert kit.saved_steps(run) == [8, 7]


def test_a_damaged_checkpoint_does_not_count_as_one_of_the_two_that_are_kept(run: Run, base: Path) -> None:
    weights = run.checkpoints_dir / "step-000004" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    kit.train(run, base, _ROWS, kit.settings(save_every=1000), resume=True)
    assert kit.saved_steps(run) == [8, 3]


def test_rotation_keeps_the_two_newest_steps(run: Run) -> None:
    for step in (5, 1_000_000):
        target = run.checkpoints_dir / f"step-{step:06d}"
        shutil.copytree(run.checkpoints_dir / "step-000004", target)
        raw = ck.read_manifest(ck.Checkpoint(target, step))
        (target / ck.MANIFEST).write_bytes(ck._manifest_bytes({**raw, "step": step}))
    ck.rotate(run.checkpoints_dir, run.manifest["run_id"])
    assert kit.saved_steps(run) == [1_000_000, 5]


def test_a_checkpoint_holds_no_path_no_pickle_of_arguments_and_no_card(run: Run) -> None:
    for name, data in kit.text_files(run.checkpoints_dir).items():
        assert not name.endswith(("training_args.bin", "README.md"))
        assert b"/tmp" not in data and str(Path.home()).encode() + b"/" not in data, name
    config = json.loads((run.checkpoints_dir / "step-000004" / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == "tiny"


def test_save_writes_each_byte_to_the_disk_before_the_rename(run: Run, base: Path) -> None:
    """Every file of a checkpoint is synced, then the folder, then renamed, then the parent folder."""
    synced: list[str] = []
    original = os.fsync

    def note(handle: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        original(handle)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", note)
        kit.train(run, base, _ROWS, kit.settings(save_every=1000), resume=True)
    files = {p.name for p in (run.checkpoints_dir / "step-000008").iterdir()}
    assert files <= set(synced)
    assert synced.index("checkpoint-8") > max(synced.index(name) for name in files)
    assert "checkpoints" in synced[synced.index("checkpoint-8") :]
