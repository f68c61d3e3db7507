"""Bringing a base model's files onto this machine before anything needs them, so that no run downloads half-way."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from finetune.errors import FinetuneError, ModelError, Problem, SurroundingsError
from finetune.models.huggingface import HuggingFace
from finetune.models.modelscope_ids import ModelScope
from finetune.models.repositories import (
    Listing,
    Repository,
    Stopped,
    is_weight,
    small_names,
    weight_names_of,
)
from finetune.models.shards import INDEX, check_files
from finetune.models.sources import MODELSCOPE, BaseSource, no_safetensors
from finetune.talk import Talk

_KEY = "base.model"
_CONFIG = "config.json"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
_LOOK_SECONDS = 0.2
_SHOWN_DIGITS = 12


def fetch(source: BaseSource, talk: Talk | None = None, weights: bool = True) -> BaseSource:
    """The base as a folder on this machine, its revision a commit.

    A folder is looked at and given back as it is. Of a hub's repository only what a base needs is fetched: config,
    tokenizer, chat template, generation config, licence and safetensors; never code, never pickled weights. What is
    here already is not asked for again, and a base that is here whole at a pinned commit needs no network.

    Args:
        source: from `find_base`.
        talk: is told what is fetched and how far it is, in bytes.
        weights: False fetches everything but the weights, and still refuses what could not be used.

    Raises:
        ModelError: unknown, without safetensors weights; a shard is missing or cut off.
        IntegrityError: a shard is not what the hub says it is.
        SurroundingsError: gated, no network, offline and not here, no room on the disk, a missing package.
    """
    talk = talk or Talk()
    if source.is_local:
        if weights:
            check_files(Path(source.location), source.label if source.is_fetched else "")
        return source
    repository = _repository(source)
    listing = _listing(repository, talk, weights)
    if listing is None:
        return _fetched(repository, str(repository.commit_here()), weights)
    _refuse(source, listing)
    small = repository.missing(listing.commit, small_names(listing.files))
    with repository.errors():
        if small:
            repository.fetch_small(listing, small)
    if weights:
        _fetch_weights(repository, listing, talk)
    return _fetched(repository, listing.commit, weights, listing)


def find_fetched(source: BaseSource) -> BaseSource | None:
    """The base as `fetch` gives it if its config and tokenizer are on this machine, without asking the network.

    Weights may be missing. None where it would have to be fetched; a folder is given back as it is.
    """
    if source.is_local:
        return source
    try:
        repository = _repository(source)
    except SurroundingsError:
        return None
    commit = repository.commit_here()
    if commit is None or not _has_tokenizer(repository, commit):
        return None
    return BaseSource(source.label, str(repository.snapshot(commit)), commit, True, True)


def _repository(source: BaseSource) -> Repository:
    return ModelScope(source) if source.label.startswith(MODELSCOPE) else HuggingFace(source)


def _has_tokenizer(repository: Repository, commit: str) -> bool:
    """Whether config and tokenizer are here; all of them, as far as it is known what belongs to them."""
    listing = repository.listing_here(commit)
    if listing is not None:
        return not repository.missing(commit, small_names(listing.files))
    return (
        not repository.missing(commit, [_CONFIG, "tokenizer_config.json"])
        and len(repository.missing(commit, _TOKENIZERS)) < len(_TOKENIZERS)
    )  # fmt: skip


def _listing(repository: Repository, talk: Talk, weights: bool) -> Listing | None:
    """What the hub says; None where it cannot be asked, or need not be, and all that is needed is here."""
    commit = repository.commit_here()
    here = repository.listing_here(commit) if commit else None
    if here is not None and repository.is_pinned():
        return here
    whole = commit is not None and _is_whole(repository, commit, weights)
    try:
        with repository.errors():
            found = repository.look_up()
    except SurroundingsError as error:
        if not whole:
            raise
        reason = "HF_HUB_OFFLINE is set" if repository.is_offline() else _first_reason(error)
        talk.say(f"{repository.source.label}: the copy in the cache is used, commit {_short(str(commit))}: {reason}")
        return here
    repository.note(found)
    return found


def _is_whole(repository: Repository, commit: str, weights: bool) -> bool:
    """Whether a snapshot holds what is needed, as far as this machine can tell."""
    if not _has_tokenizer(repository, commit):
        return False
    if not weights:
        return True
    folder = repository.snapshot(commit)
    present = [path.name for path in folder.glob("*.safetensors")]
    names = weight_names_of(present, folder / INDEX)
    return bool(names) and not repository.missing(commit, names)


def _first_reason(error: FinetuneError) -> str:
    problem = error.problems[0]
    return problem.what if isinstance(problem, Problem) else str(problem)


def _short(commit: str) -> str:
    return commit[:_SHOWN_DIGITS]


def _refuse(source: BaseSource, listing: Listing) -> None:
    """Refuse a repository that holds no base, before anything of it is fetched."""
    got = repr(source.label)
    if _CONFIG not in listing.files:
        what, fix = "the repository has no config.json", "name a repository of a model in Hub form"
        if "adapter_config.json" in listing.files:
            what, fix = "is an adapter, not a base", "name the base it was trained on"
        raise ModelError(Problem("", _KEY, what, got, fix))
    if not any(is_weight(name) for name in listing.files):
        raise no_safetensors("the repository", got, sorted(listing.files))


def _fetch_weights(repository: Repository, listing: Listing, talk: Talk) -> None:
    """Fetch the weight files that are not here, after seeing that there is room for them."""
    label, folder = repository.source.label, repository.snapshot(listing.commit)
    names = weight_names_of(listing.files, folder / INDEX)
    if unknown := [name for name in names if name not in listing.files]:
        what = f"its index names files that it does not hold, {unknown[0]} the first"
        raise ModelError(Problem("", _KEY, what, repr(label), "choose another base or revision"))
    names = repository.missing(listing.commit, names)
    if not names:
        return
    total = sum(listing.files[name].num_bytes for name in names)
    there = sum(repository.num_partial_bytes(listing.commit, listing.files[name]) for name in names)
    _see_room(repository, total - there)
    count = "1 file" if len(names) == 1 else f"{len(names)} files"
    line = f"fetching {label} at {_short(listing.commit)}: {_size(total)} in {count} into {folder.parent.parent}"
    talk.say(line + (f"; {_size(there)} of it are here from before" if there else ""))
    _work(repository, listing, names, total, talk)


def _see_room(repository: Repository, needed: int) -> None:
    """Refuse a fetch that the disk has no room for.

    Raises:
        SurroundingsError: with what is needed, what is free, and how to move the cache.
    """
    folder = repository.folder.parent
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        what = f"needs {_size(needed)} of disk space, and {_size(free)} are free in {folder}"
        fix = f"make room, or set {repository.home_variable} to a folder on another disk"
        raise SurroundingsError(Problem("", _KEY, what, repr(repository.source.label), fix))


def _work(repository: Repository, listing: Listing, names: Sequence[str], total: int, talk: Talk) -> None:
    """Fetch in another thread; this one draws the bar, and a signal that ends the run ends the fetch too."""
    lock, stop, done = threading.Lock(), threading.Event(), [0]

    def moved(num_bytes: int) -> None:
        if stop.is_set():
            raise Stopped
        with lock:
            done[0] += num_bytes

    what = f"fetching {repository.source.label}"
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(repository.fetch_weights, listing, names, moved)
        try:
            while not wait([future], timeout=_LOOK_SECONDS).done:
                talk.progress(what, min(done[0], total), total)
        except BaseException:
            stop.set()
            with contextlib.suppress(BaseException):
                future.result()
            raise
    with repository.errors():
        future.result()
    talk.progress(what, total, total)


def _fetched(repository: Repository, commit: str, weights: bool, listing: Listing | None = None) -> BaseSource:
    """The base in its snapshot, looked at."""
    folder = repository.snapshot(commit)
    if weights:
        digests = {name: one.digest for name, one in listing.files.items() if is_weight(name)} if listing else {}
        check_files(folder, repository.source.label, digests)
    return BaseSource(repository.source.label, str(folder), commit, True, True)


def _size(num_bytes: int) -> str:
    """Bytes as people read them, in the units that disks are sold by."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes} bytes"
