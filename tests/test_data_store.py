"""Where rows are kept: read back as they were, in memory or mapped, private, and gone afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from test_data_room import chat, load, qa

from finetune.data import store
from finetune.data.likeness.marks_store import MarksStore, marks_of, without_signatures
from finetune.data.shapes import Conversation, Message, ToolCall, fingerprint_of
from finetune.data.store import Rows, Store, decode, encode
from finetune.errors import SurroundingsError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TURN = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    TEXT,
    st.lists(st.builds(ToolCall, TEXT, st.just('{"a":1}')), max_size=2).map(tuple),
    st.none() | TEXT,
)
ROW = st.builds(
    Conversation,
    st.lists(TURN, min_size=1, max_size=4).map(tuple),
    TEXT,
    st.none() | TEXT,
    st.sampled_from(["", "[]"]),
    st.lists(TURN, max_size=2).map(tuple),
    st.none() | st.booleans(),
)


@given(st.lists(st.lists(ROW, max_size=5), max_size=4), st.sampled_from([0, 1, 2**30]), st.randoms())
@settings(deadline=None, max_examples=60)
def test_rows_stored_are_read_back(batches, memory_bytes, draw):
    kept = Store(memory_bytes)
    for batch in batches:
        assert decode(encode(batch)) == batch
        kept.append(encode(batch))
    kept.finish()
    rows = [row for batch in batches for row in batch]
    numbers = np.array([draw.randrange(len(rows)) for _ in range(7)] if rows else [], np.int64)
    view = Rows(kept, numbers)
    assert list(view) == [rows[number] for number in numbers]
    assert [view[index] for index in range(-len(view), len(view))] == [rows[number] for number in numbers] * 2
    assert view[1:3] == [rows[number] for number in numbers][1:3]
    assert list(view.fingerprints()) == [rows[number].fingerprint for number in numbers]
    assert (view.places, view.groups) == ([row.where for row in view], [row.group for row in view])
    assert kept.has_system().tolist() == [row.messages[0].role == "system" for row in rows]


def test_rows_on_disk_are_private_and_go_with_the_program(tmp_path):
    code = f"""
        import os, tempfile
        from pathlib import Path
        tempfile.tempdir = {str(tmp_path)!r}
        from finetune.data.store import Store, encode
        from finetune.data import Conversation, Message
        kept = Store(memory_bytes=1)
        kept.append(encode([Conversation((Message("user", "q"), Message("assistant", "a")), "x:1")]))
        kept.finish()
        folder = kept.file.parent
        print(folder.parent == Path({str(tmp_path)!r}), oct(folder.stat().st_mode & 0o777), kept.row(0).where)
    """
    stale = tmp_path / f"{store.PREFIX}999999999-x"
    stale.mkdir()
    (stale / store.IN_USE).touch()
    mine = tmp_path / f"{store.PREFIX}x"  # of a program that still runs, perhaps in another container
    mine.mkdir()
    with FileLock(mine / store.IN_USE):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["True", "0o700", "x:1"], done.stderr
        assert list(tmp_path.iterdir()) == [mine]


def test_a_check_that_is_ended_clears_its_rows_away(tmp_path):
    code = f"""
        import os, signal, tempfile
        tempfile.tempdir = {str(tmp_path)!r}
        from finetune import cli
        from finetune.cli import commands
        from finetune.data import Conversation, Message
        from finetune.data.store import Store, encode

        def ended(_):
            kept = Store(memory_bytes=1)
            kept.append(encode([Conversation((Message("user", "q"), Message("assistant", "a")), "x:1")]))
            print(len(os.listdir(tempfile.tempdir)), flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

        commands.check = ended
        cli.main(["check", "recipe.yaml"])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "1\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_fault_67_no_room_for_the_rows(tmp_path, monkeypatch):
    free = store.shutil.disk_usage(tmp_path).free
    with pytest.raises(SurroundingsError) as caught:
        store.free_space_for(free)
    assert str(caught.value) == (
        f"disk: no free space for the rows: about {free * 3 // 2:,} bytes are needed in the folder for temporary "
        "files. Fix: free space there, or name another folder in TMPDIR"
    )
    assert caught.value.exit_code == 4
    store.free_space_for(1)
    if not Path("/dev/full").exists():
        pytest.skip("the rest needs /dev/full")
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "rows.arrow").symlink_to("/dev/full")
    monkeypatch.setattr(store, "private_folder", lambda: folder)
    kept = Store(memory_bytes=1)
    batch = encode([Conversation((Message("user", "q"), Message("assistant", "a" * 100_000)), "x:1")])
    with pytest.raises(SurroundingsError) as caught:
        kept.append(batch)
    assert str(caught.value).startswith(f"disk: no free space for the rows: about {batch.nbytes:,} bytes are needed")


def test_marks_on_disk_are_those_in_memory():
    rows = [Conversation((Message("user", f"q {n} x"), Message("assistant", f"a {n} y")), f"x:{n}") for n in range(700)]
    stores = [MarksStore(), MarksStore(memory_bytes=1)]
    for kept in stores:
        for start in (0, 300, 301):
            kept.append(marks_of(rows[start : {0: 300, 300: 301, 301: 700}[start]]))
    in_memory, mapped = (kept.joined() for kept in stores)
    for name in vars(in_memory):
        assert (getattr(in_memory, name) == getattr(mapped, name)).all(), name
    assert isinstance(mapped.row, np.memmap)
    assert without_signatures(mapped).take(np.arange(2)).row.tolist() == in_memory.row[:2].tolist()


def test_rows_compare_slice_and_know_their_length(tmp_path):
    splits = load(tmp_path, [qa(number) for number in range(30)], system_prompt="house")
    rows = splits.train
    assert isinstance(rows, Rows)
    assert len(rows) == 27
    assert rows[0].messages[0] == Message("system", "house")
    assert rows[-1] == rows[26] == list(rows)[26]
    assert rows[2:4] == [rows[2], rows[3]]
    assert rows == list(rows)
    assert rows != splits.held_out
    with pytest.raises(IndexError):
        rows[27]


def test_the_fingerprint_is_that_of_the_rows(tmp_path):
    for words in ({}, {"system_prompt": "house"}):
        splits = load(tmp_path, [*map(qa, range(30)), chat("q", "a", system="own")][:30], **words)
        expected = fingerprint_of((("train", splits.train), ("held_out", splits.held_out)))
        assert splits.report.fingerprint == expected


@pytest.mark.parametrize("memory_bytes", [1, store.MEMORY_BYTES])
def test_rows_as_a_data_set(tmp_path, monkeypatch, memory_bytes):
    pytest.importorskip("datasets")
    monkeypatch.setattr(store, "MEMORY_BYTES", memory_bytes)
    monkeypatch.setattr(Store.__init__, "__defaults__", (memory_bytes,))
    splits = load(tmp_path, [qa(number) for number in range(30)])
    assert isinstance(splits.train, Rows)
    made = splits.train.dataset()
    assert len(made) == 27
    assert [row["where"] for row in made] == [row.where for row in splits.train]
    turn = made[0]["messages"][0]
    assert (turn["role"], turn["content"]) == ("user", splits.train[0].messages[0].content)
    assert bool(made.cache_files) is (memory_bytes == 1)
