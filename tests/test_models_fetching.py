"""Bases of hubs: what is fetched, pinned, resumed, refused; asked of real HTTP servers on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from commands_kit import finetune
from hub_server import COMMIT, Hub, Model, model, serving

from finetune import models
from finetune.errors import IntegrityError, ModelError, SurroundingsError
from finetune.models import fetching
from finetune.models.shards import check_files

TESTS = Path(__file__).parent
LATER = "fedcba9876543210fedcba9876543210fedcba98"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
STARTER = "a folder, or base.model: starter"


def shard(num_bytes: int, fill: int, tensor: str = "w") -> bytes:
    """A safetensors file with one tensor of bytes."""
    header = {tensor: {"dtype": "U8", "shape": [num_bytes], "data_offsets": [0, num_bytes]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes([fill]) * num_bytes


def small_files(tiny: Path) -> dict[str, bytes]:
    """Everything of the tiny base but its weights."""
    return {path.name: path.read_bytes() for path in sorted(tiny.iterdir()) if path.suffix != ".safetensors"}


@pytest.fixture(scope="module")
def files(tiny_base: Path) -> dict[str, bytes]:
    """A repository as they are: weights in two shards, beside code, pickles and other formats."""
    index = {"metadata": {}, "weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}
    return {
        **small_files(tiny_base),
        "README.md": b"---\nlicense: apache-2.0\n---\n",
        "LICENSE": b"Apache\n",
        "model.safetensors.index.json": json.dumps(index).encode(),
        SHARDS[0]: shard(6_000_000, 1, "a"),
        SHARDS[1]: shard(3_000_000, 2, "b"),
        "consolidated.safetensors": shard(100, 3),
        "original/model.safetensors": shard(100, 4),
        "modeling_tiny.py": b"raise SystemExit\n",
        "pytorch_model.bin": b"\x80\x04pickle",
        "pytorch_model.bin.index.json": b"{}",
        "model.gguf": b"GGUF",
        "training_args.bin": b"\x80\x04pickle",
    }


@pytest.fixture(scope="module")
def hub(files: dict[str, bytes], tiny_base: Path) -> Iterator[Hub]:
    whole = {**small_files(tiny_base), "model.safetensors": (tiny_base / "model.safetensors").read_bytes()}
    later = {**whole, "README.md": b"---\nlicense: mit\n---\n"}
    small = small_files(tiny_base)
    known = {
        "clinic/cut-up": model(files),
        "clinic/tiny": Model({COMMIT: whole, LATER: later}, {"main": LATER, "v1": COMMIT, "master": LATER}),
        "clinic/gated": model(whole),
        "clinic/private": Model({COMMIT: whole}, {"main": COMMIT}, is_private=True),
        "clinic/pickled": model({**small, "pytorch_model.bin": b"\x80\x04pickle", "tiny.py": b""}),
        "clinic/gguf": model({**small, "model.gguf": b"GGUF"}),
        "clinic/adapter": model({"adapter_config.json": b"{}", "adapter_model.safetensors": shard(10, 1)}),
        "clinic/lacks-a-shard": model({name: data for name, data in files.items() if name != SHARDS[1]}),
    }
    with serving({}, {"clinic/gated"}, known) as served:
        yield served


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> None:
    if "hub" in request.fixturenames:
        request.getfixturevalue("hub").reset()


def environment(url: str, home: Path, **variables: str) -> dict[str, str]:
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "MODELSCOPE", "XDG", "HOME"))
    }
    paths = f"{TESTS}{os.pathsep}{TESTS.parent}"
    return {
        **kept,
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "HF_HUB_OFFLINE": "0",
        "MODELSCOPE_ENDPOINT": url,
        "MODELSCOPE_CACHE": str(home / "ms"),
        "NO_PROXY": "*",
        "PYTHONPATH": paths,
        **variables,
    }


def command(name: str, revision: str, weights: bool) -> list[str]:
    return [sys.executable, str(TESTS / "hub_fetcher.py"), name, revision, "weights" if weights else "small"]


def fetch(
    url: str, home: Path, name: str, revision: str = "", *, weights: bool = True, **variables: str
) -> dict[str, Any]:
    """What fetching gives in a fresh process that knows this hub and this home only."""
    env = environment(url, home, **variables)
    done = subprocess.run(command(name, revision, weights), capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "nothing but the kit's own talk is drawn"
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def serving_a_web_site(status: int) -> Iterator[str]:
    """A server that answers everything with a page."""

    class Page(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"<html>")

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def names_in(location: str) -> set[str]:
    return {path.relative_to(location).as_posix() for path in Path(location).rglob("*") if path.is_file()}


# -- what is fetched -------------------------------------------------------------------------------------------------


def test_only_what_a_base_needs_is_fetched_and_said(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    found = fetch(hub.url, tmp_path, "clinic/cut-up")
    expected = {
        *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        *("README.md", "LICENSE", "model.safetensors.index.json", *SHARDS),
    }
    assert names_in(found["location"]) == expected
    assert hub.fetched() == expected, "no code, no pickle, no second copy of the weights"
    total = sum(len(files[name]) for name in SHARDS)
    assert found["said"] == [
        f"fetching clinic/cut-up at 0123456789ab: 9.0 MB in 2 files into {tmp_path / 'hf/hub/models--clinic--cut-up'}"
    ]
    assert found["counted"] == [["fetching clinic/cut-up", total, total]]
    assert (found["label"], found["is_local"], found["found_again"]) == ("clinic/cut-up", True, True)
    assert not found["torch"], "nothing heavy is imported to fetch"
    asked = " ".join(path for _, path in hub.requests)
    assert "telemetry" not in asked
    # a token never goes to where the hub keeps its files
    assert not any("authorization" in headers for path, headers in hub.headers if path.startswith("/cdn/"))


def test_a_token_stays_with_the_hub(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub.url, tmp_path, "clinic/gated", HF_TOKEN="token")["error"] is None
    seen = {(path.startswith("/cdn/"), headers.get("authorization")) for path, headers in hub.headers}
    assert seen == {(False, "Bearer token"), (True, None)}


def test_what_is_here_at_a_commit_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    first = fetch(hub.url, tmp_path, "clinic/tiny", COMMIT)
    hub.reset()
    assert fetch(hub.url, tmp_path, "clinic/tiny", COMMIT)["location"] == first["location"]
    assert hub.requests == []
    # a branch is asked for again, and nothing else
    fetch(hub.url, tmp_path, "clinic/tiny", "v1")
    assert hub.num_sent == {}


def test_a_check_fetches_no_weights(hub: Hub, tmp_path: Path) -> None:
    found = fetch(hub.url, tmp_path, "clinic/cut-up", weights=False)
    assert "tokenizer.json" in names_in(found["location"])
    assert not any(name.endswith(".safetensors") for name in hub.fetched())
    assert found["found_again"]


def test_no_room_on_the_disk_is_found_before_anything_large_is_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        name, source = "clinic/tiny", models.find_base("clinic/tiny")
        folder, home_variable = tmp_path / "hub" / "models--clinic--tiny", "HF_HOME"

    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 3_000_000))
    with pytest.raises(SurroundingsError) as caught:
        fetching._see_room(Full(), 14_200_000_000)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"base.model: needs 14.2 GB of disk space, and 3.0 MB are free in {tmp_path / 'hub'} (got 'clinic/tiny'). "
        "Fix: make room, or set HF_HOME to a folder on another disk"
    )


# -- cut off, and going on -------------------------------------------------------------------------------------------


def partial_bytes(home: Path) -> int:
    """How much of large files is here."""
    found = [path for pattern in ("*.finetune-partial", "*.incomplete") for path in home.rglob(pattern)]
    return sum(path.stat().st_size for path in found if "safetensors" in path.name or path.suffix != ".incomplete")


@pytest.mark.parametrize("scheme", ["", "ms://"])
def test_a_killed_fetch_goes_on_where_it_was(hub: Hub, files: dict[str, bytes], tmp_path: Path, scheme: str) -> None:
    hub.hold_after = 2 << 20
    env = environment(hub.url, tmp_path)
    child = subprocess.Popen(
        command(f"{scheme}clinic/cut-up", "", True), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while partial_bytes(tmp_path) < 2 << 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    child.kill()
    child.communicate()
    before = sum(num for name, num in hub.num_sent.items() if name in SHARDS)
    kept = partial_bytes(tmp_path)
    assert kept >= 2 << 20
    hub.reset()
    found = fetch(hub.url, tmp_path, f"{scheme}clinic/cut-up")
    assert found["error"] is None
    total = sum(len(files[name]) for name in SHARDS)
    sent = sum(num for name, num in hub.num_sent.items() if name in SHARDS)
    assert sent == total - kept < total, f"only the rest: {sent:,} of {total:,} bytes, {before:,} before the kill"
    assert "of it are here from before" in found["said"][0]
    for name in SHARDS:
        assert (Path(found["location"]) / name).read_bytes() == files[name]
    assert not list(tmp_path.rglob("*.finetune-partial")) + list(tmp_path.rglob("*.incomplete"))


def test_a_line_that_breaks_is_taken_up_again(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    hub.cuts += [1 << 20, 1 << 20]
    found = fetch(hub.url, tmp_path, "clinic/cut-up")
    assert found["error"] is None
    assert sum(hub.num_sent[name] for name in SHARDS) == sum(len(files[name]) for name in SHARDS)


# -- pinned ----------------------------------------------------------------------------------------------------------


def test_fault_70_a_branch_becomes_a_commit(hub: Hub, tmp_path: Path) -> None:
    tagged = fetch(hub.url, tmp_path, "clinic/tiny", "v1", weights=False)
    assert (tagged["revision"], tagged["found_again"]) == (COMMIT, True)
    newest = fetch(hub.url, tmp_path, "clinic/tiny")
    assert newest["revision"] == LATER
    source = models.BaseSource("clinic/tiny", newest["location"], LATER, True, True)
    facts = models.base_facts(source, models.load_config(source))
    assert (facts["id"], facts["revision"], facts["is_local"], facts["licence"]) == ("clinic/tiny", LATER, False, "mit")
    assert facts["weights_sha256"] is None, "the commit says which they are"
    assert fetch(hub.url, tmp_path, "clinic/tiny", "v9")["error"] == [
        "ModelError", 2,
        "base.model: has no such revision on the Hub (got 'clinic/tiny'). "
        "Fix: check the revision: a branch, tag or commit",
    ]  # fmt: skip


# -- gated, offline, wrong mirror ------------------------------------------------------------------------------------


def test_fault_69_gated(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub.url, tmp_path, "clinic/gated")["error"] == [
        "SurroundingsError", 4,
        "base.model: is gated (got 'clinic/gated'). Fix: accept its terms at https://huggingface.co/clinic/gated, then "
        f"set HF_TOKEN to a token of that account; or use {STARTER}",
    ]  # fmt: skip
    assert hub.num_sent == {}


def test_fault_69_wrong_token(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub.url, tmp_path, "clinic/tiny", HF_TOKEN="wrong")["error"] == [
        "SurroundingsError", 4,
        "base.model: cannot be read with this token (got 'clinic/tiny'). Fix: set HF_TOKEN to a valid token that may "
        f"read it, or unset it; or use {STARTER}",
    ]  # fmt: skip


def test_fault_69_missing_or_private(hub: Hub, tmp_path: Path) -> None:
    for name in ("clinic/nothing", "clinic/private"):
        assert fetch(hub.url, tmp_path, name)["error"] == [
            "ModelError", 2,
            f"base.model: is not on the hub that HF_ENDPOINT names ({hub.url}) (got '{name}'). Fix: check the id and "
            f"HF_ENDPOINT; a private one needs HF_TOKEN in the shell; or use {STARTER}",
        ]  # fmt: skip
    assert fetch(hub.url, tmp_path, "clinic/private", HF_TOKEN="token")["error"] is None


def test_fault_69_offline_names_what_is_in_the_cache(hub: Hub, tmp_path: Path) -> None:
    fetch(hub.url, tmp_path, "clinic/tiny")
    hub.reset()
    here = fetch(hub.url, tmp_path, "clinic/tiny", HF_HUB_OFFLINE="1")
    assert here["said"] == ["clinic/tiny: the copy in the cache is used, commit fedcba987654: HF_HUB_OFFLINE is set"]
    assert here["revision"] == LATER
    assert fetch(hub.url, tmp_path, "clinic/cut-up", HF_HUB_OFFLINE="1")["error"] == [
        "SurroundingsError", 4,
        "base.model: is not in the cache, and HF_HUB_OFFLINE keeps the kit off the network (got 'clinic/cut-up'). "
        f"Fix: unset HF_HUB_OFFLINE; or use what is in the cache already (clinic/tiny), {STARTER}",
    ]  # fmt: skip
    assert hub.requests == []
    # The network is down, and a copy is here: it is used, and that is said.
    away = fetch("http://127.0.0.1:9", tmp_path, "clinic/tiny")
    assert away["revision"] == LATER
    assert away["said"][0].startswith(
        "clinic/tiny: the copy in the cache is used, commit fedcba987654: HF_ENDPOINT (http://127.0.0.1:9) does not"
    )


def test_fault_69_wrong_mirror(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    kind, code, message = fetch(nobody, tmp_path, "clinic/tiny")["error"]
    assert (kind, code) == ("SurroundingsError", 4)
    assert message.startswith(f"base.model: HF_ENDPOINT ({nobody}) does not answer as a hub: ")
    assert message.endswith(
        f"(got 'clinic/tiny'). Fix: correct HF_ENDPOINT, or unset it to ask huggingface.co; or use {STARTER}"
    )
    for status in (200, 404):
        with serving_a_web_site(status) as site:
            message = fetch(site, tmp_path, "clinic/tiny")["error"][2]
            assert message.startswith(f"base.model: HF_ENDPOINT ({site}) does not answer as a hub: ")


# -- safetensors only ------------------------------------------------------------------------------------------------


def test_fault_71_pickled_weights_only(hub: Hub, tmp_path: Path) -> None:
    for weights in (True, False):
        assert fetch(hub.url, tmp_path, "clinic/pickled", weights=weights)["error"] == [
            "ModelError", 2,
            "base.model: the repository has no safetensors weights, only pytorch_model.bin (got 'clinic/pickled'). "
            "Fix: name a copy in safetensors, or convert them in a sandbox (docs/hubs.md says how); the kit never "
            "unpickles",
        ]  # fmt: skip
    assert hub.num_sent == {}, "not a byte came down"
    assert "sandbox" in (TESTS.parent / "docs" / "hubs.md").read_text(encoding="utf-8")


def test_fault_71_other_repositories_that_are_no_bases(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub.url, tmp_path, "clinic/gguf")["error"][2] == (
        "base.model: the repository has no safetensors weights, only model.gguf (got 'clinic/gguf'). Fix: name the "
        "model these files were made from; GGUF is for serving, not for training"
    )
    assert fetch(hub.url, tmp_path, "clinic/adapter")["error"][2] == (
        "base.model: is an adapter, not a base (got 'clinic/adapter'). Fix: name the base it was trained on"
    )


# -- shards ----------------------------------------------------------------------------------------------------------


def test_fault_72_what_arrives_is_not_what_the_hub_says(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    hub.spoilt[SHARDS[1]] = shard(3_000_000, 9, "b")
    there, here = (hashlib.sha256(data).hexdigest()[:16] for data in (files[SHARDS[1]], hub.spoilt[SHARDS[1]]))
    assert fetch(hub.url, tmp_path, "clinic/cut-up")["error"] == [
        "IntegrityError", 3,
        f"clinic/cut-up/{SHARDS[1]}: is not what the hub says: sha256 {here}... fetched, {there}... there. "
        "Fix: try again later, or use another mirror or revision",
    ]  # fmt: skip
    assert hub.num_sent[SHARDS[1]] == 2 * len(files[SHARDS[1]]), "it was tried once more"
    assert not list((tmp_path / "hf").rglob("*.finetune-partial"))
    hub.reset()
    assert fetch(hub.url, tmp_path, "clinic/cut-up")["error"] is None
    assert SHARDS[0] not in hub.num_sent, "the other one had arrived"


def test_fault_72_shards_in_the_cache(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    found = fetch(hub.url, tmp_path, "clinic/cut-up", COMMIT)
    first, second = (Path(found["location"]) / name for name in SHARDS)
    blobs = first.resolve(), second.resolve()
    spoilt = shard(3_000_000, 9, "b")
    blobs[0].write_bytes(files[SHARDS[0]][:1000])
    blobs[1].write_bytes(spoilt)
    here, there = (hashlib.sha256(data).hexdigest()[:16] for data in (spoilt, files[SHARDS[1]]))
    assert fetch(hub.url, tmp_path, "clinic/cut-up", COMMIT)["error"][2].split("\n") == [
        f"clinic/cut-up/{SHARDS[0]}: is cut off: 1,000 bytes where its header says {len(files[SHARDS[0]]):,}. "
        f"Fix: delete {blobs[0]} and run again: only that file is fetched",
        f"clinic/cut-up/{SHARDS[1]}: is not what the hub says: sha256 {here}... here, {there}... there. "
        f"Fix: delete {blobs[1]} and run again: only that file is fetched",
    ]
    # the remedy works
    for blob in blobs:
        blob.unlink()
    hub.reset()
    assert fetch(hub.url, tmp_path, "clinic/cut-up", COMMIT)["error"] is None
    assert set(hub.num_sent) == set(SHARDS)


def test_fault_72_a_shard_that_the_repository_lacks(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub.url, tmp_path, "clinic/lacks-a-shard")["error"][2] == (
        f"base.model: its index names files that it does not hold, {SHARDS[1]} the first (got "
        "'clinic/lacks-a-shard'). Fix: choose another base or revision"
    )
    assert not any(name.endswith(".safetensors") for name in hub.num_sent)


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the same files, as `hf download --local-dir` leaves one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target = tmp_path / "base"
    notes = target / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors.index.json", *SHARDS):
        (target / name).write_bytes(files[name])
        etag = hashlib.sha256(files[name]).hexdigest()
        (notes / f"{name}.metadata").write_text(f"{COMMIT}\n{etag}\n1700000000.0\n")
    return target


def test_fault_72_shards_of_a_folder(folder: Path, files: dict[str, bytes]) -> None:
    check_files(folder)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 3000073\n"
    (folder / SHARDS[1]).write_bytes(pointer)
    (folder / SHARDS[0]).unlink()
    source = models.find_base(str(folder), None, folder)
    with pytest.raises(ModelError) as caught:
        models.fetch(source)
    assert str(caught.value).split("\n") == [
        f"base/{SHARDS[0]}: is missing. Fix: fetch the base again",
        f"base/{SHARDS[1]}: is a Git LFS pointer, not the weights. Fix: run `git lfs pull` in {folder}",
    ]


def test_fault_72_wrong_hash_in_a_folder(folder: Path, files: dict[str, bytes]) -> None:
    check_files(folder)
    spoilt = shard(3_000_000, 9, "b")
    (folder / SHARDS[1]).write_bytes(spoilt)
    here, there = (hashlib.sha256(data).hexdigest()[:16] for data in (spoilt, files[SHARDS[1]]))
    note = folder / ".cache" / "huggingface" / "download" / f"{SHARDS[1]}.metadata"
    with pytest.raises(IntegrityError) as caught:
        models.fetch(models.find_base(str(folder), None, folder))
    assert str(caught.value) == (
        f"base/{SHARDS[1]}: is not what the hub says: sha256 {here}... here, {there}... there. "
        f"Fix: fetch the base again; if it was changed on purpose, delete {note}"
    )
    note.unlink()
    check_files(folder)


# -- ModelScope ------------------------------------------------------------------------------------------------------


def test_modelscope_ids_are_fetched_by_its_library(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    found = fetch(hub.url, tmp_path, "ms://clinic/cut-up")
    assert found["error"] is None
    assert (found["label"], found["revision"], found["found_again"]) == ("ms://clinic/cut-up", COMMIT, True)
    location = tmp_path / "ms" / "models" / "clinic--cut-up" / "snapshots" / COMMIT
    assert found["location"] == str(location)
    assert not any(name.endswith((".py", ".bin", ".gguf")) for name in names_in(str(location)))
    assert (location / SHARDS[0]).read_bytes() == files[SHARDS[0]]
    # No id of this installation is sent or written down, and nobody is asked where this machine stands.
    agents = {headers["user-agent"] for _, headers in hub.headers}
    assert all(f"session_id/{'0' * 32};" in agent for agent in agents)
    assert not (tmp_path / ".modelscope").exists()
    assert not any("internalAccelerationInfo" in path for path, _ in hub.headers)
    hub.reset()
    assert fetch(hub.url, tmp_path, "ms://clinic/cut-up", HF_HUB_OFFLINE="1")["location"] == str(location)
    assert fetch(hub.url, tmp_path, "ms://clinic/cut-up", COMMIT)["location"] == str(location)
    assert hub.requests == []


def test_modelscope_refusals(hub: Hub, tmp_path: Path) -> None:
    def error(name: str, **variables: Any) -> str:
        return fetch(hub.url, tmp_path, f"ms://clinic/{name}", **variables)["error"][2]

    assert error("nothing") == (
        "base.model: is not on ModelScope (got 'ms://clinic/nothing'). Fix: check id and base.revision; a private one "
        "needs MODELSCOPE_API_TOKEN in the shell"
    )
    assert error("gated") == (
        "base.model: may not be read (got 'ms://clinic/gated'). Fix: ask for access at "
        "https://modelscope.cn/models/clinic/gated, then set MODELSCOPE_API_TOKEN to a token of that account"
    )
    assert error("pickled").startswith("base.model: the repository has no safetensors weights, only pytorch_model.bin ")
    assert hub.num_sent == {}
    assert error("tiny", HF_HUB_OFFLINE="1") == (
        "base.model: is not in the cache, and HF_HUB_OFFLINE keeps the kit off the network (got 'ms://clinic/tiny'). "
        f"Fix: unset HF_HUB_OFFLINE; or use {STARTER}"
    )
    nobody = "http://127.0.0.1:9"
    once = {"MODELSCOPE_ENDPOINT": nobody, "MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS": "1"}
    assert error("tiny", **once).startswith(f"base.model: MODELSCOPE_ENDPOINT ({nobody}) does not answer as a hub: ")
    hub.spoilt["model.safetensors"] = b"x" * len(hub.models["clinic/tiny"].commits[LATER]["model.safetensors"])
    assert error("tiny").startswith("ms://clinic/tiny/model.safetensors: is not what the hub says: ")


def test_modelscope_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    from finetune.models import modelscope_ids

    monkeypatch.setattr(modelscope_ids.importlib.util, "find_spec", lambda name: None)
    source = models.find_base("ms://clinic/tiny")
    with pytest.raises(SurroundingsError) as caught:
        models.fetch(source)
    assert str(caught.value) == (
        "base.model: needs the extra 'modelscope' (got 'ms://clinic/tiny'). Fix: pip install 'finetune-kit[modelscope]'"
    )
    assert models.find_fetched(source) is None
    with pytest.raises(ModelError, match="is no ModelScope id"):
        models.find_base("ms://clinic")


# -- the whole way ---------------------------------------------------------------------------------------------------


def test_a_run_checks_trains_resumes_and_chats_on_the_commit_it_began_with(hub: Hub, tmp_path: Path) -> None:
    """FAULT 70: the branch moves after the run; what the adapter belongs to does not."""
    moving = hub.models["clinic/tiny"].refs
    text = (
        "recipe: 1\nname: pinned\nbase: {model: clinic/tiny, revision: moving}\n"
        "data: {train: rows.jsonl, held_out: 0.2, duplicates: keep, near_duplicates: keep}\n"
        "train: {epochs: 1, batch_size: 4, learning_rate: 0.01}\nadapter: {r: 2, alpha: 4}\n"
        "evaluate: {max_new_tokens: 4}\n"
    )
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    rows = [{"question": f"hi {number}", "answer": f"hello {number}"} for number in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    env = environment(hub.url, tmp_path, OMP_NUM_THREADS="1", HF_TOKEN="")
    env |= {"FINETUNE_SHARED": "", "MODELSCOPE_API_TOKEN": ""}
    moving["moving"] = COMMIT
    checked = finetune("check", "recipe.yaml", cwd=tmp_path, **env)
    assert checked.code == 0, checked.err
    assert "tokenizer.json" in hub.fetched() and "model.safetensors" not in hub.fetched()
    trained = finetune("run", "recipe.yaml", "--output", "run", cwd=tmp_path, **env)
    assert trained.code == 0, trained.err
    assert "fetching clinic/tiny at 0123456789ab: " in trained.err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert (manifest["base"]["id"], manifest["base"]["revision"]) == ("clinic/tiny", COMMIT)
    config = json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_bytes())
    assert (config["base_model_name_or_path"], config["revision"]) == ("clinic/tiny", COMMIT)
    moving["moving"] = LATER
    hub.reset()
    said = finetune("chat", "run", "--question", "hi", cwd=tmp_path, **env)
    assert said.code == 0, said.err
    assert hub.requests == [], "a pinned commit that is here asks nobody"
    # a base goes the same way
    said = finetune("chat", "clinic/tiny", "--question", "hi", cwd=tmp_path, **env)
    assert said.code == 0 and "fetching clinic/tiny at fedcba987654: " in said.err


def test_what_cannot_be_had_ends_a_run_before_its_data_are_read(hub: Hub, tmp_path: Path) -> None:
    text = "recipe: 1\nbase: {model: clinic/pickled}\ndata: {train: rows.jsonl}\n"
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text("{not a row}\n", encoding="utf-8")
    ended = finetune("run", "recipe.yaml", "--output", "run", cwd=tmp_path, **environment(hub.url, tmp_path))
    assert ended.code == 2
    assert "the repository has no safetensors weights, only pytorch_model.bin" in ended.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ms://owner/name", None),
        ("ms://owner", "is no ModelScope id (got 'ms://owner'). Fix: write ms://owner/name"),
        ("ms://owner/na me", "is no ModelScope id (got 'ms://owner/na me'). Fix: write ms://owner/name"),
        ("https://modelscope.cn/models/owner/name/files", "Fix: write ms://owner/name"),
    ],
)
def test_a_recipe_names_modelscope_ids(value: str, message: str | None, tmp_path: Path) -> None:
    from finetune import recipe
    from finetune.errors import RecipeError

    (tmp_path / "rows.jsonl").write_text('{"question": "a", "answer": "b"}\n', encoding="utf-8")
    text = f"recipe: 1\nbase: {{model: '{value}', revision: v1.0.0}}\ndata: {{train: rows.jsonl}}\n"
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    if message is None:
        assert recipe.load(tmp_path / "recipe.yaml").recipe.base.model == value
        return
    with pytest.raises(RecipeError) as caught:
        recipe.load(tmp_path / "recipe.yaml")
    assert str(caught.value).endswith(message)


def test_a_hub_caches_links_are_plain_files_and_others_are_not(tmp_path: Path) -> None:
    from finetune.models.shards import is_plain_file

    blob = tmp_path / "models--a--b" / "blobs" / ("0" * 64)
    snapshot = tmp_path / "models--a--b" / "snapshots" / COMMIT / "inner"
    for folder in (blob.parent, snapshot):
        folder.mkdir(parents=True)
    for path in (blob, tmp_path / "secret", blob.with_name("notes")):
        path.write_text("text")
    for name, target in (("good", blob), ("secret", tmp_path / "secret"), ("notes", blob.with_name("notes"))):
        (snapshot / name).symlink_to(os.path.relpath(target, snapshot))
    (tmp_path / "linked").symlink_to(blob)
    assert is_plain_file(snapshot / "good") and is_plain_file(blob)
    for path in (snapshot / "secret", snapshot / "notes", tmp_path / "linked", snapshot, tmp_path / "none"):
        assert not is_plain_file(path), path


def test_ctrl_c_ends_a_fetch_and_what_came_is_kept(hub: Hub, tmp_path: Path) -> None:
    hub.hold_after = 2 << 20
    child = subprocess.Popen(
        command("clinic/cut-up", "", True), env=environment(hub.url, tmp_path), stderr=subprocess.PIPE
    )
    assert hub.held.wait(60)
    child.send_signal(signal.SIGINT)
    hub.released.set()
    child.communicate(timeout=60)
    assert child.returncode != 0
    assert partial_bytes(tmp_path) > 0
