"""Data sets of the Hub, asked of a real HTTP server on this machine: splits, commits, caching, streaming, refusals."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hub_server import COMMIT, Hub, serving
from test_data_reading import as_csv, as_lines, as_parquet

TESTS = Path(__file__).parent
ROWS = [{"question": f"question {number}?", "answer": f"answer {number}."} for number in range(6)]
TEST_ROWS = [{"question": "held out?", "answer": "yes"}]
CARD = b"""---
configs:
- config_name: easy
  data_files:
  - split: train
    path: easy/a*.csv
  - split: test
    path: easy/t.csv
- config_name: hard
  data_files: hard.jsonl
---
# Rows
"""
REPOS = {
    "clinic/rows": {
        "README.md": b"# Rows\n",
        "data/train-00000-of-00002.jsonl": as_lines(ROWS[:3]),
        "data/train-00001-of-00002.jsonl": as_lines(ROWS[3:]),
        "data/test-00000-of-00001.jsonl": as_lines(TEST_ROWS),
    },
    "clinic/configs": {
        "README.md": CARD,
        "easy/a.csv": as_csv(ROWS),
        "easy/t.csv": as_csv(TEST_ROWS),
        "hard.jsonl": as_lines(TEST_ROWS),
    },
    "clinic/parquet": {"train.parquet": as_parquet(ROWS)},
    "clinic/broken": {"train.jsonl": as_lines(ROWS[:1]) + b"{bad}\n"},
    "clinic/script": {"script.py": b"raise SystemExit", "data/train.jsonl": as_lines(ROWS)},
    "clinic/images": {"train/a.png": b"\x89PNG"},
    "clinic/gated": {"README.md": b"# Gated\n", "train.jsonl": as_lines(ROWS)},
}


@pytest.fixture(scope="module")
def hub():
    with serving(REPOS, {"clinic/gated"}) as served:
        yield served


def ask(
    url: str, home: Path, value: str, *, key: str = "data.train", stream: bool = False, **variables: str
) -> dict[str, Any]:
    """What `value` gives in a fresh process that knows this Hub only."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    variables = {"HF_HUB_OFFLINE": "0", **variables}
    env = {**kept, "HF_ENDPOINT": url, "HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1", **variables}
    env |= {"NO_PROXY": "*", "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    command = [sys.executable, str(TESTS / "hub_reader.py"), value, key, str(int(stream)), "auto"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, cwd=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_train_split_is_read_and_cached_and_works_offline(hub: Hub, tmp_path: Path):
    hub.requests.clear()
    first = ask(hub.url, tmp_path, "hub:clinic/rows")
    assert (first["error"], first["problems"], first["rows"]) == (None, [], ROWS)
    assert [source["name"] for source in first["sources"]] == [
        "hub:clinic/rows/data/train-00000-of-00002.jsonl",
        "hub:clinic/rows/data/train-00001-of-00002.jsonl",
    ]
    assert [source["note"] for source in first["sources"]] == [
        f"hub:clinic/rows: split train, commit {COMMIT}, 2 files",
        "",
    ]
    assert {source["commit"] for source in first["sources"]} == {COMMIT}
    assert first["sources"][0]["sha256"] == hashlib.sha256(as_lines(ROWS[:3])).hexdigest()
    assert not any("test-00000" in path for path in hub.downloads()), "the other split is not fetched"
    hub.requests.clear()
    assert ask(hub.url, tmp_path, "hub:clinic/rows")["rows"] == ROWS
    assert not any("train-0000" in path for path in hub.downloads()), "the cache is used"
    hub.requests.clear()
    assert ask(hub.url, tmp_path, "hub:clinic/rows", HF_HUB_OFFLINE="1") == first
    assert hub.requests == []
    assert ask(hub.url, tmp_path, "hub:clinic/parquet", HF_HUB_OFFLINE="1")["problems"] == [
        "recipe.yaml:5: data.train: was never fetched on this machine, and HF_HUB_OFFLINE keeps us from the network "
        "(got 'hub:clinic/parquet'). Fix: unset HF_HUB_OFFLINE once, or download its files and name them"
    ]


def test_streaming_keeps_no_copy(hub: Hub, tmp_path: Path):
    for value, rows in (("hub:clinic/rows", ROWS), ("hub:clinic/parquet", ROWS), ("hub:clinic/configs:easy", ROWS)):
        done = ask(hub.url, tmp_path, value, stream=True)
        assert (done["error"], done["problems"], done["rows"]) == (None, [], rows)
    held = [path for path in (tmp_path / "hf").rglob("*") if path.is_file() and b"question 1?" in path.read_bytes()]
    assert held == []
    assert done["sources"][0]["sha256"] == hashlib.sha256(as_csv(ROWS)).hexdigest()


def test_splits_configurations_and_revisions(hub: Hub, tmp_path: Path):
    def rows(value: str, key: str = "data.train") -> Any:
        done = ask(hub.url, tmp_path, value, key=key)
        assert done["error"] is None
        return done["rows"] or done["problems"]

    assert rows("hub:clinic/rows@test", "data.held_out") == TEST_ROWS
    assert rows("hub:clinic/rows@train#v1") == ROWS
    assert rows("hub:clinic/configs:easy@test") == TEST_ROWS
    assert rows("hub:clinic/configs:hard") == TEST_ROWS
    start = "recipe.yaml:5: data.train: "
    assert rows("hub:clinic/configs") == [
        f"{start}has 2 configurations: easy, hard (got 'hub:clinic/configs'). "
        "Fix: name one of them: hub:clinic/configs:easy"
    ]
    assert rows("hub:clinic/configs:other") == [
        f"{start}has no configuration of that name; it has easy, hard (got 'hub:clinic/configs:other'). "
        "Fix: name one of them: hub:clinic/configs:easy"
    ]
    assert rows("hub:clinic/rows@dev") == [
        f"{start}has no split of that name; it has train, test (got 'hub:clinic/rows@dev'). "
        "Fix: name one: hub:clinic/rows@test"
    ]
    assert rows("hub:clinic/rows", "data.held_out") == [
        "recipe.yaml:5: data.held_out: does not say which split; it has train, test (got 'hub:clinic/rows'). "
        "Fix: name one: hub:clinic/rows@test"
    ]


def test_fault_64_a_loading_script_is_refused_and_never_run(hub: Hub, tmp_path: Path):
    assert ask(hub.url, tmp_path, "hub:clinic/script")["problems"] == [
        "recipe.yaml:5: data.train: is made by a loading script (script.py), and foreign code is not run "
        "(got 'hub:clinic/script'). Fix: use the Hub's own copy as parquet: hub:clinic/script#refs/convert/parquet, "
        "or download its files and name them"
    ]


def test_what_cannot_be_read_or_found(hub: Hub, tmp_path: Path):
    start = "recipe.yaml:5: data.train: "
    assert ask(hub.url, tmp_path, "hub:clinic/images")["problems"] == [
        f"{start}holds no file that can be read (got 'hub:clinic/images'). Fix: choose another one; "
        "accepted are .json, .jsonl, .csv, .tsv, .parquet and .xlsx, also with .gz or .zst"
    ]
    assert ask(hub.url, tmp_path, "hub:clinic/nothing")["problems"] == [
        f"{start}is not on the Hub (got 'hub:clinic/nothing'). "
        "Fix: check the id; a private one needs HF_TOKEN in the shell"
    ]
    assert ask(hub.url, tmp_path, "hub:clinic/rows#v9")["problems"] == [
        f"{start}has no such revision on the Hub (got 'hub:clinic/rows#v9'). "
        "Fix: check the revision: a branch, tag or commit"
    ]
    done = ask(hub.url, tmp_path, "hub:clinic/broken")
    assert done["rows"] == ROWS[:1]
    assert done["row_problems"] == [
        "hub:clinic/broken/train.jsonl:2: row 2: line a key in double quotes is due (column 2). "
        "Fix: correct or remove the line"
    ]


def test_a_gated_data_set_says_what_to_do(hub: Hub, tmp_path: Path):
    name, code, message = ask(hub.url, tmp_path, "hub:clinic/gated")["error"]
    assert (name, code) == ("SurroundingsError", 4)
    assert message == (
        "recipe.yaml:5: data.train: is gated (got 'hub:clinic/gated'). "
        "Fix: accept its terms on the Hub, then set HF_TOKEN in the shell"
    )
    assert ask(hub.url, tmp_path, "hub:clinic/gated", HF_TOKEN="token")["rows"] == ROWS


def test_no_network_says_what_to_do(tmp_path: Path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        name, code, message = ask(url, tmp_path, "hub:clinic/rows")["error"]
    assert (name, code) == ("SurroundingsError", 4)
    assert message.startswith("recipe.yaml:5: data.train: cannot be fetched: ")
    assert message.endswith(
        "(got 'hub:clinic/rows'). Fix: check the network; HF_ENDPOINT names a mirror, HF_TOKEN a token, "
        "HF_HUB_OFFLINE=1 uses what is cached; or use files on this machine"
    )


def test_nothing_is_counted_and_no_other_server_is_asked(hub: Hub, tmp_path: Path):
    hub.requests.clear()
    ask(hub.url, tmp_path, "hub:clinic/rows")
    known = ("/api/datasets/clinic/rows", "/datasets/clinic/rows/")
    strange = [path for _, path in hub.requests if not path.startswith(known)]
    assert strange == []
    assert not any("telemetry" in path for _, path in hub.requests)


def test_a_folder_of_the_same_name_is_not_taken_for_the_data_set(hub: Hub, tmp_path: Path):
    (tmp_path / "clinic" / "rows").mkdir(parents=True)
    (tmp_path / "clinic" / "rows" / "train.jsonl").write_bytes(as_lines(TEST_ROWS))
    assert ask(hub.url, tmp_path, "hub:clinic/rows")["rows"] == ROWS
