"""`finetune check --fix`: the usable rows in a new file, mended where that is safe, and a list of what was done."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import __version__, data
from finetune.checking.verdict import finding_title
from finetune.checking.view import dropped_label
from finetune.data import fixing
from finetune.data.findings import rules_of
from finetune.data.reading import sources
from finetune.data.reading.sources import Source
from finetune.data.shapes import Splits, plural
from finetune.errors import DataError, Problem
from finetune.talk import Talk

if TYPE_CHECKING:
    from finetune.checking.checking import CheckResult
    from finetune.recipe import LoadedRecipe


def check_fix_target(loaded: LoadedRecipe, target: Path) -> None:
    """See that the mended rows may be written there, before anything is read.

    Raises:
        DataError: something is there already, its folder is not, or the recipe would read the new rows beside the old.
    """
    words = loaded.recipe.data
    apart = isinstance(words.held_out, str)
    fixing.check_target(target, held_out_apart=apart)
    named: list[tuple[str, Any]] = [("data.train", words.train)]
    named += [("data.held_out", words.held_out)] if apart else []
    problems = []
    for path in (target, *([fixing.held_out_path(target)] if apart else []), fixing.changes_path(target)):
        for key, value in named:
            if name := sources.read_with(value, loaded.path_of, key, path):
                what = f"would be read by the next check beside the rows it was made from: {key} takes all of {name}"
                fix = "name a file in another folder"
                problems.append(Problem(str(path), "--fix", what, fix=fix))
    if problems:
        raise DataError(problems)


def write_fixed(
    loaded: LoadedRecipe,
    result: CheckResult,
    target: Path,
    *,
    num_processes: int | None = None,
    talk: Talk | None = None,
) -> list[str]:
    """Write the rows that can be used, mended, to a new file; never over one of the user's.

    Args:
        loaded: the recipe that was checked.
        result: of `check`; rows that its rules refuse are left out of the file.
        target: a .jsonl file that does not exist.
        num_processes: as `check` takes it, for rows that have to be read once more.
        talk: is told so.

    Returns:
        Plain lines: what was written, mended and left out, and what to do next.

    Raises:
        DataError: the files could not be read or are others than were checked, or something stands at the target.
        SurroundingsError: the disk does not let us write; nothing is left behind.
    """
    if result.splits is None:
        what = "was not written: the rows could not be read"
        problems = result.error.problems if result.error else ()
        raise DataError([*problems, Problem(str(target), "--fix", what, fix="mend what is named above first")])
    words = loaded.recipe.data
    splits = _rows_to_write(loaded, result, result.splits, num_processes, talk or Talk())
    apart = isinstance(words.held_out, str)
    unused = splits.fates.unused_columns()
    summary = fixing.write_fixed(
        target,
        splits.fates.changes(),
        sources=_local_files(loaded),
        group_by=words.group_by,
        number_groups=words.privacy == "redact",
        system_prompt=words.system_prompt,
        held_out_apart=apart,
        facts={
            "kit_version": __version__,
            "data_fingerprint": splits.report.fingerprint,
            "columns_not_written": unused,
            "groups_numbered": bool(words.group_by) and words.privacy == "redact",
        },
    )
    lines = [f"written   {target}: {plural(summary.num_rows, 'row')}, {summary.num_mended:,} of them mended"]
    lines += [
        f"          mended: {finding_title(kind, 'en')}, {plural(n, 'row')}" for kind, n in summary.mended.items()
    ]
    lines += [f"          {dropped_label(reason, 'en')}, {plural(n, 'row')}" for reason, n in summary.dropped.items()]
    if summary.num_lost:
        lines.append(f"          not mended: garbled letters that cannot be undone, {plural(summary.num_lost, 'row')}")
    lines += [f"          not written: columns of {name} not used: {', '.join(one)}" for name, one in unused.items()]
    if words.group_by and words.privacy == "redact":
        lines.append("          groups are numbered (data.privacy: redact): their own values are not written")
    others = [name for name in (*summary.files, summary.changes_file) if name != target.name]
    lines.append(f"          beside it: {', '.join(others)}")
    held_out = f" and data.held_out: {_named(loaded, 'data.held_out', fixing.held_out_path(target))}" if apart else ""
    train = _named(loaded, "data.train", target)
    lines.append(f"next      set data.train: {train}{held_out} in the recipe, and check again")
    return lines


def _rows_to_write(
    loaded: LoadedRecipe, result: CheckResult, splits: Splits, num_processes: int | None, talk: Talk
) -> Splits:
    """The rows that were checked, or all of them read once more where the check left out some that are to be written:
    rows to be mended, and disliked answers.

    Raises:
        DataError: a file is not the one that was checked.
    """
    words = loaded.recipe.data
    rules = rules_of({str(kind): rule for kind, rule in words.checks.items()})
    mending = fixing.rules_for_fixing(rules)
    num_disliked = splits.report.dropped.get("disliked answer", 0)
    if not num_disliked and all(rules[kind] == mending[kind] for kind in result.report["findings"]):
        return splits
    talk.say("reading all rows once more: those to be mended, and disliked answers, are written too")
    checked = loaded.recipe.model_copy(update={"data": words.model_copy(update={"checks": mending})})
    again = data.load(
        replace(loaded, recipe=checked), num_processes=num_processes, talk=talk, lenient=True, keep_disliked=True
    )
    before = {file.name: file.sha256 for file in splits.report.files}
    now = {file.name: file.sha256 for file in again.report.files}
    what, fix = "was changed after it was checked; nothing was written", "check again"
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        raise DataError([Problem(name, "--fix", what, fix=fix) for name in changed])
    return again


def _named(loaded: LoadedRecipe, key: str, path: Path) -> str:
    """A path as the recipe would name it: from the folder of the file that sets the key."""
    return Path(os.path.relpath(path.resolve(), loaded.path_of(key, ".").resolve())).as_posix()


def _local_files(loaded: LoadedRecipe) -> list[Path]:
    """The data files of the recipe on this machine."""
    words, problems = loaded.recipe.data, []
    found: list[Source] = []
    for key, value in (("data.train", words.train), ("data.held_out", words.held_out)):
        named = [one for one in (value if isinstance(value, tuple) else [value]) if not isinstance(one, float)]
        local = tuple(one for one in named if not str(getattr(one, "path", one)).startswith("hub:"))
        if local:
            found += sources.find(key, local, loaded.path_of, loaded.where(key), problems)
    return [source.path for source in found if source.path is not None]
