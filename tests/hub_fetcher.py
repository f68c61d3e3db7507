"""Fetch a base in a process of its own, whose environment alone says which hub and cache it knows."""

from __future__ import annotations

import json
import sys
from typing import Any


def main(name: str, revision: str, weights: str) -> dict[str, Any]:
    from finetune import models
    from finetune.errors import FinetuneError
    from finetune.talk import Talk

    class Listener(Talk):
        said: list[str] = []
        counted: list[tuple[str, int, int]] = []

        def say(self, line: str) -> None:
            self.said.append(line)

        def progress(self, name: str, done: int, total: int, loss: float | None = None) -> None:
            self.counted.append((name, done, total))

    talk = Listener()
    try:
        found = models.fetch(models.find_base(name, revision or None), talk, weights == "weights")
    except FinetuneError as error:
        return {"error": [type(error).__name__, error.exit_code, str(error)], "said": talk.said}
    again = models.find_fetched(models.find_base(name, revision or None))
    return {
        "error": None,
        "location": found.location,
        "revision": found.revision,
        "label": found.label,
        "is_local": found.is_local,
        "said": talk.said,
        "counted": talk.counted[-1:],
        "found_again": again is not None and again.location == found.location,
        "torch": "torch" in sys.modules,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
