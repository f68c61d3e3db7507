"""What stops a run before it does harm: no labels, NaN, zero gradient, divergence, signals."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from finetune.errors import CancelledError, DivergedError, Problem, StoppedError

# Divergence: the step loss stands above twice the start (plus one nat) for this many steps on end.
_PATIENCE_STEPS = 5
_ZERO_GRADIENT_STEPS = 2
# With float16, a gradient that overflows is skipped and the scale lowered; this many on end are no longer normal.
_OVERFLOW_STEPS = 24


class LossGuard:
    """Watches one optimizer step: its passes, then its gradient. Every complaint comes before the weights change.

    Args:
        learning_rate: to suggest a lower one.
        places: where each training row was read ("train.csv:12"), for messages; row numbers where there is none.
        ratio: of LoRA+, to suggest a lower one.
    """

    def __init__(self, learning_rate: float, places: Sequence[str] = (), ratio: float = 1.0):
        self._rate = learning_rate
        self._ratio = ratio
        self._places = places
        self._overflows = 0
        self._rows: list[int] = []
        self._labels = 0
        self._loss = 0.0
        self._start: float | None = None
        self._steps_above = 0
        self._steps_without_gradient = 0
        self.last_step_loss = float("nan")

    def restore(self, start_loss: float | None) -> None:
        """On resume: the loss that divergence is measured against."""
        self._start = start_loss

    @property
    def start_loss(self) -> float | None:
        return self._start

    def saw_batch(self, rows: list[int], num_labels: int) -> None:
        """A pass is about to run on these training rows (0-based)."""
        self._rows += rows
        self._labels += num_labels

    def saw_loss(self, loss: float) -> None:
        """A pass gave this loss (its share of the step's mean)."""
        if not math.isfinite(loss):
            self._stop(f"the loss is {loss}", self._lower_rate())
        self._loss += loss

    def before_step(self, gradient_norm: float, skips_overflow: bool = False) -> None:
        """All passes of a step are done.

        Args:
            gradient_norm: over all trainable parameters.
            skips_overflow: a loss scaler (float16) leaves a step with an infinite gradient out by itself.
        """
        if self._labels == 0:
            self._stop("no token of this batch is trained", "look at `finetune preview`; nothing was changed")
        self._overflows = 0 if math.isfinite(gradient_norm) else self._overflows + 1
        if self._overflows > (_OVERFLOW_STEPS if skips_overflow else 0):
            self._stop(f"the gradient is {gradient_norm}", self._lower_rate())
        self._steps_without_gradient = self._steps_without_gradient + 1 if gradient_norm == 0 else 0
        if self._steps_without_gradient >= _ZERO_GRADIENT_STEPS:
            what = f"the gradient has been exactly zero for {_ZERO_GRADIENT_STEPS} steps: nothing is learnt any more"
            self._stop(what, self._lower_rate())
        if self._start is None:
            self._start = self._loss
        self._steps_above = self._steps_above + 1 if self._loss > 2 * self._start + 1 else 0
        if self._steps_above >= _PATIENCE_STEPS:
            what = (
                f"the loss rose from {self._start:.3g} to {self._loss:.3g} and stayed there for {_PATIENCE_STEPS} steps"
            )
            self._stop(what, self._lower_rate())
        self.last_step_loss = self._loss
        self._rows, self._labels, self._loss = [], 0, 0.0

    def _lower_rate(self) -> str:
        advice = f"try --set train.learning_rate={self._rate / 10:g} (now {self._rate:g})"
        if self._ratio == 1:
            return advice
        fast = f"now {self._ratio:g}: B learns at {self._rate * self._ratio:g}"
        return f"{advice}, or --set adapter.learning_rate_ratio=1 ({fast})"

    def _stop(self, what: str, fix: str) -> None:
        named = [self._places[row] if row < len(self._places) else str(row + 1) for row in self._rows[:8]]
        rows = ", ".join(named) + (", ..." if len(self._rows) > 8 else "")
        raise DivergedError(Problem("training", f"rows {rows}", f"{what}; stopped before the step", fix=fix))


def gradient_norm(model: Any) -> float:
    """Euclidean norm of the gradients of all trainable parameters, 0 when there is none."""
    import torch

    gradients = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients).item() if gradients else 0.0


def check_held_out(losses: Sequence[tuple[float, int]], step: int) -> None:
    """Stop a training whose weights are still numbers, but give losses that are none.

    Args:
        losses: (nats, tokens) of held-out rows.

    Raises:
        DivergedError: one of them is not finite.
    """
    if not all(math.isfinite(nats) for nats, _ in losses):
        what = f"after step {step} the loss on held-out rows is not a finite number"
        raise DivergedError(Problem("training", "", what, fix="lower train.learning_rate and start again"))


def check_weights(model: Any, step: int) -> None:
    """See that a step left every trained weight a number, before they are saved over good ones.

    Raises:
        DivergedError: one is NaN or infinite.
    """
    import torch

    if not all(torch.isfinite(p).all() for p in model.parameters() if p.requires_grad):
        what = f"step {step} left weights that are no numbers; they are not saved"
        raise DivergedError(Problem("training", "", what, fix="lower train.learning_rate and start again"))


class StopNow(BaseException):
    """A signal that ends the work at once. No Exception: no library's `except Exception` may swallow it."""


class StopRequest:
    """SIGTERM and Ctrl-C, turned into an orderly end.

    Outside the training loop a signal raises StopNow at once; inside, the loop finishes its step, saves and ends. A
    second Ctrl-C does not wait.

    Attributes:
        advice: the command that goes on, for the message.
        kept: what is kept, where that is not told by a saved step.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.in_loop = False
        self.saved_step: int | None = None
        self.advice = "go on with --resume"
        self.kept: str | None = None

    def error(self) -> CancelledError | StoppedError:
        """What the signal asks for: exit code 75 for SIGTERM, 130 for Ctrl-C."""
        kept = f"step {self.saved_step} is saved" if self.saved_step else self.kept or "nothing was saved yet"
        if self.signal == signal.SIGINT:
            return CancelledError(Problem("", "", f"stopped by Ctrl-C; {kept}", fix=self.advice))
        return StoppedError(Problem("", "", f"stopped by SIGTERM; {kept}", fix=self.advice))

    def raise_if_asked(self) -> None:
        """Raise `error` when a signal came."""
        if self.signal is not None:
            raise self.error()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        again = self.signal == signal.SIGINT and number == signal.SIGINT
        self.signal = self.signal or number
        if again or not self.in_loop:
            raise StopNow

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Handle SIGTERM and SIGINT inside; the former handlers come back afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield self  # only the main thread may set handlers; an embedding program keeps its own
            return
        former = {number: signal.signal(number, self.handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
