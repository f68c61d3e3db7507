"""Data sets of the Hub -> files to read. `datasets` says which files a split has; they are read by our own readers,
so that line numbers, checks and limits are those of local files. No code of a repository is ever run.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from finetune import hub
from finetune.data.reading.kinds import ACCEPTED, kind_of
from finetune.data.shapes import names_shown, plural
from finetune.errors import DataError, Problem, shown

if TYPE_CHECKING:
    from finetune.data.reading.sources import Source

_FORM = re.compile(
    r"hub:(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::(?P<config>[^@#:]+))?(?:@(?P<split>[^#@]+))?(?:#(?P<revision>.+))?",
    re.ASCII,
)
_FORM_FIX = "write it as hub:owner/name, hub:owner/name:config, hub:owner/name@split or with #revision behind"
_INSTEAD = "files on this machine"


@dataclass(frozen=True)
class HubFile:
    """One file of a hub data set, at a commit. With `stream`, no copy is kept on disk."""

    repo: str
    commit: str
    path: str
    stream: bool = False

    def __str__(self) -> str:
        return f"hub:{self.repo}@{self.commit}/{self.path}"


@dataclass(frozen=True)
class _Found:
    """What a name means: the files of one split at a commit."""

    commit: str
    config: str
    split: str
    files: list[str]


def find(
    key: str, value: str, where: str, problems: list[Problem], *, weight: float = 1.0, stream: bool = False
) -> list[Source]:
    """The files of the split that `hub:owner/name[:config][@split][#revision]` names.

    Without a split, data.train takes `train`; without a revision, the newest commit, which the note tells.

    Raises:
        SurroundingsError: the network does not answer, or a token is needed.
    """
    from finetune.data.reading.sources import Source

    asked = _FORM.fullmatch(value)
    if asked is None:
        problems.append(Problem(where, key, "is not the name of a hub data set", shown(value), _FORM_FIX))
        return []
    repo = asked["repo"]
    record = _record_of(value, key)
    try:
        with hub.errors(key, value, DataError, where=where, instead=_INSTEAD):
            try:
                if hub.is_offline():
                    found = _recorded(record)
                else:
                    found = _resolve(key, repo, asked["config"], asked["split"], asked["revision"])
                    _write(record, found)
            except _Refused as refused:
                raise DataError(Problem(where, key, refused.what, shown(value), refused.fix)) from None
    except DataError as error:
        problems += [problem for problem in error.problems if isinstance(problem, Problem)]
        return []
    config = f"configuration {found.config}, " if found.config else ""
    note = f"hub:{repo}: {config}split {found.split}, commit {found.commit}, {plural(len(found.files), 'file')}"
    return [
        Source(
            f"hub:{repo}/{path}",
            kind_of(path),
            weight,
            hub=HubFile(repo, found.commit, path, stream),
            note=note if path == found.files[0] else "",
        )
        for path in found.files
    ]


class _Refused(Exception):
    def __init__(self, what: str, fix: str):
        super().__init__(what)
        self.what, self.fix = what, fix


def _resolve(key: str, repo: str, config: str | None, split: str | None, revision: str | None) -> _Found:
    from huggingface_hub import HfApi

    info = HfApi().dataset_info(repo, revision=revision)
    if info.gated:
        HfApi().auth_check(repo, repo_type="dataset")
    commit = str(info.sha)
    names = [sibling.rfilename for sibling in info.siblings or []]
    script = f"{repo.rpartition('/')[2]}.py"
    if script in names:
        what = f"is made by a loading script ({script}), and foreign code is not run"
        fix = f"use the Hub's own copy as parquet: hub:{repo}#refs/convert/parquet, or download its files and name them"
        raise _Refused(what, fix)
    if not any(map(kind_of, names)):
        raise _Refused("holds no file that can be read", f"choose another one; {ACCEPTED}")
    config_name, data_files = _data_files(repo, commit, config)
    split = _split(key, repo, config, split, list(data_files))
    start = f"hf://datasets/{repo}@{commit}/"
    files = [str(url).removeprefix(start) for url in data_files[split]]
    strange = [file for file in files if not kind_of(file)]
    if strange or not files:
        suffixes = sorted({Path(file).suffix.lower() for file in strange})
        what = f"its split {split} is made of files of an unknown kind ({', '.join(suffixes) or 'none'})"
        raise _Refused(what, f"choose another one; {ACCEPTED}")
    return _Found(commit, "" if config_name == "default" else config_name, split, files)


def _data_files(repo: str, commit: str, config: str | None) -> tuple[str, dict[str, list[str]]]:
    """(configuration, split -> hf:// URLs), as `datasets` finds them; nothing is downloaded but the card."""
    import datasets

    hub.keep_quiet()
    # an asked commit keeps it from its servers for statistics and conversions; hf:// from a folder of that name here
    path = f"hf://datasets/{repo}"
    names = datasets.get_dataset_config_names(path, revision=commit)
    if config is not None and config not in names:
        what = f"has no configuration of that name; it has {names_shown(names)}"
        raise _Refused(what, f"name one of them: hub:{repo}:{names[0]}")
    default = datasets.get_dataset_default_config_name(path, revision=commit)
    if config is None and default is None and len(names) > 1:
        what = f"has {plural(len(names), 'configuration')}: {names_shown(names)}"
        raise _Refused(what, f"name one of them: hub:{repo}:{names[0]}")
    builder = datasets.load_dataset_builder(path, name=config or default or names[0], revision=commit)
    found: Any = builder.config.data_files or {}
    return str(builder.config.name), {str(split): [str(url) for url in urls] for split, urls in found.items()}


def _split(key: str, repo: str, config: str | None, split: str | None, splits: list[str]) -> str:
    if split is None and key == "data.train" and "train" in splits:
        return "train"
    if split is None and len(splits) == 1:
        return splits[0]
    if split in splits:
        return str(split)
    base = f"hub:{repo}" + (f":{config}" if config else "")
    what = "has no split of that name" if split else "does not say which split"
    other = next((name for name in ("test", "validation") if name in splits), splits[0] if splits else "train")
    raise _Refused(f"{what}; it has {names_shown(splits)}", f"name one: {base}@{other}")


def _record_of(value: str, key: str) -> Path:
    """Where it is kept what a name meant, so that the same files are read again without the network."""
    import hashlib

    from huggingface_hub import constants

    # the endpoint is part of it: a mirror may hold something else under the same name
    text = f"{constants.ENDPOINT} {key == 'data.train'} {value}"
    name = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return Path(constants.HF_HOME) / "finetune-kit" / f"{name}.json"


def _write(record: Path, found: _Found) -> None:
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        staged = record.with_suffix(f".{os.getpid()}")
        staged.write_text(json.dumps(asdict(found)), encoding="utf-8")
        os.replace(staged, record)
    except OSError:
        pass  # only offline work is lost by it, and that says so itself


def _recorded(record: Path) -> _Found:
    try:
        return _Found(**json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        what = "was never fetched on this machine, and HF_HUB_OFFLINE keeps us from the network"
        raise _Refused(what, "unset HF_HUB_OFFLINE once, or download its files and name them") from None


def open_file(file: HubFile) -> tuple[IO[bytes], int]:
    """(the file, its size in bytes): from the cache, downloaded first where needed; or streamed.

    Raises:
        SurroundingsError, DataError: see finetune.hub.errors.
    """
    with hub.errors("", str(file), DataError, instead=_INSTEAD):
        if file.stream:
            from huggingface_hub import HfFileSystem

            system = HfFileSystem()
            url = f"datasets/{file.repo}@{file.commit}/{file.path}"
            size = int(system.info(url)["size"])
            # without blocks: one request from front to end
            return system.open(url, "rb", block_size=0), size  # type: ignore[return-value]  # read and close it has
        from huggingface_hub import hf_hub_download

        path = hf_hub_download(file.repo, file.path, repo_type="dataset", revision=file.commit)
        return open(path, "rb", buffering=0), os.stat(path).st_size
