"""Floor 1: the Hub's errors in plain words, and the switches that keep it quiet.

The variables a user can set: HF_TOKEN (private and gated repositories), HF_HUB_OFFLINE=1 (what is cached, no network),
HF_ENDPOINT (a mirror). They are read by huggingface_hub itself: https://huggingface.co/docs/huggingface_hub
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from finetune.errors import FinetuneError, Problem, SurroundingsError

MAX_REASON_CHARACTERS = 160


# What libraries read when they are imported: no usage statistics, no chatter that a user can do nothing about.
# What of it matters is looked at by the kit itself, and told in its own words.
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "HF_HUB_VERBOSITY": "error",
    "DO_NOT_TRACK": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}


def keep_quiet() -> None:
    """No usage statistics, no chatter. Call it before a library is imported.

    What a user has set stays as it is.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # each reads its variable once, when it is imported, and another library may have imported it before
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None and os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1":
        constants.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]
    config = sys.modules.get("datasets.config")
    if config is not None and os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] == "0":
        config.HF_UPDATE_DOWNLOAD_COUNTS = False  # type: ignore[attr-defined]


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE keeps us from the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def reason_of(error: BaseException) -> str:
    """The first line of what a library says, short; and the next one where the first only announces it."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    reason = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return reason if len(reason) <= MAX_REASON_CHARACTERS else f"{reason[: MAX_REASON_CHARACTERS - 3]}..."


def endpoint_set() -> str:
    """The mirror that HF_ENDPOINT names; empty where it is not set."""
    return os.environ.get("HF_ENDPOINT", "").strip().rstrip("/")


def page_of(repo: str) -> str:
    """The page of a model on the Hub itself: a mirror cannot take a licence's acceptance."""
    return f"https://huggingface.co/{repo}"


def cache_folder() -> Path:
    """Where huggingface_hub keeps what it fetched: under HF_HOME, or HF_HUB_CACHE itself."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached_models(most: int = 3) -> list[str]:
    """Ids of models whose config and weights lie in the cache, for a remedy; at most so many, sorted."""
    found = []
    for folder in sorted(cache_folder().glob("models--*--*")):
        owner, _, name = folder.name.removeprefix("models--").partition("--")
        snapshots = (path.parent for path in folder.glob("snapshots/*/config.json"))
        if any(any(snapshot.glob("*.safetensors")) for snapshot in snapshots):
            found.append(f"{owner}/{name}")
        if len(found) == most:
            break
    return found


@contextlib.contextmanager
def errors(
    key: str,
    label: str,
    wrong: type[FinetuneError],
    *,
    where: str = "",
    instead: str = "",
    is_local: bool = False,
    page: str = "",
) -> Iterator[None]:
    """Turn whatever the Hub and its libraries raise into one plain message.

    Args:
        key: the recipe key that names the repository.
        label: what the user calls it.
        wrong: the error for what the user got wrong: an unknown id, files that cannot be used.
        where: the place of the key in the recipe.
        instead: what to use where the network does not work, for the remedy: "a folder".
        is_local: whether it is a folder, so that the network is not to blame.
        page: where its terms are accepted, if it is gated.

    Raises:
        SurroundingsError: gated, a package is missing, or the network does not answer.
        FinetuneError: `wrong`, else.
    """
    keep_quiet()

    def problem(what: str, fix: str = "") -> Problem:
        return Problem(where, key, what, repr(label), fix)

    try:
        yield
    except FinetuneError:
        raise
    except ImportError as error:
        raise SurroundingsError(problem(f"cannot be loaded: {reason_of(error)}")) from error
    except Exception as error:  # the files are somebody else's: whatever they make a loader raise is theirs
        known = known_kind(error)
        if not known and page and isinstance(error, json.JSONDecodeError):
            known = "network"  # a web page where a hub's answer was expected
        if known == "revision":
            fix = "check the revision: a branch, tag or commit"
            raise wrong(problem("has no such revision on the Hub", fix)) from error
        if known == "repository" and not (page and endpoint_set()):
            fix = "check the id; a private one needs HF_TOKEN in the shell"
            raise wrong(problem("is not on the Hub", fix)) from error
        if not is_local and (known in _SURROUNDINGS or (known == "repository" and page)):
            what, fix = _told(known, page)
            fix += f"; or use {instead}" if page and instead else ""
            raise (wrong if known == "repository" else SurroundingsError)(problem(what, fix)) from error
        if is_local or known != "network":
            fix = f"choose another one, or use {instead}" if instead and not is_local else ""
            fix = "use the files that came with it, or fetch it again" if is_local else fix
            raise wrong(problem(f"cannot be loaded: {reason_of(error)}", fix)) from error
        what = f"cannot be fetched: {reason_of(error)}"
        fix = "check the network; HF_ENDPOINT names a mirror, HF_TOKEN a token, HF_HUB_OFFLINE=1 uses what is cached"
        if page and endpoint_set():
            what = f"HF_ENDPOINT ({endpoint_set()}) does not answer as a hub: {reason_of(error)}"
            fix = "correct HF_ENDPOINT, or unset it to ask huggingface.co"
        fix += f"; or use {instead}" if instead else ""
        raise SurroundingsError(problem(what, fix)) from error


# Kinds of errors that lie in the surroundings, each with its own remedy.
_SURROUNDINGS = ("gated", "token", "offline")


def _told(kind: str, page: str) -> tuple[str, str]:
    """What is wrong and what to do, for a kind that needs no reason of the library's."""
    has_token = bool(_token())
    if kind == "offline":
        return "is not in the cache, and HF_HUB_OFFLINE keeps the kit off the network", "unset HF_HUB_OFFLINE"
    if kind == "token":
        return "cannot be read with this token", "set HF_TOKEN to a valid token that may read it, or unset it"
    if kind == "repository":
        what = f"is not on the hub that HF_ENDPOINT names ({endpoint_set()})"
        return what, "check the id and HF_ENDPOINT; a private one needs HF_TOKEN in the shell"
    if not page:
        return "is gated", "accept its terms on the Hub, then set HF_TOKEN in the shell"
    what = "is gated, and the account of this token may not read it" if has_token else "is gated"
    return what, f"accept its terms at {page}, then set HF_TOKEN to a token of that account"


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def known_kind(error: BaseException) -> str:
    """gated, token, offline, revision, repository or network, by the error or one it was raised from; else ""."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__

    def among(kind: type[BaseException]) -> bool:
        return any(isinstance(one, kind) for one in chain)

    for kind, name in (
        (GatedRepoError, "gated"),
        (RevisionNotFoundError, "revision"),
        (RepositoryNotFoundError, "repository"),
        (OfflineModeIsEnabled, "offline"),
    ):
        if among(kind):
            return name
    refused = any(isinstance(one, HfHubHTTPError) and one.response.status_code in (401, 403) for one in chain)
    if refused and _token():
        return "token"
    # Errors of the HTTP library are no OSError, and which library it is changes with huggingface_hub.
    return "network" if among(OSError) or any(_is_http(one) for one in chain) else ""


def _is_http(error: BaseException) -> bool:
    return any(kind.__name__ == "HTTPError" for kind in type(error).__mro__)
