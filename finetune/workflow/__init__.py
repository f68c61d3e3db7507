"""Floor 7: one run from recipe to report: check, render, plan, train, evaluate; resume where it stopped."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune import checking, data, evaluation, generation, hardware, models, prepare, recipe, training
from finetune.checking.lengths import lengths
from finetune.errors import (
    CancelledError,
    FinetuneError,
    IntegrityError,
    ModelError,
    Problem,
    RunError,
    StoppedError,
    SurroundingsError,
)
from finetune.recipe import LoadedRecipe
from finetune.runs import Run, utc_now, write_json, write_text
from finetune.talk import Talk
from finetune.workflow import planning
from finetune.workflow.evaluating import check_gate, evaluate_again, evaluate_run

__all__ = ["check_gate", "evaluate_again", "run"]

# Settings that may differ between a run and its resumption: they do not change what is learnt.
_FREE_KEYS = (
    "name", "description", "train.save_every", "train.log_every", "train.measure", "train.trackers", "share",
    "evaluate", "hardware",
)  # fmt: skip
# Paths may differ when run or recipe were moved; the fingerprints tell whether what lies there is the same.
_FILE_KEYS = ("data.train", "data.held_out", "base.model", "base.chat_template")


def run(
    name: str | Path,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    overrides: Sequence[str] = (),
    allow_outside: bool = False,
    talk: Talk | None = None,
) -> Run:
    """Carry out a recipe: train an adapter, compare it with its base, write the report.

    Args:
        name: a recipe file, a folder with recipe.yaml, or a shipped name.
        output: the run folder; a new one under runs/ when None.
        resume: go on with the run in `output`.
        overrides: `key=value` texts, as of --set.
        allow_outside: let the recipe name files outside its folder.
        talk: is told what happens.

    Returns:
        The finished run. Whether evaluate.gate lets it pass, `check_gate` tells.

    Raises:
        FinetuneError: see finetune.errors; its exit_code is the command's.
    """
    talk = talk or Talk()
    stop = training.StopRequest()
    current = None
    with stop.listening():
        try:
            talk.stage("check")
            loaded = recipe.load(name, overrides, allow_outside=allow_outside)
            for note in loaded.notes:
                talk.say(note)
            training.require_trackers(loaded.recipe.train.trackers, loaded.where("train.trackers"))
            current = _open_run(loaded, Path(output) if output else None, resume)
            stop.advice = _how_to_resume(name, current, overrides, allow_outside)
            talk.say(f"run folder: {current.path}")
            _guarded(loaded, current, resume, stop, talk)
        except training.StopNow:
            error = stop.error()
            if current is not None and current.manifest["status"] == "running":
                _end(current, "interrupted", error.exit_code)
            raise error from None
    return current


def _how_to_resume(name: str | Path, current: Run, overrides: Sequence[str], allow_outside: bool) -> str:
    """The whole command that goes on with a run."""
    words = ["finetune", "run", str(name), "--resume", "--output", str(current.path)]
    for override in overrides:
        words += ["--set", override]
    return "go on with: " + shlex.join(words + ["--allow-outside"] * allow_outside)


def _guarded(loaded: LoadedRecipe, current: Run, resume: bool, stop: training.StopRequest, talk: Talk) -> None:
    """Carry out under the run's lock; however it ends, the manifest says so.

    A run that a mistake of the user's ends before anything was learnt leaves no folder behind, so that the same
    command works once the mistake is mended.
    """
    nothing_done = False
    try:
        with current.locked():
            if resume and current.manifest["status"] == "running":
                line = "the process before this one ended without a word: killed, or out of memory, or a power cut"
                _tell(current, talk, line)
            try:
                _carry_out(loaded, current, resume, stop, talk)
            except FinetuneError as error:
                stopped = isinstance(error, (StoppedError, CancelledError))
                _end(current, "interrupted" if stopped else "failed", error.exit_code)
                nothing_done = not resume and not stopped and not current.has_learnt
                raise
            except training.StopNow:
                raise
            except BaseException:
                _end(current, "failed", 1)
                raise
    finally:
        if nothing_done:
            current.remove_unstarted()


def _tell(current: Run, talk: Talk, line: str) -> None:
    """Say a choice made for the user, and record it."""
    talk.say(line)
    current.note(line)


def _end(current: Run, status: str, exit_code: int) -> None:
    """Record how a run ended; a disk that refuses even this must not hide the error that is on its way."""
    with contextlib.suppress(SurroundingsError):
        current.update(status=status, exit_code=exit_code, ended_at=utc_now())


def _open_run(loaded: LoadedRecipe, output: Path | None, resume: bool) -> Run:
    if not resume:
        # The folder is made before anything heavy: a path that cannot be written is found out now.
        return Run.create(loaded.recipe.name, loaded.text, "", output)
    if output is None:
        raise RunError(Problem("", "--resume", "needs the run to go on with", fix="add --output RUN"))
    current = Run.open(output)
    if current.manifest["status"] == "finished":
        raise RunError(
            Problem(str(output), "", "is finished already", fix="start a new run, or `finetune evaluate` it")
        )
    if not current.resolved_path.is_file() or not current.resolved_path.read_bytes():
        return current  # it ended before anything was read
    before = recipe.load(current.resolved_path, allow_outside=True, must_exist=False).recipe.model_dump(mode="json")
    now = recipe.relocate(loaded, current.path).model_dump(mode="json")
    changed = [
        Problem(loaded.where(key), key, "differs from the run", f"{old!r} then, {new!r} now")
        for key, old, new in _differences(before, now)
        if not f"{key}.".startswith(tuple(f"{free}." for free in _FREE_KEYS))
        and not (key in _FILE_KEYS and _is_file_word(key, old) and _is_file_word(key, new))
    ]
    if changed:
        fix = "put the old values back, or start a new run without --resume"
        raise RunError([*changed, Problem(str(output), "", "the recipe was changed", fix=fix)])
    return current


def _is_file_word(key: str, value: Any) -> bool:
    """Whether a setting names files, and not a share, a hub model or a shipped template."""
    if key == "base.model":
        return isinstance(value, str) and value.startswith((".", "/", "~"))
    if key == "base.chat_template":
        return isinstance(value, str) and ("/" in value or value.endswith(".jinja"))
    return isinstance(value, (str, list))


def _differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for word in {**old, **new}:
            found += _differences(old.get(word), new.get(word), f"{key}.{word}" if key else word)
        return found
    return [] if old == new else [(key, old, new)]


def _carry_out(loaded: LoadedRecipe, current: Run, resume: bool, stop: training.StopRequest, talk: Talk) -> None:
    before = planning.plan_before(loaded, current) if resume else None
    if not resume:
        write_text(current.resolved_path, recipe.dump(recipe.relocate(loaded, current.path)))
    # A base that cannot be had, or not be held as asked, ends the run before hours of data work; its weights come when
    # the data are fit.
    _require_quantization(loaded)
    evaluation.suites_of(loaded)
    evaluation.require_benchmarks(loaded)
    commit = _commit_of(current) if resume else None
    prepare.foresee(loaded, prepare.fetch_base(loaded, talk=talk, commit=commit))
    checked = checking.check(loaded, talk=talk, with_lengths=False)
    splits = checked.require()
    notes = [*splits.report.notes, *(f"warning: {line}" for line in splits.report.warnings)]
    base = prepare.open_base(loaded, talk=talk, weights=True, commit=commit)
    notes += prepare.images_shown(loaded, base, splits.report.num_images)
    why_none = None if base.renderer.images else models.why_no_images(base.config)
    evaluation.check_images(generation.read_questions(loaded), why_none)
    rendered = [
        prepare.render_split(base, rows, loaded.recipe.data.overlong, talk=talk)
        for rows in (splits.train, splits.held_out)
    ]
    train_split, held_out_split = rendered
    notes += [*base.notes, *prepare.check_rendered(train_split, held_out_split, base)]
    rounding = loaded.recipe.base.quantization
    notes += models.fitting_notes(base.config, loaded.recipe.adapter, rounding)
    notes += [*_rate_notes(loaded), *models.quantization_notes(base.config, rounding)]
    facts = _facts(loaded, splits, base)
    if resume:
        _same_inputs(current, facts, talk)
        # Paths and free settings may be others now; the evaluation reads them from here.
        write_text(current.resolved_path, recipe.dump(recipe.relocate(loaded, current.path)))
    for line in notes:
        _tell(current, talk, line)
    check = checking.with_lengths(checked.report, lengths(loaded, splits, talk=talk).facts)
    check["tokens"] = {"train": train_split.summary(), "held_out": held_out_split.summary()}
    plan = planning.plan_for(loaded, base, rendered, before)
    checking.write_check(current.path, check)
    write_json(current.path / "plan.json", plan.as_dict())
    for line in plan.lines():
        talk.say(line)
    for line in planning.changes(current.manifest["plan"], plan):
        _tell(current, talk, line)
    facts["base"]["quantization"] = models.quantization_facts(loaded.recipe.base.quantization, plan.dtype)
    earlier = (current.manifest["plan"] or {}).get("path")
    recorded = plan.as_dict() | ({"path": earlier} if earlier else {})
    current.update(
        status="running", exit_code=None, ended_at=None, seed=loaded.recipe.train.seed, plan=recorded, **facts
    )
    talk.stage("train")
    _train(loaded, current, base, train_split, held_out_split, plan, resume, stop, talk)
    talk.stage("evaluate")
    evaluate_run(current, talk)


def _require_quantization(loaded: LoadedRecipe) -> None:
    """See that base.quantization works on this machine, before anything is fetched or read."""
    here = hardware.machine()
    dtype = hardware.dtype_for(here, loaded.recipe.hardware)
    where = loaded.where("base.quantization")
    models.require_quantization(loaded.recipe.base.quantization, here.device, dtype, where=where)


def _commit_of(current: Run) -> str | None:
    """The commit of a hub's base that a run began with: a branch may have moved since."""
    facts = current.manifest["base"] or {}
    return None if facts.get("is_local") else facts.get("revision")


def _rate_notes(loaded: LoadedRecipe) -> list[str]:
    """LoRA+: the rate that no line of the recipe holds."""
    ratio, rate = loaded.recipe.adapter.learning_rate_ratio, loaded.recipe.train.learning_rate
    return [] if ratio == 1 else [f"LoRA+: B learns at {ratio * rate:g}, {ratio:g} times train.learning_rate"]


def _facts(loaded: LoadedRecipe, splits: data.Splits, base: prepare.OpenedBase) -> dict[str, Any]:
    """The fingerprints and counts that a manifest holds, and that a resumption must find unchanged."""
    report = splits.report
    base_facts = models.base_facts(base.source, base.config)
    return {
        "recipe": {"fingerprint": recipe.fingerprint(loaded.recipe), "overrides": len(loaded.overrides)},
        "data": {
            "fingerprint": report.fingerprint,
            "num_train": report.num_train,
            "num_held_out": report.num_held_out,
            "num_rows_read": report.num_rows_read,
            "dropped": report.dropped,
            "license": report.license,
            "privacy": {"rule": loaded.recipe.data.privacy, "num_rows": report.privacy.get("num_rows")},
            "leakage": {"rule": loaded.recipe.data.leakage, "num_rows": report.leakage.get("num_rows")},
            "files": [{"name": Path(f.name).name, "sha256": f.sha256, "num_rows": f.num_rows} for f in report.files],
        },
        "template": {
            "found_by": base.renderer.how,
            **_chat_facts(loaded, base, base_facts).summary(),
            "pad_token": {"text": base.tokenizer.pad_token, "id": base.tokenizer.pad_token_id},
        },
        "base": base_facts,
    }


def _chat_facts(loaded: LoadedRecipe, base: prepare.OpenedBase, base_facts: dict[str, Any]) -> models.ChatFacts:
    """How the adapter is trained to be spoken to; it travels beside its weights."""
    words = loaded.recipe
    return models.chat_facts(
        base.renderer,
        base_facts,
        system_prompt=words.data.system_prompt,
        max_new_tokens=words.evaluate.max_new_tokens,
        chat_template=words.base.chat_template,
        quantization=words.base.quantization,
        max_image_pixels=words.data.max_image_pixels,
        title=words.share.title or words.name,
    )


def _same_inputs(current: Run, facts: dict[str, Any], talk: Talk) -> None:
    """See that data, template and base are what the run began with; versions may differ and are noted."""
    pairs = (
        ("data", "fingerprint", "the data files were changed since the run began"),
        ("template", "fingerprint", "the chat template is another one than the run began with"),
        ("base", "config_sha256", "the base is another one than the run began with"),
        ("base", "weights_sha256", "the base's weights are others than the run began with"),
        ("base", "revision", "the base is at another commit than the run began with"),
    )
    problems = []
    for section, key, what in pairs:
        old, new = (current.manifest.get(section) or {}).get(key), facts[section][key]
        if old is not None and old != new:
            got = f"{str(old)[:12]} then, {str(new)[:12]} now"
            problems.append(Problem(current.path.name, section, what, got, "put it back, or start a new run"))
    if problems:
        raise IntegrityError(problems)
    from finetune.runs import environment_facts

    now, then = environment_facts()["versions"], current.manifest["environment"]["versions"]
    changed = [f"{name} {then.get(name)} -> {now[name]}" for name in now if then.get(name) != now[name]]
    if changed:
        line = f"versions changed on resume, equality to the bit is not promised: {', '.join(changed)}"
        _tell(current, talk, line)


def _resume_point(current: Run, talk: Talk) -> training.Checkpoint | None:
    """The checkpoint to go on from, said and recorded; None when nothing was saved yet."""
    checkpoint = training.find_resumable(current.checkpoints_dir, current.manifest["run_id"], talk.say)
    talk.say(f"resumed at step {checkpoint.step}" if checkpoint else "nothing was saved yet: starts at step 0")
    entry = {"at": utc_now(), "step": checkpoint.step if checkpoint else 0}
    current.update(resumes=[*current.manifest["resumes"], entry])
    if checkpoint is None:
        current.metrics_path.unlink(missing_ok=True)
    return checkpoint


def _model(loaded: LoadedRecipe, current: Run, base: prepare.OpenedBase, plan: hardware.Plan, talk: Talk) -> Any:
    """The base with its fresh adapter, said and recorded."""
    model = models.load_base(base.source, plan.dtype, plan.attention, plan.device, loaded.recipe.base.quantization)
    random.seed(loaded.recipe.train.seed)
    model = models.attach_adapter(model, loaded.recipe.adapter, loaded.recipe.train.seed, base.tokenizer)
    models.check_vocabulary(model, base.tokenizer)
    adapter_facts = {**loaded.recipe.adapter.model_dump(mode="json"), **models.trainable_facts(model)}
    adapter_facts["saved_rank"] = models.saved_sizes(loaded.recipe.adapter)["r"]
    current.update(adapter=adapter_facts)
    share = adapter_facts["num_trainable"] / adapter_facts["num_total"]
    talk.say(
        f"adapter: {adapter_facts['num_trainable']:,} trained parameters ({share:.1%} of all) on "
        f"{', '.join(adapter_facts['modules'])}"
    )
    return model


def _train(
    loaded: LoadedRecipe,
    current: Run,
    base: prepare.OpenedBase,
    train_split: prepare.RenderedSplit,
    held_out_split: prepare.RenderedSplit,
    plan: hardware.Plan,
    resume: bool,
    stop: training.StopRequest,
    talk: Talk,
) -> None:
    import torch

    if plan.device == "cpu" and not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(plan.num_threads)
    if plan.device == "cpu":
        hardware.give_memory_back()
    checkpoint = _resume_point(current, talk) if resume else None
    model = _model(loaded, current, base, plan, talk)
    places = [conversation.where for conversation in train_split.conversations]
    shown = [prepare.row_images(base, split.conversations) for split in (train_split, held_out_split)]
    groups = [conversation.group for conversation in train_split.conversations]
    held_out_groups = [conversation.group for conversation in held_out_split.conversations]
    rows = training.TrainingRows(
        train_split.pairs(), held_out_split.pairs(), places, *shown, groups=groups, held_out_groups=held_out_groups
    )
    earlier = (current.manifest["plan"] or {}).get("path")

    def proved(proof: training.Proof) -> None:
        for line in proof.lines():
            _tell(current, talk, line)
        current.update(plan={**plan.as_dict(), "path": proof.facts()})

    result = training.train(
        model,
        base.tokenizer,
        rows,
        loaded.recipe.train,
        plan,
        current,
        base.source.label,
        checkpoint,
        on_step=lambda step, steps, loss: talk.progress("training", step, steps, loss),
        stop=stop,
        learning_rate_ratio=loaded.recipe.adapter.learning_rate_ratio,
        on_proof=proved,
        tell=lambda line: _tell(current, talk, line),
    )
    talk.say(planning.computed_line(result.computed_tokens, result.tokens_seen))
    with training.disk_errors(current.checkpoints_dir, "the adapter"):
        models.save_adapter(model, current.adapter_dir, base.source.label, current.manifest["base"]["revision"])
        chat = _chat_facts(loaded, base, current.manifest["base"])
        chat_sha256 = models.save_chat(current.adapter_dir, base.tokenizer, chat)
    current.update(adapter={**current.manifest["adapter"], "chat_sha256": chat_sha256})
    witness = models.bear_witness(model, _probe_of(train_split, base), base.renderer.stop_ids)
    del model
    _prove(current, base, plan, witness, talk)
    path = result.path if result.path["proof"]["rows"] or earlier is None else earlier
    current.update(progress={"step": result.num_steps}, training={**planning.training_facts(result), "path": path})


def _probe_of(split: prepare.RenderedSplit, base: prepare.OpenedBase) -> list[int]:
    """What the proof asks: the beginning of the first training row, and every new token."""
    ids = list(split.pairs()[0][0])[:48]
    return [*ids, *sorted(getattr(base.tokenizer, "former_pieces", {}))[:16]]


def _prove(current: Run, base: prepare.OpenedBase, plan: hardware.Plan, witness: models.Witness, talk: Talk) -> None:
    """Put the saved adapter on a fresh base; one that does not do what was trained is moved aside."""

    rounding = models.kind_of(current.manifest["base"].get("quantization"))

    def load() -> Any:
        return models.load_base(base.source, plan.dtype, plan.attention, plan.device, rounding)

    models.let_go(plan.device)  # the trained model is gone before the base is loaded anew
    try:
        proof = models.prove_adapter(witness, current.adapter_dir, load)
    except (IntegrityError, ModelError):
        aside = _moved_aside(current)
        _tell(current, talk, f"the adapter was refused; what was saved is kept in {aside.name}/")
        raise
    current.update(adapter={**current.manifest["adapter"], "proof": proof})
    talk.say(models.proof_line(proof))


def _moved_aside(current: Run) -> Path:
    """The adapter's folder under a name that is free: those refused before stay."""
    names = ["adapter.refused", *(f"adapter.refused-{number}" for number in range(2, 1_000))]
    aside = next(path for name in names if not (path := current.adapter_dir.with_name(name)).exists())
    return current.adapter_dir.rename(aside)
