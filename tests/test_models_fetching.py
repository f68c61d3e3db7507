"""Bases of hubs: what is fetched, pinned, resumed, refused; asked of real HTTP servers on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands_kit import finetune
from fetching_kit import (
    LATER,
    SHARDS,
    STARTER,
    command,
    cut_up,
    environment,
    fetch,
    known_hub,
    names_in,
    partial_bytes,
)
from hub_server import COMMIT, Hub

from finetune import models
from finetune.errors import ModelError, SurroundingsError
from finetune.models import fetching


@pytest.fixture(scope="module")
def files(tiny_base: Path) -> dict[str, bytes]:
    return cut_up(tiny_base)


@pytest.fixture(scope="module")
def served(files: dict[str, bytes], tiny_base: Path) -> Iterator[Hub]:
    with known_hub(files, tiny_base) as hub:
        yield hub


@pytest.fixture
def hub(served: Hub) -> Hub:
    served.reset()
    return served


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
    assert not any("internalAccelerationInfo" in path for _, path in hub.requests)
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


def test_fault_70_a_run_checks_trains_and_chats_on_the_commit_it_began_with(hub: Hub, tmp_path: Path) -> None:
    """The branch moves after the run; what the adapter belongs to does not."""
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


def test_fault_70_a_resumed_run_asks_for_the_commit_it_began_with(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from finetune import recipe, workflow
    from finetune.prepare import bases

    def commit_of(facts: dict[str, Any] | None) -> str | None:
        return workflow._commit_of(SimpleNamespace(manifest={"base": facts}))  # type: ignore[arg-type]

    assert commit_of({"is_local": False, "revision": COMMIT}) == COMMIT
    assert commit_of({"is_local": True, "revision": None}) is None
    assert commit_of(None) is None
    (tmp_path / "rows.jsonl").write_text('{"question": "a", "answer": "b"}\n', encoding="utf-8")
    text = "recipe: 1\nbase: {model: clinic/tiny, revision: moving}\ndata: {train: rows.jsonl}\n"
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    loaded = recipe.load(tmp_path / "recipe.yaml")
    assert bases.find_source(loaded, COMMIT).revision == COMMIT
    assert bases.find_source(loaded).revision == "moving"


def test_what_cannot_be_had_ends_a_run_before_its_data_are_read(hub: Hub, tmp_path: Path) -> None:
    text = "recipe: 1\nbase: {model: clinic/pickled}\ndata: {train: rows.jsonl}\n"
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text("{not a row}\n", encoding="utf-8")
    ended = finetune("run", "recipe.yaml", "--output", "run", cwd=tmp_path, **environment(hub.url, tmp_path))
    assert ended.code == 2
    assert "the repository has no safetensors weights, only pytorch_model.bin" in ended.err
    assert not (tmp_path / "run").exists()


def test_what_the_config_shows_ends_a_run_before_weights_and_data(hub: Hub, tmp_path: Path) -> None:
    text = "recipe: 1\nbase: {model: clinic/tiny}\ndata: {train: rows.jsonl}\nadapter: {target_modules: [c_attn]}\n"
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text("{not a row}\n", encoding="utf-8")
    ended = finetune("run", "recipe.yaml", "--output", "run", cwd=tmp_path, **environment(hub.url, tmp_path))
    assert ended.code == 2
    assert "recipe.yaml:4:11: adapter.target_modules: not in this model (got c_attn)" in ended.err
    assert "config.json" in hub.fetched() and "model.safetensors" not in hub.fetched()
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


def test_ctrl_c_ends_a_fetch_and_what_came_is_kept(hub: Hub, tmp_path: Path) -> None:
    hub.hold_after = 2 << 20
    child = subprocess.Popen(
        command("clinic/cut-up", "", True), env=environment(hub.url, tmp_path), stderr=subprocess.PIPE
    )
    assert hub.held.wait(60)
    child.send_signal(signal.SIGINT)
    time.sleep(3)  # on a busy machine the rest could be fetched before the signal is seen
    hub.released.set()
    child.communicate(timeout=120)
    assert child.returncode != 0
    assert partial_bytes(tmp_path) > 0


# -- in a terminal ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("chat", "clinic/tiny", "--question", "Hello?"), ("demo", "clinic/tiny")])
def test_chat_and_demo_show_what_they_fetch(hub: Hub, tmp_path: Path, words: tuple[str, ...]) -> None:
    if words[0] == "demo":
        pytest.importorskip("gradio", reason="the demo needs the gradio extra")
    pty = pytest.importorskip("pty", reason="a terminal is made as POSIX systems do")
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "finetune", *words],
        env=environment(hub.url, tmp_path, TERM="xterm", COLUMNS="200", OMP_NUM_THREADS="1"),
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen, deadline = "", time.monotonic() + 120
    try:
        while "The demo is at" not in seen and time.monotonic() < deadline:
            try:
                more = os.read(ours, 4096)
            except OSError:  # the command has ended
                break
            seen += more.decode(errors="replace")
    finally:
        for _ in range(9):  # one that comes in the very moment of starting may be lost
            if words[0] == "demo":
                child.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=20)
                break
        os.close(ours)
    assert "fetching clinic/tiny at fedcba987654" in seen, "it is said"
    assert "\u2501" in seen, "and a bar is drawn"
    assert words[0] == "chat" or "The demo is at http://127.0.0.1:" in seen
