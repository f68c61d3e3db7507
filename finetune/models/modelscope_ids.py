"""Bases on ModelScope (ms://owner/name), by its own library: the extra `modelscope`."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from finetune import hub
from finetune.errors import FinetuneError, IntegrityError, ModelError, Problem, SurroundingsError
from finetune.models.repositories import Listing, Remote, Repository, Stopped, is_commit
from finetune.models.sources import MODELSCOPE, BaseSource

_KEY = "base.model"
_INSTEAD = "a folder, or base.model: starter"


class ModelScope(Repository):
    """See Repository. MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN, MODELSCOPE_CACHE are the user's; so is HF_HUB_OFFLINE.

    The library would send an id of this installation with every request and ask for the machine's place in its
    cloud: neither is done. A login of the `modelscope` command is not read, because it is kept as a pickle.
    """

    default = "master"
    hub = "ModelScope"
    home_variable = "MODELSCOPE_CACHE"

    def __init__(self, source: BaseSource):
        if importlib.util.find_spec("modelscope_hub") is None:
            fix = "pip install 'finetune-kit[modelscope]'"
            raise SurroundingsError(Problem("", _KEY, "needs the extra 'modelscope'", repr(source.label), fix))
        cache = os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache" / "modelscope"
        name = source.label.removeprefix(MODELSCOPE)
        folder = Path(cache).expanduser() / "models" / name.replace("/", "--")
        super().__init__(source, name, folder)
        self._client: Any = None

    def _api(self) -> Any:
        if self._client is None:
            os.environ.setdefault("MODELSCOPE_DOWNLOAD_INTRA_CLOUD", "false")
            from modelscope_hub import HubApi
            from modelscope_hub.config import HubConfig

            class NoSession(HubConfig):
                """Gives every installation the same id, and writes none down."""

                __slots__ = ()

                def get_session_id(self) -> str:
                    return "0" * 32

            if "MODELSCOPE_LOG_LEVEL" not in os.environ:
                logging.getLogger("modelscope_hub").setLevel(logging.CRITICAL)  # its errors are told below
            config = NoSession(token=os.environ.get("MODELSCOPE_API_TOKEN", ""))
            self._client = HubApi(config)
            if not config._endpoint_overridden:
                self._client = HubApi(config, endpoint=self._client.resolve_endpoint_for_read(self.name))
        return self._client

    def look_up(self) -> Listing:
        if self.is_offline():
            raise self._error("is not in the cache, and HF_HUB_OFFLINE keeps the kit off the network", _OFFLINE_FIX)
        revision = self.source.revision or self.default
        found = self._list(revision)
        if is_commit(revision):
            return Listing(revision, found[1])
        commit = found[0]
        if not is_commit(commit):
            fix = "name a commit in base.revision"
            raise self._error(f"ModelScope does not say which commit {revision} is", fix, ModelError)
        # The newest commit of any of its files: what it holds must be what the branch holds.
        pinned = self._list(commit)[1]
        if pinned != found[1]:
            fix = "name a commit in base.revision"
            raise self._error(f"changed while {revision} was looked up", fix, ModelError)
        return Listing(commit, pinned)

    def _list(self, revision: str) -> tuple[str, dict[str, Remote]]:
        """The newest commit among a revision's files, and the files."""
        entries = self._api().legacy.list_repo_files(self.name, "model", revision=revision)
        entries = [entry for entry in entries if entry.get("Type") != "tree" and entry.get("Path")]
        newest = max(entries, key=lambda entry: entry.get("CommittedDate") or 0, default={})
        remotes = [Remote(entry["Path"], int(entry.get("Size") or 0), entry.get("Sha256") or "") for entry in entries]
        return str(newest.get("Revision") or ""), {one.name: one for one in remotes}

    def is_offline(self) -> bool:
        return hub.is_offline()

    def num_partial_bytes(self, commit: str, remote: Remote) -> int:
        with contextlib.suppress(OSError):
            partial = self.snapshot(commit) / f"{remote.name}.incomplete"
            return min(partial.stat().st_size, remote.num_bytes)
        return 0

    def fetch_small(self, listing: Listing, names: Iterable[str]) -> None:
        self._download(listing, names, None)

    def fetch_weights(self, listing: Listing, names: Iterable[str], moved: Callable[[int], None]) -> None:
        self._download(listing, names, moved)

    def _download(self, listing: Listing, names: Iterable[str], moved: Callable[[int], None] | None) -> None:
        from modelscope_hub import _download as theirs

        files = [listing.files[name] for name in names]
        words = [{"Path": one.name, "Size": one.num_bytes, "Sha256": one.digest or None} for one in files]
        quiet = contextlib.ExitStack()
        if hasattr(theirs, "tqdm"):  # the kit has one bar for all files
            former = theirs.tqdm
            theirs.tqdm = partial(former, disable=True)
            quiet.callback(setattr, theirs, "tqdm", former)
        with quiet:
            self._api().download_repo(
                self.name,
                "model",
                revision=listing.commit,
                local_dir=str(self.snapshot(listing.commit)),
                file_list=words,
                progress_callbacks=[_telling(moved)] if moved else None,
            )

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        from modelscope_hub import errors as theirs

        try:
            yield
        except (FinetuneError, Stopped):
            raise
        except theirs.FileDownloadError as error:
            first = next(iter(error.failed_files.values()), error)
            raise self._told(first, next(iter(error.failed_files), "")) from error
        except (theirs.HubError, OSError) as error:
            raise self._told(error, "") from error

    def _told(self, error: BaseException, name: str) -> FinetuneError:
        """One plain message for what the library raises."""
        from modelscope_hub import errors as theirs

        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            return self.disk_error(error)
        if isinstance(error, theirs.FileIntegrityError):
            where = f"{self.source.label}/{name}"
            fix = "try again later, or name another revision"
            return IntegrityError(Problem(where, "", f"is not what the hub says: {hub.reason_of(error)}", fix=fix))
        if isinstance(error, (theirs.AuthenticationError, theirs.PermissionDeniedError)):
            page = f"https://modelscope.cn/models/{self.name}"
            fix = f"ask for access at {page}, then set MODELSCOPE_API_TOKEN to a token of that account"
            return self._error("may not be read", fix)
        if isinstance(error, theirs.NotExistError):
            revision = f" at revision {self.source.revision}" if self.source.revision else ""
            fix = "check id and base.revision; a private one needs MODELSCOPE_API_TOKEN in the shell"
            return self._error(f"is not on ModelScope{revision}", fix, ModelError)
        endpoint = os.environ.get("MODELSCOPE_ENDPOINT", "")
        if endpoint:
            what = f"MODELSCOPE_ENDPOINT ({endpoint}) does not answer as a hub: {hub.reason_of(error)}"
            return self._error(what, f"correct MODELSCOPE_ENDPOINT, or unset it; or use {_INSTEAD}")
        what = f"cannot be fetched: {hub.reason_of(error)}"
        return self._error(what, f"check the network; MODELSCOPE_ENDPOINT names another site; or use {_INSTEAD}")

    def _error(self, what: str, fix: str, kind: type[FinetuneError] = SurroundingsError) -> FinetuneError:
        return kind(Problem("", _KEY, what, repr(self.source.label), fix))


_OFFLINE_FIX = f"unset HF_HUB_OFFLINE; or use {_INSTEAD}"


def _telling(moved: Callable[[int], None]) -> type:
    """A callback of the library's kind that passes on how many bytes arrived."""
    from modelscope_hub._download import ProgressCallback

    class Telling(ProgressCallback):
        def update(self, size: int) -> None:
            moved(size)

    return Telling
