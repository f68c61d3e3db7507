"""What a user is told when a base cannot be had from a hub, or not be used: faults 69, 71 and 72."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fetching_kit import (
    LATER,
    SHARDS,
    STARTER,
    TESTS,
    cut_up,
    fetch,
    known_hub,
    serving_a_web_site,
    shard,
)
from hub_server import COMMIT, Hub

from finetune import models
from finetune.errors import IntegrityError, ModelError
from finetune.models.shards import check_files


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
