"""The held-out curve of a training: where it is measured and on which rows, its best point, early stop, overfitting.

Only numbers live here; the adapter of the best point is kept by finetune.training.keeping. A curve's `facts` stand in
every checkpoint, so a resumption goes on with the curve that its step had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune import statistics

# Computing of a pass: forward counts 1, forward and backward through a frozen base 2 at least (the gradients of its
# weights are not computed). The whole curve may cost this share of the training, beyond the least rows.
_TRAINING_COST, _CURVE_SHARE = 2.0, 0.1
_NUM_POINTS = 10
# Rows of a point: with fewer than the first nobody can tell whether the loss rose (statistics.MIN_UNITS is 20), more
# than the last say hardly more.
_LEAST_ROWS, _MOST_ROWS = 32, 256
_ROWS_LOOKED_AT = 256
# A rise of the held-out loss that matters, in nats per token; the best point is the lowest of several on the same
# rows, so the others lie above it by chance too.
LEAST_RISE = 0.02

Losses = Sequence[tuple[float, int]]  # (nats, tokens) of each row, as finetune.models.row_losses gives them


@dataclass(frozen=True)
class Points:
    """Where a curve is measured.

    Attributes:
        steps: after which optimizer steps; the last step is always one. Empty where nothing is held out.
        rows: numbers of the held-out rows, spread evenly.
        cost_share: forward passes of all points, as a share of the training's computing (an estimate).
    """

    steps: tuple[int, ...]
    rows: tuple[int, ...]
    cost_share: float

    def note(self) -> str | None:
        """What a person is told where the points cost clearly more than a tenth of the computing."""
        if self.cost_share <= 2 * _CURVE_SHARE:
            return None
        share = f"about {self.cost_share:.0%} of the computing"
        points = f"{len(self.steps)} held-out points (train.evaluate_every)"
        return f"{points} on {len(self.rows)} rows each add {share}"


def plan_points(train: Sequence[Any], held_out: Sequence[Any], steps: int, epochs: float, every: int | None) -> Points:
    """Choose points and rows so that the curve costs about a tenth of the computing at most.

    Very small runs are measured on 10 points and 32 rows all the same.

    Args:
        train: (input_ids, labels) of the training rows; some are looked at, for their lengths.
        held_out: those of the held-out rows.
        steps: optimizer steps of the run.
        epochs: how often every row is seen.
        every: train.evaluate_every; None: 10 points.
    """
    if not len(held_out):
        return Points((), (), 0.0)
    train_tokens = _mean_tokens(train) * len(train) * epochs
    row_tokens = max(1.0, _mean_tokens(held_out))
    budget_rows = _CURVE_SHARE * _TRAINING_COST * train_tokens / row_tokens
    if every is None:
        at = {max(1, round(steps * k / _NUM_POINTS)) for k in range(1, _NUM_POINTS + 1)}
    else:
        at = {*range(every, steps + 1, every), steps}
    num_rows = min(len(held_out), _MOST_ROWS, max(_LEAST_ROWS, int(budget_rows / len(at))))
    rows = tuple(spread(len(held_out), num_rows))
    cost = len(at) * num_rows * row_tokens / (_TRAINING_COST * max(1.0, train_tokens))
    return Points(tuple(sorted(at)), rows, cost)


def spread(num: int, most: int) -> list[int]:
    """`most` of the numbers 0..num-1 at equal distances; all of them where there are no more."""
    most = min(num, most)
    return [k * num // most for k in range(most)]


def _mean_tokens(rows: Sequence[Any]) -> float:
    looked_at = spread(len(rows), _ROWS_LOOKED_AT)
    return sum(len(rows[k][0]) for k in looked_at) / len(looked_at) if looked_at else 0.0


class Curve:
    """The held-out points of a run so far.

    Attributes:
        points: {"step", "held_out_loss", "train_loss"}: nats per token; train_loss is the mean of the steps since the
            point before.
        best_step: of the lowest held-out loss; None before the first point, or where its adapter was lost.
        stopped_step: where train.early_stop ended the training; else None.
    """

    def __init__(self, patience: int | None = None):
        self._patience = patience
        self.points: list[dict[str, Any]] = []
        self.best_step: int | None = None
        self.stopped_step: int | None = None
        self._best_rows: list[list[float]] = []
        self._last_rows: list[list[float]] = []
        self._num_worse = 0
        self._train_sum, self._train_count = 0.0, 0

    def saw_step(self, loss: float) -> None:
        """An optimizer step had this training loss."""
        self._train_sum, self._train_count = self._train_sum + loss, self._train_count + 1

    def saw_point(self, step: int, losses: Losses, is_last: bool = False) -> bool:
        """A point was measured; True where it is the lowest so far. An equal one is not: earlier is simpler.

        Args:
            step: optimizer steps done.
            losses: of the point's rows.
            is_last: whether the training ends here anyway, so that nothing can be stopped early.
        """
        nats, tokens = sum(n for n, _ in losses), sum(count for _, count in losses)
        if not tokens:
            return False
        loss = nats / tokens
        train_loss = self._train_sum / self._train_count if self._train_count else None
        self._train_sum, self._train_count = 0.0, 0
        lowest = loss < self.best_loss
        self.points.append({"step": step, "held_out_loss": loss, "train_loss": train_loss})
        self._last_rows = [[n, count] for n, count in losses]
        if lowest:
            self.best_step, self._best_rows = step, self._last_rows
        self._num_worse = 0 if lowest else self._num_worse + 1
        if self._patience is not None and self._num_worse >= self._patience and not is_last:
            self.stopped_step = step
        return lowest

    @property
    def best_loss(self) -> float:
        """The lowest held-out loss so far; infinite before the first point."""
        found = None if self.best_step is None else self.loss_at(self.best_step)
        return math.inf if found is None else found

    def loss_at(self, step: int) -> float | None:
        """The held-out loss of a step's point; None where there is none."""
        return next((point["held_out_loss"] for point in self.points if point["step"] == step), None)

    def lose_best(self) -> None:
        """The adapter of the best point is gone: the next point is the lowest that there is."""
        self.best_step, self._best_rows = None, []

    def facts(self) -> dict[str, Any]:
        """As a checkpoint holds it; numbers alone."""
        return {
            "points": [dict(point) for point in self.points],
            "best_step": self.best_step,
            "stopped_step": self.stopped_step,
            "best_rows": self._best_rows,
            "last_rows": self._last_rows,
            "num_worse": self._num_worse,
            "train_sum": self._train_sum,
            "train_count": self._train_count,
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """From a checkpoint's `facts`."""
        self.points = [dict(point) for point in facts["points"]]
        self.best_step, self.stopped_step = facts["best_step"], facts["stopped_step"]
        self._best_rows, self._last_rows = facts["best_rows"], facts["last_rows"]
        self._num_worse = facts["num_worse"]
        self._train_sum, self._train_count = facts["train_sum"], facts["train_count"]

    def overfit(self, groups: Sequence[str | None] | None, seed: int) -> dict[str, Any]:
        """Whether the end is worse on held-out rows than the best point, while the training loss went on falling.

        Last against best point are compared row by row: a bootstrap of the paired difference, in nats per token. The
        best point was chosen on these rows, which makes the difference look a little larger than it is; a rise
        below LEAST_RISE does not count, and without a falling training loss it is not overfitting. A held-out loss that
        stays where it is while the training loss falls to less than half of it is overfitting as well (`_parted`).

        Args:
            groups: of the point's rows, in their order; None: every row is one of its own.
            seed: of the bootstrap.

        Returns:
            {"found": true | false | None (too few rows to tell), "why", "from_step", "difference"}.
        """
        if not self.points or self.best_step is None:
            return _overfit(None, "the held-out loss was not measured")
        last = self.points[-1]
        if last["step"] == self.best_step:
            return _overfit(False, "no overfitting: the held-out loss was lowest at the end")
        best = next(point for point in self.points if point["step"] == self.best_step)
        tokens = [count for _, count in self._best_rows]
        found = statistics.paired(
            [nats for nats, _ in self._best_rows], [nats for nats, _ in self._last_rows],
            tokens, groups, seed=seed,
        )  # fmt: skip
        result = statistics.result_of(found, higher_is_better=False, least_effect=LEAST_RISE)
        gap = found.difference
        figures = {"mean": gap.mean, "low": gap.low, "high": gap.high, "unit": "nats per token",
                   "num_rows": found.num_rows, "num_units": found.num_units}  # fmt: skip
        rise = f"by {gap.mean:.3f} nats per token ({gap.low:.3f} to {gap.high:.3f})"
        learnt = last["train_loss"] is not None and (best["train_loss"] or 0.0) > last["train_loss"]
        if result == "worse" and learnt:
            fell = f"{best['train_loss']:.3f} to {last['train_loss']:.3f}"
            why = (
                f"overfitting: after step {self.best_step} the held-out loss rose {rise}, while the training loss "
                f"fell from {fell}; more rows, fewer epochs or a lower learning rate help"
            )
            return _overfit(True, why, self.best_step, figures)
        parted = self._parted()
        if parted is not None:
            why = (
                f"overfitting: after step {parted['step']} the held-out loss no longer fell "
                f"({parted['held_out_loss']:.3f} then, {last['held_out_loss']:.3f} at the end), while the training "
                "loss fell from "
                f"{parted['train_loss']:.3f} to {last['train_loss']:.3f}; more rows, fewer epochs or a lower learning "
                "rate help"
            )
            return _overfit(True, why, parted["step"], figures)
        if result == "not_enough_rows":
            why = f"the held-out loss was lowest at step {self.best_step}; {found.num_units} {found.unit}s are too few "
            return _overfit(None, f"{why}to tell whether it rose afterwards", None, figures)
        tail = "and the training loss rose too" if result == "worse" else "which is no clear rise"
        why = f"no overfitting: after step {self.best_step} the held-out loss changed {rise}, {tail}"
        return _overfit(False, why, None, figures)

    def _parted(self) -> dict[str, Any] | None:
        """The point from which on only the training loss fell; None where the curves did not part.

        They did when the held-out loss came within LEAST_RISE (2 % of it, where that is less) of its lowest at a point
        with two or more behind it, and since then the training loss lost more than half of itself, to less than half of
        the held-out loss.
        """
        lowest = min(point["held_out_loss"] for point in self.points)
        near = lowest + min(LEAST_RISE, 0.02 * lowest)
        first = next(k for k, point in enumerate(self.points) if point["held_out_loss"] <= near)
        there, last = self.points[first], self.points[-1]
        if first > len(self.points) - 3 or there["train_loss"] is None or last["train_loss"] is None:
            return None
        halved = last["train_loss"] < 0.5 * min(there["train_loss"], last["held_out_loss"])
        return there if halved else None


def _overfit(
    found: bool | None, why: str, from_step: int | None = None, difference: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"found": found, "why": why, "from_step": from_step, "difference": difference}
