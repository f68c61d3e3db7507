"""Trackers: upstream's own callbacks, off unless train.trackers names them, writing into the run folder.

    RUN/tracking/tensorboard/   RUN/tracking/trackio/   RUN/tracking/wandb/   RUN/tracking/mlflow.db

They are told numbers, the recipe's `train` section and the run's name: no path, no row, no weights. Nothing leaves the
machine unless the user's own environment asks for it, and then a line says where to. A tracker that fails is left out
of the rest of the run; the training goes on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from finetune.errors import Problem, SurroundingsError
from finetune.hub import reason_of

FOLDER = "tracking"
_PROJECT = "finetune-kit"


@dataclass(frozen=True)
class _Tracker:
    """What is known of a tracker.

    Attributes:
        install: the command that brings it.
        own: variables that it reads, "{folder}" being RUN/tracking; they hold while it works, whatever was set.
        unset: variables that are given only where the user has not set them.
        outside: variables of the user's that make it send something away -> what to call the place.
    """

    install: str
    own: Mapping[str, str] = field(default_factory=dict)
    unset: Mapping[str, str] = field(default_factory=dict)
    outside: Mapping[str, str] = field(default_factory=dict)


_TRACKERS = {
    "trackio": _Tracker(
        "pip install 'finetune-kit[trackers]'",
        own={"TRACKIO_DIR": "{folder}/trackio"},
        outside={"TRACKIO_SPACE_ID": "the Space {value} on huggingface.co", "TRACKIO_SERVER_URL": "{value}"},
    ),
    "tensorboard": _Tracker(
        "pip install 'finetune-kit[trackers]'",
        own={"TENSORBOARD_LOGGING_DIR": "{folder}/tensorboard"},
    ),
    "wandb": _Tracker(
        "pip install wandb",
        # Left alone, it would send the console's text, the commit and the program along.
        own={
            "WANDB_DIR": "{folder}", "WANDB_LOG_MODEL": "false", "WANDB_WATCH": "false", "WANDB_CONSOLE": "off",
            "WANDB_DISABLE_GIT": "true", "WANDB_DISABLE_CODE": "true", "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false", "WANDB_DATA_DIR": "{folder}/wandb",
        },
        unset={"WANDB_MODE": "offline", "WANDB_PROJECT": _PROJECT},
    ),
    "mlflow": _Tracker(
        "pip install mlflow",
        own={"HF_MLFLOW_LOG_ARTIFACTS": "FALSE", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        unset={"MLFLOW_TRACKING_URI": "sqlite:///{folder}/mlflow.db", "MLFLOW_EXPERIMENT_NAME": _PROJECT},
        outside={"MLFLOW_TRACKING_URI": "{value}"},
    ),
}  # fmt: skip


def require_trackers(names: Sequence[str], where: str = "") -> None:
    """See that the packages of all trackers are there, before anything starts.

    Args:
        names: train.trackers.
        where: the place of that word, for the message.

    Raises:
        SurroundingsError: names each that is missing, and the command that brings it.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        problems = [
            Problem(where, "train.trackers", "needs a package that is not installed", repr(name), install_of(name))
            for name in missing
        ]
        raise SurroundingsError(problems)


def install_of(name: str) -> str:
    """The command that brings a tracker."""
    return _TRACKERS[name].install


def whereabouts(names: Sequence[str]) -> list[str]:
    """One line for each tracker: where it writes, and what leaves the machine."""
    return [_whereabout(name) for name in names]


def _places(name: str) -> list[str]:
    """Where the user's environment makes a tracker send what it is told; [] where nothing leaves the machine."""
    places = [
        text.format(value=_without_secrets(value))
        for variable, text in _TRACKERS[name].outside.items()
        if (value := os.environ.get(variable, "").strip()) and not value.startswith(("sqlite:", "file:", "/", "."))
    ]
    if name == "wandb" and (mode := os.environ.get("WANDB_MODE", "").strip()) not in ("", "offline", "disabled"):
        places = [f"{_without_secrets(os.environ.get('WANDB_BASE_URL', 'api.wandb.ai'))} (WANDB_MODE={mode})"]
    return places


def _whereabout(name: str) -> str:
    places = _places(name)
    if not places:
        return f"tracker {name}: writes to {FOLDER}/ in the run folder; nothing leaves this machine"
    told = "losses, learning rates, the recipe's train section and the name of the run"
    return f"tracker {name}: SENDS {told} to {places[0]}, as your environment says; no row, no weights"


def _without_secrets(value: str) -> str:
    """An address without user, password and query; other values as they are."""
    parts = urlsplit(value)
    return parts.hostname or "" if parts.scheme and parts.netloc else value


def _variables(name: str, folder: Path) -> dict[str, str]:
    """What a tracker finds in its environment."""
    tracker, place = _TRACKERS[name], str(folder.resolve())
    texts = {**tracker.own, **{key: text for key, text in tracker.unset.items() if not os.environ.get(key)}}
    return {key: text.format(folder=place) for key, text in texts.items()}


class _Facts:
    """What a tracker is told of the settings: the trainer's own hold paths of this machine."""

    def __init__(self, args: Any, run_name: str, facts: Mapping[str, Any]):
        self._args, self._facts = args, facts
        self.run_name, self.project, self.output_dir = run_name, _PROJECT, "checkpoints"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._args, name)

    def to_dict(self) -> dict[str, Any]:
        return dict(self._facts)

    def to_json_string(self) -> str:
        import json

        return json.dumps(self._facts, indent=1)


class Trackers:
    """The trackers of one run, behind one callback that tells them the numbers and nothing else.

    Args:
        names: train.trackers.
        folder: the run's folder; they write below its `tracking`.
        run_name: how the run is called.
        facts: the recipe's train section.
        tell: is told where each writes, and what failed.
    """

    def __init__(
        self, names: Sequence[str], folder: Path, run_name: str, facts: Mapping[str, Any], tell: Callable[[str], None]
    ):
        self._names, self._folder, self._tell = tuple(names), folder / FOLDER, tell
        self._run_name, self._facts = run_name, dict(facts)
        self._at_work: dict[str, Any] = {}

    def start(self, args: Any, state: Any, control: Any) -> None:
        """Begin, or go on with, the run in each tracker."""
        from transformers.integrations.integration_utils import get_reporting_integration_callbacks

        for name in self._names:
            self._tell(_whereabout(name))
            with self._guarded(name):
                self._folder.mkdir(parents=True, exist_ok=True)
                if name == "trackio":
                    _point_trackio_at(self._folder / "trackio")
                self._at_work[name] = get_reporting_integration_callbacks([name])[0]()
                # No model: from its config they would take the path that the base was read from.
                self._at_work[name].on_train_begin(self._told(args), state, control, model=None)

    def log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any]) -> None:
        """Tell the numbers of a step."""
        numbers = {key: value for key, value in logs.items() if isinstance(value, (int, float))}
        for name in list(self._at_work):
            with self._guarded(name):
                self._at_work[name].on_log(self._told(args), state, control, model=None, logs=dict(numbers))

    def end(self, args: Any, state: Any, control: Any) -> None:
        """Finish, however the training ended; what was written keeps no name of this machine. Asked again: nothing."""
        for name in list(self._at_work):
            with self._guarded(name):
                self._at_work[name].on_train_end(self._told(args), state, control, model=None)
            self._at_work.pop(name, None)
        _forget_host(self._folder / "tensorboard")

    def _told(self, args: Any) -> Any:
        return _Facts(args, self._run_name, self._facts)

    @contextlib.contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """A tracker's own environment, no word of it on stdout, and no failure of it that ends the training."""
        variables = _variables(name, self._folder)
        before = {key: os.environ.get(key) for key in variables}
        os.environ.update(variables)
        hub = contextlib.nullcontext() if _places(name) else _hub_offline()
        try:
            with contextlib.redirect_stdout(io.StringIO()), hub:
                yield
        except Exception as error:
            self._at_work.pop(name, None)
            self._tell(f"tracker {name} failed and is left out from here on: {reason_of(error)}")
        finally:
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key, None)
                else:
                    os.environ[key] = value


@contextlib.contextmanager
def _hub_offline() -> Iterator[None]:
    """No word to the Hub: trackio asks it for the user's name, with the user's token, only to write it down."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _point_trackio_at(folder: Path) -> None:
    """trackio reads TRACKIO_DIR once, when it is imported; a second run of a process has another folder."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "trackio" and hasattr(module, "TRACKIO_DIR"):
            setattr(module, "TRACKIO_DIR", folder.resolve())  # noqa: B010


def _forget_host(folder: Path) -> None:
    """Event files are named after the machine; tensorboard finds them without that, too."""
    host = socket.gethostname()
    for path in folder.rglob("*tfevents*") if folder.is_dir() and host else ():
        clean = path.with_name(path.name.replace(f".{host}.", ".host."))
        if clean != path and not clean.exists():
            with contextlib.suppress(OSError):
                path.rename(clean)
