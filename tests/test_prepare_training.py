"""Compactly kept rows reach the trainer without a copy, and train the very same adapter as lists of numbers do."""

from __future__ import annotations

from pathlib import Path

import training_kit as kit

from finetune import data, prepare, recipe
from finetune.render.rows import Pairs, RenderedRows
from finetune.training.train import _dataset, _labels_of


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


def test_the_trainer_is_handed_the_same_rows(tmp_path: Path) -> None:
    loaded = recipe.load(kit.workspace(tmp_path))
    rows = prepare.render_split(prepare.open_base(loaded), data.load(loaded).train, "drop")
    compact = _dataset(rows.pairs())
    lists = _dataset([(row.input_ids, row.labels) for row in rows.rows])
    assert [row["input_ids"] for row in compact] == [row["input_ids"] for row in lists]
    assert [_labels_of(row) for row in compact] == [row["labels"] for row in lists]
    assert compact["row"][:] == lists["row"][:] == list(range(len(rows.rows)))
    values = compact.data.table.column("input_ids").chunk(0).values
    assert values.buffers()[1].address == rows.rows.columns()["input_ids"][1].ctypes.data, "not copied"  # type: ignore[attr-defined]
