"""What `base.model` names: a folder, "starter", an id on a hub; found and looked at before anything heavy is loaded."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune import hub, resources
from finetune.errors import FinetuneError, ModelError, Problem, first_places

_KEY = "base.model"
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
MODELSCOPE = "ms://"
SANDBOX = "docs/hubs.md says how"
_MODELSCOPE_ID = re.compile(r"ms://\w[\w.-]*/\w[\w.-]*", re.ASCII)
# Files that can run code as they are read, or that no tokenizer comes with.
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".gguf", ".h5", ".msgpack", ".onnx", ".npz")


@dataclass(frozen=True)
class BaseSource:
    """A base model that was found, before anything heavy is loaded.

    Attributes:
        label: what the manifest and the pages call it: the hub id, "starter", or a folder's own name.
        location: what transformers is given: a folder; a hub id as long as it is not fetched.
        revision: commit, tag or branch asked for; the commit once it is fetched; None for a folder.
        is_local: whether `location` is a folder.
        is_fetched: whether that folder is a hub's, in a cache on this machine; see `fetch`.
    """

    label: str
    location: str
    revision: str | None
    is_local: bool
    is_fetched: bool = False

    @property
    def is_of_a_hub(self) -> bool:
        """Whether others can get it by its label and revision."""
        return self.is_fetched or not self.is_local


def find_base(model: str, revision: str | None = None, folder: Path | None = None) -> BaseSource:
    """What `base.model` means: "starter", a folder (`folder`, already resolved by the recipe), or a hub id.

    A hub id is owner/name on the Hub, ms://owner/name on ModelScope. Nothing is fetched yet; see `fetch`.

    Raises:
        ModelError: a folder that does not exist or holds no model; it never falls through to the hub.
    """
    if model == resources.STARTER_ID:
        return BaseSource(resources.STARTER_ID, str(resources.starter_base()), None, True)
    if model.startswith(MODELSCOPE):
        if not _MODELSCOPE_ID.fullmatch(model):
            raise ModelError(Problem("", _KEY, "is no ModelScope id", repr(model), "write ms://owner/name"))
        return BaseSource(model, model, revision, False)
    path = (folder or Path(model)).expanduser()
    # `models/typo` reads like a hub id; where there is a folder `models`, a folder in it was meant.
    in_a_folder = "/" in model and path.parent.is_dir() and revision is None
    if _HUB_ID.fullmatch(model) and not in_a_folder and not (folder and folder.exists()):
        return BaseSource(model, model, revision, False)
    if not path.is_dir():
        fix = "check the path, or name a hub id like owner/name"
        if _HUB_ID.fullmatch(model):
            fix = f"check the path; if a hub id was meant, add base.revision, or rename the folder {path.parent.name}"
        raise ModelError(Problem("", _KEY, "no such folder", repr(model), fix))
    if not (path / "config.json").is_file():
        fix = "name a folder in Hub form: config.json, *.safetensors, tokenizer files"
        raise ModelError(Problem("", _KEY, "the folder has no config.json", repr(model), fix))
    if not any(path.glob("*.safetensors")):
        raise no_safetensors("the folder", repr(model), sorted(entry.name for entry in path.iterdir()))
    return BaseSource(path.resolve().name, str(path), None, True)


def no_safetensors(who: str, got: str, names: Sequence[str]) -> ModelError:
    """The refusal of a base without safetensors weights, with the files it has instead.

    Args:
        who: "the folder", "the repository".
        got: what the user named, as an error shows it.
        names: all its files.
    """
    others = [name for name in names if name.endswith(_OTHER_WEIGHTS)]
    what = f"{who} has no safetensors weights"
    fix = "convert the weights to safetensors; the kit never unpickles"
    if others:
        what += f", only {first_places(others)}"
        fix = f"name a copy in safetensors, or convert them in a sandbox ({SANDBOX}); the kit never unpickles"
    if others and all(name.endswith(".gguf") for name in others):
        fix = "name the model these files were made from; GGUF is for serving, not for training"
    return ModelError(Problem("", _KEY, what, got, fix))


# What of a folder is read as JSON; the last one may be large, and is looked at only when something went wrong.
SMALL_JSON = ("config.json", "generation_config.json", "tokenizer_config.json")
ALL_JSON = (*SMALL_JSON, "tokenizer.json")


def broken_files(source: BaseSource, names: Sequence[str] = SMALL_JSON) -> list[Problem]:
    """Problems of a local base's files that should hold a JSON object and do not; none of those that are missing."""
    problems = []
    for name in names:
        path = Path(source.location) / name
        if not path.is_file():
            continue
        what = ""
        try:
            if not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
                what = "holds no JSON object"
        except json.JSONDecodeError as error:
            what = f"is no JSON: line {error.lineno}, column {error.colno}: {error.msg[:80]}"
        except (UnicodeDecodeError, RecursionError):
            what = "is no JSON"
        except OSError as error:
            what = f"cannot be read: {error.strerror or error}"
        if what:
            fix = "put back the file that came with the model, or fetch the base again"
            problems.append(Problem(f"{source.label}/{name}", "", what, fix=fix))
    return problems


def refuse_broken(source: BaseSource) -> None:
    """See that what a local base's folder says of itself can be read.

    Raises:
        ModelError: names each file that cannot.
    """
    if source.is_local and (problems := broken_files(source)):
        raise ModelError(problems)


@contextlib.contextmanager
def hub_errors(source: BaseSource) -> Iterator[None]:
    """Turn whatever transformers and the hub raise into one plain message; see finetune.hub.errors."""
    instead = "a folder, or base.model: starter"
    if not source.is_local and (cached := hub.cached_models()):
        instead = f"what is in the cache already ({', '.join(cached)}), {instead}"
    page = hub.page_of(source.label)
    with hub.errors(_KEY, source.label, ModelError, instead=instead, is_local=source.is_local, page=page):
        try:
            yield
        except (FinetuneError, ImportError):
            raise
        except Exception as error:
            if source.is_local and (problems := broken_files(source, ALL_JSON)):
                raise ModelError(problems) from error  # rather than in the words of whoever came upon it
            if "trust_remote_code" in str(error) or "custom code" in str(error):
                fix = "choose a base that transformers knows itself"
                raise ModelError(Problem("", _KEY, "wants to run code of its own", repr(source.label), fix)) from error
            raise


def licence_of(source: BaseSource) -> str | None:
    """`license:` of a local folder's README front matter, None where it does not say."""
    if not source.is_local:
        return None
    readme = Path(source.location) / "README.md"
    if readme.is_file():
        for line in readme.read_text(encoding="utf-8", errors="replace").splitlines()[:40]:
            if line.startswith("license:"):
                return line.split(":", 1)[1].strip() or None
    return None
