"""From the recipe to the two splits: the one way in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from finetune.data import files
from finetune.data.reading import Choices, read_file
from finetune.data.shapes import Conversation, DataReport, Message, Splits, fingerprint_of, name_shown, plural
from finetune.data.splitting import FEW_ROWS, overlap_problems, split_by_share, without_duplicates
from finetune.errors import DataError, Problem

if TYPE_CHECKING:
    from finetune.recipe import LoadedRecipe


def load(loaded: LoadedRecipe) -> Splits:
    """Read, recognise and check all rows that a recipe names, drop duplicates, and split.

    Nothing is guessed silently: every choice is a line in the report's notes. Needs no torch and no network.

    Raises:
        DataError: with every problem found, each with file, line and remedy; never with the text of a row.
    """
    data = loaded.recipe.data
    problems: list[Problem] = []
    train_files = files.find("data.train", data.train, loaded.path_of, loaded.where("data.train"), problems)
    held_files: list[files.DataFile] = []
    if isinstance(data.held_out, str):
        where = loaded.where("data.held_out")
        held_files = files.find("data.held_out", data.held_out, loaded.path_of, where, problems)
        trained = {file.path.resolve() for file in train_files}
        for file in held_files:
            if file.path.resolve() in trained:
                what = f"{file.name} is also a file of data.train"
                problems.append(
                    Problem(where, "data.held_out", what, fix="hold out other rows, or a share such as 0.1")
                )
        held_files = [file for file in held_files if file.path.resolve() not in trained]
    columns = {str(key): column for key, column in data.columns.items()}
    choices = Choices(data.format, columns, data.group_by)
    report = DataReport()
    train = _read_all(train_files, choices, report, problems)
    held_out = _read_all(held_files, choices, report, problems)
    if problems:
        raise DataError(problems)
    return _finish(loaded, train, held_out, report)


def _read_all(
    data_files: Sequence[files.DataFile], choices: Choices, report: DataReport, problems: list[Problem]
) -> list[Conversation]:
    conversations: list[Conversation] = []
    for file in data_files:
        read = read_file(file, choices, problems)
        conversations += read.conversations
        report.notes += read.notes
        report.warnings += read.warnings
        if read.facts:
            report.files.append(read.facts)
            report.num_rows_read += read.facts.num_rows
    return conversations


def _finish(
    loaded: LoadedRecipe, train: list[Conversation], held_out: list[Conversation], report: DataReport
) -> Splits:
    """Duplicates, split, system prompt and the report's totals.

    Raises:
        DataError: the rows cannot be split as asked, or held-out rows are trained on.
    """
    data = loaded.recipe.data
    train = _deduplicated(train, data.duplicates, "training" if held_out else "", report)
    held_where = loaded.where("data.held_out")
    if isinstance(data.held_out, str):
        held_out = _deduplicated(held_out, data.duplicates, "held-out", report)
        overlap = overlap_problems(train, held_out, held_where)
        if overlap:
            raise DataError(overlap)
        report.notes.append(f"held out {plural(len(held_out), 'row')}: the files of data.held_out")
    else:
        split = split_by_share(train, data.held_out, loaded.recipe.train.seed)
        if split is None:
            unit = "group of data.group_by" if data.group_by else "different row"
            what = f"a share cannot be held out: there is only one {unit}"
            raise DataError(Problem(held_where, "data.held_out", what, fix="add rows, or name a held-out file"))
        train, held_out, notes = split
        report.notes += notes
    if data.group_by:
        report.notes.append(f"rows are grouped by the column {name_shown(data.group_by)}")
    if len(train) < FEW_ROWS:
        report.warnings.append(f"only {plural(len(train), 'training row')}; fewer than {FEW_ROWS} teach little")
    train, held_out = _with_system_prompt(train, held_out, data.system_prompt, report)
    report.num_train, report.num_held_out = len(train), len(held_out)
    report.fingerprint = fingerprint_of((("train", train), ("held_out", held_out)))
    return Splits(train, held_out, report)


def _deduplicated(rows: list[Conversation], rule: str, which: str, report: DataReport) -> list[Conversation]:
    kept, num_repeated, warnings = without_duplicates(rows, rule)
    which = f"{which} " if which else ""
    report.warnings += [f"{which}rows: {warning}" if which else warning for warning in warnings]
    if rule == "drop":
        report.dropped["duplicate"] = report.dropped.get("duplicate", 0) + num_repeated
        what = "dropped, the first of each kept"
    else:
        what = f"kept, as data.duplicates is {rule}"
    if num_repeated:
        report.notes.append(f"{plural(num_repeated, f'{which}row')} that repeat an earlier row exactly: {what}")
    return kept


def _with_system_prompt(
    train: list[Conversation], held_out: list[Conversation], system_prompt: str | None, report: DataReport
) -> tuple[list[Conversation], list[Conversation]]:
    """The recipe's system prompt before every row that has none of its own; both counts go to the notes."""
    num_own = sum(row.messages[0].role == "system" for row in (*train, *held_out))
    num_rows = len(train) + len(held_out)
    if not system_prompt:
        if num_own:
            report.notes.append(
                f"{plural(num_own, 'row')} have a system turn of their own, {num_rows - num_own:,} none"
            )
        return train, held_out
    prompt = Message("system", system_prompt)

    def put(row: Conversation) -> Conversation:
        return row if row.messages[0].role == "system" else replace(row, messages=(prompt, *row.messages))

    report.notes.append(
        f"data.system_prompt put before {plural(num_rows - num_own, 'row')}; "
        f"{num_own:,} keep a system turn of their own"
    )
    return [put(row) for row in train], [put(row) for row in held_out]
