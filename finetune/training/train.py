"""One training run: what goes in, what comes out, and what is counted; the trainer itself is in trainer.py."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Upstream counts its users unless told not to; set before it is imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from finetune.errors import Problem, RecipeError
from finetune.models import RowImages
from finetune.runs import Run
from finetune.training import checkpoints as ck
from finetune.training import keeping
from finetune.training.curve import Curve, Points, plan_points
from finetune.training.guards import LossGuard, StopRequest
from finetune.training.proof import Proof
from finetune.training.steps import ComputePath
from finetune.training.trackers import Trackers
from finetune.training.translate import num_steps, sft_config_words


@dataclass(frozen=True)
class TrainingRows:
    """Rendered rows: input_ids and labels of training and held-out conversations, as (ids, labels) pairs.

    Attributes:
        train: what is trained on. Rows are asked for when their step comes, and no copy of them is kept.
        held_out: what the held-out curve is measured on.
        places: where each training row was read ("train.csv:12"), for messages; may be empty.
        train_images, held_out_images: of these rows; None where they are texts alone.
        groups: what data.group_by says of each training row, for train.order by_group; may be empty.
        held_out_groups: the same of the held-out rows, for the interval of a difference; may be empty.
    """

    train: Sequence[tuple[Sequence[int], Sequence[int]]]
    held_out: Sequence[tuple[Sequence[int], Sequence[int]]]
    places: Sequence[str] = ()
    train_images: RowImages | None = None
    held_out_images: RowImages | None = None
    groups: Sequence[str | None] = ()
    held_out_groups: Sequence[str | None] = ()


@dataclass(frozen=True)
class TrainResult:
    """What a finished training tells the manifest; counts and seconds include what was done before a resumption.

    Attributes:
        num_steps: that were done; fewer than planned after an early stop.
        tokens_seen: of the rows, as if each were computed alone.
        computed_tokens: that the passes held.
        path: how passes were computed, with its proof (finetune.training.proof.Proof.facts).
        best: the held-out curve and which adapter was kept (finetune.training.ending.settle); None without one.
    """

    num_steps: int
    final_loss: float
    tokens_seen: int
    trained_tokens_seen: int
    computed_tokens: int
    seconds: float
    peak_memory_bytes: int | None
    path: dict[str, Any]
    best: dict[str, Any] | None = None


@dataclass
class Progress:
    """What a run counts across its resumptions; each checkpoint holds it."""

    tokens_seen: int = 0
    trained_tokens_seen: int = 0
    computed_tokens: int = 0
    loss: float = float("nan")
    start_loss: float | None = None
    seconds_before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Seconds of training, those before a resumption included."""
        return self.seconds_before + time.monotonic() - self.started

    def facts(self) -> dict[str, Any]:
        """As a checkpoint holds it."""
        names = ("tokens_seen", "trained_tokens_seen", "computed_tokens", "loss", "start_loss")
        return {**{name: getattr(self, name) for name in names}, "seconds": round(self.seconds(), 3)}

    def restore(self, facts: Mapping[str, Any]) -> None:
        """From a checkpoint's `facts`."""
        self.tokens_seen, self.trained_tokens_seen = facts["tokens_seen"], facts["trained_tokens_seen"]
        # Checkpoints of before this was counted computed every token of every row.
        self.computed_tokens = facts.get("computed_tokens", self.tokens_seen)
        self.loss, self.start_loss, self.seconds_before = facts["loss"], facts["start_loss"], facts["seconds"]
        self.started = time.monotonic()


# Told step, number of steps, loss of the step, seconds per step; draws the progress bar.
OnStep = Callable[[int, int, float], None]
# Told what the proof at the start found.
OnProof = Callable[[Proof], None]
# Told a choice that was made, one plain line.
Tell = Callable[[str], None]


@dataclass
class Work:
    """All that the trainer of one run needs to know.

    Attributes:
        settings: the recipe's `train` section.
        plan: from finetune.hardware.make_plan.
        steps: optimizer steps of the run.
        path: how passes are computed; the proof at the start may change it.
        proof: what the proof found; None before.
        points: where the held-out curve is measured.
        curve: what it was so far.
        last_step: optimizer steps done.
    """

    rows: TrainingRows
    settings: Any
    plan: Any
    run: Run
    base_label: str
    guard: LossGuard
    progress: Progress
    stop: StopRequest
    steps: int
    path: ComputePath
    points: Points
    curve: Curve
    trackers: Trackers
    tell: Tell
    learning_rate_ratio: float = 1.0
    on_step: OnStep | None = None
    on_proof: OnProof | None = None
    proof: Proof | None = None
    last_step: int = 0

    def facts(self) -> dict[str, Any]:
        """What a checkpoint holds of the work so far."""
        return {**self.progress.facts(), "curve": self.curve.facts()}


def train(
    model: Any,
    tokenizer: Any,
    rows: TrainingRows,
    settings: Any,
    plan: Any,
    run: Run,
    base_label: str,
    resume: ck.Checkpoint | None = None,
    on_step: OnStep | None = None,
    stop: StopRequest | None = None,
    learning_rate_ratio: float = 1.0,
    on_proof: OnProof | None = None,
    tell: Tell | None = None,
) -> TrainResult:
    """Train the adapter on `model` in place, with checkpoints and metrics in the run folder.

    At the end the model holds the adapter that is kept: with train.keep `best` that of the lowest held-out loss.

    Args:
        model: a base with a trainable adapter (finetune.models.attach_adapter).
        tokenizer: with pad token, for padding.
        rows: what to train on, and what to measure the held-out curve on (some, spread evenly).
        settings: the recipe's `train` section.
        plan: from finetune.hardware.make_plan.
        run: holds checkpoints and metrics; its manifest is updated by the caller.
        base_label: what adapter_config.json calls the base, instead of a local path.
        resume: a verified checkpoint of this run.
        on_step: told after every optimizer step.
        stop: collects signals; a fresh one that nobody listens to when None.
        learning_rate_ratio: the recipe's adapter.learning_rate_ratio (LoRA+).
        on_proof: told what the proof of the way of computing found, before the first step.
        tell: told what trackers do, which adapter was kept, early stop and overfitting.

    Raises:
        RecipeError: train.order is by_group and the rows have no groups, or train.early_stop has no held-out rows.
        DivergedError: NaN, no labels, zero gradient or divergence; the weights of the last step are kept.
        StoppedError, CancelledError: asked to stop by a signal; a checkpoint was written.
        SurroundingsError: the disk refused a checkpoint.
    """
    from finetune.training.ending import settle
    from finetune.training.trainer import build_trainer

    _check(settings, rows)
    stop, tell = stop or StopRequest(), tell or (lambda line: None)
    steps = num_steps(len(rows.train), settings.batch_size, settings.epochs)
    points = plan_points(rows.train, rows.held_out, steps, settings.epochs, settings.evaluate_every)
    if note := points.note():
        tell(note)
    work = Work(
        rows, settings, plan, run, base_label,
        LossGuard(settings.learning_rate, rows.places, learning_rate_ratio), Progress(), stop, steps,
        ComputePath.of(plan), points, Curve(settings.early_stop), _trackers(settings, run, tell), tell,
        learning_rate_ratio, on_step, on_proof,
    )  # fmt: skip
    trainer = build_trainer(
        model, tokenizer, work, sft_config_words(settings, plan, len(rows.train), run.checkpoints_dir)
    )
    ck.clean(run.checkpoints_dir)  # here too: a resumption that finds all steps done saves nothing
    if resume is not None:
        _go_on_from(resume, work)
        stop.saved_step = resume.step
    keeping.collect(run.checkpoints_dir, run.manifest["run_id"], work.curve.best_step)
    _run(trainer, model, work, resume)
    return _result(work, settle(trainer, work))


def _check(settings: Any, rows: TrainingRows) -> None:
    """See that what the settings need of the rows is there."""
    if settings.order == "by_group" and not any(group is not None for group in rows.groups):
        what, fix = "needs groups of rows, and no row has one", "name their column with data.group_by"
        raise RecipeError(Problem("", "train.order", what, "by_group", fix))
    if settings.early_stop is not None and not len(rows.held_out):
        what, fix = "needs held-out rows, and there are none", "hold rows out with data.held_out"
        raise RecipeError(Problem("", "train.early_stop", what, str(settings.early_stop), fix))


def _trackers(settings: Any, run: Run, tell: Tell) -> Trackers:
    names = ("epochs", "learning_rate", "batch_size", "warmup", "schedule", "seed", "order")
    facts = {name: getattr(settings, name) for name in names}
    return Trackers(settings.trackers, run.path, f"{run.manifest['name']}-{run.manifest['run_id'][:6]}", facts, tell)


def _run(trainer: Any, model: Any, work: Work, resume: ck.Checkpoint | None) -> None:
    """The loop itself; however it ends, the model is computed afterwards as it was before."""
    _reset_peak_memory(work.plan.device)
    own_forward = model.__dict__.get("forward")
    work.stop.in_loop = True
    try:
        work.stop.raise_if_asked()
        with warnings.catch_warnings():
            # Upstream warns of its own renamed words; a user can do nothing about them.
            warnings.simplefilter("ignore", FutureWarning)
            if resume is not None and (resume.step >= work.steps or work.curve.stopped_step is not None):
                # Upstream would do one more step when the last epoch is a part of one, or was stopped early.
                trainer._load_from_checkpoint(str(resume.path))
            else:
                trainer.train(resume_from_checkpoint=str(resume.path) if resume else None)
    finally:
        work.stop.in_loop = False
        work.trackers.end(trainer.args, trainer.state, trainer.control)
        trainer.leave_path()
        _restore_forward(model, own_forward)
    work.stop.raise_if_asked()


def _result(work: Work, best: dict[str, Any] | None) -> TrainResult:
    proof = work.proof or Proof(work.path)
    return TrainResult(
        num_steps=work.last_step,
        final_loss=work.progress.loss,
        tokens_seen=work.progress.tokens_seen,
        trained_tokens_seen=work.progress.trained_tokens_seen,
        computed_tokens=work.progress.computed_tokens,
        seconds=work.progress.seconds(),
        peak_memory_bytes=_peak_memory(work.plan.device),
        path=proof.facts(),
        best=best,
    )


def _restore_forward(model: Any, own_forward: Any) -> None:
    """Take off the mixed-precision wrapper that accelerate leaves on a model: what is asked later is asked plainly."""
    model.__dict__.pop("_original_forward", None)
    model.__dict__.pop("forward", None)
    if own_forward is not None:
        model.forward = own_forward


def _go_on_from(resume: ck.Checkpoint, work: Work) -> None:
    """Forget what the run did after this checkpoint, and go on counting from there."""
    run, curve = work.run, work.curve
    ck.discard_beyond(run.checkpoints_dir, run.manifest["run_id"], resume.step)
    run.drop_metrics_after(resume.step)
    facts = ck.read_manifest(resume)["progress"]
    work.progress.restore(facts)
    work.guard.restore(work.progress.start_loss)
    work.last_step = resume.step
    if "curve" in facts:  # checkpoints of before it was kept have none
        curve.restore(facts["curve"])
    if work.settings.keep != "best" or curve.best_step in (None, work.steps):
        return
    why = keeping.why_lost(run.checkpoints_dir, curve.best_step, run.manifest["run_id"])
    if why is not None:
        work.tell(f"the adapter kept of step {curve.best_step} cannot be used, the best from here on is kept: {why}")
        curve.lose_best()


def _reset_peak_memory(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()


def _peak_memory(device: str) -> int | None:
    """Peak bytes: of the GPU, else of the whole process; None where the system does not tell."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:
        return None
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
