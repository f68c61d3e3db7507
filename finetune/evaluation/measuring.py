"""One evaluation of a run: the same held-out rows and the same questions, once without and once with the adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import finetune
from finetune import data, models, prepare, recipe
from finetune.errors import DataError, IntegrityError, Problem
from finetune.evaluation import answers
from finetune.evaluation.comparison import compare, verdict
from finetune.evaluation.report import write_report
from finetune.generation import Engine, find_source, read_questions
from finetune.runs import Run, sha256_of, utc_now, write_json, write_text

EVALUATION_SCHEMA = 1
# Told what is going on, how much of it is done, and of how much.
OnProgress = Callable[[str, int, int], None]


def evaluate(run: Run, *, on_progress: OnProgress | None = None) -> dict[str, Any]:
    """Compare a run's adapter with its base; writes evaluation.json, samples.jsonl and report.html.

    Losses are nats per trained token (the answers and their end tokens), token-weighted over the held-out rows.
    evaluation.json holds numbers and hashes only; samples.jsonl holds text of the user's own rows, report.html only
    with evaluate.show_rows.

    Args:
        run: a run folder with an adapter. The caller holds its lock.
        on_progress: told stage, done, total.

    Returns:
        What evaluation.json holds.

    Raises:
        RunError: the run has no adapter.
        IntegrityError: data, prompt or base changed since the run, or the adapter gives losses that are not finite.
        DataError: the data cannot be read, or no held-out row is left to measure on.
        RecipeError, ModelError, SurroundingsError: recipe or base cannot be opened.
    """
    began = time.monotonic()
    tell = on_progress or (lambda name, done, total: None)
    loaded = recipe.load(run.resolved_path, allow_outside=True)
    words = loaded.recipe
    source = find_source(run.path)  # before the rows: an adapter or prompt that was changed is refused at once
    splits = data.load(loaded)
    _check_same_data(run, splits.report.fingerprint)
    if not splits.held_out:
        raise _nothing_held_out("no row is held out")
    asked = read_questions(loaded)
    engine = Engine(source)
    split = _render(engine, splits.held_out, words.data)
    images = prepare.row_images(_base_of(engine, words.data), split.conversations)
    answers.check_images(asked, None if engine.takes_images else "this base takes no images")
    losses = _losses(engine, split.pairs(), images, tell)
    groups = [conversation.group for conversation in split.conversations]
    held_out = {
        **compare(losses["base"], losses["adapter"], groups, words.train.seed),
        "num_left_out": len(split.overlong),
        "num_trimmed": split.num_trimmed,
    }
    limit = words.evaluate.max_new_tokens
    questions, num_left_out = answers.gather(
        engine, asked, split.conversations, limit, name_images=words.evaluate.show_rows
    )
    lines, samples = answers.ask(engine, questions, limit, lambda done: tell("answers", done, len(questions)))
    evaluation = {
        "schema": EVALUATION_SCHEMA,
        "date": utc_now(),
        "seconds": round(time.monotonic() - began, 2),
        "kit_version": finetune.__version__,
        "seed": words.train.seed,
        **_identity(run, engine, splits.report.fingerprint),
        "held_out": held_out,
        "samples": {**samples, "num_left_out": num_left_out},
        "verdict": verdict(held_out),
    }
    write_text(run.samples_path, answers.to_jsonl(lines))
    write_json(run.evaluation_path, evaluation)
    write_report(run)
    return evaluation


def _check_same_data(run: Run, now: str) -> None:
    """Held-out rows are only held out when they are the ones that the run kept away from training."""
    then = (run.manifest.get("data") or {}).get("fingerprint")
    if then is not None and then != now:
        what = "the data changed since the run, so its held-out rows are no longer known"
        got = f"{then[:12]} then, {now[:12]} now"
        raise IntegrityError(Problem(run.path.name, "data", what, got, "restore the files or start a new run"))


def _nothing_held_out(what: str) -> DataError:
    fix = "start a new run that holds out more rows (data.held_out) or allows longer ones (data.max_length)"
    return DataError(Problem("", "data.held_out", what, fix=fix))


def _render(engine: Engine, conversations: Sequence[data.Conversation], words: Any) -> prepare.RenderedSplit:
    """The rows as training would have seen them: same renderer, same limit, same rule for rows that are too long."""
    base = _base_of(engine, words)
    # The run has trained with these rows' rule long ago; what is too long now is left out and counted.
    rule = "trim_history" if words.overlong == "trim_history" else "drop"
    split = prepare.render_split(base, conversations, rule)
    if not split.rows:
        raise _nothing_held_out(f"all {len(conversations)} held-out rows are longer than {base.max_length} tokens")
    return split


def _base_of(engine: Engine, words: Any) -> prepare.OpenedBase:
    max_length = min(words.max_length, engine.context_tokens)
    return prepare.OpenedBase(
        engine.source.base, engine.model.config, engine.tokenizer, engine.renderer, max_length, []
    )


def _losses(
    engine: Engine,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    images: models.RowImages | None,
    tell: OnProgress,
) -> dict[str, list[tuple[float, int]]]:
    """Row losses of base and adapter: one model in memory, its adapter switched off and on."""

    def scored(who: str) -> list[tuple[float, int]]:
        done = 0

        def on_done(count: int) -> None:
            nonlocal done
            done += count
            tell(f"held-out rows, {who}", done, len(pairs))

        return models.row_losses(engine.model, pairs, on_done=on_done, images=images)

    with engine.model.disable_adapter():
        base = scored("base")
    return {"base": base, "adapter": scored("adapter")}


def _identity(run: Run, engine: Engine, data_fingerprint: str) -> dict[str, Any]:
    """What exactly was measured: base, adapter, template and data, by name and hash."""
    parameters = [p.numel() for name, p in engine.model.named_parameters() if "lora_" in name]
    known = run.manifest.get("base") or {}
    return {
        "base": {
            "id": engine.base_name,
            "revision": known.get("revision"),
            "quantization": engine.source.quantization,  # as it was held here: base and adapter were measured on it
        },
        "adapter": {
            "weights_sha256": sha256_of(run.adapter_dir / "adapter_model.safetensors"),
            "num_parameters": sum(parameters),
        },
        "template_fingerprint": engine.renderer.template_fingerprint,
        "data_fingerprint": data_fingerprint,
        "device": engine.device,
        "dtype": str(next(engine.model.parameters()).dtype).removeprefix("torch."),
    }
