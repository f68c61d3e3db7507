"""SFTTrainer with its edges filled: a step is looped over in passes, saves are staged, steps are reported.

Imported when a training begins and not before: trl takes seconds.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from finetune.models import adapter_kept_in_float32, rewrite_config, row_losses
from finetune.training import checkpoints as ck
from finetune.training import keeping
from finetune.training.guards import check_held_out, check_weights, gradient_norm
from finetune.training.proof import prove_path
from finetune.training.steps import GroupOrder, Step, attention_applied, cut, lean_applied, loss_of
from finetune.training.train import Work
from finetune.training.translate import optimizer_groups


class WatchedTrainer(SFTTrainer):
    """The trainer's own loop over steps; what happens inside a step and at its edges is ours.

    One of its batches is a whole step: per_device_train_batch_size is batch_size, and nothing is accumulated by it.
    """

    def __init__(self, work: Work, **words: Any):
        self.work = work
        self.sums: dict[str, Any] = {}
        self.gradient_norm: float | None = None
        self._staging: Path | None = None
        self._adapter_way, self._attention_way = contextlib.ExitStack(), contextlib.ExitStack()
        super().__init__(**words)
        self._pad_token_id: Any = self._tokenizer.pad_token_id

    # -- how passes are computed ---------------------------------------------------------------------------------

    def enter_path(self) -> None:
        """Prove the way of computing on some of the rows, and compute in it from here on."""
        work, model = self.work, self.model
        images = work.rows.train_images
        work.proof = prove_path(
            model, work.rows.train, work.path, device=self.args.device, dtype=work.plan.dtype,
            pad_token_id=self._pad_token_id, unwanted_id=images.words.token_id if images else None,
        )  # fmt: skip
        work.path = work.proof.path
        left = self._adapter_way.enter_context(lean_applied(model, work.path))
        self._attention_way.enter_context(attention_applied(model, work.path))
        work.proof = work.proof.with_left(left)
        if work.on_proof is not None:
            work.on_proof(work.proof)

    def leave_path(self) -> None:
        """The model is computed as it was before `enter_path`."""
        self._attention_way.close()
        self._adapter_way.close()

    @contextlib.contextmanager
    def own_attention(self) -> Iterator[None]:
        """Between two steps: a model that takes any rows."""
        self._attention_way.close()
        try:
            yield
        finally:
            self._attention_way.enter_context(attention_applied(self.model, self.work.path))

    def collate(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The passes of one step."""
        work, numbers = self.work, [example["row"] for example in examples]
        rows = [work.rows.train[number] for number in numbers]
        plan, images = work.plan, work.rows.train_images
        step = cut(numbers, rows, work.path, plan.pass_tokens, plan.micro_batch, self._pad_token_id, images)
        return {"step": step}

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """All passes of a step, forward and backward; their gradients add up."""
        step: Step = inputs["step"]
        self.work.guard.saw_batch(list(step.rows), step.num_labels)
        loss = torch.zeros((), device=self.args.device)
        self.sums = {}
        for one in step.passes:
            loss += super().training_step(model, {"pass": one}, step.num_labels)
        self.work.guard.saw_loss(loss.item())
        progress = self.work.progress
        progress.tokens_seen += step.num_row_tokens
        progress.trained_tokens_seen += step.num_labels
        progress.computed_tokens += step.num_computed_tokens
        self.sums = {name: value.item() / max(1, step.num_labels) for name, value in self.sums.items()}
        return loss

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, num_items_in_batch: Any = None) -> Any:
        """The loss of one pass: its share of the step's."""
        work = self.work
        dtype, measure = getattr(torch, work.plan.dtype), work.settings.measure
        loss, sums = loss_of(model, inputs["pass"], num_items_in_batch, work.path, self.args.device, dtype, measure)
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        """Upstream's clipping; the norm that it found, before it clipped, is kept for metrics.jsonl."""
        found = super()._clip_grad_norm(model)
        norm = float(found) if found is not None else math.nan
        self.gradient_norm = norm if math.isfinite(norm) else None
        return found

    # -- order and optimizer -------------------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.work.settings.order == "by_group":
            return GroupOrder(self.work.rows.groups, self.work.settings.seed)
        return super()._get_train_sampler(train_dataset)

    def create_optimizer(self, model: Any = None) -> Any:
        """LoRA+ has groups of its own."""
        ratio = self.work.learning_rate_ratio
        if ratio == 1 or self.optimizer is not None:
            return super().create_optimizer(model)
        adapted: Any = self.model
        kind, kind_words = self.get_optimizer_cls_and_kwargs(self.args, adapted)
        self.optimizer = kind(optimizer_groups(adapted, self.args.learning_rate, ratio), **kind_words)
        return self.optimizer

    # -- saves ---------------------------------------------------------------------------------------------------

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """No card per checkpoint: it would hold a local path, and the report is written from the run."""

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._staging) if self._staging else super()._get_output_dir(trial)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step, run = self.state.global_step, self.work.run
        check_weights(model, step)
        with ck.disk_errors(run.checkpoints_dir), ck.staged(run.checkpoints_dir) as staging:
            self._staging = staging
            try:
                super()._save_checkpoint(model, trial)
            finally:
                self._staging = None
            source = staging / f"checkpoint-{step}"
            rewrite_config(source, self.work.base_label, None)
            ck.seal(source, run.checkpoints_dir, step, run.manifest["run_id"], self.work.facts())
        self.work.stop.saved_step = step
        ck.rotate(run.checkpoints_dir, run.manifest["run_id"])
        keeping.collect(run.checkpoints_dir, run.manifest["run_id"], self.work.curve.best_step)


class Watcher(TrainerCallback):
    """The proof at the start; guards before each step; metrics, held-out curve and signals after it."""

    def __init__(self, words: dict[str, Any], work: Work):
        self._words, self._work = words, work
        self._points = frozenset(work.points.steps)
        self._held_out = [work.rows.held_out[k] for k in work.points.rows]
        self._images = work.rows.held_out_images
        if self._images is not None:
            self._images = self._images.of(work.points.rows)
        self._learning_rate: float | None = None
        self.trainer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # On resume upstream takes these from the checkpoint; the recipe may have changed them.
        state.save_steps, state.logging_steps = self._words["save_steps"], self._words["logging_steps"]
        self.trainer.enter_path()
        self._work.trackers.start(args, state, control)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        scales = self.trainer.accelerator.scaler is not None
        self._learning_rate = kwargs["optimizer"].param_groups[0]["lr"]
        self._work.guard.before_step(gradient_norm(kwargs["model"]), scales)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        work, step = self._work, state.global_step
        guard, progress = work.guard, work.progress
        work.last_step = step
        progress.loss, progress.start_loss = guard.last_step_loss, guard.start_loss
        work.curve.saw_step(guard.last_step_loss)
        entry = {
            "step": step, "loss": guard.last_step_loss, "epoch": round(state.epoch or 0, 4),
            "learning_rate": self._learning_rate, "gradient_norm": self.trainer.gradient_norm, **self.trainer.sums,
        }  # fmt: skip
        if step in self._points:
            self._measure(kwargs["model"], step)
            entry["held_out_loss"] = work.curve.loss_at(step)
            if work.curve.stopped_step == step:
                control.should_save = control.should_training_stop = True
        if step == 1 or step % args.logging_steps == 0 or step == work.steps or "held_out_loss" in entry:
            work.run.append_metrics(entry)
            work.trackers.log(args, state, control, _as_upstream(entry))
        if work.on_step is not None:
            work.on_step(step, work.steps, guard.last_step_loss)
        if work.stop.signal is not None:
            control.should_save = True
            control.should_training_stop = True
        return control

    def _measure(self, model: Any, step: int) -> None:
        """The held-out loss of a point; the adapter of the lowest so far is kept before anything says so."""
        work, run = self._work, self._work.run
        check_weights(model, step)
        with self.trainer.own_attention():
            losses = row_losses(model, self._held_out, images=self._images)
        check_held_out(losses, step)
        lowest = work.curve.saw_point(step, losses, is_last=step == work.steps)
        # The last step's adapter is saved by the caller, and stands in the last checkpoint.
        if lowest and work.settings.keep == "best" and step != work.steps:
            keeping.keep_best(model, run.checkpoints_dir, step, run.manifest["run_id"], work.base_label)
            keeping.collect(run.checkpoints_dir, run.manifest["run_id"], step)


def _as_upstream(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of metrics.jsonl under the names that dashboards know; what begins with eval_ is held out."""
    names = {"gradient_norm": "grad_norm", "held_out_loss": "eval_loss"}
    return {names.get(key, key): value for key, value in entry.items() if key != "step" and value is not None}


def build_trainer(model: Any, tokenizer: Any, work: Work, words: dict[str, Any]) -> WatchedTrainer:
    """The trainer of one run.

    Args:
        model: with its adapter.
        tokenizer: with pad token.
        work: of the run.
        words: of SFTConfig.
    """
    disable_progress_bars()
    arguments = SFTConfig(**words)
    if arguments.n_gpu > 1:
        # Upstream would spread over every GPU it sees and multiply batch_size by their number.
        arguments._n_gpu = 1
    watcher = Watcher(words, work)
    with adapter_kept_in_float32(model):
        trainer = WatchedTrainer(
            work,
            model=model,
            args=arguments,
            # Numbers alone: rows are asked for, and cut into passes, when their step comes.
            train_dataset=Dataset.from_dict({"row": range(len(work.rows.train))}),
            data_collator=lambda examples: trainer.collate(examples),
            processing_class=tokenizer,
            callbacks=[watcher],
        )
    watcher.trainer = trainer
    # Some classes (Qwen-VL) say that their own loss cannot be divided by the tokens of all passes; ours is.
    trainer.model_accepts_loss_kwargs = True
    # Upstream's own printer writes dictionaries to stdout; metrics.jsonl and the progress bar replace it.
    trainer.remove_callback(PrinterCallback)
    return trainer
