"""The recipe's own questions: what evaluation asks, and what the demo shows as examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finetune.data import ImageRef, images_of_row, names_images, question_of
from finetune.errors import DataError, Problem


def read_questions(loaded: Any, *, with_images: bool = True) -> list[dict[str, Any]]:
    """The recipe's evaluate.questions: JSON lines with "question" and, if known, "reference".

    A line with "options" is a choice question; its "answer" is the text of the right one, or its number from 0.

    Args:
        with_images: read and check the images of questions, named relative to the file as rows of data name theirs;
            else questions with images are left out.

    Returns:
        Texts by their keys; "images" (of finetune.data.ImageRef) where a question shows some; "options" (texts) and
        "right" (the number of the right one) of a choice question.

    Raises:
        DataError: the file cannot be read, a line is no question, or its image cannot be used; each with its line.
    """
    name = loaded.recipe.evaluate.questions
    if name is None:
        return []
    path = loaded.path_of("evaluate.questions", name)
    problems: list[str | Problem] = []
    questions = []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        where = loaded.where("evaluate.questions")
        reason = error.strerror or type(error).__name__
        raise DataError(Problem(where, "evaluate.questions", f"cannot be read: {reason}", repr(name))) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            question = row["question"]
            if not isinstance(question, str) or not question.strip():
                raise TypeError
        except (ValueError, KeyError, TypeError):
            fix = 'write one {"question": "..."} a line'
            problems.append(Problem(f"{path.name}:{number}", "question", "is not a question", fix=fix))
            continue
        texts: dict[str, Any] = {key: value for key, value in row.items() if isinstance(value, str)}
        if "options" in row and not _take_options(row, texts, f"{path.name}:{number}", problems):
            continue
        shown = _shown(row, path, number, loaded.recipe.data.images, with_images, problems)
        if shown:
            texts["images"] = shown
        if shown is not None:
            questions.append(texts)
    if problems:
        raise DataError(problems)
    return questions


def _take_options(row: dict[str, Any], texts: dict[str, Any], where: str, problems: list[str | Problem]) -> bool:
    """Put the options of a choice question into `texts`; False after filing what is wrong with them."""
    options, answer = row["options"], row.get("answer")
    is_list = isinstance(options, list) and all(isinstance(option, str) and option.strip() for option in options)
    if not is_list or len(options) < 2 or len(set(options)) != len(options):
        fix = 'write them as ["first", "second", ...]'
        problems.append(Problem(where, "options", "expected two or more different texts", fix=fix))
        return False
    if isinstance(answer, str) and answer in options:
        answer = options.index(answer)
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(options):
        fix = f"write the text of the right option, or its number from 0 to {len(options) - 1}"
        problems.append(Problem(where, "answer", "is none of the options", fix=fix))
        return False
    texts["options"], texts["right"] = tuple(options), answer
    return True


def _shown(
    row: dict[str, Any], path: Path, number: int, rule: str, is_read: bool, problems: list[str | Problem]
) -> list[ImageRef] | None:
    """The images of a line; None where it is left out, after filing what is wrong with them."""
    where = f"{path.name}:{number}"

    def say(part: str, what: str, got: str, fix: str) -> None:
        problems.append(Problem(where, part, what, got, fix))

    if not is_read:
        return None if names_images(row) else []
    if rule == "ignore" and names_images(row):
        fix = "remove the image from the question, or set data.images: use"
        return say("", "the question names an image, and data.images is ignore", "", fix)
    shown = images_of_row(row, path.parent, say)
    try:
        question_of(row["question"], shown or ())
    except DataError as error:
        (problem,) = error.problems
        if isinstance(problem, Problem):
            return say("", problem.what, problem.got, problem.fix)
    return shown
