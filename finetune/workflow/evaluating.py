"""The end of a run: evaluated, gated, and evaluated again with other questions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from finetune import evaluation, recipe, training
from finetune.errors import IntegrityError, Problem, RecipeError, RunError
from finetune.runs import Run, utc_now, write_text
from finetune.talk import Talk


def evaluate_run(current: Run, talk: Talk, wishes: evaluation.Wishes | None = None) -> None:
    """Evaluate, and write "finished" last, with the exit code that the gate gives."""
    result = evaluation.evaluate(current, wishes=wishes, on_progress=talk.progress, on_note=talk.say)
    exit_code = IntegrityError.exit_code if result["gate"]["passed"] is False else 0
    current.update(status="finished", exit_code=exit_code, ended_at=utc_now())


def check_gate(current: Run) -> None:
    """An adapter that did not pass evaluate.gate ends the command with exit code 3.

    Raises:
        IntegrityError: each check that failed, with its reason; the run itself is complete and kept.
    """
    if current.manifest["exit_code"] != IntegrityError.exit_code:
        return
    found = json.loads(current.evaluation_path.read_bytes())
    problems = evaluation.gate_problems(found, str(current.path))
    if not problems:  # an evaluation of an older kit
        problems = [Problem(str(current.path), "evaluate.gate", found["verdict"]["why"], fix="look at report.html")]
    raise IntegrityError(problems)


def evaluate_again(
    path: str | Path,
    talk: Talk | None = None,
    *,
    wishes: evaluation.Wishes | None = None,
    overrides: Sequence[str] = (),
) -> Run:
    """Evaluate a run anew and rewrite its report; a run whose evaluation had failed is finished by it.

    Args:
        wishes: suites beside the recipe's, other benchmarks, a judge.
        overrides: `evaluate.KEY=VALUE` texts that change what is asked, and stay in the run.

    Raises:
        RunError: it is no run, or its training has not ended.
        StoppedError, CancelledError: a signal; what was finished is kept.
    """
    talk = talk or Talk()
    stop = training.StopRequest()
    stop.kept = "finished items are kept"
    stop.advice = f"go on with: {shlex.join(['finetune', 'evaluate', str(path)])}"
    with stop.listening():
        try:
            current = Run.open(path)
            if current.manifest["training"] is None:
                fix = "let `finetune run --resume` finish it"
                what = "has not been trained to the end"
                raise RunError(Problem(str(path), "", what, current.manifest["status"], fix))
            with current.locked():
                if overrides:
                    reword_evaluation(current, overrides)
                evaluate_run(current, talk, wishes)
        except training.StopNow:
            raise stop.error() from None
    return current


def reword_evaluation(current: Run, overrides: Sequence[str]) -> None:
    """Write other words of `evaluate` into a run's recipe.resolved.yaml, and note them in its manifest.

    Args:
        current: the run; the caller holds its lock.
        overrides: `evaluate.KEY=VALUE` texts; files among the values are named from the current folder.

    Raises:
        RecipeError: a key of another section, or a value that a recipe may not have.
    """
    others = [text for text in overrides if not text.startswith("evaluate.")]
    if others:
        fix = "start a new run for it; only evaluate.* may change here"
        raise RecipeError(
            [Problem("--set", text.split("=")[0], "is what the run was made of", fix=fix) for text in others]
        )
    loaded = recipe.load(current.resolved_path, overrides, allow_outside=True)
    write_text(current.resolved_path, recipe.dump(recipe.relocate(loaded, current.path)))
    for text in overrides:
        current.note(f"evaluated again with --set {text.split('=')[0]}")
