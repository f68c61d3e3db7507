"""The adapter package: whitelisted files of a run, scrubbed, with a card and the hash of each, made at once or not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import finetune
from finetune import generation, models, recipe
from finetune.errors import IntegrityError, Problem, RunError, ShareError, SurroundingsError
from finetune.runs import Run, sha256_of, sync_folder, utc_now, write_json, write_text
from finetune.sharing.card import card

PACKAGE_SCHEMA = 1
PACKAGE_FILE = "package.json"
EVALUATION, RECIPE, CARD = "evaluation.json", "recipe.resolved.yaml", "README.md"
# Of the adapter's folder; anything else that lies there stays at home.
_NEEDED = ("adapter_config.json", "adapter_model.safetensors", "chat.json", "chat_template.jinja")
_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model",
)  # fmt: skip
# Checks of a gate that only suites can answer.
_OF_SUITES = ("no_general_loss", "safety")


def share_run(source: str | Path, folder: str | Path, *, ungated: bool = False) -> dict[str, Any]:
    """Write a run's adapter with its card, evaluation and recipe into a new folder.

    The folder holds no row of the training data, no path of this machine and no pickle. It appears whole or not at
    all; an existing one is never touched.

    Args:
        source: a run folder that was evaluated.
        folder: to be made.
        ungated: also share what no gate let pass; the card then says so.

    Returns:
        What package.json holds, and "left_out": names of files of the adapter's folder that stayed behind.

    Raises:
        RunError: it is no run with an evaluation, or the folder exists.
        IntegrityError: adapter and evaluation do not belong together, or a file was changed since training.
        ShareError: the gate failed, none was asked, or made-up rows were planted; every reason is named.
        SurroundingsError: the folder cannot be written.
    """
    run, folder = Run.open(source), Path(folder)
    models.check_new(folder)
    evaluation = _evaluation_of(run)
    generation.find_source(run.path)  # refuses an adapter, or a prompt, that was changed since training
    words = recipe.load(run.resolved_path, allow_outside=True, must_exist=False).recipe
    _check_same_adapter(run, evaluation)
    reasons = refusals(run, evaluation, words)
    if reasons and not ungated:
        raise ShareError(reasons)
    names, left_out = _files_of(run.adapter_dir)
    with _staged(folder) as staging:
        for name in names:
            shutil.copyfile(run.adapter_dir / name, staging / name)
        write_text(staging / RECIPE, recipe.dump(scrubbed_recipe(words, run)))
        proof = scrubbed_evaluation(evaluation)
        write_json(staging / EVALUATION, proof)
        unproved = [problem.what for problem in reasons]
        write_text(staging / CARD, card(run.manifest, words, proof, unproved))
        _check_no_paths(staging, run)
        facts = _facts(run, evaluation, staging, unproved)
        write_json(staging / PACKAGE_FILE, facts)
        for path in staging.iterdir():
            path.chmod(0o644)
    return {**facts, "left_out": left_out}


def refusals(run: Run, evaluation: Mapping[str, Any], words: recipe.Recipe) -> list[Problem]:
    """Why an adapter is not to be shared as it is; none where its gate passed and nothing was planted."""
    where, gate = run.path.name, evaluation.get("gate") or {}
    problems = []
    if gate.get("passed") is None:
        what = "no gate was asked, so nothing had to be proved"
        gate_set = f"finetune evaluate {run.path} --set evaluate.gate=better_than_base"
        fix = f"ask for one: {gate_set}; or share it with --ungated: the card then says so"
        problems.append(Problem(where, "evaluate.gate", what, fix=fix))
    fix = "train a better adapter, or share it with --ungated: the card then says so"
    for check in gate.get("checks") or ():
        if not check["passed"]:
            problems.append(Problem(where, f"evaluate.gate, {check['name']}", check["why"], fix=fix))
    if words.data.canaries:
        what = f"{words.data.canaries:,} made-up rows were planted into its training, and it may know them by heart"
        fix = "train it again with data.canaries: 0, or share it with --ungated: the card then says so"
        problems.append(Problem(where, "data.canaries", what, fix=fix))
    return problems


def _evaluation_of(run: Run) -> dict[str, Any]:
    try:
        found = json.loads(run.evaluation_path.read_bytes())
        is_whole = bool(found["verdict"] and found["adapter"]["weights_sha256"])
    except (OSError, ValueError, LookupError, TypeError):
        found, is_whole = {}, False
    if not is_whole:
        what, fix = "is missing or cannot be read: nothing was measured", f"run `finetune evaluate {run.path}`"
        raise RunError(Problem(str(run.path), run.evaluation_path.name, what, fix=fix))
    return found


def _check_same_adapter(run: Run, evaluation: Mapping[str, Any]) -> None:
    if sha256_of(run.adapter_dir / "adapter_model.safetensors") != evaluation["adapter"]["weights_sha256"]:
        what, fix = "is of other weights than adapter/ holds", f"run `finetune evaluate {run.path}`"
        raise IntegrityError(Problem(run.path.name, run.evaluation_path.name, what, fix=fix))


def _files_of(adapter_dir: Path) -> tuple[list[str], list[str]]:
    """(names that are shared, names that stay behind)."""
    here = sorted(path.name for path in adapter_dir.iterdir())
    wrong = [name for name in _NEEDED if name not in here or not (adapter_dir / name).is_file()]
    if wrong:
        fix = "train it again with this version of the kit"
        raise RunError(Problem(adapter_dir.parent.name, "adapter", f"lacks {', '.join(wrong)}", fix=fix))
    shared = [name for name in here if name in (*_NEEDED, *_TOKENIZER) and (adapter_dir / name).is_file()]
    return shared, [name for name in here if name not in shared]


# -- scrubbing -------------------------------------------------------------------------------------------------------


def scrubbed_recipe(words: recipe.Recipe, run: Run) -> recipe.Recipe:
    """The recipe without what is this machine's: local files by a stand-in name, no hardware, no questions file."""
    data = words.data
    changes: dict[str, Any] = {"train": _entries(data.train)}
    if isinstance(data.held_out, str) and not data.held_out.startswith("hub:"):
        changes["held_out"] = "held_out_rows.jsonl"
    base = words.base
    if _is_local(base.model):
        base = base.model_copy(update={"model": (run.manifest.get("base") or {}).get("id") or "base"})
    if _is_local(base.chat_template) or base.chat_template.endswith(".jinja"):
        base = base.model_copy(update={"chat_template": "auto"})  # the adapter brings its template along
    asked: dict[str, Any] = {"questions": None}
    for word in ("suites", "benchmarks"):
        asked[word] = tuple(name for name in getattr(words.evaluate, word) if not _is_local(name))
    if not asked["suites"] and isinstance(words.evaluate.gate, dict):
        # Without its suites the recipe could not be read; what was asked and proved stands in the evaluation.
        left = {check: limit for check, limit in words.evaluate.gate.items() if check not in _OF_SUITES}
        asked["gate"] = left or "none"
    return words.model_copy(
        update={
            "base": base,
            "data": data.model_copy(update=changes),
            "evaluate": words.evaluate.model_copy(update=asked),
            "hardware": type(words.hardware)(),
        }
    )


def _entries(train: Any) -> Any:
    """Hub data sets stay; local files become one stand-in, since their names are nobody's business."""
    entries = [train] if isinstance(train, str) else list(train)
    names = [entry if isinstance(entry, str) else entry.path for entry in entries]
    kept = [entry for entry, name in zip(entries, names) if name.startswith("hub:")]
    if len(kept) < len(entries):
        kept.append("training_rows.jsonl")
    return kept[0] if len(kept) == 1 and isinstance(kept[0], str) else tuple(kept)


def _is_local(name: str) -> bool:
    has_file_name = PurePath(name).suffix in (".jsonl", ".json", ".yaml", ".yml", ".jinja")
    return name.startswith((".", "/", "~")) or "\\" in name or has_file_name


def scrubbed_evaluation(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation without the name of the judge's host, which may be a machine of the house."""
    found = json.loads(json.dumps(evaluation))
    found.pop("notes", None)  # what was said while it ran: the judge's host is in it
    if found.get("judge"):
        found["judge"].pop("host", None)
    for suite in found.get("suites") or ():
        suite["name"] = PurePath(suite["name"].replace("\\", "/")).name
    return found


def _check_no_paths(staging: Path, run: Run) -> None:
    """A last look: no text of the package may hold a path of this machine.

    Raises:
        IntegrityError: one does; it is not made.
    """
    places = {str(run.path.resolve()), str(run.path.resolve().parent), str(Path.cwd()), str(Path.home())}
    known = [place for place in places if len(PurePath(place).parts) > 1]
    for path in sorted(staging.iterdir()):
        if path.suffix in (".json", ".md", ".yaml", ".jinja", ".txt") and path.name not in _TOKENIZER:
            text = path.read_text(encoding="utf-8", errors="replace")
            text += text.replace("\\", "")  # as Markdown shows it
            if any(f"{place}{end}" in text for place in known for end in "/\\\"'"):
                what = "would hold a path of this machine; nothing was written"
                raise IntegrityError(Problem("", path.name, what, fix="look into that file of the run"))


# -- the folder ------------------------------------------------------------------------------------------------------


def _facts(run: Run, evaluation: Mapping[str, Any], staging: Path, unproved: list[str]) -> dict[str, Any]:
    base = run.manifest.get("base") or {}
    return {
        "schema": PACKAGE_SCHEMA,
        "kit_version": finetune.__version__,
        "made_at": utc_now(),
        "base": {key: base.get(key) for key in ("id", "revision", "config_sha256", "weights_sha256", "vocab_size")},
        "verdict": evaluation["verdict"],
        "gate": evaluation.get("gate"),
        "is_gated": not unproved,
        "why_ungated": unproved,
        "files": {
            path.name: {"sha256": sha256_of(path), "num_bytes": path.stat().st_size}
            for path in sorted(staging.iterdir())
        },
    }


@contextlib.contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, which takes its name when all went well and is gone otherwise."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        yield staging
        for path in staging.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(staging)
        staging.chmod(0o755)
        models.check_new(folder)  # somebody may have made it meanwhile
        staging.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise error if isinstance(error, SurroundingsError) else _not_written(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)  # renamed: nothing is there any more


def _not_written(folder: Path, error: OSError) -> SurroundingsError:
    what = f"cannot be written: {error.strerror or error}"
    return SurroundingsError(Problem(str(folder), "", what, fix="free space, or choose another folder"))
