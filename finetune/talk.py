"""Floor 1: how a long stage tells what it does; the command line draws it, a program may listen."""

from __future__ import annotations


class Talk:
    """What a run tells while it works; this one says nothing. The command line draws it."""

    def say(self, line: str) -> None:
        """A choice, a count, a warning: one plain line."""

    def stage(self, name: str) -> None:
        """A new stage begins: check, train, evaluate, report."""

    def progress(self, name: str, done: int, total: int, loss: float | None = None) -> None:
        """Something counted goes on; `done` of `total`."""
