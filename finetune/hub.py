"""Floor 1: the Hub's errors in plain words, and the switches that keep it quiet.

The variables a user can set: HF_TOKEN (private and gated repositories), HF_HUB_OFFLINE=1 (what is cached, no network),
HF_ENDPOINT (a mirror). They are read by huggingface_hub itself: https://huggingface.co/docs/huggingface_hub
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from finetune.errors import FinetuneError, Problem, SurroundingsError

MAX_REASON_CHARACTERS = 160


def keep_quiet() -> None:
    """No usage statistics: neither huggingface_hub's nor the load counts of datasets. Call it before either works."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
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
    """The first line of what a library says, short."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:MAX_REASON_CHARACTERS]


@contextlib.contextmanager
def errors(
    key: str, label: str, wrong: type[FinetuneError], *, where: str = "", instead: str = "", is_local: bool = False
) -> Iterator[None]:
    """Turn whatever the Hub and its libraries raise into one plain message.

    Args:
        key: the recipe key that names the repository.
        label: what the user calls it.
        wrong: the error for what the user got wrong: an unknown id, files that cannot be used.
        where: the place of the key in the recipe.
        instead: what to use where the network does not work, for the remedy: "a folder".
        is_local: whether it is a folder, so that the network is not to blame.

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
        known = _known(error)
        if known == "gated":
            fix = "accept its terms on the Hub, then set HF_TOKEN in the shell"
            raise SurroundingsError(problem("is gated", fix)) from error
        if known == "revision":
            fix = "check the revision: a branch, tag or commit"
            raise wrong(problem("has no such revision on the Hub", fix)) from error
        if known == "repository":
            fix = "check the id; a private one needs HF_TOKEN in the shell"
            raise wrong(problem("is not on the Hub", fix)) from error
        if is_local or known != "network":
            fix = f"choose another one, or use {instead}" if instead and not is_local else ""
            raise wrong(problem(f"cannot be loaded: {reason_of(error)}", fix)) from error
        fix = "check the network; HF_ENDPOINT names a mirror, HF_TOKEN a token, HF_HUB_OFFLINE=1 uses what is cached"
        fix += f"; or use {instead}" if instead else ""
        raise SurroundingsError(problem(f"cannot be fetched: {reason_of(error)}", fix)) from error


def _known(error: BaseException) -> str:
    """gated, revision, repository or network, by the error or one that it was raised from; else ""."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    kinds = (
        (GatedRepoError, "gated"),
        (RevisionNotFoundError, "revision"),
        (RepositoryNotFoundError, "repository"),
        (OSError, "network"),
    )
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__
    found = next((name for kind, name in kinds for one in chain if isinstance(one, kind)), "")
    # those of the HTTP library are no OSError, and which library it is changes with huggingface_hub
    return found or ("network" if any(kind.__name__ == "HTTPError" for kind in type(error).__mro__) else "")
