"""Compactly kept rows reach the trainer without a copy, and train the very same adapter as lists of numbers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import training_kit as kit

from finetune import data, prepare, recipe
from finetune.render.rows import Pairs, RenderedRows


def test_the_adapter_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    loaded = recipe.load(kit.workspace(tmp_path))
    splits = data.load(loaded)
    base = prepare.open_base(loaded)
    split = prepare.render_split(base, splits.train, "drop")
    assert isinstance(split.rows, RenderedRows) and isinstance(split.pairs(), Pairs)
    lists = [(row.input_ids, row.labels) for row in split.rows]
    hashes = []
    for name, rows in (("compact", split.pairs()), ("lists", lists)):
        run = kit.new_run(tmp_path / name)
        model, result = kit.train(run, base.source.location, rows, kit.settings(epochs=1.0), held_out=rows)  # type: ignore[arg-type]
        assert result.num_steps > 0
        hashes.append((kit.adapter_hash(model), result.final_loss, result.trained_tokens_seen))
    assert hashes[0] == hashes[1]


def test_rows_are_read_where_they_lie_when_their_step_comes(tmp_path: Path) -> None:
    """No copy of all rows is made on the way: a step's rows are views of the ids that were rendered."""
    loaded = recipe.load(kit.workspace(tmp_path))
    split = prepare.render_split(prepare.open_base(loaded), data.load(loaded).train, "drop")
    asked: list[int] = []

    class Watched(Pairs):
        def __getitem__(self, index: Any) -> Any:
            asked.append(index)
            return super().__getitem__(index)

    compact: Any = split.rows
    rows: Any = Watched(compact)
    run = kit.new_run(tmp_path / "run")
    before: list[int] = []
    kit.train(run, tmp_path / "base", rows, kit.settings(), on_step=lambda step, *_: before.append(len(asked)))
    assert all(isinstance(index, int) for index in asked)
    ids = rows[3][0]
    assert ids.base is compact.arrays(3)[0].base, "not copied"
    assert before[-1] - before[0] <= len(rows), "asked for once in an epoch"
