"""lm-evaluation-harness over the loaded model: the same benchmark items once without and once with the adapter.

Tasks are files of the user's own, or tasks of the harness by name. A file brings its data along and holds no code: it
is read by the kit's own strict reader, its templates run in jinja's sandbox, and metrics are those that ship with the
harness. A task by name may download its data from the hub by the harness's own means; that is said. Code that would be
downloaded (metrics of the `evaluate` library, tasks marked as unsafe) never runs.

Source: Gao et al., "The Language Model Evaluation Harness", https://github.com/EleutherAI/lm-evaluation-harness.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import io
import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.errors import FinetuneError, Problem, RecipeError, SurroundingsError
from finetune.evaluation.entries import entry
from finetune.generation import Engine
from finetune.recipe import is_task_file, strict_yaml

OnProgress = Callable[[str, int, int], None]
# A benchmark figure that moves by less is nothing to speak of.
LEAST_EFFECT = 0.01
_LOCAL_FORMATS = ("json", "csv", "parquet", "text")
_TEMPLATES = ("doc_to_text", "doc_to_target", "doc_to_choice", "gen_prefix")
_WORDS = {
    "task", "task_alias", "dataset_path", "dataset_kwargs", "training_split", "validation_split", "test_split",
    "fewshot_split", *_TEMPLATES, "description", "target_delimiter", "fewshot_delimiter", "num_fewshot", "metric_list",
    "output_type", "generation_kwargs", "repeats", "filter_list", "metadata",
}  # fmt: skip
_BATCH_ROWS = 8


def run_benchmarks(
    engine: Engine,
    tasks: Sequence[str | Path],
    limit: int | None,
    seed: int,
    tell: OnProgress | None = None,
    *,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Put base and adapter through tasks of lm-evaluation-harness, item by item, in the form they are chatted with.

    Args:
        engine: a run's, with its adapter.
        tasks: names of the harness, or paths of task files (.yaml).
        limit: items of each task at most, the first ones; None for all.
        seed: of few-shot examples and intervals.
        tell: told stage, done, total.
        say: is told before a task by name is loaded, because the harness may download its data.

    Returns:
        "harness" (its version), "limit", "chat_template", "tasks": [{"name", "version", "source": "file"|"harness",
        "num_items", "num_other_metrics"}], and "measures": entries of the scorecard named "benchmark:TASK:METRIC".
        Metrics that are no finite number per item (perplexities of whole texts) are counted in "num_other_metrics".

    Raises:
        SurroundingsError: the extra `benchmarks` is missing, or data of a task cannot be had.
        RecipeError: no such task, a task file with code or remote data, or one that the harness cannot use.
    """
    tell = tell or (lambda name, done, total: None)
    require_harness()
    specs = [_read_task(Path(task)) if is_task_file(str(task)) else str(task) for task in tasks]
    named = [spec for spec in specs if isinstance(spec, str)]
    if named and say is not None:
        say(f"benchmarks: lm-evaluation-harness may download the data of {', '.join(named)} from the hub; nothing of "
            "yours is sent")  # fmt: skip
    with _no_code_from_elsewhere():
        loaded = _loaded(specs)
        found = {}
        for done, who in enumerate(("base", "adapter")):
            tell(f"benchmarks, {who}", done, 2)
            with engine.model.disable_adapter() if who == "base" else contextlib.nullcontext():
                found[who] = _evaluated(engine, loaded, limit, seed)
        tell("benchmarks", 2, 2)
    from importlib.metadata import version

    sources = {spec["task"] for spec in specs if not isinstance(spec, str)}
    facts, measures = [], []
    for name in loaded["tasks"]:
        one, entries = _facts(name, found, seed)
        facts.append({**one, "source": "file" if name in sources else "harness"})
        measures += entries
    chat = bool(engine.tokenizer.chat_template)
    return {"harness": version("lm_eval"), "limit": limit, "chat_template": chat, "tasks": facts, "measures": measures}


def check_tasks(tasks: Sequence[str | Path]) -> None:
    """See that tasks can be run, without running or fetching any: files are read, names are looked up.

    Raises:
        SurroundingsError: the extra `benchmarks` is missing.
        RecipeError: no such task, or a task file with something in it that is not read; all problems at once.
    """
    require_harness()
    problems: list[str | Problem] = []
    names = []
    for task in tasks:
        if not is_task_file(str(task)):
            names.append(str(task))
            continue
        try:
            _read_task(Path(task))
        except RecipeError as error:
            problems += error.problems
    if names:
        from lm_eval.tasks import TaskManager

        known = TaskManager().all_tasks
        problems += [_no_such_task(name, known) for name in names if name not in known]
    if problems:
        raise RecipeError(problems)


def require_harness() -> None:
    """Raises SurroundingsError where the extra `benchmarks` is not installed; imports nothing."""
    import importlib.util

    if importlib.util.find_spec("lm_eval") is None:
        fix = "pip install 'finetune-kit[benchmarks]'"
        raise SurroundingsError(Problem("", "evaluate.benchmarks", "needs the extra 'benchmarks' (lm_eval)", fix=fix))


# -- task files ------------------------------------------------------------------------------------------------------


def _read_task(path: Path) -> dict[str, Any]:
    """The words of a task file, its data files with their whole paths.

    Raises:
        RecipeError: with everything that is wrong in it.
    """
    where = path.name
    try:
        tree = strict_yaml.read(path.read_bytes())
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise RecipeError(Problem(str(path), "evaluate.benchmarks", what, fix="name a file that is there")) from None
    if tree.faults:
        raise RecipeError([Problem(f"{where}:{f.line}", "", f.what, f.got, f.fix) for f in tree.faults])
    words = dict(tree.data)
    problems = [
        Problem(where, str(word), "is not read in a task file, which holds data and no code", fix="leave it out")
        for word in words
        if word not in _WORDS
    ]
    if not isinstance(words.get("task"), str) or not words["task"]:
        problems.append(Problem(where, "task", "is not a name", fix="give the task a name of its own"))
    problems += _metric_problems(where, words.get("metric_list"))
    files, wrong = _data_files(path, words)
    if problems := problems + wrong:
        raise RecipeError(problems)
    return {**words, "dataset_kwargs": {"data_files": files}}


def _metric_problems(where: str, listed: Any) -> list[Problem]:
    if listed is None:
        return []
    from lm_eval.api import metrics, registry

    assert metrics
    problems = []
    for one in listed if isinstance(listed, list) else [listed]:
        name = one.get("metric") if isinstance(one, Mapping) else None
        if not isinstance(name, str) or name not in registry.metric_registry or one.get("hf_evaluate"):
            what = "is no metric that ships with the harness; another would be downloaded as code"
            fix = "choose one such as acc, acc_norm, exact_match"
            problems.append(Problem(where, "metric_list", what, repr(name), fix))
    return problems


def _data_files(path: Path, words: Mapping[str, Any]) -> tuple[Any, list[Problem]]:
    """The data files of a task with their whole paths, and what is wrong with them."""
    where, kind = path.name, words.get("dataset_path")
    if kind not in _LOCAL_FORMATS:
        what, fix = "a task file brings its data as files", f"set dataset_path to {', '.join(_LOCAL_FORMATS)}"
        return None, [Problem(where, "dataset_path", what, repr(kind), fix)]
    given = words.get("dataset_kwargs")
    if not isinstance(given, Mapping) or set(given) != {"data_files"}:
        fix = "set dataset_kwargs: {data_files: {test: items.jsonl}}"
        return None, [Problem(where, "dataset_kwargs", "needs data_files, and nothing else", fix=fix)]
    files = given["data_files"]
    listed = files if isinstance(files, Mapping) else {"train": files}
    problems, found = [], {}
    for split, name in listed.items():
        file = path.parent / name if isinstance(name, str) and "://" not in name and "::" not in name else None
        if file is None or not file.is_file():
            what = "is no file beside the task file"
            problems.append(Problem(where, f"data_files.{split}", what, repr(name), "name a file that is there"))
        else:
            found[str(split)] = str(file.resolve())
    return found, problems


# -- the harness -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _no_code_from_elsewhere() -> Iterator[None]:
    """The harness with templates in jinja's sandbox, without metrics that are downloaded as code, and silent."""
    from jinja2 import BaseLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from lm_eval import utils

    sandbox = ImmutableSandboxedEnvironment(loader=BaseLoader(), undefined=StrictUndefined, keep_trailing_newline=True)
    sandbox.filters["regex_replace"] = utils.regex_replace
    plain, known = utils.env, sys.modules.get("evaluate")
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    utils.env = sandbox
    sys.modules["evaluate"] = None  # type: ignore[assignment]  (an import of it is refused)
    try:
        yield
    finally:
        utils.env = plain
        logger.setLevel(level)
        sys.modules.pop("evaluate")
        if known is not None:
            sys.modules["evaluate"] = known


def _loaded(specs: Sequence[str | dict[str, Any]]) -> Any:
    """The tasks as the harness has them."""
    from lm_eval.tasks import TaskManager

    named = [spec for spec in specs if isinstance(spec, str)]
    manager = TaskManager(include_defaults=bool(named))
    if unknown := [name for name in named if name not in manager.all_tasks]:
        raise RecipeError([_no_such_task(name, manager.all_tasks) for name in unknown])
    with _told_of(" and ".join(spec if isinstance(spec, str) else spec["task"] for spec in specs)):
        loaded = manager.load([copy.deepcopy(spec) for spec in specs])
    for name, task in loaded["tasks"].items():
        if getattr(task, "UNSAFE_CODE", False):
            what = "runs code that a model writes, which the kit never does"
            raise RecipeError(Problem("", "evaluate.benchmarks", what, name, "leave it out"))
        by_hand = getattr(task.config, "process_results", None) is not None
        if not by_hand and None in getattr(task, "_metric_fn_list", {}).values():
            what = "needs a metric whose code would be downloaded"
            raise RecipeError(Problem("", "evaluate.benchmarks", what, name, "leave it out"))
    return loaded


def _no_such_task(name: str, known: Sequence[str]) -> Problem:
    near = difflib.get_close_matches(name, known, 3)
    fix = f"did you mean {', '.join(near)}?" if near else "see `lm_eval ls tasks`, or name a .yaml file"
    return Problem("", "evaluate.benchmarks", "the harness has no such task", repr(name), fix)


@contextlib.contextmanager
def _told_of(name: str) -> Iterator[None]:
    """What goes wrong inside the harness as an error of ours, by its kind alone: its words may hold texts of items."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    except FinetuneError:
        raise
    except (ConnectionError, TimeoutError, OSError) as error:
        fix = "look whether the hub can be reached, or name a task file with its data"
        what = f"the data of {name} cannot be had ({type(error).__name__})"
        raise SurroundingsError(Problem("", "evaluate.benchmarks", what, fix=fix)) from error
    except Exception as error:
        what = f"the harness cannot use {name} ({type(error).__name__})"
        fix = "try the task with the harness itself: lm_eval validate --tasks TASK"
        raise RecipeError(Problem("", "evaluate.benchmarks", what, fix=fix)) from error


def _evaluated(engine: Engine, loaded: Any, limit: int | None, seed: int) -> Any:
    """Results of the harness with one line an item."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    for task in loaded["tasks"].values():
        if task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=seed)
    with _told_of(" and ".join(loaded["tasks"])):
        # A copy: the harness changes settings of the tokenizer that it is given.
        tokenizer = copy.deepcopy(engine.tokenizer)
        settings: dict[str, Any] = {"max_length": engine.context_tokens, "batch_size": _BATCH_ROWS}
        model = HFLM(**settings, pretrained=engine.model, tokenizer=tokenizer)  # type: ignore[call-arg]
        chat = bool(tokenizer.chat_template)
        return evaluate(
            lm=model, task_dict=loaded, limit=limit, bootstrap_iters=0, log_samples=True, apply_chat_template=chat,
            fewshot_as_multiturn=chat, system_instruction=engine.system_prompt if chat else None,
        )  # fmt: skip


def _facts(name: str, found: Mapping[str, Any], seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is said of a task, and an entry for each metric (and filter) that is a number per item."""
    higher = found["base"].get("higher_is_better", {}).get(name, {})
    by_item: dict[tuple[str, str], dict[str, dict[Any, float]]] = {}
    others: set[str] = set()
    num_items = 0
    for who in ("base", "adapter"):
        samples = found[who]["samples"][name]
        num_items = len({sample["doc_id"] for sample in samples})
        for sample in samples:
            for metric in sample["metrics"]:
                value = sample[metric]
                if isinstance(value, (str, bytes, tuple, list, dict)) or value is None:
                    others.add(metric)
                    continue
                if not math.isfinite(float(value)):
                    others.add(metric)
                    continue
                values = by_item.setdefault((metric, sample["filter"]), {"base": {}, "adapter": {}})
                values[who][sample["doc_id"]] = float(value)
    filters = {which for _, which in by_item}
    measures = []
    for (metric, which), values in by_item.items():
        items = sorted(values["base"].keys() & values["adapter"].keys())
        label = f"benchmark:{name}:{metric}" + (f":{which}" if len(filters) > 1 else "")
        base, adapter = ([values[who][item] for item in items] for who in ("base", "adapter"))
        unit = "share" if all(0 <= value <= 1 for value in base + adapter) else "score"
        measures.append(entry(
            label, "benchmarks", unit, base, adapter, higher_is_better=higher.get(metric), least_effect=LEAST_EFFECT,
            seed=seed, bounds=(0.0, 1.0) if unit == "share" else None,
        ))  # fmt: skip
    version = found["base"].get("versions", {}).get(name)
    facts = {
        "name": name,
        "version": version if isinstance(version, (int, float)) else str(version),
        "num_items": num_items,
        "num_other_metrics": len(others),
    }
    return facts, measures
