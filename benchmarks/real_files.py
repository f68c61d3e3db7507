"""What the kit makes of real public files: the table of docs/real_files.md, as Markdown.

Run: FINETUNE_SHARED=FOLDER python -m benchmarks.real_files

The files and the recipe lines are those of tests/test_shared_data.py; FOLDER holds data/NAME/FILE.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"


def line_of(key: str, value: object) -> str:
    """A recipe line as one would write it."""
    return f"`{key}: {json.dumps(value, ensure_ascii=False)}`".replace('"', "")


def main() -> None:
    sys.path.insert(0, str(TESTS))
    from test_shared_data import REAL, REFUSED  # pyright: ignore[reportMissingImports]

    from finetune import data, recipe
    from finetune.errors import DataError

    folder = Path(os.environ["FINETUNE_SHARED"]) / "data"
    print("| file | layout, encoding | recipe lines beside `train` | rows | to train on | held out | left out |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "recipe.yaml"

        def loaded(file: str, words: dict) -> recipe.LoadedRecipe:
            settings = {"recipe": 1, "base": {"model": "starter"}, "data": {"train": str(folder / file), **words}}
            path.write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
            return recipe.load(path, allow_outside=True)

        for real in REAL:
            splits = data.load(loaded(real.file, real.words))
            facts = splits.report.files[0]
            lines = " ".join(line_of(key, value) for key, value in real.words.items()) or "none"
            left_out = ", ".join(f"{num:,} {reason}" for reason, num in splits.report.dropped.items() if num) or "0"
            print(
                f"| {real.file} | {facts.format}, {facts.encoding} | {lines} | {splits.report.num_rows_read:,} | "
                f"{len(splits.train):,} | {len(splits.held_out):,} | {left_out} |"
            )
        for file in REFUSED:
            try:
                data.load(loaded(file, {}))
                what = "loaded"
            except DataError as error:
                problem = error.problems[0]
                what = problem if isinstance(problem, str) else problem.what
            print(f"| {file} | refused: {what} | | | | | |")


if __name__ == "__main__":
    main()
