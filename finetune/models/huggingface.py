"""Bases on the Hub, in huggingface_hub's own cache: small files by its library, weights so that a cut does not cost."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from finetune import hub
from finetune.errors import IntegrityError, Problem
from finetune.models.repositories import Listing, Remote, Repository, Stopped
from finetune.models.shards import digest_of, not_as_said, remember
from finetune.models.sources import BaseSource, hub_errors

_NUM_AT_ONCE = 4
_CHUNK_BYTES = 1 << 20
_MAX_TRIES = 5  # without one byte more
_FIRST_PAUSE_SECONDS = 1.0
_TOO_LARGE_BYTES = 50 * 10**9  # what the Hub gives by plain HTTP
_DISK = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS, errno.EACCES)
_WORTH_A_RETRY = (408, 429, 500, 502, 503, 504)


class HuggingFace(Repository):
    """See Repository. HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and HF_HOME are read by the library."""

    hub = "the Hub"
    home_variable = "HF_HOME"

    def __init__(self, source: BaseSource):
        hub.keep_quiet()
        super().__init__(source, source.label, hub.cache_folder() / f"models--{source.label.replace('/', '--')}")

    def look_up(self) -> Listing:
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        api = HfApi()
        info = api.model_info(self.name, revision=self.source.revision)
        if info.gated:
            api.auth_check(self.name)  # before anything is fetched
        commit = str(info.sha)
        tree = api.list_repo_tree(self.name, recursive=True, revision=commit)
        files = [one for one in tree if isinstance(one, RepoFile)]
        remotes = [Remote(one.path, one.size, one.lfs.sha256 if one.lfs else one.blob_id) for one in files]
        return Listing(commit, {one.name: one for one in remotes})

    def errors(self) -> AbstractContextManager[None]:
        return hub_errors(self.source)

    def is_offline(self) -> bool:
        return hub.is_offline()

    def fetch_small(self, listing: Listing, names: Iterable[str]) -> None:
        with ThreadPoolExecutor(_NUM_AT_ONCE) as pool:
            for _ in pool.map(lambda name: self._by_library(listing.commit, name), names):
                pass

    def _by_library(self, commit: str, name: str) -> None:
        from huggingface_hub import hf_hub_download

        hf_hub_download(self.name, name, revision=commit, tqdm_class=_silent_bar())

    def num_partial_bytes(self, commit: str, remote: Remote) -> int:
        # A whole blob without its link in the snapshot counts too.
        for path in (self._blob(remote.digest), self._partial(remote.digest)):
            with contextlib.suppress(OSError):
                return min(path.stat().st_size, remote.num_bytes)
        return 0

    def _blob(self, etag: str) -> Path:
        return self.folder / "blobs" / etag

    def _partial(self, etag: str) -> Path:
        # Not the library's name for it: it throws partial files away, and so might another of its programs.
        return self.folder / "blobs" / f"{etag}.finetune-partial"

    def fetch_weights(self, listing: Listing, names: Iterable[str], moved: Callable[[int], None]) -> None:
        # The library begins a file again when it was cut off; here it goes on. Its Xet protocol cannot.
        stop = threading.Event()

        def told(num_bytes: int) -> None:
            if stop.is_set():
                raise Stopped
            moved(num_bytes)

        with ThreadPoolExecutor(_NUM_AT_ONCE) as pool:
            try:
                for _ in pool.map(lambda name: self._fetch(listing.commit, listing.files[name], told), names):
                    pass
            except BaseException:
                stop.set()  # the others need not go on to their end
                raise

    def _fetch(self, commit: str, remote: Remote, moved: Callable[[int], None]) -> None:
        from filelock import FileLock

        blob, partial = self._blob(remote.digest), self._partial(remote.digest)
        if remote.num_bytes <= _TOO_LARGE_BYTES and remote.digest:
            blob.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{partial}.lock"):
                if not blob.is_file():
                    self._fill(commit, remote, partial, moved)
                    os.replace(partial, blob)
                    remember(blob, remote.digest)
            with contextlib.suppress(OSError):
                os.unlink(f"{partial}.lock")
        # Finds the blob and links to it; fetches what plain HTTP does not give.
        self._by_library(commit, remote.name)

    def _fill(self, commit: str, remote: Remote, partial: Path, moved: Callable[[int], None]) -> None:
        """Fetch into `partial` until it is whole and right; what is not right is thrown away once and fetched anew."""
        found = ""
        moved(partial.stat().st_size if partial.is_file() else 0)
        for _ in range(2):
            self._go_on(commit, remote, partial, moved)
            found = digest_of(partial, remote.digest)
            if found == remote.digest:
                return
            moved(-partial.stat().st_size)
            partial.unlink()
        fix = "try again later, or use another mirror or revision"
        where = f"{self.source.label}/{remote.name}"
        what = not_as_said(found, remote.digest).replace(" here,", " fetched,")
        raise IntegrityError(Problem(where, "", what, fix=fix))

    def _go_on(self, commit: str, remote: Remote, partial: Path, moved: Callable[[int], None]) -> None:
        """Append to `partial` until it has all its bytes, asking again where the line is cut."""
        tries = 0
        while True:
            before = partial.stat().st_size if partial.is_file() else 0
            if before > remote.num_bytes:
                partial.unlink()
                moved(-before)
                continue
            if before == remote.num_bytes:
                return
            try:
                self._stream(commit, remote, partial, before, moved)
            except Exception as error:
                if getattr(error, "errno", None) in _DISK:
                    raise self.disk_error(error) from error
                status = getattr(getattr(error, "response", None), "status_code", None)
                if hub.known_kind(error) != "network" or (status is not None and status not in _WORTH_A_RETRY):
                    raise
                failed: Exception | None = error
            else:
                failed = None
            after = partial.stat().st_size if partial.is_file() else 0
            tries = 0 if after > before else tries + 1
            if tries >= _MAX_TRIES:
                raise failed or OSError(f"{remote.name}: the hub sends no more than {after:,} bytes")
            if failed:
                _pause(_FIRST_PAUSE_SECONDS * 2**tries, moved)

    def _stream(self, commit: str, remote: Remote, partial: Path, start: int, moved: Callable[[int], None]) -> None:
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        url = hf_hub_url(self.name, remote.name, revision=commit)
        location = get_hf_file_metadata(url).location  # anew each time: what is signed runs out
        # A token is for the hub alone, not for where it keeps its files.
        headers = build_hf_headers() if urlsplit(location).netloc == urlsplit(url).netloc else {}
        headers |= {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", location, headers=headers, timeout=timeout, follow_redirects=True) as answer:
            hf_raise_for_status(answer)
            again = bool(start) and answer.status_code != 206  # it sends the whole file
            if again:
                moved(-start)
            with partial.open("wb" if again else "ab") as file:
                for chunk in answer.iter_bytes(_CHUNK_BYTES):
                    file.write(chunk)
                    file.flush()
                    moved(len(chunk))


def _pause(seconds: float, moved: Callable[[int], None]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        moved(0)  # raises when the fetch is given up
        time.sleep(min(0.2, seconds))


def _silent_bar() -> Any:
    from tqdm import tqdm

    class Silent(tqdm):
        """A bar that is not drawn: the kit has one for all files."""

        def __init__(self, *arguments: Any, **options: Any):
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "disable": True})

    return Silent
