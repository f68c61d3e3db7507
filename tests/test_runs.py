"""Run folders: never overwritten, written atomically, held by one process."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
import training_kit as kit

from finetune import runs
from finetune.errors import RunError, SurroundingsError
from finetune.runs import MANIFEST_KEYS, Run


def test_manifest_keys_are_frozen() -> None:
    """Changing them takes a line in CHANGELOG.md and a new schema number."""
    assert MANIFEST_KEYS == (
        "schema", "run_id", "name", "status", "exit_code", "started_at", "ended_at", "recipe", "data", "template",
        "base", "adapter", "seed", "plan", "progress", "training", "environment", "resumes", "notes",
    )  # fmt: skip
    assert runs.MANIFEST_SCHEMA == 1


def test_create_then_open(tmp_path: Path) -> None:
    made = Run.create("my run", "recipe: 1 # é\n", "recipe: 1\n", tmp_path / "a" / "b")
    opened = Run.open(tmp_path / "a" / "b")
    assert opened.manifest == made.manifest
    assert tuple(opened.manifest) == MANIFEST_KEYS
    assert (opened.path / "recipe.yaml").read_text(encoding="utf-8") == "recipe: 1 # é\n"
    manifest = opened.manifest
    assert (manifest["status"], manifest["exit_code"], manifest["name"]) == ("running", None, "my run")
    assert re.fullmatch(r"[0-9a-f]{16}", manifest["run_id"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", manifest["started_at"])
    assert set(manifest["environment"]) == {"versions", "git_commit", "system", "num_cpus"}
    assert {"python", "torch", "transformers", "peft", "trl"} <= set(manifest["environment"]["versions"])


def test_every_run_has_an_id_of_its_own(tmp_path: Path) -> None:
    assert len({kit.new_run(tmp_path / str(k)).manifest["run_id"] for k in range(3)}) == 3


def test_create_never_overwrites(tmp_path: Path) -> None:
    first = kit.new_run(tmp_path / "run")
    before = kit.text_files(tmp_path)
    with pytest.raises(RunError, match="of a run that is running; a run is never overwritten"):
        kit.new_run(tmp_path / "run")
    assert kit.text_files(tmp_path) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="already holds files; a run"):
        kit.new_run(tmp_path / "other")
    assert first.path.is_dir()


def test_create_takes_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert kit.new_run(tmp_path / "run").path == tmp_path / "run"


def test_default_folders_never_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several in one second, from several processes: each gets its own."""
    monkeypatch.chdir(tmp_path)
    answers = [tmp_path / f"{k}.json" for k in range(8)]
    pids = [kit.fork(lambda: str(Run.create("a/b c", "", "").path), answer) for answer in answers]
    assert [kit.wait(pid) for pid in pids] == [0] * 8
    made = [json.loads(answer.read_text())["value"] for answer in answers]
    assert len(set(made)) == 8
    assert all(re.fullmatch(r"runs/a_b_c-\d{8}-\d{6}(-\d)?", path) for path in made)


def test_fault_86_output_is_a_file_or_below_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file"):
        kit.new_run(tmp_path / "file")
    with pytest.raises(SurroundingsError, match="cannot be made: Not a directory") as caught:
        kit.new_run(tmp_path / "file" / "run")
    assert caught.value.exit_code == 4


def test_write_text_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.json"
    runs.write_text(path, "older\n")
    with path.open() as reader:
        runs.write_text(path, "old\n")
        assert reader.read() == "older\n"  # another file took its place; its own bytes were not touched
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(SurroundingsError, match="cannot be written: No space left"):
        runs.write_text(path, "new\n")
    assert path.read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


def _no_space(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_kill_at_any_operation_of_an_update_leaves_one_manifest_or_the_other(tmp_path: Path) -> None:
    import sys

    run = kit.new_run(tmp_path / "run")
    old = (run.path / "manifest.json").read_bytes()

    def work(count: int) -> None:
        done = 0

        def hook(event: str, arguments: object) -> None:
            nonlocal done
            if event in ("open", "os.rename", "os.remove"):
                done += 1
                if done == count:
                    os._exit(9)

        sys.addaudithook(hook)
        run.update(status="finished")
        os._exit(0)

    seen = []
    for count in range(1, 20):
        code = kit.wait(kit.fork(lambda count=count: work(count), tmp_path / "answer.json"))
        seen.append(Run.open(run.path).manifest["status"])
        (run.path / "manifest.json").write_bytes(old)
        if code == 0:
            break
    assert len(seen) >= 3 and seen[0] == "running" and seen[-1] == "finished"
    assert seen == sorted(seen, reverse=True)  # running ... running, finished ... finished


def test_update_refuses_unknown_keys_and_nan(tmp_path: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    before = (run.path / "manifest.json").read_bytes()
    with pytest.raises(AssertionError, match="frozen"):
        run.update(colour="blue")
    with pytest.raises(ValueError):
        run.update(training={"final_loss": float("nan")})
    assert (run.path / "manifest.json").read_bytes() == before


def test_notes_come_once(tmp_path: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    for line in ("a", "b", "a"):
        run.note(line)
    assert Run.open(run.path).manifest["notes"] == ["a", "b"]


# -- opening -----------------------------------------------------------------------------------------------------


def test_open_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"has no manifest\.json"):
        Run.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '"schema"', "\xff"])
def test_open_with_a_broken_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match="cannot be read"):
        Run.open(tmp_path)


def test_open_a_newer_run(tmp_path: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    run.update(schema=2)
    with pytest.raises(RunError, match=r"needs another finetune-kit.*got 2.*update"):
        Run.open(run.path)


# -- metrics -----------------------------------------------------------------------------------------------------


def test_metrics_survive_a_half_written_line(tmp_path: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    assert run.read_metrics() == []
    for step in (1, 2, 3):
        run.append_metrics({"step": step, "loss": 0.5})
    with run.metrics_path.open("ab") as file:
        file.write(b'{"step": 4, "lo\xff')
    assert kit.steps_of(run) == [1, 2, 3]
    run.drop_metrics_after(2)
    assert run.metrics_path.read_text() == '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.5}\n'
    run.append_metrics({"step": 3, "loss": 0.4})
    assert kit.steps_of(run) == [1, 2, 3]


def test_metrics_are_strict_json(tmp_path: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    with pytest.raises(ValueError):
        run.append_metrics({"step": 1, "loss": float("inf")})
    assert run.read_metrics() == []


def test_dropping_metrics_that_were_never_written(tmp_path: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    run.drop_metrics_after(3)
    assert run.read_metrics() == []


# -- the lock ----------------------------------------------------------------------------------------------------


def test_fault_89_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    import socket

    run = kit.new_run(tmp_path / "run")
    ready = tmp_path / "ready"

    def hold() -> None:
        with run.locked():
            ready.write_text("x")
            time.sleep(60)

    pid = kit.fork(hold, tmp_path / "answer.json")
    while not ready.exists():
        time.sleep(0.01)
    with pytest.raises(RunError) as caught, run.locked():
        pass
    text = str(caught.value)
    assert f"is in use by process {pid} on {socket.gethostname()}, since 20" in text
    os.kill(pid, signal.SIGKILL)
    kit.wait(pid)
    with run.locked():
        assert json.loads((run.path / ".lock-holder.json").read_bytes())["pid"] == os.getpid()
    assert not (run.path / ".lock-holder.json").exists()


def test_lock_is_free_after_an_error(tmp_path: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    with pytest.raises(KeyError), run.locked():
        raise KeyError
    with run.locked():
        pass
