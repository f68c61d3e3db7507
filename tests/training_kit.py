"""Helpers for the tests of the training side: small runs, forked children, comparisons of adapters."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from finetune import models, training
from finetune.hardware import Plan
from finetune.recipe.words import Adapter, Train
from finetune.runs import Run
from finetune.talk import Talk
from finetune.training import checkpoints as ck

Pair = tuple[list[int], list[int]]
CANARY = "zephyr canary quokka sentence"


def ragged_rows(num: int, vocab_size: int, seed: int = 0, shortest: int = 5, longest: int = 24) -> list[Pair]:
    """Random rows of very different lengths; about the last half of each is trained, its end token (2) too."""
    draw = random.Random(seed)
    rows = []
    for _ in range(num):
        length = draw.randint(shortest, longest)
        ids = [draw.randrange(3, vocab_size) for _ in range(length - 1)] + [2]
        start = draw.randint(1, length - 1)
        rows.append((ids, [-100] * start + ids[start:]))
    return rows


def settings(**changes: Any) -> Any:
    """The recipe's train section; unlike in a recipe, any value goes."""
    words = {"epochs": 1.0, "batch_size": 4, "learning_rate": 5e-3, "warmup": 0.0, "save_every": 1}
    return SimpleNamespace(**{**Train().model_dump(), **words, **changes})


def plan(batch_size: int = 4, micro_batch: int | None = None) -> Plan:
    micro = micro_batch or batch_size
    return Plan("cpu", "float32", "sdpa", micro, batch_size // micro, False, 1)


def adapted(
    base: str | Path, dropout: float = 0.0, r: int = 4, quantization: str = "none", **words: Any
) -> tuple[Any, Any]:
    """(model with a fresh adapter, tokenizer) of a base folder or "starter"; `words` are of the adapter section."""
    source = models.find_base(str(base), None, Path(base) if str(base) != "starter" else None)
    model = models.load_base(source, "float32", quantization=quantization)
    tokenizer, _ = models.load_tokenizer(source)
    adapter = Adapter(**{"r": r, "alpha": 8.0, "dropout": dropout, **words})
    models.extend_tokenizer(tokenizer, adapter.new_tokens)
    return models.attach_adapter(model, adapter, 0, tokenizer), tokenizer


def new_run(folder: Path, name: str = "test") -> Run:
    return Run.create(name, "recipe: 1\n", "recipe: 1\n", folder)


def train(
    run: Run,
    base: str | Path,
    rows: list[Pair],
    words: Any = None,
    *,
    dropout: float = 0.0,
    held_out: list[Pair] | None = None,
    micro_batch: int | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
    prepare_model: Callable[[Any], None] | None = None,
    places: tuple[str, ...] = (),
    adapter: dict[str, Any] | None = None,
    quantization: str = "none",
    planned: dict[str, Any] | None = None,
    groups: tuple[str | None, ...] = (),
    tell: Callable[[str], None] | None = None,
) -> tuple[Any, training.TrainResult]:
    """Train a fresh adapter (or go on) in this process; `stop_after` asks for a stop as SIGTERM does.

    `adapter` holds words of the recipe's adapter section, `planned` fields of the plan.
    """
    words = words or settings()
    model, tokenizer = adapted(base, dropout, quantization=quantization, **(adapter or {}))
    if prepare_model is not None:
        prepare_model(model)
    stop = training.StopRequest()

    def watch(step: int, steps: int, loss: float) -> None:
        if on_step is not None:
            on_step(step, steps, loss)
        if step == stop_after:
            stop.handle(signal.SIGTERM, None)

    checkpoint = None
    if resume:
        checkpoint = training.find_resumable(run.checkpoints_dir, run.manifest["run_id"], lambda line: None)
        assert checkpoint is not None
    result = training.train(
        model,
        tokenizer,
        training.TrainingRows(rows, held_out or [], places, groups=groups),
        words,
        replace(plan(words.batch_size, micro_batch), **(planned or {})),
        run,
        "tiny",
        checkpoint,
        watch,
        stop,
        (adapter or {}).get("learning_rate_ratio", 1.0),
        tell=tell,
    )
    return model, result


def adapter_hash(model: Any) -> str:
    """SHA-256 over name, shape and bytes of every adapter tensor."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.named_parameters()):
        if "lora_" in name or "trainable_tokens" in name:
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def steps_of(run: Run) -> list[int]:
    return [entry["step"] for entry in run.read_metrics()]


def saved_steps(run: Run) -> list[int]:
    """Steps of the checkpoints in a run, newest first."""
    return [checkpoint.step for checkpoint in ck.checkpoints(run.checkpoints_dir)]


def leftovers(folder: Path) -> list[str]:
    """Names of staging and trash folders."""
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) if folder.is_dir() else []


# -- children ----------------------------------------------------------------------------------------------------


def fork(work: Callable[[], Any], answer: Path) -> int:
    """Run `work` in a forked child; its value, or its error, goes into the JSON file `answer`. Gives the pid.

    A fork shares what is imported already, so a round costs no import of torch and trl.
    """
    answer.unlink(missing_ok=True)
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.stdout = sys.stderr = os.fdopen(quiet, "w")
        value = work()
        answer.write_text(json.dumps({"value": value}))
        code = 0
    except BaseException as error:
        facts = {"error": type(error).__name__, "text": str(error), "code": getattr(error, "exit_code", 1)}
        answer.write_text(json.dumps({**facts, "trace": traceback.format_exc()}))
    finally:
        os._exit(code)


def wait(pid: int) -> int:
    """Exit status of a child; negative for a signal, as subprocess has it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_child(work: Callable[[], Any], answer: Path) -> dict[str, Any]:
    """`fork` and `wait`: {"value": ...} or {"error", "text", "code", "trace"}; {} when it was killed."""
    wait(fork(work, answer))
    return json.loads(answer.read_text()) if answer.exists() else {}


# -- whole runs --------------------------------------------------------------------------------------------------

RECIPE = """\
recipe: 1
name: small
base: {model: ./base}
data: {train: rows.csv, held_out: 0.25, max_length: 200}
adapter: {r: 4, alpha: 8}
train: {epochs: 2, batch_size: 4, learning_rate: 5e-3, warmup: 0, save_every: 2}
evaluate: {max_new_tokens: 2}
hardware: {micro_batch: 2}
"""


def workspace(folder: Path, recipe_text: str = RECIPE, num_rows: int = 16) -> Path:
    """A folder with a recipe, rows and a tiny base; gives the recipe's path. 12 training rows: 6 steps."""
    import tiny

    folder.mkdir(parents=True, exist_ok=True)
    tiny.save_base(folder / "base", max_position_embeddings=256)
    lines = ["question,answer"]
    lines += [f"hi {number} {CANARY}?,hello {'kind ' * (number % 5)}{number} {CANARY}" for number in range(num_rows)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "recipe.yaml").write_text(recipe_text)
    return folder / "recipe.yaml"


class Interrupting(Talk):
    """Sends this process a signal after a training step, and keeps what was said."""

    def __init__(self, step: int | None = None, number: int = signal.SIGTERM, stage: str = "training"):
        self.lines: list[str] = []
        self._step, self._number, self._stage = step, number, stage

    def say(self, line: str) -> None:
        self.lines.append(line)

    def progress(self, name: str, done: int, total: int, loss: float | None = None) -> None:
        if name == self._stage and done == self._step:
            self._step = None
            os.kill(os.getpid(), self._number)


def text_files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@contextlib.contextmanager
def changed_bytes(path: Path, change: Callable[[bytes], bytes]):
    """A file with other bytes for a while."""
    before = path.read_bytes()
    path.write_bytes(change(before))
    try:
        yield
    finally:
        path.write_bytes(before)
