"""One evaluation of a run: the same rows, questions and suites, once without and once with the adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import finetune
from finetune import data, prepare, recipe
from finetune.errors import DataError, IntegrityError, Problem, RunError
from finetune.evaluation import answers, choosing, memorisation, scorecard
from finetune.evaluation.comparison import bytes_of_rows, compare, verdict
from finetune.evaluation.gate import judge_gate
from finetune.evaluation.marking import mark_suites
from finetune.evaluation.parts import Parts, kept_losses, open_parts
from finetune.evaluation.report import write_report
from finetune.evaluation.suites import Suite
from finetune.evaluation.wishing import Wishes, benchmarks_of, require_benchmarks, require_judge, suites_of
from finetune.generation import Engine, batch_plan, find_source, read_questions
from finetune.runs import Run, sha256_of, utc_now, write_json, write_text

EVALUATION_SCHEMA = 2
# Told what is going on, how much of it is done, and of how much.
OnProgress = Callable[[str, int, int], None]
OnNote = Callable[[str], None]


@dataclass
class _Work:
    """What the stages of one evaluation share."""

    run: Run
    loaded: recipe.LoadedRecipe
    engine: Engine
    splits: data.Splits
    split: prepare.RenderedSplit
    parts: Parts
    tell: OnProgress
    say: OnNote
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def words(self) -> recipe.Recipe:
        return self.loaded.recipe

    def note(self, line: str) -> None:
        self.notes.append(line)
        self.say(line)

    def timed(self, stage: str, began: float) -> None:
        self.seconds[stage] = round(time.monotonic() - began, 2)


def evaluate(
    run: Run,
    *,
    wishes: Wishes | None = None,
    on_progress: OnProgress | None = None,
    on_note: OnNote | None = None,
) -> dict[str, Any]:
    """Compare a run's adapter with its base; writes evaluation.json, samples.jsonl and report.html.

    Losses are nats per trained token (the answers and their end tokens), token-weighted over the held-out rows.
    evaluation.json holds numbers, names of suite items and hashes; samples.jsonl holds text of the user's own rows,
    report.html only with evaluate.show_rows. What is finished is kept item by item: an evaluation that was stopped goes
    on where it was.

    Args:
        run: a run folder with an adapter. The caller holds its lock.
        wishes: what is asked beside the recipe.
        on_progress: told stage, done, total.
        on_note: told what was chosen, found or left out, one line each.

    Returns:
        What evaluation.json holds.

    Raises:
        RunError: the run has no adapter.
        IntegrityError: data, prompt or base changed since the run, or the adapter gives losses that are not finite.
        DataError: the data cannot be read, or no held-out row is left to measure on.
        RecipeError, ModelError, SurroundingsError: recipe, suite or base cannot be opened.
    """
    began = time.monotonic()
    wishes = wishes or Wishes()
    loaded = recipe.load(run.resolved_path, allow_outside=True)
    work, asked, suites = _opened(run, loaded, wishes, on_progress, on_note)
    try:
        evaluation = _measured(work, asked, suites, wishes)
        evaluation["seconds"] = round(time.monotonic() - began, 2)
        lines = evaluation.pop("lines")
        write_text(run.samples_path, answers.to_jsonl(lines))
        write_json(run.evaluation_path, evaluation)
        write_report(run)
        work.parts.remove()
    finally:
        work.parts.close()
    return evaluation


def _opened(
    run: Run, loaded: recipe.LoadedRecipe, wishes: Wishes, on_progress: OnProgress | None, on_note: OnNote | None
) -> tuple[_Work, list[dict[str, Any]], list[Suite]]:
    """Everything that can be refused is, before the base is loaded."""
    if not (run.adapter_dir / "adapter_config.json").is_file() and not run.adapter_dir.is_dir():
        raise RunError(Problem(run.path.name, "adapter", "the run has no adapter", fix="let the run finish"))
    source = find_source(run.path)  # before the rows: an adapter or prompt that was changed is refused at once
    suites = suites_of(loaded, wishes.suites)
    asked = read_questions(loaded)
    require_judge(wishes, bool(asked))
    require_benchmarks(loaded, wishes.benchmarks)
    splits = data.load(loaded)
    _check_same_data(run, splits.report.fingerprint)
    if not splits.held_out:
        raise _nothing_held_out("no row is held out")
    engine = Engine(source)
    answers.check_images(asked, None if engine.takes_images else "this base takes no images")
    split = _render(engine, splits.held_out, loaded.recipe.data)
    tell = on_progress or (lambda name, done, total: None)
    say = on_note or (lambda line: None)
    work = _Work(run, loaded, engine, splits, split, open_parts(run, engine), tell, say)
    if work.parts.num_known:
        work.note(f"an evaluation that was stopped goes on: {work.parts.num_known:,} items are finished")
    return work, asked, suites


def _measured(work: _Work, asked: Sequence[dict[str, Any]], suites: Sequence[Suite], wishes: Wishes) -> dict[str, Any]:
    """All numbers, and under "lines" the texts of samples.jsonl."""
    words, seed = work.words, work.words.train.seed
    plan = batch_plan(work.engine)
    if plan.way != "batches":
        work.note(f"answers are written one by one: {plan.reason}")
    held_out, losses, num_bytes = _held_out(work)
    free = [row for row in asked if "options" not in row]
    lines, groups, samples, suites = _replies(work, free, suites)
    chosen = choosing.choices(work.engine, asked, suites, work.parts, seed, work.tell)
    if chosen.num_images:
        work.note(f"{chosen.num_images:,} choice questions show images and are left out")
    labels = _labels(work)
    found_suites, told = mark_suites(suites, lines, chosen.suite_marks, seed)
    for line in told:
        work.note(line)
    of_recipe = {suite.name for suite in suites_of(work.loaded)}
    found_suites = [{**suite, "of_recipe": suite["name"] in of_recipe} for suite in found_suites]
    measures = [
        *scorecard.held_out_measures(losses["base"], losses["adapter"], num_bytes, _groups(work), seed),
        *scorecard.text_measures(lines, words.share.languages, seed, groups),
        *chosen.measures,
        *(labels["measures"] if labels else ()),
        *(suite["measure"] for suite in found_suites),
    ]
    began = time.monotonic()
    learnt = memorisation.measure(work.engine, work.run, work.splits, lines, seed, work.tell)
    work.timed("memorisation", began)
    evaluation: dict[str, Any] = {
        "schema": EVALUATION_SCHEMA,
        "date": utc_now(),
        "seconds": 0.0,
        "kit_version": finetune.__version__,
        "seed": seed,
        **_identity(work),
        "decoding": {"method": "greedy", "max_new_tokens": samples["max_new_tokens"], **plan.as_dict()},
        "held_out": held_out,
        "scorecard": measures,
        "suites": found_suites,
        "choices": chosen.facts,
        "labels": labels["facts"] if labels else None,
        "memorisation": learnt,
        "benchmarks": _benchmarked(work, wishes),
        "judge": _judged(work, lines, wishes),
        "overfitting": _overfitting(work.run),
        "samples": samples,
        "verdict": verdict(held_out),
        "notes": work.notes,
        "stage_seconds": work.seconds,
    }
    for room in ("judge", "benchmarks"):
        evaluation["scorecard"] += (evaluation[room] or {}).get("measures", ())
    evaluation["gate"] = judge_gate(words.evaluate.gate, evaluation)
    return {**evaluation, "lines": lines}


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


def _groups(work: _Work) -> list[str | None]:
    return [conversation.group for conversation in work.split.conversations]


def _held_out(work: _Work) -> tuple[dict[str, Any], dict[str, list[tuple[float, int]]], list[int]]:
    """Loss of base and adapter over the held-out rows: one model in memory, its adapter switched off and on."""
    began = time.monotonic()
    pairs = work.split.pairs()
    images = prepare.row_images(_base_of(work.engine, work.words.data), work.split.conversations)

    def scored(who: str) -> list[tuple[float, int]]:
        done = 0

        def on_done(count: int) -> None:
            nonlocal done
            done += count
            work.tell(f"held-out rows, {who}", done, len(pairs))

        return kept_losses(work.engine.model, pairs, who, work.parts, images=images, on_done=on_done)

    with work.engine.model.disable_adapter():
        losses = {"base": scored("base")}
    losses["adapter"] = scored("adapter")
    rows = work.split.conversations
    trimmed = bool(work.split.num_trimmed)
    num_bytes = bytes_of_rows(work.engine.renderer, rows, [ids for ids, _ in pairs], trimmed)
    seed = work.words.train.seed
    held_out = {
        **compare(losses["base"], losses["adapter"], _groups(work), seed, num_bytes),
        "num_left_out": len(work.split.overlong),
        "num_trimmed": work.split.num_trimmed,
    }
    work.timed("held_out", began)
    return held_out, losses, num_bytes


def _replies(
    work: _Work, asked: Sequence[dict[str, Any]], suites: Sequence[Suite]
) -> tuple[list[dict[str, Any]], list[str | None], dict[str, Any], list[Suite]]:
    """Replies to the recipe's questions, to held-out rows and to suite items, with likeness to their references.

    Returns:
        Lines of samples.jsonl; what data.group_by says of each; counts; the suites without items that had no room.
    """
    began = time.monotonic()
    words = work.words.evaluate
    limit = words.max_new_tokens
    questions, num_left_out = answers.gather(
        work.engine, asked, work.split.conversations, limit, num_held_out=words.num_answers,
        name_images=words.show_rows,
    )  # fmt: skip
    if num_tools := sum(bool(row.tools) for row in work.split.conversations):
        work.note(f"{num_tools:,} held-out rows with tools are measured by their loss, and not answered")
    kept = []
    for suite in suites:
        fitting, num_long = answers.with_room(work.engine, answers.of_suite(suite.items), limit)
        if num_long:
            work.note(f"{suite.name}: {num_long:,} items leave no room for an answer and are left out")
        ids = {question.id for question in fitting}
        kept.append(replace(suite, items=tuple(item for item in suite.items if item.is_choice or item.id in ids)))
        questions += fitting

    def on_done(done: int) -> None:
        work.tell("answers", done, len(questions))

    lines = answers.ask_all(work.engine, questions, limit, work.parts, on_done)
    scorecard.score_samples(lines)
    own = [line for line in lines if not line["source"].startswith("suite:")]
    samples = answers.counts(own, answers.answer_limit(work.engine, limit))
    work.timed("answers", began)
    groups = [question.group for question in questions]
    return lines, groups, {**samples, "num_left_out": num_left_out}, kept


def _labels(work: _Work) -> dict[str, Any] | None:
    """Rows whose answers are a few fixed labels: each label's likelihood instead of free replies."""
    if work.words.evaluate.task == "answers":
        return None
    began = time.monotonic()
    asked, seed = work.words.evaluate.task == "labels", work.words.train.seed
    rows = work.split.conversations
    found = choosing.labels(
        work.engine, data.own_rows(work.splits.train), rows, work.parts, seed, work.tell, asked=asked
    )
    if found is not None:
        work.note(found["note"])
        work.timed("labels", began)
    elif work.words.evaluate.task == "labels":
        work.note("evaluate.task is labels, but the answers of the rows are no small set of labels: not scored so")
    return found


def _judged(work: _Work, lines: Sequence[dict[str, Any]], wishes: Wishes) -> dict[str, Any] | None:
    if wishes.judge is None:
        return None
    from finetune.evaluation import judge

    began = time.monotonic()
    own = [line for line in lines if not line["source"].startswith("suite:")]
    key, seed = judge.key_from_environment(), work.words.train.seed
    found = judge.judge(own, wishes.judge, wishes.judge_model, key, wishes.judge_rows, seed, work.tell, say=work.note)
    work.timed("judge", began)
    return found


def _benchmarked(work: _Work, wishes: Wishes) -> dict[str, Any] | None:
    names = benchmarks_of(work.loaded, wishes.benchmarks)
    if not names:
        return None
    from finetune.evaluation import harness

    began = time.monotonic()
    found = harness.run_benchmarks(work.engine, names, None, work.words.train.seed, work.tell, say=work.note)
    work.timed("benchmarks", began)
    return found


def _overfitting(run: Run) -> dict[str, Any] | None:
    """What training saw of it, from the manifest; None for runs of older kits, or without held-out points."""
    best = (run.manifest.get("training") or {}).get("best") or {}
    found = best.get("overfit")
    if not found:
        return None
    steps = {"kept_step": best["kept_step"], "best_step": best["step"], "last_step": best["last_step"]}
    return {**found, **steps}


def _identity(work: _Work) -> dict[str, Any]:
    """What exactly was measured: base, adapter, template and data, by name and hash."""
    run, engine = work.run, work.engine
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
        "data_fingerprint": work.splits.report.fingerprint,
        "device": engine.device,
        "dtype": str(next(engine.model.parameters()).dtype).removeprefix("torch."),
    }
