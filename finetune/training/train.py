"""One training run: SFTTrainer, our rows, our checkpoints, our guards."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Upstream counts its users unless told not to; set before it is imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from finetune.models import RowImages, adapter_kept_in_float32, mean_loss, rewrite_config, row_losses
from finetune.render import IGNORED
from finetune.runs import Run
from finetune.training import checkpoints as ck
from finetune.training.guards import LossGuard, StopRequest, check_weights, gradient_norm
from finetune.training.translate import num_steps, optimizer_groups, sft_config_words

_HELD_OUT_ROWS = 64
_HELD_OUT_POINTS = 5


@dataclass(frozen=True)
class TrainingRows:
    """Rendered rows: input_ids and labels of training and held-out conversations, as (ids, labels) pairs.

    Attributes:
        train: what is trained on. Where it has `columns` (finetune.render.rows.Pairs), the trainer reads those and no
            row is copied.
        held_out: what the held-out curve is measured on.
        places: where each training row was read ("train.csv:12"), for messages; may be empty.
        train_images, held_out_images: of these rows; None where they are texts alone.
    """

    train: Sequence[tuple[Sequence[int], Sequence[int]]]
    held_out: Sequence[tuple[Sequence[int], Sequence[int]]]
    places: Sequence[str] = ()
    train_images: RowImages | None = None
    held_out_images: RowImages | None = None


@dataclass(frozen=True)
class TrainResult:
    """What a finished training tells the manifest; counts and seconds include what was done before a resumption."""

    num_steps: int
    final_loss: float
    tokens_seen: int
    trained_tokens_seen: int
    seconds: float
    peak_memory_bytes: int | None


@dataclass
class Progress:
    """What a run counts across its resumptions; each checkpoint holds it."""

    tokens_seen: int = 0
    trained_tokens_seen: int = 0
    loss: float = float("nan")
    start_loss: float | None = None
    seconds_before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Seconds of training, those before a resumption included."""
        return self.seconds_before + time.monotonic() - self.started

    def facts(self) -> dict[str, Any]:
        """As a checkpoint holds it."""
        names = ("tokens_seen", "trained_tokens_seen", "loss", "start_loss")
        return {**{name: getattr(self, name) for name in names}, "seconds": round(self.seconds(), 3)}

    def restore(self, facts: Mapping[str, Any]) -> None:
        """From a checkpoint's `facts`."""
        self.tokens_seen, self.trained_tokens_seen = facts["tokens_seen"], facts["trained_tokens_seen"]
        self.loss, self.start_loss, self.seconds_before = facts["loss"], facts["start_loss"], facts["seconds"]
        self.started = time.monotonic()


# Told step, number of steps, loss of the step, seconds per step; draws the progress bar.
OnStep = Callable[[int, int, float], None]


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
) -> TrainResult:
    """Train the adapter on `model` in place, with checkpoints and metrics in the run folder.

    Args:
        model: a base with a trainable adapter (finetune.models.attach_adapter).
        tokenizer: with pad token, for padding.
        rows: what to train on, and what to measure the held-out curve on (its first rows, a fixed sample).
        settings: the recipe's `train` section.
        plan: from finetune.hardware.make_plan.
        run: holds checkpoints and metrics; its manifest is updated by the caller.
        base_label: what adapter_config.json calls the base, instead of a local path.
        resume: a verified checkpoint of this run.
        on_step: told after every optimizer step.
        stop: collects signals; a fresh one that nobody listens to when None.
        learning_rate_ratio: the recipe's adapter.learning_rate_ratio (LoRA+).

    Raises:
        DivergedError: NaN, no labels, zero gradient or divergence; the weights of the last step are kept.
        StoppedError, CancelledError: asked to stop by a signal; a checkpoint was written.
        SurroundingsError: the disk refused a checkpoint.
    """
    stop = stop or StopRequest()
    steps = num_steps(len(rows.train), settings.batch_size, settings.epochs)
    guard = LossGuard(settings.learning_rate, rows.places, learning_rate_ratio)
    progress = Progress()
    words = sft_config_words(settings, plan, len(rows.train), run.checkpoints_dir)
    trainer = _build_trainer(
        model, tokenizer, rows, words, run, base_label, guard, progress, stop, on_step, steps, learning_rate_ratio
    )
    ck.clean(run.checkpoints_dir)  # here too: a resumption that finds all steps done saves nothing
    if resume is not None:
        _go_on_from(resume, run, progress)
        guard.restore(progress.start_loss)
        stop.saved_step = resume.step
    _reset_peak_memory(plan.device)
    own_forward = model.__dict__.get("forward")
    stop.in_loop = True
    try:
        stop.raise_if_asked()
        with warnings.catch_warnings():
            # Upstream warns of its own renamed words; a user can do nothing about them.
            warnings.simplefilter("ignore", FutureWarning)
            if resume is not None and resume.step >= steps:
                # Upstream would do one more step when the last epoch is a part of one.
                trainer._load_from_checkpoint(str(resume.path))
            else:
                trainer.train(resume_from_checkpoint=str(resume.path) if resume else None)
    finally:
        stop.in_loop = False
        _restore_forward(model, own_forward)
    stop.raise_if_asked()
    return TrainResult(
        num_steps=steps,
        final_loss=progress.loss,
        tokens_seen=progress.tokens_seen,
        trained_tokens_seen=progress.trained_tokens_seen,
        seconds=progress.seconds(),
        peak_memory_bytes=_peak_memory(plan.device),
    )


def _restore_forward(model: Any, own_forward: Any) -> None:
    """Take off the mixed-precision wrapper that accelerate leaves on a model: what is asked later is asked plainly."""
    model.__dict__.pop("_original_forward", None)
    model.__dict__.pop("forward", None)
    if own_forward is not None:
        model.forward = own_forward


def _go_on_from(resume: ck.Checkpoint, run: Run, progress: Progress) -> None:
    """Forget what the run did after this checkpoint, and go on counting from there."""
    ck.discard_beyond(run.checkpoints_dir, run.manifest["run_id"], resume.step)
    run.drop_metrics_after(resume.step)
    progress.restore(ck.read_manifest(resume)["progress"])


def _build_trainer(
    model: Any,
    tokenizer: Any,
    rows: TrainingRows,
    words: dict[str, Any],
    run: Run,
    base_label: str,
    guard: LossGuard,
    progress: Progress,
    stop: StopRequest,
    on_step: OnStep | None,
    steps: int,
    learning_rate_ratio: float,
) -> Any:
    """SFTTrainer with three seams filled: passes are watched, saves are staged, steps are reported."""
    import torch
    from datasets import disable_progress_bars
    from transformers import TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

    disable_progress_bars()
    pad = DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id)

    def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = pad([{"input_ids": e["input_ids"], "labels": _labels_of(e)} for e in examples])
        numbers = [e["row"] for e in examples]
        if rows.train_images is not None:
            batch |= rows.train_images.batch(numbers, batch["input_ids"])
        return {**batch, "rows": torch.tensor(numbers)}

    class WatchedTrainer(SFTTrainer):
        """The trainer's own loop and loss; only its edges are ours."""

        staging: Path | None = None

        def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            batch_rows = inputs.pop("rows").tolist()
            num_labels = int((inputs["labels"][:, 1:] != IGNORED).sum())
            guard.saw_batch(batch_rows, num_labels)
            loss = super().training_step(model, inputs, *args, **kwargs)
            guard.saw_loss(loss.item())
            progress.tokens_seen += int(inputs["attention_mask"].sum())
            progress.trained_tokens_seen += num_labels
            return loss

        def create_optimizer(self, model: Any = None) -> Any:
            if learning_rate_ratio == 1 or self.optimizer is not None:
                return super().create_optimizer(model)
            adapted: Any = self.model
            kind, kind_words = self.get_optimizer_cls_and_kwargs(self.args, adapted)
            groups = optimizer_groups(adapted, self.args.learning_rate, learning_rate_ratio)
            self.optimizer = kind(groups, **kind_words)
            return self.optimizer

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """No card per checkpoint: it would hold a local path, and the report is written from the run."""

        def _get_output_dir(self, trial: Any) -> str:
            return str(self.staging) if self.staging else super()._get_output_dir(trial)

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            step = self.state.global_step
            check_weights(model, step)
            with ck.disk_errors(run.checkpoints_dir), ck.staged(run.checkpoints_dir) as staging:
                self.staging = staging
                try:
                    super()._save_checkpoint(model, trial)
                finally:
                    self.staging = None
                source = staging / f"checkpoint-{step}"
                rewrite_config(source, base_label, None)
                ck.seal(source, run.checkpoints_dir, step, run.manifest["run_id"], progress.facts())
            stop.saved_step = step
            ck.rotate(run.checkpoints_dir, run.manifest["run_id"])

    class Watcher(TrainerCallback):
        """Guards before each step; metrics, held-out curve and signals after it."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # On resume upstream takes these from the checkpoint; the recipe may have changed them.
            state.save_steps, state.logging_steps = words["save_steps"], words["logging_steps"]

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            guard.before_step(gradient_norm(kwargs["model"]), trainer.accelerator.scaler is not None)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            step = state.global_step
            progress.loss, progress.start_loss = guard.last_step_loss, guard.start_loss
            entry = {"step": step, "loss": guard.last_step_loss, "epoch": round(state.epoch or 0, 4)}
            if step in points and held_out:
                check_weights(kwargs["model"], step)
                entry["held_out_loss"] = mean_loss(row_losses(kwargs["model"], held_out, images=rows.held_out_images))
            if step == 1 or step % args.logging_steps == 0 or step == steps or "held_out_loss" in entry:
                run.append_metrics(entry)
            if on_step is not None:
                on_step(step, steps, guard.last_step_loss)
            if stop.signal is not None:
                control.should_save = True
                control.should_training_stop = True
            return control

    held_out = list(rows.held_out[:_HELD_OUT_ROWS])
    points = {max(1, round(steps * k / _HELD_OUT_POINTS)) for k in range(1, _HELD_OUT_POINTS + 1)}
    arguments = SFTConfig(**words)
    if arguments.n_gpu > 1:
        # Upstream would spread over every GPU it sees and multiply batch_size by their number.
        arguments._n_gpu = 1
    with adapter_kept_in_float32(model):
        trainer = WatchedTrainer(
            model=model,
            args=arguments,
            train_dataset=_dataset(rows.train),
            data_collator=collate,
            processing_class=tokenizer,
            callbacks=[Watcher()],
        )
    # Some classes (Qwen-VL) say that their own loss cannot be divided by the tokens of all passes; SFTTrainer's, which
    # is used here, can: a step does not depend on how many rows fit into a pass.
    trainer.model_accepts_loss_kwargs = True
    # Upstream's own printer writes dictionaries to stdout; metrics.jsonl and the progress bar replace it.
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def _dataset(rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Any:
    """The rows as a datasets.Dataset, numbered; rows that are kept in Arrow's form are not copied."""
    from datasets import Dataset

    if hasattr(rows, "columns"):
        import pyarrow as pa

        def lists(starts: Any, values: Any) -> Any:
            flat = pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(values)])
            return pa.LargeListArray.from_arrays(pa.array(starts, pa.int64()), flat)

        made = {name: lists(*column) for name, column in rows.columns().items()}  # type: ignore[attr-defined]
        table = pa.table({**made, "row": pa.array(range(len(rows)), pa.int64())})
        # Without a name of its own, all rows would be pickled to hash them.
        return Dataset(table, fingerprint=f"rows-{len(rows)}")
    columns = {"input_ids": [ids for ids, _ in rows], "labels": [labels for _, labels in rows]}
    return Dataset.from_dict({**columns, "row": list(range(len(rows)))})


def _labels_of(example: Mapping[str, Any]) -> list[int]:
    """The labels of a row, or those that its spans (start, end, start, end ...) say."""
    if "labels" in example:
        return example["labels"]
    ids, spans = example["input_ids"], example["spans"]
    labels = [IGNORED] * len(ids)
    for start, end in zip(spans[::2], spans[1::2]):
        labels[start:end] = ids[start:end]
    return labels


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
