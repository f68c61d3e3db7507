"""The end of a training: which adapter is kept, and what the held-out curve says of it."""

from __future__ import annotations

from typing import Any

from finetune.training import keeping
from finetune.training.train import Work


def settle(trainer: Any, work: Work) -> dict[str, Any] | None:
    """Put the adapter that is kept on the model, and say which one it is and why.

    Args:
        trainer: whose model was trained to the end.
        work: of the run.

    Returns:
        What the manifest holds as training.best: the best point, the last one, which of them was kept, all points,
        early stop and overfitting. None where nothing was held out.
    """
    curve = work.curve
    if not curve.points:
        if work.settings.keep == "best":
            work.tell("kept the adapter of the last step: no rows are held out to choose one by")
        return None
    overfit = curve.overfit(_groups(work), work.settings.seed)
    last = curve.points[-1]
    best = next((point for point in curve.points if point["step"] == curve.best_step), last)
    wanted = work.settings.keep == "best" and best is not last
    why_lost = _take(trainer, work, best["step"]) if wanted else None
    kept = best if wanted and why_lost is None else last
    if work.curve.stopped_step is not None:
        work.tell(_stop_line(work, best))
    if why_lost is not None:
        work.tell(f"the adapter of step {best['step']} cannot be used ({why_lost}); the last step's is taken")
    work.tell(_kept_line(kept, best, last, work))
    if overfit["found"]:
        work.tell(overfit["why"])
    return {
        "step": best["step"],
        "held_out_loss": best["held_out_loss"],
        "last_step": last["step"],
        "last_held_out_loss": last["held_out_loss"],
        "kept": "best" if kept is best and (wanted or work.settings.keep == "best") else "last",
        "kept_step": kept["step"],
        "planned_steps": work.steps,
        "num_rows": len(work.points.rows),
        "points": [dict(point) for point in curve.points],
        "early_stop": _early_stop(work, best),
        "overfit": overfit,
    }


def _take(trainer: Any, work: Work, step: int) -> str | None:
    """Load the kept adapter of a step; or why it cannot be had."""
    folder = work.run.checkpoints_dir
    why = keeping.why_lost(folder, step, work.run.manifest["run_id"])
    if why is None:
        trainer._load_from_checkpoint(str(keeping.kept(folder, step).path))
    return why


def _groups(work: Work) -> list[str | None] | None:
    """What data.group_by says of the rows of a point; None where it says nothing."""
    groups = work.rows.held_out_groups
    return [groups[k] for k in work.points.rows] if groups else None


def _early_stop(work: Work, best: dict[str, Any]) -> dict[str, Any] | None:
    if work.curve.stopped_step is None:
        return None
    return {"step": work.curve.stopped_step, "planned_steps": work.steps, "why": _stop_line(work, best)}


def _stop_line(work: Work, best: dict[str, Any]) -> str:
    num = work.settings.early_stop
    return (
        f"stopped early at step {work.curve.stopped_step} of {work.steps}: {num} held-out point{'s' * (num != 1)} in a "
        f"row brought no lower loss than step {best['step']} ({best['held_out_loss']:.3f})"
    )


def _kept_line(kept: dict[str, Any], best: dict[str, Any], last: dict[str, Any], work: Work) -> str:
    where = f"step {kept['step']} of {work.steps}"
    if best is last:
        lowest = f"the lowest of {len(work.curve.points)} points" if len(work.curve.points) > 1 else "the only point"
        return f"kept the adapter of the last step, {where}: held-out loss {kept['held_out_loss']:.3f}, {lowest}"
    if kept is best:
        return (
            f"kept the adapter of {where}: held-out loss {kept['held_out_loss']:.3f} "
            f"({last['held_out_loss']:.3f} at the end)"
        )
    why = ", as train.keep says" if work.settings.keep == "last" else ""
    return (
        f"kept the adapter of the last step, {where}{why}: held-out loss {kept['held_out_loss']:.3f} "
        f"({best['held_out_loss']:.3f} at step {best['step']})"
    )
