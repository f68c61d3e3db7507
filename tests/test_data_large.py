"""Large inputs: memory stays where it is, while rows go by. The real size (2 GB) is a benchmark; this is its model."""

from __future__ import annotations

from pathlib import Path

import large_kit
import pytest

NUM_BYTES = 60 * 1000**2
# two workers and the program itself, each with its libraries (about 600 MB), the rows and marks kept in memory before
# they go to disk (128 MB), and 100 bytes a row
PEAK_BYTES = 900 * 1000**2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").is_file(), reason="measures memory in /proc")
def test_memory_of_a_large_check(tmp_path):
    num_rows = large_kit.write_rows(tmp_path / "rows.jsonl", NUM_BYTES)
    found = large_kit.check(tmp_path, num_processes=2, words={"privacy": "off"})
    assert found["num_rows"] == num_rows
    assert found["num_train"] + found["num_held_out"] == num_rows
    assert found["peak_anonymous"] < PEAK_BYTES
    assert found["peak_pss"] < PEAK_BYTES + NUM_BYTES
